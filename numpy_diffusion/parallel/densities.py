"""Likelihoods of the samples in a dask array, chunk by chunk: lazy arrays [N]."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.evaluation import bound as bounds
from numpy_diffusion.evaluation import likelihood, setting
from numpy_diffusion.kernels.backend import Backend, chosen
from numpy_diffusion.kernels.precision import Precision, asked
from numpy_diffusion.models.protocol import Model, members
from numpy_diffusion.models.wrapper import check_rows, rows
from numpy_diffusion.noise import WORD_RANGE
from numpy_diffusion.oracles.gaussian_mixture import Gaussian, GaussianMixture
from numpy_diffusion.parallel.engine import module, name, placed, task
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import check_start, chosen_steps
from numpy_diffusion.process.variances import Variance

Forms = tuple[Backend, Precision]  # in which the call is made, and so its tasks


def log_prob(
    model: Model,
    schedule: Schedule,
    x: Any,
    *,
    client: Any = None,
    prior: GaussianMixture | None = None,
    probes: int | None = None,
    seed: int = 0,
    steps: int | ArrayLike | None = None,
    first: int = 0,
) -> Any:
    """log p(x) of each sample in a dask array, as `nd.log_prob` has it, to the bit.

    Parameters
    ----------
    model : as for `nd.log_prob`; it is asked once, at one point, to see that it can be
    x : dask array [N, ...]
    client : see `sample`
    all others : as for `nd.log_prob`

    Returns
    -------
    dask array [N], float64.  Its chunks are about as long as those of x, but multiples of the samples that
    `nd.log_prob` takes at once, 2048 of two numbers without `probes`: products of matrices may round by how many

    Raises
    ------
    ImportError : Dask is missing
    ValueError : as for `nd.log_prob`, of the arguments at the call; an x that is no dask array or of unknown length
    """
    x = _dask_array("x", x)
    D = math.prod(x.shape[1:])
    point = np.zeros((1, *x.shape[1:]))
    likelihood.log_prob(
        rows(model, slice(0, 1)),
        schedule,
        point,
        prior=prior,
        probes=probes,
        seed=seed,
        steps=[schedule.T],
        progress=False,
    )
    check_rows(model, len(x))
    check_start("T", schedule.T, chosen_steps(schedule, steps))
    _checks.integer("first", first, 0, WORD_RANGE - len(x))
    options = {"prior": prior, "probes": probes, "seed": seed, "steps": steps}
    settings = schedule, first, (chosen(), asked()), options
    at_once = likelihood.rows_at_once(members(model), D, probes)
    return _of_each("log_prob", _log_prob, x, model, settings, client, at_once)


def bound(
    model: Any,
    schedule: Schedule,
    x0: Any,
    seed: int = 0,
    *,
    client: Any = None,
    variance: Variance | ArrayLike = "beta",
    prior: Gaussian | None = None,
    form: bounds.Form = "posterior",
    draws: int = 1,
    first: int = 0,
) -> Any:
    """The variational bound on -log p(x_0) of each sample in a dask array: the `totals` of `nd.bound`, to the bit.

    Their mean is the bound, in nats a sample; over D log 2 it is bits per dimension.

    Parameters
    ----------
    x0 : dask array [N, ...]; dtype uint8 is 8-bit data
    client : see `sample`
    all others : as for `nd.bound`

    Returns
    -------
    dask array [N], float64, in the chunks of x0

    Raises
    ------
    ImportError : Dask is missing
    ValueError : as for `nd.bound`, of the arguments at the call; an x0 that is no dask array or of unknown length
    """
    x0 = _dask_array("x0", x0)
    setting.checked(model, schedule, np.zeros((1, *x0.shape[1:]), x0.dtype), variance, prior)
    check_rows(model, len(x0))
    _checks.integer("first", first, 0, WORD_RANGE - len(x0))
    options = {"variance": variance, "prior": prior, "form": _checks.choice("form", form, bounds.FORMS)}
    options |= {"seed": _checks.seed(seed), "draws": _checks.integer("draws", draws, 1)}
    return _of_each("bound", _bound, x0, model, (schedule, first, (chosen(), asked()), options), client)


def score_samples(density: Any, x: Any, *, client: Any = None) -> Any:
    """log p(x) of each row of a dask array [N, D] by a fitted density, as its own `score_samples` has it, to the bit.

    Parameters
    ----------
    density : a fitted `nd.DiffusionDensity`; it is asked once, at one point, to see that it can be
    x : dask array [N, D]
    client : see `sample`

    Returns
    -------
    dask array [N], float64, in nats; its chunks are those of `log_prob`

    Raises
    ------
    ImportError : Dask is missing
    ValueError : not fitted; x of another D, no dask array or of unknown length
    """
    x = _dask_array("x", x)
    density.score_samples(np.zeros((1, *x.shape[1:])))
    at_once = likelihood.rows_at_once(members(density.models_[0]), math.prod(x.shape[1:]))
    return _of_each("score_samples", _score_samples, x, density, (chosen(), asked()), client, at_once)


def _dask_array(name: str, x: Any) -> Any:
    if not isinstance(x, module("dask.array").Array):
        advice = f"dask.array.from_array({name}, chunks=...) makes one"
        raise ValueError(f"{name}: expected a dask array, got {type(x).__name__}: {advice}")
    if x.ndim < 2 or np.isnan(x.shape).any():
        raise ValueError(f"{name}: expected a dask array [N, ...] of known lengths, got {list(x.shape)}")
    return x


def _of_each(what: str, of_chunk: Any, x: Any, model: Any, settings: Any, client: Any, at_once: int = 1) -> Any:
    """A number for each sample of x, by tasks that have whole samples, and of these a multiple of `at_once`."""
    length = at_once * max(1, max(x.chunks[0]) // at_once)
    whole = dict.fromkeys(range(1, x.ndim), -1)
    x = x.rechunk(whole if at_once == 1 else whole | {0: length})
    model, settings = placed("model", model, client), placed("settings", settings, client)
    return x.map_blocks(
        of_chunk,
        model,
        settings,
        drop_axis=list(range(1, x.ndim)),
        dtype=np.float64,
        meta=np.empty(0),
        name=name(what, x.name, model, settings),
    )


def _log_prob(x: np.ndarray, model: Any, settings: Any, block_info: Any = None) -> np.ndarray:
    schedule, first, forms, options = settings
    low, high = _place(block_info)
    with task(*forms):
        part = rows(model, slice(low, high))
        return likelihood.log_prob(part, schedule, x, first=first + low, progress=False, **options)


def _bound(x: np.ndarray, model: Any, settings: Any, block_info: Any = None) -> np.ndarray:
    schedule, first, forms, options = settings
    low, high = _place(block_info)
    with task(*forms):
        part = rows(model, slice(low, high))
        return bounds.bound(part, schedule, x, first=first + low, progress=False, **options).totals


def _score_samples(x: np.ndarray, density: Any, forms: Forms) -> np.ndarray:
    with task(*forms):
        return density.score_samples(x)


def _place(block_info: Any) -> tuple[int, int]:
    """The places of a chunk's first sample in the array, and of the one behind its last."""
    low, high = block_info[0]["array-location"][0]
    return int(low), int(high)
