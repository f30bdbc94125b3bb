"""The text encoder of CLIP (Radford et al. 2021, arXiv 2103.00020): a causal transformer over a text's tokens."""
