"""The first weights of a network of residual blocks."""

from __future__ import annotations

import math

import numpy as np

from numpy_diffusion.models.parameters import Parameters
from numpy_diffusion.noise import STREAM_WEIGHTS, normal


def draw(params: Parameters, seed: int, *zero: str, stream: int = STREAM_WEIGHTS) -> None:
    """Normal weights of variance 1 / inputs, norms of weight 1, zero biases; weights whose names end so stay zero.

    A class has one input, so that its row is of variance 1.
    """
    for number, (name, values) in enumerate(params.items()):
        if name.endswith("weight") and values.ndim == 1:
            values[:] = 1.0
        elif name.endswith("weight") and not name.endswith(zero):
            inputs = 1 if name == "class_embedding.weight" else math.prod(values.shape[1:])
            drawn = normal(seed, stream, np.arange(len(values)), number, math.prod(values.shape[1:]))
            values[:] = drawn.reshape(values.shape) / np.sqrt(inputs)
