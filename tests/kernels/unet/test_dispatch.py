"""Which images and numbers a call takes from its row, and who does it."""

from __future__ import annotations

import numpy as np
import pytest
from checks.image_kernels import GARBAGE, Memory, close, drawn

from numpy_diffusion.kernels.unet import dispatch
from numpy_diffusion.kernels.unet.calls import CALL, NONE, Call, CallKind
from numpy_diffusion.kernels.unet.run import Ends
from numpy_diffusion.kernels.unet.workspace import Told
from numpy_diffusion.layers import quick_gelu, silu
from numpy_diffusion.noise import STREAM_DROPOUT, split_seed

A, B, C, D = 1, 2, 3, 4  # rows of the images that a test puts side by side; row 0 is no image


def row(kind: CallKind, **fields: int) -> np.void:
    return np.array([Call(kind, **fields)], CALL)[0]


def go(memory: Memory, call: np.void, weights: np.ndarray | None = None, label: int = 0, share=(0, 1)) -> None:
    """One forward call, of weights that are the same there and back."""
    given = np.zeros(1, np.float32) if weights is None else weights
    dispatch.forward(call, memory.tables, memory.worker(0, *share), given, given, np.array([label]))


def back(memory: Memory, call: np.void, gradients: np.ndarray | None = None, label: int = 0) -> None:
    given = np.zeros(1, np.float32) if gradients is None else gradients
    dispatch.backward(call, memory.tables, memory.worker(0), np.zeros(1, np.float32), given, np.array([label]))


def test_a_concatenation_starts_at_the_channel_of_its_row() -> None:
    x, skip = drawn(0, (4, 3, 5), (2, 3, 5))
    memory = Memory((3, 5, 4, 1), (3, 5, 2, 1), (3, 5, 6, 1))
    memory.put(0, x)
    memory.put(1, skip)
    go(memory, row(CallKind.CONCAT, src=A, dst=C))
    go(memory, row(CallKind.CONCAT, src=B, dst=C, channel=4))
    np.testing.assert_array_equal(memory.got(2), np.concatenate([x, skip]))


@pytest.mark.parametrize("add", [False, True])
def test_a_slice_takes_its_channels_back(add: bool) -> None:
    joined, before = drawn(1, (6, 3, 5), (2, 3, 5))
    memory = Memory((3, 5, 6, 1), (3, 5, 2, 1))
    memory.put(0, joined)
    memory.put(1, before)
    back(memory, row(CallKind.SLICE, src=A, dst=B, channel=3, add=add))
    assert close(memory.got(1), joined[3:5] + add * before)


def test_each_sample_of_a_call_has_its_own_images_and_label() -> None:
    matrix, first, second = drawn(9, (3, 8), (8, 1, 1), (8, 1, 1))
    memory, weights = Memory(*[(1, 1, 8, 0)] * 4), np.concatenate([np.zeros(5, np.float32), matrix.ravel()])
    tables, worker = np.concatenate([memory.tables, memory.tables]), memory.worker(0)
    tables[1, [A, B]] = tables[0, [C, C + 1]]
    for n, x in ((0, first), (2, second)):
        memory.put(n, x)
    dispatch.forward(row(CallKind.SILU, src=A, dst=B), tables, worker, weights, weights, np.array([0, 0]))
    assert close(memory.got(1), silu.forward(first)[0])
    assert close(memory.got(3), silu.forward(second)[0])
    dispatch.forward(row(CallKind.CLASS, dst=B, weight=5), tables, worker, weights, weights, np.array([2, 1]))
    np.testing.assert_array_equal(memory.got(1)[:, 0, 0], matrix[2])
    np.testing.assert_array_equal(memory.got(3)[:, 0, 0], matrix[1])


def test_upsampling_there_and_back() -> None:
    (x,) = drawn(2, (4, 2, 3))
    memory = Memory((2, 3, 4, 1), (4, 6, 4, 1), (2, 3, 4, 1))
    memory.put(0, x)
    go(memory, row(CallKind.UPSAMPLE, src=A, dst=B))
    np.testing.assert_array_equal(memory.got(1), x.repeat(2, 1).repeat(2, 2))
    back(memory, row(CallKind.UPSAMPLE_BACK, dy=B, dx=C))
    assert close(memory.got(2), 4 * x)


