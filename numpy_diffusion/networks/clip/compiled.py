"""CLIP's encoders in kernels, from the sequence on; how a text or an image becomes one stands in the definitions.

There are kernels for the quick GELU, CLIP's own, and for no other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from numpy_diffusion.kernels.clip import run
from numpy_diffusion.kernels.unet.calls import Layout, Plan
from numpy_diffusion.layers import patch_embedding, text_embedding
from numpy_diffusion.models import parameters
from numpy_diffusion.models.shares import ALONE, Ranks, Share, gathered, over_tree
from numpy_diffusion.models.stored import Weights
from numpy_diffusion.networks.clip import config as text
from numpy_diffusion.networks.clip import contrastive, definition, vision_config
from numpy_diffusion.networks.clip.joint_definition import CLIPConfig
from numpy_diffusion.networks.clip.plan import Config, plan
from numpy_diffusion.networks.clip.vision_config import CLASS, PATCH, CLIPVisionConfig
from numpy_diffusion.networks.unet.compiled import packed
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


def gradients(config: CLIPConfig, share: Share, ranks: Ranks = ALONE) -> Gradient:
    """A function that gives the losses [N] of this share of a batch, and what it adds to the gradient [P] of the
    batch's mean.

    Its arguments: the parameters [P] of a `CLIP`, images x [N, C, H, W] and their texts' ids [N, L].  Each loss asks
    for the embeddings of the whole batch, which the processes give to each other.
    """
    encoders = Encoder(config.image_encoder, share), Encoder(config.text_encoder, share)
    ends, own = np.cumsum([encoder.size for encoder in encoders]), share.samples
    first = ranks.rank == 0

    def gradient(weights: np.ndarray, x: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        of_images, of_texts, s = np.split(weights, ends)
        both = np.stack([encoders[0].forward(of_images, x), encoders[1].forward(of_texts, ids)], axis=1)
        images, texts = np.ascontiguousarray(gathered(ranks, share, both).swapaxes(0, 1))
        losses, cache = contrastive.forward(images, texts, s[0])
        dimages, dtexts, dscale = contrastive.backward(cache)
        # The scale's is of the whole batch, and to be counted once.
        parts = (
            encoders[0].backward(dimages[own]),
            encoders[1].backward(dtexts[own]),
            np.array([dscale if first else 0.0]),
        )
        return losses[own], np.concatenate(parts, dtype=np.float32)

    return gradient


class Encoder:
    """An encoder's way there and back, at any parameters [P], for shares of a batch.

    What comes before the kernels goes group by group as well, and its gradients are summed in the same order.
    """

    def __init__(self, config: Config, share: Share) -> None:
        calls, where = _planned(config, training=True)
        bounds = share.bounds - share.bounds[0]
        self._start, self._rest = Start(config), run.Training(calls, where, bounds)
        self._groups = [slice(*pair) for pair in pairwise(bounds.tolist())]
        self.size = self._start.size + len(self._rest.flat)

    def forward(self, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The embeddings [N, E] of images or ids."""
        first = self._start.size
        groups = [self._start.forward(weights[:first], x[group]) for group in self._groups]
        h, lengths, self._caches = zip(*groups, strict=True)
        return self._rest.there(weights[first:], np.concatenate(h), np.concatenate(lengths))

    def backward(self, dembedding: np.ndarray) -> np.ndarray:
        """The gradient [P] from that by the embeddings just given."""
        dh, behind = self._rest.back(dembedding)
        starts = [
            np.concatenate([values.ravel() for values in self._start.backward(dh[group], cache)])
            for group, cache in zip(self._groups, self._caches, strict=True)
        ]
        return np.concatenate([over_tree(starts), behind])


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
