"""The sandwiches that round, for each width of register, with and without the instructions, against the exact one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from checks.bfloat16 import nearest, words
from checks.tiles import EACH, UNTOUCHED, called, shape

from numpy_diffusion.kernels.vector import bfloat16, bfloat16_sandwich, sandwich
from numpy_diffusion.kernels.vector.registers import WIDEST_VECTOR

FACTORS = (((1, 0, -1), (0, 1, 0.5), (0, 1, -0.5), (1, 0, 0)), ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0)))
SIDE = 4


def _compiled(width: int | str, name: str) -> Callable[..., None]:
    module = sandwich if name == "sandwich" else bfloat16_sandwich
    make = getattr(module, f"{'plain' if width == 'plain' else 'make'}_{name}")
    return called(make(shape(width)[1], *FACTORS))


def _check(width: int | str) -> None:
    """Patches of 4 x 4 registers: of numbers, of words of two, and of numbers beside those that stand there."""
    vector, exact = shape(width)[1], _compiled(width, "sandwich")
    rounded, of_pairs = _compiled(width, "rounded_sandwich"), _compiled(width, "sandwich_of_pairs")
    pairing = _compiled(width, "pairing_sandwich")
    size, step = SIDE * SIDE * vector, SIDE * vector
    x = nearest(np.random.default_rng(4).normal(size=(2, size)).astype(np.float32))
    made = [np.empty(size, np.float32) for _ in range(2)]
    for each, into in zip(x, made, strict=True):
        exact(each, 0, step, vector, x, 0, into, 0, step, vector)
    found, pairs = (np.full(n + 1, UNTOUCHED) for n in (size // 2, size))
    rounded(x, 0, step, vector, x, 0, found, 0, step // 2, vector // 2)
    of_pairs(words(*x), 0, step, vector, x, 0, pairs, 0, step, vector)
    assert (found[:-1].view(np.uint32) == words(made[0][::2], made[0][1::2]).view(np.uint32)).all()
    assert (pairs[:-1].view(np.uint32) == words(*made).view(np.uint32)).all()
    assert found[-1] == pairs[-1] == UNTOUCHED
    pairs[:-1] = made[0]
    pairing(x[1], 0, step, vector, x, 0, pairs, 0, step, vector)
    assert (pairs[:-1].view(np.uint32) == words(*made).view(np.uint32)).all()
    assert pairs[-1] == UNTOUCHED


@EACH
def test_a_rounded_sandwich_is_a_sandwich_rounded(width: int | str) -> None:
    _check(width)


def test_without_the_instructions_the_bits_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bfloat16, "PAIRS", False)
    _check(32 * WIDEST_VECTOR)
