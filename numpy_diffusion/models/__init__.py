"""What a model is, eps = model(x, t), and what it may be told: protocol, wrappers, and the base of all networks."""
