"""CLIP's text encoder as what can be called: its structure, its weights, and which form of it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion.models import parameters
from numpy_diffusion.models.parameterised import Parameterised
from numpy_diffusion.networks.clip import definition
from numpy_diffusion.networks.clip.config import CLIPTextConfig, shapes
from numpy_diffusion.noise import STREAM_TEXT_WEIGHTS, normal


class CLIPText(Parameterised):
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

    config: CLIPTextConfig

    def __init__(self, *, seed: int = 0, dtype: Any = np.float32, **options: Any) -> None:
        for name in options.keys() - CLIPTextConfig.__dataclass_fields__.keys():
            raise ValueError(f"{name}: expected an option of CLIPTextConfig, got one that it does not have")
        config = CLIPTextConfig(**options)
        super().__init__(config, shapes(config), seed=seed, dtype=dtype)

    def initialise(self, seed: int) -> None:
        """Normal weights of the deviations of transformers' `CLIPPreTrainedModel`, norms of weight 1, zero biases."""
        D, layers = self.config.hidden_size, self.config.num_hidden_layers
        inner = (2 * layers * D) ** -0.5  # less the more layers there are, each of which adds its own
        deviations = {"q_proj": inner, "k_proj": inner, "v_proj": inner, "out_proj": D**-0.5}
        deviations |= {"fc1": (2 * D) ** -0.5, "fc2": inner}
        deviations |= {"token_embedding": 0.02, "position_embedding": 0.02}
        for number, (name, values) in enumerate(self.params.items()):
            if name.endswith("weight") and values.ndim == 1:
                values[:] = 1.0
            elif name.endswith("weight"):
                values[:] = normal(seed, STREAM_TEXT_WEIGHTS, np.arange(len(values)), number, values.shape[1])
                values *= deviations[name.split(".")[-2]]

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
        ValueError : what are no integers [N, L], more tokens than there are places, numbers of no token
        """
        return self.forward(self.params, self.checked(ids))[0]

    def pooled(self, ids: ArrayLike) -> np.ndarray:
        """One state [N, D] for each text, that at its end token; arguments and errors as for the call."""
        return self.forward(self.params, self.checked(ids))[1]

    def checked(self, ids: ArrayLike, name: str = "ids") -> np.ndarray:
        """ids as int64 [N, L]; errors as for the call, which call them by this name."""
        given, places, tokens = np.asarray(ids), self.config.max_position_embeddings, self.config.vocab_size
        if given.dtype.kind not in "iu" or given.ndim != 2 or given.size == 0:
            raise ValueError(f"{name}: expected integers [N, L], got {given.dtype} of shape {list(given.shape)}")
        if given.shape[1] > places:
            raise ValueError(f"{name}: expected at most {places} tokens a text, got {given.shape[1]:,}")
        if given.min() < 0 or given.max() >= tokens:
            raise ValueError(f"{name}: expected numbers in 0..{tokens - 1}, got {given.min()}..{given.max()}")
        return given.astype(np.int64)
