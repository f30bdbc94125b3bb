"""Which samples a call draws, and that their chains start from noise that is theirs alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.gaussians import assert_moments

from numpy_diffusion.noise import STREAM_START, WORD_RANGE, normal
from numpy_diffusion.sampling import start


def test_numbers_become_python_s_own() -> None:
    found = start.checked(np.int32(3), np.uint64(2**64 - 1), np.uint32(2**32 - 3))
    assert found == (3, 2**64 - 1, 2**32 - 3)
    assert [type(number) for number in found] == [int, int, int]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        *[
            ({"n": n}, r"n: expected an integer in 1\.\.4294967296, got ")
            for n in (0, WORD_RANGE + 1, 1.5, True, "3")
        ],
        *[({"seed": seed}, "seed: expected an integer in 0") for seed in (-1, 2**64, None)],
        *[
            ({"first": first}, r"first: expected an integer in 0\.\.4294967293")
            for first in (-1, WORD_RANGE - 2, 0.0)
        ],
    ],
)
def test_samples_that_have_no_numbers_are_refused(changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        start.checked(**dict(n=3, seed=0, first=0) | changed)


def test_noise_is_standard_normal_and_each_sample_has_its_own() -> None:
    x = start.noise(20_000, (2, 1), 5, 0)
    assert x.shape == (20_000, 2, 1)
    assert x.dtype == np.float32
    assert_moments(x[..., 0].astype(np.float64), np.zeros(2), np.eye(2))
    assert len(np.unique(x)) > 39_000  # of 40,000 numbers of 48 random bits
    np.testing.assert_array_equal(start.noise(7, (2, 1), 5, 100), x[100:107])
    np.testing.assert_array_equal(x[100, :, 0], normal(5, STREAM_START, 100, 0, 2)[0])
    assert (start.noise(7, (2, 1), 6, 100) != x[100:107]).all()
