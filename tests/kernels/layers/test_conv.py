"""The convolution against its layer, over drawn shapes: forward in shares, backward, and how the weights lie."""

from __future__ import annotations

import numpy as np
from checks.image_kernels import CHANNELS, FLAT, PARTS, SEED, SIDE, Memory, close, drawn, in_shares
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import conv, images, resample, winograd
from numpy_diffusion.kernels.layers.images import NO_IMAGE, NOWHERE, SAMPLES
from numpy_diffusion.kernels.vector.registers import LANES, WIDEST_LANES, WIDEST_VECTOR
from numpy_diffusion.layers import conv as conv_layer

FILLED = (  # channels in and out
    st.sampled_from([WIDEST_VECTOR, 2 * WIDEST_VECTOR, 3 * WIDEST_VECTOR]),
    st.sampled_from([WIDEST_LANES, 2 * WIDEST_LANES]),
)
EVEN = st.integers(1, 6).map(lambda n: 2 * n)
BY_SQUARES = st.just((3, 1, (1, 1)))
NONE = 0  # the row of no image
WINDOWS = st.sampled_from([(3, 1, (1, 1)), (1, 1, (0, 0)), (3, 2, (1, 1)), (3, 2, (0, 1))])  # k, stride, pad


def by_squares(k: int, stride: int, C: int, J: int, out: tuple[int, int]) -> bool:
    """Whether the gradient by the weights of this convolution can go by squares of pixels."""
    return k == 3 and stride == 1 and winograd.suits(C, J) and out[0] % 2 == out[1] % 2 == 0


def check_forward(seed, height, width, C, J, kind, with_bias, with_vector, with_residual, parts):
    k, stride, pad = kind
    height, width = stride * height, stride * width
    out = height // stride, width // stride
    x, weight, bias, vector, residual = drawn(seed, (C, height, width), (J, C, k, k), (J,), (J,), (J, *out))
    memory = Memory((height, width, C, 1), (*out, J, 1), (*out, J, 1))
    memory.put(0, x)
    memory.put(2, residual)
    memory.put_vector(vector)
    weights = np.concatenate([conv.panels(weight), bias])
    window = conv.Window(0, 0, len(weights) - J if with_bias else NOWHERE, k, stride, 1 - pad[0])
    rows = 1, 2, weights, window, 4 if with_vector else NONE, 3 if with_residual else NONE
    size = conv.scratch_size(C, J)
    in_shares(parts, lambda *share: conv.forward(memory.worker(size, *share), memory.tables, *rows))
    wanted = conv_layer.forward(x[None], weight, with_bias * bias, stride, pad)[0][0]
    wanted = wanted + with_vector * vector[:, None, None] + with_residual * residual
    assert close(memory.got(1), wanted, C * k * k)


def check_backward(seed, height, width, C, J, kind):
    """By the weights, added to what is there; by the bias, also where the vector is; and by the input."""
    k, stride, pad = kind
    height, width = stride * height, stride * width
    out = height // stride, width // stride
    x, weight, bias, dy = drawn(seed, (C, height, width), (J, C, k, k), (J,), (J, *out))
    memory = Memory((height, width, C, 1), (*out, J, 1), (height, width, C, 1), (height, width, J, 1))
    memory.put(0, x)
    memory.put(1, dy)
    dx, dweight, dbias = conv_layer.backward(dy[None], conv_layer.forward(x[None], weight, bias, stride, pad)[1])

    size = len(conv.panels(weight))
    gradients = np.ones(size + J, np.float32)  # there is something to add to
    window = conv.Window(0, int(by_squares(k, stride, C, J, out)), size, k, stride, 1 - pad[0])
    worker = memory.worker(conv.backward_scratch_size(C, J, out[1]))
    conv.backward(worker, memory.tables, 1, 2, gradients, window, len(memory.images) + 1)
    places = conv.panels(np.arange(1, weight.size + 1).reshape(weight.shape))
    found = np.empty(weight.size, np.float32)
    found[places[places > 0] - 1] = gradients[:size][places > 0] - 1
    assert close(found.reshape(weight.shape), dweight, out[0] * out[1])
    assert close(gradients[size:] - 1, dbias, out[0] * out[1])
    assert close(memory.got_vector(J), dbias, out[0] * out[1])

    if stride == 2:
        resample.dilate(memory.arena, memory.images[1], memory.images[3], 1 - pad[0])
    window = conv.Window(0, 0, NOWHERE, k, 1, 0 if k == 3 else 1)
    worker = memory.worker(conv.scratch_size(J, C))
    conv.forward(worker, memory.tables, 4 if stride == 2 else 2, 3, conv.turned(weight), window, NONE, NONE)
    assert close(memory.got(2), dx[0], J * k * k)


