"""The exact likelihood of a model: its probability-flow ODE, followed from the data to the noise.

    dx / du = f(x, t) = eps(x, t) - tanh(u) x            (see `process.probability_flow`)

Along a path d log p(x) / du = -div f (Song et al. 2021, arXiv 2011.13456, eq 39), hence

    log p(x_0) = log p(x_T) + integral of div f from 0 to u_T,    div f = div eps - D tanh(u)
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion._progress import Bar
from numpy_diffusion.models.protocol import Described, Model, check_predicts_eps, check_schedule, members
from numpy_diffusion.models.wrapper import check_rows, rows
from numpy_diffusion.noise import STREAM_HUTCHINSON, WORD_RANGE, words
from numpy_diffusion.oracles.gaussian_mixture import GaussianMixture
from numpy_diffusion.process.probability_flow import NODES, SWEEPS, Plan, plan
from numpy_diffusion.process.schedules import Schedule

REPORTS = 50  # how often a path comes back from the kernel to move its progress bar
BLOCK = 2**20  # numbers that a layer of the network may hold in one call: the samples of a block follow from it
WIDTH = 256  # numbers a sample that a layer holds, where the sample itself has fewer
KEPT = 2**27  # numbers that a network may keep for its way back, 1 GB: all its layers' of a block of samples
LAYERS = 4096  # how many it keeps for each of a sample's, about what a U-Net of 128 channels does


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
        [K, N, ...], J the Jacobian of each sample's eps by its x.  `MLP` and the oracles have it.  Or vjp(x, t) ->
        (eps, pull) with pull(z) = J^T z, [N, ...] each, as all networks have: z . J^T z is z . J z
    x : [N, ...]
    prior : density of x_T in the model's units, over the D numbers of a sample; N(0, I) unless given
    probes : None for the exact divergence, which costs D tangents a step; or how many random signs a sample estimate
        it, without bias, the same along the whole path (Hutchinson 1990; Grathwohl et al. 2019).  Of images D is
        large, and a few probes are what can be had
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
    ValueError : a model without jvp and vjp, or whose answers have another shape, NaN or infinity; one that does not
        predict eps; a prior of another dimension; an argument out of its range

    Examples
    --------
    >>> from numpy_diffusion.oracles.gaussian_mixture import Gaussian
    >>> schedule, data = Schedule.linear(T=1000), Gaussian([0.0], [[0.25]])
    >>> log_prob(data.eps(schedule), schedule, [[0.0], [1.0]]).round(3).tolist()
    [-0.226, -2.226]
    >>> data.log_density([[0.0], [1.0]], 0, schedule).round(3).tolist()
    [-0.226, -2.226]
    """
    nodes = plan(check_schedule(model, schedule), steps)
    known = members(model)
    if not callable(known.jvp) and not callable(known.vjp):
        raise ValueError(
            "model: expected one with a method jvp(x, t, tangent) -> (eps, J tangent) or vjp(x, t) -> (eps, pull), "
            f"as networks and the oracles have, got {type(model).__name__}"
        )
    check_predicts_eps(model)
    own = known.own_shape
    x = _checks.array("x", x, None if own is None else ("N", *own), np.float64, min_ndim=2)
    check_rows(model, len(x))
    units, D = known.units.spread(x.shape[1:]), math.prod(x.shape[1:])
    _check_prior(prior, D)
    seed = _checks.seed(seed)
    first = _checks.integer("first", first, 0, WORD_RANGE - len(x))
    if probes is not None:
        _checks.integer("probes", probes, 1)

    size = rows_at_once(known, D, probes)
    blocks = [np.arange(low, min(low + size, len(x))) for low in range(0, len(x), size)]
    found = np.empty(len(x))
    with Bar("likelihood", len(blocks) * (len(nodes.t) - 1), "steps", show=progress) as bar:
        for block in blocks:
            signs = None if probes is None else _signs(seed, first + block, probes, x.shape[1:])
            part = members(rows(model, slice(block[0], block[-1] + 1)))
            xT, integral = _followed(part, nodes, units.to_model(x[block]), signs, bar)
            found[block] = _log_prior(prior, xT.reshape(len(block), -1), schedule) + integral
    return found - units.log_scale


