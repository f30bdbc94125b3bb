"""The networks of the article, made of layers: a folder each, and the registry of their names for checkpoints."""
