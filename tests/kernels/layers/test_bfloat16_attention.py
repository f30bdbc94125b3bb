"""Attention in bfloat16 against its layer at rounded numbers; any number of pixels, keys, heads and parts."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from checks import widths
from checks.image_kernels import FLAT, PARTS, SEED, Memory, drawn, in_shares
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import bfloat16_attention as kernel
from numpy_diffusion.kernels.layers.attention_blocks import DEPTH, GROUPS, KEYS, scratch_for
from numpy_diffusion.kernels.vector.registers import VECTOR, WIDEST_LANES, WIDEST_ROWS
from numpy_diffusion.layers.bfloat16 import rounded

SIZES = st.sampled_from([(16, 1), (16, 2), (32, 4), (48, 2)])  # channels, heads
MANY = KEYS + 5
ENOUGH = 4 * GROUPS * WIDEST_LANES + 3  # queries of which several groups go together


def attended(seed: int, C: int, heads: int, pixels: int, keys: int, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """What the kernel gives [C, pixels], and the same in float64 of rounded factors."""
    memory = Memory((1, pixels, C, 0), (1, keys, C, 0), (1, keys, C, 0), (1, pixels, C, 0))
    q, k, v = drawn(seed, (C, 1, pixels), (C, 1, keys), (C, 1, keys))
    for row, values in enumerate((q, k, v)):
        memory.put(row, values)
    size = kernel.scratch_size(C // heads)
    in_shares(parts, lambda *share: kernel.forward(memory.worker(size, *share), *memory.images, heads))
    d = C // heads
    q, k, v = (rounded(values[:, 0]).astype(float) for values in (q * np.float32(d**-0.5), k, v))
    scores = np.einsum("hdp,hdr->hpr", q.reshape(heads, d, -1), k.reshape(heads, d, -1))
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    wanted = np.einsum("hpr,hdr->hdp", rounded(e), v.reshape(heads, d, -1)) / e.sum(axis=-1)[:, None]
    return memory.got(3)[:, 0], wanted.reshape(C, pixels)


@FLAT
@given(SEED, SIZES, st.integers(1, 70), st.integers(1, 40), PARTS)
def test_it_is_the_layer_at_rounded_numbers(
    seed: int, size: tuple[int, int], pixels: int, keys: int, parts: int
) -> None:
    """An exponential beside a tie may go the other way than in float64: by 2^-8 of itself."""
    found, wanted = attended(seed, *size, pixels, keys, parts)
    error = np.abs(found - wanted)
    assert error.max() < 2.0**-8
    assert error.mean() < 2.0**-12


def test_bits_are_the_same_in_any_number_of_parts() -> None:
    for pixels, keys in ((67, 33), (ENOUGH, MANY)):
        one, *others = (attended(1, 32, 2, pixels, keys, parts)[0] for parts in (1, 2, 5))
        assert all((other == one).all() for other in others)


@pytest.mark.parametrize(
    ("C", "heads", "pixels", "keys"),
    [(16, 2, 9, 2 * MANY), (16, 2, 40, MANY), (16, 1, ENOUGH, 40), (16, 1, ENOUGH, MANY), (2 * DEPTH + 16, 1, 3, 7)],
)
def test_blocks_of_keys_are_one_softmax(C: int, heads: int, pixels: int, keys: int) -> None:
    """Several of them, some queries or several groups at a time; and more pairs of channels than go together."""
    found, wanted = attended(3, C, heads, pixels, keys, 2)
    assert np.abs(found - wanted).max() < 2.0**-8


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60).map(lambda n: n * WIDEST_ROWS))
def test_nothing_in_the_scratch_overlaps(d: int) -> None:
    words, padded = kernel.words_for(d), -(-d // VECTOR) * VECTOR
    assert words.apart == padded
    assert scratch_for(d).end <= words.k
    assert words.k + KEYS * padded // 2 <= words.v
    assert words.v + KEYS // 2 * padded <= words.end == kernel.scratch_size(d)


def digest() -> str:
    total = hashlib.sha256()
    for C, heads, pixels, keys in ((16, 2, 35, 9), (32, 1, 64, 64), (16, 1, ENOUGH, MANY)):
        total.update(attended(0, C, heads, pixels, keys, 1)[0].tobytes())
    return total.hexdigest()


@pytest.mark.widths
def test_any_width_of_register_gives_the_same_bits() -> None:
    assert widths.digests(__file__) == [digest()] * 2
