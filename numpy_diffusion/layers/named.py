"""A layer's parameters in a dict of named ones, and their gradients in another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Gradients = dict[str, np.ndarray]


def weight_and_bias(params: Mapping[str, np.ndarray], layer: str) -> tuple[np.ndarray, np.ndarray]:
    """The weight and bias of `layer`."""
    return params[f"{layer}.weight"], params[f"{layer}.bias"]


def store_gradients(grads: Gradients, layer: str, gradients: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Put dweight and dbias of a layer's (dx, dweight, dbias) into `grads` under their names, and return dx."""
    dx, grads[f"{layer}.weight"], grads[f"{layer}.bias"] = gradients
    return dx


def inside(params: Mapping[str, np.ndarray], name: str) -> Gradients:
    """The parameters of what is called `name`, by the rest of their names."""
    start = f"{name}."
    return {key.removeprefix(start): values for key, values in params.items() if key.startswith(start)}


def store_inside(grads: Gradients, name: str, inside: Gradients) -> None:
    """Put the gradients of what is called `name` into `grads` under their whole names."""
    grads |= {f"{name}.{key}": values for key, values in inside.items()}
