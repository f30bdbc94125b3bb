"""CLIP's encoders in kernels, from the sequence on; how a text or an image becomes one stands in the definitions.

There are kernels for the quick GELU, CLIP's own, and for no other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_diffusion.kernels.clip import run
from numpy_diffusion.kernels.unet.calls import Layout, Plan
from numpy_diffusion.layers import patch_embedding, text_embedding
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.clip import config as text
from numpy_diffusion.networks.clip import contrastive, definition, vision_config
from numpy_diffusion.networks.clip.joint_definition import CLIPConfig
from numpy_diffusion.networks.clip.plan import Config, plan
from numpy_diffusion.networks.clip.vision_config import CLASS, PATCH, CLIPVisionConfig
from numpy_diffusion.networks.unet.compiled import Weights, packed
from numpy_diffusion.networks.unet.layout import layout

Gradient = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def embeddings(
    config: Config, buffer: np.ndarray, known: Weights | None, x: np.ndarray
) -> tuple[np.ndarray, Weights]:
    """The embeddings [N, E] of images, or of texts as ids, at these parameters [P].

    With them come the weights as the kernels read them, which the next call may know.
    """
    (calls, where), start = _planned(config, training=False), Start(config)
    h, lengths, _ = start.forward(buffer[: start.size], x)
    weights = packed(where, buffer[start.size :], known)
    return run.embeddings(calls, weights.laid_out, h, lengths), weights


def gradients(config: CLIPConfig, batch: int) -> Gradient:
    """A function that gives the losses [N] of a batch of this size and their mean's gradient [P].

    Its arguments: the parameters [P] of a `CLIP`, images x [N, C, H, W] and their texts' ids [N, L].
    """
    encoders = Encoder(config.image_encoder, batch), Encoder(config.text_encoder, batch)
    ends = np.cumsum([encoder.size for encoder in encoders])

    def gradient(weights: np.ndarray, x: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        of_images, of_texts, s = np.split(weights, ends)
        images, texts = encoders[0].forward(of_images, x), encoders[1].forward(of_texts, ids)
        losses, cache = contrastive.forward(images, texts, s[0])
        dimages, dtexts, dscale = contrastive.backward(cache)
        return losses, np.concatenate([*encoders[0].backward(dimages), *encoders[1].backward(dtexts), [dscale]])

    return gradient


class Encoder:
    """An encoder's way there and back, at any parameters [P], for batches of one size."""

    def __init__(self, config: Config, batch: int) -> None:
        calls, where = _planned(config, training=True)
        self._start, self._rest = Start(config), run.Training(calls, where, batch)
        self.size = self._start.size + len(self._rest.flat)

    def forward(self, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The embeddings [N, E] of images or ids."""
        first = self._start.size
        h, lengths, self._cache = self._start.forward(weights[:first], x)
        return self._rest.there(weights[first:], h, lengths)

    def backward(self, dembedding: np.ndarray) -> list[np.ndarray]:
        """The gradient [P], in parts, from that by the embeddings just given."""
        dh, behind = self._rest.back(dembedding)
        return [values.ravel() for values in (*self._start.backward(dh, self._cache), behind)]


class Start:
    """What makes a batch the sequences that the kernels take, by the first of an encoder's parameters."""

    def __init__(self, config: Config) -> None:
        self.config, (self.shapes, _) = config, _split(config)
        self.size = parameters.size(self.shapes)

    def forward(self, weights: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any]:
        """h [N, L, D] of images or ids, how many of its rows count [N], and what `backward` needs."""
        params = parameters.views(weights, self.shapes)
        if isinstance(self.config, CLIPVisionConfig):
            h, cache = patch_embedding.forward(x, params[PATCH], params[CLASS], params[vision_config.PLACES])
            return np.roll(h, -1, axis=1), np.full(len(h), h.shape[1]), cache  # the class token becomes the last
        h, rows = text_embedding.forward(x, params[text.TOKENS], params[text.PLACES])
        return h, definition.text_ends(x, self.config.eos_token_id) + 1, rows

    def backward(self, dh: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
        """The gradients of the parameters, in their order."""
        if isinstance(self.config, CLIPVisionConfig):
            _, dpatch, dclass, dplaces = patch_embedding.backward(np.roll(dh, 1, axis=1), cache)
            return dclass, dpatch, dplaces
        return text_embedding.backward(dh, cache)


@functools.lru_cache(maxsize=16)
def _planned(config: Config, training: bool) -> tuple[Plan, Layout]:
    """The kernel calls of an encoder, and where its parameters lie."""
    where = layout(_split(config)[1])
    length = config.places if isinstance(config, CLIPVisionConfig) else config.max_position_embeddings
    return plan(config, where, length, training), where


def _split(config: Config) -> tuple[parameters.Shapes, parameters.Shapes]:
    """The parameters that make a sequence, and all others, which the kernels take."""
    if isinstance(config, CLIPVisionConfig):
        shapes, last = vision_config.shapes(config), vision_config.PLACES
    else:
        shapes, last = text.shapes(config), text.PLACES
    names, count = list(shapes), list(shapes).index(last) + 1
    return {name: shapes[name] for name in names[:count]}, {name: shapes[name] for name in names[count:]}
