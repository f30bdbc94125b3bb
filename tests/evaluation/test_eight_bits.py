"""Probabilities of 8-bit values (Ho et al. eq 13): their sum, each as an integral, and the open ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.evaluation.eight_bits import log_bin

FLAT = settings(deadline=None, max_examples=60)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)


@pytest.mark.parametrize("mean", [-1e5, -300.0, -3.0, 0.2, 127.3, 254.9, 600.0, 1e6])
@pytest.mark.parametrize("sigma", [1e-3, 0.1, 0.5, 3.0, 100.0, 1e5])
def test_256_probabilities_sum_to_one(mean: float, sigma: float) -> None:
    found = log_bin(np.arange(256.0), np.float64(mean), np.float64(sigma))
    assert np.isfinite(found).all()
    assert np.exp(found).sum() == pytest.approx(1.0, abs=1e-13)


@FLAT
@given(x=st.integers(1, 254), mean=st.floats(-2e3, 2e3), sigma=st.floats(1e-2, 1e3))
def test_a_bin_is_the_integral_of_the_density(x: int, mean: float, sigma: float) -> None:
    """By Gauss-Legendre quadrature, relative to the density at the edge that is nearest to the mean."""
    edge = x + 0.5 * np.sign(mean - x) if abs(mean - x) > 0.5 else mean
    reach = min(0.5 + abs(x - edge), 1.0, 40.0 * sigma / max(1.0, abs(mean - edge) / sigma))
    total = 0.0
    for side in (-1.0, 1.0):
        last = np.clip(edge + side * reach, x - 0.5, x + 0.5)
        s = 0.5 * (last - edge) * (NODES + 1.0)
        values = np.exp(-s * (s + 2.0 * (edge - mean)) / (2.0 * sigma**2))
        total += abs(0.5 * (last - edge)) * float(WEIGHTS @ values)
    expected = math.log(total) - 0.5 * ((edge - mean) / sigma) ** 2 - math.log(math.sqrt(2.0 * math.pi) * sigma)
    found = float(log_bin(np.array(float(x)), np.float64(mean), np.float64(sigma)))
    assert found == pytest.approx(expected, rel=1e-11, abs=1e-9)


def test_decoder_mirrors_and_is_open_at_both_ends() -> None:
    sigma = np.float64(20.0)
    for mean in (-50.0, 3.0, 127.5, 300.0):
        found = log_bin(np.arange(256.0), np.float64(mean), sigma)
        mirrored = log_bin(np.arange(256.0), np.float64(255.0 - mean), sigma)[::-1]
        np.testing.assert_allclose(found, mirrored, rtol=1e-12)
        for value, edge in ((0, 0.5 - mean), (255, mean - 254.5)):
            tail = 0.5 * math.erfc(-edge / 20.0 / math.sqrt(2.0))
            assert found[value] == pytest.approx(math.log(tail), rel=1e-11, abs=1e-15)
