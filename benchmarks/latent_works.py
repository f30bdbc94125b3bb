"""The works of latent diffusion: the U-Net that attends to a text, and the autoencoder, at three widths.

Both are those of a miniature of 16 x 16 latents of 64 x 64 images, and twice and four times as wide.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np
import ours
import timing
from works import OURS, Work, drawn, texts, times, trained, words

import numpy_diffusion as nd

UNET, AUTOENCODER = (32, 64, 64), (32, 32, 64)  # channels of the miniature's blocks
LATENT, IMAGE = (4, 16, 16), (3, 64, 64)
TOKENS, STATE, FEWEST, MOST = 16, 64, 8, 14  # places of a text, numbers of a word's state, words of a text
WIDTHS = {1: 2.0, 2: 1.5, 4: 1.5}  # channels as a multiple of the miniature's, and the least ratio wanted
RATE = 1e-4


def jobs(peers: Sequence[ModuleType]) -> dict[str, Callable[[], Work]]:
    """What makes each work, by its title; the narrowest networks first."""
    found: dict[str, Callable[[], Work]] = {}
    for width, target in WIDTHS.items():
        unet, autoencoder = (
            "-".join(str(width * n) for n in channels) + times(width) for channels in (UNET, AUTOENCODER)
        )
        for title, work in {
            f"conditional U-Net {unet}, 16 latents": predict,
            f"conditional U-Net {unet}, training step, batch 32": train,
            f"autoencoder {autoencoder}, 16 images encoded": encode,
            f"autoencoder {autoencoder}, 16 latents decoded": decode,
            f"autoencoder {autoencoder}, training step, batch 8": train_autoencoder,
        }.items():
            found[title] = functools.partial(work, title, peers, width, target)
    return found


def _unet(width: int) -> nd.UNet:
    """A plain block on top, transformers of four heads in the two below it and in the middle."""
    cross = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
    model = nd.UNet(sample_size=LATENT[1], in_channels=LATENT[0], out_channels=LATENT[0], layers_per_block=1,
                    block_out_channels=[width * n for n in UNET], cross_attention_dim=width * STATE,
                    attention_head_dim=4, norm_num_groups=8,
                    down_block_types=("DownBlock2D", cross[0], cross[0]),
                    up_block_types=(cross[1], cross[1], "UpBlock2D"))  # fmt: skip
    drawn(model)
    return model


def _autoencoder(width: int) -> nd.AutoencoderKL:
    model = nd.AutoencoderKL(sample_size=IMAGE[1], in_channels=IMAGE[0], out_channels=IMAGE[0],
                             latent_channels=LATENT[0], block_out_channels=[width * n for n in AUTOENCODER],
                             norm_num_groups=8, down_block_types=("DownEncoderBlock2D",) * 3,
                             up_block_types=("UpDecoderBlock2D",) * 3)  # fmt: skip
    drawn(model)
    return model


def _same_answers(runs: dict[str, Callable[..., object]], relative: float = 1e-4) -> None:
    """Of all contestants, up to `relative` of each array's largest number."""
    expected = runs[OURS]()
    for name, run in runs.items():
        for found, wanted in zip(run(), expected, strict=True):
            np.testing.assert_allclose(found, wanted, atol=relative * np.abs(wanted).max(), err_msg=name)


def predict(title: str, peers: Sequence[ModuleType], width: int, target: float, n: int = 16) -> Work:
    """The noise in n latents, each with its text."""
    model, rng = _unet(width), np.random.default_rng(n)
    x, told = rng.standard_normal((n, *LATENT), dtype=np.float32), texts(rng, n, TOKENS, width * STATE, FEWEST, MOST)
    runs = {OURS: lambda: model(x, 500, states=told.states, mask=told.mask)}
    runs |= {name: peer.predict(name, model, x, 500, told.states, told.mask) for peer in peers for name in peer.NAMES}
    runs = timing.noting_first(runs, first := {})
    _same_answers(runs)
    return Work(title, runs, first, 1, target, flops=n * ours.unet_flops(model, tokens=words(told)))


def train(title: str, peers: Sequence[ModuleType], width: int, target: float, batch: int = 32) -> Work:
    """A step of Adam on the noise in latents, each with its text."""
    model, schedule, rng = _unet(width), nd.Schedule.linear(T=1000), np.random.default_rng(0)
    data = rng.standard_normal((256, *LATENT), dtype=np.float32)
    told = texts(rng, len(data), TOKENS, width * STATE, FEWEST, MOST)
    run, gradient = ours.train(model, schedule, data, batch, 1, RATE, told), ours.own_gradient(model, schedule, told)
    given = model, schedule, data, told.states, told.mask, batch, RATE
    found = {OURS: (run, gradient)} | {name: peer.train(name, *given) for peer in peers for name in peer.NAMES}
    t, eps = rng.integers(1, 1001, batch), rng.standard_normal((batch, *LATENT), dtype=np.float32)
    flops = batch * ours.unet_flops(model, training=True, tokens=words(told))
    return trained(title, found, (data[:batch], t, eps, told.states[:batch], told.mask[:batch]), target, flops)


def encode(title: str, peers: Sequence[ModuleType], width: int, target: float, n: int = 16) -> Work:
    """Mean and variance of the latents of n images."""
    model = _autoencoder(width)
    x = np.random.default_rng(n).uniform(-1.0, 1.0, (n, *IMAGE)).astype(np.float32)
    runs = {OURS: lambda: model.encode(x)}
    runs |= {name: peer.encode(name, model, x) for peer in peers for name in peer.NAMES}
    runs = timing.noting_first(runs, first := {})
    _same_answers(runs)
    return Work(title, runs, first, 1, target, flops=n * ours.autoencoder_flops(model, "encoder"))


def decode(title: str, peers: Sequence[ModuleType], width: int, target: float, n: int = 16) -> Work:
    """The images of n latents."""
    model = _autoencoder(width)
    z = np.random.default_rng(n).standard_normal((n, *LATENT), dtype=np.float32)
    runs = {OURS: lambda: model.decode(z)}
    runs |= {name: peer.decode(name, model, z) for peer in peers for name in peer.NAMES}
    runs = timing.noting_first(runs, first := {})
    _same_answers(runs)
    return Work(title, runs, first, 1, target, flops=n * ours.autoencoder_flops(model, "decoder"))


def train_autoencoder(title: str, peers: Sequence[ModuleType], width: int, target: float, batch: int = 8) -> Work:
    """A step of Adam on images, through the latent and back."""
    model, rng = _autoencoder(width), np.random.default_rng(0)
    data = rng.uniform(-1.0, 1.0, (64, *IMAGE)).astype(np.float32)
    given = model, data, ours.KL_WEIGHT, batch, RATE
    found = {OURS: (ours.train_autoencoder(model, data, batch, RATE), ours.autoencoder_gradient(model, batch))}
    found |= {name: peer.train_autoencoder(name, *given) for peer in peers for name in peer.NAMES}
    arrays = data[:batch], rng.standard_normal((batch, *LATENT), dtype=np.float32)
    return trained(title, found, arrays, target, batch * ours.autoencoder_flops(model, training=True))
