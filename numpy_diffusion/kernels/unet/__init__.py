"""The kernels of the U-Net, twins of `networks.unet.definition`: a loop over the calls that its plan lists."""
