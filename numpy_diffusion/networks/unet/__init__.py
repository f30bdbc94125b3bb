"""The network for images (Ho et al. 2020, appendix B): a U-Net, its definition beside its kernels."""
