"""The log-density of a trajectory under the model (article, eq 7), and estimates of log p(x_0) from trajectories.

    log p(x_{0:T}) = log p(x_T) + sum over t of log p(x_{t-1} | x_t)

Each factor is a Gaussian with the mean of `reverse.mu_from_eps`; for 8-bit data the last, p(x_0 | x_1), is a
probability of the integers 0..255 (Ho et al. 2020, eq 13).  All is float64 but for the call of a float32 network.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.models.protocol import Described, Units, check_callable, members
from numpy_diffusion.noise import STREAM_TRAJECTORY, normal
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.process import variances
from numpy_diffusion.process.reverse import mu_from_eps
from numpy_diffusion.process.schedules import Schedule

LOG_2PI = math.log(2.0 * math.pi)
MIDDLE_OF_8_BITS = 127.5  # a model without units of its own sees 0..255 as -1..1 (Ho et al. section 3.3)
FAR = 10.0  # standard deviations from which on the continued fraction of the normal tail holds to rounding

_erf = np.vectorize(math.erf, otypes=[np.float64])
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


class Setting(NamedTuple):
    """A model and its data, checked: x = shift + scale u, where u is what the model works on."""

    model: Described
    schedule: Schedule
    variance: str | np.ndarray
    prior: Gaussian | None
    units: Units  # with a number for each coordinate
    u: np.ndarray  # float64 [N, *shape]
    eight_bits: bool  # whether the data are the integers 0..255


class Step(NamedTuple):
    """A step of a forward chain: t, x_{t-1}, x_t [N, ...], log q(x_t | x_{t-1}) and log p(x_{t-1} | x_t) [N]."""

    t: int
    x: np.ndarray
    xt: np.ndarray
    log_q: np.ndarray
    log_p: np.ndarray


def trajectory_log_density(
    model: Any,
    schedule: Schedule,
    chain: Mapping[int, ArrayLike] | ArrayLike,
    variance: str | ArrayLike = "beta",
    prior: Gaussian | None = None,
) -> np.ndarray:
    """log p(x_{0:T}) of whole reverse chains, in nats (article eq 7; Ho et al. eq 1).

    Parameters
    ----------
    model : eps = model(x, t)
    chain : {t: x_t [N, ...]} with every step 0..T, as `sample(..., keep=range(T + 1))` returns it, or an array
        [T + 1, N, ...]; in the data's own units
    variance : of p(x_{t-1} | x_t): "beta", "beta_tilde" (with its value at t = 2 for its 0 at t = 1), "learned", or
        an array [T + 1] or [T + 1, ...] by t, positive from t = 1 on
    prior : p(x_T) in the model's units, with a regular covariance; N(0, I) unless given

    Returns
    -------
    float64 [N]; a density of T + 1 points in the data's units

    Raises
    ------
    ValueError : a step that is missing, shapes that differ, a variance that is not positive, NaN

    Examples
    --------
    >>> schedule = Schedule.linear(T=10)
    >>> trajectory_log_density(lambda x, t: x, schedule, np.zeros((11, 1, 2))).round(4).tolist()
    [-8.7901]
    """
    T = _checks.instance("schedule", schedule, Schedule).T
    points = chain if isinstance(chain, Mapping) else _checks.array("chain", chain, None, np.float64, min_ndim=3)
    missing = set(range(T + 1)) - set(points if isinstance(points, Mapping) else range(len(points)))
    if missing or len(points) > T + 1:
        got = f"none at t = {min(missing)}" if missing else f"{len(points)}"
        raise ValueError(f"chain: expected x_t for every step 0..{T}, got {got}")
    start = _checks.array("chain[0]", points[0], None, np.float64)
    setting = checked(model, schedule, start, variance, prior, "chain[0]")
    total, x = np.zeros(len(start)), setting.u
    for t in range(1, T + 1):
        xt = setting.units.to_model(_checks.array(f"chain[{t}]", points[t], x.shape, np.float64))
        total, x = total + log_step(setting, x, xt, t) - (setting.units.log_scale if t > 1 else 0.0), xt
    return total + log_prior(prior, x) - setting.units.log_scale


def importance_weighted(
    model: Any,
    schedule: Schedule,
    x0: ArrayLike,
    K: int,
    seed: int = 0,
    *,
    variance: str | ArrayLike = "beta",
    prior: Gaussian | None = None,
) -> np.ndarray:
    """log of the mean of p(x_{0:T}) / q(x_{1:T} | x_0) over K forward trajectories (Burda et al. 2016, eq 8).

    In expectation it is a lower bound of log p(x_0): for K = 1 minus the variational bound, and tighter as K grows.

    Parameters
    ----------
    x0 : [N, ...] data in its own units; dtype uint8 is 8-bit data, whose result is the log of a probability
    K : trajectories a sample; memory grows with N K
    seed : of the trajectories; trajectory k of sample i is the same for every N and K
    model, variance, prior : as for `trajectory_log_density`

    Returns
    -------
    float64 [N], in nats

    Raises
    ------
    ValueError : an argument out of its range, a variance that is not positive, a model's NaN

    Examples
    --------
    >>> schedule = Schedule.linear(T=10)
    >>> oracle = Gaussian([0.0], [[1.0]]).eps(schedule)  # N(0, 1) itself, for which "beta" is the right variance
    >>> importance_weighted(oracle, schedule, [[0.0], [1.0]], K=100).round(2).tolist()
    [-0.92, -1.42]
    """
    setting = checked(model, schedule, x0, variance, prior)
    K = _checks.integer("K", K, 1, 2**32 // (schedule.T + 1))
    log_weight = np.zeros(len(setting.u) * K)
    for step in forward_steps(setting, _checks.seed(seed), STREAM_TRAJECTORY, K):
        log_weight += step.log_p - step.log_q
    log_weight = (log_weight + log_prior(prior, step.xt)).reshape(-1, K)
    largest = log_weight.max(axis=1)
    return largest + np.log(np.exp(log_weight - largest[:, None]).mean(axis=1))


def checked(
    model: Any,
    schedule: Schedule,
    x0: ArrayLike,
    variance: str | ArrayLike,
    prior: Gaussian | None,
    name: str = "x0",
) -> Setting:
    """The arguments that bound and trajectories share, checked; the data, called `name`, in the model's units."""
    _checks.instance("schedule", schedule, Schedule)
    check_callable(model)
    known = members(model)
    whole = getattr(x0, "dtype", None) == np.uint8
    x = _checks.array(name, x0, None, np.float64, min_ndim=2)
    shape = x.shape[1:]
    own = known.own_shape
    if own is not None and own != shape:
        raise ValueError(f"{name}: expected shape {['N', *own]}, as the model's, got {list(x.shape)}")
    kind = variances.checked(variance, schedule, shape, known.learn_variance)
    if not isinstance(kind, str) and kind[1:].min() <= 0.0:
        t = 1 + int(np.argmin(kind[1:].reshape(schedule.T, -1).min(axis=1)))
        raise ValueError(f"variance: expected positive values for t = 1..{schedule.T}, got {kind[t].min():g} at {t}")
    if prior is not None:
        D = math.prod(shape)
        if len(_checks.instance("prior", prior, Gaussian).mean) != D or prior.eigenvalues.min() <= 0.0:
            raise ValueError(f"prior: expected {D} dimensions and a regular covariance, got {prior!r}")
    units = known.units
    if known.own_units is None and whole:
        units = Units(MIDDLE_OF_8_BITS, MIDDLE_OF_8_BITS)
    units = units.spread(shape)
    return Setting(known, schedule, kind, prior, units, units.to_model(x), whole)


