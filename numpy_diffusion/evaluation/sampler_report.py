"""What a check of a sampler found: distances from the data and from a right sampler, as rows of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

SIGMAS = 5.0  # standard errors that a right sampler may be off on the mixture

DataName = Literal["Gaussian", "mixture"]


class Distance(NamedTuple):
    """How far apart two means and two covariances are, and the standard errors of both, 0 where they are exact.

    All of a mean are in the data's standard deviations, sqrt(trace C / D); all of a covariance are shares of |C|, in
    the Frobenius norm.
    """

    mean: float
    covariance: float
    mean_error: float = 0.0
    covariance_error: float = 0.0


class Row(NamedTuple):
    """One line of the report.

    Attributes
    ----------
    data : "Gaussian" or "mixture"
    steps : of the chain
    error : from the data's own mean and covariance
    order : p where the covariance's error falls with steps^-p, from the row before to this one; NaN in the first,
        and where an error is not above five of its standard errors
    off : from what a right sampler of the declared kind gives with as many steps; None where no kind was declared
    verdict : "right", or what deviates and by how many times the tolerance; "" where no kind was declared
    """

    data: DataName
    steps: int
    error: Distance
    order: float
    off: Distance | None
    verdict: str


@dataclass(frozen=True)
class Report:
    """What `check_sampler` found; `print(report)` shows it as a table, and the likely slip below it.

    `slip` is the name of the known slip that every step has, "" where there is none; `sentence` tells of it.
    """

    kind: str
    rows: tuple[Row, ...]
    slip: str = ""
    sentence: str = ""

    @property
    def right(self) -> bool:
        """True where every row is right; False where no kind was declared."""
        return all(row.verdict == "right" for row in self.rows)

    def of(self, data: DataName) -> list[Row]:
        """The rows of the "Gaussian" or of the "mixture", from few steps to many."""
        return [row for row in self.rows if row.data == data]

    def __str__(self) -> str:
        head = f"{'':14}{'distance from the data':^46}{self.kind and f'from the exact {self.kind}':>26}"
        names = f"{'data':8}{'steps':>6}{'mean':>9}{'std.err.':>10}{'covariance':>12}{'std.err.':>10}{'order':>7}"
        lines = [head, f"{names}{'mean':>12}{'covariance':>12}  verdict"]
        for data, steps, error, order, off, verdict in self.rows:
            own = f"{error.mean:9.1e}{_cell(error.mean_error or None, 10, '.0e')}"
            own += f"{error.covariance:12.1e}{_cell(error.covariance_error or None, 10, '.0e')}"
            gaps = f"{_cell(off and off.mean, 12, '.1e')}{_cell(off and off.covariance, 12, '.1e')}"
            lines.append(f"{data:8}{steps:6}{own}{_cell(order, 7, '.2f')}{gaps}  {verdict}")
        return "\n".join([*(line.rstrip() for line in lines), *([self.sentence] if self.sentence else [])])


def verdict(off: Distance | None, tolerance: float) -> str:
    """What of a row deviates, and by how many times the tolerance and its standard errors; see `Row`."""
    if off is None:
        return ""
    ratios = {
        "mean": off.mean / (tolerance + SIGMAS * off.mean_error),
        "covariance": off.covariance / (tolerance + SIGMAS * off.covariance_error),
    }
    wrong = [f"{name} {ratio:.3g}" for name, ratio in ratios.items() if ratio > 1.0]
    return f"{' and '.join(wrong)} times the tolerance" if wrong else "right"


def order(error: Distance, steps: int, before: Row | None) -> float:
    """p where the covariance's error falls with steps^-p from the row before to this one; NaN where none shows."""
    if before is None or any(
        gap.covariance <= max(SIGMAS * gap.covariance_error, 1e-12) for gap in (error, before.error)
    ):
        return np.nan
    return float(np.log(before.error.covariance / error.covariance) / np.log(steps / before.steps))


def _cell(value: float | None, width: int, form: str) -> str:
    """The number, or a dash where there is none."""
    return f"{'-':>{width}}" if value is None or np.isnan(value) else f"{value:{width}{form}}"
