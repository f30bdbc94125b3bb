"""The U-Net in its kernels: plans made once per structure, weights laid out again only when they have changed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels.memory import aligned
from numpy_diffusion.kernels.unet import packing, run, workspace
from numpy_diffusion.kernels.unet.calls import Layout, Plan
from numpy_diffusion.networks.unet.config import UNetConfig
from numpy_diffusion.networks.unet.layout import layout
from numpy_diffusion.networks.unet.plan import plan
from numpy_diffusion.networks.unet.program import program, shapes
from numpy_diffusion.noise import STREAM_DROPOUT, split_seed


class Weights(NamedTuple):
    """Parameters [P] and the same as the kernels read them."""

    buffer: np.ndarray
    laid_out: np.ndarray


@functools.lru_cache(maxsize=16)
def planned(config: UNetConfig, training: bool = False) -> tuple[Plan, Layout]:
    """The kernel calls of a U-Net, and where its parameters lie."""
    where = layout(shapes(config))
    return plan(program(config), config, where, training), where


def laid_out(config: UNetConfig, buffer: np.ndarray, known: Weights | None) -> Weights:
    """The parameters as the kernels read them: those known, unless the parameters are others by now."""
    if known is not None and np.array_equal(known.buffer, buffer):
        return known
    weights = planned(config)[1].weights
    packing.pack(buffer, weights, target := aligned(weights.size))
    return Weights(buffer.copy(), target)


def predict(
    config: UNetConfig,
    weights: Weights,
    x: np.ndarray,
    embedding: np.ndarray,
    place: np.ndarray,
    labels: np.ndarray | None,
) -> np.ndarray:
    """The outputs [N, J, H, W] of x [N, C, H, W]; embedding [K, E] of the steps, place [N] says whose."""
    chosen = np.zeros(len(x), np.int64) if labels is None else labels
    calls, _ = planned(config)
    return run.predict(calls, weights.laid_out, config.norm_eps, x, embedding, place, chosen, config.out_channels)


Gradient = tuple[np.ndarray, np.ndarray]


def gradients(config: UNetConfig, batch: int) -> Callable[..., Gradient]:
    """A function that gives the losses [N] of a batch of this size and their mean's gradient [P].

    Its arguments: the parameters [P]; x, eps [N, C, H, W]; the embedding of each sample's step [N, E]; labels [N] or
    None; lambda of each sample [N]; its row of `losses.bound_table` [N, 6]; and seed and step of the dropout.  What
    it returns is overwritten by the next call.
    """
    calls, where = planned(config, training=True)
    work = workspace.workspace(calls, where, batch)

    def gradient(
        parameters: np.ndarray,
        x: np.ndarray,
        eps: np.ndarray,
        embedding: np.ndarray,
        labels: np.ndarray | None,
        weighting: np.ndarray,
        table: np.ndarray,
        seed: int,
        step: int,
    ) -> Gradient:
        chosen = np.zeros(batch, np.int64) if labels is None else labels
        numbers = (np.ascontiguousarray(values, np.float32) for values in (x, embedding, eps, weighting, table))
        x, embedding, eps, weighting, table = numbers
        shown = workspace.Batch(x, embedding, chosen, eps, weighting, table)
        key = (*split_seed(seed), STREAM_DROPOUT)
        return run.gradient(calls, where, work, parameters, config.norm_eps, shown, config.dropout, key, step)

    return gradient
