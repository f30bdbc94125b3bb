"""The moves between images against their layers, over drawn shapes."""

from __future__ import annotations

import numpy as np
from checks.image_kernels import CHANNELS, FLAT, PARTS, SEED, SIDE, Memory, close, drawn, in_shares
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import resample
from numpy_diffusion.layers import downsample as downsample_layer
from numpy_diffusion.layers import dropout as dropout_layer
from numpy_diffusion.layers import silu as silu_layer
from numpy_diffusion.layers import upsample as upsample_layer
from numpy_diffusion.noise import STREAM_DROPOUT, split_seed


@FLAT
@given(SEED, SIDE, SIDE, CHANNELS, st.booleans(), PARTS)
def test_upsampling_is_the_layer(seed, height, width, C, add, parts):
    x, dy, before = drawn(seed, (C, height, width), (C, 2 * height, 2 * width), (C, height, width))
    memory = Memory((height, width, C, 1), (2 * height, 2 * width, C, 1), (height, width, C, 1))
    small, large, dx = memory.images
    memory.put(0, x)
    in_shares(parts, lambda *share: resample.upsample(memory.worker(0, *share), small, large))
    assert (memory.got(1) == upsample_layer.forward(x[None])[0]).all()
    memory.put(1, dy)
    memory.put(2, before)
    resample.upsample_backward(memory.arena, large, dx, add)
    assert close(memory.got(2), upsample_layer.backward(dy[None])[0] + add * before)


@FLAT
@given(SEED, SIDE, SIDE, CHANNELS, st.booleans(), PARTS)
def test_means_are_the_layer(seed, height, width, C, add, parts):
    x, dy, before = drawn(seed, (C, 2 * height, 2 * width), (C, height, width), (C, 2 * height, 2 * width))
    memory = Memory((2 * height, 2 * width, C, 1), (height, width, C, 1), (2 * height, 2 * width, C, 1))
    large, small, dx = memory.images
    memory.put(0, x)
    in_shares(parts, lambda *share: resample.average(memory.worker(0, *share), large, small))
    assert close(memory.got(1), downsample_layer.forward(x[None])[0])
    memory.put(1, dy)
    memory.put(2, before)
    resample.average_backward(memory.arena, small, dx, add)
    assert close(memory.got(2), downsample_layer.backward(dy[None])[0] + add * before)


@FLAT
@given(SEED, SIDE, SIDE, CHANNELS, st.booleans(), PARTS)
def test_concatenation_and_the_slices_that_undo_it(seed, height, width, C, add, parts):
    x, skip, before = drawn(seed, (C, height, width), (3, height, width), (3, height, width))
    memory = Memory((height, width, C, 1), (height, width, 3, 0), (height, width, C + 3, 1), (height, width, 3, 1))
    memory.put(0, x)
    memory.put(1, skip)
    dst = memory.images[2]
    for src, channel in ((memory.images[0], 0), (memory.images[1], C)):
        in_shares(
            parts,
            lambda *share, src=src, channel=channel: resample.concat(memory.worker(0, *share), src, dst, channel),
        )
    assert (memory.got(2) == np.concatenate([x, skip])).all()
    memory.put(3, before)
    resample.slice_channels(memory.arena, dst, memory.images[3], C, add)
    assert close(memory.got(3), skip + add * before)


@FLAT
@given(SEED, SIDE, SIDE, CHANNELS, st.integers(0, 1))
def test_dilation_leaves_zeros_between_the_pixels(seed, height, width, C, offset):
    (x,) = drawn(seed, (C, height, width))
    memory = Memory((height, width, C, 1), (2 * height, 2 * width, C, 1))
    memory.put(0, x)
    resample.dilate(memory.arena, *memory.images, offset)
    found = memory.got(1)
    assert (found[:, offset::2, offset::2] == x).all()
    assert np.count_nonzero(found) == np.count_nonzero(x)


@FLAT
@given(st.integers(0, 2**64 - 1), SIDE, SIDE, CHANNELS, st.integers(0, 9), st.integers(0, 2**31))
def test_dropout_keeps_what_the_layer_keeps(seed, height, width, C, number, step):
    (x,) = drawn(1, (C, height, width))
    memory = Memory((height, width, C, 1), (height, width, C, 1))
    memory.put(0, x)
    key = tuple(np.uint32(word) for word in split_seed(seed))
    stream = STREAM_DROPOUT | number << dropout_layer.NUMBER_SHIFT
    resample.dropout(memory.arena, *memory.images, 0.4, key, stream, 17, step)
    wanted, _ = dropout_layer.forward(x[None], 0.4, seed, np.array([17]), step, number)
    assert np.allclose(memory.got(1), wanted[0], rtol=1e-6, atol=0)
    assert ((memory.got(1) == 0) == (wanted[0] == 0)).all()


@FLAT
@given(SEED, st.integers(1, 99), st.booleans())
def test_silu_of_a_vector(seed, n, add):
    x, dy, before = drawn(seed, (n, 1, 1), (n, 1, 1), (n, 1, 1))
    memory = Memory(*[(1, 1, n, 0)] * 4)
    src, dst, dsrc, dx = memory.images
    for row, values in ((0, 5 * x), (2, dy), (3, before)):
        memory.put(row, values)
    resample.silu(memory.arena, src, dst)
    wanted, cache = silu_layer.forward(5 * x)
    assert close(memory.got(1), wanted)
    resample.silu_backward(memory.arena, src, dsrc, dx, add)
    assert close(memory.got(3), silu_layer.backward(dy, cache) + add * before)


@FLAT
@given(SEED, SIDE, SIDE, CHANNELS, st.integers(0, 1), st.booleans())
def test_the_last_pixel_there_and_back(seed, height, width, C, border, add):
    x, dy, before = drawn(seed, (C, height, width), (C, 1, 1), (C, height, width))
    memory = Memory((height, width, C, border), (1, 1, C, 0), (height, width, C, border))
    src, vector, dx = memory.images
    memory.put(0, x)
    resample.last_pixel(memory.arena, src, vector)
    assert (memory.got(1)[:, 0, 0] == x[:, -1, -1]).all()
    memory.put(1, dy)
    if add:
        memory.put(2, before)
    resample.last_pixel_backward(memory.arena, vector, dx, add)
    expected = add * before
    expected[:, -1, -1] += dy[:, 0, 0]
    assert (memory.got(2) == expected).all()
