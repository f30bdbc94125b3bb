"""Memory for the kernels: where it starts, and sizes rounded up."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.memory import aligned, blocks, in_small_pages, round_up
from numpy_diffusion.kernels.vector.registers import LANES


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 15, 16, 1000])
def test_aligned_memory_is_zero_and_starts_on_a_cache_line(size: int, dtype: type) -> None:
    memory = aligned(size, dtype)
    assert memory.shape == (size,)
    assert memory.dtype == dtype
    assert memory.ctypes.data % 64 == 0
    assert not memory.any()


def test_aligned_memory_is_float32_unless_told() -> None:
    assert aligned(3).dtype == np.float32


@pytest.mark.parametrize("form", [round_up, jit(lambda n, multiple: round_up(n, multiple))])
def test_round_up_gives_the_next_multiple(form) -> None:
    for multiple in (1, 4, 16):
        for n in range(3 * multiple):
            found = form(n, multiple)
            assert found % multiple == 0
            assert n <= found < n + multiple


def test_blocks_hold_all_samples_and_none_is_empty() -> None:
    for n in range(1, 3 * LANES + 2):
        assert (blocks(n) - 1) * LANES < n <= blocks(n) * LANES


def test_small_pages_are_zeros_that_can_be_written() -> None:
    found = in_small_pages(5)
    assert (found.dtype, found.tolist(), found.ctypes.data % 64) == (np.float32, [0.0] * 5, 0)
    found[:] = 1.0
    assert found.sum() == 5.0
