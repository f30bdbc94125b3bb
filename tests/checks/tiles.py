"""What the tests of vector code share: the widths of register, blocks in flat arrays, and drawn factors."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from numba import njit
from numba.core.dispatcher import Dispatcher

from numpy_diffusion.kernels.vector import registers

FLAT = settings(deadline=None, max_examples=40)
WIDTHS = sorted(registers.SHAPES)  # the compiler splits registers that are wider than this machine's
EACH = pytest.mark.parametrize("width", [*WIDTHS, "plain"])  # "plain" are the loops
ROUNDING, ROUNDING_DOUBLE = 2.0**-24, 2.0**-53
GAP = st.integers(0, 5)
UNTOUCHED = np.float32(-77.0)


def shape(width: int | str) -> tuple[int, int]:
    """Rows of the tile and numbers a register."""
    return (registers.ROWS, registers.VECTOR) if width == "plain" else registers.SHAPES[int(width)]


def called(tile: Any) -> Callable[..., None]:
    """An intrinsic as a function of its own; its loop is one already."""
    if isinstance(tile, Dispatcher):
        return tile

    @njit(error_model="numpy")
    def call(*args):
        tile(*args)

    return call


def kernels(width: int | str, **tiles: tuple[Callable[[int, int], Any], Any]) -> SimpleNamespace:
    """The intrinsics of one width of register as functions, of each the maker, of rows and numbers, and the loop."""
    rows, vector = shape(width)
    chosen = {name: loop if width == "plain" else make(rows, vector) for name, (make, loop) in tiles.items()}
    functions = {name: called(tile) for name, tile in chosen.items()}
    return SimpleNamespace(rows=rows, vector=vector, lanes=2 * vector, **functions)


def place(start: int, distance: int, rows: int, columns: int) -> np.ndarray:
    """Where the numbers of a block lie in a flat array, its rows `distance` apart: [rows, columns]."""
    return start + distance * np.arange(rows)[:, None] + np.arange(columns)


def numbers(rng: np.random.Generator, size: int, whole: bool = False, dtype: Any = np.float32) -> np.ndarray:
    """Small whole numbers, whose sums are exact, or normals."""
    return (rng.integers(-9, 10, size) if whole else rng.normal(size=size)).astype(dtype)


def assert_nothing_else_written(array: np.ndarray, block: np.ndarray) -> None:
    rest = np.ones(array.size, bool)
    rest[block] = False
    assert (array[rest] == UNTOUCHED).all()


class Factors:
    """A and B of a product of `depth` terms, A lying by k or by i, and the exact product with its rounding."""

    def __init__(
        self,
        draw: st.DataObject,
        rows: int,
        lanes: int,
        b_rows: int = 0,
        whole: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        self.rng = np.random.default_rng(draw.draw(st.integers(0, 10_000), "seed"))
        self.depth = depth = draw.draw(st.integers(0, 40), "depth")
        self.a0, self.b0, gap = draw.draw(GAP), draw.draw(GAP), draw.draw(GAP)
        by_k = draw.draw(st.booleans(), "A by k")
        self.ak, self.ai = (rows + gap, 1) if by_k else (1, depth + gap)
        where = self.a0 + self.ak * np.arange(depth)[:, None] + self.ai * np.arange(rows)
        self.A = numbers(self.rng, self.a0 + max(depth * self.ak, rows * self.ai), whole, dtype)
        self.B = numbers(self.rng, self.b0 + lanes * max(depth, b_rows), whole, dtype)
        wider, self.rounding = (np.float64, ROUNDING) if dtype == np.float32 else (np.longdouble, ROUNDING_DOUBLE)
        self.a = self.A[where].astype(wider)
        self.b = self.B[place(self.b0, lanes, depth, lanes)].astype(wider)

    def product(self, start: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """start + A^T B; and what rounding may do to it: each of the partial sums is rounded once, and no more."""
        sizes = np.abs(start) + np.abs(self.a).T @ np.abs(self.b)
        return start + self.a.T @ self.b, self.depth * self.rounding * sizes
