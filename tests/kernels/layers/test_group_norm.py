"""The group norm, with SiLU and without, against its layers over drawn shapes."""

from __future__ import annotations

import numpy as np
from checks.image_kernels import FLAT, PARTS, SEED, SIDE, Memory, close, drawn, in_shares
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import group_norm
from numpy_diffusion.kernels.layers.images import NOWHERE
from numpy_diffusion.layers import group_norm as group_norm_layer
from numpy_diffusion.layers import silu as silu_layer

SIZES = st.sampled_from([(1, 1), (4, 1), (4, 4), (12, 3), (32, 8), (70, 7)])  # channels and groups


@FLAT
@given(SEED, SIDE, SIDE, SIZES, st.booleans(), st.booleans(), st.booleans(), PARTS)
def test_group_norm_with_silu_is_the_layers(seed, height, width, sizes, silu, scaled, add, parts):
    """With a scale and a shift of each channel between the two, and without."""
    C, groups = sizes
    (told,) = drawn(seed + 1, (2 * C,)) if scaled else (np.zeros(2 * C, np.float32),)
    factor, shift = 1 + told[:C, None, None], told[C:, None, None]
    x, weight, bias, dy, before = drawn(seed, (C, height, width), (C,), (C,), (C, height, width), (C, height, width))
    x = 3 * x + 5
    memory = Memory(*[(height, width, C, 1)] * 4, vector=2 * groups + 4 * C)
    for row, values in ((0, x), (2, dy), (3, before)):
        memory.put(row, values)
    weights, gradients = np.concatenate([weight, bias]), np.ones(2 * C, np.float32)
    src, dst, dsrc, dx_at = memory.images
    stats, size, at = memory.vector.at, group_norm.scratch_size(width, C), memory.vector.at + 2 * groups
    memory.arena[at : at + 2 * C] = told
    norm = group_norm.Norm(0, C, groups, silu, at if scaled else NOWHERE)
    in_shares(parts, lambda *share: group_norm.statistics(memory.worker(size, *share), src, stats, groups, 1e-5))
    in_shares(parts, lambda *share: group_norm.forward(memory.worker(size, *share), src, dst, stats, weights, norm))
    u, cache = group_norm_layer.forward(x[None].astype(float), weight, bias, groups, 1e-5)
    u_scaled = u * factor + shift
    y, silu_cache = silu_layer.forward(u_scaled)
    # (x - mean) / deviation is taken as factor x + term: the rounding of x over deviation
    magnified = 1 + 10 * cache[1].max()
    assert close(memory.got(1), (y if silu else u_scaled)[0], magnified**2)

    du = silu_layer.backward(dy[None], silu_cache) if silu else dy[None]
    dx, dweight, dbias = group_norm_layer.backward(du * factor, cache)
    if height * width * C // groups > 1:
        to = at + 2 * C
        worker = memory.worker(group_norm.backward_scratch_size(width, C))
        group_norm.backward(worker, src, dsrc, dx_at, stats, weights, gradients, norm, add, to)
        assert close(memory.got(3), add * before + dx[0], 10 * magnified**4)
        if scaled:
            dscale = np.concatenate([(du * u)[0].sum(axis=(1, 2)), du[0].sum(axis=(1, 2))])
            assert close(memory.arena[to : to + 2 * C], dscale, 10 * magnified**4 * height * width)
        assert close(gradients - 1, np.concatenate([dweight, dbias]), magnified**4 * height * width)
