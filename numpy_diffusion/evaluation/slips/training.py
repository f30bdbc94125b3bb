"""Lab 4, training: the loss of a batch (Ho et al. 2020, eq 14) and a step of Adam (Kingma and Ba 2015)."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.evaluation.exercise import Case, Exercise, Slip
from numpy_diffusion.evaluation.slips.chain import jump
from numpy_diffusion.process.schedules import Schedule

B1, B2, SMALL = 0.9, 0.999, 1e-8  # the paper's


def network(x: np.ndarray, t: Any) -> np.ndarray:
    """A network that tells its x and its t apart from all others; t is one step, or [N], as of every model."""
    t = np.asarray(t, np.float64)
    if t.ndim > 0 and t.shape != np.shape(x)[:1]:
        raise ValueError(f"t: expected one step, or one for each sample, [{len(x)}], got {list(t.shape)}")
    return np.tanh(x) + 0.1 * np.sin(t.reshape(-1, 1))


def _error(eps_model: Any, x0: Any, t: Any, eps: Any, alpha_bar: Any) -> Any:
    return eps - eps_model(jump(x0, t, eps, alpha_bar), t)


def _loss(eps_model: Any, x0: Any, t: Any, eps: Any, alpha_bar: Any) -> Any:
    return np.mean(_error(eps_model, x0, t, eps, alpha_bar) ** 2)


def _cases() -> list[Case]:
    rng, alpha_bar = np.random.default_rng(0), Schedule.linear(1000).alpha_bar
    return [
        Case(name, (network, rng.normal(size=(n, 2)), np.array(t), rng.normal(size=(n, 2)), alpha_bar.copy()))
        for name, n, t in (
            ("one sample", 1, [300]),
            ("a batch", 5, [3, 300, 700, 40, 999]),
            ("t = 1 and t = T", 4, [1, 1000, 1000, 1]),
        )
    ]


LOSS = Exercise(
    "loss(eps_model, x0, t, eps, alpha_bar)",
    ("loss",),
    _loss,
    (
        Slip("sum", "The squares are added up: the loss is their mean, over samples and coordinates.",
             lambda *given: np.sum(_error(*given) ** 2)),
        Slip("sum_of_coordinates", "The squares are added up over the coordinates, and the mean is over the samples "
             "alone: it is over both.", lambda *given: np.mean(np.sum(_error(*given) ** 2, axis=1))),
        Slip("root", "The square root is taken: the loss is the mean of the squares itself.",
             lambda *given: np.sqrt(_loss(*given))),
        Slip("half", "There is a factor 1/2 too many.", lambda *given: 0.5 * _loss(*given)),
        Slip("absolute", "These are absolute values: the loss is of squares, which come from a Gaussian's logarithm.",
             lambda *given: np.mean(np.abs(_error(*given)))),
        Slip("not_squared", "The difference is not squared: its mean is near 0 whatever the network says.",
             lambda *given: np.mean(_error(*given))),
        Slip("sees_x0", "The network is shown x_0: it is shown x_t, in which the noise is.",
             lambda model, x0, t, eps, ab: np.mean((eps - model(x0, t)) ** 2)),
        Slip("predicts_x0", "The answer of the network is compared with x_0: here it predicts the noise, eps.",
             lambda model, x0, t, eps, ab: np.mean((x0 - model(jump(x0, t, eps, ab), t)) ** 2)),
        Slip("predicts_xt", "The answer of the network is compared with x_t: here it predicts the noise, eps.",
             lambda model, x0, t, eps, ab: np.mean((jump(x0, t, eps, ab) - model(jump(x0, t, eps, ab), t)) ** 2)),
        Slip("told_t_minus_1", "The network is told t - 1: x_t goes with t.",
             lambda model, x0, t, eps, ab: np.mean((eps - model(jump(x0, t, eps, ab), t - 1)) ** 2)),
        Slip("told_place", "The network is told the place in the batch, not t[n].",
             lambda model, x0, t, eps, ab: np.mean((eps - model(jump(x0, t, eps, ab), np.arange(len(t)))) ** 2)),
        Slip("off_by_one", "alpha_bar is taken at t - 1: arrays are indexed by t itself.",
             lambda model, x0, t, eps, ab: np.mean((eps - model(jump(x0, t - 1, eps, ab), t)) ** 2)),
        Slip("variance_for_deviation", "The noise is multiplied by 1 - alpha_bar_t, its variance: the factor is the "
             "square root of it.",
             lambda model, x0, t, eps, ab: np.mean((eps - model(
                 np.sqrt(ab[t])[:, None] * x0 + (1.0 - ab[t])[:, None] * eps, t)) ** 2)),
    ),
    _cases,
)  # fmt: skip


# --- Adam --------------------------------------------------------------------------------------------------------


def _adam(
    theta: Any, g: Any, m: Any, v: Any, k: int, rate: float, *, b1: float = B1, b2: float = B2, at: int | None = None
) -> tuple[Any, ...]:
    """The step number k; its bias corrected as if it were the step number `at`."""
    at = k if at is None else at
    m, v = b1 * m + (1.0 - b1) * g, b2 * v + (1.0 - b2) * g**2
    return theta - rate * (m / (1.0 - b1**at)) / (np.sqrt(v / (1.0 - b2**at)) + SMALL), m, v


def _moved(direction: Any) -> Any:
    """A step along direction(m_hat, v_hat, m, v)."""

    def step(theta: Any, g: Any, m: Any, v: Any, k: int, rate: float) -> tuple[Any, ...]:
        _, m, v = _adam(theta, g, m, v, k, rate)
        return theta - rate * direction(m / (1.0 - B1**k), v / (1.0 - B2**k), m, v), m, v

    return step


def _g_not_squared(theta: Any, g: Any, m: Any, v: Any, k: int, rate: float) -> tuple[Any, ...]:
    m, v = B1 * m + (1.0 - B1) * g, B2 * v + (1.0 - B2) * g
    return theta - rate * (m / (1.0 - B1**k)) / (np.sqrt(v / (1.0 - B2**k)) + SMALL), m, v


def _correction_kept(theta: Any, g: Any, m: Any, v: Any, k: int, rate: float) -> tuple[Any, ...]:
    theta, m, v = _adam(theta, g, m, v, k, rate)
    return theta, m / (1.0 - B1**k), v / (1.0 - B2**k)


def _added(theta: Any, g: Any, m: Any, v: Any, k: int, rate: float) -> tuple[Any, ...]:
    m, v = B1 * m + g, B2 * v + g**2
    return theta - rate * (m / (1.0 - B1**k)) / (np.sqrt(v / (1.0 - B2**k)) + SMALL), m, v


def _old_moments(theta: Any, g: Any, m: Any, v: Any, k: int, rate: float) -> tuple[Any, ...]:
    stepped = theta - rate * (m / (1.0 - B1**k)) / (np.sqrt(v / (1.0 - B2**k)) + SMALL)
    return stepped, *_adam(theta, g, m, v, k, rate)[1:]


def _adam_cases() -> list[Case]:
    rng = np.random.default_rng(0)
    theta, g, m, v = (rng.normal(size=(3, 2)) for _ in range(4))
    zero = np.zeros((3, 2))
    return [
        Case("k = 1", (theta, g, zero, zero.copy(), 1, 0.01)),
        Case("k = 7", (theta, g, 0.1 * m, 0.01 * v**2, 7, 0.01)),
        Case("k = 10,000", (theta, g, 0.1 * m, 0.01 * v**2, 10_000, 0.3)),
        Case("small gradients", (theta, 1e-8 * g, 1e-8 * m, 1e-16 * v**2, 2, 0.01)),
    ]


ADAM = Exercise(
    "adam_step(theta, g, m, v, k, rate)",
    ("theta", "m", "v"),
    _adam,
    (
        Slip("no_correction", "The bias is not corrected: m and v start at zero, and are divided by 1 - 0.9^k and "
             "1 - 0.999^k.", _moved(lambda m_hat, v_hat, m, v: m / (np.sqrt(v) + SMALL))),
        Slip("m_alone", "The bias of v is not corrected, only that of m.",
             _moved(lambda m_hat, v_hat, m, v: m_hat / (np.sqrt(v) + SMALL))),
        Slip("v_alone", "The bias of m is not corrected, only that of v.",
             _moved(lambda m_hat, v_hat, m, v: m / (np.sqrt(v_hat) + SMALL))),
        Slip("k_stays", "The correction does not go with k: it is always that of k = 1.",
             lambda th, g, m, v, k, rate: _adam(th, g, m, v, k, rate, at=1)),
        Slip("from_zero", "The correction takes k + 1: here the first step has k = 1.",
             lambda th, g, m, v, k, rate: _adam(th, g, m, v, k, rate, at=k + 1)),
        Slip("one_early", "The correction takes k - 1, so that the first step divides by zero: it has k = 1.",
             lambda th, g, m, v, k, rate: _adam(th, g, m, v, k, rate, at=k - 1)),
        Slip("epsilon_inside", "1e-8 stands inside the root: it is added to the root.",
             _moved(lambda m_hat, v_hat, m, v: m_hat / np.sqrt(v_hat + SMALL))),
        Slip("no_epsilon", "1e-8 is missing: it is added to the root.",
             _moved(lambda m_hat, v_hat, m, v: m_hat / np.sqrt(v_hat))),
        Slip("no_root", "The root of v is missing.", _moved(lambda m_hat, v_hat, m, v: m_hat / (v_hat + SMALL))),
        Slip("ascent", "The step goes uphill: it is taken away from theta.",
             _moved(lambda m_hat, v_hat, m, v: -m_hat / (np.sqrt(v_hat) + SMALL))),
        Slip("swapped", "0.9 and 0.999 are exchanged: the first is of m.",
             lambda th, g, m, v, k, rate: _adam(th, g, m, v, k, rate, b1=B2, b2=B1)),
        Slip("g_not_squared", "v is the average of g: it is that of g squared.", _g_not_squared),
        Slip("correction_kept", "The corrected m and v are given back: the next step needs those before correction.",
             _correction_kept),
        Slip("added", "The gradient is added whole: m takes 1 - 0.9 of it and v 1 - 0.999 of its square.", _added),
        Slip("old_moments", "The step is taken with the m and v of before: they take up g first.", _old_moments),
    ),
    _adam_cases,
)  # fmt: skip
