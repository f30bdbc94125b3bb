"""The projection before DALL-E 2's decoder as what can be called: its structure and its weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion.models import parameters
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.parameterised import Parameterised
from numpy_diffusion.networks.text_projection import definition
from numpy_diffusion.networks.text_projection.config import TextProjectionConfig, shapes
from numpy_diffusion.networks.unet import initial
from numpy_diffusion.noise import STREAM_PROJECTION_WEIGHTS


class TextProjection(Parameterised):
    """What DALL-E 2's decoder is told, of what CLIP makes of a picture and a text: an embedding and states.

    Parameters
    ----------
    seed : of the initial weights, normal with variance 1 / inputs; the embedding of no image starts at zero
    dtype : float32, or float64 for gradient checks
    options : those of diffusers' `UnCLIPTextProjModel` by name, with its defaults:
        clip_embeddings_dim : D, numbers of CLIP's embeddings and of the states of a text
        clip_extra_context_tokens : K, states that a picture becomes; 4
        time_embed_dim : E, numbers of the decoder's time embedding
        cross_attention_dim : C, numbers of a state as the decoder takes it

    Attributes
    ----------
    config : every option, a `TextProjectionConfig`
    buffer : all parameters in one array [P]
    params : the named parameters, views of `buffer`; the names are those of diffusers' state dict

    Raises
    ------
    ValueError : an option that does not exist, is missing or out of its range

    Examples
    --------
    >>> project = TextProjection(clip_embeddings_dim=8, time_embed_dim=32, cross_attention_dim=16)
    >>> told = project(np.ones(8), np.ones(8), np.ones((5, 8)), mask=[True, True, True, False, False])
    >>> told
    Condition(embedding [1, 32], states [1, 9, 16], mask [1, 9])
    >>> told.mask.sum()
    np.int64(7)
    """

    config: TextProjectionConfig

    def __init__(self, *, seed: int = 0, dtype: Any = np.float32, **options: Any) -> None:
        for name in options.keys() - TextProjectionConfig.__dataclass_fields__.keys():
            raise ValueError(f"{name}: expected an option of TextProjectionConfig, got one that it does not have")
        for name in {"time_embed_dim", "cross_attention_dim"} - options.keys():
            raise ValueError(f"{name}: expected an integer of at least 1, got none")
        config = TextProjectionConfig(**options)
        super().__init__(config, shapes(config), seed=seed, dtype=dtype)

    def initialise(self, seed: int) -> None:
        initial.draw(self.params, seed, stream=STREAM_PROJECTION_WEIGHTS)

    def __call__(
        self,
        embedding: ArrayLike | None,
        text_embedding: ArrayLike,
        states: ArrayLike,
        mask: ArrayLike | None = None,
    ) -> Condition:
        """What the decoder is told of each sample: an embedding [N, E], and states [N, K + L, C] with their mask.

        Parameters
        ----------
        embedding : CLIP's of a picture, [D] or [N, D]; None, or a row of zeros, for a picture that is left out, which
            is what guidance turns away from
        text_embedding : CLIP's of a text, [D] or [N, D]
        states : of that text, [L, D] or [N, L, D]
        mask : which of them are there, bool [L] or [N, L]; all, unless given

        Raises
        ------
        ValueError : other shapes, numbers that are not finite, samples that differ in number
        """
        if embedding is None:
            embedding = np.zeros(self.config.clip_embeddings_dim)
        given = Condition(embedding=embedding, text_embedding=text_embedding, states=states, mask=mask)
        self.check_values(given)
        return self.projected(given.each(given.rows_given or 1))

    def check_values(self, condition: Condition) -> None:
        """ValueError where embeddings or states are of other numbers than D."""
        D = self.config.clip_embeddings_dim
        for name in ("embedding", "text_embedding", "states"):
            size = getattr(condition, name).shape[-1]
            if size != D:
                raise ValueError(f"{name}: expected clip_embeddings_dim = {D} numbers each, got {size}")

    def projected(self, condition: Condition) -> Condition:
        """The same of a condition with a row for each sample."""
        dtype = self.dtype
        image, text, states = (
            values.astype(dtype, copy=False)
            for values in (condition.embedding, condition.text_embedding, condition.states)
        )
        states, embedding, _ = self.forward(self.readable, image, text, states)
        return Condition(embedding=embedding, states=states, mask=self.widened(condition.mask))

    def widened(self, mask: np.ndarray) -> np.ndarray:
        """The mask [N, K + L] of what `forward` makes of states with this one [N, L]; a picture's are there."""
        return np.pad(mask, [(0, 0), (self.config.clip_extra_context_tokens, 0)], constant_values=True)

    def forward(
        self, params: parameters.Parameters, image: np.ndarray, text: np.ndarray, states: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Any]:
        """states [N, K + L, C] and the embedding [N, E] at these parameters by the definition, and what `backward`
        needs."""
        return definition.forward(params, self.config, image, text, states)

    def backward(self, dstates: np.ndarray, dembedding: np.ndarray, caches: Any) -> parameters.Parameters:
        """The gradient of every parameter, from dstates [N, K + L, C] and dembedding [N, E]."""
        return definition.backward(self.config, dstates, dembedding, caches)
