"""GELU, its forms and its gate, as they are printed, and their gradients."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import geglu, gelu, quick_gelu

SHAPE = (3, 4)


def normal_distribution(value: float) -> float:
    return 0.5 * math.erfc(-value / math.sqrt(2.0))


def spread(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return 3.0 * drawn(seed, x=shape)["x"]


def check_gelu_gradient(form: gelu.Form = "erf", shape: tuple[int, ...] = SHAPE, seed: int = 0) -> None:
    given = {"x": spread(shape, seed)}
    assert wrong_gradients(partial(gelu.forward, form=form), gelu.backward, given) == []


def check_gelu_values(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> None:
    """The tanh form is the definition to within 5e-4 (measured over all numbers: 4.8e-4)."""
    x = spread(shape, seed)
    exact = np.array([value * normal_distribution(value) for value in x.flat]).reshape(shape)
    np.testing.assert_allclose(gelu.forward(x)[0], exact, rtol=0, atol=1e-15 * (1 + np.abs(x).max()))
    np.testing.assert_allclose(gelu.forward(x, "tanh")[0], exact, rtol=0, atol=5e-4)


def check_quick_gelu_gradient(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> None:
    assert wrong_gradients(quick_gelu.forward, quick_gelu.backward, {"x": spread(shape, seed)}) == []


def check_quick_gelu_values(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> None:
    x = spread(shape, seed)
    np.testing.assert_allclose(quick_gelu.forward(x)[0], x / (1.0 + np.exp(-1.702 * x)), rtol=0, atol=1e-14)


def geglu_arrays(rows: tuple[int, ...], K: int, J: int) -> dict[str, np.ndarray]:
    return drawn(K + J, x=(*rows, K), weight=(2 * J, K), bias=(2 * J,))


def check_geglu_gradient(rows: tuple[int, ...] = (2, 3), K: int = 2, J: int = 3) -> None:
    assert wrong_gradients(geglu.forward, geglu.backward, geglu_arrays(rows, K, J)) == []


def check_geglu_values(rows: tuple[int, ...] = (2, 3), K: int = 2, J: int = 3) -> None:
    given = geglu_arrays(rows, K, J)
    x, weight, bias = given.values()
    y, _ = geglu.forward(**given)
    assert y.shape == (*rows, J)
    for place in np.ndindex(y.shape):
        row, j = x[place[:-1]], place[-1]
        value, gate = (row @ weight[i] + bias[i] for i in (j, J + j))
        np.testing.assert_allclose(y[place], value * gate * normal_distribution(gate), rtol=1e-12, atol=1e-13)
