"""CLIP's image encoder in NumPy: its gradient, and what an embedding knows of."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from checks.clip import images, vision
from checks.gradcheck import projected_errors, wrong

from numpy_diffusion.layers.encoder_layer import Activation
from numpy_diffusion.networks.clip import vision_definition


@pytest.mark.parametrize("act", get_args(Activation))
def test_the_gradient(act: Activation) -> None:
    model, x = vision(np.float64, hidden_act=act), images(dtype=np.float64)
    dembedding = np.random.default_rng(1).normal(size=(3, 3))
    loss = lambda: float((dembedding * vision_definition.forward(model.params, model.config, x)[0]).sum())  # noqa: E731
    _, caches = vision_definition.forward(model.params, model.config, x)
    dx, grads = vision_definition.backward(model.config, dembedding, caches)
    assert wrong(projected_errors(loss, model.params | {"x": x}, grads | {"x": dx})) == []


def test_every_pixel_counts_and_where_it_stands() -> None:
    model, x = vision(np.float64), images(1, np.float64)
    before = model(x)
    for place in np.ndindex(x.shape[1:]):
        other = x.copy()
        other[(0, *place)] += 1.0
        assert np.abs(model(other) - before).max() > 1e-6
    assert np.abs(model(x[:, :, ::-1]) - before).max() > 1e-3
