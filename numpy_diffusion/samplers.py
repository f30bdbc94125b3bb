"""Sampling: Algorithm 1 of the article (Ho et al. 2020, Algorithm 2), DDIM, and the solvers of the ODE.

Every sampler is the one loop of `_chain` over a table of coefficients, which `solvers` makes and explains.
`interpolation` starts it elsewhere than at noise, and `inpainting` puts what is known into every x on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from numpy_diffusion import _checks, variances
from numpy_diffusion.forward import BACKENDS, Backend
from numpy_diffusion.kernels import mlp_forward
from numpy_diffusion.networks.mlp import MLP
from numpy_diffusion.noise import STREAM_REVERSE, STREAM_START, normal, split_seed
from numpy_diffusion.schedules import Schedule
from numpy_diffusion.solvers import Coefficients, coefficients

Model = Callable[[np.ndarray, Any], np.ndarray]
Landed = Callable[[int, np.ndarray], np.ndarray]  # (number of the row, where it lands) -> where the chain goes on

REPORTS = 50  # how often a chain comes back from the kernel to move its progress bar


def sample(
    model: Model,
    schedule: Schedule,
    n: int,
    seed: int = 0,
    *,
    method: str = "ancestral",
    variance: str | ArrayLike = "beta",
    eta: float = 0.0,
    churn: float = 0.0,
    steps: int | ArrayLike | None = None,
    keep: Sequence[int] | None = None,
    first: int = 0,
    shape: tuple[int, ...] | None = None,
    progress: bool = False,
    backend: Backend = "numba",
) -> Any:
    """Draw n samples from the model, down the reverse chain from x_T ~ N(0, I).

    Parameters
    ----------
    model : any callable eps = model(x, t), x [n, ...] float32, t an int
    n : how many samples
    seed : sample first + i of a seed is the same whatever else is in the call, on any number of threads
    method : "ancestral" (Algorithm 1), "ddim", "euler", "heun", "dpm++2m" or "dpm++3m"; see `solvers`
    variance : sigma_t^2 of Algorithm 1: "beta" or "beta_tilde" (Ho et al. section 3.2), "learned" where the model
        learned it, or an array [T + 1] or [T + 1, *shape] by t, such as `variances.optimal_variance` gives
    eta : DDIM's noise, from 0, none, to 1, that of "beta_tilde" (Song et al. eq 16)
    churn : noise that euler and heun put back before each step: S_churn of Karras et al. 2022, Algorithm 2
    steps : how many steps of the schedule to take, evenly spaced, or which, for instance those of
        `reverse.karras_steps`; all unless given
    keep : steps whose x_t to return: T, 0 or any step that the chain visits; with churn, those that it rises to
    first : number of the first sample, to draw more of the same seed or to split the work
    shape : of one sample, where the model has no attribute `shape`
    progress : show a bar on standard error
    backend : "numba": an MLP's whole chain in one jitted call; "numpy": the loop as it is printed below

    Returns
    -------
    float32 [n, *shape], in the data's units; with `keep`, {t: float32 [n, *shape]} in the order of `keep`

    Raises
    ------
    ValueError : an argument out of its range or of no use to the method, or a model that returns another shape, NaN
        or infinity

    Examples
    --------
    >>> x = sample(lambda x, t: x, Schedule.linear(T=10), n=3, shape=(2,))
    >>> x.shape, x.dtype
    ((3, 2), dtype('float32'))
    """
    n = _checks.integer("n", n, 1, 2**32)
    seed, first = _checks.seed(seed), _checks.integer("first", first, 0, 2**32 - n)
    shape = sample_shape(model, shape)
    _checks.choice("backend", backend, BACKENDS)
    _checks.instance("schedule", schedule, Schedule)
    variance = variances.checked(variance, schedule, shape, model)
    chain = coefficients(schedule, method, steps=steps, variance=variance, eta=eta, churn=churn)
    visited = [schedule.T, *chain.s[chain.accept].tolist()]
    wanted = [0] if keep is None else _checks.steps("keep", keep, 0, schedule.T).ravel().tolist()
    if missing := sorted(set(wanted) - set(visited)):
        raise ValueError(f"keep: expected steps that the chain visits, got {missing[0]}, which it does not")

    x = normal(seed, STREAM_START, first + np.arange(n), 0, int(np.prod(shape))).reshape(n, *shape)
    snapshots = run(model, x, chain, schedule, seed, first, wanted, progress=progress, backend=backend)
    return snapshots[0] if keep is None else snapshots


def run(
    model: Model,
    x: np.ndarray,
    chain: Coefficients,
    schedule: Schedule,
    seed: int,
    first: int = 0,
    wanted: Sequence[int] = (0,),
    *,
    progress: bool = False,
    backend: Backend = "numpy",
    shared: bool = False,
    landed: Landed | None = None,
) -> dict[int, np.ndarray]:
    """Down the table from x, in the model's units: {t: x_t} of the steps wanted, float32 in the data's units.

    With `shared` all samples of x take the noise of sample `first`; `landed` may change x wherever a row lands.  The
    kernel has neither.
    """
    kept = {int(chain.t[0]): x}
    with tqdm(total=len(chain.t), desc="sampling", unit="evaluation", disable=not progress) as bar:
        if isinstance(model, MLP) and backend == "numba" and _has_kernel(model, chain):
            walk = _fused_chain(model, x, chain, seed, first, wanted, progress)
        else:
            walk = _chain(model, x, chain, seed, first, schedule, shared, landed)
        for k, y in walk:
            s = int(chain.s[k])
            if not np.isfinite(y).all():
                raise ValueError(f"model: expected a chain of finite numbers, got NaN or infinite x at t = {s}")
            bar.update(k + 1 - bar.n)
            if chain.accept[k] and s in wanted:
                kept[s] = y
    shift, scale = getattr(model, "shift", 0.0), getattr(model, "scale", 1.0)
    return {t: (shift + scale * kept[t]).astype(np.float32) for t in wanted}


def _has_kernel(model: MLP, chain: Coefficients) -> bool:
    """Whether `_fused_chain` can do it: not where the network says the variance on the way."""
    return bool(model.buffer.dtype == np.float32) and not np.isnan(chain.c).any()


def _chain(
    model: Any,
    x: np.ndarray,
    chain: Coefficients,
    seed: int,
    first: int,
    schedule: Schedule,
    shared: bool = False,
    landed: Landed | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """The rows of the table, line by line (see `solvers`): yields (k, y) after row k.

    For Algorithm 1 that is x = a x + b eps + c z.
    """
    samples, size = np.full(len(x), first) if shared else first + np.arange(len(x)), x[0].size
    y, history = x, [x, x]  # no row takes a prediction that was not yet made
    for k, (t, s, step, p, q, a, b, c, accept) in enumerate(zip(*chain, strict=True)):
        if np.isnan(c).any():  # learned
            answer, fraction = model.eps_and_fraction(y, int(t))
            c = np.sqrt(variances.learned_variance(schedule, fraction, t, s))
        else:
            answer = model(y, int(t))
        eps = _checks.array(f"model: eps at t = {t}", answer, x.shape, np.float32)
        history = [eps if p == 0.0 else np.float32(p) * y + np.float32(q) * eps, *history[:2]]
        y = np.float32(a) * x
        for weight, prediction in zip(b, history, strict=True):
            if weight != 0.0:
                y = y + np.float32(weight) * prediction
        if np.any(c):  # z = 0 at the last step
            y = y + np.float32(c) * normal(seed, STREAM_REVERSE, samples, step, size).reshape(x.shape)
        y = y if landed is None else landed(k, y)
        if accept:
            x = y
        yield k, y


def _fused_chain(
    model: MLP, x: np.ndarray, chain: Coefficients, seed: int, first: int, wanted: Sequence[int], progress: bool
) -> Iterator[tuple[int, np.ndarray]]:
    """The same for an MLP in its kernel, which comes back at the wanted steps and to report progress."""
    network, state, (n, dim), K = model.network(), mlp_forward.start(x), x.shape, len(chain.t)
    bias = mlp_forward.time_bias(network, model.embed(chain.t))
    c = np.broadcast_to(chain.c.reshape(K, -1), (K, dim))
    rows = np.column_stack([chain.p, chain.q, chain.a, chain.b, c]).astype(np.float32)
    stops = {int(k) + 1 for k in np.flatnonzero(np.isin(chain.s, wanted))} | {K}
    if progress:
        stops |= set(range(0, K, -(-K // REPORTS)))
    low = 0
    for high in sorted(stops - {0}):
        part = slice(low, high)
        mlp_forward.chain(
            network,
            model.residual,
            first,
            chain.noise[part],
            chain.accept[part],
            rows[part],
            bias[part],
            STREAM_REVERSE,
            split_seed(seed),
            state,
        )
        low = high
        yield high - 1, mlp_forward.landed(state, n, dim)


def sample_shape(model: Model, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape of one sample: the model's own, or the one given."""
    own = getattr(model, "shape", None)
    given = shape if own is None else own
    if not callable(model):
        raise ValueError(f"model: expected a callable eps = model(x, t), got {type(model).__name__}")
    if given is None:
        raise ValueError("shape: expected the shape of one sample, since the model has no attribute `shape`")
    _checks.instance("shape", given, tuple)
    if own is not None and shape is not None and own != shape:
        raise ValueError(f"shape: expected the model's own {own!r}, got {shape!r}")
    return tuple(_checks.integer("shape", size, 1) for size in given)
