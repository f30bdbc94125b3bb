"""A layer's weight and bias in a dict of named parameters, and their gradients in another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Gradients = dict[str, np.ndarray]


def of(params: Mapping[str, np.ndarray], layer: str) -> tuple[np.ndarray, np.ndarray]:
    """The weight and bias of `layer`."""
    return params[f"{layer}.weight"], params[f"{layer}.bias"]


def kept(grads: Gradients, layer: str, gradients: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Of a layer's dx, dweight and dbias: puts the last two into `grads`, and returns dx."""
    dx, grads[f"{layer}.weight"], grads[f"{layer}.bias"] = gradients
    return dx
