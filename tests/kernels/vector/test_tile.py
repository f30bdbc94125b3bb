"""The SIMD tile, for each width of register that a machine may have, against NumPy and against its own loop."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
import pytest
from checks.tiles import (
    EACH,
    FLAT,
    GAP,
    UNTOUCHED,
    WIDTHS,
    Factors,
    assert_nothing_else_written,
    called,
    kernels,
    numbers,
    place,
)
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from numpy_diffusion.kernels.vector import tile as simd


@functools.cache
def compiled(width: int | str) -> SimpleNamespace:
    """The intrinsics of one width of register as functions."""
    return kernels(
        width,
        tile=(simd.make_tile, simd.plain_tile),
        transpose=(lambda _, vector: simd.make_transpose(vector), simd.plain_transpose),
        move=(lambda _, vector: simd.make_move(vector), simd.plain_move),
    )


@EACH
@FLAT
@given(st.data(), st.booleans())
def test_tile_is_the_product_of_its_blocks(width: int | str, data: st.DataObject, whole: bool) -> None:
    tiles = compiled(width)
    rows, lanes = tiles.rows, tiles.lanes
    f = Factors(data, rows, lanes, whole=whole)
    c0, ldc, ldb = data.draw(GAP), lanes + data.draw(GAP), lanes + data.draw(GAP)
    B = np.full(f.b0 + ldb * f.depth, UNTOUCHED)
    B[place(f.b0, ldb, f.depth, lanes)] = f.b
    C, written = np.full(c0 + ldc * rows, UNTOUCHED), place(c0, ldc, rows, lanes)
    tiles.tile(f.A, f.a0, f.ak, f.ai, B, f.b0, ldb, C, c0, ldc, f.depth)
    exact, rounding = f.product()
    assert (np.abs(C[written] - exact) <= (0.0 if whole else rounding)).all()
    assert_nothing_else_written(C, written)


def test_sums_are_the_same_to_the_bit_for_every_width_of_register() -> None:
    rng, depth, corners = np.random.default_rng(1), 300, []
    A, B = numbers(rng, depth * 8), numbers(rng, depth * 32)
    for width in WIDTHS:
        C = np.zeros((8, 32), np.float32)
        compiled(width).tile(A, 0, 8, 1, B, 0, 32, C, 0, 32, depth)
        corners.append(C[:4, :8].copy())
    np.testing.assert_array_equal(corners[0], corners[1])
    np.testing.assert_array_equal(corners[0], corners[2])
    assert (corners[0] != 0).all()


@EACH
@FLAT
@given(st.integers(0, 10_000), GAP, GAP, GAP, GAP)
def test_transpose(width: int | str, seed: int, a0: int, c0: int, a_gap: int, c_gap: int) -> None:
    tiles = compiled(width)
    size = tiles.vector
    lda, ldc = size + a_gap, size + c_gap
    A, C = numbers(np.random.default_rng(seed), a0 + lda * size), np.full(c0 + ldc * size, UNTOUCHED)
    tiles.transpose(A, a0, lda, C, c0, ldc)
    written = place(c0, ldc, size, size)
    np.testing.assert_array_equal(C[written], A[place(a0, lda, size, size)].T)
    assert_nothing_else_written(C, written)


@EACH
@FLAT
@given(st.integers(0, 10_000), st.integers(0, 5), GAP, GAP, st.booleans())
def test_move_copies_or_adds(width: int | str, seed: int, blocks: int, a0: int, c0: int, add: bool) -> None:
    tiles, rng = compiled(width), np.random.default_rng(seed)
    n = blocks * tiles.vector
    A, C = numbers(rng, a0 + n + 3), np.full(c0 + n + 3, UNTOUCHED)
    written = c0 + np.arange(n)
    C[written] = before = numbers(rng, n)
    tiles.move(A, a0, C, c0, n, add)
    np.testing.assert_array_equal(C[written], A[a0 : a0 + n] + (before if add else 0))
    assert_nothing_else_written(C, written)


@pytest.mark.parametrize(("write", "near"), [(1, 3), (0, 2)])
def test_prefetch_asks_for_memory_and_changes_nothing(write: int, near: int) -> None:
    prefetch, A = called(simd.make_prefetch(write, near)), np.arange(100, dtype=np.float32)
    prefetch(A, 3, 50)
    np.testing.assert_array_equal(A, np.arange(100))
    (code,) = prefetch.inspect_llvm().values()
    assert f"i32 {write}, i32 {near}, i32 1)" in code
    simd.plain_prefetch(A, 3, 50)


def test_use_full_registers_asks_for_whole_registers() -> None:
    use_full_registers = simd.make_use_full_registers(512)

    @njit(error_model="numpy")
    def total(a: np.ndarray) -> float:
        use_full_registers()
        return a.sum()

    assert total(np.ones(9)) == 9.0
    (code,) = total.inspect_llvm().values()
    assert '"prefer-vector-width"="512"' in code
    simd.plain_use_full_registers()
