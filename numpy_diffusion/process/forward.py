"""The forward chain q (article, eqs 1-6; Ho et al. 2020, eqs 2, 4, 6-7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels.backend import Backend, chosen
from numpy_diffusion.noise import STREAM_CHAIN, STREAM_JUMP, WORD_RANGE, normal, split_seed
from numpy_diffusion.process.columns import column
from numpy_diffusion.process.schedules import Schedule


def q_sample(
    x0: ArrayLike,
    t: ArrayLike,
    schedule: Schedule,
    seed: int = 0,
    *,
    first: int = 0,
    out: tuple[np.ndarray, np.ndarray] | None = None,
    backend: Backend | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Jump to x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps (article eqs 5-6, Ho et al. eq 4).

    Parameters
    ----------
    x0 : [N, ...] float32 or float64
    t : int in 1..T, or an int array [N]
    seed : of the noise; sample first + n at step t gets the same eps whatever else is in the call
    first : number of the first sample
    out : the pair of arrays that xt and eps are to lie in, as NumPy's functions of two results take it: like x0,
        C-contiguous, none in another's memory.  Who loops reuses them: fresh memory costs as much as the jump
    backend : "numba", or "numpy" to step through the definition; that of `nd.backend` unless given

    Returns
    -------
    xt, eps : [N, ...], in x0's dtype; those of `out` where it is given

    Raises
    ------
    ValueError : x0 empty, NaN or infinite; t outside 1..T or of another length; `out` no such pair

    Examples
    --------
    >>> xt, eps = q_sample(np.zeros((3, 2)), t=500, schedule=Schedule.linear(T=1000), seed=1)
    >>> xt.shape, eps.shape
    ((3, 2), (3, 2))
    """
    x0 = _checks.array("x0", x0, min_ndim=2, finite=False)
    t = _checks.steps("t", t, 1, _checks.instance("schedule", schedule, Schedule).T, len(x0))
    seed, first = _checked_source(seed, first, len(x0))
    out = None if out is None else _checked_out(out, x0)
    return _noised("x0", x0, t, schedule.alpha_bar[t], seed, first, STREAM_JUMP, chosen(backend), out)


