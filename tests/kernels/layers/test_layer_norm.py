"""Layer norm against its layer, over drawn shapes: forward in shares, and backward."""

from __future__ import annotations

import numpy as np
from checks.image_kernels import CHANNELS, FLAT, PARTS, SEED, SIDE, Memory, close, drawn, in_shares
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import layer_norm
from numpy_diffusion.layers import layer_norm as layer


@FLAT
@given(SEED, SIDE, SIDE, CHANNELS, st.integers(0, 1), st.booleans(), PARTS)
def test_layer_norm_is_the_layer(seed, height, width, C, border, add, parts):
    x, dy, before, weight, bias = drawn(seed, *[(C, height, width)] * 3, (C,), (C,))
    x, eps = 3 * x + 2, 1e-2
    memory = Memory(*[(height, width, C, border)] * 4)
    for row, values in ((0, x), (2, dy), (3, before)):
        memory.put(row, values)
    src, dst, dy_at, dx_at = memory.images
    weights, gradients = np.concatenate([weight, bias]), np.ones(2 * C, np.float32)
    norm, size = layer_norm.Norm(0, C, eps), layer_norm.scratch_size(C)
    in_shares(parts, lambda *share: layer_norm.forward(memory.worker(size, *share), src, dst, weights, norm))
    rows = lambda image: image.reshape(C, -1).T.astype(float)  # noqa: E731
    y, cache = layer.forward(rows(x), weight, bias, eps)
    assert close(rows(memory.got(1)), y, 10 * C)
    dx, dweight, dbias = layer.backward(rows(dy), cache)
    layer_norm.backward(memory.worker(size), src, dy_at, dx_at, weights, gradients, norm, add)
    assert close(rows(memory.got(3)), add * rows(before) + dx, 1000 * C)
    assert close(gradients - 1, np.concatenate([dweight, dbias]), 1000 * height * width)
