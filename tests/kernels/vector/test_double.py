"""The tiles in float64, for each width of register, against their formulas in a wider kind of number."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
from checks.tiles import (
    EACH,
    FLAT,
    GAP,
    ROUNDING_DOUBLE,
    UNTOUCHED,
    Factors,
    assert_nothing_else_written,
    kernels,
    numbers,
    place,
)
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from numpy_diffusion.kernels.vector import double
from numpy_diffusion.kernels.vector.mlp import make_silu_tile
from numpy_diffusion.kernels.vector.registers import DOUBLE
from numpy_diffusion.kernels.vector.tile import make_tile


@functools.cache
def compiled(width: int | str) -> SimpleNamespace:
    """The tiles of one width of register as functions; `vector` is the number of their lanes."""
    return kernels(
        width,
        tile=(lambda rows, vector: make_tile(rows, vector // 2), double.plain_tile),
        silu_tile=(lambda rows, vector: make_silu_tile(rows, vector // 2), double.plain_silu_tile),
        tangent_tile=(lambda rows, vector: double.make_tangent_tile(rows, vector // 2), double.plain_tangent_tile),
    )


def untouched(size: int) -> np.ndarray:
    return np.full(size, UNTOUCHED, np.float64)


def silu_of(g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SiLU and its slope."""
    with np.errstate(over="ignore", under="ignore"):
        s, one_minus_s = 1.0 / (1.0 + np.exp(-g)), 1.0 / (1.0 + np.exp(g))
        return g * s, s + g * s * one_minus_s


@EACH
@FLAT
@given(st.data(), st.booleans())
def test_tile_is_the_product_of_its_blocks(width: int | str, data: st.DataObject, whole: bool) -> None:
    tiles = compiled(width)
    rows, lanes = tiles.rows, tiles.vector
    f = Factors(data, rows, lanes, whole=whole, dtype=np.float64)
    c0, ldc = data.draw(GAP), lanes + data.draw(GAP)
    C, written = untouched(c0 + ldc * rows), place(c0, ldc, rows, lanes)
    tiles.tile(f.A, f.a0, f.ak, f.ai, f.B, f.b0, lanes, C, c0, ldc, f.depth)
    exact, rounding = f.product()
    assert (np.abs(C[written] - exact) <= (0.0 if whole else 1.001 * rounding)).all()
    assert_nothing_else_written(C, written)


@EACH
@FLAT
@given(st.data(), st.integers(0, 2), st.booleans(), st.booleans())
def test_silu_tile_is_the_layer_of_its_blocks(
    width: int | str, data: st.DataObject, panel: int, residual: bool, keep: bool
) -> None:
    tiles = compiled(width)
    rows, lanes = tiles.rows, tiles.vector
    f = Factors(data, rows, lanes, b_rows=(panel + 1) * rows, dtype=np.float64)
    bias0, h0, g0 = data.draw(GAP), panel * rows * lanes, data.draw(GAP)
    bias = numbers(f.rng, bias0 + rows, dtype=np.float64)
    H, G = (untouched(at + rows * lanes + 3) for at in (h0, g0))
    tiles.silu_tile(f.A, f.a0, f.ak, f.ai, f.B, f.b0, bias, bias0, H, h0, G, g0, f.depth, residual, keep)

    g, rounding = f.product(bias[bias0:, None].astype(np.longdouble))
    y, slope = silu_of(g)
    if residual:
        y += f.B[place(f.b0 + h0, lanes, rows, lanes)]
    own = 1e-15 * np.maximum(1.0, np.abs(g))  # as of float32: slope at most 1.1, curvature at most 0.5
    in_h, in_g = place(h0, lanes, rows, lanes), place(g0, lanes, rows, lanes)
    assert (np.abs(H[in_h] - y) <= 1.1 * rounding + own + ROUNDING_DOUBLE * np.abs(y)).all()
    assert not keep or (np.abs(G[in_g] - slope) <= 0.5 * rounding + own).all()
    assert_nothing_else_written(H, in_h)
    assert_nothing_else_written(G, in_g if keep else in_g[:0])