def rows_at_once(known: Described, D: int, probes: int | None = None) -> int:
    """How many samples of D numbers each call of the model has, but for the last: with work that is split at
    multiples of it, the model is asked the same as by one call for all.
    """
    tangents = D if probes is None else probes
    return max(1, KEPT // (LAYERS * D) if known.jvp is None else BLOCK // (tangents * max(D, WIDTH)))


def _followed(
    known: Described, nodes: Plan, x: np.ndarray, signs: np.ndarray | None, bar: Bar
) -> tuple[np.ndarray, np.ndarray]:
    """x_T [N, ...] and the integral of div f [N] along the path from x [N, ...]: by the model's own kernel, or below.

    signs [K, N, ...] estimate the divergence; None for the exact one.
    """
    n = len(nodes.t) - 1
    stops = [*range(len(nodes.start), n, -(-n // REPORTS)), n]
    found = None if known.own_flow is None else known.own_flow(x, nodes, signs, stops)
    if found is not None:
        low, end = 0, (x, x)
        for stop, there in zip(stops, found, strict=True):
            bar.advance(stop - low)
            low, end = stop, there
        if all(np.isfinite(values).all() for values in end):  # else it is said below at which step
            return end
    return _integrated(known, nodes, x, _basis(x.shape) if signs is None else signs, bar)


def _integrated(
    known: Described, nodes: Plan, x: np.ndarray, tangents: np.ndarray, bar: Bar
) -> tuple[np.ndarray, np.ndarray]:
    """x_T [N, ...] and the integral of div f [N] along the path from x [N, ...]."""
    path = [x] * len(nodes.start)
    for sweep in range(SWEEPS):  # Picard's iteration over the first nodes
        last = sweep == SWEEPS - 1
        f, div_f = zip(*(_f(known, nodes, j, xj, tangents, last) for j, xj in enumerate(path, 1)), strict=True)
        path = [x + _sum(w, f) for w in nodes.start]
    past_f = deque([np.zeros_like(x), *f], maxlen=NODES)
    past_div = deque([np.zeros(len(x)), *div_f], maxlen=NODES)
    x, integral = path[-1], _sum(nodes.start[-1], div_f)
    bar.advance(len(path))

    for j, (predict, correct) in enumerate(zip(nodes.predict, nodes.correct, strict=True), NODES):
        guess = x + _sum(predict, past_f)
        past_f.append(_f(known, nodes, j, guess, tangents, traced=False)[0])
        x = x + _sum(correct, past_f)
        past_f[-1], div = _f(known, nodes, j, x, tangents)
        past_div.append(div)
        integral = integral + _sum(correct, past_div)
        bar.advance()
    return x, integral


def _f(
    known: Described, nodes: Plan, j: int, x: np.ndarray, tangents: np.ndarray, traced: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """f [N, ...] at node j and, where `traced`, its divergence [N]: the trace of J is the sum of z . J z over the
    tangents z, and that of z . J^T z."""
    t, tanh = int(nodes.t[j]), nodes.tanh[j]
    if known.jvp is not None:
        asked = tangents if traced else tangents[:1]
        eps, along = known.jvp(x.copy(), t, asked.copy())  # copies, to which it may write
        eps = _checks.array(f"model.jvp: eps at t = {t}", eps, x.shape, np.float64)
        along = _checks.array(f"model.jvp: J tangent at t = {t}", along, asked.shape, np.float64)
    else:
        assert known.vjp is not None
        asked = tangents if traced else tangents[:0]
        eps, pull = known.vjp(x.copy(), t)
        eps = _checks.array(f"model.vjp: eps at t = {t}", eps, x.shape, np.float64)
        name = f"model.vjp: J^T tangent at t = {t}"
        along = np.array([_checks.array(name, pull(z.copy()), x.shape, np.float64) for z in asked])
    D = x[0].size
    trace = (asked * along.reshape(asked.shape)).reshape(len(asked), len(x), D).sum(axis=(0, 2))
    return eps - tanh * x, trace - D * tanh


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
