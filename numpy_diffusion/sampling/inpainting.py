"""Filling in what is not known of a sample: RePaint (Lugmayr et al. 2022, arXiv 2201.09865, Algorithm 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels import backend as backends
from numpy_diffusion.kernels import precision as precisions
from numpy_diffusion.kernels.backend import Backend, chosen
from numpy_diffusion.kernels.precision import Precision, asked
from numpy_diffusion.models.protocol import Model, check_schedule, described, members
from numpy_diffusion.noise import STREAM_INPAINT
from numpy_diffusion.process import variances
from numpy_diffusion.process.coefficients import Coefficients
from numpy_diffusion.process.forward import noised
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import Variance
from numpy_diffusion.sampling import start
from numpy_diffusion.sampling.chain import OnArrival, run
from numpy_diffusion.sampling.solvers import coefficients


def inpaint(
    model: Model,
    schedule: Schedule,
    x0: ArrayLike,
    mask: ArrayLike,
    n: int,
    seed: int = 0,
    *,
    variance: Variance | ArrayLike = "beta",
    steps: int | ArrayLike | None = None,
    resample: int = 10,
    jump: int = 10,
    first: int = 0,
    progress: bool = True,
    backend: Backend | None = None,
    precision: Precision | None = None,
) -> np.ndarray:
    """Draw n samples that agree with x0 where the mask is 1: RePaint.

    Down the chain of Algorithm 1, from x_T ~ N(0, I).  After each step to s, what is known is drawn from q(x_s | x_0)
    in place of what the model made of it.  The rest was made without knowing that; so the chain goes back up by
    `jump` steps of q and down again, `resample` times in all, which brings the rest into line with what is known.
    That takes about `resample` times the evaluations of `sample`.

    Parameters
    ----------
    model : any callable eps = model(x, t), x [n, ...] float32, t an int
    x0 : [*shape], or [n, *shape] with one for each sample, in the data's units; anything, or NaN, where not known
    mask : 1 or True where x0 is known, 0 or False where it is not; any shape that broadcasts to [n, *shape]
    n : how many samples
    seed : sample first + i of a seed is the same whatever else is in the call
    variance, steps, first, progress, backend, precision : as for `sample`
    resample : how often each stretch of the chain is gone down, at least 1: U of the paper's Algorithm 1
    jump : by how many of the chain's steps it goes back up each time, below their number: 1 in that algorithm, and
        j of the paper's appendix.  Both are 10 there

    Returns
    -------
    float32 [n, *shape], in the data's units, equal to x0 where that is known

    Raises
    ------
    ValueError : an argument out of its range, or a model that returns another shape, NaN or infinity

    Examples
    --------
    >>> schedule = Schedule.linear(T=10)
    >>> x = inpaint(lambda x, t: x, schedule, [3.0, 0.0], mask=[1, 0], n=2, resample=2, jump=1)
    >>> x[:, 0].tolist()
    [3.0, 3.0]
    """
    check_schedule(model, schedule)
    n, seed, first = start.checked(n, seed, first)
    dtype = np.float64 if members(model).units.in_float64 else np.float32
    x0 = _checks.array("x0", x0, dtype=dtype, finite=False)
    known_model = described(model, x0.shape if members(model).own_shape is None else None)
    shape = known_model.shape
    if x0.shape not in (shape, (n, *shape)):
        raise ValueError(f"x0: expected shape {list(shape)} or {[n, *shape]}, got {list(x0.shape)}")
    known = known_where(mask, (n, *shape))
    x0 = _checks.array("x0", np.where(known, x0, dtype(0.0)))
    variance = variances.checked(variance, schedule, shape, known_model.learn_variance)
    down = coefficients(schedule, steps=steps, variance=variance)
    resample = _checks.integer("resample", resample, 1)
    jump = _checks.integer("jump", jump, 1, len(down.t) - 1 if resample > 1 else None)

    chain = with_jumps(down, resample, jump)
    standard = known_model.units.to_model(x0).astype(np.float32)
    xT = start.noise(n, shape, seed, first)
    with backends.backend(chosen(backend)), precisions.precision(asked(precision)):
        on_arrival = _with_known(standard, known, schedule, chain, seed, first)
        x = run(known_model, xT, chain, schedule, seed, first, progress=progress, on_arrival=on_arrival)[0]
    return np.where(known, x0, x)


def with_jumps(down: Coefficients, resample: int, jump: int) -> Coefficients:
    """The rows of a chain in the order in which RePaint takes them: a row may start above where the last one arrived.

    Its places are counted from 0 at x_0 to K at x_T.  Whenever it arrives at one of the places 1, 1 + jump,
    1 + 2 jump, ... it goes back up by `jump` places, `resample` - 1 times from each (get_schedule_jump of the paper's
    code does the same).  A row that is taken again needs fresh noise: it draws as step t + T, then t + 2 T, ..., and
    no step of the chain has these numbers.
    """
    K, T = len(down.t), int(down.t[0])
    jumps_left = dict.fromkeys(range(1, K - jump + 1, jump), resample - 1)  # of each place
    next_noise = down.noise.copy()  # of each row, for when it is taken the next time
    rows, noise, place = [], [], K
    while place > 0:
        row = K - place
        rows.append(row)
        noise.append(next_noise[row])
        next_noise[row] += T
        place -= 1
        if jumps_left.get(place, 0) > 0:
            jumps_left[place] -= 1
            place += jump
    return Coefficients(*(column[rows] for column in down))._replace(noise=np.array(noise))


def _with_known(
    x0: np.ndarray, known: np.ndarray, schedule: Schedule, chain: Coefficients, seed: int, first: int
) -> OnArrival:
    """What RePaint does wherever a row arrives: put in what is known, and jump to where the next row starts.

    Each row has two noises of its own: row k draws them as the generator's steps 2 k and 2 k + 1.
    """
    alpha_bar = schedule.alpha_bar[chain.s]
    next_t = np.append(chain.t[1:], 0)
    kept = schedule.alpha_bar[next_t] / alpha_bar

    def noisier(x: np.ndarray, kept: float, step: int) -> np.ndarray:
        """sqrt(kept) x + sqrt(1 - kept) eps."""
        signal, sigma = np.sqrt(np.array([kept, 1.0 - kept]))
        return noised(x, signal, sigma, np.array(step), first, STREAM_INPAINT, seed)[0]

    def on_arrival(k: int, y: np.ndarray) -> np.ndarray:
        y = np.where(known, noisier(x0, alpha_bar[k], 2 * k), y)
        return y if next_t[k] == chain.s[k] else noisier(y, kept[k], 2 * k + 1)

    return on_arrival


def known_where(mask: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Where x0 is known, by a mask that broadcasts to the shape: bool [*shape].

    Raises
    ------
    ValueError : a mask of another shape, or of other values than 0 and 1
    """
    try:
        known = np.broadcast_to(np.asarray(_checks.unmasked("mask", mask)), shape)
    except (TypeError, ValueError):
        got = f"shape {list(mask.shape)}" if isinstance(mask, np.ndarray) else repr(mask)
        raise ValueError(f"mask: expected an array that broadcasts to {list(shape)}, got {got}") from None
    if known.dtype.kind not in "biuf" or ((known != 0) & (known != 1)).any():
        raise ValueError("mask: expected 1 where x0 is known and 0 where it is not, got other values")
    return known == 1
