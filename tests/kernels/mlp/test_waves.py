"""The waves of the coordinates in float64 against the layer that defines them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.mlp.waves import add_waves, waves_along
from numpy_diffusion.kernels.vector.double import LANES
from numpy_diffusion.layers import fourier_features

FLAT = settings(deadline=None, max_examples=40)


@FLAT
@given(st.integers(1, 5), st.integers(0, 9), st.integers(0, 10_000))
def test_waves_and_their_derivative_are_the_layers(D: int, octaves: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, z = 4.0 * rng.normal(size=(LANES, D)), rng.normal(size=(LANES, D))
    size = fourier_features.size(D, octaves)
    inputs, along = np.full((2, size + 3, LANES), 7.0)
    inputs[:D] = x.T
    add_waves(inputs, D, octaves)
    waves_along(inputs, np.ascontiguousarray(z.T), D, octaves, along)
    features, cache = fourier_features.forward(x, octaves)
    change = fourier_features.jvp(z, cache)
    rounding = 1e-15 * 2.0**octaves * (1.0 + np.abs(x).max())  # of the angle, in the layer
    np.testing.assert_allclose(inputs[:size].T, features, rtol=0, atol=rounding)
    np.testing.assert_allclose(along[:size].T, change, rtol=0, atol=2.0**octaves * 10.0 * rounding)
    assert (inputs[size:] == 7.0).all()
    assert (along[size:] == 7.0).all()


def test_a_wave_is_right_to_rounding_where_turns_are_exact() -> None:
    """Multiples of an eighth of a turn, and just beside them, over many turns."""
    turns = np.concatenate([np.arange(-40.0, 40.0), np.nextafter(np.arange(-40.0, 40.0), 100.0)]) / 8.0
    for part in turns.reshape(-1, LANES):
        inputs = np.zeros((3, LANES))
        inputs[0] = 8.0 * part
        add_waves(inputs, 1, 1)
        angle = 2.0 * np.longdouble(np.pi) * (part - np.floor(part))
        np.testing.assert_allclose(inputs[1], np.sin(angle), rtol=0, atol=1e-15)
        np.testing.assert_allclose(inputs[2], np.cos(angle), rtol=0, atol=1e-15)
