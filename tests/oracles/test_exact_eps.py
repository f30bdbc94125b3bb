"""The perfect network as a model, of each kind of data that has one: shapes, dtypes, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from checks.gaussians import mixture

from numpy_diffusion.oracles.exact_eps import ExactData, ExactEps
from numpy_diffusion.oracles.finite_data import FiniteData
from numpy_diffusion.process.schedules import Schedule

SCHEDULE = Schedule.linear(10)
DATA: dict[str, ExactData] = {
    "mixture": mixture(1, 2, 3),
    "points": FiniteData(np.random.default_rng(1).normal(size=(6, 3))),
    "images": FiniteData(np.random.default_rng(2).normal(size=(6, 1, 2, 2))),
}
EACH = pytest.mark.parametrize("name", DATA)


def drawn(name: str, n: int = 5) -> tuple[ExactEps, np.ndarray, np.ndarray]:
    """A model, x [n, ...] and three tangents [3, n, ...]."""
    model = ExactEps(DATA[name], SCHEDULE)
    values = np.random.default_rng(3).normal(size=(4, n, *model.shape))
    return model, values[0], values[1:]


@EACH
def test_data_makes_it_and_it_has_the_shape_of_a_sample(name: str) -> None:
    model = DATA[name].eps(SCHEDULE)  # type: ignore[attr-defined]
    assert model == ExactEps(DATA[name], SCHEDULE)
    assert model.shape == ((1, 2, 2) if name == "images" else (3,))


@EACH
def test_it_answers_by_what_the_data_knows_at_each_row_s_own_step(name: str) -> None:
    model, x, tangents = drawn(name)
    t = np.array([1, 10, 4, 4, 7])
    eps, along = model.data.exact_jvp(x, SCHEDULE.alpha_bar[t], tangents)
    np.testing.assert_array_equal(model(x, t), eps)
    found = model.jvp(x, t, tangents)
    np.testing.assert_array_equal(found[0], eps)
    np.testing.assert_array_equal(found[1], along)
    np.testing.assert_array_equal(model.jvp(x, t, tangents[1])[1], along[1])  # one alone
    for n in range(5):
        np.testing.assert_allclose(model(x[n : n + 1], int(t[n]))[0], eps[n], rtol=1e-11, atol=1e-11)


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_answers_come_in_the_dtype_of_x_rounded_once(name: str, dtype: Any) -> None:
    model, x, tangents = drawn(name)
    x = x.astype(dtype)
    exact = model(x.astype(np.float64), 4), *model.jvp(x.astype(np.float64), 4, tangents)
    for found, expected in zip((model(x, 4), *model.jvp(x, 4, tangents)), exact, strict=True):
        assert found.dtype == dtype
        assert expected.dtype == np.float64
        np.testing.assert_array_equal(found, expected.astype(dtype))


@EACH
def test_x_of_no_sample_s_shape_is_refused(name: str) -> None:
    model, x, _ = drawn(name)
    with pytest.raises(ValueError, match=r"^x: expected shape \[N, "):
        model(x[..., :1], 4)
    with pytest.raises(ValueError, match=r"^x: expected finite values"):
        model(np.full_like(x, np.nan), 4)


@EACH
@pytest.mark.parametrize(
    ("t", "complaint"),
    [(0, r"a step in 1\.\.10, got 0"), (11, r"a step in 1\.\.10"), ([1, 2], "one step or an array")],
)
def test_steps_at_which_there_is_no_noise_to_predict_are_refused(name: str, t: Any, complaint: str) -> None:
    model, x, tangents = drawn(name)
    for call in (lambda: model(x, t), lambda: model.jvp(x, t, tangents)):
        with pytest.raises(ValueError, match=f"^t: expected {complaint}"):
            call()


@EACH
def test_a_tangent_that_is_none_of_x_is_refused(name: str) -> None:
    model, x, tangents = drawn(name)
    shape = ", ".join(map(str, x.shape))
    for tangent, complaint in (
        (tangents[0, :2], rf"expected shape \[{shape}\], got \[2, "),
        (tangents[:, :2], rf"expected shape \[K, {shape}\], got \[3, 2, "),
        (tangents[0, :, 0, ...], r"expected shape \[K, "),
        (np.full_like(x, math.inf), f"expected finite values, got {x.size} .* in float64"),
    ):
        with pytest.raises(ValueError, match=f"^tangent: {complaint}"):
            model.jvp(x, 4, tangent)
