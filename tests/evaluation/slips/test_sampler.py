"""The steps from which the slips of lab 5 are made are right where nothing is changed."""

from __future__ import annotations

from functools import partial

import pytest

from numpy_diffusion.evaluation.sampler_check import check_sampler
from numpy_diffusion.evaluation.slips import sampler

QUICK = {"steps": (8,), "n": 16}


@pytest.mark.parametrize("v", [0.0, 0.5, 1.0])
def test_the_ancestral_step_is_right(v):
    assert check_sampler(partial(sampler.ancestral, v=v), kind="ancestral", variance=v, **QUICK).right


def test_the_step_of_ddim_is_right():
    assert check_sampler(sampler.ddim, kind="ddim", **QUICK).right


def test_names_and_sentences_are_all_different():
    for slips in (sampler.OF_DDIM, *map(sampler.of_ancestral, (0.0, 0.5, 1.0))):
        for each in zip(*slips, strict=True):
            assert len(set(each)) == len(slips)
