"""GEGLU against its layer, over drawn shapes: forward in shares, and backward."""

from __future__ import annotations

import numpy as np
from checks.image_kernels import CHANNELS, FLAT, PARTS, SEED, SIDE, Memory, close, drawn, in_shares
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import geglu
from numpy_diffusion.layers import geglu as layer


@FLAT
@given(SEED, SIDE, SIDE, CHANNELS, st.integers(0, 1), PARTS)
def test_geglu_is_the_layer_behind_its_linear_one(seed, height, width, C, border, parts):
    x, dy = drawn(seed, (2 * C, height, width), (C, height, width))
    x = 3 * x
    memory = Memory(*[(height, width, channels, border) for channels in (2 * C, C, C, 2 * C)])
    memory.put(0, x)
    memory.put(2, dy)
    src, dst, dy_at, dx_at = memory.images
    in_shares(parts, lambda *share: geglu.forward(memory.worker(0, *share), src, dst))
    rows = lambda image: image.reshape(len(image), -1).T.astype(float)  # noqa: E731
    y, cache = layer.forward(rows(x), np.eye(2 * C), np.zeros(2 * C))
    assert close(rows(memory.got(1)), y, 10)
    geglu.backward(memory.arena, src, dy_at, dx_at)
    assert close(rows(memory.got(3)), layer.backward(rows(dy), cache)[0], 10)
