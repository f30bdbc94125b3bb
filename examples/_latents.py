"""What the examples on captioned scenes share: an autoencoder, and a network that draws its latents by a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

import numpy_diffusion as nd

SIZE: Final = 64  # pixels a side of a scene
BLOCK: Final = 1000  # scenes that are drawn, or encoded, at a time
SCENES: Final = 20_000  # whose latents the network learns from
SEEN: Final = 8000  # of them the autoencoder learns from
HELD_OUT: Final = 256  # to judge the autoencoder by
PLACES: Final = 20  # of a caption's tokens, the longest of which have 17
WIDTH: Final = 64  # of a word's state
CHANNELS: Final = (32, 64, 96)  # of the network; a level of 4 x 4 tells left from right, which two levels do not
ATTENDED: Final = 2  # levels of a network, the last ones
STEPS: Final = 8000  # of training the network
AUTOENCODER_STEPS: Final = 8000
BATCHES: Final = (32, 8)  # of the network and of the autoencoder
RATE: Final = 2e-3  # of Adam
WARMUP: Final = 1500  # steps of its rise, a quarter of them at most: with 500 some networks collapse on the way
SIGNAL, NOISE = 5.0, 100.0  # see `weighting`
JUDGED: Final = 2**40  # added to the seed of what is asked for or compared with: training has no such scenes
CHAIN: Final = 50  # steps of a chain
GUIDANCE: Final = 1.0  # w of samples


def autoencoder(seed: int = 0) -> nd.AutoencoderKL:
    """Scenes [3, 64, 64] to latents [4, 16, 16] and back, with 0.7 M parameters."""
    channels = (32, 32, 64)
    return nd.AutoencoderKL(
        sample_size=SIZE,
        block_out_channels=channels,
        latent_channels=4,
        norm_num_groups=8,
        down_block_types=["DownEncoderBlock2D"] * len(channels),
        up_block_types=["UpDecoderBlock2D"] * len(channels),
        seed=seed,
    )


def trained_autoencoder(seed: int, steps: int, scenes: int, folder: Path | None) -> nd.AutoencoderKL:
    """An autoencoder trained on scenes of combinations that are not held out; or that of the run in the folder."""
    x0 = nd.captions.scenes(min(scenes, SEEN), SIZE, seed).x0
    options = dict(steps=steps, batch=BATCHES[1], learning_rate=RATE, warmup=min(100, steps), seed=seed)
    return nd.train_autoencoder(autoencoder(seed), x0, **options, **resumable(folder)).autoencoder


def trained(
    model: nd.TextUNet,
    schedule: nd.Schedule,
    x0: np.ndarray,
    told: nd.Condition,
    steps: int,
    seed: int,
    folder: Path | None,
    batch: int = BATCHES[0],
    rate: float = RATE,
    **more: Any,
) -> nd.Run:
    """The network trained on images or latents and their captions; or the run in the folder."""
    rise = dict(learning_rate=rate, warmup=min(WARMUP, steps // 4))
    options = dict(steps=steps, batch=batch, weighting=weighting(schedule), seed=seed, **rise)
    return nd.train(model, schedule, x0, told, **options, **resumable(folder), **more)


def weighting(schedule: nd.Schedule) -> np.ndarray:
    """lambda(1)..lambda(T): (min(snr, 5) + 1) / snr, at most 100.

    That is min-SNR (Hang et al. 2023, eq 8), and besides, the same weight for x_0 wherever there is hardly anything
    but noise, as a network that predicts v has it (Salimans and Ho 2022): where a thing is to be is decided there,
    and in the loss of eps it is worth next to nothing.
    """
    snr = schedule.snr[1:]
    return np.minimum((np.minimum(snr, SIGNAL) + 1.0) / snr, NOISE)


def psnr(autoencoder: nd.AutoencoderKL) -> float:
    """How well scenes of combinations that are held out come back, in decibels: 10 log10 of 2^2 / squared error."""
    x = nd.captions.scenes(HELD_OUT, SIZE, JUDGED, part="held_out").x0
    error = np.clip(autoencoder.decode(autoencoder.encode(x).mean), -1.0, 1.0) - x
    return float(10.0 * np.log10(4.0 / np.mean(error.astype(np.float64) ** 2)))


def latents(autoencoder: nd.AutoencoderKL, n: int, seed: int) -> tuple[np.ndarray, nd.Condition]:
    """Latents of n scenes, of deviation 1, and their captions' tokens; by blocks, as the scenes need much room."""
    z, captions = [], []
    for number in range(-(-n // BLOCK)):
        scenes = nd.captions.scenes(min(BLOCK, n - number * BLOCK), SIZE, seed=seed * n + number)
        z.append(autoencoder.scaling_factor * autoencoder.encode(scenes.x0).sample(seed, first=number * BLOCK))
        captions += scenes.captions
    return np.concatenate(z), tokens(captions)


def tokens(captions: list[str]) -> nd.Condition:
    """Captions as the networks here are told them."""
    return nd.Condition(tokens=nd.captions.tokenizer()(captions)[:, :PLACES])


def guided(model: nd.TextUNet, told: nd.Condition) -> nd.Model:
    """The network asked for texts, which are encoded once for a whole chain."""
    text_encoder, unet = model.parts()
    states = nd.Condition(states=text_encoder(told.tokens))
    nothing = nd.Condition(states=text_encoder(np.array([model.config.nothing]))[0])
    return nd.guided(unet, states, GUIDANCE, nothing)


def text_unet(shape: tuple[int, ...], channels: tuple[int, ...], seed: int = 0) -> nd.TextUNet:
    """A text encoder and a U-Net for [C, S, S] of this shape that attends to the words at its last two levels."""
    (count, size, _), tokenizer, plain = shape, nd.captions.tokenizer(), len(channels) - ATTENDED
    return nd.TextUNet(
        unet=dict(
            sample_size=size,
            in_channels=count,
            out_channels=count,
            block_out_channels=channels,
            layers_per_block=1,
            norm_num_groups=8,
            cross_attention_dim=WIDTH,
            attention_head_dim=4,
            down_block_types=["DownBlock2D"] * plain + ["CrossAttnDownBlock2D"] * ATTENDED,
            up_block_types=["CrossAttnUpBlock2D"] * ATTENDED + ["UpBlock2D"] * plain,
        ),
        text_encoder=dict(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=PLACES,
            eos_token_id=tokenizer.end,
        ),
        nothing=tokenizer.nothing[:PLACES],
        seed=seed,
    )


def resumable(folder: Path | None) -> dict[str, Any]:
    """The folder of a run as `nd.train` takes it: new, or to go on with."""
    return dict(out=folder, resume=folder is not None and (folder / "config.json").exists())
