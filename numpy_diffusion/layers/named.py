"""A layer's weight and bias in a dict of named parameters, and their gradients in another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Gradients = dict[str, np.ndarray]


def weight_and_bias(params: Mapping[str, np.ndarray], layer: str) -> tuple[np.ndarray, np.ndarray]:
    """The weight and bias of `layer`."""
    return params[f"{layer}.weight"], params[f"{layer}.bias"]


def within(params: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The parameters whose names start with `name`, by the rest of their names."""
    start = f"{name}."
    return {key.removeprefix(start): values for key, values in params.items() if key.startswith(start)}


def store_gradients(grads: Gradients, layer: str, gradients: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Put dweight and dbias of a layer's (dx, dweight, dbias) into `grads` under their names, and return dx."""
    dx, grads[f"{layer}.weight"], grads[f"{layer}.bias"] = gradients
    return dx
