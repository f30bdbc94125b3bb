"""A function that a student wrote, beside the right one and beside those that known slips make of it.

A slip is a whole function with one thing wrong.  Where the student's gives the same answers as one of them, on every
case, the report says in a sentence what is wrong; else it says what can be said of the numbers alone.
"""

from __future__ import annotations

import copy
import inspect
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.evaluation import factors

TOLERANCE = 1e-6  # as a share of the largest number in the right answer

Function = Callable[..., Any]


class Slip(NamedTuple):
    """What is wrong, in a sentence for the student, and the function that is wrong in this way alone."""

    name: str
    sentence: str
    function: Function


class Sum(NamedTuple):
    """A part of the first result that is a sum of terms with the same factors in all of it."""

    place: str
    part: Any  # index into the result
    terms: Mapping[str, np.ndarray]


class Case(NamedTuple):
    """Arguments to call the function with, and what they are, in words."""

    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Exercise:
    """A function to write: how it is called, what it gives, the right one, its slips, the cases, and its terms."""

    call: str  # such as "q_sample(x0, t, eps, alpha_bar)"
    results: tuple[str, ...]
    right: Function
    slips: tuple[Slip, ...]
    cases: Callable[[], Sequence[Case]]
    sums: Callable[..., Iterable[Sum]] = lambda *arguments: ()  # of a case's arguments

    @property
    def name(self) -> str:
        return self.call.partition("(")[0]


class Row(NamedTuple):
    """One case and one result of it: how far it is from the right one, as a share, and what there is to say."""

    case: str
    result: str
    error: float
    verdict: str


@dataclass(frozen=True)
class Report:
    """What a check found; `print(report)` shows it as a table, and a sentence below where something is wrong.

    Attributes
    ----------
    rows : a result of a case each
    slip : name of the known slip that gives the same answers; "" where none does, or all is right
    sentence : what is likely to be wrong; "" where all is right
    """

    rows: tuple[Row, ...]
    slip: str
    sentence: str

    @property
    def right(self) -> bool:
        """True where every row is right."""
        return all(row.verdict == "right" for row in self.rows)

    def __str__(self) -> str:
        width = max(len("case"), *(len(row.case) for row in self.rows))
        results = max(len("result"), *(len(row.result) for row in self.rows))
        lines = [f"{'case':{width}}  {'result':{results}}  {'error':>7}  verdict"]
        for case, result, error, verdict in self.rows:
            share = f"{error:7.0e}" if np.isfinite(error) else f"{'-':>7}"
            lines.append(f"{case:{width}}  {result:{results}}  {share}  {verdict}")
        return "\n".join([*lines, *([self.sentence] if self.sentence else [])])


class _Failed(NamedTuple):
    """What stands for an answer where the function raised an error or gave something that is no array."""

    kind: str
    told: str


Outcome = tuple[np.ndarray, ...] | _Failed


def check(exercise: Exercise, function: Function, tolerance: float = TOLERANCE) -> Report:
    """The function beside the exercise's right one and its slips; see `Report`.

    Raises
    ------
    ValueError : something that is no function
    """
    if not callable(function):
        raise ValueError(f"{exercise.name}: expected a function {exercise.call}, got {type(function).__name__}")
    tolerance = _checks.real("tolerance", tolerance, 1e-12)
    cases = exercise.cases()
    expected = [_outcome(exercise.right, case, len(exercise.results)) for case in cases]
    found = [_outcome(function, case, len(exercise.results)) for case in cases]
    rows = tuple(row for one in zip(cases, found, expected, strict=True) for row in _rows(exercise, *one, tolerance))
    if all(row.verdict == "right" for row in rows):
        return Report(rows, "", "")
    if not _same(found[0], _outcome(function, cases[0], len(exercise.results)), tolerance):
        said = "It answers the same question otherwise each time: it draws noise of its own, or keeps something."
        return Report(rows, "", said)
    for slip in exercise.slips:
        theirs = [_outcome(slip.function, case, len(exercise.results)) for case in cases]
        if all(_same(*pair, tolerance) for pair in zip(found, theirs, strict=True)):
            return Report(rows, slip.name, slip.sentence)
    told = "" if any(isinstance(one, _Failed) for one in found) else _of_terms(exercise, cases, found, expected)
    return Report(rows, "", told or _of_the_numbers(found, expected, rows, tolerance))


