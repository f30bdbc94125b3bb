"""Embeddings of CLIP, made ready for a diffusion in their space."""

import numpy as np


def ready(embedding):
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    return embedding / length
