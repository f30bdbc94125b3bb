"""The slips of lab 3: each is found under its own name, and no other."""

from __future__ import annotations

import pytest

from numpy_diffusion.evaluation.gradient_check import check_gradient
from numpy_diffusion.evaluation.slips import network


@pytest.mark.parametrize("slip", network.SLIPS, ids=lambda slip: slip.name)
def test_slips_are_told_apart(slip):
    found = check_gradient(network.forward, lambda dy, _: slip.function(dy, *network.arrays().values()))
    assert not found.right
    assert (found.slip, found.sentence) == (slip.name, slip.sentence)


def test_the_right_one_is_right():
    assert check_gradient(network.forward, network.backward).right
