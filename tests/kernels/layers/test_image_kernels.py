"""The kernels on images against the layers' definitions, over drawn shapes: forward, backward, and in shares."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels import elementary
from numpy_diffusion.kernels.layers import attention, conv, group_norm, images, resample, winograd
from numpy_diffusion.kernels.vector.registers import LANES, ROWS
from numpy_diffusion.layers import attention as attention_layer
from numpy_diffusion.layers import conv as conv_layer
from numpy_diffusion.layers import dropout as dropout_layer
from numpy_diffusion.layers import group_norm as group_norm_layer
from numpy_diffusion.layers import silu as silu_layer
from numpy_diffusion.layers import upsample as upsample_layer
from numpy_diffusion.noise import STREAM_DROPOUT, split_seed

FLAT = settings(deadline=None, max_examples=30)
SIDE = st.integers(1, 13)
CHANNELS = st.sampled_from([1, 2, 3, 4, 5, 8, 12, 31, 32, 33, 64, 70])
PARTS = st.integers(1, 3)
SEED = st.integers(0, 1000)
GARBAGE = np.float32(1e6)  # what stands in the arena before: no kernel may let it through


def room(*shapes: tuple[int, int, int, int], vectors: int = 4096) -> SimpleNamespace:
    """An arena with images (height, width, channels, border) and a stretch for vectors behind them."""
    table, behind = images.table(*shapes)
    arena = np.full(behind + vectors + 4 * ROWS * 200, GARBAGE, np.float32)
    none = np.full(5, -1, np.int64)
    return SimpleNamespace(table=table, arena=arena, vector=behind, none=none)


def scratch() -> np.ndarray:
    return np.full(2_000_000, GARBAGE, np.float32)


def drawn(seed: int, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def put(place: SimpleNamespace, row: int, x: np.ndarray) -> None:
    images.load(place.arena, place.table[row], x)


def got(place: SimpleNamespace, row: int) -> np.ndarray:
    _, height, width, channels, _ = place.table[row]
    x = np.empty((channels, height, width), np.float32)
    images.store(place.arena, place.table[row], x)
    return x


def border(place: SimpleNamespace, row: int) -> np.ndarray:
    at, height, width, channels, around = place.table[row]
    shape = (height + 2 * around, width + 2 * around, channels)
    whole = place.arena[at : at + np.prod(shape)].reshape(shape).copy()
    whole[around : around + height, around : around + width] = 0
    return whole


def close(found: np.ndarray, wanted: np.ndarray, terms: int = 1) -> bool:
    """Equal to float32 rounding of sums of so many terms."""
    return np.allclose(found, wanted, rtol=0, atol=2e-6 * np.sqrt(terms) * (1.0 + np.abs(wanted).max()))


def in_shares(parts: int, run: Callable[[int, int], Any]) -> None:
    for part in range(parts):
        run(part, parts)


def by_squares(k: int, stride: int, C: int, J: int, out: tuple[int, int]) -> bool:
    """Whether this convolution can go by squares of pixels."""
    return k == 3 and stride == 1 and winograd.suits(C, J) and out[0] % 2 == out[1] % 2 == 0


def with_squares(weight: np.ndarray, wanted: bool) -> tuple[np.ndarray, int]:
    """The weights as the kernel reads them, and where behind them U stands, or -1."""
    J, C = weight.shape[:2]
    flat = conv.panels(weight)
    if not wanted:
        return flat, -1
    weights = np.concatenate([flat, np.full(16 * C * J, GARBAGE)])
    in_shares(3, lambda part, of: winograd.transform(weights, 0, len(flat), C, J, part, of))
    return weights, len(flat)


WINDOWS = st.sampled_from([(3, 1, (1, 1)), (1, 1, (0, 0)), (3, 2, (1, 1)), (3, 2, (0, 1))])  # k, stride, pad


@FLAT
@given(SEED, SIDE, SIDE, CHANNELS, CHANNELS, WINDOWS, st.booleans(), st.booleans(), PARTS)
def test_conv_is_the_layer(seed, height, width, C, J, window, with_vector, with_residual, parts):
    k, stride, pad = window
    height, width = stride * height, stride * width
    out = height // stride, width // stride
    x, weight, bias, vector, residual = drawn(seed, (C, height, width), (J, C, k, k), (J,), (J,), (J, *out))
    place = room((height, width, C, 1), (*out, J, 1), (*out, J, 1))
    put(place, 0, x)
    put(place, 2, residual)
    place.arena[place.vector : place.vector + J] = vector
    weights, squares = with_squares(weight, by_squares(k, stride, C, J, out))
    weights = np.concatenate([weights, bias])
    in_shares(parts, lambda part, of: conv.forward(
        place.arena, place.table[0], place.table[1], weights, 0, squares, len(weights) - J, k, stride, 1 - pad[0],
        place.vector if with_vector else -1, place.table[2] if with_residual else place.none, scratch(), part, of,
    ))  # fmt: skip
    wanted = conv_layer.forward(x[None], weight, bias, stride, pad)[0][0]
    wanted = wanted + with_vector * vector[:, None, None] + with_residual * residual
    assert close(got(place, 1), wanted, C * k * k)
    assert not border(place, 1).any()


@FLAT
@given(SEED, SIDE, SIDE, CHANNELS, CHANNELS, WINDOWS)
def test_conv_backward_is_the_layers(seed, height, width, C, J, window):
    k, stride, pad = window
    height, width = stride * height, stride * width
    out = height // stride, width // stride
    x, weight, bias, dy = drawn(seed, (C, height, width), (J, C, k, k), (J,), (J, *out))
    place = room((height, width, C, 1), (*out, J, 1), (height, width, C, 1), (height, width, J, 1))
    put(place, 0, x)
    put(place, 1, dy)
    dx, dweight, dbias = conv_layer.backward(dy[None], conv_layer.forward(x[None], weight, bias, stride, pad)[1])

    size = len(conv.panels(weight))
    gradients = np.ones(size + J, np.float32)  # there is something to add to
    conv.backward(place.arena, place.table[0], place.table[1], gradients, 0, size, k, stride, 1 - pad[0],
                  by_squares(k, stride, C, J, out), place.vector, scratch())  # fmt: skip
    places = conv.panels(np.arange(1, weight.size + 1).reshape(weight.shape))
    found = np.empty(weight.size, np.float32)
    found[places[places > 0] - 1] = gradients[:size][places > 0] - 1
    assert close(found.reshape(weight.shape), dweight, out[0] * out[1])
    assert close(gradients[size:] - 1, dbias, out[0] * out[1])
    assert close(place.arena[place.vector : place.vector + J], dbias, out[0] * out[1])

    source = 1
    if stride == 2:
        resample.spread(place.arena, place.table[1], place.table[3], 1 - pad[0])
        source = 3
    turned = weight[:, :, ::-1, ::-1].swapaxes(0, 1)
    assert np.array_equal(conv.turned(weight), conv.panels(turned))
    weights, squares = with_squares(turned, by_squares(k, 1, J, C, (height, width)))
    conv.forward(place.arena, place.table[source], place.table[2], weights, 0, squares, -1, k, 1,
                 0 if k == 3 else 1, -1, place.none, scratch(), 0, 1)  # fmt: skip
    assert close(got(place, 2), dx[0], J * k * k)


@FLAT
@given(SEED, SIDE, SIDE, st.sampled_from([(1, 1), (4, 1), (4, 4), (12, 3), (32, 8), (70, 7)]), st.booleans(), PARTS)
def test_group_norm_with_silu_is_the_layers(seed, height, width, sizes, silu, parts):
    C, groups = sizes
    x, weight, bias, dy, before = drawn(seed, (C, height, width), (C,), (C,), (C, height, width), (C, height, width))
    x = 3 * x + 5
    place = room(*[(height, width, C, 1)] * 4)
    for row, values in ((0, x), (2, dy), (3, before)):
        put(place, row, values)
    weights, gradients = np.concatenate([weight, bias]), np.ones(2 * C, np.float32)
    images_of, w = (place.arena, place.table[0]), (weights, 0, C, groups, silu)
    group_norm.statistics(*images_of, place.vector, groups, 1e-5, scratch())
    in_shares(
        parts, lambda part, of: group_norm.forward(*images_of, place.table[1], place.vector, *w, scratch(), part, of)
    )
    u, cache = group_norm_layer.forward(x[None].astype(float), weight, bias, groups, 1e-5)
    y, silu_cache = silu_layer.forward(u)
    magnified = (
        1 + 10 * cache[1].max()
    )  # (x - mean) / deviation is taken as a x + b: the rounding of x over deviation
    assert close(got(place, 1), (y if silu else u)[0], magnified**2)
    assert not border(place, 1).any()

    dx, dweight, dbias = group_norm_layer.backward(
        silu_layer.backward(dy[None], silu_cache) if silu else dy[None], cache
    )
    if height * width * C // groups > 1:
        arrays = (place.vector, weights, gradients, 0, C, groups, silu, True, scratch())
        group_norm.backward(*images_of, place.table[2], place.table[3], *arrays)
        assert close(got(place, 3), before + dx[0], 10 * magnified**4)
        assert close(gradients - 1, np.concatenate([dweight, dbias]), magnified**4 * height * width)


@FLAT
@given(SEED, SIDE, SIDE, st.sampled_from([(1, 1), (8, 2), (32, 4), (40, 1), (64, 1)]), PARTS)
def test_attention_is_the_layer(seed, height, width, sizes, parts):
    C, heads = sizes
    L = height * width
    q, k, v, do = drawn(seed, *[(C, height, width)] * 4)
    shapes = [(height, width, C, 0)] * 8
    place = room(*shapes, vectors=attention.matrices(L))
    for row, values in enumerate((q, k, v, do)):
        put(place, row, 2 * values)
    flat = [2 * values.reshape(1, C, L).swapaxes(1, 2) for values in (q, k, v, do)]
    table = place.table
    in_shares(parts, lambda part, of: attention.forward(
        place.arena, *table[:3], table[4], heads, scratch(), part, of))  # fmt: skip
    wanted, cache = attention_layer.forward(*flat[:3], heads)
    assert close(got(place, 4), wanted[0].T.reshape(C, height, width), C)
    attention.backward(place.arena, *table[:3], table[4], table[3], *table[5:], place.vector, heads, scratch())
    for row, gradient in zip((5, 6, 7), attention_layer.backward(flat[3], cache), strict=True):
        # dP and do o are sums of C terms, of which only the rounding is left where they cancel
        assert close(got(place, row), gradient[0].T.reshape(C, height, width), 4 * L * C)


@FLAT
@given(SEED, SIDE, SIDE, CHANNELS, st.booleans(), PARTS)
def test_upsampling_and_joining(seed, height, width, C, add, parts):
    x, skip, dy, before = drawn(
        seed, (C, height, width), (3, height, width), (C, 2 * height, 2 * width), (C, height, width)
    )
    place = room(
        (height, width, C, 1), (2 * height, 2 * width, C, 1), (height, width, 3, 0), (height, width, C + 3, 1)
    )
    put(place, 0, x)
    put(place, 2, skip)
    in_shares(parts, lambda part, of: resample.upsample(place.arena, place.table[0], place.table[1], part, of))
    assert (got(place, 1) == upsample_layer.forward(x[None])[0]).all()
    assert not border(place, 1).any()
    for row, channel in ((0, 0), (2, C)):
        in_shares(parts, lambda part, of, row=row, channel=channel: resample.join(
            place.arena, place.table[row], place.table[3], channel, part, of))  # fmt: skip
    assert (got(place, 3) == np.concatenate([x, skip])).all()

    put(place, 1, dy)
    put(place, 0, before)
    resample.upsample_backward(place.arena, place.table[1], place.table[0], add)
    assert close(got(place, 0), upsample_layer.backward(dy[None])[0] + add * before)
    put(place, 2, skip)
    resample.part_off(place.arena, place.table[3], place.table[2], C, add)
    assert close(got(place, 2), skip + add * skip)


@FLAT
@given(st.integers(0, 2**64 - 1), SIDE, SIDE, CHANNELS, st.integers(0, 9), st.integers(0, 2**31))
def test_dropout_keeps_what_the_layer_keeps(seed, height, width, C, number, step):
    (x,) = drawn(1, (C, height, width))
    place = room((height, width, C, 1), (height, width, C, 1))
    put(place, 0, x)
    key = tuple(np.uint32(word) for word in split_seed(seed))
    stream = STREAM_DROPOUT | number << dropout_layer.NUMBER_SHIFT
    resample.dropout(place.arena, place.table[0], place.table[1], 0.4, key, stream, 17, step)
    wanted, _ = dropout_layer.forward(x[None], 0.4, seed, np.array([17]), step, number)
    assert np.allclose(got(place, 1), wanted[0], rtol=1e-6, atol=0)
    assert ((got(place, 1) == 0) == (wanted[0] == 0)).all()


@FLAT
@given(SEED, st.integers(1, 99), st.booleans())
def test_silu_of_a_vector(seed, n, add):
    x, dy, before = drawn(seed, (n, 1, 1), (n, 1, 1), (n, 1, 1))
    place = room(*[(1, 1, n, 0)] * 4)
    for row, values in ((0, 5 * x), (2, dy), (3, before)):
        put(place, row, values)
    resample.silu(place.arena, place.table[0], place.table[1])
    wanted, cache = silu_layer.forward(5 * x)
    assert close(got(place, 1), wanted)
    resample.silu_backward(place.arena, place.table[0], place.table[2], place.table[3], add)
    assert close(got(place, 3), silu_layer.backward(dy, cache) + add * before)


@pytest.mark.parametrize("x", [-1e30, -100.0, -41.0, -1.0, -1e-9, 0.0, 1e-9, 0.3, 1.0, 41.0, 100.0, 1e30])
def test_exp_and_sigmoid(x):
    kept = np.clip(x, -60 * np.log(2), 60 * np.log(2))
    assert np.isclose(
        elementary.exp(np.float32(x)), np.exp(kept), rtol=4e-6
    )  # 60 ln 2 times the rounding of x / ln 2
    assert np.isclose(elementary.sigmoid(np.float32(x)), 1 / (1 + np.exp(-kept)), rtol=4e-6)


def test_panels_hold_each_weight_once():
    weight = np.arange(1, 7 * 5 * 9 + 1).reshape(7, 5, 3, 3)
    flat = conv.panels(weight)
    assert len(flat) == 9 * 5 * LANES
    assert sorted(flat[flat > 0]) == sorted(weight.ravel())
    assert flat[(2 * 3 + 1) * 5 * LANES + 4 * LANES + 6] == weight[6, 4, 2, 1]  # row 2, column 1, input 4, output 6
