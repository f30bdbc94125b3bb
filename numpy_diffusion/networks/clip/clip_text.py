"""CLIP's text encoder as what can be called: its structure, its weights, and which form of it runs."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.models import parameters
from numpy_diffusion.models.parameterised import Parameterised
from numpy_diffusion.networks.clip import definition, encoder
from numpy_diffusion.networks.clip.config import CLIPTextConfig, shapes
from numpy_diffusion.noise import STREAM_TEXT_WEIGHTS


class TextEncoder(Parameterised):
    """A text encoder of either class: its options and first weights, and which ids it takes."""

    config: CLIPTextConfig
    CONFIG: ClassVar[type[CLIPTextConfig]] = CLIPTextConfig

    def __init__(self, *, seed: int = 0, dtype: Any = np.float32, **options: Any) -> None:
        config = encoder.configured(self.CONFIG, options)
        super().__init__(config, shapes(config), seed=seed, dtype=dtype)

    def initialise(self, seed: int) -> None:
        others = {
            "token_embedding": 0.02,
            "position_embedding": 0.02,
            "text_projection": self.config.hidden_size**-0.5,
        }
        encoder.draw(self.params, self.config, seed, STREAM_TEXT_WEIGHTS, others)

    def checked(self, ids: ArrayLike, name: str = "ids") -> np.ndarray:
        """ids as int64 [N, L].

        Raises
        ------
        ValueError : what are no integers [N, L], more tokens than there are places, numbers of no token; called by
            this name
        """
        given = np.asarray(_checks.unmasked(name, ids))
        places, tokens = self.config.max_position_embeddings, self.config.vocab_size
        if given.dtype.kind not in "iu" or given.ndim != 2 or given.size == 0:
            raise ValueError(f"{name}: expected integers [N, L], got {given.dtype} of shape {list(given.shape)}")
        if given.shape[1] > places:
            raise ValueError(f"{name}: expected at most {places} tokens a text, got {given.shape[1]:,}")
        if given.min() < 0 or given.max() >= tokens:
            raise ValueError(f"{name}: expected numbers in 0..{tokens - 1}, got {given.min()}..{given.max()}")
        return given.astype(np.int64)


class CLIPText(TextEncoder):
    """Text encoder: states = encoder(ids), a row of numbers for each token of each text.

    A state depends on the tokens up to its own place alone, since attention is causal.

    Parameters
    ----------
    seed : of the initial weights, normal with the variances of transformers' `CLIPTextModel`
    dtype : float32, or float64 for gradient checks
    options : the options of transformers' `CLIPTextConfig` by name, with its defaults:
        vocab_size : numbers of tokens, 0..vocab_size - 1
        hidden_size : D, numbers of a state
        intermediate_size : numbers between a layer's two linear ones
        num_hidden_layers : how many layers
        num_attention_heads : of each, a divisor of hidden_size
        max_position_embeddings : the most tokens of a text
        hidden_act : "quick_gelu", "gelu", or by a tanh "gelu_new"
        layer_norm_eps : of all norms
        eos_token_id : the end token, whose first state is the text's; 2 in old files, for the highest there is

    Attributes
    ----------
    config : every option, a `CLIPTextConfig`
    buffer : all parameters in one array [P]
    params : the named parameters, views of `buffer`; the names are those of transformers' state dict

    Raises
    ------
    ValueError : an option that does not exist or a value out of its range

    Examples
    --------
    >>> encoder = CLIPText(vocab_size=10, hidden_size=8, intermediate_size=16, num_hidden_layers=2,
    ...                    num_attention_heads=2, eos_token_id=9)
    >>> encoder
    CLIPText(vocab_size=10, hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, \
eos_token_id=9): 1,912 parameters
    >>> ids = np.array([[8, 3, 1, 9, 9], [8, 5, 9, 9, 9]])
    >>> states = encoder(ids)
    >>> states.shape
    (2, 5, 8)
    >>> bool((encoder.pooled(ids) == states[[0, 1], [3, 2]]).all())
    True
    """

    def forward(self, params: parameters.Parameters, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any]:
        """states [N, L, D] and pooled [N, D] at these parameters by the definition, and what `backward` needs."""
        return definition.forward(params, self.config, ids)

    def backward(self, dstates: np.ndarray | None, dpooled: np.ndarray | None, caches: Any) -> parameters.Parameters:
        """The gradient of every parameter, from dstates [N, L, D] and dpooled [N, D]; None stands for 0."""
        return definition.backward(self.config, dstates, dpooled, caches)

    def __call__(self, ids: ArrayLike) -> np.ndarray:
        """The states [N, L, D] of texts as numbers of tokens, ids [N, L].

        Raises
        ------
        ValueError : as for `checked`
        """
        return self.forward(self.readable, self.checked(ids))[0]

    def pooled(self, ids: ArrayLike) -> np.ndarray:
        """One state [N, D] for each text, that at its end token; arguments and errors as for the call."""
        return self.forward(self.readable, self.checked(ids))[1]
