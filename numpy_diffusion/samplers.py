"""Sampling: Algorithm 1 of the article (Ho et al. 2020, Algorithm 2) and DDIM (Song et al. 2021).

Every sampler here is one loop, x_s = a x_t + b eps(x_t, t) + c z, over the coefficients of `reverse.coefficients`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from numpy_diffusion import _checks
from numpy_diffusion.forward import BACKENDS, Backend
from numpy_diffusion.kernels import mlp_forward
from numpy_diffusion.networks.mlp import MLP
from numpy_diffusion.noise import STREAM_REVERSE, STREAM_START, normal, split_seed
from numpy_diffusion.reverse import Coefficients, coefficients
from numpy_diffusion.schedules import Schedule

Model = Callable[[np.ndarray, Any], np.ndarray]

REPORTS = 50  # how often a chain comes back from the kernel to move its progress bar


def sample(
    model: Model,
    schedule: Schedule,
    n: int,
    seed: int = 0,
    *,
    method: str = "ancestral",
    variance: str = "beta",
    eta: float = 0.0,
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
    method : "ancestral" (Algorithm 1) or "ddim"
    variance : sigma_t^2 of Algorithm 1: "beta" or "beta_tilde" (Ho et al. section 3.2)
    eta : DDIM's noise, from 0, none, to 1, that of "beta_tilde" (Song et al. eq 16)
    steps : how many steps of the schedule to take, evenly spaced, or which; all unless given
    keep : steps whose x_t to return: T, 0 or any step that the chain visits
    first : number of the first sample, to draw more of the same seed or to split the work
    shape : of one sample, where the model has no attribute `shape`
    progress : show a bar on standard error
    backend : "numba": an MLP's whole chain in one jitted call; "numpy": the loop as it is printed below

    Returns
    -------
    float32 [n, *shape], in the data's units; with `keep`, {t: float32 [n, *shape]} in the order of `keep`

    Raises
    ------
    ValueError : an argument out of its range, or a model that returns another shape, NaN or infinity

    Examples
    --------
    >>> x = sample(lambda x, t: x, Schedule.linear(T=10), n=3, shape=(2,))
    >>> x.shape, x.dtype
    ((3, 2), dtype('float32'))
    """
    n = _checks.integer("n", n, 1, 2**32)
    seed, first = _checks.seed(seed), _checks.integer("first", first, 0, 2**32 - n)
    shape = _sample_shape(model, shape)
    _checks.choice("backend", backend, BACKENDS)
    _checks.instance("schedule", schedule, Schedule)
    chain = coefficients(schedule, method, steps=steps, variance=variance, eta=eta)
    visited = [schedule.T, *chain.s.tolist()]
    wanted = [0] if keep is None else _checks.steps("keep", keep, 0, schedule.T).ravel().tolist()
    if missing := sorted(set(wanted) - set(visited)):
        raise ValueError(f"keep: expected steps that the chain visits, got {missing[0]}, which it does not")

    x = normal(seed, STREAM_START, first + np.arange(n), 0, int(np.prod(shape))).reshape(n, *shape)
    with tqdm(total=len(chain.t), desc="sampling", unit="step", disable=not progress) as bar:
        if isinstance(model, MLP) and backend == "numba" and model.buffer.dtype == np.float32:
            walk = _fused_chain(model, x, chain, seed, first, wanted, progress)
        else:
            walk = _chain(model, x, chain, seed, first)
        kept = {schedule.T: x} if schedule.T in wanted else {}
        for s, xs in walk:
            if not np.isfinite(xs).all():
                raise ValueError(f"model: expected a chain of finite numbers, got NaN or infinite x at t = {s}")
            bar.update(np.searchsorted(-chain.s, -s) + 1 - bar.n)
            if s in wanted:
                kept[s] = xs
    shift, scale = getattr(model, "shift", 0.0), getattr(model, "scale", 1.0)
    snapshots = {t: (shift + scale * kept[t]).astype(np.float32) for t in wanted}
    return snapshots[0] if keep is None else snapshots


def _chain(
    model: Model, x: np.ndarray, chain: Coefficients, seed: int, first: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Algorithm 1, line by line: yields (s, x_s)."""
    samples, size = first + np.arange(len(x)), x[0].size
    for t, s, a, b, c in zip(*chain, strict=True):
        eps = _predicted(model, x, int(t))
        x = np.float32(a) * x + np.float32(b) * eps
        if c > 0.0:  # z = 0 at the last step
            x = x + np.float32(c) * normal(seed, STREAM_REVERSE, samples, t, size).reshape(x.shape)
        yield int(s), x


def _fused_chain(
    model: MLP, x: np.ndarray, chain: Coefficients, seed: int, first: int, wanted: list[int], progress: bool
) -> Iterator[tuple[int, np.ndarray]]:
    """The same for an MLP in its kernel, which comes back at the wanted steps and to report progress."""
    network, x_lanes, (n, dim) = model.network(), mlp_forward.lanes(x), x.shape
    bias = mlp_forward.time_bias(network, model.embed(chain.t))
    a, b, c = (values.astype(np.float32) for values in chain[2:])
    stops = {int(k) + 1 for k in np.flatnonzero(np.isin(chain.s, wanted))} | {len(chain.t)}
    if progress:
        stops |= set(range(0, len(chain.t), -(-len(chain.t) // REPORTS)))
    low = 0
    for high in sorted(stops - {0}):
        part = slice(low, high)
        mlp_forward.chain(
            network,
            model.residual,
            first,
            chain.t[part],
            a[part],
            b[part],
            c[part],
            bias[part],
            STREAM_REVERSE,
            split_seed(seed),
            x_lanes,
        )
        low = high
        yield int(chain.s[high - 1]), mlp_forward.rows(x_lanes, n, dim)


def _predicted(model: Model, x: np.ndarray, t: int) -> np.ndarray:
    return _checks.array(f"model: eps at t = {t}", model(x, t), x.shape, np.float32)


def _sample_shape(model: Model, shape: tuple[int, ...] | None) -> tuple[int, ...]:
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
