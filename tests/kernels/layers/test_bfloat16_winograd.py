"""The gradient by weights by squares in bfloat16: its maps with V and dM rounded, in any shares and blocks."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from checks import widths
from checks.bfloat16 import nearest
from checks.image_kernels import FLAT, SEED, Memory, in_shares
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import bfloat16_winograd, conv, images, winograd
from numpy_diffusion.kernels.layers.images import NO_IMAGE, NOWHERE
from numpy_diffusion.kernels.vector.registers import WIDEST_LANES, WIDEST_VECTOR

SIDES = st.integers(1, 7).map(lambda n: 2 * n)


def by_squares(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """The gradient [J, C, 3, 3] of samples x [N, C, H, W], dy [N, J, H, W]: G^T (sum of V dM) G, both rounded."""
    A, B, G = (np.array(matrix, np.float32) for matrix in (winograd.A, winograd.B, winograd.G))
    around = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    patches = np.lib.stride_tricks.sliding_window_view(around, (4, 4), (2, 3))[:, :, ::2, ::2]
    slopes = np.lib.stride_tricks.sliding_window_view(dy, (2, 2), (2, 3))[:, :, ::2, ::2]
    V, dM = nearest(B.T @ patches @ B), nearest(A @ slopes @ A.T)
    dU = np.einsum("nchwab,njhwab->jcab", V.astype(np.float64), dM.astype(np.float64))
    return np.einsum("ai,jcab,bk->jcik", G, dU, G)


def found(x: np.ndarray, dy: np.ndarray, parts: int = 1) -> np.ndarray:
    """The kernel's, of samples that go together, added to ones."""
    (n, C, height, width), J = x.shape, dy.shape[1]
    memory = Memory(*[(height, width, C, 1), (height, width, J, 1)] * n)
    for i in range(n):
        memory.put(2 * i, x[i])
        memory.put(2 * i + 1, dy[i])
    tables = np.array([[NO_IMAGE, *memory.images[2 * i : 2 * i + 2]] for i in range(n)], images.IMAGE)
    total, size = np.ones(J * C * 9, np.float32), bfloat16_winograd.scratch_size(C)
    window = conv.Window(0, 1, NOWHERE, 3, 1, 0)
    in_shares(
        parts,
        lambda *share: bfloat16_winograd.backward(memory.worker(size, *share), tables, 1, 2, total, window),
    )
    memory.assert_in_bounds()
    places = conv.panels(np.arange(J * C * 9).reshape(J, C, 3, 3))
    gradient = np.empty(J * C * 9, np.float32)
    gradient[places] = total - 1
    return gradient.reshape(J, C, 3, 3)


@FLAT
@given(SEED, SIDES, SIDES, st.sampled_from([1, 3]), st.sampled_from([1, 2]), st.integers(1, 5), st.integers(1, 3))
def test_it_is_that_of_squares_with_both_factors_rounded(seed, height, width, inputs, outputs, n, parts):
    """Of whole numbers, so that V and dM are exact before they are rounded; odd numbers of squares among them."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-999, 999, (n, inputs * WIDEST_VECTOR, height, width)).astype(np.float32)
    dy = rng.integers(-999, 999, (n, outputs * WIDEST_LANES, height, width)).astype(np.float32)
    wanted = by_squares(x, dy)
    np.testing.assert_allclose(found(x, dy, parts), wanted, atol=1e-5 * np.abs(wanted).max())


def test_many_squares_go_by_blocks():
    rng = np.random.default_rng(0)
    x = rng.integers(-999, 999, (3, WIDEST_VECTOR, 14, 14)).astype(np.float32)
    dy = rng.integers(-999, 999, (3, WIDEST_LANES, 14, 14)).astype(np.float32)
    assert 2 * bfloat16_winograd.PAIRS < 3 * 49  # more than one block
    wanted = by_squares(x, dy)
    np.testing.assert_allclose(found(x, dy), wanted, atol=1e-5 * np.abs(wanted).max())


def digest() -> str:
    """Of an odd number of squares, in two blocks."""
    rng, total = np.random.default_rng(3), hashlib.sha256()
    for n, side in ((3, 14), (1, 6)):
        x, dy = rng.normal(size=(n, WIDEST_VECTOR, side, side)), rng.normal(size=(n, WIDEST_LANES, side, side))
        total.update(found(x.astype(np.float32), dy.astype(np.float32)).tobytes())
    return total.hexdigest()


@pytest.mark.widths
def test_any_width_of_register_gives_the_same_bits():
    assert widths.digests(__file__) == [digest()] * 2