def _outcome(function: Function, case: Case, results: int) -> Outcome:
    """What the function answers to copies of the arguments, to which it may write."""
    try:
        with np.errstate(all="ignore"):
            answer = function(*copy.deepcopy(case.arguments))
    except Exception as error:
        return _Failed(type(error).__name__, told_of(error, function))
    if answer is None:
        return _Failed("nothing", "it returns nothing, so a `return` is missing")
    parts = (answer,) if results == 1 and not isinstance(answer, tuple) else answer
    if not isinstance(parts, tuple | list) or len(parts) != results:
        wanted = "one result" if results == 1 else f"{results} results"
        got = f"{len(parts)} in a {type(parts).__name__}" if isinstance(parts, tuple | list) else type(parts).__name__
        return _Failed("number", f"expected {wanted}, got {got}")
    try:
        return tuple(np.asarray(part, np.float64) for part in parts)
    except (TypeError, ValueError):
        return _Failed("type", f"expected numbers, got {', '.join(type(part).__name__ for part in parts)}")


def told_of(error: Exception, function: Function) -> str:
    """The error of a student's function in words, and where in its file, or that of what it wraps, it came up."""
    file = getattr(getattr(inspect.unwrap(function), "__code__", None), "co_filename", None)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    at = f" at line {lines[-1]}" if lines else ""
    message = "not written yet" if isinstance(error, NotImplementedError) and not str(error) else str(error)
    return f"{type(error).__name__}{at}" + (f": {message}" if message else "")


def _rows(exercise: Exercise, case: Case, found: Outcome, expected: Outcome, tolerance: float) -> list[Row]:
    assert not isinstance(expected, _Failed), expected.told
    if isinstance(found, _Failed):
        return [Row(case.name, "", np.nan, found.told)]
    rows = []
    for name, ours, theirs in zip(exercise.results, found, expected, strict=True):
        error = _distance(ours, theirs)
        if ours.squeeze().shape != theirs.squeeze().shape:
            verdict = f"expected shape {list(theirs.shape)}, got {list(ours.shape)}"
        elif not np.isfinite(ours).all():
            verdict = "NaN or infinite"
        else:
            verdict = "right" if error <= tolerance else "wrong"
        rows.append(Row(case.name, name, error, verdict))
    return rows


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference as a share of the largest number of b; 0 where both are the same NaN or infinity."""
    a, b = a.squeeze(), b.squeeze()
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return np.inf
    finite = np.isfinite(b)
    if not finite.any():
        return 0.0
    return float(np.abs(a - b)[finite].max() / max(np.abs(b[finite]).max(), 1e-30))


def _same(found: Outcome, theirs: Outcome, tolerance: float) -> bool:
    """Whether a function and a slip gave the same: the same numbers, or the same kind of failure."""
    if isinstance(found, _Failed) or isinstance(theirs, _Failed):
        return isinstance(found, _Failed) and isinstance(theirs, _Failed) and found.kind == theirs.kind
    return all(_distance(a, b) <= tolerance for a, b in zip(found, theirs, strict=True))


def _of_terms(
    exercise: Exercise, cases: Sequence[Case], found: Sequence[Outcome], expected: Sequence[Outcome]
) -> str:
    """What `factors` says of the terms of the first result."""
    places = []
    for case, ours, right in zip(cases, found, expected, strict=True):
        if isinstance(ours, _Failed) or isinstance(right, _Failed) or ours[0].shape != right[0].shape:
            return ""
        for place, part, terms in exercise.sums(*case.arguments):
            places.append(factors.Place(place, ours[0][part], right[0][part], terms))
    return factors.told(places)


def _of_the_numbers(found: list[Outcome], expected: list[Outcome], rows: Sequence[Row], tolerance: float) -> str:
    """What can be said where no known slip gives these answers."""
    if failed := next((one for one in found if isinstance(one, _Failed)), None):
        return f"No answer: {failed.told}."
    if (row := next((row for row in rows if row.verdict not in ("right", "wrong")), None)) is not None:
        return f"{row.case}, {row.result}: {row.verdict}."
    numbers = [
        np.concatenate([part.ravel() for one in outcomes if not isinstance(one, _Failed) for part in one])
        for outcomes in (found, expected)
    ]
    factor = float(numbers[0] @ numbers[1] / (numbers[1] @ numbers[1]))
    if _distance(numbers[0], factor * numbers[1]) <= tolerance:
        return f"Every number is {factor:.4g} times the right one: a factor or a sign."
    for column in ("result", "case"):
        wrong = {getattr(row, column) for row in rows if row.verdict == "wrong"}
        if right := [name for name in dict.fromkeys(getattr(row, column) for row in rows) if name not in wrong]:
            told = ", ".join(name for name in dict.fromkeys(getattr(row, column) for row in rows) if name in wrong)
            return f"No known slip.  Right: {', '.join(right)}.  Wrong: {told}."
    return "No known slip: lay it beside the formula, term by term."
