"""The convolution by squares in bfloat16: its rounding and its shares; the rest is in `test_bfloat16_conv`."""

from __future__ import annotations

import numpy as np
import pytest
from checks.image_kernels import FLAT, SEED, Memory, drawn, in_shares
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import bfloat16_conv, bfloat16_squares, conv, images, squares
from numpy_diffusion.kernels.layers.images import NO_IMAGE
from numpy_diffusion.kernels.vector.registers import WIDEST_LANES, WIDEST_VECTOR
from numpy_diffusion.layers import bfloat16
from numpy_diffusion.layers import conv as conv_layer

SIDES = st.integers(3, 13)
START = 0  # where in the scratch the outputs' starts are


def answers(x: np.ndarray, weight: np.ndarray, parts: int = 1) -> np.ndarray:
    """[N, J, H, W] of x [N, C, H, W], the samples together, by so many workers."""
    (N, C, H, W), J = x.shape, len(weight)
    memory = Memory(*((H, W, C, 1), (H, W, J, 0)) * N)
    for n in range(N):
        memory.put(2 * n, x[n])
    tables = np.array([[NO_IMAGE, *memory.images[2 * n : 2 * n + 2]] for n in range(N)], images.IMAGE)
    window, behind = conv.Window(0, 1, images.NOWHERE, 3, 1, 0), START + N * J

    panels = conv.panels(weight)
    words = np.empty(len(panels) // 2, np.float32)
    bfloat16_conv.round_weights(panels, 0, words, 0, C, J, 3, 0, 1)

    def part(*share: int) -> None:
        worker = memory.worker(behind + bfloat16_squares.scratch_size(C), *share)
        worker.scratch[START:behind] = 0
        bfloat16_squares.forward(worker, tables, 1, 2, words, window, START, behind, 0)

    in_shares(parts, part)
    return np.array([memory.got(2 * n + 1) for n in range(N)])


def inputs(seed: int, N: int, C: int, J: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    (weight,) = drawn(seed + 1, (J, C, 3, 3))
    return np.array(drawn(seed, *[(C, height, width)] * N)), weight


def by_definition(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return conv_layer.forward(x.astype(float), weight.astype(float), np.zeros(len(weight)))[0]


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x**2)))


def test_its_rounding_is_that_of_the_matrices() -> None:
    """Of random numbers the definition's, times the sizes that the matrices have in each direction."""
    A, B, G = (np.matmul(*pair) for pair in (squares.A_TRANSPOSED, squares.B_TRANSPOSED, squares.G))
    grown = np.mean(A**2 @ ((B**2).sum(1) * (G**2).sum(1))) / 3
    x, weight = inputs(7, 1, 4 * WIDEST_VECTOR, WIDEST_LANES, 16, 16)
    exact = by_definition(x, weight)
    rounded = rms(by_definition(bfloat16.rounded(x), bfloat16.rounded(weight)) - exact)
    assert rms(answers(x, weight) - exact) == pytest.approx(grown * rounded, rel=0.05)


@FLAT
@given(SEED, st.integers(1, 5), st.integers(1, 3), SIDES, SIDES, st.integers(1, 3), st.integers(2, 6))
def test_shares_are_as_the_whole(seed: int, C: int, J: int, height: int, width: int, N: int, parts: int) -> None:
    x, weight = inputs(seed, N, C * WIDEST_VECTOR, J * WIDEST_LANES, height, width)
    np.testing.assert_array_equal(answers(x, weight, parts), answers(x, weight))


def test_samples_of_several_blocks_are_as_each_alone() -> None:
    """More squares than go together, and more input channels than have their U made at a time."""
    x, weight = inputs(5, 8, 5 * WIDEST_VECTOR, WIDEST_LANES, 12, 12)
    assert squares.squares_at_a_time(5 * WIDEST_VECTOR, bfloat16_squares.NUMBERS) < 8 * 9
    assert 5 * WIDEST_VECTOR > bfloat16_squares.NUMBERS * squares.DEPTH
    np.testing.assert_array_equal(
        answers(x, weight), np.concatenate([answers(x[n : n + 1], weight) for n in range(8)])
    )
