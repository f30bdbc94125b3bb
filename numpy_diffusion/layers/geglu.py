"""The gated linear unit with GELU (Shazeer 2020, equation 6; diffusers' `GEGLU`):

value, gate = the halves of x W^T + b,   y = value gelu(gate)
"""

from __future__ import annotations

import numpy as np

from numpy_diffusion.layers import gelu, linear

Cache = tuple[linear.Cache, np.ndarray, np.ndarray, gelu.Cache]


def forward(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, Cache]:
    """y [..., J] from x [..., K], weight [2 J, K], bias [2 J]."""
    both, linear_cache = linear.forward(x, weight, bias)
    value, gate = np.split(both, 2, axis=-1)
    factor, gelu_cache = gelu.forward(gate)
    return value * factor, (linear_cache, value, factor, gelu_cache)


def backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx [..., K], dweight [2 J, K], dbias [2 J] from dy [..., J]."""
    linear_cache, value, factor, gelu_cache = cache
    dgate = gelu.backward(dy * value, gelu_cache)
    return linear.backward(np.concatenate([dy * factor, dgate], axis=-1), linear_cache)
