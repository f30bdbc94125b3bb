"""The vector code of attention, for each width of register, against its formulas in float64."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
import pytest
from checks.tiles import (
    EACH,
    FLAT,
    GAP,
    ROUNDING,
    UNTOUCHED,
    WIDTHS,
    Factors,
    assert_nothing_else_written,
    kernels,
    numbers,
    place,
)
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.vector import attention as simd
from numpy_diffusion.kernels.vector.registers import SILU_RANGE, WIDEST_VECTOR


@functools.cache
def compiled(width: int | str) -> SimpleNamespace:
    """The intrinsics of one width of register as functions."""
    return kernels(
        width,
        exp_columns=(lambda _, vector: simd.make_exp_columns(vector), simd.plain_exp_columns),
        exp_more=(lambda _, vector: simd.make_exp_more(vector), simd.plain_exp_more),
        scaled_tile=(simd.make_scaled_tile, simd.plain_scaled_tile),
        inner_tile=(lambda _, vector: simd.make_inner_tile(simd.inner_rows(vector)), simd.plain_inner_tile),
    )


@EACH
@pytest.mark.parametrize("spread", [1.0, 30.0, 1e4, 1e38])
@FLAT
@given(st.integers(0, 10_000), st.integers(1, 40), GAP, GAP, GAP)
def test_exp_columns_over_their_sums_are_the_softmax(
    spread: float, width: int | str, seed: int, rows: int, a0: int, gap: int, s0: int
) -> None:
    lanes, rng = compiled(width).lanes, np.random.default_rng(seed)
    lda = lanes + gap
    A, S = np.full(a0 + rows * lda, UNTOUCHED), np.full(s0 + lanes + 3, UNTOUCHED)
    written, sums = place(a0, lda, rows, lanes), s0 + np.arange(lanes)
    A[written] = spread * rng.uniform(-1.0, 1.0, (rows, lanes))
    below = A[written] - A[written].max(axis=0).astype(np.float64)
    compiled(width).exp_columns(A, a0, lda, rows, S, s0)

    exact = np.exp(below)
    # The polynomial's own error; the exponent is rounded three times, by as much as it is large; it ends at -41.5.
    allowed = (4e-7 + 3 * ROUNDING * np.abs(below)) * exact + 1.001 * np.exp(-SILU_RANGE)
    total = exact.sum(axis=0)
    allowed_sum = allowed.sum(axis=0) / total + (rows + 2) * ROUNDING
    assert (np.abs(A[written] - exact) <= allowed).all()
    assert (np.abs(S[sums] * total - 1.0) <= 1.01 * allowed_sum).all()
    assert (np.abs((A[written] * S[sums]).sum(axis=0, dtype=np.float64) - 1.0) <= (rows + 2) * ROUNDING).all()
    assert_nothing_else_written(A, written)
    assert_nothing_else_written(S, sums)


@EACH
@FLAT
@given(st.integers(0, 10_000), st.lists(st.integers(1, 9), min_size=1, max_size=4), GAP, GAP)
def test_a_softmax_in_blocks_has_the_sums_of_the_whole(
    width: int | str, seed: int, blocks: list[int], a0: int, s0: int
) -> None:
    lanes, rng = compiled(width).lanes, np.random.default_rng(seed)
    S = np.full(s0 + 3 * lanes + 3, UNTOUCHED)
    state = place(s0, lanes, 3, lanes)
    S[state[0]], S[state[1]] = -np.inf, 0
    total, tops, given = np.zeros(lanes), np.full(lanes, -np.inf), []
    for rows in blocks:
        A = np.full(a0 + rows * lanes + 2, UNTOUCHED)
        written = place(a0, lanes, rows, lanes)
        A[written] = values = 5 * rng.normal(size=(rows, lanes)).astype(np.float32)
        compiled(width).exp_more(A, a0, lanes, rows, S, s0)
        given.append(values.astype(np.float64))
        risen, tops = tops, np.concatenate(given).max(axis=0)
        np.testing.assert_array_equal(S[state[0]], tops)
        np.testing.assert_allclose(A[written], np.exp(values - tops), rtol=1e-5)
        if len(given) > 1:
            np.testing.assert_allclose(S[state[2]], np.exp(risen - tops), rtol=1e-5)
        total = np.exp(np.concatenate(given) - tops).sum(axis=0)
        np.testing.assert_allclose(S[state[1]], total, rtol=1e-5)
        assert_nothing_else_written(A, written)
    assert_nothing_else_written(S, state)


@EACH
@FLAT
@given(st.data(), st.integers(1, 20), st.sampled_from([np.nan, np.inf]))
def test_a_column_that_is_not_finite_stays_so_and_spoils_no_other(
    width: int | str, data: st.DataObject, rows: int, bad: float
) -> None:
    lanes = compiled(width).lanes
    r, n = data.draw(st.integers(0, rows - 1), "row"), data.draw(st.integers(0, lanes - 1), "column")
    A, S = np.empty((2, rows, lanes), np.float32), np.empty((2, lanes), np.float32)
    A[:] = numbers(np.random.default_rng(rows), rows * lanes).reshape(rows, lanes)
    A[1, r, n] = bad
    for values, shares in zip(A, S, strict=True):
        compiled(width).exp_columns(values.reshape(-1), 0, lanes, rows, shares, 0)  # flat as elsewhere: no new types
    others = np.arange(lanes) != n
    assert np.isnan(A[1, r, n])
    assert np.isnan(S[1, n])
    np.testing.assert_array_equal(A[1][:, others], A[0][:, others])
    np.testing.assert_array_equal(S[1][others], S[0][others])


@EACH
@FLAT
@given(st.data(), st.booleans())
def test_scaled_tile_is_the_product_from_a_start_times_its_factors(
    width: int | str, data: st.DataObject, whole: bool
) -> None:
    tiles = compiled(width)
    rows, lanes = tiles.rows, tiles.lanes
    f = Factors(data, rows, lanes, whole=whole)
    s0, e0, c0 = (data.draw(GAP) for _ in range(3))
    ldb, ldc = lanes + data.draw(GAP), lanes + data.draw(GAP)
    B = np.full(f.b0 + ldb * f.depth, UNTOUCHED)
    B[place(f.b0, ldb, f.depth, lanes)] = f.b
    S, E = numbers(f.rng, s0 + lanes, whole), numbers(f.rng, e0 + ldc * rows, whole)
    C, written = np.full(c0 + ldc * rows, UNTOUCHED), place(c0, ldc, rows, lanes)
    tiles.scaled_tile(f.A, f.a0, f.ak, f.ai, B, f.b0, ldb, S, s0, E, e0, C, c0, ldc, f.depth)
    total, rounding = f.product(S[s0:].astype(np.float64))
    scale = E[place(e0, ldc, rows, lanes)].astype(np.float64)
    allowed = 1.001 * np.abs(scale) * (rounding + ROUNDING * np.abs(total))
    assert (np.abs(C[written] - scale * total) <= (0.0 if whole else allowed)).all()
    assert_nothing_else_written(C, written)


@EACH
@FLAT
@given(st.data(), st.integers(0, 5), st.booleans())
def test_inner_tile_is_the_product_along_the_registers(
    width: int | str, data: st.DataObject, blocks: int, whole: bool
) -> None:
    tiles, rng = compiled(width), np.random.default_rng(data.draw(st.integers(0, 10_000), "seed"))
    rows, depth = simd.inner_rows(tiles.vector), blocks * WIDEST_VECTOR
    a0, b0, c0 = (data.draw(GAP) for _ in range(3))
    lda, ldb, ldc = depth + data.draw(GAP), depth + data.draw(GAP), rows + data.draw(GAP)
    A, B = numbers(rng, a0 + rows * lda, whole), numbers(rng, b0 + 2 * ldb, whole)
    C, written = np.full(c0 + 2 * ldc, UNTOUCHED), place(c0, ldc, 2, rows)
    tiles.inner_tile(A, a0, lda, B, b0, ldb, C, c0, ldc, depth)
    a, b = (X[at].astype(np.float64) for X, at in ((A, place(a0, lda, rows, depth)), (B, place(b0, ldb, 2, depth))))
    allowed = depth * ROUNDING * (np.abs(b) @ np.abs(a).T)
    assert (np.abs(C[written] - b @ a.T) <= (0.0 if whole else allowed)).all()
    assert_nothing_else_written(C, written)


def test_sums_along_the_registers_are_the_same_to_the_bit_for_every_width() -> None:
    rng, depth, found = np.random.default_rng(1), 20 * WIDEST_VECTOR, []
    A, B = numbers(rng, 8 * depth), numbers(rng, 2 * depth)
    for width in WIDTHS:
        C = np.zeros((2, 8), np.float32)
        compiled(width).inner_tile(A, 0, depth, B, 0, depth, C, 0, 8, depth)
        found.append(C[:, :2].copy())
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    assert (found[0] != 0).all()
