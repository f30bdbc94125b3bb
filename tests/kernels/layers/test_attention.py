"""Attention between pixels against its layer, over drawn shapes: forward in shares, and backward."""

from __future__ import annotations

from checks.image_kernels import FLAT, PARTS, SEED, SIDE, Memory, close, drawn, in_shares
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import attention
from numpy_diffusion.layers import attention as attention_layer

SIZES = st.sampled_from([(1, 1), (8, 2), (20, 2), (32, 4), (40, 1), (64, 1)])  # channels and heads


@FLAT
@given(SEED, SIDE, SIDE, SIZES, PARTS)
def test_attention_is_the_layer(seed, height, width, sizes, parts):
    C, heads = sizes
    L = height * width
    inputs = [2 * values for values in drawn(seed, *[(C, height, width)] * 4)]
    memory = Memory(*[(height, width, C, 0)] * 8, vector=attention.matrices(L).end)
    for row, values in enumerate(inputs):
        memory.put(row, values)
    q, k, v, do = (values.reshape(1, C, L).swapaxes(1, 2) for values in inputs)
    q_at, k_at, v_at, do_at, o_at, *slopes = memory.images
    size = attention.scratch_size(L, C)
    in_shares(parts, lambda *share: attention.forward(memory.worker(size, *share), q_at, k_at, v_at, o_at, heads))
    wanted, cache = attention_layer.forward(q, k, v, heads)
    assert close(memory.got(4), wanted[0].T.reshape(C, height, width), C)
    attention.backward(memory.worker(size), q_at, k_at, v_at, o_at, do_at, *slopes, memory.vector.at, heads)
    for row, gradient in zip((5, 6, 7), attention_layer.backward(do, cache), strict=True):
        # dP and do o are sums of C terms, of which only the rounding is left where they cancel
        assert close(memory.got(row), gradient[0].T.reshape(C, height, width), 4 * L * C)


@FLAT
@given(st.integers(1, 300), st.integers(1, 100))
def test_nothing_in_the_scratch_overlaps(pixels, C):
    for places in (attention.forward_scratch(pixels, C), attention.backward_scratch(pixels, C)):
        assert list(places) == sorted(set(places))
        assert places.end <= attention.scratch_size(pixels, C)
