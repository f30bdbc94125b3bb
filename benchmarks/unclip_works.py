"""Training steps of DALL-E 2 beside CLIP's: the prior's and an upsampler's, at a miniature's width and at four times.

The prior is that of 64 numbers an embedding, the upsampler that from 32 x 32 to 64 x 64, shown a quarter of an image.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType

import numpy as np
import ours
from works import OURS, Work, drawn, texts, times, trained, words

import numpy_diffusion as nd
from numpy_diffusion.training import low_resolution

EMBEDDING, HEAD, LAYERS = 64, 16, 3  # of the prior: its width, a head's, blocks
PLACES, FEWEST = 20, 8  # of a text, of the shortest text
CHANNELS, IMAGE, LOW, CROP = (32, 64), 64, 32, 32  # of the upsampler: sides of an image, of the one to go by, shown
WIDTHS = {1: 2.0, 4: 1.5}  # as a multiple of the miniature's, and the least ratio wanted
RATE = 1e-4


def jobs(peers: Sequence[ModuleType]) -> dict[str, Callable[[], Work]]:
    """What makes each work, by its title."""
    found: dict[str, Callable[[], Work]] = {}
    for width, target in WIDTHS.items():
        channels = "-".join(str(width * n) for n in CHANNELS)
        for title, work in {
            f"prior {width * EMBEDDING}{times(width)}, training step, batch 256": train_prior,
            f"upsampler {channels}{times(width)}, training step, batch 16": train_upsampler,
        }.items():
            found[title] = functools.partial(work, title, peers, width, target)
    return found


def train_prior(title: str, peers: Sequence[ModuleType], width: int, target: float, batch: int = 256) -> Work:
    """A step of Adam on embeddings of pictures, each with its text."""
    D, schedule, rng = width * EMBEDDING, nd.Schedule.cosine(T=1000), np.random.default_rng(0)
    model = nd.PriorTransformer(embedding_dim=D, num_embeddings=PLACES, num_layers=LAYERS,
                                num_attention_heads=D // HEAD, attention_head_dim=HEAD)  # fmt: skip
    drawn(model)
    data, embedding = rng.standard_normal((2, 4 * batch, D), dtype=np.float32)
    told = replace(texts(rng, 4 * batch, PLACES, D, FEWEST, PLACES), embedding=embedding)
    run, gradient = ours.train(model, schedule, data, batch, 1, RATE, told), ours.own_gradient(model, schedule, told)
    given = model, schedule, data, *told.arguments().values(), batch, RATE
    found = {OURS: (run, gradient)}
    for name, module in ((name, peer) for peer in peers for name in peer.NAMES):
        if "channels_last" not in name:  # embeddings have no layout
            found[name] = module.train_prior(name, *given)
    t, eps = rng.integers(1, 1001, batch), rng.standard_normal((batch, D), dtype=np.float32)
    arrays = data[:batch], t, eps, *told.rows(slice(batch)).arguments().values()
    return trained(title, found, arrays, target, batch * _prior_flops(model, words(told)))


def _prior_flops(model: nd.PriorTransformer, states: int) -> float:
    """Of one sample: the products of the linear layers, forward, and backward by inputs and by weights.

    What the first ones are given has no gradient.  The last block does all but keys and values for the last token
    alone, from which the prediction is read.
    """
    config = model.config
    D, W, tokens = config.embedding_dim, config.width, states + 4
    first = states * D * W + config.text_dim * W + D * W + W * W
    blocks = 12 * W * W * tokens * (config.num_layers - 1) + 2 * W * W * tokens + 10 * W * W
    return 2.0 * (2 * first + 3 * (W * W + blocks + W * D))


def train_upsampler(title: str, peers: Sequence[ModuleType], width: int, target: float, batch: int = 16) -> Work:
    """A step of Adam on the noise in squares of images, each with the blurred and enlarged image to go by."""
    model, schedule, rng = _upsampler(width, IMAGE), nd.Schedule.cosine(T=1000), np.random.default_rng(0)
    drawn(model)
    data, low = (rng.uniform(-1.0, 1.0, (64, 3, side, side)).astype(np.float32) for side in (IMAGE, LOW))
    told = nd.Condition(low_resolution=low)
    run = ours.train(model, schedule, data, batch, 1, RATE, told, CROP)
    found = {OURS: (run, ours.own_gradient(model, schedule, told, CROP))}
    given = model, schedule, data, low, low_resolution.BLUR, CROP, batch, RATE
    found |= {name: peer.train_upsampler(name, *given) for peer in peers for name in peer.NAMES}
    x0, shown = low_resolution.part(data[:batch], low[:batch], CROP, np.arange(batch), seed=0, step=1)
    t, eps = rng.integers(1, 1001, batch), rng.standard_normal(x0.shape, dtype=np.float32)
    flops = batch * ours.unet_flops(_upsampler(width, CROP), training=True)
    return trained(title, found, (x0, t, eps, shown), target, flops)


def _upsampler(width: int, side: int) -> nd.UNet:
    """Blocks that resample in a residual block, norms that the step scales and shifts, and no attention."""
    return nd.UNet(sample_size=side, in_channels=6, out_channels=3, block_out_channels=[width * n for n in CHANNELS],
                   layers_per_block=1, norm_num_groups=8, resnet_time_scale_shift="scale_shift", add_attention=False,
                   down_block_types=("ResnetDownsampleBlock2D",) * 2,
                   up_block_types=("ResnetUpsampleBlock2D",) * 2)  # fmt: skip
