"""The exact likelihood of a model: its probability-flow ODE, followed from the data to the noise.

With u = arsinh(sigma), sigma^2 = (1 - alpha_bar) / alpha_bar, so that sqrt(alpha_bar) = sech(u) and
sqrt(1 - alpha_bar) = tanh(u), the ODE (Song et al. 2021, arXiv 2011.13456, eq 13) reads

    dx / du = f(x, t) = eps(x, t) - tanh(u) x

In y = cosh(u) x and sigma = sinh(u) it is DDIM's dy / dsigma = eps (arXiv 2010.02502, eq 14), by
dy / du = cosh(u) dx / du + sinh(u) x and dsigma / du = cosh(u).  Along a path d log p(x) / du = -div f (Song et al.
eq 39), hence

    log p(x_0) = log p(x_T) + integral of div f from 0 to u_T,    div f = div eps - D tanh(u)

The integrals are those of polynomials in phi = arctan(sigma), the angle of x_t = cos(phi) x_0 + sin(phi) eps.  The
exact f = cos(phi) E[cos(phi) eps - sin(phi) x_0 | x_t] is smooth in it to the end, and no schedule's steps are long.
As eps and -eps are equally likely, f is odd in phi: f and div f are 0 at the data, where no model is asked.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion._progress import Bar
from numpy_diffusion.models.protocol import Model, check_schedule, members
from numpy_diffusion.noise import STREAM_HUTCHINSON, WORD_RANGE, words
from numpy_diffusion.oracles.gaussian_mixture import GaussianMixture
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import check_start, chosen_steps

Jvp = Callable[..., tuple[np.ndarray, np.ndarray]]

NODES = 5  # values of f that each polynomial goes through
SWEEPS = 6  # over the first nodes: each multiplies the error by about u^2 / 2 and the Jacobian of f over u
GAUSS = 32  # points of the quadrature that integrates the polynomials in phi over a step of u
BLOCK = 2**20  # numbers that a layer of the network may hold in one call: the samples of a block follow from it
WIDTH = 256  # numbers a sample that a layer holds, where the sample itself has fewer


def log_prob(
    model: Model,
    schedule: Schedule,
    x: ArrayLike,
    *,
    prior: GaussianMixture | None = None,
    probes: int | None = None,
    seed: int = 0,
    steps: int | ArrayLike | None = None,
    first: int = 0,
    progress: bool = True,
) -> np.ndarray:
    """log p(x) of the model by its probability-flow ODE, in nats, in the data's own units.

    Parameters
    ----------
    model : has jvp(x, t, tangent) -> (eps, J tangent), float64: x [N, ...], t an int, tangent and J tangent
        [K, N, ...], J the Jacobian of each sample's eps by its x.  `MLP` and the oracles have it.
    x : [N, ...]
    prior : density of x_T in the model's units, over the D numbers of a sample; N(0, I) unless given
    probes : None for the exact divergence, which costs D tangents a step; or how many random signs a sample estimate
        it, without bias, the same along the whole path (Hutchinson 1990; Grathwohl et al. 2019)
    seed : of the probes
    steps : how many steps of the schedule to take, evenly spaced, or which, T among them; all unless given
    first : number of the first sample, whose probes are those of its number; to split the work, best at multiples of
        `rows_at_once`
    progress : show a bar on standard error, if it takes longer than a second

    Returns
    -------
    float64 [N].  The error is that of the integration: for mixtures of moderate spread below 1e-8 nats at T = 1000,
    with the fifth power of the step.

    Raises
    ------
    ValueError : a model without jvp, or whose jvp returns another shape, NaN or infinity; a prior of another
        dimension; an argument out of its range

    Examples
    --------
    >>> from numpy_diffusion.oracles.gaussian_mixture import Gaussian
    >>> schedule, data = Schedule.linear(T=1000), Gaussian([0.0], [[0.25]])
    >>> log_prob(data.eps(schedule), schedule, [[0.0], [1.0]]).round(3).tolist()
    [-0.226, -2.226]
    >>> data.log_density([[0.0], [1.0]], 0, schedule).round(3).tolist()
    [-0.226, -2.226]
    """
    plan = _plan(check_schedule(model, schedule), steps)
    known = members(model)
    if not callable(known.jvp):
        raise ValueError(
            "model: expected one with a method jvp(x, t, tangent) -> (eps, J tangent), as MLP and the oracles have, "
            f"got {type(model).__name__}"
        )
    own = known.own_shape
    x = _checks.array("x", x, None if own is None else ("N", *own), np.float64, min_ndim=2)
    units, D = known.units.spread(x.shape[1:]), math.prod(x.shape[1:])
    _check_prior(prior, D)
    seed = _checks.seed(seed)
    first = _checks.integer("first", first, 0, WORD_RANGE - len(x))
    if probes is not None:
        _checks.integer("probes", probes, 1)

    size = rows_at_once(D, probes)
    blocks = [np.arange(low, min(low + size, len(x))) for low in range(0, len(x), size)]
    found = np.empty(len(x))
    with Bar("likelihood", len(blocks) * (len(plan.t) - 1), "steps", show=progress) as bar:
        for rows in blocks:
            along = _basis(x[rows].shape) if probes is None else _signs(seed, first + rows, probes, x.shape[1:])
            xT, integral = _integrated(known.jvp, plan, units.to_model(x[rows]), along, bar)
            found[rows] = _log_prior(prior, xT.reshape(len(rows), -1), schedule) + integral
    return found - units.log_scale


def rows_at_once(D: int, probes: int | None = None) -> int:
    """How many samples of D numbers each call of the model has, but for the last: with work that is split at
    multiples of it, the model is asked the same as by one call for all.

    >>> rows_at_once(2), rows_at_once(2, probes=1)
    (2048, 4096)
    """
    tangents = D if probes is None else probes
    return max(1, BLOCK // (tangents * max(D, WIDTH)))


class _Plan(NamedTuple):
    """The path's nodes 0 = u_0 < u_1 < ... < u_n, and the weights of f at nodes in an integral of f over u."""

    t: np.ndarray  # [n + 1]
    tanh: np.ndarray  # [n + 1], of u
    start: np.ndarray  # [m, m], m = NODES - 1: row j is the integral from 0 to u_{j+1}, by nodes 1..m
    predict: np.ndarray  # [n - m, NODES]: row j is that from u_{m+j} to u_{m+j+1}, by the nodes up to m + j
    correct: np.ndarray  # [n - m, NODES]: the same, by the nodes up to m + j + 1


