"""How images lie in the arena: in and out again, their borders, their table, and sums over their pixels."""

from __future__ import annotations

import numpy as np
from checks.image_kernels import CHANNELS, FLAT, SEED, SIDE, Memory, close, drawn
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.layers import images
from numpy_diffusion.kernels.layers.images import IMAGE, NO_IMAGE, NOWHERE, Image


@FLAT
@given(SEED, SIDE, SIDE, CHANNELS, st.integers(0, 1))
def test_what_is_loaded_is_stored_and_lies_by_row_column_channel(seed, height, width, C, border):
    (x,) = drawn(seed, (C, height, width))
    memory = Memory((2, 2, 3, 1), (height, width, C, border))
    memory.put(1, x)
    assert (memory.got(1) == x).all()
    image = memory.images[1]
    y, column, c = height - 1, width // 2, C - 1
    at = image.at + ((y + border) * (width + 2 * border) + column + border) * C + c
    assert memory.arena[at] == x[c, y, column]
    assert images.pixel(image, y, column) + c == at
    assert images.pixel(image, 1, 0) - images.pixel(image, 0, 0) == images.pitch(image)


@FLAT
@given(st.lists(st.tuples(SIDE, SIDE, CHANNELS, st.integers(0, 1)), min_size=1, max_size=5))
def test_images_side_by_side_share_no_number(shapes):
    found, behind = images.side_by_side(*shapes)
    ends = [image.at + images.size(*image[1:]) for image in found]
    assert [image[1:] for image in found] == shapes
    assert all(image.at % 16 == 0 for image in found)
    assert all(end <= image.at for end, image in zip(ends, found[1:], strict=False))
    assert ends[-1] <= behind


def test_a_row_of_a_table_is_its_image():
    table = np.array([NO_IMAGE, Image(48, 5, 7, 3, 1)], IMAGE)
    row = jit(lambda table, number: images.image(table, number))
    assert row(table, 1) == Image(48, 5, 7, 3, 1)
    assert row(table, 0) == NO_IMAGE
    assert row(table, 0).at == NOWHERE


@FLAT
@given(SEED, SIDE, SIDE, CHANNELS)
def test_channel_sums(seed, height, width, C):
    (x,) = drawn(seed, (C, height, width))
    memory = Memory((height, width, C, 1))
    memory.put(0, x)
    worker = memory.worker(images.channel_sums_size(width, C))
    images.channel_sums(memory.arena, memory.images[0], worker.scratch)
    assert close(worker.scratch[:C], x.sum(axis=(1, 2), dtype=float), height * width)
    memory.assert_in_bounds()


@FLAT
@given(st.integers(1, 100), st.booleans())
def test_copy_or_add(n, add):
    arena = np.arange(300, dtype=np.float32)
    wanted = arena.copy()
    wanted[150 : 150 + n] = arena[3 : 3 + n] + add * arena[150 : 150 + n]
    images.copy_or_add(arena, 3, 150, n, add)
    np.testing.assert_array_equal(arena, wanted)
