"""Drawing samples: Algorithm 1 of the article, and every other solver, as tables of coefficients for one loop."""
