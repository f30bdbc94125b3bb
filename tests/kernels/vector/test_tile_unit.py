"""Products of tiles against their definition, by loops and by the unit's instructions where they are there."""

from __future__ import annotations

import numpy as np
import pytest
from checks import tile_unit
from checks.bfloat16 import words
from checks.tiles import FLAT, GAP, UNTOUCHED, assert_nothing_else_written, called, place
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from numpy_diffusion.kernels.vector import tile_unit as unit
from numpy_diffusion.kernels.vector.registers import TILES
from numpy_diffusion.layers import bfloat16

PIXELS, COLUMNS, PAIRS = unit.PIXELS, unit.COLUMNS, unit.PAIRS


@njit
def by_the_unit(*args):
    unit.configure()
    unit.tiles_product(*args)
    unit.release()


FORMS = {"loops": called(unit.plain_tiles_product), "unit": by_the_unit}


@pytest.mark.parametrize("form", FORMS)
@FLAT
@given(st.integers(0, 1000), st.integers(0, 2), st.sampled_from([1, 2, 3]), st.integers(1, 2), GAP, GAP)
def test_a_product_is_the_definition_s(form, seed, chunks, k, stride, gap, start):
    """Of two strips of pixels, in a window that moves by one pixel or two."""
    rng, channels = np.random.default_rng(seed), chunks * PAIRS
    width = stride * (PIXELS - 1) + k + gap
    image = bfloat16.rounded(rng.normal(size=(k + 1, width, 2 * channels)).astype(np.float32))
    weight = bfloat16.rounded(rng.normal(size=(k, k, channels, 2, COLUMNS)).astype(np.float32))
    A = np.append(np.zeros(start, np.float32), words(image[..., ::2], image[..., 1::2]))
    B = np.append(np.zeros(gap, np.float32), words(weight[..., 0, :], weight[..., 1, :]))
    S, ldc = rng.normal(size=start + 2 * COLUMNS).astype(np.float32), COLUMNS + gap
    C, below = np.full(start + 2 * PIXELS * ldc + 5, UNTOUCHED), width * channels
    s, c = (start, start + COLUMNS), (start, start + PIXELS * ldc)
    FORMS[form](A, start, start + below, stride * channels, below, channels, B, gap, k, S, *s, C, *c, ldc)
    cut = [slice(2 * w, 2 * w + 2 * PAIRS) for w in range(0, channels, PAIRS)]
    right = weight.reshape(k, k, 2 * channels, COLUMNS)
    order = [(row, column, part) for part in cut for row in range(k) for column in range(k)]
    b = np.concatenate([np.zeros((0, COLUMNS)), *(right[row, column, part] for row, column, part in order)])
    pixels = stride * np.arange(PIXELS)
    for t in range(2):
        seen = [image[t + row, pixels + column, part] for row, column, part in order]
        a = np.concatenate([np.zeros((PIXELS, 0)), *seen], axis=1)
        wanted = bfloat16.tile_product(a, b, np.broadcast_to(S[s[t] : s[t] + COLUMNS], (PIXELS, COLUMNS)))
        np.testing.assert_array_equal(C[place(c[t], ldc, PIXELS, COLUMNS)], wanted)
    blocks = np.concatenate([place(at, ldc, PIXELS, COLUMNS) for at in c])
    assert_nothing_else_written(C, blocks)


@pytest.mark.widths
@pytest.mark.skipif(TILES, reason="it is what the test above ran on")
def test_the_same_holds_of_emulated_instructions():
    tile_unit.run_tests(__file__)
