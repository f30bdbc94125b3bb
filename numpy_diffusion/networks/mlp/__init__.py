"""The network for points (article, Figs 3-5): a multilayer perceptron, its definition beside its kernels."""
