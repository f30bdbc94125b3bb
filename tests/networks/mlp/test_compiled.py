"""The MLP's kernel against its definition, and a sample's answer in any batch."""

from __future__ import annotations

import numpy as np
from checks.mlp import network, points, shapes
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.backend import BACKENDS
from numpy_diffusion.layers import fourier_features
from numpy_diffusion.networks.mlp import definition
from numpy_diffusion.networks.mlp.mlp import MLP

FLAT = settings(deadline=None, max_examples=30)
ROUNDING = 2.0**-24  # relative error of one float32 operation


def rounding_bound(model: MLP, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """What float32 may do to eps: [N, D].  Errors of single numbers add in squares, as they have no common sign.

    A sum of K products and a bias rounds each partial sum; SiLU has a slope of at most 1.1, and its own error stays
    below 1e-6 max(1, |g|).  Six times the standard error that follows.
    """

    def through(name: str, h: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weight, bias = (model.params[f"{name}.{part}"].astype(np.float64) for part in ("weight", "bias"))
        squares = h**2 @ (weight**2).T + bias**2
        return h @ weight.T + bias, variance @ (weight**2).T + (weight.shape[1] + 1) * ROUNDING**2 * squares

    features, _ = fourier_features.forward(x.astype(np.float64), model.config.octaves)
    h = np.hstack([features, model.embed(t).astype(np.float64)])
    variance = (ROUNDING * h) ** 2
    # The longest wave is good to 2e-7, beside the rounding of its angle; an octave up doubles what is wrong below.
    variance[:, x.shape[1] : features.shape[1]] += (2.0**model.config.octaves * 3e-7 * (1.0 + np.abs(x).max())) ** 2
    for name in ("input", *(f"hidden.{layer}" for layer in range(model.config.depth))):
        g, variance_g = through(name, h, variance)
        y, variance_y = g / (1.0 + np.exp(-g)), 1.1**2 * variance_g + (1e-6 * np.maximum(1.0, np.abs(g))) ** 2
        skip = model.config.residual and name != "input"
        h, variance = (y + h, variance_y + variance + (ROUNDING * (y + h)) ** 2) if skip else (y, variance_y)
    return 6.0 * np.sqrt(through("output", h, variance)[1])


@FLAT
@given(**shapes(most=150, widest=70))
def test_kernel_and_definition_agree_to_rounding(
    seed: int, dim: int, width: int, depth: int, embedding: int, residual: bool, N: int
) -> None:
    model = network(seed, dim, width, depth, embedding, residual, np.float32)
    x, t = points(seed, N, dim, np.float32)
    doubles = {name: values.astype(np.float64) for name, values in model.params.items()}
    exact, _ = definition.forward(doubles, model.config, x.astype(np.float64), t)
    bound = rounding_bound(model, x, t)
    for backend in BACKENDS:
        eps = model(x, t, backend=backend)
        assert eps.dtype == np.float32
        assert eps.shape == x.shape
        assert (np.abs(eps - exact) <= bound).all()
    assert bound.max() < 1e-3 * max(1.0, np.abs(exact).max())  # or it would say nothing


@FLAT
@given(**shapes(most=100, widest=40), data=st.data())
def test_a_row_is_the_same_to_the_bit_whatever_else_is_in_the_batch(
    seed: int, dim: int, width: int, depth: int, embedding: int, residual: bool, N: int, data: st.DataObject
) -> None:
    model = network(seed, dim, width, depth, embedding, residual, np.float32)
    x, t = points(seed, N, dim, np.float32)
    whole = model(x, t)
    k = data.draw(st.integers(1, N))
    np.testing.assert_array_equal(model(x[:k], t[:k]), whole[:k])
    chosen = np.array(data.draw(st.lists(st.integers(0, N - 1), min_size=1, max_size=N)))
    np.testing.assert_array_equal(model(x[chosen], t[chosen]), whole[chosen])
