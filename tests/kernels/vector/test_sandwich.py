"""A constant matrix on both sides of a patch, for Winograd's matrices and a drawn one, exact on whole numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from checks.tiles import EACH, FLAT, GAP, UNTOUCHED, assert_nothing_else_written, called, numbers, shape
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import winograd
from numpy_diffusion.kernels.vector.sandwich import make_sandwich, plain_sandwich

DRAWN = np.random.default_rng(4).choice([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0], (3, 5))
FACTORS = tuple(tuple(map(tuple, part.tolist())) for part in (DRAWN, DRAWN.T[:, ::-1]))
MATRICES = {
    "A": (winograd.A,),
    "A^T": (tuple(zip(*winograd.A, strict=True)),),
    "B^T": (tuple(zip(*winograd.B, strict=True)),),
    "G": (winograd.G,),
    "G^T": (tuple(zip(*winograd.G, strict=True)),),
    "drawn": FACTORS[:1],
    "a product": FACTORS,
}


@functools.cache
def compiled(width: int | str, name: str, add: bool, one: bool) -> Callable[..., None]:
    """The sandwich of one width of register as a function."""
    make = plain_sandwich if width == "plain" else make_sandwich
    return called(make(shape(width)[1], *MATRICES[name], add=add, one=one))


@EACH
@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize(("add", "one"), [(False, False), (True, False), (True, True)])
@FLAT
@given(st.data(), st.booleans())
def test_sandwich_is_the_product_from_both_sides(
    add: bool, one: bool, name: str, width: int | str, data: st.DataObject, in_place: bool
) -> None:
    vector, M = shape(width)[1], functools.reduce(np.matmul, [np.array(factor) for factor in MATRICES[name]])
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000), "seed"))

    def patch(size: int, start: int, apart: int, between: int) -> np.ndarray:
        """Where the registers of a patch of this size lie: [size, size, vector]."""
        i, j, n = np.ogrid[:size, :size, :vector]
        return start + i * apart + j * between + n

    rows, columns = M.shape
    a0, s0, c0, aj, cj = (data.draw(GAP) for _ in range(5))
    aj, cj = vector + aj, vector + cj
    ai, ci = columns * aj + data.draw(GAP), rows * cj + data.draw(GAP)
    in_a, in_c = patch(columns, a0, ai, aj), patch(rows, c0, ci, cj)
    A, C = numbers(rng, a0 + columns * ai, whole=True), np.full(c0 + rows * ci, UNTOUCHED)
    C[in_c] = before = numbers(rng, in_c.size, whole=True).reshape(in_c.shape)
    in_place = in_place and not one
    S = C if in_place else numbers(rng, s0 + rows * ci, whole=True)
    s0 = c0 if in_place else s0
    start = before if in_place else S[s0 + np.arange(vector)] if one else S[patch(rows, s0, ci, cj)]
    compiled(width, name, add, one)(A, a0, ai, aj, S, s0, C, c0, ci, cj)
    wanted = np.einsum("ik,kmn,jm->ijn", M, A[in_a], M) + (start if add else 0)
    np.testing.assert_array_equal(C[in_c], wanted)
    assert_nothing_else_written(C, in_c)
