"""The two chains on paper, forward and reverse, with no model and no file (article, eqs 1-6, Fig 2; mu, Sigma)."""
