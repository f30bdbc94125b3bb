"""The embedding of a step against the printed formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import time_embedding

FLAT = settings(deadline=None, max_examples=50)
STEPS = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=8)


@FLAT
@given(t=STEPS, half=st.integers(1, 40))
def test_sines_then_cosines_of_frequencies_from_1_to_a_ten_thousandth(t: list[int], half: int) -> None:
    embedding = time_embedding.forward(np.array(t), 2 * half, np.float64)
    assert embedding.shape == (len(t), 2 * half)
    for row, step in zip(embedding, t, strict=True):
        angles = [step * 10_000.0 ** -(k / (half - 1) if half > 1 else 0.0) for k in range(half)]
        expected = [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-15 * (10 + step))  # what rounding does to an angle


@FLAT
@given(t=STEPS, data=st.data())
def test_a_row_depends_on_its_own_step_alone(t: list[int], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(t))))
    whole = time_embedding.forward(np.array(t), 16)
    np.testing.assert_array_equal(time_embedding.forward(np.array(t)[order], 16), whole[order])
    np.testing.assert_array_equal(time_embedding.forward(np.array(t[:1]), 16), whole[:1])


def test_step_zero_and_the_steps_of_a_chain_are_told_apart() -> None:
    embedding = time_embedding.forward(np.arange(1001), 64)
    np.testing.assert_array_equal(embedding[0], np.repeat([0.0, 1.0], 32))
    distance = np.abs(np.diff(embedding, axis=0)).max(axis=1)
    assert distance.min() > 0.67  # the fastest pair alone: 2 sin(1/2) max(|sin|, |cos|), and one of them is 0.707
    assert len(np.unique(embedding.round(4), axis=0)) == 1001


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_is_the_one_asked_for_and_rounded_once(dtype: type) -> None:
    t = np.array([3, 999_999_937])
    embedding = time_embedding.forward(t, 8, dtype)
    assert embedding.dtype == dtype
    np.testing.assert_array_equal(embedding, time_embedding.forward(t, 8, np.float64).astype(dtype))


@FLAT
@given(t=STEPS, size=st.integers(1, 41), flip=st.booleans(), shift=st.sampled_from([0, 1]))
def test_the_options_of_diffusers(t: list[int], size: int, flip: bool, shift: int) -> None:
    """Frequencies 10,000^(-k / (half - shift)); cosines first where flipped; an odd size ends in a zero."""
    embedding, half = time_embedding.forward(np.array(t), size, np.float64, flip, shift), size // 2
    assert embedding.shape == (len(t), size)
    for row, step in zip(embedding, t, strict=True):
        angles = [step * 10_000.0 ** -(k / max(half - shift, 1)) for k in range(half)]
        parts = [[math.sin(angle) for angle in angles], [math.cos(angle) for angle in angles]]
        expected = [*parts[flip], *parts[not flip], *[0.0] * (size % 2)]
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-15 * (10 + step))


def test_the_defaults_are_the_embedding_as_it_was() -> None:
    t, w = np.arange(1001), np.exp(-np.log(10_000.0) * np.arange(8) / 7)
    expected = np.concatenate([np.sin(t[:, None] * w), np.cos(t[:, None] * w)], axis=1)
    np.testing.assert_array_equal(time_embedding.forward(t, 16, np.float64), expected)
