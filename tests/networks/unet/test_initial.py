"""The first weights: of variance 1 / inputs, by their seed, and zero where that is asked."""

from __future__ import annotations

import numpy as np

from numpy_diffusion.networks.unet import initial

SHAPES = {"a.weight": (200, 50, 3, 3), "a.bias": (200,), "norm.weight": (9,), "class_embedding.weight": (90, 90)}


def drawn(seed: int = 0, *zero: str) -> dict[str, np.ndarray]:
    params = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    initial.draw(params, seed, *zero)
    return params


def test_weights_are_normal_by_their_inputs_norms_one_and_biases_zero() -> None:
    found = drawn()
    assert abs(found["a.weight"].std() * np.sqrt(450) - 1.0) < 0.01
    assert abs(found["class_embedding.weight"].std() - 1.0) < 0.05
    assert not found["a.bias"].any()
    assert (found["norm.weight"] == 1.0).all()


def test_they_are_the_seeds_and_what_is_called_zero_is() -> None:
    for name, values in drawn(1).items():
        np.testing.assert_array_equal(values, drawn(1)[name])
    assert (drawn(1)["a.weight"] != drawn(2)["a.weight"]).any()
    for zero in (("a.weight",), ("none", "a.weight")):
        found = drawn(1, *zero)
        assert not found["a.weight"].any()
        assert found["class_embedding.weight"].any()
