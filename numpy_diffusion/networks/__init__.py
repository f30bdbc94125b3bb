"""Networks made of layers, for noise, latents and texts: a folder each, and the registry of names for checkpoints."""