def forward_steps(setting: Setting, seed: int, stream: int, draws: int) -> Iterator[Step]:
    """Forward chains step by step from t = 1 to T, `draws` of each sample, and both chains' densities of each step.

    log p(x_0 | x_1) is in the data's units, all else in the model's.
    """
    x, schedule = np.repeat(setting.u, draws, axis=0), setting.schedule
    D = x[0].size
    for t in range(1, schedule.T + 1):
        z = draw(seed, stream, draws, t, schedule, x.shape)
        xt = np.sqrt(schedule.alpha[t]) * x + np.sqrt(schedule.beta[t]) * z
        log_q = log_normal(z, 0.0, 0.0) - 0.5 * D * np.log(schedule.beta[t])
        yield Step(t, x, xt, log_q, log_step(setting, x, xt, t))
        x = xt


def draw(seed: int, stream: int, draws: int, t: int, schedule: Schedule, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normals [N * draws, ...] = `shape`; draw d of sample i is the same for every N and `draws`."""
    sample, number = np.divmod(np.arange(shape[0]), draws)
    steps = number * (schedule.T + 1) + t
    return normal(seed, stream, sample, steps, math.prod(shape[1:])).reshape(shape).astype(np.float64)


def predicted(setting: Setting, xt: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
    """The model's eps at x_t [N, ...], and the log of its variance of p(x_{t-1} | x_t), which stands beside it."""
    model = setting.model
    if isinstance(setting.variance, str) and setting.variance == "learned" and model.eps_and_fraction is not None:
        eps, fraction = model.eps_and_fraction(xt, t)
        fraction = _checks.array(f"model: fraction at t = {t}", fraction, xt.shape, np.float64)
        low, high = variances.log_bounds(setting.schedule, t)
        log_variance = low + (high - low) * fraction
    else:
        eps, log_variance = model.model(xt, t), fixed_log_variance(setting, t)
    return _checks.array(f"model: eps at t = {t}", eps, xt.shape, np.float64), log_variance


def fixed_log_variance(setting: Setting, t: int) -> np.ndarray:
    """log sigma_t^2 where x_t has no part in it: [] or [...]."""
    if isinstance(setting.variance, str):
        log_beta_tilde, log_beta = variances.log_bounds(setting.schedule, t)
        return log_beta if setting.variance == "beta" else log_beta_tilde
    return np.log(setting.variance[t])


def log_step(setting: Setting, x: np.ndarray, xt: np.ndarray, t: int) -> np.ndarray:
    """log p(x_{t-1} | x_t) at x_{t-1} = x: [N]; in the model's units, at t = 1 in the data's."""
    eps, log_variance = predicted(setting, xt, t)
    mean = mu_from_eps(xt, eps, t, setting.schedule)
    if t > 1 or not setting.eight_bits:
        return log_normal(x, mean, log_variance) - (setting.units.log_scale if t == 1 else 0.0)
    values, means = (setting.units.to_data(u) for u in (x, mean))
    bins = log_bin(values, means, setting.units.scale * np.exp(0.5 * log_variance))
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


def log_bin(x: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """log P(x) of 8-bit values under N(mean, sigma^2): bins x +- 1/2, the first and the last open (Ho et al. eq 13).

    Mirrored where it lies left, a bin (a, b) in standard deviations has a + b >= 0.  With 0 inside, the normal
    integrals of its two sides add up; right of 0 the tail Q(a) - Q(b) is taken relative to exp(-a^2 / 2), so that no
    bin is too far out to have a logarithm.
    """
    low = np.where(x < 0.5, -np.inf, (x - 0.5 - mean) / sigma)
    high = np.where(x > 254.5, np.inf, (x + 0.5 - mean) / sigma)
    left = low + high < 0.0
    a, b = np.where(left, -high, low), np.where(left, -low, high)
    inside = 0.5 * (_erf(b / math.sqrt(2.0)) + _erf(-a / math.sqrt(2.0)))
    start = np.maximum(a, 0.0)
    tail = _scaled_tail(start) - _scaled_tail(b) * np.exp(-0.5 * (b - start) * (b + start))
    with np.errstate(divide="ignore", invalid="ignore"):  # of the side that is not chosen
        return np.where(a < 0.0, np.log(inside), np.log(tail) - 0.5 * start**2)


def _scaled_tail(z: np.ndarray) -> np.ndarray:
    """Q(z) exp(z^2 / 2) for z >= 0, Q the normal's upper tail (Abramowitz and Stegun 26.2.14 for large z)."""
    near, far = np.minimum(z, FAR), np.maximum(z, FAR)
    fraction = far
    for k in range(30, 0, -1):
        fraction = far + k / fraction
    exact = 0.5 * _erfc(near / math.sqrt(2.0)) * np.exp(0.5 * near**2)
    return np.where(z < FAR, exact, 1.0 / (math.sqrt(2.0 * math.pi) * fraction))
