"""The tile of a convolution, for each width of register that a machine may have, against NumPy."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
import pytest
from checks.tiles import EACH, FLAT, GAP, UNTOUCHED, assert_nothing_else_written, kernels, numbers, place
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.vector import runs as simd


@functools.cache
def compiled(width: int | str) -> SimpleNamespace:
    """The intrinsics of one width of register as functions."""
    return kernels(
        width,
        runs_tile=(simd.make_runs_tile, simd.plain_runs_tile),
        narrow_runs_tile=(
            lambda rows, vector: simd.make_runs_tile(2 * rows, vector, registers=1),
            simd.plain_narrow_runs_tile,
        ),
        low_runs_tile=(lambda rows, vector: simd.make_runs_tile(rows // 2, vector), simd.plain_low_runs_tile),
        two_rows_tile=(simd.make_two_rows_tile, simd.plain_two_rows_tile),
    )


@EACH
@pytest.mark.parametrize("form", ["", "narrow_", "low_"])
@FLAT
@given(st.data(), st.integers(0, 4), st.integers(0, 9), st.booleans(), st.booleans())
def test_runs_tile_is_the_sum_of_its_runs(
    form: str, width: int | str, data: st.DataObject, runs: int, depth: int, in_place: bool, by_k: bool
) -> None:
    tiles = compiled(width)
    rows = {"": tiles.rows, "narrow_": 2 * tiles.rows, "low_": tiles.rows // 2}[form]
    lanes, runs_tile = tiles.vector if form == "narrow_" else tiles.lanes, getattr(tiles, f"{form}runs_tile")
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    a0, b0, c0, ldb, ldc = (data.draw(GAP) for _ in range(5))
    ldb, ldc = ldb + lanes, ldc + lanes
    ak, ai = (rows, 1) if by_k else (1, depth)
    arun, brun = rows * depth + data.draw(GAP), ldb * depth + data.draw(GAP)
    A, B = numbers(rng, a0 + 5 * (arun + 100), whole=True), numbers(rng, b0 + 5 * (brun + 100), whole=True)
    C, written = np.full(c0 + ldc * rows, UNTOUCHED), place(c0, ldc, rows, lanes)
    C[written] = numbers(rng, rows * lanes, whole=True).reshape(rows, lanes)
    bias = numbers(rng, lanes, whole=True)
    wanted = (C[written] if in_place else np.broadcast_to(bias, (rows, lanes))).astype(np.float64)
    for r in range(runs):
        k, i = np.arange(depth)[:, None], np.arange(rows)
        left = A[a0 + r * arun + k * ak + i * ai].astype(np.float64)
        wanted = wanted + left.T @ B[place(b0 + r * brun, ldb, depth, lanes)]
    start = (C, c0, ldc) if in_place else (bias, 0, 0)
    runs_tile(A, a0, arun, ak, ai, B, b0, brun, ldb, *start, C, c0, ldc, runs, depth)
    assert (C[written] == wanted).all()
    assert_nothing_else_written(C, written)


@EACH
@FLAT
@given(st.integers(0, 10_000), st.integers(0, 4), st.integers(0, 9), GAP, GAP)
def test_two_rows_tile_is_a_runs_tile_of_each_half(
    width: int | str, seed: int, runs: int, depth: int, gap: int, c_gap: int
) -> None:
    tiles, rng = compiled(width), np.random.default_rng(seed)
    half, lanes = tiles.rows // 2, tiles.lanes
    ai, arun, a1 = depth + gap, 100 + gap, 50 + gap
    ldc, c1 = lanes + c_gap, half * (lanes + c_gap) + gap
    A, B = numbers(rng, 900, whole=True), numbers(rng, 5 * 10 * lanes, whole=True)
    bias, C = numbers(rng, lanes, whole=True), np.full(c1 + half * ldc, UNTOUCHED)
    tiles.two_rows_tile(A, 0, arun, 1, ai, a1, B, 0, 9 * lanes, lanes, bias, 0, C, 0, ldc, c1, runs, depth)
    written = np.concatenate([place(start, ldc, half, lanes) for start in (0, c1)])
    wanted = np.broadcast_to(bias, (2 * half, lanes)).astype(np.float64)
    for r in range(runs):
        rows = np.concatenate([start + r * arun + ai * np.arange(half) for start in (0, a1)])
        left = A[rows[:, None] + np.arange(depth)].astype(np.float64)
        wanted = wanted + left @ B[place(r * 9 * lanes, lanes, depth, lanes)]
    assert (C[written] == wanted).all()
    assert_nothing_else_written(C, written)
