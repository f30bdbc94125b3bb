"""A text encoder and the U-Net that attends to it as one network, so that the noise's loss trains both.

    states = text_encoder(tokens),   eps = unet(x, t, states)

Rombach et al. 2022, eq 3 (arXiv 2112.10752): their tau_theta and eps_theta.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from numpy_diffusion.layers.named import inside
from numpy_diffusion.models import parameters
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.shares import check_alone
from numpy_diffusion.models.tasks import Batch, Dropout, Gradient, Task
from numpy_diffusion.networks.clip import definition as text
from numpy_diffusion.networks.clip.clip_text import CLIPText
from numpy_diffusion.networks.clip.config import CLIPTextConfig
from numpy_diffusion.networks.clip.encoder import of_part
from numpy_diffusion.networks.registry import register
from numpy_diffusion.networks.unet import definition
from numpy_diffusion.networks.unet.config import UNetConditionConfig
from numpy_diffusion.networks.unet.unet import UNet

UNET, TEXT = "unet", "text_encoder"  # what the names of their parameters begin with


@dataclass(frozen=True)
class TextUNetConfig:
    """The structure of a `TextUNet`, which says what each field is."""

    unet: UNetConditionConfig
    text_encoder: CLIPTextConfig
    nothing: tuple[int, ...]


@register
class TextUNet(Network):
    """eps-network for images or latents [N, C, H, W] that is told a text: eps = model(x, t, tokens=ints [N, L]).

    What `nd.train` trains together are taken apart again by `parts`, to encode a text once for a whole chain.

    Parameters
    ----------
    unet : the options of a `UNet` that attends to states
    text_encoder : the options of a `CLIPText`; its hidden_size is the U-Net's cross_attention_dim, and L its
        max_position_embeddings
    nothing : the tokens [L] of a text that is left out, for guidance: a tokenizer's `nothing`
    seed, dtype : as for `UNet`

    Raises
    ------
    ValueError : an option of either that does not exist or is not supported, or two that do not go together

    Examples
    --------
    >>> model = TextUNet(
    ...     unet=dict(sample_size=8, block_out_channels=(8, 16), norm_num_groups=4, cross_attention_dim=6,
    ...               attention_head_dim=2, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
    ...               up_block_types=("CrossAttnUpBlock2D", "UpBlock2D")),
    ...     text_encoder=dict(vocab_size=9, hidden_size=6, intermediate_size=8, num_hidden_layers=1,
    ...                       num_attention_heads=2, max_position_embeddings=4, eos_token_id=8),
    ...     nothing=[7, 8, 8, 8])
    >>> model(np.zeros((2, 4, 8, 8), np.float32), t=3, tokens=[[7, 0, 3, 8], [7, 1, 8, 8]]).shape
    (2, 4, 8, 8)
    >>> [type(part).__name__ for part in model.parts()]
    ['CLIPText', 'UNet']
    """

    batch, learning_rate = UNet.batch, UNet.learning_rate
    config: TextUNetConfig

    def __init__(
        self,
        unet: Mapping[str, Any],
        text_encoder: Mapping[str, Any],
        nothing: Sequence[int],
        *,
        seed: int = 0,
        dtype: Any = np.float32,
    ) -> None:
        encoder = CLIPText(seed=seed, dtype=dtype, **of_part(TEXT, text_encoder))
        attending = UNet(seed=seed, dtype=dtype, **of_part(UNET, unet))
        check_both(attending, encoder)
        self._encoder, self._unet = encoder, attending
        given, places = np.asarray(nothing), encoder.config.max_position_embeddings
        if given.dtype.kind not in "iu" or given.shape != (places,):
            got = f"{given.dtype} of shape {list(given.shape)}"
            raise ValueError(f"nothing: expected max_position_embeddings = {places} integers, got {got}")
        tokens = encoder.checked(given[None], "nothing")[0]
        assert isinstance(attending.config, UNetConditionConfig)
        config = TextUNetConfig(attending.config, encoder.config, tuple(tokens.tolist()))
        shapes = {f"{UNET}.{name}": shape for name, shape in attending.shapes.items()}
        shapes |= {f"{TEXT}.{name}": shape for name, shape in encoder.shapes.items()}
        super().__init__(config, attending.shape, shapes, learn_variance=attending.learn_variance, dtype=dtype)

    def initialise(self, seed: int) -> None:
        self.buffer[:] = np.concatenate([self._unet.buffer, self._encoder.buffer])

    def parts(self) -> tuple[CLIPText, UNet]:
        """The text encoder and the U-Net with these weights, each alone: states = text(tokens), eps = unet(x, t,
        states=states)."""
        encoder, attending = self._encoder.copy(), self._unet.copy()
        encoder.fill(inside(self.params, TEXT))
        attending.fill(inside(self.params, UNET))
        attending.measured = {name: values.copy() for name, values in self.measured.items()}
        return encoder, attending

    def __repr__(self) -> str:
        own = f"TextUNet(nothing={list(self.config.nothing)}): {self.buffer.size:,} parameters"
        return f"{own}\n  {self._encoder}\n  {self._unet}"

    @property
    def nothing(self) -> Condition:
        return Condition(tokens=self.config.nothing)

    def check_values(self, condition: Condition) -> None:
        length = self.config.text_encoder.max_position_embeddings
        if condition.tokens.shape[-1] != length:
            raise ValueError(f"tokens: expected {length} of each sample, got {condition.tokens.shape[-1]:,}")
        self._encoder.checked(np.atleast_2d(condition.tokens), "tokens")

    def forward(
        self,
        params: parameters.Parameters,
        x: np.ndarray,
        t: np.ndarray,
        condition: Condition,
        dropout: Dropout | None = None,
    ) -> tuple[np.ndarray, Any]:
        states, _, text_caches = text.forward(inside(params, TEXT), self.config.text_encoder, condition.tokens)
        told = definition.Told(states=states)
        outputs, caches = definition.forward(inside(params, UNET), self.config.unet, x, t, told, dropout)
        return outputs, (text_caches, caches)

    def backward(
        self, params: parameters.Parameters, doutputs: np.ndarray, caches: Any
    ) -> tuple[np.ndarray, parameters.Parameters]:
        text_caches, caches = caches
        dx, dtold, grads = definition.backward(inside(params, UNET), self.config.unet, doutputs, caches)
        of_text = text.backward(self.config.text_encoder, dtold.states, None, text_caches)
        found = {f"{UNET}.{name}": values for name, values in grads.items()}
        found |= {f"{TEXT}.{name}": values for name, values in of_text.items()}
        return dx, {name: found[name] for name in params}

    def own_outputs(self, x: np.ndarray, t: np.ndarray, condition: Condition) -> np.ndarray:
        """The U-Net in its kernels; the text encoder, small beside it, by its definition."""
        return self._unet.own_outputs(x, t, self._encoded_for_kernels(condition))

    def own_rounded(self, x: np.ndarray, t: np.ndarray, condition: Condition) -> np.ndarray:
        return self._unet.own_rounded(x, t, self._encoded_for_kernels(condition))

    def _encoded_for_kernels(self, condition: Condition) -> Condition:
        """What the U-Net is told, which has the parameters of now."""
        self._unet.buffer = self.buffer[: self._unet.buffer.size]
        states, _, _ = text.forward(inside(self.params, TEXT), self.config.text_encoder, condition.tokens)
        return Condition(states=states)

    def own_gradient(self, task: Task) -> Gradient:
        check_alone(type(self).__name__, task.ranks)
        of_unet = self._unet.own_gradients(task, self.config.text_encoder.max_position_embeddings, of_told=True)
        count, shapes = self._unet.buffer.size, self._encoder.shapes

        def of_batch(weights: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
            params = parameters.views(weights[count:], shapes)
            states, _, caches = text.forward(params, self.config.text_encoder, batch.condition.tokens)
            losses, slopes, _, dstates = of_unet(weights[:count], batch._replace(condition=Condition(states=states)))
            grads = text.backward(self.config.text_encoder, dstates, None, caches)
            return losses, np.concatenate([slopes, *(grads[name].ravel() for name in params)])

        return of_batch


def check_both(attending: UNet, encoder: CLIPText) -> None:
    """ValueError where the U-Net is not told the encoder's states, and they alone."""
    config, D = attending.config, encoder.config.hidden_size
    taken = {} if attending.nothing is None else attending.nothing.arguments()
    if taken.keys() != {"states", "mask"}:
        asked = ", ".join(taken) or "nothing"
        raise ValueError(f"unet: expected one that is told states alone, got one that is told {asked}")
    if config.cross_attention_dim != D:
        raise ValueError(
            f"text_encoder: expected hidden_size = cross_attention_dim = {config.cross_attention_dim}, got {D}"
        )
