"""What a model is worth: a trajectory's density and the bound (article, eqs 7-14), likelihoods, metrics."""
