"""CLIP's training step, at the width of a miniature of 32 x 32 images and at four times that."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import ours
from works import OURS, Work, times, trained

import numpy_diffusion as nd
from numpy_diffusion.models.shares import ALONE
from numpy_diffusion.networks.clip import compiled, plan
from numpy_diffusion.training import clip as clip_training
from numpy_diffusion.training import inputs
from numpy_diffusion.training import step as training_step
from numpy_diffusion.training.settings import CommonSettings

HIDDEN, LAYERS, IMAGE, PATCH = 64, 3, 32, 4  # of the miniature
WORDS, PLACES, FEWEST = 60, 20, 8  # of a vocabulary, of a text, of the shortest text
WIDTHS = {1: 2.0, 4: 1.5}  # hidden numbers as a multiple of the miniature's, and the least ratio wanted
RATE = 1e-4


def jobs(peers: Sequence[ModuleType]) -> dict[str, Callable[[], Work]]:
    """What makes each work, by its title."""
    found: dict[str, Callable[[], Work]] = {}
    for width, target in WIDTHS.items():
        title = f"CLIP {width * HIDDEN}{times(width)}, training step, batch 64"
        found[title] = functools.partial(train, title, peers, width, target)
    return found


def train(title: str, peers: Sequence[ModuleType], width: int, target: float, batch: int = 64) -> Work:
    """A step of Adam on images and texts."""
    model, rng = _clip(width), np.random.default_rng(0)
    data = rng.uniform(-1.0, 1.0, (4 * batch, *model.shape)).astype(np.float32)
    ids = _texts(rng, 4 * batch)
    gradient = model.gradient(batch, "numba")
    found = {OURS: (_steps(model, data, ids, batch), lambda x, ids: gradient(model.buffer, x, ids)[1].copy())}
    found |= {name: peer.train(name, model, data, ids, batch, RATE) for peer in peers for name in peer.NAMES}
    return trained(title, found, (data[:batch], ids[:batch]), target, batch * _flops(model, ids))


def _clip(width: int) -> nd.CLIP:
    """Heads of 16 numbers each, as the miniature's four."""
    D = width * HIDDEN
    sizes: dict[str, Any] = dict(hidden_size=D, intermediate_size=4 * D, num_attention_heads=D // 16)
    sizes |= dict(num_hidden_layers=LAYERS, projection_dim=D)
    return nd.CLIP(
        image_encoder=dict(image_size=IMAGE, patch_size=PATCH, **sizes),
        text_encoder=dict(vocab_size=WORDS, eos_token_id=WORDS - 1, max_position_embeddings=PLACES, **sizes),
    )


def _texts(rng: np.random.Generator, n: int) -> np.ndarray:
    """Ids [n, PLACES] of texts that differ in length, the longest of all places."""
    ids = rng.integers(0, WORDS - 1, (n, PLACES))
    lengths = rng.integers(FEWEST, PLACES + 1, n)
    ids[np.arange(PLACES) >= lengths[:, None] - 1] = WORDS - 1
    return ids


def _steps(model: nd.CLIP, data: np.ndarray, ids: np.ndarray, batch: int, most: int = 1_000_000) -> Callable[[], Any]:
    """run() takes one step; the rate falls over the steps that may be taken in all, which no benchmark notices."""
    settings = CommonSettings(most, batch, RATE, 0, 0.0, 0.999, 0, "numba")
    advance = clip_training._steps(inputs.pictures(model, data, nd.Condition(tokens=ids)), settings, ALONE)
    state = training_step.start(model)
    loss = np.empty(1, np.float32)
    return lambda: advance(state, loss)


def _flops(model: nd.CLIP, ids: np.ndarray) -> float:
    """Of one pair: the products of the linear layers from the sequence on, three times those of the forward pass."""
    words = round(float((np.argmax(ids == WORDS - 1, axis=1) + 1).mean()))
    places = model.image_encoder.config.places
    total = 0.0
    for config, length in ((model.image_encoder.config, places), (model.text_encoder.config, words)):
        _, where = compiled._planned(config, training=False)
        total += 3.0 * ours._products(plan.plan(config, where, length, training=False))[0]
    return total
