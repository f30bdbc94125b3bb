"""Few steps from where hardly any signal is left: a warning with a remedy that helps, and none elsewhere."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest

from numpy_diffusion.models.converted import as_eps, clipped
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.from_step import sample_from
from numpy_diffusion.sampling.growth import lower_start
from numpy_diffusion.sampling.samplers import sample, sample_steps
from numpy_diffusion.sampling.solvers import METHODS, Method

COSINE, LINEAR = Schedule.cosine(1000), Schedule.linear(1000)
DATA = Gaussian([0.0], [[0.25]])
FAST = [method for method in METHODS if method != "ancestral"]


def slightly_wrong(schedule: Schedule) -> Any:
    """The exact eps, and a hundredth that no network is nearer to it."""
    exact = DATA.eps(schedule)
    return lambda x, t: exact(x, t) + np.float32(0.01) * np.sin(7.0 * x)


def drawn(schedule: Schedule, method: Method, steps: Any, model: Any = None) -> np.ndarray:
    model = slightly_wrong(schedule) if model is None else model
    return sample(model, schedule, 300, method=method, steps=steps, shape=(1,), progress=False)


def remedy(found: Any) -> range:
    """What the one warning says that steps are to be."""
    [warning] = found
    numbers = re.search(r"steps=range\((\d+), 0, (-\d+)\) \(--start \1 at", str(warning.message))
    assert numbers is not None
    return range(int(numbers[1]), 0, int(numbers[2]))


@pytest.mark.parametrize("method", FAST)
@pytest.mark.parametrize("n", [10, 20, 50])
def test_the_remedy_that_the_warning_names_helps(method: Method, n: int) -> None:
    with pytest.warns(UserWarning, match=r"^steps: the first, from t = 1000 to \d+, multiplies an error") as found:
        spoilt = drawn(COSINE, method, n)
    steps = remedy(found)
    assert n <= len(steps) <= n + n // 5 + 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mended = drawn(COSINE, method, steps)
        off, then = (
            np.abs(x - drawn(COSINE, method, each, DATA.eps(COSINE))).mean()
            for x, each in ((mended, steps), (spoilt, n))
        )
        assert off < min(0.1, 0.3 * then)
        assert np.abs(mended).max() < 3.0
        drawn(COSINE, method, n, clipped(slightly_wrong(COSINE), COSINE, -2.0, 2.0))


def test_the_schedules_that_end_there_with_few_steps_are_told_too() -> None:
    short = Schedule.linear(T=20)
    with pytest.warns(UserWarning, match=r"from t = 20 to 19, multiplies an error of the model by 32, "):
        drawn(short, "heun", None)
    with pytest.warns(UserWarning, match=r"from t = 1000 to 950"):
        next(sample_steps(slightly_wrong(COSINE), COSINE, 3, method="ddim", steps=20, shape=(1,)))
    with pytest.warns(UserWarning, match=r"from t = 1000 to 950"):
        sample_from(slightly_wrong(COSINE), COSINE, np.ones((3, 1)), 1000, method="ddim", steps=20, progress=False)
    with pytest.warns(UserWarning, match=r"from t = 1000 to 950"):
        drawn(COSINE, "ancestral", 20)


@pytest.mark.filterwarnings("error")
def test_where_nothing_grows_nothing_is_said() -> None:
    for method in METHODS:
        drawn(LINEAR, method, 20)
        drawn(COSINE, method, 20, DATA.eps(COSINE))
        drawn(COSINE, method, 20, as_eps(lambda x, t: 0.0 * x, COSINE, "x0"))
    drawn(COSINE, "ancestral", None)
    assert lower_start(LINEAR) == int((LINEAR.alpha_bar >= 1e-3).sum()) - 1
