"""Fourier features: the printed formula, the gradient, and the derivative along a tangent."""

from __future__ import annotations

import math

import numpy as np
from checks.gradcheck import BOUND, errors, slope, wrong
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import fourier_features

FLAT = settings(deadline=None, max_examples=30)
DRAWN = dict(n=st.integers(1, 4), dim=st.integers(1, 4), octaves=st.integers(0, 5), seed=st.integers(0, 10_000))


@FLAT
@given(**DRAWN)
def test_forward_is_the_printed_formula(n: int, dim: int, octaves: int, seed: int) -> None:
    x = 2.0 * np.random.default_rng(seed).normal(size=(n, dim))
    found, _ = fourier_features.forward(x, octaves)
    assert found.shape == (n, fourier_features.size(dim, octaves))
    for row, features in zip(x, found, strict=True):
        pairs = [
            [row[d], *((row[d] + s * row[e]) / math.sqrt(2.0) for e in range(d + 1, dim) for s in (1, -1))]
            for d in range(dim)
        ]
        u = [value for some in pairs for value in some]
        angles = [[2.0 * math.pi * 2**k / fourier_features.PERIOD * value for value in u] for k in range(octaves)]
        waves = [wave(angle) for octave in angles for wave in (math.sin, math.cos) for angle in octave]
        np.testing.assert_allclose(features, [*row, *waves], rtol=0, atol=1e-13)


@FLAT
@given(**DRAWN)
def test_backward_is_the_gradient(n: int, dim: int, octaves: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(size=(n, dim)), rng.normal(size=(n, fourier_features.size(dim, octaves)))
    dx = fourier_features.backward(dy, fourier_features.forward(x, octaves)[1])
    assert (
        wrong(errors(lambda: float((dy * fourier_features.forward(x, octaves)[0]).sum()), {"x": x}, {"x": dx})) == []
    )


@FLAT
@given(**DRAWN)
def test_jvp_is_the_derivative_along_each_tangent(n: int, dim: int, octaves: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, tangents = rng.normal(size=(n, dim)), rng.normal(size=(2, n, dim))
    tangents /= np.linalg.norm(tangents, axis=(1, 2), keepdims=True)  # the difference's step is one of length 1
    dy = rng.normal(size=(n, fourier_features.size(dim, octaves)))
    along = fourier_features.jvp(tangents, fourier_features.forward(x, octaves)[1])
    for tangent, found in zip(tangents, along, strict=True):
        expected = slope(lambda: float((dy * fourier_features.forward(x, octaves)[0]).sum()), x, tangent)
        # against the sizes of the two, since their product's terms may cancel
        assert abs(expected - (dy * found).sum()) < BOUND * np.linalg.norm(dy) * np.linalg.norm(found)


def test_without_octaves_it_is_the_coordinates() -> None:
    x = np.array([[1.0, -2.0]])
    np.testing.assert_array_equal(fourier_features.forward(x, 0)[0], x)
