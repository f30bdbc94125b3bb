"""The one loop of all samplers, down a table of coefficients which `solvers` makes and explains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion._progress import Bar
from numpy_diffusion.kernels.backend import chosen
from numpy_diffusion.kernels.precision import asked
from numpy_diffusion.models.protocol import Described
from numpy_diffusion.noise import STREAM_REVERSE, normal
from numpy_diffusion.process.coefficients import Coefficients
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import learned_variance

OnArrival = Callable[[int, np.ndarray], np.ndarray]  # (the row, where it arrives) -> where the chain goes on

REPORTS = 50  # how often a chain comes back from the kernel to move its progress bar


def run(
    model: Described,
    x: np.ndarray,
    table: Coefficients,
    schedule: Schedule,
    seed: int,
    first: int = 0,
    wanted: Sequence[int] = (0,),
    *,
    progress: bool = True,
    shared: bool = False,
    on_arrival: OnArrival | None = None,
) -> dict[int, np.ndarray]:
    """Down the table from x, in the model's units: {t: x_t} of the steps wanted, in the data's units.

    With `shared` all samples of x take the noise of sample `first`; `on_arrival` may change x wherever a row arrives.
    A model's own kernel has neither, nor bfloat16, and the loop below is taken.
    """
    kept = {int(table.t[0]): x}
    with Bar("sampling", len(table.t), "evaluations", show=progress) as bar:
        stops = _stops(table, wanted, progress)
        for k, y in rows(model, x, table, schedule, seed, first, stops, shared=shared, on_arrival=on_arrival):
            bar.to(k + 1)
            if table.accept[k] and (s := int(table.s[k])) in wanted:
                kept[s] = y
    return {t: in_data_units(model, kept[t]) for t in wanted}


def in_data_units(model: Described, x: np.ndarray) -> np.ndarray:
    """x of the model's units in the data's: float32, or float64 where only that can tell them apart."""
    return model.units.to_data(x).astype(np.float64 if model.units.in_float64 else np.float32)


def rows(
    model: Described,
    x: np.ndarray,
    table: Coefficients,
    schedule: Schedule,
    seed: int,
    first: int,
    stops: Sequence[int],
    *,
    shared: bool = False,
    on_arrival: OnArrival | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Down the table from x, in the model's units: (k, y) after each row k of `stops`, and maybe after others."""
    found = None
    plain = asked() == "float32" and not shared and on_arrival is None
    if model.own_chain is not None and chosen() == "numba" and plain:
        found = model.own_chain(x, table, seed, first, stops)
    if found is None:
        found = _chain(model, x, table, seed, first, schedule, shared, on_arrival)
    for k, y in found:
        if not np.isfinite(y).all():
            raise ValueError(f"model: expected a chain of finite numbers, got NaN or infinite x at t = {table.s[k]}")
        yield k, y


def _stops(table: Coefficients, wanted: Sequence[int], progress: bool) -> list[int]:
    """The rows after which a kernel is to come back: what is wanted, the last, and what moves the bar."""
    K = len(table.t)
    stops = {*np.flatnonzero(np.isin(table.s, wanted)).tolist(), K - 1}
    if progress:
        stops |= {row - 1 for row in range(0, K, -(-K // REPORTS))}
    return sorted(stops - {-1})


def _chain(
    model: Described,
    x: np.ndarray,
    table: Coefficients,
    seed: int,
    first: int,
    schedule: Schedule,
    shared: bool = False,
    on_arrival: OnArrival | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """The rows of the table, line by line (see `solvers`): yields (k, y) after row k.

    For Algorithm 1 that is x = a x + b eps + c z.
    """
    real: type[np.floating] = np.float64 if model.in_float64 else np.float32  # of what is added up to an x
    samples, size = np.full(len(x), first) if shared else first + np.arange(len(x)), x[0].size
    y, history = x, [x, x]  # no row uses a prediction before it was made
    for k, (t, s, step, p, q, a, b, c, accept, learned) in enumerate(zip(*table, strict=True)):
        asked = y.copy()  # the model may write to it
        if learned and model.eps_and_fraction is not None:
            answer, fraction = model.eps_and_fraction(asked, int(t))
            c = np.sqrt(learned_variance(schedule, fraction, t, s))
        else:
            answer = model.model(asked, int(t))
        eps = _checks.array(f"model: eps at t = {t}", answer, x.shape, real)
        # Copied, as the model may answer in the same array each time.
        history = [eps.copy() if p == 0.0 else real(p) * y + real(q) * eps, *history[:2]]
        y = real(a) * x
        for weight, prediction in zip(b, history, strict=True):
            if weight != 0.0:
                y = y + real(weight) * prediction
        if np.any(c):  # z = 0 at the last step
            y = y + real(c) * normal(seed, STREAM_REVERSE, samples, step, size).reshape(x.shape)
        y = y.astype(np.float32, copy=False)
        y = y if on_arrival is None else on_arrival(k, y)
        if accept:
            x = y
        yield k, y
