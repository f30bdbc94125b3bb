"""A network in plain numbers: enough to run it with nothing but NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.layers import fourier_features, time_embedding
from numpy_diffusion.models.perceptron import Perceptron
from numpy_diffusion.models.protocol import members
from numpy_diffusion.networks.mlp.mlp import MLP


def answer(perceptron: Perceptron, x: np.ndarray, t: int) -> np.ndarray:
    """eps [N, D] by the layers alone."""
    embedded = time_embedding.forward(np.full(len(x), t), perceptron.embedding, x.dtype)
    h = np.concatenate([fourier_features.forward(x, perceptron.octaves)[0], embedded], axis=1)
    for number, (weight, bias) in enumerate(perceptron.layers[:-1]):
        g = h @ weight.T + bias
        y = g / (1.0 + np.exp(-g))
        h = h + y if perceptron.residual and number > 0 else y
    weight, bias = perceptron.layers[-1]
    return h @ weight.T + bias


@pytest.mark.parametrize("learn_variance", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_the_layers_are_all_that_is_needed(residual: bool, learn_variance: bool) -> None:
    model = MLP(3, 8, 2, residual=residual, octaves=2, learn_variance=learn_variance, dtype=np.float64)
    model.buffer[:] = 0.3 * np.random.default_rng(0).normal(size=model.buffer.size)
    x, perceptron = np.random.default_rng(1).normal(size=(5, 3)), members(model).perceptron
    assert perceptron is not None
    np.testing.assert_allclose(answer(perceptron, x, 7), model(x, 7), rtol=1e-12)


def test_what_is_no_perceptron_has_none() -> None:
    assert members(lambda x, t: x).perceptron is None
