"""A model and its data, checked, and the densities of one step: what bound and trajectories share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, assert_never

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.evaluation.eight_bits import log_bin
from numpy_diffusion.models.protocol import Described, Units, check_eps, check_schedule, members
from numpy_diffusion.models.wrapper import repeated
from numpy_diffusion.noise import WORD_RANGE, normal
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.process import variances
from numpy_diffusion.process.reverse import step_mean
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import Variance

LOG_2PI = math.log(2.0 * math.pi)
MIDDLE_OF_8_BITS = 127.5  # a model without units of its own sees 0..255 as -1..1 (Ho et al. section 3.3)


class Setting(NamedTuple):
    """A model and its data, checked: x = shift + scale u, where u is what the model works on."""

    model: Described
    schedule: Schedule
    variance: Variance | np.ndarray
    prior: Gaussian | None
    units: Units  # with a number for each coordinate
    u: np.ndarray  # float64 [N, *shape]
    eight_bits: bool  # whether the data are the integers 0..255
    first: int  # number of the first sample, for its noise

    def repeated(self, times: int) -> Setting:
        """For each sample so many times in a row, and what the model is told of it."""
        model = repeated(self.model.model, len(self.u), times)
        return self._replace(model=members(model), u=np.repeat(self.u, times, axis=0))


class Step(NamedTuple):
    """A step of a forward chain: t, x_{t-1}, x_t [N, ...], log q(x_t | x_{t-1}) and log p(x_{t-1} | x_t) [N]."""

    t: int
    x: np.ndarray
    xt: np.ndarray
    log_q: np.ndarray
    log_p: np.ndarray


def checked(
    model: Any,
    schedule: Schedule,
    x0: ArrayLike,
    variance: Variance | ArrayLike,
    prior: Gaussian | None,
    name: str = "x0",
    first: int = 0,
) -> Setting:
    """The arguments that bound and trajectories share, checked; the data, called `name`, in the model's units."""
    check_schedule(model, schedule)
    check_eps(model)
    known = members(model)
    eight_bits = getattr(x0, "dtype", None) == np.uint8
    x = _checks.array(name, x0, None, np.float64, min_ndim=2)
    shape = x.shape[1:]
    own = known.own_shape
    if own is not None and own != shape:
        raise ValueError(f"{name}: expected shape {['N', *own]}, as the model's, got {list(x.shape)}")
    found = variances.checked(variance, schedule, shape, known.learn_variance)
    if isinstance(found, np.ndarray) and found[1:].min() <= 0.0:
        t = 1 + int(np.argmin(found[1:].reshape(schedule.T, -1).min(axis=1)))
        raise ValueError(f"variance: expected positive values for t = 1..{schedule.T}, got {found[t].min():g} at {t}")
    if prior is not None:
        D = math.prod(shape)
        if len(_checks.instance("prior", prior, Gaussian).mean) != D or prior.eigenvalues.min() <= 0.0:
            raise ValueError(f"prior: expected {D} dimensions and a regular covariance, got {prior!r}")
    units = known.units
    if eight_bits and units.are_the_datas:
        units = Units(MIDDLE_OF_8_BITS, MIDDLE_OF_8_BITS)
    units = units.spread(shape)
    first = _checks.integer("first", first, 0, WORD_RANGE - len(x))
    return Setting(known, schedule, found, prior, units, units.to_model(x), eight_bits, first)


def forward_steps(setting: Setting, seed: int, stream: int, draws: int) -> Iterator[Step]:
    """Forward chains step by step from t = 1 to T, `draws` of each sample, and both chains' densities of each step.

    log p(x_0 | x_1) is in the data's units, all else in the model's.
    """
    setting = setting.repeated(draws)
    x, schedule = setting.u, setting.schedule
    D = x[0].size
    for t in range(1, schedule.T + 1):
        z = forward_noise(seed, stream, draws, t, schedule, x.shape, setting.first)
        xt = np.sqrt(schedule.alpha[t]) * x + np.sqrt(schedule.beta[t]) * z
        log_q = log_normal(z, 0.0, 0.0) - 0.5 * D * np.log(schedule.beta[t])
        yield Step(t, x, xt, log_q, log_step(setting, x, xt, t))
        x = xt