ADDED = st.booleans(), st.booleans(), st.booleans()  # bias, vector, residual


@FLAT
@given(st.tuples(SEED, SIDE, SIDE, CHANNELS, CHANNELS, WINDOWS, *ADDED, PARTS))
def test_conv_is_the_layer(case):
    check_forward(*case)


@FLAT
@given(st.tuples(SEED, EVEN, EVEN, *FILLED, BY_SQUARES, *ADDED, PARTS))
def test_conv_by_squares_is_the_layer(case):
    check_forward(*case)


@FLAT
@given(st.tuples(SEED, SIDE, SIDE, CHANNELS, CHANNELS, WINDOWS))
def test_conv_backward_is_the_layers(case):
    check_backward(*case)


@FLAT
@given(st.tuples(SEED, EVEN, EVEN, *FILLED, BY_SQUARES))
def test_conv_backward_by_squares_is_the_layers(case):
    check_backward(*case)


def together_and_alone(seed, height, width, C, J, k, n=SAMPLES):
    """Outputs of n samples that go together, each with a vector and a residual of its own, and the gradient by the
    weights to which they add; then the same of one after the other."""
    shapes = (height, width, C, 1), (height, width, J, 1), (height, width, J, 1), (1, 1, J, 0)
    x, dy, residual = (drawn(seed + i, *[(D, height, width)] * n) for i, D in enumerate((C, J, J)))
    *vectors, weight, bias = drawn(seed, *[(J, 1, 1)] * n, (J, C, k, k), (J,))
    weights = np.concatenate([conv.panels(weight), bias])
    window = conv.Window(0, int(by_squares(k, 1, C, J, (height, width))), len(weights) - J, k, 1, 0 if k == 3 else 1)
    found = []
    for together in (True, False):
        memory, gradients = Memory(*shapes * n), np.ones(len(weights), np.float32)
        tables = np.array([[NO_IMAGE, *memory.images[4 * i : 4 * i + 4]] for i in range(n)], images.IMAGE)
        for i in range(n):
            for row, values in enumerate((x[i], dy[i], residual[i], vectors[i])):
                memory.put(4 * i + row, values)
        worker = memory.worker(max(conv.scratch_size(C, J), conv.backward_scratch_size(C, J, width)))
        parts = [tables] if together else [tables[i : i + 1] for i in range(n)]
        for part in parts:
            conv.backward(worker, part, 1, 2, gradients, window, NONE)
        for part in parts:
            conv.forward(worker, part, 1, 2, weights, window, 4, 3)
        found.append(([memory.got(4 * i + 1) for i in range(n)], gradients[: weight.size], gradients[-J:]))
    return found


@FLAT
@given(SEED, SIDE, st.integers(1, 70), CHANNELS, CHANNELS, st.sampled_from([1, 3]))
def test_samples_that_go_together_are_as_each_alone(seed, height, width, C, J, k):
    """To the bit, except that a gradient by squares is summed before it goes back to the weights' own space."""
    (outputs, *gradients), (alone, *one_by_one) = together_and_alone(seed, height, width, C, J, k)
    np.testing.assert_array_equal(outputs, alone)
    np.testing.assert_array_equal(gradients[-1], one_by_one[-1])
    if not by_squares(k, 1, C, J, (height, width)):
        np.testing.assert_array_equal(gradients[0], one_by_one[0])


@FLAT
@given(SEED, EVEN, EVEN, *FILLED, st.integers(1, SAMPLES))
def test_squares_are_counted_on_over_the_samples(seed, height, width, C, J, n):
    (outputs, *gradients), (alone, *one_by_one) = together_and_alone(seed, height, width, C, J, 3, n)
    np.testing.assert_array_equal(outputs, alone)
    for one, other in zip(gradients, one_by_one, strict=True):
        assert close(one, other, n * height * width)


def test_panels_hold_each_weight_once():
    weight = np.arange(1, 7 * 5 * 9 + 1).reshape(7, 5, 3, 3)
    flat = conv.panels(weight)
    assert len(flat) == 9 * 5 * LANES
    assert sorted(flat[flat > 0]) == sorted(weight.ravel())
    assert flat[(2 * 3 + 1) * 5 * LANES + 4 * LANES + 6] == weight[6, 4, 2, 1]  # row 2, column 1, input 4, output 6


def test_turned_weights_lead_from_outputs_to_inputs_with_the_window_turned():
    weight = np.arange(7 * 5 * 9).reshape(7, 5, 3, 3)
    np.testing.assert_array_equal(conv.turned(weight), conv.panels(weight[:, :, ::-1, ::-1].swapaxes(0, 1)))
