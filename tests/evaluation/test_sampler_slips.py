"""Each slip of a sampler is found under its own name, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.evaluation.sampler_check import GAUSSIAN, check_sampler
from numpy_diffusion.evaluation.sampler_slips import check_steps
from numpy_diffusion.evaluation.slips import sampler
from numpy_diffusion.process.schedules import Schedule

KINDS = [("ddim", 0.0), ("ancestral", 1.0), ("ancestral", 0.5), ("ancestral", 0.0)]
THE_SAME = {1.0: {"without_logarithms"}, 0.5: {"noise_at_the_end", "noise_by_t"}}  # as the right one with this v
THE_SAME |= {0.0: THE_SAME[1.0] | THE_SAME[0.5]}


def listed(kind, v):
    if kind == "ddim":
        return sampler.ddim, sampler.OF_DDIM
    same = THE_SAME[v]
    slips = [slip for slip in sampler.of_ancestral(v) if slip.name not in same]
    return (lambda *given: sampler.ancestral(*given, v=v)), slips


@pytest.mark.parametrize(("kind", "v"), KINDS)
def test_slips_are_told_apart(kind, v):
    right, slips = listed(kind, v)
    for slip in slips:
        found = check_steps(slip.function, right, Schedule.linear(), GAUSSIAN, kind, v, 1e-6)
        assert not found.right
        assert found.slip == slip.name
    assert check_steps(right, right, Schedule.linear(), GAUSSIAN, kind, v, 1e-6).right


def test_a_short_schedule_is_not_asked_for_more_steps_than_it_has():
    found = check_steps(sampler.ddim, sampler.ddim, Schedule.linear(10), GAUSSIAN, "ddim", 0.0, 1e-6)
    assert [row.case for row in found.rows] == ["no step skipped", "8 steps of 10"]


def test_the_report_of_the_chain_ends_with_the_sentence():
    slip = next(slip for slip in sampler.OF_DDIM if slip.name == "sign")
    found = check_sampler(slip.function, kind="ddim", steps=(8,), n=16)
    assert (found.slip, found.sentence) == ("sign", slip.sentence)
    assert str(found).endswith(f"\n{slip.sentence}")
    right = check_sampler(sampler.ddim, kind="ddim", steps=(8,), n=16)
    assert (right.slip, right.sentence) == ("", "")
    undeclared = check_sampler(slip.function, kind=None, steps=(8,), n=16)
    assert (undeclared.slip, undeclared.sentence) == ("", "")


@pytest.mark.parametrize("kind", ["ddim", "ancestral"])
def test_a_network_that_is_told_s_is_found_as_people_write_it(kind):
    """At s = 0 too, where there is no step to tell: the error of the network would hide what is wrong everywhere."""

    def step(eps_model, x, t, s, schedule, z):
        return getattr(sampler, kind)(lambda x, t: eps_model(x, s), x, t, s, schedule, z)

    found = check_sampler(step, kind=kind, steps=(8,), n=16)
    assert not found.right
    assert (found.slip, found.sentence) == ("told_s", "The network is told s: x_t goes with t.")
    with pytest.raises(ValueError, match=r"^t: expected a step in 1\.\.1000, got 0$"):
        check_sampler(step, kind=None, steps=(8,), n=16)


def test_noise_of_its_own_is_told():
    rng = np.random.default_rng(0)

    def step(eps_model, x, t, s, schedule, z):
        return sampler.ancestral(eps_model, x, t, s, schedule, rng.normal(size=x.shape))

    found = check_sampler(step, kind="ancestral", steps=(8,), n=16)
    assert not found.right
    assert found.slip == ""


def test_what_is_no_sum_of_terms_is_told():
    def step(eps_model, x, t, s, schedule, z):
        return sampler.ddim(eps_model, x, t, s, schedule, z) + (t - s - 1)

    assert check_sampler(step, kind="ddim", steps=(8,), n=16).sentence == (
        "the step from 1000 to 875 of 1000: the answer is not made of x_t, eps, z alone."
    )


def test_an_unknown_slip_is_told_by_its_factors():
    def step(eps_model, x, t, s, schedule, z):
        return sampler.ancestral(eps_model, x, t, s, schedule, 2.0 * z)

    found = check_sampler(step, kind="ancestral", steps=(8,), n=16)
    assert (found.right, found.slip) == (False, "")
    assert found.sentence.startswith("The factor of z is ")
    assert found.sentence.endswith(" is right.  It is right at some others.")  # where there is no noise


def test_a_history_is_left_as_it_was():
    class Counting:
        calls = 0

        def __call__(self, *given):
            self.calls += 1
            return sampler.ddim(*given)

    step = Counting()
    assert check_steps(step, sampler.ddim, Schedule.linear(), GAUSSIAN, "ddim", 0.0, 1e-6).right
    assert step.calls == 0