def _plan(schedule: Schedule, steps: int | ArrayLike | None) -> _Plan:
    """Polynomials through the nodes as they are: Adams and Bashforth predict, Adams and Moulton correct.

    Through the first nodes goes one odd polynomial, as f is odd.  Its weights are smaller than those of one that goes
    through 0 and these nodes only, so that it is the better choice for a network too.
    """
    chosen = chosen_steps(schedule, steps)
    check_start("T", schedule.T, chosen)
    t = np.append(0, chosen[::-1])
    u = np.arcsinh(np.exp(-0.5 * schedule.log_snr[t]))
    first, last = np.arange(1, min(NODES, len(u))), np.arange(NODES, len(u))
    predict, correct = (
        _weights(u[last[:, None] + np.arange(NODES) - back], u[last - 1], u[last], np.arange(NODES))
        for back in (NODES, NODES - 1)
    )
    start = _weights(np.tile(u[first], (len(first), 1)), np.zeros(len(first)), u[first], 2 * first - 1)
    return _Plan(t, np.tanh(u), start, predict, correct)


def _weights(nodes: np.ndarray, low: np.ndarray, high: np.ndarray, powers: np.ndarray) -> np.ndarray:
    """w [M, K] with sum of w f(nodes) = the integral of f over u from low to high [M], nodes [M, K],
    for f = (phi(u) - phi(low))^power, powers [K]."""

    def power(u: np.ndarray) -> np.ndarray:
        phi, start, end = (np.arctan(np.sinh(at)) for at in (u, low[:, None], high[:, None]))
        return ((phi - start) / (end - start))[:, None, :] ** powers[:, None]

    place, weight = np.polynomial.legendre.leggauss(GAUSS)
    half = 0.5 * (high - low)[:, None]
    moments = half * (power(low[:, None] + half * (1.0 + place)) @ weight)
    return np.linalg.solve(power(nodes), moments[..., None])[..., 0]


