"""How much a chain's steps magnify an error of the model, and a word where that spoils the samples.

A step from t to s multiplies an error of eps by about sqrt(alpha_bar_s / alpha_bar_t): x_0 is (x_t - ...) /
sqrt(alpha_bar_t).  With the cosine schedule hardly any signal is left at T, and the first of 20 even steps multiplies
it by 1,600: Heun's points lie 10^5 away from data that ends at 1, DDIM's 250; from t = 979 on none is beyond 2 (a
small MLP on the spiral).  The noise of Algorithm 1 covers more of it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.models.protocol import is_bounded
from numpy_diffusion.process.coefficients import Coefficients
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.solvers import Method

SIGNAL: Final = 1e-3  # alpha_bar of an x_t that is near enough to N(0, I), and not too near
LIMIT, LIMIT_WITH_NOISE = 10.0, 100.0  # growth in a step, without noise and with that of Algorithm 1


def warn_of_growth(model: Any, schedule: Schedule, table: Coefficients, method: Method, eta: float = 0.0) -> None:
    """Warn, with the remedy, where the first step magnifies an error of the model so much that it shows."""
    if is_bounded(model):
        return
    t, s, start = int(table.t[0]), int(table.s[table.accept][0]), lower_start(schedule)
    growth = float(np.sqrt(schedule.alpha_bar[s] / schedule.alpha_bar[t]))
    if t <= start or growth < (LIMIT_WITH_NOISE if method == "ancestral" or eta > 0.0 else LIMIT):
        return
    n = int(table.accept.sum())
    _checks.warn(
        f"steps: the first, from t = {t} to {s}, multiplies an error of the model by {growth:,.0f}, as hardly any "
        f"signal is left at {t}: begin lower, steps=range({start}, 0, -{max(1, start // n)}) (--start {start} at the "
        "command line), or keep x_0 in the data's range by numpy_diffusion.clipped"
    )


def lower_start(schedule: Schedule) -> int:
    """The highest step at which enough signal is left, at least 1.

    >>> lower_start(Schedule.cosine(T=1000))
    979
    """
    return max(1, int(np.flatnonzero(schedule.alpha_bar >= SIGNAL).max()))
