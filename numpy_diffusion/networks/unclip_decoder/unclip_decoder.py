"""DALL-E 2's decoder: the projection of what CLIP makes of a picture and its text, and the U-Net that is told it, as
one network, so that one loss trains both.

    states, embedding = text_projection(picture's embedding, text's embedding, text's states)
    x_0 = unet(x, t, embedding, states)

Ramesh et al. 2022, section 2.1 (arXiv 2204.06125).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.layers.named import inside
from numpy_diffusion.models import parameters
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.shares import check_alone
from numpy_diffusion.models.tasks import Batch, Dropout, Gradient, Task
from numpy_diffusion.networks.clip.encoder import of_part
from numpy_diffusion.networks.registry import register
from numpy_diffusion.networks.text_projection.config import TextProjectionConfig
from numpy_diffusion.networks.text_projection.text_projection import TextProjection
from numpy_diffusion.networks.unet import definition
from numpy_diffusion.networks.unet.config import UNetConditionConfig
from numpy_diffusion.networks.unet.program import told_size
from numpy_diffusion.networks.unet.unet import UNet

UNET, PROJECTION = "unet", "text_projection"  # what the names of their parameters begin with


@dataclass(frozen=True)
class NoText:
    """What CLIP's text encoder makes of a text that is left out, the empty one."""

    text_embedding: tuple[float, ...]
    states: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class UnCLIPDecoderConfig:
    """The structure of an `UnCLIPDecoder`, which says what each field is."""

    unet: UNetConditionConfig
    text_projection: TextProjectionConfig
    nothing: NoText


class UNetOfX0(UNet):
    """The U-Net of an `UnCLIPDecoder`, which says why it predicts x_0; alone it is to be asked for no eps either."""

    predicts = "x0"


