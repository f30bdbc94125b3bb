"""Numba's cache filled beforehand: for a laboratory's first hour, or an image of a container."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from numpy_diffusion import _progress
from numpy_diffusion.kernels.backend import backend, chosen
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.converted import as_eps
from numpy_diffusion.models.guided import guided
from numpy_diffusion.networks.autoencoder.autoencoder import AutoencoderKL
from numpy_diffusion.networks.clip.clip import CLIP
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.networks.prior.prior import PriorTransformer
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.process.forward import q_sample
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.training.autoencoder import train_autoencoder
from numpy_diffusion.training.clip import train_clip
from numpy_diffusion.training.loop import train

SCHEDULE = Schedule.linear(T=4)


def compile_kernels() -> None:
    """Compile every kernel that training and sampling in float32 need, and say how long it took.

    That is done once for a machine; else each is compiled when it is first called, as those of bfloat16 are.  Numba
    keeps them beside the source, or in the folder that the environment variable NUMBA_CACHE_DIR names.

    Raises
    ------
    ImportError : Numba is missing
    """
    if chosen("numba") != "numba":
        raise ImportError("compile_kernels: needs Numba, which cannot be imported")
    began = time.perf_counter()
    _progress.say("compiling all kernels that are not yet in Numba's cache (about half a minute where none is)")
    with backend("numba"):
        _forward_jump()
        for learn_variance in (False, True):
            _points(learn_variance)
            _images(learn_variance)
        _states()
        _autoencoder()
        _clip()
        _embeddings()
    _progress.say(f"all kernels are compiled: this took {time.perf_counter() - began:.0f} s")


def _forward_jump() -> None:
    q_sample(np.zeros((3, 2), np.float32), 1, SCHEDULE)


def _points(learn_variance: bool) -> None:
    """A network for points, as a user trains it and draws from it."""
    model = MLP(2, width=16, depth=1, learn_variance=learn_variance)
    x0 = np.eye(2, dtype=np.float32)
    for way in ("uniform", "importance"):
        train(model, SCHEDULE, x0, steps=2, batch=4, sampling=way, progress=False)
    _draw(model, learn_variance)


def _images(learn_variance: bool) -> None:
    """A U-Net with all that one may have, drawn from with and without guidance."""
    model = UNet(
        sample_size=8,
        in_channels=1,
        out_channels=2 if learn_variance else 1,
        block_out_channels=(8, 16),
        norm_num_groups=8,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        num_class_embeds=3,
        dropout=0.1,
    )
    x0 = np.linspace(-1.0, 1.0, 128, dtype=np.float32).reshape(2, 1, 8, 8)
    train(model, SCHEDULE, x0, [0, 1], steps=2, batch=3, progress=False)
    for scale in (0.0, 1.0):
        _draw(guided(model, 1, scale), learn_variance)


def _states() -> None:
    """A U-Net that attends to states, as it is trained with them and drawn from."""
    model = UNet(
        sample_size=4,
        in_channels=1,
        out_channels=1,
        block_out_channels=(8,),
        norm_num_groups=8,
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",),
        cross_attention_dim=4,
    )
    one = Condition(states=np.ones((3, 4), np.float32))
    train(model, SCHEDULE, np.zeros((2, 1, 4, 4), np.float32), one.each(2), steps=2, batch=3, progress=False)
    for scale in (0.0, 1.0):
        _draw(guided(model, one, scale), False)


def _autoencoder() -> None:
    """An autoencoder, as it is trained and used: one image and several."""
    autoencoder = AutoencoderKL(sample_size=4, block_out_channels=(8,), norm_num_groups=8)
    x0 = np.zeros((3, 3, 4, 4), np.float32)
    train_autoencoder(autoencoder, x0, steps=2, batch=3, progress=False)
    for n in (1, 3):
        autoencoder.decode(autoencoder.encode(x0[:n]).mean)


def _clip() -> None:
    """A CLIP, as it is trained and used."""
    small: dict[str, Any] = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=1)
    of_texts = dict(vocab_size=3, eos_token_id=2, max_position_embeddings=3)
    clip = CLIP(image_encoder=dict(image_size=4, patch_size=2, **small), text_encoder=of_texts | small)
    x0, tokens = np.zeros((3, 3, 4, 4), np.float32), [[0, 1, 2]] * 3
    train_clip(clip, x0, tokens, steps=2, batch=3, progress=False)
    clip.image_encoder(x0)


def _embeddings() -> None:
    """A prior, as it is trained and drawn from."""
    model = PriorTransformer(
        num_attention_heads=1, attention_head_dim=4, num_layers=2, embedding_dim=3, num_embeddings=2
    )
    one = Condition(embedding=np.ones(3, np.float32), states=np.ones((2, 3), np.float32))
    train(model, SCHEDULE, np.eye(3, dtype=np.float32), one.each(3), steps=2, batch=3, progress=False)
    for scale in (0.0, 1.0):
        _draw(as_eps(guided(model, one, scale), SCHEDULE, "x0"), False)


def _draw(model: Any, learn_variance: bool) -> None:
    """One sample and several, by each way that the chain may take."""
    for n in (1, 3):
        for variance in ("beta", "learned") if learn_variance else ("beta",):
            sample(model, SCHEDULE, n, variance=variance, progress=False)
