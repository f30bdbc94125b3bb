"""eps-networks assembled from layers: an eps-network is any callable eps = model(x, t)."""
