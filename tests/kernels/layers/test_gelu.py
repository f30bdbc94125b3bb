"""GELU against its layer, over drawn shapes: forward in shares, and backward."""

from __future__ import annotations

from checks.image_kernels import CHANNELS, FLAT, PARTS, SEED, SIDE, Memory, close, drawn, in_shares
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import gelu
from numpy_diffusion.layers import gelu as layer


@FLAT
@given(SEED, SIDE, SIDE, CHANNELS, st.integers(0, 1), PARTS)
def test_gelu_is_the_layer(seed, height, width, C, border, parts):
    x, dy = drawn(seed, *[(C, height, width)] * 2)
    x = 3 * x
    memory = Memory(*[(height, width, C, border)] * 4)
    memory.put(0, x)
    memory.put(2, dy)
    src, dst, dy_at, dx_at = memory.images
    in_shares(parts, lambda *share: gelu.forward(memory.worker(0, *share), src, dst))
    y, cache = layer.forward(x)
    # Across the rows' borders, where x is 0 and so is y.
    assert close(memory.got(1), y)
    gelu.backward(memory.arena, src, dy_at, dx_at)
    assert close(memory.got(3), layer.backward(dy, cache))
