"""The six labs of the course: which functions each asks for, and what checks them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from textwrap import indent
from typing import Any, Final, NamedTuple

from numpy_diffusion import _checks
from numpy_diffusion.evaluation import exercise, sampler_report
from numpy_diffusion.evaluation.forward_check import check_forward, check_schedule
from numpy_diffusion.evaluation.gradient_check import check_gradient
from numpy_diffusion.evaluation.sampler_check import Kind, check_sampler
from numpy_diffusion.evaluation.slips.chain import ALPHA_BARS
from numpy_diffusion.evaluation.slips.guidance import GUIDED, IMPORTANCE
from numpy_diffusion.evaluation.slips.posterior import KL, POSTERIOR
from numpy_diffusion.evaluation.slips.training import ADAM, LOSS

Report = exercise.Report | sampler_report.Report


class Task(NamedTuple):
    """Names of the functions to write, how they are called, and the check that takes them."""

    names: tuple[str, ...]
    call: str
    check: Callable[..., Report]


def _of(asked: exercise.Exercise) -> Task:
    return Task((asked.name,), asked.call, partial(exercise.check, asked))


def _sampler(name: Kind) -> Task:
    check = partial(check_sampler, kind=name, n=1024)
    return Task((name,), f"{name}(eps_model, x, t, s, schedule, z)", check)


LABS: Final[dict[int, tuple[Task, ...]]] = {
    1: (
        Task(("betas",), "betas(T)", check_schedule),
        _of(ALPHA_BARS),
        Task(("q_sample",), "q_sample(x0, t, eps, alpha_bar)", check_forward),
    ),
    2: (_of(POSTERIOR), _of(KL)),
    3: (Task(("forward", "backward"), "forward(x, W1, b1, W2, b2), backward(dy, cache)", check_gradient),),
    4: (_of(LOSS), _of(ADAM)),
    5: (_sampler("ancestral"), _sampler("ddim")),
    6: (_of(GUIDED), _of(IMPORTANCE)),
}


class Answer(NamedTuple):
    """A task and what its check found; in words where there was nothing to check, or it stopped."""

    task: Task
    report: Report | None
    told: str

    @property
    def right(self) -> bool:
        return self.report is not None and self.report.right

    def __str__(self) -> str:
        told = self.told if self.report is None else str(self.report)
        return f"{self.task.call}: {'right' if self.right else 'not right yet'}\n{indent(told, '  ')}"


@dataclass(frozen=True)
class LabReport:
    """What `check_lab` found; `print(report)` shows a table a function."""

    lab: int
    answers: tuple[Answer, ...]

    @property
    def right(self) -> bool:
        """True where every function is right."""
        return all(answer.right for answer in self.answers)

    def __str__(self) -> str:
        good = sum(answer.right for answer in self.answers)
        end = f"lab {self.lab}: {good} of {len(self.answers)} right"
        return "\n\n".join([*map(str, self.answers), end])


def check_lab(lab: int, functions: Mapping[str, Any]) -> LabReport:
    """The functions of a lab, each beside the right one; others are passed over.

    Parameters
    ----------
    lab : 1..6
    functions : by their names, as `globals()` has them in a notebook

    Returns
    -------
    a report: print it; its `right` is True or False

    Raises
    ------
    ValueError : a lab that there is not

    Examples
    --------
    >>> report = check_lab(6, {"guided_eps": lambda a, b, w: a + w * (a - b)})
    >>> [answer.right for answer in report.answers]
    [True, False]
    >>> report.answers[1].told
    'not found: importance_weighted'
    """
    tasks = LABS[_checks.integer("lab", lab, 1, len(LABS))]
    return LabReport(lab, tuple(_answer(task, functions) for task in tasks))


def _answer(task: Task, functions: Mapping[str, Any]) -> Answer:
    missing = [name for name in task.names if name not in functions]
    if missing:
        return Answer(task, None, f"not found: {', '.join(missing)}")
    try:
        return Answer(task, task.check(*(functions[name] for name in task.names)), "")
    except Exception as error:  # of the student's function, whatever it is
        return Answer(task, None, exercise.told_of(error, functions[task.names[-1]]))
