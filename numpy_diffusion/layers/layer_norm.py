"""Layer normalisation (Ba et al. 2016): the group norm of each row, with all its channels in one group."""

from __future__ import annotations

import numpy as np

from numpy_diffusion.layers import group_norm

EPS = 1e-5  # PyTorch's default, which transformers keep


def forward(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float = EPS
) -> tuple[np.ndarray, group_norm.Cache]:
    """y from x [..., C], weight [C], bias [C]."""
    y, cache = group_norm.forward(x.reshape(-1, x.shape[-1]), weight, bias, 1, eps)
    return y.reshape(x.shape), cache


def backward(dy: np.ndarray, cache: group_norm.Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx, dweight [C], dbias [C] from dy [..., C]."""
    dx, dweight, dbias = group_norm.backward(dy.reshape(-1, dy.shape[-1]), cache)
    return dx.reshape(dy.shape), dweight, dbias
