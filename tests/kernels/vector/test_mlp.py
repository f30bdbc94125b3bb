"""The tiles of a network of dense layers, for each width of register, against their formulas in float64."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
from checks.tiles import (
    EACH,
    FLAT,
    GAP,
    ROUNDING,
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

from numpy_diffusion.kernels.vector import mlp as simd_mlp
from numpy_diffusion.kernels.vector.registers import SILU_RANGE


@functools.cache
def compiled(width: int | str) -> SimpleNamespace:
    """The tiles of one width of register as functions."""
    return kernels(
        width,
        silu_tile=(simd_mlp.make_silu_tile, simd_mlp.plain_silu_tile),
        slope_tile=(simd_mlp.make_slope_tile, simd_mlp.plain_slope_tile),
    )


def silu_of(g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SiLU and its slope in float64."""
    with np.errstate(over="ignore"):
        s, one_minus_s = 1.0 / (1.0 + np.exp(-g)), 1.0 / (1.0 + np.exp(g))
    return g * s, s + g * s * one_minus_s


@EACH
@FLAT
@given(st.data(), st.integers(0, 2), st.booleans(), st.booleans())
def test_silu_tile_is_the_layer_of_its_blocks(
    width: int | str, data: st.DataObject, panel: int, residual: bool, keep: bool
) -> None:
    tiles = compiled(width)
    rows, lanes = tiles.rows, tiles.lanes
    f = Factors(data, rows, lanes, b_rows=(panel + 1) * rows)
    bias0, h0, g0 = data.draw(GAP), panel * rows * lanes, data.draw(GAP)
    bias = numbers(f.rng, bias0 + rows)
    H, G = (np.full(at + rows * lanes + 3, UNTOUCHED) for at in (h0, g0))
    tiles.silu_tile(f.A, f.a0, f.ak, f.ai, f.B, f.b0, bias, bias0, H, h0, G, g0, f.depth, residual, keep)

    g, rounding = f.product(bias[bias0:, None].astype(np.float64))
    y, slope = silu_of(g)
    if residual:
        y += f.B[place(f.b0 + h0, lanes, rows, lanes)]
    # SiLU's slope is at most 1.1 and its curvature at most 0.5; its own error below 1e-6 max(1, |g|).
    own = 1e-6 * np.maximum(1.0, np.abs(g))
    in_h, in_g = place(h0, lanes, rows, lanes), place(g0, lanes, rows, lanes)
    assert (np.abs(H[in_h] - y) <= 1.1 * rounding + own + ROUNDING * np.abs(y)).all()
    assert not keep or (np.abs(G[in_g] - slope) <= 0.5 * rounding + own).all()
    assert_nothing_else_written(H, in_h)
    assert_nothing_else_written(G, in_g if keep else in_g[:0])


@EACH
@FLAT
@given(st.data(), st.booleans())
def test_slope_tile_is_the_way_back_through_a_layer(width: int | str, data: st.DataObject, residual: bool) -> None:
    tiles = compiled(width)
    rows, lanes = tiles.rows, tiles.lanes
    f = Factors(data, rows, lanes)
    h0, g0, d0 = (data.draw(GAP) for _ in range(3))
    H, D = (np.full(at + rows * lanes + 3, UNTOUCHED) for at in (h0, d0))
    in_h, in_g, in_d = (place(at, lanes, rows, lanes) for at in (h0, g0, d0))
    H[in_h] = before = numbers(f.rng, rows * lanes).reshape(rows, lanes)
    G = numbers(f.rng, g0 + rows * lanes)
    tiles.slope_tile(f.A, f.a0, f.ak, f.ai, f.B, f.b0, H, h0, G, g0, D, d0, f.depth, residual)

    dh, rounding = f.product()
    if residual:
        dh += before
    rounding += ROUNDING * np.abs(dh)
    slope = np.abs(G[in_g].astype(np.float64))
    assert (np.abs(H[in_h] - dh) <= rounding).all()
    assert (np.abs(D[in_d] - dh * G[in_g]) <= (rounding + ROUNDING * np.abs(dh)) * slope * 1.001).all()
    assert_nothing_else_written(H, in_h)
    assert_nothing_else_written(D, in_d)


@EACH
def test_a_lane_of_the_silu_tile_knows_nothing_of_the_others(width: int | str) -> None:
    """Two features of a sample share a division; were it two samples, one would be rounded by the other."""
    tiles, rng = compiled(width), np.random.default_rng(2)
    rows, lanes, depth = tiles.rows, tiles.lanes, 5
    A, bias = numbers(rng, depth * rows), numbers(rng, rows)
    B = 3.0 * rng.normal(size=(200, depth, lanes)).astype(np.float32)
    H, G = np.zeros((2, 2, 200, rows, lanes), np.float32)
    order = rng.permutation(lanes)
    for k in range(200):
        for n, inputs in enumerate((B[k], np.ascontiguousarray(B[k][:, order]))):
            h, g = H[n, k].reshape(-1), G[n, k].reshape(-1)  # flat as elsewhere: no new types
            tiles.silu_tile(A, 0, rows, 1, inputs.reshape(-1), 0, bias, 0, h, 0, g, 0, depth, False, True)
    np.testing.assert_array_equal(H[0][..., order], H[1])
    np.testing.assert_array_equal(G[0][..., order], G[1])


def every_float32(step: int) -> np.ndarray:
    """Each `step`-th bit pattern that is a finite number, and the ends of the range."""
    x = np.arange(0, 2**32, step, dtype=np.uint32).view(np.float32)
    ends = [0.0, 1e-45, 1.1754942e-38, 1.1754944e-38, 3.4e38, SILU_RANGE, np.nextafter(np.float32(41.5), 42)]
    return np.concatenate([x[np.isfinite(x)], np.float32(ends), -np.float32(ends)])


@EACH
def test_silu_of_numbers_over_the_whole_range(width: int | str) -> None:
    """Next to whichever other number in the division, SiLU is off by 1e-6 |x| at the most, far below zero by 4e-6 of
    itself, and its slope by 1e-6 max(1, x).

    Tried once over each of the 2.2e9 numbers of |x| <= 128: 7.6e-7 max(1, |x|), and 1.2e-6 for the slope at x = 8.6.
    """
    tiles = compiled(width)
    rows, lanes = tiles.rows, tiles.lanes
    silu_tile, identity, bias = tiles.silu_tile, np.eye(rows, dtype=np.float32), np.zeros(rows, np.float32)

    @njit(error_model="numpy")
    def run(x: np.ndarray, h: np.ndarray, slope: np.ndarray) -> None:
        for n in range(len(x)):
            silu_tile(identity, 0, rows, 1, x[n], 0, bias, 0, h[n], 0, slope[n], 0, rows, False, True)

    x = every_float32(step=2503)
    x = x[len(x) % (rows * lanes) :]
    x = np.random.default_rng(3).permutation(x).reshape(-1, rows, lanes)
    h, slope = np.empty_like(x), np.empty_like(x)
    run(x, h, slope)
    exact, exact_slope = silu_of(x.astype(np.float64))
    allowed = np.minimum(1e-6 * np.abs(x) + 1e-45, 4e-6 * np.abs(exact) + 4e-17)
    assert (np.abs(h - exact) <= allowed).all()
    assert (np.abs(slope - exact_slope) <= 1e-6 * np.maximum(1.0, x)).all()
