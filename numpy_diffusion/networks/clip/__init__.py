"""CLIP (Radford et al. 2021, arXiv 2103.00020): a text encoder, an image encoder, and both as one network."""
