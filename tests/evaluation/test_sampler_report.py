"""The report of a sampler's check: its verdicts, its orders, and how it is printed."""

from __future__ import annotations

import math

import pytest

from numpy_diffusion.evaluation.sampler_report import Distance, Report, Row, order, verdict

NEAR, FAR = Distance(1e-3, 2e-3), Distance(2e-3, 8e-3)


def row(**changed: object) -> Row:
    return Row(**dict(data="Gaussian", steps=8, error=NEAR, order=math.nan, off=NEAR, verdict="right") | changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("off", "expected"),
    [
        (None, ""),
        (Distance(1e-6, 1e-6), "right"),
        (Distance(3e-6, 1e-7), "mean 3 times the tolerance"),
        (Distance(1e-7, 4.5e-5), "covariance 45 times the tolerance"),
        (Distance(2e-6, 4e-6), "mean 2 and covariance 4 times the tolerance"),
        (Distance(5e-2, 5e-2, 0.01, 0.01), "right"),  # five standard errors of each are added
        (Distance(6e-2, 6e-2, 0.01, 0.02), "mean 1.2 times the tolerance"),
    ],
)
def test_a_verdict_names_what_deviates_and_by_how_much(off: Distance | None, expected: str) -> None:
    assert verdict(off, 1e-6) == expected


def test_the_order_is_the_slope_of_the_covariance_s_error() -> None:
    before = row(error=FAR)
    assert order(NEAR, 16, before) == pytest.approx(2.0)  # a quarter of the error with twice the steps
    assert order(NEAR, 64, before) == pytest.approx(2.0 / 3.0)


@pytest.mark.parametrize(
    ("error", "before"),
    [
        (NEAR, None),
        (Distance(1e-3, 2e-3, 0.0, 1e-3), row(error=FAR)),  # within five standard errors of zero
        (NEAR, row(error=Distance(2e-3, 8e-3, 0.0, 2e-3))),
        (Distance(1e-3, 1e-13), row(error=FAR)),  # rounding
    ],
)
def test_there_is_no_order_where_no_error_shows(error: Distance, before: Row | None) -> None:
    assert math.isnan(order(error, 16, before))


def test_a_report_is_right_where_every_row_is() -> None:
    right, wrong, unjudged = row(), row(data="mixture", verdict="mean 2 times the tolerance"), row(verdict="")
    assert Report("ddim", (right, right)).right
    assert not Report("ddim", (right, wrong)).right
    assert not Report("", (unjudged,)).right
    assert Report("ddim", (right, wrong)).of("Gaussian") == [right]
    assert Report("ddim", (right, wrong)).of("mixture") == [wrong]


def test_a_report_is_a_table_with_a_dash_where_there_is_no_number() -> None:
    rows = (
        row(),
        row(data="mixture", steps=16, error=Distance(0.5, 0.25, 0.01, 0.02), order=1.5, off=None, verdict=""),
    )
    lines = str(Report("ddim", rows)).splitlines()
    assert lines[0].split() == ["distance", "from", "the", "data", "from", "the", "exact", "ddim"]
    assert lines[2].split() == ["Gaussian", "8", "1.0e-03", "-", "2.0e-03", "-", "-", "1.0e-03", "2.0e-03", "right"]
    assert lines[3].split() == ["mixture", "16", "5.0e-01", "1e-02", "2.5e-01", "2e-02", "1.50", "-", "-"]
    assert "exact" not in str(Report("", rows))
    assert all(line == line.rstrip() for line in lines)
