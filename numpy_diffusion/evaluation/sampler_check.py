"""A check for samplers that were written elsewhere, on data whose answers are known.

Plug in one function, `step(eps_model, x, t, s, schedule, z) -> x_s`.  It runs down whole chains with an oracle for
its network (see `oracles`), so that every error is the sampler's own, and from the exact q(x_T), so that a right
sampler of any kind comes to the data's mean and covariance as its steps grow in number.

On Gaussian data the perfect network is affine in x, and a sampler that is made of it by sums and factors is affine
in x_T and in all its noise z_1, ..., z_K.  Run with each of these in turn as a unit vector it shows its whole map,
and with it the exact mean and covariance of what it draws, multistep or not: no Monte-Carlo, no statistics.  On a
mixture, where eps* is not affine, the sampler and the reference are run with the same x_T and z.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, assert_never, get_args

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.evaluation.sampler_report import DataName, Distance, Report, Row, order, verdict
from numpy_diffusion.evaluation.sampler_slips import Kind, answering_at_0, check_steps
from numpy_diffusion.noise import STREAM_REVERSE, STREAM_START, normal
from numpy_diffusion.oracles.gaussian_mixture import Gaussian, GaussianMixture
from numpy_diffusion.process.forward import q_sample
from numpy_diffusion.process.reverse import FIXED_VARIANCES, FixedVariance
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import chosen_steps

Step = Callable[[Any, np.ndarray, int, int, Schedule, np.ndarray], Any]

KINDS: tuple[Kind, ...] = get_args(Kind)
STEPS = (8, 16, 32, 64, 128)
PROBES = 4  # random rows that an affine map must foretell

# Correlated, off centre, and with variances on both sides of 1, for which some samplers are exact by accident.
GAUSSIAN = Gaussian([1.0, -0.5], [[2.0, 0.9], [0.9, 0.7]])
MIXTURE = GaussianMixture(
    [0.5, 0.3, 0.2],
    [[-1.5, 0.0], [1.0, 1.0], [1.0, -2.0]],
    [[[0.1, 0.05], [0.05, 0.2]], [[0.3, -0.1], [-0.1, 0.1]], [[0.05, 0.0], [0.0, 0.05]]],
)


def check_sampler(
    step: Step,
    schedule: Schedule | None = None,
    *,
    kind: Kind | None,
    variance: FixedVariance | float = "beta",
    steps: Sequence[int] | None = None,
    tolerance: float = 1e-6,
    n: int = 4096,
    seed: int = 0,
) -> Report:
    """How far a sampler is from the data, from a right one of its kind, and of what order it converges.

    Parameters
    ----------
    step : `step(eps_model, x, t, s, schedule, z)` -> x_s [N, 2], from x_t [N, 2] float64 to the next chosen step
        s < t, which is 0 at the end.  t and s are ints, `eps_model(x, t)` is the network, `schedule.alpha_bar[t]`
        is the paper's, and z [N, 2] is fresh standard normal noise, at the last step too, for those who want it; no
        other noise may be used.  A multistep method keeps its history in attributes of an object that is called
        (`__call__`, or a bound method): every chain runs on a deep copy of it as it was given, so nothing is left
        of the chain before.  A history kept elsewhere must be forgotten where t = schedule.T.
    schedule : linear with T = 1000 unless given; `Schedule.from_beta` makes one of your own
    kind : "ddim" (Song et al. 2021, without noise), "ancestral" (Ho et al. 2020), or None for another method, which
        then has no reference and is judged by its distance from the data and by its order
    variance : of "ancestral": "beta" or "beta_tilde" (Ho et al. section 3.2), or a number v in 0..1 for
        exp(v log beta + (1 - v) log beta_tilde), what a network with a learned variance has where its answer is v
        everywhere (Nichol and Dhariwal 2021, eq 15); without noise at the last step
    steps : numbers of steps to take, evenly spaced and rounded to integers; unless given 8, 16, 32, 64 and 128, these
        with 1 for the last of them, so that one chain comes by s = 1, where some samplers leave their noise out
    tolerance : how far from its reference a right sampler may be, as a `Distance`; code in float32 needs about
        1e-4.  Five standard errors are added where there are any.
    n : samples on the mixture
    seed : of the mixture's samples

    Returns
    -------
    a `Report`: print it; its `right` is True or False, and its `sentence` names the known slip whose every step is
    the sampler's, where a kind was declared

    Raises
    ------
    ValueError : an argument out of its range, a step that returns another shape, NaN or infinity

    Examples
    --------
    >>> def ddim(eps_model, x, t, s, schedule, z):
    ...     now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    ...     eps = eps_model(x, t)
    ...     x0 = (x - np.sqrt(1 - now) * eps) / np.sqrt(now)
    ...     return np.sqrt(then) * x0 + np.sqrt(1 - then) * eps
    >>> report = check_sampler(ddim, kind="ddim", steps=(50, 100))
    >>> report.right, round(report.of("Gaussian")[-1].order, 1)
    (True, 1.0)
    """
    if not callable(step):
        raise ValueError(
            f"step: expected a callable step(eps_model, x, t, s, schedule, z), got {type(step).__name__}"
        )
    schedule = Schedule.linear() if schedule is None else _checks.instance("schedule", schedule, Schedule)
    kind = None if kind is None else _checks.choice("kind", kind, KINDS)
    v = _fraction(variance) if kind == "ancestral" else 0.0
    reference = None if kind is None else _reference(kind, v)
    asked = np.atleast_1d(STEPS if steps is None else steps)
    numbers = sorted(set(_checks.steps("steps", asked, 1, schedule.T).tolist()))
    tolerance, n = _checks.real("tolerance", tolerance, 1e-10), _checks.integer("n", n, 2, 2**20)
    rows: list[Row] = []
    on: dict[DataName, GaussianMixture] = {"Gaussian": GAUSSIAN, "mixture": MIXTURE}
    for name, data in on.items():
        before = None
        for number in numbers:
            times = chosen_steps(schedule, number).tolist()
            if steps is None and number == numbers[-1]:
                times[-1] = 1
            chain = _Chain(data, schedule, times, kind is not None, n, _checks.seed(seed))
            error, off, affine = _compared(chain, step, reference, tolerance)
            found = verdict(off, tolerance) if affine else "not affine in x and z: noise of its own, or a clip?"
            before = Row(name, number, error, order(error, number, before), off, found)
            rows.append(before)
    slip = sentence = ""
    if kind is not None and any(row.verdict != "right" for row in rows):
        likely = check_steps(step, reference, schedule, GAUSSIAN, kind, v, tolerance)
        slip, sentence = likely.slip, likely.sentence
    return Report(f"{kind or ''}{f', {variance}' if kind == 'ancestral' else ''}", tuple(rows), slip, sentence)


# --- the references, as the papers print them --------------------------------------------------------------------


def _reference(kind: Kind, v: float) -> Step:
    match kind:
        case "ddim":
            return _ddim
        case "ancestral":
            return partial(_ancestral, v=v)
        case _:
            assert_never(kind)


def _fraction(variance: FixedVariance | float) -> float:
    """v where log sigma^2 = v log beta + (1 - v) log beta_tilde."""
    if not isinstance(variance, str):
        return _checks.real("variance", variance, 0.0, 1.0)
    name = _checks.choice("variance", variance, FIXED_VARIANCES)
    match name:
        case "beta":
            return 1.0
        case "beta_tilde":
            return 0.0
        case _:
            assert_never(name)


def _ddim(eps_model: Any, x: np.ndarray, t: int, s: int, schedule: Schedule, z: np.ndarray) -> np.ndarray:
    """Song et al. 2021, eq 12 with sigma = 0."""
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    eps = eps_model(x, t)
    x0 = (x - np.sqrt(1.0 - now) * eps) / np.sqrt(now)
    return np.sqrt(then) * x0 + np.sqrt(1.0 - then) * eps


def _ancestral(
    eps_model: Any, x: np.ndarray, t: int, s: int, schedule: Schedule, z: np.ndarray, v: float
) -> np.ndarray:
    """Ho et al. 2020, eq 7 with x_0 from eps, and Nichol and Dhariwal 2021, eq 15, with the fraction v."""
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    alpha, beta = now / then, 1.0 - now / then
    x0 = (x - np.sqrt(1.0 - now) * eps_model(x, t)) / np.sqrt(now)
    mean = (np.sqrt(then) * beta * x0 + np.sqrt(alpha) * (1.0 - then) * x) / (1.0 - now)
    beta_tilde = beta * (1.0 - then) / (1.0 - now)
    return mean + np.sqrt(beta**v * beta_tilde ** (1.0 - v)) * z if s > 0 else mean


# --- the chains --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Chain:
    """What a sampler is run on: the data, the schedule, the chosen steps from T down, whether the network answers at
    step 0 as well, and the number of draws."""

    data: GaussianMixture
    schedule: Schedule
    times: list[int]
    at_0: bool
    n: int
    seed: int

    def run(self, step: Step, x: np.ndarray, noise: Sequence[np.ndarray]) -> np.ndarray:
        """x_0 from x = x_T, with noise[k] for the z of step k, on a copy of `step` as it was given."""
        try:
            step = copy.deepcopy(step)
        except TypeError as error:
            raise ValueError(f"step: expected what copy.deepcopy can copy, got an error: {error}") from error
        network, x = self.data.eps(self.schedule), x.copy()
        model = answering_at_0(network) if self.at_0 else network
        for t, s, z in zip(self.times, [*self.times[1:], 0], noise, strict=True):
            answer = step(model, x, t, s, self.schedule, z.copy())
            x = _checks.array(f"step: x_s at t = {t}", answer, x.shape, np.float64)
        return x

    def draws(self) -> tuple[np.ndarray, list[np.ndarray]]:
        """n exact draws of q(x_T), and their z for each step."""
        T, D = self.schedule.T, len(self.data.mean)
        x = q_sample(self.data.sample(self.n, self.seed), T, self.schedule, self.seed)[0].astype(np.float64)
        return x, [self._normal(STREAM_REVERSE, self.n, t, D) for t in self.times]

    def affine(self, step: Step) -> tuple[np.ndarray, np.ndarray, float]:
        """b [D] and G [D (K + 1), D] with x_0 = b + (x_T, z_1, ..., z_K) G, and how far that is from being so.

        One run shows all: row 0 is zero everywhere, then one row for each unit vector, then PROBES random ones.
        """
        D, inputs = len(self.data.mean), len(self.data.mean) * (len(self.times) + 1)
        probes = self._normal(STREAM_START, PROBES, self.schedule.T, inputs)
        start, *noise = np.split(np.concatenate([np.zeros((1, inputs)), np.eye(inputs), probes]), inputs // D, axis=1)
        x = self.run(step, start, noise)
        b, G = x[0], x[1:-PROBES] - x[0]
        return b, G, float(np.abs(b + probes @ G - x[-PROBES:]).max() / max(1.0, np.abs(x).max()))

    def moments(self, b: np.ndarray, G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of b + (x_T, z_1, ..., z_K) G, where x_T ~ q(x_T) = N(sqrt(alpha_bar_T) m, S)."""
        D, alpha_bar = len(b), self.schedule.alpha_bar[-1]
        S = alpha_bar * self.data.covariance + (1.0 - alpha_bar) * np.eye(D)
        mean = b + np.sqrt(alpha_bar) * self.data.mean @ G[:D]
        return mean, G[:D].T @ S @ G[:D] + G[D:].T @ G[D:]

    def _normal(self, stream: int, n: int, step: int, size: int) -> np.ndarray:
        return normal(self.seed, stream, np.arange(n), step, size).astype(np.float64)


