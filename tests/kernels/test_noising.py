"""The fused noising kernel against its definition, at every size where its loops change."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion import noise
from numpy_diffusion.kernels import noising
from numpy_diffusion.process.forward import noised

SEED = 2**63 + 12345
ROUNDING = 2.0**-24
NORMAL_ERROR = 1e-6  # see test_random.py
SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 62, *range(noising.SHORT - 1, noising.SHORT + 5), 127, 130]


def inputs(N: int, D: int) -> tuple[np.ndarray, ...]:
    """x, and signal, sigma and step of each row."""
    rng = np.random.default_rng([N, D])
    x, signal, sigma = rng.normal(size=(N, D)), rng.random(N), rng.random(N)
    return *(values.astype(np.float32) for values in (x, signal, sigma)), rng.integers(0, 1001, N)


def kernel(*arguments: np.ndarray, first: int = 0, stream: int = noise.STREAM_JUMP) -> tuple[np.ndarray, np.ndarray]:
    xt, eps, finite = noising.noised(*arguments, first, stream, noise.split_seed(SEED))
    assert finite
    return xt, eps


@pytest.mark.parametrize("D", SIZES)
@pytest.mark.parametrize("N", [1, noising.CHUNK - 1, noising.CHUNK, noising.CHUNK + 1, 2 * noising.CHUNK + 3])
def test_kernel_is_the_definition_to_rounding(N: int, D: int) -> None:
    x, signal, sigma, t = inputs(N, D)
    first, stream = 2**32 - N, noise.STREAM_CHAIN
    xt, eps = kernel(x, signal, sigma, t, first=first, stream=stream)
    defined_xt, defined_eps = noised(x, signal, sigma, t, first, stream, SEED)
    assert xt.dtype == eps.dtype == np.float32
    assert np.abs(eps - defined_eps).max() <= NORMAL_ERROR
    signal, sigma = signal[:, None], sigma[:, None]
    rounding = 4 * ROUNDING * (signal * np.abs(x) + sigma * np.abs(eps))  # products and sums, on both sides
    assert (np.abs(xt - defined_xt) <= sigma * NORMAL_ERROR + rounding).all()


@pytest.mark.parametrize("D", [1, 3, noising.SHORT - 1, noising.SHORT, noising.SHORT + 1])
def test_a_row_is_the_same_to_the_bit_wherever_it_stands(D: int) -> None:
    N = 2 * noising.CHUNK + 3
    x, signal, sigma, t = inputs(N, D)
    whole = kernel(x, signal, sigma, t, first=5)
    for n in (0, 1, noising.CHUNK - 1, noising.CHUNK, N - 1):
        row = slice(n, n + 1)
        alone = kernel(x[row], signal[row], sigma[row], t[row], first=5 + n)
        for all_rows, one in zip(whole, alone, strict=True):
            np.testing.assert_array_equal(one, all_rows[row])


def test_short_and_long_rows_draw_alike() -> None:
    """Word k of counter j is the same number in a row of 60 and in one of 64; it only stands elsewhere."""
    (_, short), (_, long) = (kernel(*inputs(3, D)[:3], np.array([7, 8, 9])) for D in (60, 64))
    assert noising.SHORT == 64
    for k in range(4):
        np.testing.assert_array_equal(short[:, 15 * k : 15 * k + 15], long[:, 16 * k : 16 * k + 15])


@pytest.mark.parametrize("D", [1, 3, noising.SHORT, 130])
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
def test_one_number_that_is_not_finite_is_found(D: int, bad: float) -> None:
    N = 2 * noising.CHUNK + 3
    for n, d in ((0, 0), (noising.CHUNK, D - 1), (N - 1, D // 2)):
        x, *others = inputs(N, D)
        x[n, d] = bad
        assert not noising.noised(x, *others, 0, noise.STREAM_JUMP, noise.split_seed(SEED))[2]
    x[n, d] = np.finfo(np.float32).max
    assert noising.noised(x, *others, 0, noise.STREAM_JUMP, noise.split_seed(SEED))[2]
