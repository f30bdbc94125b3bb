"""Attention between pixels against its layer, over drawn shapes: what goes forward and comes back."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from checks import widths
from checks.image_kernels import FLAT, SEED, SIDE, Memory, close, drawn
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import attention, attention_blocks
from numpy_diffusion.layers import attention as attention_layer

SIZES = st.sampled_from([(1, 1), (8, 2), (20, 2), (32, 4), (40, 1), (64, 1)])  # channels and heads


@FLAT
@given(SEED, SIDE, SIDE, st.one_of(st.none(), st.integers(1, 90)), SIZES, st.booleans())
def test_attention_is_the_layer(seed, height, width, keys, sizes, causal):
    """To its own pixels, or to so many other keys; to all of them, or to those up to its own place."""
    C, heads = sizes
    own, L = (height, width), height * width
    other = own if keys is None else (1, keys)
    K = other[0] * other[1]
    inputs = [2 * values for values in drawn(seed, *[(C, *size) for size in (own, other, other, own)])]
    sizes = own, other, other, own, own, own, other, other
    memory = Memory(*[(*size, C, 0) for size in sizes], vector=attention.matrices(L, K).end)
    for row, values in enumerate(inputs):
        memory.put(row, values)
    q, k, v, do = (values.reshape(1, C, -1).swapaxes(1, 2) for values in inputs)
    q_at, k_at, v_at, do_at, o_at, *slopes = memory.images
    worker = memory.worker(attention_blocks.scratch_size(C // heads))
    attention_blocks.forward(worker, q_at, k_at, v_at, o_at, heads, causal)
    mask = np.tri(L, K, dtype=bool)[None] if causal else None
    wanted, cache = attention_layer.forward(q, k, v, heads, mask)
    assert close(memory.got(4), wanted[0].T.reshape(C, height, width), C)
    worker = memory.worker(attention.backward_scratch_size(L, C))
    attention.backward(worker, q_at, k_at, v_at, o_at, do_at, *slopes, memory.vector.at, heads, causal)
    for row, gradient in zip((5, 6, 7), attention_layer.backward(do, cache), strict=True):
        # dP and do o are sums of C terms, of which only the rounding is left where they cancel
        found = memory.got(row)
        assert close(found, gradient[0].T.reshape(found.shape), 4 * max(L, K) * C)


@FLAT
@given(st.integers(1, 300), st.integers(1, 100))
def test_nothing_in_the_scratch_overlaps(pixels, C):
    places = attention.backward_scratch(pixels, C)
    assert list(places) == sorted(set(places))
    assert places.end == attention.backward_scratch_size(pixels, C)


def digest() -> str:
    """Of the gradients by k and v, which alone sum along the registers, of numbers of pixels that fill none."""
    code = hashlib.sha256()
    for C, heads, pixels in ((12, 1, 35), (40, 5, 15), (20, 2, 3)):
        memory = Memory(*[(1, pixels, C, 0)] * 8, vector=attention.matrices(pixels, pixels).end)
        for row, values in enumerate(drawn(C, *[(C, 1, pixels)] * 5)):
            memory.put(row, values)
        q, k, v, do, o, *slopes = memory.images
        worker = memory.worker(attention.backward_scratch_size(pixels, C))
        attention.backward(worker, q, k, v, o, do, *slopes, memory.vector.at, heads, False)
        for row in (5, 6, 7):
            code.update(memory.got(row).tobytes())
    return code.hexdigest()


@pytest.mark.widths
def test_any_width_of_register_gives_the_same_bits():
    assert widths.digests(__file__) == [digest()] * 2
