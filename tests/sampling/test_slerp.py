"""The way along the sphere: its ends, its speed, its lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.sampling.slerp import slerp


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(2,), (5,), (3, 2, 2)]))
def test_directions_turn_at_even_speed_and_lengths_mix(seed: int, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=shape), 3.0 * rng.normal(size=shape)
    fractions = np.linspace(0.0, 1.0, 7)
    found = slerp(a, b, fractions)
    assert found.shape == (7, *shape)
    assert found.dtype == np.float32
    scale = np.linalg.norm(a) + np.linalg.norm(b)
    np.testing.assert_allclose(found[[0, -1]], [a, b], rtol=0, atol=1e-5 * scale)
    rows = found.reshape(7, -1).astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose(lengths, np.linspace(lengths[0], lengths[-1], 7), rtol=1e-4)
    unit = rows / lengths[:, None]
    angles = 2.0 * np.arcsin(np.linalg.norm(np.diff(unit, axis=0), axis=1) / 2.0)
    np.testing.assert_allclose(angles, angles.mean(), rtol=1e-3, atol=1e-6)
    whole = np.arccos(np.clip(unit[0] @ unit[-1], -1.0, 1.0))
    np.testing.assert_allclose(angles.sum(), whole, rtol=1e-3, atol=1e-3)  # and no more than that: the short way


def test_one_direction_is_a_straight_line() -> None:
    np.testing.assert_allclose(slerp([1.0, 2.0], [2.0, 4.0], [0.25]), [[1.25, 2.5]], rtol=1e-6)
    near = slerp([1.0, 0.0], [1.0, 1e-9], [0.5])
    np.testing.assert_allclose(near, [[1.0, 0.0]], atol=1e-8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0, 0.0], [1.0, 0.0], [0.5]), "a: expected a vector with a direction, got zeros"),
        (([1.0, 0.0], [0.0, 0.0], [0.5]), "b: expected a vector with a direction, got zeros"),
        (([1.0, 0.0], [-2.0, 0.0], [0.5]), "b: expected another direction than the opposite of a"),
        (([1.0, 0.0], [1.0], [0.5]), r"b: expected shape \[2\], got \[1\]"),
        (([1.0, 0.0], [0.0, 1.0], 0.5), r"fractions: expected shape \[F\], got \[\]"),
        (([1.0, 0.0], [0.0, np.nan], [0.5]), "b: expected finite values"),
    ],
)
def test_what_has_no_way_is_named(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        slerp(*arguments)
