"""The convolution by squares of 4 x 4 pixels: its matrices, its rounding, its shares; the rest is in `test_conv`."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from checks import widths
from checks.image_kernels import FLAT, SEED, Memory, close, drawn
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import conv, images, squares
from numpy_diffusion.kernels.layers.images import NO_IMAGE
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, WIDEST_LANES, WIDEST_VECTOR
from numpy_diffusion.layers import conv as conv_layer

SIDES = st.integers(3, 13)


def matrices() -> tuple[np.ndarray, ...]:
    """A^T, B^T and G in float64."""
    return tuple(np.matmul(*pair) for pair in FACTORS)


FACTORS = squares.A_TRANSPOSED, squares.B_TRANSPOSED, squares.G


def answers(seed: int, C: int, J: int, sides: tuple[int, int], parts: int = 1, samples: int = 1) -> np.ndarray:
    """[samples, J, H, W], by so many workers, of samples that go together."""
    shapes = ((*sides, C, 1), (*sides, J, 1)) * samples
    memory = Memory(*shapes)
    x = drawn(seed, *[(C, *sides)] * samples)
    weight, bias = drawn(seed + 1, (J, C, 3, 3), (J,))
    for n in range(samples):
        memory.put(2 * n, x[n])
    tables = np.array([[NO_IMAGE, *memory.images[2 * n : 2 * n + 2]] for n in range(samples)], images.IMAGE)
    weights = np.concatenate([conv.panels(weight), bias])
    window = conv.Window(0, 0, len(weights) - J, 3, 1, 0)
    for part in range(parts):
        conv.forward(memory.worker(conv.scratch_size(C, J), part, parts), tables, 1, 2, weights, window, 0, 0)
    return np.array([memory.got(2 * n + 1) for n in range(samples)])


def digest() -> str:
    """Of answers whose channels do not fill a last block, and whose squares reach beyond the image."""
    return hashlib.sha256(answers(3, 3 * WIDEST_VECTOR, 2 * WIDEST_LANES, (9, 11), samples=2).tobytes()).hexdigest()


@pytest.mark.widths
def test_the_bits_are_the_same_on_registers_of_all_widths():
    assert widths.digests(__file__) == [digest()] * 2


def test_the_matrices_make_a_convolution():
    """y = A^T ((G w G^T) (B^T x B)) A is the correlation of a patch with a window."""
    A, B, G = matrices()
    x, w = drawn(0, (6, 6), (3, 3))
    x, w = x.astype(float), w.astype(float)
    y = A @ ((G @ w @ G.T) * (B @ x @ B.T)) @ A.T
    wanted = [[(x[i : i + 3, j : j + 3] * w).sum() for j in range(4)] for i in range(4)]
    np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-13)


def test_its_rounding_is_near_the_definitions():
    """Root mean square over the outputs: the points 0, 1, 2 of Lavin and Gray would give five times as much."""
    C, J, sides = 256, 32, (16, 16)
    x = drawn(7, (C, *sides))[0]
    weight, bias = drawn(8, (J, C, 3, 3), (J,))
    exact = conv_layer.forward(x[None].astype(float), weight.astype(float), bias.astype(float))[0][0]
    error = np.sqrt(np.mean((answers(7, C, J, sides)[0] - exact) ** 2)) / exact.std()
    assert error < 2.0**-24 * np.sqrt(9 * C)  # some 1.5e-6; the sums of the definition alone come to 0.8e-6


@FLAT
@given(SEED, st.integers(1, 3), st.integers(1, 3), SIDES, SIDES, st.integers(2, 6))
def test_shares_are_as_the_whole(seed, C, J, height, width, parts):
    sizes = C * WIDEST_VECTOR, J * WIDEST_LANES, (height, width)
    np.testing.assert_array_equal(answers(seed, *sizes, parts), answers(seed, *sizes))


@pytest.mark.parametrize(
    ("panels", "count", "workers", "wanted"),
    [(10, 4, 2, 1), (10, 256, 2, 1), (2, 1024, 2, 2), (1, 64, 4, 4), (10, 64, 16, 4), (40, 4, 16, 1), (4, 1, 8, 1)],
)
def test_squares_and_panels_are_shared_at_the_least_cost(panels, count, workers, wanted):
    assert squares._groups(panels, count, workers, 1) == wanted


def test_samples_of_several_blocks_are_as_each_alone():
    """72 squares are two blocks, the second begins within a sample."""
    found = answers(5, 3 * WIDEST_VECTOR, WIDEST_LANES, (12, 12), samples=8)
    x = drawn(5, *[(3 * WIDEST_VECTOR, 12, 12)] * 8)
    weight, bias = drawn(6, (WIDEST_LANES, 3 * WIDEST_VECTOR, 3, 3), (WIDEST_LANES,))
    wanted = conv_layer.forward(np.array(x), weight, bias)[0]
    assert close(found, wanted, 9 * 3 * WIDEST_VECTOR)
    np.testing.assert_array_equal(found[:1], answers(5, 3 * WIDEST_VECTOR, WIDEST_LANES, (12, 12)))


@FLAT
@given(st.integers(0, 99), st.integers(1, 20), st.integers(1, 100).map(lambda n: 2 * n), st.integers(1, 2))
def test_nothing_in_the_scratch_overlaps(at, blocks, C, numbers):
    rows = blocks * ROWS
    place = squares.scratch_from(at, rows, C, numbers)
    assert place.zeros == at
    assert place.zeros + LANES <= place.edge
    assert place.edge + max(squares.PATCH * C, squares.SIDE**2 * LANES) <= place.v
    assert place.apart_v >= rows * C // numbers
    assert place.v + squares.PATCH * place.apart_v <= place.m
    assert place.apart_m >= rows * LANES
    assert place.m + squares.PATCH * place.apart_m <= place.u
    assert place.u + squares.PATCH * squares.DEPTH * LANES <= place.end


@pytest.mark.parametrize(
    ("sides", "channels", "wanted"),
    [
        ((4, 4), (WIDEST_VECTOR, WIDEST_LANES), True),
        ((65, 65), (WIDEST_VECTOR, WIDEST_LANES), True),
        ((5, 5), (WIDEST_VECTOR, WIDEST_LANES), True),
        ((1, 64), (WIDEST_VECTOR, WIDEST_LANES), False),
        ((2, 2), (WIDEST_VECTOR, WIDEST_LANES), False),
        ((64, 64), (WIDEST_VECTOR // 2, WIDEST_LANES), False),
        ((64, 64), (WIDEST_VECTOR, WIDEST_LANES + WIDEST_VECTOR), False),
    ],
)
def test_it_suits_channels_that_fill_the_widest_registers_and_squares_that_fill_the_image(sides, channels, wanted):
    C, J = channels
    dst = images.Image(0, *sides, J, 1)
    assert squares.suits(3, 1, C, dst) == wanted
    assert not squares.suits(3, 2, C, dst)
    assert not squares.suits(1, 1, C, dst)