def test_means_there_and_back() -> None:
    (x,) = drawn(9, (4, 4, 6))
    memory = Memory((4, 6, 4, 1), (2, 3, 4, 1), (4, 6, 4, 1))
    memory.put(0, x)
    go(memory, row(CallKind.AVERAGE, src=A, dst=B))
    mean = x.reshape(4, 2, 2, 3, 2).mean(axis=(2, 4))
    assert close(memory.got(1), mean)
    memory.put(2, x)
    back(memory, row(CallKind.AVERAGE_BACK, dy=B, dx=C, add=True))
    assert close(memory.got(2), x + 0.25 * mean.repeat(2, 1).repeat(2, 2))


@pytest.mark.parametrize("part", [0, 1])
def test_pixels_and_states_are_put_in_a_row_and_taken_apart(part: int) -> None:
    """By the first worker alone."""
    x, states = drawn(10, (3, 2, 2), (3, 1, 5))
    memory = Memory((2, 2, 3, 0), (1, 5, 3, 0), (1, 9, 3, 0), (1, 5, 3, 0))
    memory.put(0, x)
    memory.put(1, states)
    tables, none, labels = memory.tables, np.zeros(1, np.float32), np.zeros(1, np.int64)
    tables["width"][0, [B, D]] = 4  # one is not there
    for src, first in ((A, 0), (B, 12)):
        call = row(CallKind.PIXELS, src=src, dst=C, channel=first)
        dispatch.transformer(call, tables, memory.worker(0, part, 2), none, none, labels)
    if part == 1:
        assert (memory.got(2) == GARBAGE).all()
        return
    np.testing.assert_array_equal(memory.got(2)[:, 0, :8], np.concatenate([x.reshape(3, 4), states[:, 0, :4]], 1))
    assert (memory.got(2)[:, 0, 8:] == GARBAGE).all()
    call = row(CallKind.PIXELS_BACK, dy=C, dx=D, channel=12)
    dispatch.transformer(call, tables, memory.worker(0), none, none, labels)
    np.testing.assert_array_equal(memory.got(3)[:, 0, :4], states[:, 0, :4])


def test_zeros_between_the_pixels_leave_out_the_shift() -> None:
    (x,) = drawn(3, (2, 2, 3))
    memory = Memory((2, 3, 2, 1), (4, 6, 2, 1))
    memory.put(0, x)
    back(memory, row(CallKind.DILATE, src=A, dst=B, shift=1))
    np.testing.assert_array_equal(memory.got(1)[:, 1::2, 1::2], x)


def test_silu_there_and_back() -> None:
    x, dy = drawn(4, (8, 1, 1), (8, 1, 1))
    memory = Memory(*[(1, 1, 8, 0)] * 3)
    memory.put(0, x)
    go(memory, row(CallKind.SILU, src=A, dst=B))
    y, cache = silu.forward(x)
    assert close(memory.got(1), y)
    memory.put(1, dy)
    back(memory, row(CallKind.SILU_BACK, src=A, dy=B, dx=C))
    assert close(memory.got(2), silu.backward(dy, cache))


def test_what_is_too_small_to_share_is_done_by_the_first_alone() -> None:
    x, weights = *drawn(5, (8, 1, 1)), np.zeros(99, np.float32)
    for call in (row(CallKind.SILU, src=A, dst=B), row(CallKind.CLASS, dst=B, weight=1)):
        memory = Memory(*[(1, 1, 8, 0)] * 2)
        memory.put(0, x)
        go(memory, call, weights, share=(1, 2))
        assert (memory.got(1) == GARBAGE).all()


def test_the_embedding_of_a_class_is_its_row_of_the_matrix() -> None:
    matrix, dy = drawn(6, (3, 8), (8, 1, 1))
    memory = Memory((1, 1, 8, 0))
    weights = np.concatenate([np.zeros(5, np.float32), matrix.ravel()])
    go(memory, row(CallKind.CLASS, dst=A, weight=5), weights, label=2)
    np.testing.assert_array_equal(memory.got(0)[:, 0, 0], matrix[2])
    memory.put(0, dy)
    gradients = np.ones(5 + 3 * 8, np.float32)
    back(memory, row(CallKind.CLASS_BACK, dy=A, weight=5), gradients, label=1)
    wanted = np.ones_like(gradients)
    wanted[5 + 8 : 5 + 16] += dy[:, 0, 0]
    np.testing.assert_array_equal(gradients, wanted)


