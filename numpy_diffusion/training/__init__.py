"""Training (article, the loss with lambda(t); Ho et al. 2020, Algorithm 1): the step, the loop, the run on disk."""
