"""The sampled Gaussian: its gradients, its divergence against an integral, and what the clip does."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from checks.faults import Fault, with_fault
from checks.gradcheck import errors, wrong
from checks.layer_gradients import drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import diagonal_gaussian

SMALL = st.integers(1, 3)


def check_gradients(N: int = 2, C: int = 2, H: int = 2, W: int = 3, seed: int = 0) -> None:
    arrays = drawn(seed, moments=(N, 2 * C, H, W))
    noise, dz = drawn(seed + 1, noise=(N, C, H, W), dz=(N, C, H, W)).values()

    def loss() -> float:
        z, divergence, _ = diagonal_gaussian.forward(arrays["moments"], noise)
        return float((dz * z).sum() + 0.7 * divergence.sum())

    _, _, cache = diagonal_gaussian.forward(arrays["moments"], noise)
    found = {"moments": diagonal_gaussian.backward(dz, 0.7, cache)}
    assert wrong(errors(loss, arrays, found)) == []


@settings(deadline=None, max_examples=10)
@given(N=SMALL, C=SMALL, H=SMALL, W=SMALL, seed=st.integers(0, 99))
def test_gradients(**sizes: Any) -> None:
    check_gradients(**sizes)


@pytest.mark.parametrize(
    ("right", "wrong_line"),
    [
        ("dz + ddivergence * mean", "dz - ddivergence * mean"),
        ("sigma**2 - 1.0", "sigma - 1.0"),
        ("dz * sigma * noise", "dz * noise"),
        ("0.5 * (dz", "1.0 * (dz"),
    ],
)
def test_a_fault_in_the_gradient_is_found(right: str, wrong_line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = Fault(diagonal_gaussian.backward, right, wrong_line, check_gradients)
    monkeypatch.setattr(sys.modules[diagonal_gaussian.__name__], "backward", with_fault(fault))
    with pytest.raises(AssertionError):
        check_gradients()


def test_the_divergence_is_the_integral_of_q_log_q_over_p() -> None:
    mean, log_variance = 0.7, -0.4
    z = np.linspace(-12.0, 12.0, 20001)
    log_q = -0.5 * ((z - mean) ** 2 / np.exp(log_variance) + log_variance)
    log_p = -0.5 * z**2
    expected = np.trapezoid(np.exp(log_q) / np.sqrt(2.0 * np.pi) * (log_q - log_p), z)
    moments = np.array([mean, log_variance]).reshape(1, 2, 1, 1)
    _, divergence, _ = diagonal_gaussian.forward(moments, np.zeros((1, 1, 1, 1)))
    np.testing.assert_allclose(divergence, [expected], rtol=1e-9)


def test_the_variance_is_clipped_and_passes_no_gradient_there() -> None:
    moments = np.array([[1.0, 2.0, 3.0], [-31.0, 0.0, 21.0]]).reshape(1, 2, 1, 3)
    mean, log_variance = diagonal_gaussian.halves(moments)
    assert mean.ravel().tolist() == [1.0, 2.0, 3.0]
    assert log_variance.ravel().tolist() == [-30.0, 0.0, 20.0]
    noise = np.full((1, 1, 1, 3), 2.0)
    z, _, cache = diagonal_gaussian.forward(moments, noise)
    np.testing.assert_allclose(z.ravel(), [1.0 + 2.0 * np.exp(-15.0), 4.0, 3.0 + 2.0 * np.exp(10.0)])
    slopes = diagonal_gaussian.backward(np.ones_like(noise), 0.0, cache)[0, 1].ravel()
    assert slopes.tolist() == [0.0, 1.0, 0.0]
