"""The labs' checks on submissions: right ones pass, broken ones fail, and the sentence names the slip."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from checks.submissions import load

from numpy_diffusion.evaluation import labs
from numpy_diffusion.evaluation.slips import chain, guidance, network, posterior, sampler, training

FOLDER = Path(__file__).parent / "submissions"
TASKS = {task.names[-1]: task for tasks in labs.LABS.values() for task in tasks}
SLIPS = {
    "betas": chain.schedule("linear").slips,
    "alpha_bars": chain.ALPHA_BARS.slips,
    "q_sample": chain.Q_SAMPLE.slips,
    "posterior": posterior.POSTERIOR.slips,
    "kl": posterior.KL.slips,
    "backward": network.SLIPS,
    "loss": training.LOSS.slips,
    "adam_step": training.ADAM.slips,
    "ancestral": sampler.of_ancestral(1.0),
    "ddim": sampler.OF_DDIM,
    "guided_eps": guidance.GUIDED.slips,
    "importance_weighted": guidance.IMPORTANCE.slips,
}
SUBMISSIONS = [
    (path.stem, name)
    for path in sorted(FOLDER.glob("*.py"))
    for name in load(path)
    if name[-1].isdigit()
]  # fmt: skip
RIGHT = [one for one in SUBMISSIONS if one[1].startswith("right_")]
BROKEN = [one for one in SUBMISSIONS if one not in RIGHT]


def report(task: str, name: str) -> labs.Report:
    functions = load(FOLDER / f"{task}.py")
    given = [functions["forward"]] if task == "backward" else []
    return TASKS[task].check(*given, functions[name])


def test_there_are_twenty_right_and_forty_broken_ones_of_every_task() -> None:
    assert len(RIGHT) >= 20
    assert len(BROKEN) == 40
    assert {task for task, _ in RIGHT} == {task for task, _ in BROKEN} == set(TASKS) == set(SLIPS)
    assert {name[-1] for _, name in BROKEN} == {"1", "2"}  # each in two spellings
    assert len({(task, name[:-2]) for task, name in BROKEN}) == 20


@pytest.mark.parametrize(("task", "name"), RIGHT)
def test_a_right_one_is_right(task: str, name: str) -> None:
    found = report(task, name)
    assert found.right, found
    assert found.sentence == ""


@pytest.mark.parametrize(("task", "name"), BROKEN)
def test_a_broken_one_is_not_and_its_slip_is_named(task: str, name: str) -> None:
    begun = time.process_time()
    found = report(task, name)
    assert not found.right
    [slip] = [slip for slip in SLIPS[task] if slip.name == name[:-2]]
    assert (found.slip, found.sentence) == (slip.name, slip.sentence)
    assert str(found).endswith(slip.sentence)
    assert time.process_time() - begun < 10.0  # about one on a machine that has nothing else to do


def test_noise_left_out_at_step_1_is_seen_where_no_step_is_skipped() -> None:
    """The chosen steps of a chain that skips some do not come by there."""
    right = load(FOLDER / "ancestral.py")["right_1"]

    def ancestral(eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any) -> Any:
        return right(eps_model, x, t, s, schedule, z if s > 1 else 0.0 * z)

    found = TASKS["ancestral"].check(ancestral)
    assert not found.right
    assert found.sentence.startswith("The factor of z is 0 at the step from 2 to 1 of 20")


def test_a_lab_is_right_when_all_of_it_is() -> None:
    functions = load(FOLDER / "guided_eps.py")
    report = labs.check_lab(6, {"guided_eps": functions["right_1"]})
    assert [answer.right for answer in report.answers] == [True, False]
    assert not report.right
    functions = {"guided_eps": functions["right_1"], "importance_weighted": lambda log_w: log_w[5, 7]}
    report = labs.check_lab(6, functions)
    assert not report.right
    assert "IndexError at line" in str(report)
    with pytest.raises(ValueError, match=r"lab: expected an integer in 1\.\.6"):
        labs.check_lab(7, {})
