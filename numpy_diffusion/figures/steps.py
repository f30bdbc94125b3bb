"""Which steps of a chain to show."""

from __future__ import annotations

import numpy as np

from numpy_diffusion.process.schedules import Schedule


def telling_steps(schedule: Schedule, count: int) -> list[int]:
    """At most `count` steps from 0 to T, closer together where the noise is small and the picture changes most.

    The noise sigma_t = sqrt(1 - alpha_bar_t) rises along them as the squares 0, 1, 4, 9, ...; a chain of fewer
    steps than that has each of its own once.

    Examples
    --------
    >>> telling_steps(Schedule.linear(T=1000), 6)
    [0, 9, 47, 114, 225, 1000]
    """
    sigma = np.sqrt(1.0 - schedule.alpha_bar)
    targets = sigma[-1] * np.linspace(0.0, 1.0, count) ** 2
    nearest = np.abs(sigma[:, None] - targets).argmin(axis=0)
    nearest[-1] = schedule.T  # where the noise is full to rounding, earlier steps are as near
    return np.unique(nearest).tolist()