# --- what is made of them ----------------------------------------------------------------------------------------


def _compared(
    chain: _Chain, step: Step, reference: Step | None, tolerance: float
) -> tuple[Distance, Distance | None, bool]:
    """Distance from the data and from the reference, and whether the sampler is affine where it should be."""
    if not isinstance(chain.data, Gaussian):
        return *_by_draws(chain, step, reference), True
    b, G, gap = chain.affine(step)
    if gap > tolerance:
        return *_by_draws(chain, step, reference), False
    mean, covariance = chain.moments(b, G)
    error = _distance(chain.data, mean - chain.data.mean, covariance - chain.data.covariance)
    if reference is None:
        return error, None, True
    right_mean, right_covariance = chain.moments(*chain.affine(reference)[:2])
    return error, _distance(chain.data, mean - right_mean, covariance - right_covariance), True


def _by_draws(chain: _Chain, step: Step, reference: Step | None) -> tuple[Distance, Distance | None]:
    """The distances by n draws; those of the reference share x_T and z, so that the difference has little noise."""
    data, draws = chain.data, chain.draws()
    x = chain.run(step, *draws)
    error = _mean_distance(data, x - data.mean, _squares(x) - data.covariance)
    if reference is None:
        return error, None
    y = chain.run(reference, *draws)
    return error, _mean_distance(data, x - y, _squares(x) - _squares(y))


def _squares(x: np.ndarray) -> np.ndarray:
    """What a covariance is the mean of: [n, D, D]."""
    offset = x - x.mean(axis=0)
    return offset[:, :, None] * offset[:, None, :]


def _mean_distance(data: GaussianMixture, x: np.ndarray, squares: np.ndarray) -> Distance:
    """Of the means of x [n, D] and squares [n, D, D] from zero, with their standard errors."""
    gaps, errors = _distance(data, x.mean(0), squares.mean(0)), _distance(data, x.std(0), squares.std(0))
    return Distance(*gaps[:2], *(float(error / np.sqrt(len(x))) for error in errors[:2]))


def _distance(data: GaussianMixture, mean: np.ndarray, covariance: np.ndarray) -> Distance:
    deviation = np.sqrt(np.trace(data.covariance) / len(data.mean))
    size = np.linalg.norm(data.covariance)
    return Distance(float(np.linalg.norm(mean) / deviation), float(np.linalg.norm(covariance) / size))
