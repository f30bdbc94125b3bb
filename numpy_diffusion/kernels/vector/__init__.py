"""Code for the processor's vector registers, on which the other kernels stand: each intrinsic with a plain twin."""
