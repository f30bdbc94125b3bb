"""The convolution on the tile unit against its layer at rounded numbers; by loops where the processor has none, and
there once more in a process in which its instructions are emulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from checks import tile_unit
from checks.bfloat16 import nearest
from checks.image_kernels import FLAT, GARBAGE, PARTS, SEED, SIDE, Memory, close, drawn, in_shares
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import bfloat16_conv, bfloat16_tiles, conv, images
from numpy_diffusion.kernels.layers.images import NO_IMAGE, NOWHERE
from numpy_diffusion.kernels.vector.registers import LANES, TILES
from numpy_diffusion.kernels.vector.tile_unit import COLUMNS, PAIRS
from numpy_diffusion.layers import bfloat16
from numpy_diffusion.layers import conv as layer

pytestmark = pytest.mark.skipif(LANES != COLUMNS, reason="panels of weights are as wide as the unit has columns")

NONE = 0  # the row of no image
CHANNELS = 2 * PAIRS  # fewest in
INPUTS, WIDTH = st.sampled_from([CHANNELS, 3 * CHANNELS]), st.one_of(SIDE, st.sampled_from([16, 24, 33, 48]))
OUTPUTS = st.sampled_from([COLUMNS, COLUMNS + 5, 2 * COLUMNS, 8 * COLUMNS])
WINDOWS = st.sampled_from([(3, 1, (1, 1)), (1, 1, (0, 0)), (3, 2, (1, 1)), (3, 2, (0, 1))])  # k, stride, pad
BORDER = st.integers(0, 1)


def convolved(xs, weight, bias, vector, residuals, how, border, parts):
    """What the kernel gives for these samples together; the weights [J, C, k, k]."""
    (k, stride, pad), (J, C) = how, weight.shape[:2]
    shapes = []
    for x in xs:
        height, width = x.shape[1:]
        out = height // stride, width // stride
        shapes += [(height, width, C, 1), (height, width, C // 2, int(k == 3)), (*out, J, border), (*out, J, border)]
    memory = Memory(*shapes, vector=J * len(xs))
    memory.put_vector(np.concatenate([(i + 1) * vector for i in range(len(xs))]))  # each sample has its own
    vectors = [memory.vector._replace(at=memory.vector.at + i * J, channels=J) for i in range(len(xs))]
    for i, x in enumerate(xs):
        memory.put(4 * i, x)
        memory.put(4 * i + 3, residuals[i])
        bfloat16_conv.round_image(memory.worker(0), memory.images[4 * i], memory.images[4 * i + 1])
    rows = [[NO_IMAGE, *memory.images[4 * i : 4 * i + 4], vectors[i]] for i in range(len(xs))]
    tables = np.array([[tuple(image) for image in row] for row in rows], images.IMAGE)
    flat, words = conv.panels(weight), np.full(bfloat16_conv.words_size(C, J, k), GARBAGE)
    bfloat16_conv.round_weights(flat, 0, words, 0, C, J, k, 0, 1)
    shift = 1 - pad[0] if k == 3 else 0
    window = conv.Window(0, 0, bias=0 if bias is not None else NOWHERE, k=k, stride=stride, shift=shift)
    added = 5 if vector.any() else NONE
    scratch, starts = conv.forward_scratch(J).squares, conv.forward_scratch(J).start
    given_bias = np.zeros(0, np.float32) if bias is None else bias

    def run(part, parts):
        worker = memory.worker(scratch + bfloat16_tiles.SCRATCH, part, parts)
        residual = 4 if any(other.any() for other in residuals) else NONE
        conv.begin(worker, tables, 3, given_bias, window.bias, added)
        bfloat16_tiles.forward(worker, tables, 2, 3, words, window, starts, scratch, residual)
        conv.clear_borders(worker, tables, 3)

    in_shares(parts, run)
    return [memory.got(4 * i + 2) for i in range(len(xs))]


def case(seed, heights, widths, C, J, how, with_bias, with_vector, with_residual):
    k, stride, _ = how
    sizes = list(zip(heights, widths, strict=True))
    xs = [drawn(seed + i, (C, stride * h, stride * w))[0] for i, (h, w) in enumerate(sizes)]
    weight, bias, vector = drawn(seed, (J, C, k, k), (J,), (J,))
    residuals = [with_residual * drawn(seed - i - 1 + 10_000, (J, h, w))[0] for i, (h, w) in enumerate(sizes)]
    return xs, weight, bias if with_bias else None, with_vector * vector, residuals, how


@FLAT
@given(SEED, SIDE, WIDTH, INPUTS, OUTPUTS, WINDOWS, st.tuples(*[st.booleans()] * 3), BORDER, PARTS)
def test_it_is_the_layer_at_rounded_numbers(seed, height, width, C, J, how, added, border, parts):
    xs, weight, bias, vector, residuals, _ = given_case = case(seed, [height], [width], C, J, how, *added)
    (found,) = convolved(*given_case, border, parts)
    wanted = layer.forward(nearest(xs[0])[None], nearest(weight), 0 if bias is None else bias, *how[1:])[0][0]
    assert close(found, wanted + vector[:, None, None] + residuals[0], weight[0].size)


@FLAT
@given(SEED, st.lists(SIDE, min_size=2, max_size=5), INPUTS, OUTPUTS, st.booleans(), PARTS)
def test_samples_that_go_together_are_as_each_alone(seed, widths, C, J, with_residual, parts):
    """States, of which samples have different numbers."""
    xs, *rest, residuals, how = case(seed, [1] * len(widths), widths, C, J, (1, 1, (0, 0)), True, True, with_residual)
    found = convolved(xs, *rest, residuals, how, 0, parts)
    weight, bias, vector = rest
    for i, (x, residual, one) in enumerate(zip(xs, residuals, found, strict=True)):
        alone = convolved([x], weight, bias, (i + 1) * vector, [residual], how, 0, 1)
        np.testing.assert_array_equal(alone[0], one)


@pytest.mark.parametrize("side", [5, 16])
def test_any_shares_give_the_same_bits(side):
    for J in (COLUMNS, 16 * COLUMNS):  # shares of pixels, and of output channels
        given_case = case(1, [side] * 2, [side] * 2, CHANNELS, J, (3, 1, (1, 1)), True, True, True)
        wanted = convolved(*given_case, 1, 1)
        for parts in (2, 5, 40):
            np.testing.assert_array_equal(convolved(*given_case, 1, parts), wanted)


@pytest.mark.parametrize("k", [1, 3])
def test_the_bits_are_those_of_the_definition(k):
    """Of 32 channels all pixels of the window go by before the next."""
    how = k, 1, (k // 2, k // 2)
    given_case = case(2, [3], [7], 2 * CHANNELS, COLUMNS, how, True, False, False)
    xs, weight, bias, *_ = given_case
    (found,) = convolved(*given_case, 1, 1)
    padded = np.pad(xs[0], ((0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, (k, k), (1, 2)).reshape(2, CHANNELS, 21, k * k)
    a = seen.transpose(2, 0, 3, 1).reshape(21, -1)
    b = weight.reshape(COLUMNS, 2, CHANNELS, k * k).transpose(1, 3, 2, 0).reshape(-1, COLUMNS)
    wanted = bfloat16.tile_product(a, b, np.broadcast_to(bias, (21, COLUMNS)))
    np.testing.assert_array_equal(found, wanted.T.reshape(COLUMNS, 3, 7))


@pytest.mark.widths
@pytest.mark.skipif(TILES, reason="it is what the tests above ran on")
def test_all_of_this_holds_of_the_instructions():
    tile_unit.run_tests(__file__)


@pytest.mark.widths
@pytest.mark.skipif(TILES, reason="it is what these tests run on")
def test_networks_run_on_the_instructions():
    """A whole U-Net's images: to compile more for another processor takes minutes."""
    networks = Path(__file__).parents[2] / "networks/unet"
    outputs = "test_compiled_bfloat16.py::test_outputs_are_float32_s_but_for_rounding[images]"
    tile_unit.run_tests(networks / "test_plan_bfloat16.py", networks / outputs)
