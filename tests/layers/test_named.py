"""A layer's weight and bias by its name, and where their gradients go."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.layers.named import Gradients, store_gradients, weight_and_bias


def test_a_layer_has_its_own_weight_and_bias() -> None:
    params = {
        name: np.full(1, number) for number, name in enumerate(("a.weight", "a.bias", "b.a.weight", "b.a.bias"))
    }
    assert [values.item() for values in weight_and_bias(params, "a")] == [0, 1]
    assert [values.item() for values in weight_and_bias(params, "b.a")] == [2, 3]
    with pytest.raises(KeyError, match=r"b\.weight"):
        weight_and_bias(params, "b")


def test_gradients_go_under_the_layer_s_names_and_dx_comes_back() -> None:
    grads: Gradients = {"other.weight": np.zeros(1)}
    dx, dweight, dbias = np.ones(1), np.ones(2), np.ones(3)
    assert store_gradients(grads, "a.0", (dx, dweight, dbias)) is dx
    assert list(grads) == ["other.weight", "a.0.weight", "a.0.bias"]
    assert grads["a.0.weight"] is dweight
    assert grads["a.0.bias"] is dbias
