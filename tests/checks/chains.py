"""Chains of Gaussians whose moments are known, and a sampler's rows run on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.process.schedules import Schedule


def affine(schedule: Schedule, times: list[int], sigma: Callable[[int, int], float], ddim: bool) -> SimpleNamespace:
    """Coefficients of x_s = a x + b eps + c z for each t of `times` and the s that follows, as the papers print."""
    rows = []
    for t, s in zip(times, [*times[1:], 0], strict=True):
        now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
        c = sigma(t, s) if s > 0 else 0.0
        if ddim:
            a = math.sqrt(then / now)
            b = math.sqrt(1 - then - c**2) - a * math.sqrt(1 - now)
        else:
            a = math.sqrt(then / now)
            b = -a * (1 - now / then) / math.sqrt(1 - now)
        rows.append((t, s, a, b, c))
    t, s, a, b, c = (np.array(column) for column in zip(*rows, strict=True))
    return SimpleNamespace(t=t, s=s, a=a, b=b, c=c)


def large(schedule: Schedule) -> Callable[[int, int], float]:
    return lambda t, s: math.sqrt(1 - schedule.alpha_bar[t] / schedule.alpha_bar[s])


def small(schedule: Schedule, eta: float = 1.0) -> Callable[[int, int], float]:
    left = 1 - schedule.alpha_bar
    return lambda t, s: eta * large(schedule)(t, s) * math.sqrt(left[s] / left[t])


def marginal(data: Gaussian, schedule: Schedule, t: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of q(x_t)."""
    alpha_bar = schedule.alpha_bar[t]
    return math.sqrt(alpha_bar) * data.mean, alpha_bar * data.covariance + (1 - alpha_bar) * np.eye(len(data.mean))


def run_rows(rows: Any, model: Callable[..., np.ndarray], x: np.ndarray, z: Any = None) -> Iterator[np.ndarray]:
    """A table of `solvers`, in float64: y after each row, with z [K, ...] as its noise, none unless given."""
    y, d1, d2 = x, 0.0 * x, 0.0 * x
    for k in range(len(rows.t)):
        d0 = rows.p[k] * y + rows.q[k] * model(y, int(rows.t[k]))
        y = rows.a[k] * x + rows.b[k, 0] * d0 + rows.b[k, 1] * d1 + rows.b[k, 2] * d2
        if z is not None:
            y = y + rows.c[k] * z[k]
        x = y if rows.accept[k] else x
        d1, d2 = d0, d1
        yield y


def run(rows: Any, model: Callable[..., np.ndarray], x: np.ndarray, z: Any = None) -> np.ndarray:
    *_, last = run_rows(rows, model, x, z)
    return last
