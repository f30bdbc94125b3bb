"""The convolution in bfloat16 against its layer at rounded numbers: by pixels but for sums, by squares near it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from checks import widths
from checks.bfloat16 import nearest
from checks.image_kernels import FLAT, GARBAGE, PARTS, SEED, SIDE, Memory, close, drawn, in_shares
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import bfloat16_conv, conv, images
from numpy_diffusion.kernels.layers.images import NO_IMAGE, NOWHERE, SAMPLES
from numpy_diffusion.kernels.vector.registers import WIDEST_LANES, WIDEST_VECTOR
from numpy_diffusion.layers import conv as layer

NONE = 0  # the row of no image
INPUTS = st.sampled_from([WIDEST_VECTOR, 3 * WIDEST_VECTOR, 4 * WIDEST_VECTOR])  # the last one: whole tiles
OUTPUTS = st.sampled_from([WIDEST_LANES, WIDEST_LANES + 5, 2 * WIDEST_LANES])
WINDOWS = st.sampled_from([(3, 1, (1, 1)), (1, 1, (0, 0)), (3, 2, (1, 1)), (3, 2, (0, 1))])  # k, stride, pad
SIDES = st.integers(3, 13)  # which squares fill
ADDED = st.booleans(), st.booleans(), st.booleans()  # bias, vector, residual


def rounded_weights(weight: np.ndarray) -> np.ndarray:
    """The words of the weights [J, C, k, k], made in shares."""
    J, C, k, _ = weight.shape
    flat, found = conv.panels(weight), np.full(bfloat16_conv.words_size(C, J, k), GARBAGE)
    in_shares(3, lambda *share: bfloat16_conv.round_weights(flat, 0, found, 0, C, J, k, *share))
    return found


def convolved(case, squares):
    """What the kernel gives, and what goes into it."""
    seed, height, width, C, J, (k, stride, pad), with_bias, with_vector, with_residual, parts = case
    out, border = (height, width), int(k == 3)
    shape = C, stride * height, stride * width
    x, weight, bias, vector, residual = drawn(seed, shape, (J, C, k, k), (J,), (J,), (J, *out))
    memory = Memory((*shape[1:], C, border), (*out, J, 1), (*out, J, 1), (*shape[1:], C // 2, border), vector=J)
    memory.put(0, x)
    memory.put(2, residual)
    memory.put_vector(vector)
    if not squares:
        in_shares(parts, lambda *share: bfloat16_conv.round_image(memory.worker(0, *share), *memory.images[::3]))
    shift = 1 - pad[0] if k == 3 else 0
    window = conv.Window(0, int(squares), bias=0 if with_bias else NOWHERE, k=k, stride=stride, shift=shift)
    words, size = rounded_weights(weight), bfloat16_conv.scratch_size(C, J)
    rows = 1 if squares else 4, 2, bias, words, window, 5 if with_vector else NONE, 3 if with_residual else NONE
    in_shares(parts, lambda *share: bfloat16_conv.forward(memory.worker(size, *share), memory.tables, *rows))
    added = with_vector * vector[:, None, None] + with_residual * residual
    return memory.got(1), x, weight, with_bias * bias, added, (stride, pad)


@pytest.mark.parametrize(
    ("k", "sides", "wanted"), [(3, (8, 8), True), (3, (5, 13), True), (3, (7, 9), False), (1, (8, 8), False)]
)
def test_by_squares_go_images_of_many_pixels(k, sides, wanted):
    dst = images.Image(0, *sides, WIDEST_LANES, 1)
    assert bfloat16_conv.by_squares(k, 1, WIDEST_VECTOR, dst) == wanted
    assert not bfloat16_conv.by_squares(k, 2, WIDEST_VECTOR, dst)


@FLAT
@given(st.tuples(SEED, SIDE, SIDE, INPUTS, OUTPUTS, WINDOWS, *ADDED, PARTS))
def test_by_pixels_it_is_the_layer_at_rounded_numbers(case):
    found, x, weight, bias, added, how = convolved(case, squares=False)
    wanted = layer.forward(nearest(x)[None], nearest(weight), bias, *how)[0][0] + added
    assert close(found, wanted, weight[0].size)


@FLAT
@given(
    st.tuples(SEED, SIDES, SIDES, INPUTS, st.sampled_from([WIDEST_LANES, 2 * WIDEST_LANES]),
              st.just((3, 1, (1, 1))), *ADDED, PARTS)
)  # fmt: skip
def test_by_squares_it_is_as_near_to_the_layer_as_rounding_goes(case):
    found, x, weight, bias, added, how = convolved(case, squares=True)
    wanted = layer.forward(x[None], weight, bias, *how)[0][0] + added
    error, size = np.abs(found - wanted), np.linalg.norm(wanted - added) / np.sqrt(wanted.size)
    assert np.sqrt(np.mean(error**2)) < 8 * 2.0**-9 * size
    assert error.max() < 80 * 2.0**-9 * size


@FLAT
@given(SEED, SIDES, SIDES, st.integers(2, SAMPLES), st.sampled_from([(3, True), (3, False), (1, False)]))
def test_samples_that_go_together_are_as_each_alone(seed, height, width, n, way):
    k, squares = way
    C, J, border = WIDEST_VECTOR, 2 * WIDEST_LANES, int(k == 3)
    shapes = (height, width, C, border), (height, width, J, 1), (height, width, C // 2, border), (1, 1, J, 0)
    x, (weight, bias) = drawn(seed, *[(C, height, width)] * n), drawn(seed, (J, C, k, k), (J,))
    words, found = rounded_weights(weight), []
    window = conv.Window(0, int(squares), bias=0, k=k, stride=1, shift=0)
    for together in (True, False):
        memory = Memory(*shapes * n)
        tables = np.array([[NO_IMAGE, *memory.images[4 * i : 4 * i + 4]] for i in range(n)], images.IMAGE)
        worker = memory.worker(bfloat16_conv.scratch_size(C, J))
        for i, values in enumerate(x):
            memory.put(4 * i, values)
            memory.put(4 * i + 3, drawn(seed + i, (J, 1, 1))[0])
            if not squares:
                bfloat16_conv.round_image(worker, memory.images[4 * i], memory.images[4 * i + 2])
        for part in [tables] if together else [tables[i : i + 1] for i in range(n)]:
            bfloat16_conv.forward(worker, part, 1 if squares else 3, 2, bias, words, window, 4, NONE)
        found.append([memory.got(4 * i + 1) for i in range(n)])
    np.testing.assert_array_equal(*found)


def digest() -> str:
    """Of outputs by squares and by pixels, narrow images among them."""
    total = hashlib.sha256()
    for side, k, squares in ((10, 3, True), (5, 3, False), (3, 3, False), (9, 1, False)):
        pad, C = (k // 2, k // 2), 5 * WIDEST_VECTOR if squares else WIDEST_VECTOR
        case = side, side, side, C, 2 * WIDEST_LANES, (k, 1, pad), True, True, True, 1
        total.update(convolved(case, squares)[0].tobytes())
    return total.hexdigest()


@pytest.mark.widths
def test_any_width_of_register_gives_the_same_bits():
    assert widths.digests(__file__) == [digest()] * 2
