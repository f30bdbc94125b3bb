"""Any of the project's networks: what training and checkpoints need of one, whichever it is."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from numpy_diffusion.networks import mlp, parameters, unet
from numpy_diffusion.networks.mlp import MLP
from numpy_diffusion.networks.unet import UNet

Network = MLP | UNet
CLASSES: Final[dict[str, type[MLP] | type[UNet]]] = {"MLP": MLP, "UNet": UNet}

# For dropout: the run's seed, the samples' own numbers [N], the training step.
Draw = tuple[int, np.ndarray, int]


def forward(
    model: Network,
    params: parameters.Parameters,
    x: np.ndarray,
    t: np.ndarray,
    labels: np.ndarray | None = None,
    draw: Draw | None = None,
) -> tuple[np.ndarray, list[Any]]:
    """The outputs [N, J, ...] of the model's NumPy definition at these parameters, eps first, and its caches."""
    if isinstance(model, MLP):
        return mlp.forward(params, x, t, model.residual)
    return unet.forward(params, model.config, x, t, labels, draw)


def backward(
    model: Network, params: parameters.Parameters, doutputs: np.ndarray, caches: list[Any]
) -> parameters.Parameters:
    """The gradient of every parameter, from doutputs [N, J, ...]."""
    if isinstance(model, MLP):
        return mlp.backward(params, doutputs, caches, model.residual)[1]
    return unet.backward(params, model.config, doutputs, caches)[1]


def null_label(model: Network) -> int | None:
    """The label that stands for "no class", one above the others; None of a network without classes."""
    return model.null_label if isinstance(model, UNet) else None


def copy(model: Network) -> Network:
    """A network of the same structure and weights; shift and scale are those of a new one."""
    config: dict[str, Any] = model.config
    copied: Network = MLP(**config) if isinstance(model, MLP) else UNet(**config)
    copied.buffer[:] = model.buffer
    return copied
