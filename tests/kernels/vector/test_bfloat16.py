"""Pairs of bfloat16 numbers, for each width of register and with and without the instructions, against NumPy."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
import pytest
from checks.bfloat16 import every_kind_of_number, nearest, words
from checks.tiles import EACH, FLAT, GAP, UNTOUCHED, assert_nothing_else_written, called, kernels, place
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.vector import bfloat16 as simd
from numpy_diffusion.kernels.vector.registers import WIDEST_ROWS, WIDEST_VECTOR
from numpy_diffusion.layers import bfloat16


def _tile(rows, vector):
    return simd.make_runs_tile(rows, vector, multiply=simd.add_products)


def _two_rows(rows, vector):
    return simd.make_two_rows_tile(rows, vector, multiply=simd.add_products)


@functools.cache
def compiled(width: int | str) -> SimpleNamespace:
    """The intrinsics of one width of register as functions."""
    return kernels(
        width,
        pairs_tile=(_tile, simd.plain_pairs_tile),
        low_tile=(lambda rows, vector: _tile(rows // 2, vector), simd.plain_low_pairs_tile),
        two_rows=(_two_rows, simd.plain_two_rows_of_pairs),
        round_pairs=(lambda rows, vector: simd.make_round(vector), simd.plain_round_pairs),
        round_rows=(lambda rows, vector: simd.make_round_rows(vector), simd.plain_round_rows),
    )


@pytest.fixture
def without_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simd, "PAIRS", False)


@EACH
def test_rounding_is_that_of_the_definition(width: int | str) -> None:
    tiles = compiled(width)
    x = every_kind_of_number(0, 64 * tiles.vector)
    found = np.full(5 + len(x) // 2, UNTOUCHED)
    tiles.round_pairs(x, tiles.vector, found, 3, len(x) - tiles.vector)
    end = 3 + (len(x) - tiles.vector) // 2
    x = nearest(x[tiles.vector :])
    assert (found[3:end].view(np.uint32) == words(x[::2], x[1::2]).view(np.uint32)).all()
    assert (found[:3] == UNTOUCHED).all()
    assert (found[end:] == UNTOUCHED).all()


@EACH
@FLAT
@given(st.integers(0, 10_000), st.integers(0, 3), st.integers(0, 9), GAP, st.booleans())
def test_a_tile_of_pairs_is_the_definition_s_product_to_the_bit(
    width: int | str, seed: int, runs: int, depth: int, gap: int, in_place: bool
) -> None:
    tiles, rng = compiled(width), np.random.default_rng(seed)
    _check_tile(tiles, rng, runs, depth, gap, in_place)
    low = SimpleNamespace(rows=tiles.rows // 2, lanes=tiles.lanes, pairs_tile=tiles.low_tile)
    _check_tile(low, rng, runs, depth, gap, in_place)


def _check_tile(
    tiles: SimpleNamespace, rng: np.random.Generator, runs: int, depth: int, gap: int, in_place: bool
) -> None:
    rows, lanes = tiles.rows, tiles.lanes
    a, b = (rng.normal(size=size).astype(np.float32) for size in ((rows, runs, 2 * depth), (runs, 2 * depth, lanes)))
    A = words(a[..., 0::2], a[..., 1::2]).ravel()  # [row, run, pair]
    B = words(b[:, 0::2], b[:, 1::2]).ravel()  # [run, pair, lane]
    C, written = np.full(gap + (lanes + gap) * rows, UNTOUCHED), place(gap, lanes + gap, rows, lanes)
    C[written] = rng.normal(size=(rows, lanes))
    bias = rng.normal(size=lanes).astype(np.float32)
    wanted = C[written] if in_place else np.broadcast_to(bias, (rows, lanes))
    for run in range(runs):
        wanted = bfloat16.product(a[:, run], b[run], wanted)
    start = (C, gap, lanes + gap) if in_place else (bias, 0, 0)
    given = A, 0, depth, 1, runs * depth, B, 0, depth * lanes, lanes, *start, C, gap, lanes + gap, runs, depth
    tiles.pairs_tile(*given)
    assert (C[written] == wanted).all()
    assert_nothing_else_written(C, written)


@EACH
@FLAT
@given(st.integers(0, 10_000), st.integers(0, 4), st.integers(0, 9), GAP, GAP)
def test_two_rows_of_pairs_are_a_tile_of_each_half(
    width: int | str, seed: int, runs: int, depth: int, gap: int, c_gap: int
) -> None:
    tiles, rng = compiled(width), np.random.default_rng(seed)
    half, lanes = tiles.rows // 2, tiles.lanes
    ai, arun, a1 = depth + gap, 100 + gap, 50 + gap
    ldc, c1 = lanes + c_gap, half * (lanes + c_gap) + gap
    a, b = rng.normal(size=(2, 900)).astype(np.float32), rng.normal(size=(2, 5 * 10 * lanes)).astype(np.float32)
    A, B = words(*a), words(*b)
    bias, C = rng.normal(size=lanes).astype(np.float32), np.full(c1 + half * ldc, UNTOUCHED)
    tiles.two_rows(A, 0, arun, 1, ai, a1, B, 0, 9 * lanes, lanes, bias, 0, C, 0, ldc, c1, runs, depth)
    for first, start in ((0, 0), (a1, c1)):
        wanted = np.broadcast_to(bias, (half, lanes))
        for r in range(runs):
            pair = (first + r * arun + ai * np.arange(half))[:, None] + np.arange(depth)
            left = a[:, pair].transpose(1, 2, 0).reshape(half, 2 * depth)
            right = b[:, place(r * 9 * lanes, lanes, depth, lanes)].transpose(1, 0, 2).reshape(2 * depth, lanes)
            wanted = bfloat16.product(left, right, wanted)
        assert (C[place(start, ldc, half, lanes)] == wanted).all()


@pytest.mark.usefixtures("without_instructions")
def test_without_the_instructions_the_bits_are_the_same() -> None:
    made = (
        make(WIDEST_VECTOR) for make in (functools.partial(_tile, WIDEST_ROWS), simd.make_round, simd.make_round_rows)
    )
    tile, round_pairs, round_rows = (called(one) for one in made)
    tiles = SimpleNamespace(rows=WIDEST_ROWS, lanes=2 * WIDEST_VECTOR, pairs_tile=tile)
    _check_tile(tiles, np.random.default_rng(1), 2, 7, 3, in_place=False)
    x = np.append(every_kind_of_number(2, 2 * WIDEST_VECTOR - 3), np.float32([np.inf, -np.inf, 0.0]))
    round_pairs(x, 0, found := np.empty(WIDEST_VECTOR, np.float32), 0, len(x))
    half = len(x) // 2
    round_rows(x, 0, half, beside := np.empty(half, np.float32), 0, half)
    x = bfloat16.rounded(x).view(np.uint32)
    assert (found.view(np.uint32) == (x[::2] >> 16 | x[1::2])).all()
    assert (beside.view(np.uint32) == (x[:half] >> 16 | x[half:])).all()
    none = np.full(2 * WIDEST_VECTOR, np.nan, np.float32)
    round_pairs(none, 0, found, 0, len(none))
    assert np.isnan((found.view(np.uint32) << 16).view(np.float32)).all()


@EACH
def test_rows_are_rounded_side_by_side(width: int | str) -> None:
    x, n = every_kind_of_number(3, 120), 48
    found = np.full(n + 2, UNTOUCHED)
    compiled(width).round_rows(x, 1, 70, found, 1, n)
    assert (found[1:-1].view(np.uint32) == words(x[1 : 1 + n], x[70 : 70 + n]).view(np.uint32)).all()
    assert (found[[0, -1]] == UNTOUCHED).all()


def test_what_is_no_number_stays_none() -> None:
    assert np.isnan((np.array([simd.bits(np.float32(np.nan))], np.uint32)).view(np.float32)).all()
