"""A function beside the right one and its slips: what the table and the sentence say."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.evaluation.exercise import Case, Exercise, Slip, check

CASES = [Case("ones", (np.ones(3), 2.0)), Case("rising", (np.arange(3.0), 0.5))]
LINE = Exercise(
    "line(x, a)",
    ("y",),
    lambda x, a: a * x + 1.0,
    (
        Slip("no_one", "The 1 is missing.", lambda x, a: a * x),
        Slip("raises", "It cannot divide.", lambda x, a: 1 // 0),
    ),
    lambda: CASES,
)
TWO = Exercise("two(x, a)", ("sum", "product"), lambda x, a: (x + a, x * a), (), lambda: CASES)


def test_a_right_one_is_right_and_says_no_more():
    report = check(LINE, lambda x, a: 1 + x * a)
    assert report.right
    assert (report.slip, report.sentence) == ("", "")
    assert str(report).splitlines() == [
        "case    result    error  verdict",
        "ones    y         0e+00  right",
        "rising  y         0e+00  right",
    ]


def test_a_slip_is_named():
    report = check(LINE, lambda x, a: x * a)
    assert not report.right
    assert (report.slip, report.sentence) == ("no_one", "The 1 is missing.")
    assert str(report).splitlines()[1:] == [
        "ones    y         3e-01  wrong",
        "rising  y         5e-01  wrong",
        "The 1 is missing.",
    ]


def test_the_same_error_is_the_same_slip():
    assert check(LINE, lambda x, a: x % "" if False else [][int(a) // 0]).slip == "raises"


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda x, a: None, "No answer: it returns nothing, so a `return` is missing."),
        (lambda x, a: "y", "No answer: expected numbers, got str."),
        (lambda x, a: undefined, "No answer: NameError at line "),  # noqa: F821
        (lambda x, a: (a * x + 1.0, x), "No answer: expected one result, got 2 in a tuple."),
        (lambda x, a: (a * x + 1.0)[:2], "ones, y: expected shape [3], got [2]."),
        (lambda x, a: x * np.nan, "ones, y: NaN or infinite."),
        (lambda x, a: -2 * (a * x + 1.0), "Every number is -2 times the right one: a factor or a sign."),
        (lambda x, a: (a * x + 1.0) * (1 + (a > 1)) + (a > 1), "No known slip.  Right: rising.  Wrong: ones."),
        (lambda x, a: (a * x + 2.0) ** 2, "No known slip: lay it beside the formula, term by term."),
    ],
)
def test_what_no_slip_explains_is_told_by_its_numbers(function, sentence):
    report = check(LINE, function)
    assert not report.right
    assert report.slip == ""
    assert report.sentence.startswith(sentence)


def test_one_of_two_results_may_be_right():
    report = check(TWO, lambda x, a: [x + a, x * a * a])
    assert [row.verdict for row in report.rows] == ["right", "wrong"] * 2
    assert report.sentence == "No known slip.  Right: sum.  Wrong: product."
    assert check(TWO, lambda x, a: x).sentence.startswith("No answer: expected 2 results, got ndarray")
    assert check(TWO, lambda x, a: (x, a, x)).sentence == "No answer: expected 2 results, got 3 in a tuple."


def test_a_function_without_a_body_is_not_written_yet():
    def line(x, a):
        raise NotImplementedError

    number = line.__code__.co_firstlineno + 1
    assert check(LINE, line).sentence == f"No answer: NotImplementedError at line {number}: not written yet."


def test_an_error_without_a_message_has_no_colon():
    def line(x, a):
        raise RuntimeError

    assert check(LINE, line).sentence == f"No answer: RuntimeError at line {line.__code__.co_firstlineno + 1}."


def test_a_function_that_is_not_one_is_told():
    rng = np.random.default_rng(0)
    assert check(LINE, lambda x, a: rng.normal(size=3)).sentence.startswith("It answers the same question otherwise")


def test_arguments_may_be_overwritten():
    def line(x, a):
        x *= a
        x += 1
        return x

    assert check(LINE, line).right
    assert CASES[0].arguments[0].tolist() == [1.0] * 3


@pytest.mark.parametrize(("given", "complaint"), [(3, "line: expected a function"), ("", "line: expected a func")])
def test_what_is_no_function_is_refused(given, complaint):
    with pytest.raises(ValueError, match=f"^{complaint}"):
        check(LINE, given)
    with pytest.raises(ValueError, match="tolerance: expected"):
        check(LINE, LINE.right, 0.0)