@register
class UnCLIPDecoder(Network):
    """A network for images that is told what CLIP makes of each and of its text:

    x_0 = model(x, t, embedding=[N, D], text_embedding=[N, D], states=[N, L, D], mask=[N, L])

    It predicts x_0, where the paper's predicts eps: what the embedding says, colours above all, is there from the
    first steps of a chain on, where x_0 made of eps is off by eps's error over sqrt(alpha_bar_t).

    What `nd.train` trains together are taken apart again by `parts`, to project once for a whole chain.  In training
    the picture's embedding is left out one time in ten and the text every second time, each by its own chance, for
    guidance.

    Parameters
    ----------
    unet : the options of a `UNet` that is told an embedding as it is (class_embed_type "identity") and states
    text_projection : the options of a `TextProjection`: clip_embeddings_dim D, and clip_extra_context_tokens; how the
        U-Net takes it, time_embed_dim and cross_attention_dim, is the U-Net's unless given
    nothing : the text that is left out: its text_embedding [D] and states [L, D], an encoder's of the empty text.
        The picture that is left out is an embedding of zeros, which the projection replaces by what it has learned
    seed, dtype : as for `UNet`

    Raises
    ------
    ValueError : an option of either that does not exist or is not supported, or two that do not go together

    Examples
    --------
    >>> model = UnCLIPDecoder(
    ...     unet=dict(sample_size=8, in_channels=3, out_channels=6, block_out_channels=(8, 16), norm_num_groups=4,
    ...               cross_attention_dim=6, attention_head_dim=8, class_embed_type="identity",
    ...               down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
    ...               mid_block_type="UNetMidBlock2DSimpleCrossAttn",
    ...               up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D")),
    ...     text_projection=dict(clip_embeddings_dim=5),
    ...     nothing=dict(text_embedding=np.zeros(5), states=np.zeros((2, 5))))
    >>> told = dict(embedding=np.ones(5), text_embedding=np.ones(5), states=np.ones((4, 5)))
    >>> model(np.zeros((2, 3, 8, 8), np.float32), t=3, **told).shape
    (2, 3, 8, 8)
    >>> [type(part).__name__ for part in model.parts()]
    ['TextProjection', 'UNetOfX0']
    """

    batch, learning_rate = UNet.batch, UNet.learning_rate
    predicts = "x0"
    config: UnCLIPDecoderConfig

    def __init__(
        self,
        unet: Mapping[str, Any],
        text_projection: Mapping[str, Any],
        nothing: Mapping[str, ArrayLike],
        *,
        seed: int = 0,
        dtype: Any = np.float32,
    ) -> None:
        decoder = UNetOfX0(seed=seed, dtype=dtype, **of_part(UNET, unet))
        given = {**_sizes(decoder), **of_part(PROJECTION, text_projection)}
        self._projection = TextProjection(seed=seed, dtype=dtype, **given)
        self._unet = decoder
        check_both(decoder, self._projection)
        assert isinstance(decoder.config, UNetConditionConfig)
        config = UnCLIPDecoderConfig(decoder.config, self._projection.config, _no_text(nothing, self._projection))
        shapes = {f"{UNET}.{name}": shape for name, shape in decoder.shapes.items()}
        shapes |= {f"{PROJECTION}.{name}": shape for name, shape in self._projection.shapes.items()}
        super().__init__(config, decoder.shape, shapes, learn_variance=decoder.learn_variance, dtype=dtype)

    def initialise(self, seed: int) -> None:
        self.buffer[:] = np.concatenate([self._unet.buffer, self._projection.buffer])

    def parts(self) -> tuple[TextProjection, UNetOfX0]:
        """The projection and the U-Net with these weights, each alone: told = projection(embedding, text_embedding,
        states, mask), x_0 = unet(x, t, **told.arguments())."""
        projection, unet = self._projection.copy(), self._unet.copy()
        projection.fill(inside(self.params, PROJECTION))
        unet.fill(inside(self.params, UNET))
        unet.measured = {name: values.copy() for name, values in self.measured.items()}
        return projection, unet

    def __repr__(self) -> str:
        text = hashlib.sha256(repr(self.config.nothing).encode()).hexdigest()[:8]
        return f"UnCLIPDecoder(nothing: sha256 {text}): {self.buffer.size:,} parameters\n  {self._unet}"

    @property
    def nothing(self) -> Condition:
        picture = np.zeros(self.config.text_projection.clip_embeddings_dim)
        return Condition(embedding=picture, **vars(self.config.nothing))

    @property
    def label_dropout(self) -> Mapping[str, float]:
        return {"embedding": 0.1, "text_embedding": 0.5, "states": 0.5}

    def check_values(self, condition: Condition) -> None:
        self._projection.check_values(condition)

    def forward(
        self,
        params: parameters.Parameters,
        x: np.ndarray,
        t: np.ndarray,
        condition: Condition,
        dropout: Dropout | None = None,
    ) -> tuple[np.ndarray, Any]:
        states, embedding, of_projection = self._projected(inside(params, PROJECTION), condition, x.dtype)
        told = definition.Told(None, embedding, states, self._projection.widened(condition.mask))
        outputs, caches = definition.forward(inside(params, UNET), self.config.unet, x, t, told, dropout)
        return outputs, (of_projection, caches)

    def _projected(
        self, params: parameters.Parameters, condition: Condition, dtype: Any
    ) -> tuple[np.ndarray, np.ndarray, Any]:
        given = (condition.embedding, condition.text_embedding, condition.states)
        return self._projection.forward(params, *(values.astype(dtype, copy=False) for values in given))

    def backward(
        self, params: parameters.Parameters, doutputs: np.ndarray, caches: Any
    ) -> tuple[np.ndarray, parameters.Parameters]:
        of_projection, caches = caches
        dx, dtold, grads = definition.backward(inside(params, UNET), self.config.unet, doutputs, caches)
        assert dtold.states is not None
        assert dtold.embedding is not None
        found = {f"{UNET}.{name}": values for name, values in grads.items()}
        grads = self._projection.backward(dtold.states, dtold.embedding, of_projection)
        found |= {f"{PROJECTION}.{name}": values for name, values in grads.items()}
        return dx, {name: found[name] for name in params}

    def own_outputs(self, x: np.ndarray, t: np.ndarray, condition: Condition) -> np.ndarray:
        """The U-Net in its kernels; the projection, small beside it, by its definition."""
        return self._unet.own_outputs(x, t, self._projected_for_kernels(condition))

    def own_rounded(self, x: np.ndarray, t: np.ndarray, condition: Condition) -> np.ndarray:
        return self._unet.own_rounded(x, t, self._projected_for_kernels(condition))

    def _projected_for_kernels(self, condition: Condition) -> Condition:
        """What the U-Net is told, which has the parameters of now."""
        self._unet.buffer = self.buffer[: self._unet.buffer.size]
        return self._told(inside(self.params, PROJECTION), condition)[0]

    def _told(self, params: parameters.Parameters, condition: Condition) -> tuple[Condition, Any]:
        """What the U-Net is told, and what the projection's `backward` needs."""
        states, embedding, caches = self._projected(params, condition, np.float32)
        mask = self._projection.widened(condition.mask)
        return Condition(embedding=embedding, states=states, mask=mask), caches

    def own_gradient(self, task: Task) -> Gradient:
        check_alone(type(self).__name__, task.ranks)
        length = max(task.condition.length, self.nothing.length)
        tokens = self.config.text_projection.clip_extra_context_tokens + length
        of_unet = self._unet.own_gradients(task, tokens, of_told=True)
        count, shapes = self._unet.buffer.size, self._projection.shapes

        def of_batch(weights: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
            params = parameters.views(weights[count:], shapes)
            told, caches = self._told(params, batch.condition.lengthened(length))
            losses, slopes, dembedding, dstates = of_unet(weights[:count], batch._replace(condition=told))
            grads = self._projection.backward(dstates, dembedding, caches)
            return losses, np.concatenate([slopes, *(grads[name].ravel() for name in params)])

        return of_batch


def _sizes(decoder: UNet) -> dict[str, int]:
    """The options of the projection that go with the U-Net, of one that is told an embedding and states alone."""
    taken = {} if decoder.nothing is None else decoder.nothing.arguments()
    if taken.keys() != {"embedding", "states", "mask"} or decoder.config.class_embed_type != "identity":
        asked = ", ".join(taken) or "nothing"
        raise ValueError(
            f"unet: expected one that is told an embedding as it is (class_embed_type 'identity') and states, got "
            f"one that is told {asked} (class_embed_type {decoder.config.class_embed_type!r})"
        )
    assert decoder.config.cross_attention_dim is not None
    return {"time_embed_dim": told_size(decoder.config), "cross_attention_dim": decoder.config.cross_attention_dim}


def check_both(decoder: UNet, projection: TextProjection) -> None:
    """ValueError where the U-Net is not told what the projection makes, and that alone."""
    for name, size in _sizes(decoder).items():
        if (got := getattr(projection.config, name)) != size:
            raise ValueError(f"text_projection: expected {name} = {size} as of the U-Net, got {got}")


def _no_text(given: Mapping[str, ArrayLike], projection: TextProjection) -> NoText:
    """The text that is left out, checked."""
    if _checks.instance("nothing", given, Mapping).keys() != {"text_embedding", "states"}:
        got = ", ".join(given) or "none"
        raise ValueError(f"nothing: expected text_embedding and states, got {got}")
    D = projection.config.clip_embeddings_dim
    text = _checks.array("nothing: text_embedding", given["text_embedding"], (D,), np.float32)
    states = _checks.array("nothing: states", given["states"], ("L", D), np.float32)
    return NoText(tuple(text.tolist()), tuple(map(tuple, states.tolist())))
