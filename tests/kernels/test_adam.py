"""Adam and the average of the weights in their kernel, against the definition."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from numpy_diffusion.kernels import adam as kernel
from numpy_diffusion.models.tasks import Adam
from numpy_diffusion.training.optimizers import adam_step, average_step

SETTINGS = [Adam(), Adam(beta1=0.8, beta2=0.95, epsilon=1e-3, weight_decay=0.1)]
RATES, DECAYS = np.linspace(0.01, 0.03, 5), np.linspace(0.2, 0.9, 5)


def course(n: int, settings: Adam, step: str, dtype: type) -> list[np.ndarray]:
    """Parameters, m, v and average after five steps of gradients of all sizes."""
    rng = np.random.default_rng(n)
    sizes = 10.0 ** rng.uniform(-3, 3, n)
    parameters, average = rng.normal(size=(2, n)).astype(dtype)
    m, v = np.zeros((2, n), dtype)
    for number, (rate, decay) in enumerate(zip(RATES, DECAYS, strict=True), start=1):
        gradient = ((rng.normal(size=n) + 0.3) * sizes).astype(dtype)
        if step == "kernel":
            kernel.step(parameters, gradient, m, v, average, number, rate, decay, settings)
        else:
            adam_step(parameters, gradient, m, v, number, rate, settings)
            average_step(average, parameters, decay)
    return [parameters, m, v, average]


@pytest.mark.parametrize("settings", SETTINGS, ids=["defaults", "others"])
@pytest.mark.parametrize("n", [1, 3, 1000])
def test_steps_are_those_of_the_definition(n: int, settings: Adam) -> None:
    exact = course(n, settings, "definition", np.float64)
    for found, wanted in zip(course(n, settings, "kernel", np.float32), exact, strict=True):
        assert np.linalg.norm(found - wanted) <= 1e-5 * np.linalg.norm(wanted)


def test_threads_change_no_bit() -> None:
    threads, whole = numba.get_num_threads(), course(1000, SETTINGS[1], "kernel", np.float32)
    try:
        numba.set_num_threads(1)
        for one, two in zip(course(1000, SETTINGS[1], "kernel", np.float32), whole, strict=True):
            np.testing.assert_array_equal(one, two)
    finally:
        numba.set_num_threads(threads)
