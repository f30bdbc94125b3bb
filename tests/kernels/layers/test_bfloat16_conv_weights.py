"""The gradient by weights by pixels in bfloat16: its layer's at rounded numbers, each pixel once and in order."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from checks import widths
from checks.image_kernels import FLAT, SEED, Memory, close, drawn, in_shares
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import bfloat16_conv_weights, conv, images
from numpy_diffusion.kernels.layers.images import NO_IMAGE, NOWHERE
from numpy_diffusion.kernels.vector.registers import LANES, WIDEST_LANES, WIDEST_VECTOR
from numpy_diffusion.layers import bfloat16_conv as layer

SIDES = st.lists(st.sampled_from([1, 2, 7, 16, 77, 300]), min_size=1, max_size=4)  # widths of samples, in pixels
INPUTS = st.sampled_from([WIDEST_VECTOR, 3 * WIDEST_VECTOR])
OUTPUTS = st.sampled_from([WIDEST_LANES, WIDEST_LANES + 8, 2 * WIDEST_LANES])
WINDOWS = st.sampled_from([(3, 1, (1, 1)), (1, 1, (0, 0)), (3, 2, (1, 1)), (3, 2, (0, 1))])  # k, stride, pad


def gradient(samples, k=1, stride=1, pad=(0, 0), parts=1, together=True):
    """Of samples (x [C, H, W], dy [J, H, W]), added to ones: [J, C, k, k]."""
    C, J, border = len(samples[0][0]), len(samples[0][1]), int(k == 3)
    memory = Memory(*((*values.shape[1:], len(values), border) for pair in samples for values in pair))
    for row, values in enumerate(values for pair in samples for values in pair):
        memory.put(row, values)
    tables = [[NO_IMAGE, *memory.images[2 * n : 2 * n + 2]] for n in range(len(samples))]
    weights = conv.panels(np.zeros((J, C, k, k), np.float32)) + 1
    widest = max(dy.shape[2] for _, dy in samples)
    size = bfloat16_conv_weights.scratch_for(widest, J).end
    window = conv.Window(0, 0, NOWHERE, k, stride, 1 - pad[0] if k == 3 else 0)
    for part in [tables] if together else [[table] for table in tables]:
        rows = np.array(part, images.IMAGE), 1, 2, weights, window
        in_shares(parts, lambda *share, rows=rows: bfloat16_conv_weights.add(memory.worker(size, *share), *rows))
    memory.assert_in_bounds()
    places = conv.panels(np.arange(1, J * C * k * k + 1).reshape(J, C, k, k))
    found = np.empty(J * C * k * k, np.float32)
    found[places[places > 0] - 1] = weights[places > 0] - 1
    return found.reshape(J, C, k, k)


def by_layer(x, dy, k=1, stride=1, pad=(0, 0)):
    """What the definition makes of x [C, H, W] and dy [J, R, S]: [J, C, k, k], of which the weights are no part."""
    weight = np.zeros((len(dy), len(x), k, k), np.float32)
    return layer.backward(dy[None], layer.forward(x[None], weight, weight[:, 0, 0, 0], stride, pad)[1])[1]


@FLAT
@given(SEED, SIDES, INPUTS, OUTPUTS, st.integers(1, 3))
def test_it_is_the_sum_over_all_pixels_in_the_order_of_the_samples(seed, widths, C, J, parts):
    values = drawn(seed, *((channels, 1, n) for n in widths for channels in (C, J)))
    samples = list(zip(values[::2], values[1::2], strict=True))
    found = gradient(samples, parts=parts)
    np.testing.assert_array_equal(found, gradient(samples, together=False))
    wanted = sum(by_layer(x, dy) for x, dy in samples)
    assert close(found, wanted, sum(widths))


@FLAT
@given(SEED, st.integers(1, 13), st.integers(1, 13), INPUTS, OUTPUTS, WINDOWS)
def test_it_is_the_layer_s_at_rounded_numbers(seed, height, width, C, J, kind):
    k, stride, pad = kind
    x, dy = drawn(seed, (C, stride * height, stride * width), (J, height, width))
    wanted = by_layer(x, dy, k, stride, pad)
    assert close(gradient([(x, dy)], k, stride, pad), wanted, height * width)


def test_wide_layers_are_done_some_panels_at_a_time():
    place = bfloat16_conv_weights.scratch_for(16, 100 * LANES)
    assert place.panels * place.pairs * LANES <= bfloat16_conv_weights.BUDGET
    assert place.end == place.slopes + place.panels * place.pairs * LANES
    assert bfloat16_conv_weights.scratch_for(1001, 8).pairs == 501


def digest() -> str:
    code = hashlib.sha256()
    for C, J in ((WIDEST_VECTOR, 2 * WIDEST_LANES), (2 * WIDEST_VECTOR, WIDEST_LANES + 8)):
        values = drawn(C, *((channels, 1, n) for n in (70, 131) for channels in (C, J)))
        code.update(gradient(list(zip(values[::2], values[1::2], strict=True))).tobytes())
    return code.hexdigest()


@pytest.mark.widths
def test_any_width_of_register_gives_the_same_bits():
    assert widths.digests(__file__) == [digest()] * 2
