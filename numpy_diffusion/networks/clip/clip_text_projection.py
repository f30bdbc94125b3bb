"""CLIP's text encoder with the projection behind it, which brings a text to where the images are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.clip import definition, encoder
from numpy_diffusion.networks.clip.clip_text import TextEncoder
from numpy_diffusion.networks.clip.config import CLIPTextProjectionConfig


class EncodedTexts(NamedTuple):
    """What the encoder makes of texts.

    Attributes
    ----------
    embedding : one row a text [N, D], of any length; transformers' `text_embeds`
    states : one row a token [N, L, hidden_size]
    """

    embedding: np.ndarray
    states: np.ndarray


class CLIPTextWithProjection(TextEncoder):
    """Text encoder: embedding, states = encoder(ids).

    Parameters
    ----------
    seed, dtype : as for `CLIPText`
    options : those of `CLIPText`, with its defaults, and
        projection_dim : D, numbers of an embedding

    Attributes
    ----------
    config : every option, a `CLIPTextProjectionConfig`
    buffer : all parameters in one array [P]
    params : the named parameters, views of `buffer`; the names are those of transformers' state dict

    Raises
    ------
    ValueError : an option that does not exist or a value out of its range

    Examples
    --------
    >>> encoder = CLIPTextWithProjection(vocab_size=10, hidden_size=8, intermediate_size=16, num_hidden_layers=2,
    ...                                  num_attention_heads=2, eos_token_id=9, projection_dim=3)
    >>> texts = encoder(np.array([[8, 3, 1, 9, 9], [8, 5, 9, 9, 9]]))
    >>> texts.embedding.shape, texts.states.shape
    ((2, 3), (2, 5, 8))
    """

    CONFIG = CLIPTextProjectionConfig
    config: CLIPTextProjectionConfig

    def forward(self, params: parameters.Parameters, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any]:
        """states [N, L, hidden_size] and embeddings [N, D] at these parameters, and what `backward` needs."""
        return definition.project(params, self.config, ids)

    def backward(self, dstates: np.ndarray | None, dembedding: np.ndarray, caches: Any) -> parameters.Parameters:
        """The gradient of every parameter from those of the states, None standing for 0, and of the embeddings."""
        return definition.project_backward(self.config, dstates, dembedding, caches)

    def cut(self, ids: ArrayLike, name: str = "ids") -> np.ndarray:
        """ids [N, L] as by `checked`, without what is behind the last text's end: no embedding needs it.

        Raises
        ------
        ValueError : as for `checked`, and a text without an end
        """
        given, end = np.asarray(_checks.unmasked(name, ids)), self.config.eos_token_id
        if given.dtype.kind in "iu" and given.ndim == 2 and given.size:
            ends = definition.text_ends(given, end)
            endless = 0 if end == definition.OLD_END else int((given[np.arange(len(given)), ends] != end).sum())
            if endless:
                raise ValueError(f"{name}: expected the end token {end} in each text, got {endless} without it")
            given = given[:, : ends.max() + 1]
        return self.checked(given, name)

    def __call__(self, ids: ArrayLike) -> EncodedTexts:
        """Embeddings and states of texts as numbers of tokens, ids [N, L].

        Raises
        ------
        ValueError : as for `checked`
        """
        states, embedding = encoder.in_parts(lambda part: self.forward(self.readable, part)[:2], self.checked(ids))
        return EncodedTexts(embedding, states)
