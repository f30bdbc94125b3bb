"""The kernels of the U-Net's layers, twins of the definitions in `layers`."""