def q_step(
    x: ArrayLike, t: ArrayLike, schedule: Schedule, seed: int = 0, *, first: int = 0, backend: Backend | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """One step from x_{t-1} to x_t: x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps (article eq 4, Ho et al. eq 2).

    Parameters and returns as for `q_sample`, with x = x_{t-1}.

    Examples
    --------
    >>> xt, eps = q_step(np.zeros((3, 2)), t=1, schedule=Schedule.linear(T=1000))
    >>> bool(np.allclose(xt, 0.01 * eps))
    True
    """
    x = _checks.array("x", x, min_ndim=2, finite=False)
    t = _checks.steps("t", t, 1, _checks.instance("schedule", schedule, Schedule).T, len(x))
    seed, first = _checked_source(seed, first, len(x))
    return _step(x, t, schedule, seed, first, chosen(backend))


def q_trajectory(
    x0: ArrayLike,
    schedule: Schedule,
    seed: int = 0,
    *,
    keep: Sequence[int] | None = None,
    first: int = 0,
    backend: Backend | None = None,
) -> dict[int, np.ndarray]:
    """The chain x_0, x_1, ..., x_T step by step (article eqs 1-3, Ho et al. eq 2).

    Parameters
    ----------
    keep : the steps to return, in 0..T; all unless given
    others : as for `q_sample`

    Returns
    -------
    {t: x_t [N, ...]}, in the order of `keep`

    Examples
    --------
    >>> chain = q_trajectory(np.zeros((3, 2)), Schedule.linear(T=10), keep=[0, 5, 10])
    >>> list(chain)
    [0, 5, 10]
    """
    x = _checks.array("x0", x0, min_ndim=2)
    T = _checks.instance("schedule", schedule, Schedule).T
    wanted = _checks.steps("keep", range(T + 1) if keep is None else keep, 0, T).ravel().tolist()
    seed, first = _checked_source(seed, first, len(x))
    chain = {0: x.copy()}
    for t in range(1, max(wanted) + 1):
        x, _ = _step(x, np.array(t), schedule, seed, first, chosen(backend))
        if t in wanted:
            chain[t] = x
    return {t: chain[t] for t in wanted}


def q_posterior(x0: ArrayLike, xt: ArrayLike, t: ArrayLike, schedule: Schedule) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of q(x_{t-1} | x_t, x_0) (Ho et al. eqs 6-7).

    mu_tilde = sqrt(alpha_bar_{t-1}) beta_t / (1 - alpha_bar_t) x_0
             + sqrt(alpha_t) (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) x_t

    Parameters
    ----------
    x0, xt : [N, ...]
    t : int in 1..T, or an int array [N]

    Returns
    -------
    mu_tilde [N, ...] and beta_tilde, [] or [N] as t is

    Examples
    --------
    >>> mean, variance = q_posterior(np.ones((1, 2)), np.zeros((1, 2)), 1, Schedule.linear(T=10))
    >>> mean, float(variance)
    (array([[1., 1.]]), 0.0)
    """
    x0 = _checks.array("x0", x0, min_ndim=2)
    xt = _checks.array("xt", xt, x0.shape)
    t = _checks.steps("t", t, 1, _checks.instance("schedule", schedule, Schedule).T, len(x0))
    noise = 1.0 - schedule.alpha_bar[t]
    on_x0 = np.sqrt(schedule.alpha_bar[t - 1]) * schedule.beta[t] / noise
    on_xt = np.sqrt(schedule.alpha[t]) * (1.0 - schedule.alpha_bar[t - 1]) / noise
    return column(on_x0, x0) * x0 + column(on_xt, xt) * xt, schedule.beta_tilde[t]


def _checked_source(seed: Any, first: Any, n: int) -> tuple[int, int]:
    """`seed` and `first` of n samples' noise; a ValueError where it cannot be drawn."""
    return _checks.seed(seed), _checks.integer("first", first, 0, WORD_RANGE - n)


def _checked_out(out: Any, x0: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`out`; a ValueError where it is no pair of arrays that both results can be written to."""
    if not isinstance(out, tuple) or len(out) != 2:
        raise ValueError(f"out: expected a pair of arrays (xt, eps), got {type(out).__name__}")
    for array in out:
        if not isinstance(array, np.ndarray) or (array.shape, array.dtype) != (x0.shape, x0.dtype):
            got = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
            raise ValueError(f"out: expected arrays of {x0.dtype} {list(x0.shape)}, as x0, got {got}")
        if not (array.flags.c_contiguous and array.flags.writeable and array.flags.aligned):
            raise ValueError("out: expected C-contiguous arrays that can be written to, got another")
    if any(np.may_share_memory(a, b) for a, b in ((out[0], out[1]), (out[0], x0), (out[1], x0))):
        raise ValueError("out: expected two arrays with memory of their own, got some of the other's or of x0's")
    return out


def _step(
    x: np.ndarray, t: np.ndarray, schedule: Schedule, seed: int, first: int, backend: Backend
) -> tuple[np.ndarray, np.ndarray]:
    """`q_step`, unchecked."""
    return _noised("x", x, t, schedule.alpha[t], seed, first, STREAM_CHAIN, backend)


def _noised(
    name: str,
    x: np.ndarray,
    t: np.ndarray,
    kept: np.ndarray,
    seed: int,
    first: int,
    stream: int,
    backend: Backend,
    out: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """sqrt(kept) x + sqrt(1 - kept) eps by the chosen backend; a ValueError about `name` where x is not finite.

    The definition looks for NaN beforehand, the kernel while it works.
    """
    if backend == "numpy" or x.dtype != np.float32:
        _checks.array(name, x)
        found = noised(x, np.sqrt(kept), np.sqrt(1.0 - kept), t, first, stream, seed)
        if out is None:
            return found
        for array, values in zip(out, found, strict=True):
            array[...] = values
        return out
    from numpy_diffusion.kernels import noising

    signal, sigma, steps = (
        np.broadcast_to(values, len(x)).astype(dtype)
        for values, dtype in ((np.sqrt(kept), np.float32), (np.sqrt(1.0 - kept), np.float32), (t, np.int64))
    )
    flat = x.reshape(len(x), -1)
    pair = None if out is None else [np.asarray(array).reshape(flat.shape) for array in out]
    xt, eps, finite = noising.noised(flat, signal, sigma, steps, first, stream, split_seed(seed), pair)
    if not finite:
        _checks.array(name, x)
    return (xt.reshape(x.shape), eps.reshape(x.shape)) if out is None else out


def noised(
    x: np.ndarray, signal: np.ndarray, sigma: np.ndarray, t: np.ndarray, first: int, stream: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """signal x + sigma eps, and the eps that was drawn: the definition."""
    eps = normal(seed, stream, first + np.arange(len(x)), t, x[0].size).reshape(x.shape).astype(x.dtype)
    return column(signal, x) * x + column(sigma, x) * eps, eps