@EACH
@FLAT
@given(st.data(), st.integers(0, 2), st.booleans())
def test_tangent_tile_is_the_layer_along_a_direction(
    width: int | str, data: st.DataObject, panel: int, residual: bool
) -> None:
    tiles = compiled(width)
    rows, lanes = tiles.rows, tiles.vector
    f = Factors(data, rows, lanes, b_rows=(panel + 1) * rows, dtype=np.float64)
    g0, h0 = data.draw(GAP), panel * rows * lanes
    G, H = numbers(f.rng, g0 + rows * lanes, dtype=np.float64), untouched(h0 + rows * lanes + 3)
    tiles.tangent_tile(f.A, f.a0, f.ak, f.ai, f.B, f.b0, G, g0, H, h0, f.depth, residual)

    along, rounding = f.product()
    slope = G[place(g0, lanes, rows, lanes)]
    along, rounding = slope * along, np.abs(slope) * (rounding + ROUNDING_DOUBLE * np.abs(along))
    if residual:
        along += f.B[place(f.b0 + h0, lanes, rows, lanes)]
    in_h = place(h0, lanes, rows, lanes)
    assert (np.abs(H[in_h] - along) <= 1.001 * rounding + ROUNDING_DOUBLE * np.abs(along)).all()
    assert_nothing_else_written(H, in_h)


@EACH
def test_a_lane_of_the_silu_tile_knows_nothing_of_the_others(width: int | str) -> None:
    tiles, rng = compiled(width), np.random.default_rng(2)
    rows, lanes, depth = tiles.rows, tiles.vector, 5
    A, bias = numbers(rng, depth * rows, dtype=np.float64), numbers(rng, rows, dtype=np.float64)
    B, order = 3.0 * rng.normal(size=(200, depth, lanes)), rng.permutation(lanes)
    H, G = np.zeros((2, 2, 200, rows, lanes))
    for k in range(200):
        for n, inputs in enumerate((B[k], np.ascontiguousarray(B[k][:, order]))):
            h, g = H[n, k].reshape(-1), G[n, k].reshape(-1)
            tiles.silu_tile(A, 0, rows, 1, inputs.reshape(-1), 0, bias, 0, h, 0, g, 0, depth, False, True)
    np.testing.assert_array_equal(H[0][..., order], H[1])
    np.testing.assert_array_equal(G[0][..., order], G[1])


@EACH
def test_silu_is_right_to_some_roundings_over_the_whole_range(width: int | str) -> None:
    """Of itself, whichever other number it shares the division with; its slope, which has a zero, of max(1, |x|)."""
    tiles = compiled(width)
    rows, lanes = tiles.rows, tiles.vector
    silu_tile, identity, bias = tiles.silu_tile, np.eye(rows), np.zeros(rows)

    @njit(error_model="numpy")
    def run(x: np.ndarray, h: np.ndarray, slope: np.ndarray) -> None:
        for n in range(len(x)):
            silu_tile(identity, 0, rows, 1, x[n], 0, bias, 0, h[n], 0, slope[n], 0, rows, False, True)

    rng, size = np.random.default_rng(3), 400 * rows * lanes
    x = np.concatenate([rng.uniform(-60.0, 60.0, size // 4), rng.normal(size=size // 4)])
    far = np.concatenate([rng.uniform(-340.0, 340.0, size // 4), 10.0 ** rng.uniform(-300.0, 300.0, size // 4)])
    x = rng.permutation(np.concatenate([x, far * rng.choice([-1.0, 1.0], size // 2)])).reshape(-1, rows, lanes)
    h, slope = np.empty_like(x), np.empty_like(x)
    run(x, h, slope)
    exact, exact_slope = silu_of(x.astype(np.longdouble))
    # exp(x)'s error grows with x by the rounding of 1 / ln 2, 2e-17; below the range SiLU is 1e-149 or less
    allowed = (1.2e-15 + 2e-17 * np.minimum(np.abs(x), DOUBLE.range)) * np.abs(exact) + 1e-148
    assert (np.abs(h - exact) <= allowed).all()
    near = np.abs(x) < DOUBLE.range
    assert (np.abs(slope - exact_slope)[near] <= 2e-15).all()
    assert np.isnan(_nan(silu_tile, rows, lanes)).all()


def _nan(silu_tile: object, rows: int, lanes: int) -> np.ndarray:
    h = np.zeros(rows * lanes)
    identity, x, bias = np.eye(rows).reshape(-1), np.full(rows * lanes, np.nan), np.zeros(rows)
    silu_tile(identity, 0, rows, 1, x, 0, bias, 0, h, 0, h.copy(), 0, rows, False, False)  # type: ignore[operator]
    return h