def _integrated(
    jvp: Jvp, plan: _Plan, x: np.ndarray, tangents: np.ndarray, bar: Bar
) -> tuple[np.ndarray, np.ndarray]:
    """x_T [N, ...] and the integral of div f [N] along the path from x [N, ...]."""
    path = [x] * len(plan.start)
    for _ in range(SWEEPS):  # Picard's iteration over the first nodes
        f, div_f = zip(*(_f(jvp, plan, j, xj, tangents) for j, xj in enumerate(path, 1)), strict=True)
        path = [x + _sum(w, f) for w in plan.start]
    past_f = deque([np.zeros_like(x), *f], maxlen=NODES)
    past_div = deque([np.zeros(len(x)), *div_f], maxlen=NODES)
    x, integral = path[-1], _sum(plan.start[-1], div_f)
    bar.advance(len(path))

    for j, (predict, correct) in enumerate(zip(plan.predict, plan.correct, strict=True), NODES):
        guess = x + _sum(predict, past_f)
        past_f.append(_f(jvp, plan, j, guess, tangents[:1])[0])
        x = x + _sum(correct, past_f)
        past_f[-1], div = _f(jvp, plan, j, x, tangents)
        past_div.append(div)
        integral = integral + _sum(correct, past_div)
        bar.advance()
    return x, integral


def _f(jvp: Jvp, plan: _Plan, j: int, x: np.ndarray, tangents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """f [N, ...] at node j and its divergence [N]: the trace of J is the sum of z . J z over the tangents z."""
    t, tanh = int(plan.t[j]), plan.tanh[j]
    eps, along = jvp(x.copy(), t, tangents.copy())  # copies, to which it may write
    eps = _checks.array(f"model.jvp: eps at t = {t}", eps, x.shape, np.float64)
    along = _checks.array(f"model.jvp: J tangent at t = {t}", along, tangents.shape, np.float64)
    trace = (tangents * along).reshape(len(tangents), len(x), -1).sum(axis=(0, 2))
    return eps - tanh * x, trace - x[0].size * tanh


def _sum(weights: np.ndarray, values: Iterable[np.ndarray]) -> Any:
    return sum(w * value for w, value in zip(weights, values, strict=True))


def _basis(shape: tuple[int, ...]) -> np.ndarray:
    """The unit vectors [D, N, ...]: the sum of z . J z over them is the trace of J."""
    D = int(np.prod(shape[1:]))
    return np.repeat(np.eye(D).reshape(D, 1, *shape[1:]), shape[0], axis=1)


def _signs(seed: int, samples: np.ndarray, probes: int, shape: tuple[int, ...]) -> np.ndarray:
    """Random signs over sqrt(probes), [probes, N, ...]: the mean of the sum of z . J z over them is J's trace."""
    D = int(np.prod(shape))
    drawn = np.stack([words(seed, STREAM_HUTCHINSON, samples, probe, D) >> np.uint32(31) for probe in range(probes)])
    return ((1.0 - 2.0 * drawn) / np.sqrt(probes)).reshape(probes, len(samples), *shape)


def _log_prior(prior: GaussianMixture | None, x: np.ndarray, schedule: Schedule) -> np.ndarray:
    if prior is None:
        return -0.5 * (x**2 + np.log(2.0 * np.pi)).sum(axis=1)
    return prior.log_density(x, 0, schedule)


def _check_prior(prior: Any, D: int) -> None:
    if prior is None:
        return
    _checks.instance("prior", prior, GaussianMixture)
    if len(prior.mean) != D or prior.eigenvalues.min() == 0.0:
        raise ValueError(f"prior: expected regular covariances of {D} numbers, as a sample has, got {prior}")
