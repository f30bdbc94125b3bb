"""The U-Net in its kernels: plans made once per structure, weights laid out again only when they have changed."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from numpy_diffusion.kernels.equal import equal
from numpy_diffusion.kernels.memory import aligned, in_small_pages
from numpy_diffusion.kernels.precision import Precision
from numpy_diffusion.kernels.threads import one_at_a_time
from numpy_diffusion.kernels.unet import packing, run, together, workspace
from numpy_diffusion.kernels.unet.calls import Layout, Plan
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.shares import Share
from numpy_diffusion.models.stored import Stored, Weights
from numpy_diffusion.networks.unet.config import Config
from numpy_diffusion.networks.unet.layout import layout
from numpy_diffusion.networks.unet.plan import plan
from numpy_diffusion.networks.unet.plan_bfloat16 import Rounding
from numpy_diffusion.networks.unet.program import program, shapes
from numpy_diffusion.noise import STREAM_DROPOUT, split_seed

AT_ONCE = 2**24  # numbers of a file


@functools.lru_cache(maxsize=16)
def layout_of(config: Config) -> Layout:
    """Where the parameters of such a U-Net lie."""
    return layout(shapes(config))


@functools.lru_cache(maxsize=16)
def planned(
    config: Config,
    training: bool = False,
    tokens: int = 0,
    of_told: bool = False,
    precision: Precision = "float32",
) -> tuple[Plan, Layout]:
    """The kernel calls of a U-Net, and where its parameters lie; see `plan.plan`."""
    where, rounding = layout_of(config), Rounding() if precision == "bfloat16" else None
    return plan(program(config), config, where, training, tokens, of_told, rounding), where


def told(condition: Condition, n: int) -> workspace.Told:
    """What n samples are told, as the kernels take it, from a condition with a row for each."""

    def given(name: str, *empty: int) -> np.ndarray:
        values = condition.arguments().get(name)
        dtype = np.dtype({"labels": np.int64, "mask": bool}.get(name, np.float32))
        return np.zeros((n, *empty), dtype) if values is None else np.ascontiguousarray(values)

    return workspace.Told(given("labels"), given("embedding", 0), given("states", 0, 0), given("mask", 0))


def laid_out(config: Config, numbers: np.ndarray | Stored, known: Weights | None) -> Weights:
    """The parameters of a U-Net as its kernels read them; see `packed`."""
    return packed(layout_of(config), numbers, known)


def packed(where: Layout, numbers: np.ndarray | Stored, known: Weights | None) -> Weights:
    """The parameters as the kernels read them: those known, unless the parameters are others by now."""
    if isinstance(numbers, Stored):  # to which nobody writes
        return known if known is not None and known.numbers is numbers else Weights(numbers, _of_file(where, numbers))
    if known is not None and isinstance(known.numbers, np.ndarray) and equal(known.numbers, numbers):
        return known
    packing.pack(numbers, where.weights, target := aligned(where.weights.size))
    return Weights(numbers.copy(), target)


def _of_file(where: Layout, stored: Stored) -> np.ndarray:
    """Stored parameters as the kernels read them; of a file no more pages are held than those of a few of them."""
    target, whole = in_small_pages(where.weights.size), where.weights.read_from(stored.starts)
    first = 0
    for last in range(1, len(whole.pieces) + 1):
        some = whole.pieces[first:last]
        if last == len(whole.pieces) or (some["outputs"] * some["inputs"] * some["taps"]).sum() >= AT_ONCE:
            packing.pack(stored.numbers, whole._replace(pieces=some), target)
            stored.let_go()
            first = last
    return target


def predict(
    config: Config,
    weights: Weights,
    x: np.ndarray,
    embedding: np.ndarray,
    place: np.ndarray,
    condition: Condition,
) -> np.ndarray:
    """The outputs [N, J, H, W] of x [N, C, H, W]; embedding [K, E] of the steps, place [N] says whose."""
    calls, _ = planned(config, tokens=condition.length)
    with one_at_a_time():
        return run.predict(calls, weights.laid_out, x, embedding, place, told(condition, len(x)))


Gradient = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def gradients(
    config: Config, share: Share, tokens: int = 0, of_told: bool = False, precision: Precision = "float32"
) -> Callable[..., Gradient]:
    """A function that gives the losses [N] of this share of a batch, what it adds to the gradient [P] of the batch's
    mean, and the gradients by the embedding that is told [N, E] and by the states [N, tokens, D], which are of no
    numbers unless `of_told`.

    Its arguments: the parameters [P]; x, eps [N, C, H, W]; the embedding of each sample's step [N, E]; the condition,
    a row for each; lambda of each sample [N]; its row of `losses.bound_table` [N, 6]; and seed and step of the
    dropout.  What it returns is overwritten by the next call.
    """
    calls, where = planned(config, True, tokens, of_told, precision)
    bounds, samples = share.bounds - share.bounds[0], share.samples
    few = together.suits(calls, where, len(samples))
    work = together.together(calls, where, bounds) if few else workspace.workspace(calls, where, bounds)
    kernel, answers = (together.gradient, work.work) if few else (run.gradient, work)

    def gradient(
        parameters: np.ndarray,
        x: np.ndarray,
        eps: np.ndarray,
        embedding: np.ndarray,
        condition: Condition,
        weighting: np.ndarray,
        table: np.ndarray,
        seed: int,
        step: int,
    ) -> Gradient:
        numbers = (np.ascontiguousarray(values, np.float32) for values in (x, embedding, eps, weighting, table))
        x, embedding, eps, weighting, table = numbers
        place = int(samples[0]), share.batch
        shown, known = workspace.Batch(x, embedding, eps, weighting, table, *place), told(condition, len(samples))
        key = (*split_seed(seed), STREAM_DROPOUT)
        losses, slopes = kernel(calls, where, work, parameters, shown, known, config.dropout, key, step)
        return losses, slopes, answers.dvectors, answers.dstates

    return gradient