def test_dropouts_differ_by_their_number_and_are_the_same_there_and_back() -> None:
    x = np.ones((8, 4, 4), np.float32)
    key = (*split_seed(0), STREAM_DROPOUT)
    found = []
    for number in (0, 1, 1):
        memory = Memory((4, 4, 8, 0), (4, 4, 8, 0))
        memory.put(0, x)
        call = row(CallKind.DROPOUT, src=A, dst=B, number=number)
        dispatch.dropout(call, memory.tables[0], memory.arena, 0.5, key, 0, 1)
        found.append(memory.got(1))
    assert (found[0] != found[1]).any()
    np.testing.assert_array_equal(found[1], found[2])
    assert set(np.unique(found[0])) == {0.0, 2.0}


def told(n: int = 1, **fields: np.ndarray) -> Told:
    none = {"labels": (n,), "vectors": (n, 0), "states": (n, 0, 0), "mask": (n, 0)}
    dtypes = {"labels": np.int64, "mask": bool}
    return Told(**{name: np.zeros(shape, dtypes.get(name, np.float32)) for name, shape in none.items()} | fields)


def test_what_comes_in_is_an_image_and_the_embedding_of_the_step_and_a_vector() -> None:
    x, embedding, vectors = drawn(7, (2, 3, 5), (8,), (2, 4))
    memory = Memory((3, 5, 2, 1), (1, 1, 8, 0), (1, 1, 4, 0))
    ends = Ends(x=A, embedding=B, told=C, states=NONE, eps=NONE, deps=NONE, dtold=NONE, dstates=NONE, penalty=NONE)
    none = np.zeros((0, 2), np.int64)
    dispatch.enter(ends, none, memory.tables[0], memory.arena, x, embedding, told(2, vectors=vectors), 1)
    np.testing.assert_array_equal(memory.got(0), x)
    np.testing.assert_array_equal(memory.got(1)[:, 0, 0], embedding)
    np.testing.assert_array_equal(memory.got(2)[:, 0, 0], vectors[1])


def test_the_states_that_are_there_come_in_and_their_gradients_go_out_to_the_same_places() -> None:
    """The images of states become as wide as these are many, and the pixels before them; the others stay."""
    x, embedding, states = drawn(8, (1, 1, 1), (4,), (1, 5, 3))
    mask = np.array([[False, True, True, False, True]])
    memory = Memory((1, 1, 1, 0), (1, 1, 4, 0), (1, 5, 3, 0), (1, 12, 3, 0))
    ends, rows = (
        Ends(x=A, embedding=B, told=NONE, states=C, eps=NONE, deps=NONE, dtold=B, dstates=C, penalty=NONE),
        memory.tables[0],
    )
    known = told(states=states, mask=mask)
    dispatch.enter(ends, np.array([[C, 0], [D, 7]]), rows, memory.arena, x, embedding, known, 0)
    assert rows["width"].tolist()[:5] == [0, 1, 1, 3, 10]
    np.testing.assert_array_equal(memory.got(2)[:, 0, :3].T, states[0, mask[0]])
    found, vector = np.full((5, 3), GARBAGE, np.float32), np.zeros(4, np.float32)
    dispatch.leave(ends, rows, memory.arena, mask[0], vector, found)
    np.testing.assert_array_equal(vector, embedding)
    np.testing.assert_array_equal(found, np.where(mask[0][:, None], states[0], 0))


def test_what_only_clips_encoders_have_there_and_back() -> None:
    x, dy, before = drawn(7, (4, 1, 3), (4, 1, 3), (4, 1, 3))
    memory = Memory(*[(1, 3, 4, 0)] * 4, (1, 1, 4, 0))
    for number, values in enumerate((x, before, dy)):
        memory.put(number, values)

    def go(kind: CallKind, **fields: int) -> None:
        none = np.zeros(1, np.float32)
        dispatch.encoder(row(kind, **fields), memory.tables, memory.worker(0), none, none, np.zeros(1, np.int64))

    y, cache = quick_gelu.forward(x)
    go(CallKind.QUICK_GELU, src=1, dst=4)
    assert close(memory.got(3), y)
    go(CallKind.QUICK_GELU_BACK, src=1, dy=3, dx=4)
    assert close(memory.got(3), quick_gelu.backward(dy, cache))
    go(CallKind.LAST, src=1, dst=5)
    np.testing.assert_array_equal(memory.got(4)[:, 0, 0], x[:, 0, 2])
    go(CallKind.LAST_BACK, dy=5, dx=2, add=True)
    expected = before.copy()
    expected[:, 0, 2] += x[:, 0, 2]
    np.testing.assert_array_equal(memory.got(1), expected)
