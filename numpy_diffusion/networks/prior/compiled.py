"""The prior in its kernels: where its parameters lie, and calls with arrays in place of conditions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels.prior import places, run
from numpy_diffusion.kernels.prior.forward import Shown
from numpy_diffusion.kernels.prior.places import End, Network, Part
from numpy_diffusion.kernels.unet.calls import Layout
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.shares import Share
from numpy_diffusion.models.tasks import Batch
from numpy_diffusion.networks.prior import definition
from numpy_diffusion.networks.prior.config import ASKED, PLACES, PriorConfig, block_name, shapes
from numpy_diffusion.networks.unet.layout import layout

PARTS = {
    Part.NORM1: definition.NAMES.norm1,
    Part.Q: f"{definition.NAMES.attention}.{definition.NAMES.projections.q}",
    Part.K: f"{definition.NAMES.attention}.{definition.NAMES.projections.k}",
    Part.V: f"{definition.NAMES.attention}.{definition.NAMES.projections.v}",
    Part.OUT: f"{definition.NAMES.attention}.{definition.NAMES.projections.out}",
    Part.NORM3: definition.NAMES.norm2,
    Part.WIDEN: definition.NAMES.widen,
    Part.NARROW: definition.NAMES.narrow,
}
ENDS = {
    End.STATES: definition.STATES,
    End.TEXT: definition.TEXT,
    End.STEP_1: definition.STEP_1,
    End.STEP_2: definition.STEP_2,
    End.NOISED: definition.NOISED,
    End.LAST: definition.LAST,
    End.OUT: definition.OUT,
}


class Kernels(NamedTuple):
    """A network of this structure, and where its parameters lie."""

    network: Network
    layout: Layout


@functools.lru_cache(maxsize=16)
def kernels(config: PriorConfig) -> Kernels:
    """Those of a structure, made once."""
    flat = {name: (int(np.prod(shape)),) if len(shape) > 2 else shape for name, shape in shapes(config).items()}
    found = layout(flat)  # the positions stay as they are
    straight, turned = found.weights.at, found.turned.at

    def row(name: str) -> list[int]:
        weight = f"{name}.weight"
        return [straight[weight], straight[f"{name}.bias"], turned.get(weight, -1)]

    blocks = [[row(f"{block_name(number)}.{PARTS[part]}") for part in Part] for number in range(config.num_layers)]
    ends = [row(ENDS[end]) for end in End if end in ENDS]
    ends += [[straight[name], -1, -1] for name in (PLACES, ASKED)]
    network = Network(
        width=config.width,
        heads=config.num_attention_heads,
        dim=config.embedding_dim,
        text=config.text_dim,
        step=config.time_embed_dim or config.width,
        places=config.num_embeddings,
        blocks=np.array(blocks, np.int64),
        ends=np.array(ends, np.int64),
    )
    return Kernels(network, found)


@functools.lru_cache(maxsize=16)
def _places(config: PriorConfig, length: int, training: bool) -> places.Places:
    return places.places(kernels(config).network, length, training)


def shown(x: np.ndarray, sinusoids: np.ndarray, step: np.ndarray, condition: Condition) -> Shown:
    """The samples as the kernels take them; sinusoids [K, W] of the steps, step [N] which of them each has."""
    x, embedding, states = (np.ascontiguousarray(v, np.float32) for v in (x, condition.embedding, condition.states))
    return Shown(x, sinusoids, step, embedding, states, np.ascontiguousarray(condition.mask))


def predict(
    config: PriorConfig, weights: np.ndarray, x: np.ndarray, t: np.ndarray, condition: Condition
) -> np.ndarray:
    """z_0 [N, D] of x [N, D] at the steps t [N]; the weights packed."""
    steps, step = np.unique(t, return_inverse=True)
    given = shown(x, definition.embed(config, steps, np.float32), step, condition)
    return run.predict(kernels(config).network, _places(config, condition.length, False), weights, given)


def gradients(
    config: PriorConfig, share: Share, length: int, T: int
) -> Callable[[np.ndarray, Batch], tuple[np.ndarray, np.ndarray]]:
    """A function that gives the losses [N] of this share of a batch, and what it adds to the gradient [P] of the
    batch's mean.

    length : how many states a text may have;  T : of the schedule.  What it returns is overwritten by the next call.
    """
    own, where = kernels(config), _places(config, length, True)
    work = run.workspace(where, own.layout, length, share.bounds - share.bounds[0])
    sinusoids = definition.embed(config, np.arange(T + 1), np.float32)

    def gradient(parameters: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        given = shown(batch.xt, sinusoids, batch.t, batch.condition)
        target, weighting = (np.ascontiguousarray(v, np.float32) for v in (batch.target, batch.weighting))
        shown_all = given, target, weighting, share.batch
        return run.gradient(own.network, where, own.layout, work, parameters, *shown_all)

    return gradient
