"""The kernels of the MLP, twins of `networks.mlp.definition`: outputs, chains, training steps, likelihoods."""
