"""CLIP (Radford et al. 2021, arXiv 2103.00020): which picture and which text belong together.

z_image = image_encoder(x),   z_text = text_encoder(ids).embedding
similarity = cosine of z_image and z_text
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.layers import unit_length
from numpy_diffusion.models import parameters
from numpy_diffusion.models.shares import ALONE, Ranks, check_alone
from numpy_diffusion.models.trainable import Trainable
from numpy_diffusion.networks.clip import contrastive, encoder
from numpy_diffusion.networks.clip.clip_text_projection import CLIPTextWithProjection
from numpy_diffusion.networks.clip.clip_vision import CLIPVisionWithProjection
from numpy_diffusion.networks.clip.joint_definition import SCALE, CLIPConfig, losses_and_gradient
from numpy_diffusion.networks.registry import register

IMAGE, TEXT = "image_encoder", "text_encoder"


@register
class CLIP(Trainable):
    """An image encoder and a text encoder that meet in one space of D numbers; `nd.train_clip` trains both.

    Parameters
    ----------
    image_encoder : the options of a `CLIPVisionWithProjection`
    text_encoder : the options of a `CLIPTextWithProjection`, of the same projection_dim
    seed : of the initial weights; the first scale of the logits is 1 / 0.07
    dtype : float32, or float64 for gradient checks

    Attributes
    ----------
    image_encoder, text_encoder : the two, with these weights: their parameters are views of this buffer
    shape : (C, H, W), the shape of one image
    config : every option of both, a `CLIPConfig`
    buffer : all parameters in one array [P]
    params : the named parameters, views of `buffer`; the names are those of transformers' `CLIPModel`

    Raises
    ------
    ValueError : an option of either that does not exist, a value out of its range, or two that do not go together

    Examples
    --------
    >>> small = dict(hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
    ...              projection_dim=4)
    >>> clip = CLIP(image_encoder=dict(image_size=8, patch_size=4, **small),
    ...             text_encoder=dict(vocab_size=10, max_position_embeddings=6, eos_token_id=9, **small))
    >>> images, ids = np.zeros((3, 3, 8, 8)), [[8, 3, 1, 9, 9], [8, 5, 9, 9, 9]]
    >>> clip.image_encoder(images).shape, clip.text_encoder(ids).embedding.shape
    ((3, 4), (2, 4))
    >>> clip.similarity(images, ids).shape
    (3, 2)
    """

    batch = 64
    learning_rate = 1e-3
    config: CLIPConfig

    def __init__(
        self,
        image_encoder: Mapping[str, Any],
        text_encoder: Mapping[str, Any],
        *,
        seed: int = 0,
        dtype: Any = np.float32,
    ) -> None:
        images = CLIPVisionWithProjection(seed=seed, dtype=dtype, **encoder.of_part(IMAGE, image_encoder))
        texts = CLIPTextWithProjection(seed=seed, dtype=dtype, **encoder.of_part(TEXT, text_encoder))
        if images.config.projection_dim != texts.config.projection_dim:
            raise ValueError(
                f"text_encoder: expected projection_dim = {images.config.projection_dim} as in image_encoder, "
                f"got {texts.config.projection_dim}"
            )
        self.image_encoder, self.text_encoder = images, texts
        config = CLIPConfig(image_encoder=images.config, text_encoder=texts.config)
        shapes: parameters.Shapes = {**images.shapes, **texts.shapes, SCALE: ()}
        super().__init__(config, images.shape, shapes, seed=seed, dtype=dtype)
        self._share()

    def initialise(self, seed: int) -> None:
        first = [np.array([contrastive.FIRST])]
        self.buffer[:] = np.concatenate([self.image_encoder.buffer, self.text_encoder.buffer, *first])

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._share()

    def _share(self) -> None:
        """Make the encoders' parameters views of this buffer."""
        first = 0
        for part in (self.image_encoder, self.text_encoder):
            end = first + part.buffer.size
            part.buffer = self.buffer[first:end]
            part.params = parameters.views(part.buffer, part.shapes)
            first = end

    def __repr__(self) -> str:
        return f"CLIP: {self.buffer.size:,} parameters\n  {self.image_encoder}\n  {self.text_encoder}"

    @property
    def scale(self) -> float:
        """What similarities are multiplied by to be logits: exp(s), at most 100."""
        return math.exp(min(float(self.params[SCALE]), contrastive.LARGEST))

    def similarity(
        self,
        images: ArrayLike,
        texts: Any,
        tokenizer: Callable[[str | Sequence[str]], np.ndarray] | None = None,
    ) -> np.ndarray:
        """How alike each image and each text are, the cosine of their embeddings: [N, M], within -1..1.

        The softmax of `scale` times a row says which text an image's is; that of a column, which image a text's is.

        Parameters
        ----------
        images : [N, C, H, W]
        texts : tokens, ints [M, L], of which those behind the last text's end do not count; or with a tokenizer
            captions, M of them
        tokenizer : captions -> tokens, such as a `WordTokenizer`

        Raises
        ------
        ValueError : images of another shape; texts that are no tokens or too long; captions without a tokenizer
        """
        ids = self.text_encoder.cut(texts if tokenizer is None else tokenizer(texts), "texts")
        u, _ = unit_length.forward(self.image_encoder(self.image_encoder.checked(images, "images")))
        w, _ = unit_length.forward(self.text_encoder(ids).embedding)
        return u @ w.T

    # What training asks ------------------------------------------------------------------------------------------

    def gradient(
        self, batch: int, backend: Backend, ranks: Ranks = ALONE
    ) -> Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """A function of weights [P], images x [N, *shape] and their texts' ids [N, L], of this process's share of a
        batch.

        It gives the losses [N] of `joint_definition.losses_and_gradient`, and what the share adds to the gradient [P]
        of the batch's mean.
        """
        encoders = self.config.image_encoder, self.config.text_encoder
        if backend == "numba" and all(encoder.has_kernels(config, self.buffer.dtype) for config in encoders):
            from numpy_diffusion.networks.clip import compiled

            return compiled.gradients(self.config, self.share(batch, ranks), ranks)

        check_alone("the definition of a CLIP", ranks)

        def by_definition(weights: np.ndarray, x: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            params = parameters.views(weights, self.shapes)
            losses, grads = losses_and_gradient(params, self.config, x, ids)
            return losses, np.concatenate([values.ravel() for values in grads.values()])

        return by_definition

    @property
    def measured(self) -> dict[str, np.ndarray]:
        return {}

    @measured.setter
    def measured(self, arrays: dict[str, np.ndarray]) -> None:
        pass
