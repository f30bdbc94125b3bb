"""The SIMD tile, for each width of register that a machine may have, against NumPy and against its own loop."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from numpy_diffusion.kernels import simd

FLAT = settings(deadline=None, max_examples=40)
WIDTHS = sorted(simd._SHAPES)  # the compiler splits registers that are wider than this machine's
ROUNDING = 2.0**-24
GAP = st.integers(0, 5)
UNTOUCHED = np.float32(-77.0)


@functools.cache
def compiled(width: int | str) -> SimpleNamespace:
    """The tiles of one width of register as functions; "plain" are the loops."""
    if width == "plain":
        rows, vector = simd.ROWS, simd.VECTOR
        tiles = (
            simd.plain_tile,
            simd.plain_silu_tile,
            simd.plain_slope_tile,
            simd.plain_transpose,
            simd.plain_runs_tile,
        )
    else:
        rows, vector = simd._SHAPES[width]
        tiles = (
            simd.make_tile(rows, vector),
            simd.make_silu_tile(rows, vector),
            simd.make_slope_tile(rows, vector),
            simd.make_transpose(vector),
            simd.make_runs_tile(rows, vector),
        )
    tile, silu_tile, slope_tile, transpose, runs_tile = tiles

    @njit(error_model="numpy")
    def call_tile(A, a0, ak, ai, B, b0, ldb, C, c0, ldc, depth):
        tile(A, a0, ak, ai, B, b0, ldb, C, c0, ldc, depth)

    @njit(error_model="numpy")
    def call_silu_tile(A, a0, ak, ai, B, b0, bias, bias0, H, h0, G, g0, depth, residual, keep):
        silu_tile(A, a0, ak, ai, B, b0, bias, bias0, H, h0, G, g0, depth, residual, keep)

    @njit(error_model="numpy")
    def call_slope_tile(A, a0, ak, ai, B, b0, H, h0, G, g0, D, d0, depth, residual):
        slope_tile(A, a0, ak, ai, B, b0, H, h0, G, g0, D, d0, depth, residual)

    @njit(error_model="numpy")
    def call_transpose(A, a0, lda, C, c0, ldc):
        transpose(A, a0, lda, C, c0, ldc)

    @njit(error_model="numpy")
    def call_runs_tile(A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth):
        runs_tile(A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth)

    return SimpleNamespace(
        rows=rows,
        vector=vector,
        lanes=2 * vector,
        tile=call_tile,
        silu_tile=call_silu_tile,
        slope_tile=call_slope_tile,
        transpose=call_transpose,
        runs_tile=call_runs_tile,
    )


EACH = pytest.mark.parametrize("width", [*WIDTHS, "plain"])


def place(start: int, distance: int, rows: int, columns: int) -> np.ndarray:
    """Where the numbers of a block lie in a flat array, its rows `distance` apart: [rows, columns]."""
    return start + distance * np.arange(rows)[:, None] + np.arange(columns)


def numbers(rng: np.random.Generator, size: int, whole: bool = False) -> np.ndarray:
    """Small whole numbers, whose sums are exact, or normals."""
    return (rng.integers(-9, 10, size) if whole else rng.normal(size=size)).astype(np.float32)


def assert_nothing_else_written(array: np.ndarray, block: np.ndarray) -> None:
    rest = np.ones(array.size, bool)
    rest[block] = False
    assert (array[rest] == UNTOUCHED).all()


class Factors:
    """A and B of a product of `depth` terms, A lying by k or by i, and the exact product with its rounding."""

    def __init__(self, draw: st.DataObject, rows: int, lanes: int, b_rows: int = 0, whole: bool = False) -> None:
        self.rng = np.random.default_rng(draw.draw(st.integers(0, 10_000), "seed"))
        self.depth = depth = draw.draw(st.integers(0, 40), "depth")
        self.a0, self.b0, gap = draw.draw(GAP), draw.draw(GAP), draw.draw(GAP)
        by_k = draw.draw(st.booleans(), "A by k")
        self.ak, self.ai = (rows + gap, 1) if by_k else (1, depth + gap)
        where = self.a0 + self.ak * np.arange(depth)[:, None] + self.ai * np.arange(rows)
        self.A = numbers(self.rng, self.a0 + max(depth * self.ak, rows * self.ai), whole)
        self.B = numbers(self.rng, self.b0 + lanes * max(depth, b_rows), whole)
        self.a = self.A[where].astype(np.float64)
        self.b = self.B[place(self.b0, lanes, depth, lanes)].astype(np.float64)

    def product(self, start: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """start + A^T B; and what float32 may do to it: each of the partial sums is rounded once, and no more."""
        sizes = np.abs(start) + np.abs(self.a).T @ np.abs(self.b)
        return start + self.a.T @ self.b, self.depth * ROUNDING * sizes


@EACH
@FLAT
@given(st.data(), st.booleans())
def test_tile_is_the_product_of_its_blocks(width: int | str, data: st.DataObject, whole: bool) -> None:
    kernels = compiled(width)
    rows, lanes = kernels.rows, kernels.lanes
    f = Factors(data, rows, lanes, whole=whole)
    c0, ldc, ldb = data.draw(GAP), lanes + data.draw(GAP), lanes + data.draw(GAP)
    B = np.full(f.b0 + ldb * f.depth, UNTOUCHED)
    B[place(f.b0, ldb, f.depth, lanes)] = f.b
    C, written = np.full(c0 + ldc * rows, UNTOUCHED), place(c0, ldc, rows, lanes)
    kernels.tile(f.A, f.a0, f.ak, f.ai, B, f.b0, ldb, C, c0, ldc, f.depth)
    exact, rounding = f.product()
    assert (np.abs(C[written] - exact) <= (0.0 if whole else rounding)).all()
    assert_nothing_else_written(C, written)


@EACH
@FLAT
@given(st.data(), st.integers(0, 4), st.integers(0, 9), st.booleans(), st.booleans())
def test_runs_tile_is_the_sum_of_its_runs(
    width: int | str, data: st.DataObject, runs: int, depth: int, in_place: bool, by_k: bool
) -> None:
    kernels = compiled(width)
    rows, lanes = kernels.rows, kernels.lanes
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
    kernels.runs_tile(A, a0, arun, ak, ai, B, b0, brun, ldb, *start, C, c0, ldc, runs, depth)
    assert (C[written] == wanted).all()
    assert_nothing_else_written(C, written)


@njit(error_model="numpy")
def reduced(A, a0, n):
    return simd.total(A, a0, n), simd.highest(A, a0, n)


@FLAT
@given(st.integers(0, 10_000), st.integers(1, 9), GAP)
def test_reductions_are_their_loops_to_the_bit(seed: int, blocks: int, a0: int) -> None:
    n = blocks * simd.LANES
    A = numbers(np.random.default_rng(seed), a0 + n + 3)
    found = reduced(A, a0, n)
    assert found == (simd.plain_total(A, a0, n), simd.plain_highest(A, a0, n))
    assert found[1] == A[a0 : a0 + n].max()
    np.testing.assert_allclose(found[0], A[a0 : a0 + n].sum(dtype=np.float64), atol=n * ROUNDING * np.abs(A).sum())


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
    kernels = compiled(width)
    rows, lanes = kernels.rows, kernels.lanes
    f = Factors(data, rows, lanes, b_rows=(panel + 1) * rows)
    bias0, h0, g0 = data.draw(GAP), panel * rows * lanes, data.draw(GAP)
    bias = numbers(f.rng, bias0 + rows)
    H, G = (np.full(at + rows * lanes + 3, UNTOUCHED) for at in (h0, g0))
    kernels.silu_tile(f.A, f.a0, f.ak, f.ai, f.B, f.b0, bias, bias0, H, h0, G, g0, f.depth, residual, keep)

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
    kernels = compiled(width)
    rows, lanes = kernels.rows, kernels.lanes
    f = Factors(data, rows, lanes)
    h0, g0, d0 = (data.draw(GAP) for _ in range(3))
    H, D = (np.full(at + rows * lanes + 3, UNTOUCHED) for at in (h0, d0))
    in_h, in_g, in_d = (place(at, lanes, rows, lanes) for at in (h0, g0, d0))
    H[in_h] = before = numbers(f.rng, rows * lanes).reshape(rows, lanes)
    G = numbers(f.rng, g0 + rows * lanes)
    kernels.slope_tile(f.A, f.a0, f.ak, f.ai, f.B, f.b0, H, h0, G, g0, D, d0, f.depth, residual)

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
    kernels, rng = compiled(width), np.random.default_rng(2)
    rows, lanes, depth = kernels.rows, kernels.lanes, 5
    A, bias = numbers(rng, depth * rows), numbers(rng, rows)
    B = 3.0 * rng.normal(size=(200, depth, lanes)).astype(np.float32)
    H, G = np.zeros((2, 2, 200, rows, lanes), np.float32)
    order = rng.permutation(lanes)
    for k in range(200):
        for n, inputs in enumerate((B[k], np.ascontiguousarray(B[k][:, order]))):
            kernels.silu_tile(A, 0, rows, 1, inputs, 0, bias, 0, H[n, k], 0, G[n, k], 0, depth, False, True)
    np.testing.assert_array_equal(H[0][..., order], H[1])
    np.testing.assert_array_equal(G[0][..., order], G[1])


def every_float32(step: int) -> np.ndarray:
    """Each `step`-th bit pattern that is a finite number, and the ends of the range."""
    x = np.arange(0, 2**32, step, dtype=np.uint32).view(np.float32)
    ends = [0.0, 1e-45, 1.1754942e-38, 1.1754944e-38, 3.4e38, simd.SILU_RANGE, np.nextafter(np.float32(41.5), 42)]
    return np.concatenate([x[np.isfinite(x)], np.float32(ends), -np.float32(ends)])


@pytest.mark.parametrize(
    "width",
    [
        *WIDTHS,
        "plain",
    ],
)
def test_silu_of_numbers_over_the_whole_range(width: int | str) -> None:
    """Next to whichever other number in the division, SiLU is off by 1e-6 |x| at the most, far below zero by 4e-6 of
    itself, and its slope by 1e-6 max(1, x).

    Tried once over each of the 2.2e9 numbers of |x| <= 128: 7.6e-7 max(1, |x|), and 1.2e-6 for the slope at x = 8.6.
    """
    kernels = compiled(width)
    rows, lanes = kernels.rows, kernels.lanes
    silu_tile, identity, bias = kernels.silu_tile, np.eye(rows, dtype=np.float32), np.zeros(rows, np.float32)

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


@EACH
@FLAT
@given(st.integers(0, 10_000), GAP, GAP, GAP, GAP)
def test_transpose(width: int | str, seed: int, a0: int, c0: int, a_gap: int, c_gap: int) -> None:
    kernels = compiled(width)
    size = kernels.vector
    lda, ldc = size + a_gap, size + c_gap
    A, C = numbers(np.random.default_rng(seed), a0 + lda * size), np.full(c0 + ldc * size, UNTOUCHED)
    kernels.transpose(A, a0, lda, C, c0, ldc)
    written = place(c0, ldc, size, size)
    np.testing.assert_array_equal(C[written], A[place(a0, lda, size, size)].T)
    assert_nothing_else_written(C, written)


def test_the_modules_own_tile_is_that_of_this_machine() -> None:
    rows, vector = simd._SHAPES[simd.register_bits()]
    assert (rows, vector) == (simd.ROWS, simd.VECTOR)
    assert simd.LANES == 2 * simd.VECTOR


def test_the_width_of_the_registers_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for width in WIDTHS:
        monkeypatch.setenv("NUMPY_DIFFUSION_SIMD", str(width))
        assert simd.register_bits() == width
    for wrong in ("1024", "avx2", "512 "):
        monkeypatch.setenv("NUMPY_DIFFUSION_SIMD", wrong)
        with pytest.raises(ValueError, match=r"^NUMPY_DIFFUSION_SIMD: expected one of 512, 256, 128, got "):
            simd.register_bits()
