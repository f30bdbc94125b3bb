"""The kernels of the MLP, twins of `networks.mlp.definition`: its outputs, a whole chain, whole training steps."""
