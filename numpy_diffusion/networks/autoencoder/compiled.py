"""The autoencoder in the U-Net's kernels: encoder and decoder as plans of their own, and both as one to train.

In training a sample goes through encoder, bottleneck and decoder and all the way back before the next, as in
`kernels.unet.run`.  Its target is the image itself, its latent's noise is what it is told, and the divergence is a
penalty beside the loss of its numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

import numpy as np

from numpy_diffusion.kernels.threads import one_at_a_time
from numpy_diffusion.kernels.unet import run, workspace
from numpy_diffusion.kernels.unet.calls import NONE, Call, CallKind, Layout, Plan
from numpy_diffusion.models.shares import Share
from numpy_diffusion.models.stored import Stored, Weights
from numpy_diffusion.networks.autoencoder.config import AutoencoderConfig
from numpy_diffusion.networks.autoencoder.program import decoder, encoder, shapes
from numpy_diffusion.networks.unet import placement
from numpy_diffusion.networks.unet.compiled import packed
from numpy_diffusion.networks.unet.layout import layout
from numpy_diffusion.networks.unet.plan import Builder

Part = Literal["encoder", "decoder"]
NO_KEY = (0, 0, 0)  # of a dropout


@functools.lru_cache(maxsize=16)
def layout_of(config: AutoencoderConfig) -> Layout:
    """Where the parameters of such an autoencoder lie."""
    return layout(shapes(config))


@functools.lru_cache(maxsize=32)
def _planned(config: AutoencoderConfig, part: Part, height: int, width: int) -> Plan:
    """The calls of one part, for inputs of this size."""
    program = encoder(config) if part == "encoder" else decoder(config)
    builder = Builder(config, layout_of(config), training=False)
    x = builder.image(height, width, program[0].inputs, border=1)
    eps = builder.network(program, x, NONE, NONE)
    return placement.plan(builder.images, builder.calls, len(builder.calls), x=x, eps=eps)


@functools.lru_cache(maxsize=8)
def _training(config: AutoencoderConfig, batch: int, kl_weight: float) -> Plan:
    """The calls of encoder, bottleneck and decoder, and all the way back."""
    builder = Builder(config, layout_of(config), training=True)
    height, width = config.image_size
    f, latent = config.shrinkage, config.latent_channels
    x = builder.image(height, width, config.in_channels, border=1)
    noise = builder.image(height // f, width // f, latent, border=0)
    moments = builder.network(encoder(config), x, NONE, NONE)
    z, penalty = builder.image(height // f, width // f, latent, border=1), builder.vector(1)
    sample = Call(CallKind.SAMPLE, src=moments, dst=z, residual=noise, stats=penalty, factor=kl_weight)
    builder.calls.append(sample)

    def back() -> None:
        dmoments, dz = builder.gradient(moments)[0], builder.gradients[z]
        kind, factor = CallKind.SAMPLE_BACK, kl_weight / batch
        builder.calls.append(sample._replace(kind=kind, dst=NONE, stats=NONE, dy=dz, dx=dmoments, factor=factor))

    builder.tape.append(back)
    eps = builder.network(decoder(config), z, NONE, NONE)
    backward = len(builder.calls)
    deps = builder.back(eps, x)
    return placement.plan(
        builder.images, builder.calls, backward, x=x, eps=eps, deps=deps, told=noise, penalty=penalty
    )


def laid_out(config: AutoencoderConfig, numbers: np.ndarray | Stored, known: Weights | None) -> Weights:
    """The parameters of an autoencoder as its kernels read them; see `packed`."""
    return packed(layout_of(config), numbers, known)


def _told(n: int, vectors: np.ndarray | None = None) -> workspace.Told:
    none = np.zeros((n, 0), np.float32)
    return workspace.Told(
        np.zeros(n, np.int64), none if vectors is None else vectors, none[:, None], np.zeros((n, 0), bool)
    )


def through(config: AutoencoderConfig, part: Part, weights: Weights, x: np.ndarray) -> np.ndarray:
    """What a part makes of x [N, C, H, W]."""
    n, plan = len(x), _planned(config, part, *x.shape[2:])
    given = np.ascontiguousarray(x), np.zeros((1, 0), np.float32), np.zeros(n, np.int64), _told(n)
    with one_at_a_time():
        return run.predict(plan, weights.laid_out, *given)


def gradients(
    config: AutoencoderConfig, share: Share, kl_weight: float
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A function that gives the losses [N] of this share of a batch, and what it adds to the gradient [P] of the
    batch's mean.

    Its arguments: the parameters [P], x [N, 3, H, W], and the noise of the latents [N, C, H / f, W / f].  What it
    returns is overwritten by the next call.
    """
    where, plan = layout_of(config), _training(config, share.batch, kl_weight)
    work, n = workspace.workspace(plan, where, share.bounds - share.bounds[0]), len(share.samples)
    weighting, bound = np.ones(n, np.float32), np.zeros((n, 6), np.float32)
    none, place = np.zeros((n, 0), np.float32), (int(share.samples[0]), share.batch)

    def gradient(parameters: np.ndarray, x: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = np.ascontiguousarray(x, np.float32)
        told = _told(n, np.ascontiguousarray(noise.transpose(0, 2, 3, 1), np.float32).reshape(n, -1))
        shown = workspace.Batch(x, none, x, weighting, bound, *place)
        return run.gradient(plan, where, work, parameters, shown, told, 0.0, NO_KEY, 0)

    return gradient
