"""A layer's weight and bias by its name, and where their gradients go."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.layers.named import Gradients, inside, store_gradients, store_inside, weight_and_bias


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


def test_what_is_inside_a_block_has_the_rest_of_its_name() -> None:
    params = {name: np.zeros(1) for name in ("a.0.weight", "a.0.b.bias", "a.01.weight", "b.a.0.weight", "a")}
    assert list(inside(params, "a.0")) == ["weight", "b.bias"]
    assert inside(params, "a.0")["b.bias"] is params["a.0.b.bias"]


def test_gradients_from_inside_get_their_whole_names() -> None:
    grads: Gradients = {"other.weight": np.zeros(1)}
    store_inside(grads, "a.0", {"weight": np.ones(1), "b.bias": np.ones(2)})
    assert list(grads) == ["other.weight", "a.0.weight", "a.0.b.bias"]
