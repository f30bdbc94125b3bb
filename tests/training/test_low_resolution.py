"""What a step shows of images and of those to go by: blurred, enlarged and cut as one would by hand."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.layers import bicubic
from numpy_diffusion.noise import STREAM_BLUR, STREAM_CROP, integers, uniform
from numpy_diffusion.training import low_resolution
from numpy_diffusion.training.low_resolution import BLUR

RNG = np.random.default_rng(0)
X0 = RNG.uniform(-1.0, 1.0, (9, 3, 12, 18)).astype(np.float32)
LOW = RNG.uniform(-1.0, 1.0, (9, 3, 4, 6)).astype(np.float32)
EACH = np.arange(len(X0))
SEED, STEP = 2**40 + 3, 5


def by_hand(n: int, crop: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Of one image: a sum over pixels for the blur, the whole enlarged, and both cut."""
    deviation = BLUR * uniform(SEED, STREAM_BLUR, n, STEP, 1)[0, 0]
    blurred = np.zeros(LOW[n].shape)
    for y, x in np.ndindex(4, 6):
        weights = np.array(
            [[np.exp(-((y - i) ** 2 + (x - j) ** 2) / (2 * deviation**2)) for j in range(6)] for i in range(4)]
        )
        blurred[:, y, x] = (weights / weights.sum() * LOW[n]).sum(axis=(1, 2))
    enlarged = bicubic.forward(blurred, 12, 18)
    if crop is None:
        return X0[n], enlarged
    top, left = 3 * integers(SEED, STREAM_CROP, n, STEP, [(12 - crop) // 3 + 1, (18 - crop) // 3 + 1])[0]
    return tuple(values[:, top : top + crop, left : left + crop] for values in (X0[n], enlarged))


@pytest.mark.parametrize("crop", [None, 6, 12])
def test_it_is_what_one_does_by_hand(crop: int | None) -> None:
    shown, low = low_resolution.part(X0, LOW, crop, EACH, SEED, STEP)
    assert (shown.dtype, low.dtype) == (np.float32, np.float32)
    assert shown.shape == low.shape == ((9, 3, 12, 18) if crop is None else (9, 3, crop, crop))
    assert shown.flags.c_contiguous
    for n in range(9):
        own, enlarged = by_hand(n, crop)
        np.testing.assert_array_equal(shown[n], own)
        np.testing.assert_allclose(low[n], enlarged, atol=1e-5)


def test_it_is_a_function_of_seed_step_and_sample() -> None:
    found = low_resolution.part(X0, LOW, 6, EACH, SEED, STEP)
    for one, other in zip(low_resolution.part(X0[:4], LOW[:4], 6, EACH[:4], SEED, STEP), found, strict=True):
        np.testing.assert_array_equal(one, other[:4])
    for seed, step in ((SEED, STEP + 1), (SEED + 1, STEP)):
        assert (low_resolution.part(X0, LOW, 6, EACH, seed, step)[0] != found[0]).any()


def test_every_place_and_every_strength_is_drawn() -> None:
    """Each place about as often, to five standard errors; the blur from none to the largest, evenly."""
    n = 4000
    x0 = np.broadcast_to(np.arange(16.0).repeat(3, 0).reshape(1, 1, 16, 3), (n, 1, 16, 3))
    low = np.zeros((n, 1, 8, 3), np.float32)
    low[:, :, 4, 1] = 1.0
    shown, _ = low_resolution.part(np.pad(x0, [(0, 0), (0, 0), (0, 0), (0, 3)]), low, 6, np.arange(n), SEED, STEP)
    counts = np.bincount(shown[:, 0, 0, 0].astype(int), minlength=12)
    assert set(np.flatnonzero(counts)) == {0, 2, 4, 6, 8, 10}
    assert np.abs(counts[::2] / n - 1 / 6).max() <= 5.0 * np.sqrt(5 / 36 / n)
    strengths = BLUR * uniform(SEED, STREAM_BLUR, np.arange(n), STEP, 1)[:, 0]
    assert abs(strengths.mean() - BLUR / 2) <= 5.0 * BLUR / np.sqrt(12 * n)


def test_a_blur_of_no_strength_leaves_pixels_as_they_are() -> None:
    np.testing.assert_array_equal(low_resolution.blur(5, np.zeros(1, np.float32))[0], np.eye(5))
    found = low_resolution.blur(7, np.array([0.3, 0.6]))
    np.testing.assert_allclose(found.sum(axis=2), 1.0, rtol=1e-12)
    assert (found[1].diagonal() < found[0].diagonal()).all()


def test_sizes_that_do_not_fit_are_named() -> None:
    low_resolution.check(X0, LOW, 6)
    low_resolution.check(X0, LOW, None)
    with pytest.raises(ValueError, match=r"^low_resolution: .*those of x0, \[12, 18\], got \[5, 6\]$"):
        low_resolution.check(X0, np.zeros((9, 3, 5, 6)), 6)
    with pytest.raises(ValueError, match=r"^crop: expected a multiple of 3, .*, got 4$"):
        low_resolution.check(X0, LOW, 4)