def forward_noise(
    seed: int, stream: int, draws: int, t: int, schedule: Schedule, shape: tuple[int, ...], first: int = 0
) -> np.ndarray:
    """Standard normals [N * draws, ...] = `shape` of the samples from `first` on; draw d of a sample is the same for
    every N and `draws`.

    The generator knows a sample and a step, and no draws: draw d of step t takes d (T + 1) + t for the step.
    """
    sample, number = np.divmod(np.arange(shape[0]), draws)
    steps = number * (schedule.T + 1) + t
    return normal(seed, stream, first + sample, steps, math.prod(shape[1:])).reshape(shape).astype(np.float64)


def predicted(setting: Setting, xt: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
    """The model's eps at x_t [N, ...], and the log of its variance of p(x_{t-1} | x_t), which stands beside it."""
    model = setting.model
    if isinstance(setting.variance, str) and setting.variance == "learned" and model.eps_and_fraction is not None:
        eps, fraction = model.eps_and_fraction(xt.copy(), t)  # copies, to which the model may write
        fraction = _checks.array(f"model: fraction at t = {t}", fraction, xt.shape, np.float64)
        low, high = variances.log_bounds(setting.schedule, t)
        log_variance = low + (high - low) * fraction
    else:
        eps, log_variance = model.model(xt.copy(), t), fixed_log_variance(setting, t)
    return _checks.array(f"model: eps at t = {t}", eps, xt.shape, np.float64), log_variance


def fixed_log_variance(setting: Setting, t: int) -> np.ndarray:
    """log sigma_t^2 where it is the same for every x_t: [] or [...]."""
    variance = setting.variance
    if isinstance(variance, np.ndarray):
        return np.log(variance[t])
    log_beta_tilde, log_beta = variances.log_bounds(setting.schedule, t)
    match variance:
        case "beta":
            return log_beta
        case "beta_tilde":
            return log_beta_tilde
        case "learned":
            raise ValueError("variance: expected one that is the same for every x_t, got 'learned'")
        case _:
            assert_never(variance)


def log_step(setting: Setting, x: np.ndarray, xt: np.ndarray, t: int) -> np.ndarray:
    """log p(x_{t-1} | x_t) at x_{t-1} = x: [N]; in the model's units, at t = 1 in the data's."""
    eps, log_variance = predicted(setting, xt, t)
    mean = step_mean(xt, eps, t, t - 1, setting.schedule)
    if t > 1 or not setting.eight_bits:
        return log_normal(x, mean, log_variance) - (setting.units.log_scale if t == 1 else 0.0)
    values, means = (setting.units.to_data(u) for u in (x, mean))
    bins = log_bin(values, means, setting.units.divisor * np.exp(0.5 * log_variance))
    return bins.reshape(len(x), -1).sum(axis=1)


def log_prior(prior: Gaussian | None, x: np.ndarray) -> np.ndarray:
    """log p(x_T) at x [N, ...]: [N]."""
    offset, variance = along_axes(prior, x)
    return log_normal(offset, 0.0, np.log(variance))


def along_axes(prior: Gaussian | None, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x [N, ...] from the prior's mean along its principal axes [N, D], and its variances there [D]."""
    flat = x.reshape(len(x), -1)
    if prior is None:
        return flat, np.ones(flat.shape[1])
    return (flat - prior.mean) @ prior.eigenvectors[0], prior.eigenvalues[0]


def log_normal(x: np.ndarray, mean: np.ndarray | float, log_variance: np.ndarray | float) -> np.ndarray:
    """log N(x; mean, variance) of each sample, summed over its coordinates: [N]."""
    values = LOG_2PI + log_variance + (x - mean) ** 2 * np.exp(-np.asarray(log_variance))
    return -0.5 * values.reshape(len(x), -1).sum(axis=1)
