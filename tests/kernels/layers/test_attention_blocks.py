"""Attention forward against its layer, over drawn shapes: fewer keys than a block has, and several blocks."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from checks import widths
from checks.image_kernels import FLAT, PARTS, SEED, SIDE, Memory, close, drawn, in_shares
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import attention_blocks
from numpy_diffusion.kernels.layers.attention_blocks import DEPTH, GROUPS, KEYS
from numpy_diffusion.kernels.vector.registers import LANES, WIDEST_LANES
from numpy_diffusion.layers import attention as attention_layer

SIZES = st.sampled_from([(1, 1), (8, 2), (20, 2), (32, 4), (40, 1), (64, 1)])  # channels and heads
MANY = KEYS + 5
ENOUGH = 4 * GROUPS * WIDEST_LANES + 3  # queries of which several groups go together


def found(seed: int, own: tuple[int, int], other: tuple[int, int], C: int, heads: int, causal: bool, parts: int):
    """What the kernel gives in shares, and what it should, [C, H, W]; the scores of later keys are the higher, so
    that each block has a new highest."""
    q, k, v = drawn(seed, (C, *own), (C, *other), (C, *other))
    k *= np.linspace(1, 4, k[0].size, dtype=np.float32).reshape(other)
    memory = Memory((*own, C, 0), (*other, C, 0), (*other, C, 0), (*own, C, 0))
    for row, values in enumerate((q, k, v)):
        memory.put(row, values)
    size = attention_blocks.scratch_size(C // heads)
    in_shares(
        parts, lambda *share: attention_blocks.forward(memory.worker(size, *share), *memory.images, heads, causal)
    )
    q, k, v = (values.reshape(1, C, -1).swapaxes(1, 2) for values in (q, k, v))
    mask = np.tri(q.shape[1], k.shape[1], dtype=bool)[None] if causal else None
    wanted = attention_layer.forward(q, k, v, heads, mask)[0][0]
    return memory.got(3), wanted.T.reshape(C, *own)


@FLAT
@given(SEED, SIDE, SIDE, st.one_of(st.none(), st.integers(1, 90)), SIZES, st.booleans(), PARTS)
def test_attention_is_the_layer(seed, height, width, keys, sizes, causal, parts):
    """To its own pixels, or to so many other keys; to all of them, or to those up to its own place."""
    own = height, width
    assert close(*found(seed, own, own if keys is None else (1, keys), *sizes, causal, parts), 4 * sizes[0])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("own", "keys", "C", "heads"),
    [
        ((1, MANY), None, 8, 2),
        ((3, 3), 2 * MANY, 20, 1),
        ((1, ENOUGH), None, 8, 1),
        ((2, 5), MANY, DEPTH + 8, 1),
        ((5, ENOUGH // 5), 7, 24, 3),
    ],
)
def test_blocks_of_keys_are_one_softmax(own, keys, C, heads, causal):
    assert close(*found(3, own, own if keys is None else (1, keys), C, heads, causal, 2), 4 * C)


@FLAT
@given(st.integers(1, 600))
def test_nothing_in_the_scratch_overlaps(d):
    places = attention_blocks.scratch_for(d)
    assert places.zeros < places.weights < places.group < places.turned < places.sums
    assert places.sums + d * LANES <= places.group + places.apart
    assert places.group + GROUPS * places.apart == places.end == attention_blocks.scratch_size(d)


def digest() -> str:
    """Of more keys than a block has."""
    code = hashlib.sha256()
    for own, keys, C, heads in (((1, 35), MANY, 12, 1), ((1, ENOUGH), MANY, 20, 2)):
        code.update(found(C, own, (1, keys), C, heads, False, 1)[0].tobytes())
    return code.hexdigest()


@pytest.mark.widths
def test_any_width_of_register_gives_the_same_bits():
    assert widths.digests(__file__) == [digest()] * 2


def test_any_number_of_workers_gives_the_same_bits():
    alone, shared = (found(1, (1, ENOUGH), (1, MANY), 16, 2, True, parts)[0] for parts in (1, 5))
    np.testing.assert_array_equal(alone, shared)
