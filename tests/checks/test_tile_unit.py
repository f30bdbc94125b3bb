"""The tile unit, emulated or the processor's own, against a reading of Intel's manual in NumPy."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys

import numpy as np
import pytest
from checks import tile_unit
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.vector.registers import TILES

there = pytest.mark.skipif(not TILES, reason="there is no tile unit, and none is emulated")
SMALLEST = 2.0**-126


@pytest.fixture(scope="session")
def programs() -> ctypes.CDLL:
    return ctypes.CDLL(str(tile_unit.compiled("tile_programs.c")))


def flushed(x: float) -> np.float32:
    """A sum or product as the unit gives it, and takes it."""
    with np.errstate(over="ignore"):
        rounded = np.float32(x)
    return rounded if np.isnan(rounded) or abs(rounded) >= SMALLEST else np.float32(0)


def product(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """C [m, n] += A [m, k, 2] B [k, n, 2], one number after the other; products of bfloat16 are exact in float64."""
    result = np.empty_like(c)
    for m in range(c.shape[0]):
        for n in range(c.shape[1]):
            first = second = np.float32(0)
            for k in range(a.shape[1]):
                first = flushed(float(first) + float(flushed(a[m, k, 0])) * float(flushed(b[k, n, 0])))
                second = flushed(float(second) + float(flushed(a[m, k, 1])) * float(flushed(b[k, n, 1])))
            result[m, n] = flushed(flushed(c[m, n]) + flushed(first + second))
    return result


def config(a: np.ndarray, b: np.ndarray, tiles: tuple[int, int, int]) -> np.ndarray:
    """The 64 bytes that give these tiles, c, a and b, their sizes."""
    found = np.zeros(64, np.uint8)
    found[0] = 1
    for tile, rows, words in zip(tiles, (len(a), len(a), len(b)), (b.shape[1], a.shape[1], b.shape[1]), strict=True):
        found.view(np.uint16)[8 + tile], found[48 + tile] = 4 * words, rows
    return found


def bfloat16(x: np.ndarray) -> np.ndarray:
    """The upper halves of float32 numbers, the rest cut off."""
    return (x.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def numbers(x: np.ndarray) -> np.ndarray:
    return (x.astype(np.uint32) << 16).view(np.float32)


def drawn(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Numbers of many sizes, some of them below the smallest, some zero."""
    return rng.normal(size=shape) * 2.0 ** rng.choice([0, 0, 0, 8, -20, -66, -127, -131], shape)


@there
@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000), st.integers(1, 16), st.integers(1, 16), st.integers(1, 16), st.integers(0, 3))
def test_products_of_all_sizes_are_the_manual_s(programs, seed, rows, columns, depth, gap):
    rng = np.random.default_rng(seed)
    apart = 64 + 8 * gap  # bytes
    a, b, c = (np.zeros((16, apart // 4), np.float32) for _ in range(3))
    halves = a.view(np.uint16)[:rows, : 2 * depth], b.view(np.uint16)[:depth, : 2 * columns]
    for part in halves:
        part[:] = bfloat16(drawn(rng, *part.shape))
    left, right = (numbers(part).reshape(len(part), -1, 2) for part in halves)
    start = c[:rows, :columns]
    start[:] = drawn(rng, rows, columns).astype(np.float32)
    c[rows:], c[:, columns:] = 7.0, 7.0
    wanted, at = c.copy(), [value for array in (a, b, c) for value in (ctypes.c_void_p(array.ctypes.data), apart)]
    wanted[:rows, :columns] = product(left, right, start)
    sizes = config(left, right, (0, 1, 2))
    programs.multiply(ctypes.c_void_p(sizes.ctypes.data), *map(as_long, at))
    np.testing.assert_array_equal(c.view(np.uint32) << 1, wanted.view(np.uint32) << 1)  # but for the sign of zero
    wanted[:rows, :columns] = product(left, right, np.zeros_like(start))
    sizes = config(left, right, (7, 5, 6))
    programs.multiply_otherwise(ctypes.c_void_p(sizes.ctypes.data), *map(as_long, at))
    np.testing.assert_array_equal(c.view(np.uint32) << 1, wanted.view(np.uint32) << 1)


def as_long(value: ctypes.c_void_p | int) -> ctypes.c_void_p | ctypes.c_long:
    return ctypes.c_long(value) if isinstance(value, int) else value


@there
def test_infinities_and_what_is_no_number_go_through(programs):
    a, b, c = (np.zeros((16, 16), np.float32) for _ in range(3))
    a.view(np.uint16)[:3, 0] = bfloat16(np.array([np.inf, np.nan, 3e38]))
    b.view(np.uint16)[0, :4] = bfloat16(np.array([1.0, 0.0, -3e38, 0.0]))
    sizes = config(np.zeros((16, 16)), np.zeros((16, 16)), (0, 1, 2))
    arrays = [value for x in (a, b, c) for value in (ctypes.c_void_p(x.ctypes.data), ctypes.c_long(64))]
    programs.multiply(ctypes.c_void_p(sizes.ctypes.data), *arrays)
    assert np.isposinf(c[0, 0])
    assert np.isneginf(c[[0, 2], 1]).all()
    assert np.isnan(c[1]).all()
    assert np.isnan(c[0, 2:]).all()  # infinity times zero
    assert not c[3:].any()


@there
def test_without_a_distance_each_row_is_the_same(programs):
    row, to = np.arange(16, dtype=np.float32), np.zeros((16, 20), np.float32)
    sizes = config(np.zeros((16, 16)), np.zeros((16, 16)), (4, 5, 6))
    places = (ctypes.c_void_p(array.ctypes.data) for array in (sizes, row, to))
    programs.repeat(*places, ctypes.c_long(80))
    assert (to[:, :16] == row).all()
    assert not to[:, 16:].any()


@there
def test_what_the_manual_forbids_ends_the_process(programs):
    code = f"import ctypes; ctypes.CDLL({programs._name!r}).unconfigured()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert run.returncode == -signal.SIGILL


@there
def test_the_instructions_are_carried_out_one_by_one(programs):
    """By the emulator, where it is one."""
    whole = ctypes.CDLL(None)
    if hasattr(whole, "tile_instructions"):
        before = whole.tile_instructions()
        test_without_a_distance_each_row_is_the_same(programs)
        assert whole.tile_instructions() - before == 4


@pytest.mark.widths
@pytest.mark.skipif(TILES, reason="the tests above ran on the processor's own unit")
def test_all_of_this_holds_of_the_emulator():
    tile_unit.run_tests(__file__)
