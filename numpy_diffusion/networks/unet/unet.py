"""The U-Net as eps-network: its structure, its weights, and which form of it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.layers import bicubic
from numpy_diffusion.models import parameters
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import LABEL_DROPOUT, Network
from numpy_diffusion.models.tasks import Batch, Dropout, Gradient, Task
from numpy_diffusion.networks.registry import register
from numpy_diffusion.networks.unet import definition, embedding, initial
from numpy_diffusion.networks.unet.config import Config
from numpy_diffusion.networks.unet.options import checked
from numpy_diffusion.networks.unet.program import program, shapes, told_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy_diffusion.models.stored import Weights
    from numpy_diffusion.networks.unet.compiled_bfloat16 import RoundedWeights


@register
class UNet(Network):
    """eps-network for images [N, C, H, W]: a callable eps = model(x, t), or model(x, t, labels) with classes.

    With cross_attention_dim it attends to states [N, L, cross_attention_dim], an encoded text, of which a mask [N, L]
    may say which are there: eps = model(x, t, states, mask=mask).

    Parameters
    ----------
    seed : of the initial weights, normal with variance 1 / inputs; the last convolution starts at zero
    dtype : float32, or float64 for gradient checks
    options : the options of diffusers' `UNet2DModel` by name, with its defaults; with cross_attention_dim or a block
        with cross-attention those of its `UNet2DConditionModel`; `options.SUPPORTED` says what there is.  sample_size
        is needed: the images' height and width, an int or a pair.  With num_class_embeds classes, the last is
        `null_label`, the "no class" of classifier-free guidance; with class_embed_type there is an embedding [N, E]
        in their place.  With out_channels twice in_channels the network has a head for the variance of the reverse
        kernel.  With in_channels twice out_channels it is an upsampler: it goes by a low-resolution image
        [C, h, w], which is enlarged and joined to x; without attention it is trained on parts of images.

    Attributes
    ----------
    shape : (C, H, W), the shape of one sample
    config : every option, a `UNetConfig` or `UNetConditionConfig`
    params : the named parameters, views of `buffer`; the names are those of diffusers' state dict
    shift, scale : float32 [C, H, W]: the network works on (data - shift) / scale

    Raises
    ------
    ValueError : an option that does not exist or a value that is not supported, see `options.checked`

    Examples
    --------
    >>> model = UNet(sample_size=8, in_channels=1, out_channels=1, block_out_channels=(8, 16), norm_num_groups=4,
    ...              down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"))
    >>> model(np.zeros((5, 1, 8, 8), np.float32), t=3).shape
    (5, 1, 8, 8)
    >>> list(model.params)[:3]
    ['time_embedding.linear_1.weight', 'time_embedding.linear_1.bias', 'time_embedding.linear_2.weight']

    One that attends to texts of up to ten words, and is shown one of four:

    >>> model = UNet(sample_size=8, in_channels=1, out_channels=1, block_out_channels=(8, 16), norm_num_groups=4,
    ...              cross_attention_dim=6, attention_head_dim=2,
    ...              down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
    ...              up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"))
    >>> model(np.zeros((5, 1, 8, 8), np.float32), t=3, states=np.ones((5, 10, 6)), mask=np.arange(10) < 4).shape
    (5, 1, 8, 8)
    """

    batch = 32
    learning_rate = 1e-3
    config: Config
    _laid_out: Weights | None  # the weights as the kernels read them
    _rounded: RoundedWeights | None

    def __init__(self, *, seed: int = 0, dtype: Any = np.float32, **options: Any) -> None:
        config = checked(options)
        learns = config.out_channels == 2 * config.in_channels
        shape = (min(config.in_channels, config.out_channels), *config.image_size)
        super().__init__(config, shape, shapes(config), learn_variance=learns, seed=seed, dtype=dtype)

    def initialise(self, seed: int) -> None:
        initial.draw(self.params, seed, "conv_out.weight")

    @property
    def nothing(self) -> Condition | None:
        """The last class stands for none, and so do an embedding, a state and an image of zeros; None of a network
        that is told nothing else than the step."""
        known: dict[str, Any] = {}
        if (classes := self.config.num_class_embeds) is not None:
            known["labels"] = classes - 1
        if size := told_size(self.config):
            known["embedding"] = np.zeros(size)
        if size := self.config.cross_attention_dim or 0:
            known["states"] = np.zeros((1, size))
        if self.upsamples:
            known["low_resolution"] = np.zeros(self.shape)
        return Condition(**known) if known else None

    @property
    def upsamples(self) -> bool:
        """Whether it goes by a low-resolution image."""
        return self.config.in_channels == 2 * self.config.out_channels

    @property
    def label_dropout(self) -> float | Mapping[str, float]:
        """As of other networks, but that the image to go by is never left out."""
        if not self.upsamples or self.nothing is None:
            return super().label_dropout
        others = (name for name in self.nothing.arguments() if name not in ("mask", "low_resolution"))
        return dict.fromkeys(others, LABEL_DROPOUT)

    def check_crop(self, crop: int) -> None:
        if not self.upsamples:
            raise ValueError(f"crop: expected None, as the network goes by no low-resolution image, got {crop}")
        if any("attention" in op.kind or op.kind == "transformer" for op in program(self.config)):
            raise ValueError(f"crop: expected None, as the network has attention, got {crop}")
        multiple = 2 ** (len(self.config.block_out_channels) - 1)
        if crop % multiple or crop > min(self.config.image_size):
            raise ValueError(
                f"crop: expected a multiple of {multiple} (halved in each block) up to "
                f"{min(self.config.image_size)}, got {crop}"
            )

    def __call__(
        self,
        x: ArrayLike,
        t: ArrayLike,
        told: ArrayLike | None = None,
        *,
        backend: Backend | None = None,
        **fields: Any,
    ) -> np.ndarray:
        """As of any network; of an upsampler x may have the image to go by as further channels [N, 2 C, H, W]."""
        if self.upsamples and np.shape(x)[1:2] == (self.config.in_channels,) and "low_resolution" not in fields:
            x, fields["low_resolution"] = np.split(np.asarray(x), 2, axis=1)
        return super().__call__(x, t, told, backend=backend, **fields)

    def check_values(self, condition: Condition) -> None:
        for name, values in (("embedding", condition.embedding), ("states", condition.states)):
            size = 0 if values is None else getattr(self.nothing, name).shape[-1]
            if values is not None and values.shape[-1] != size:
                raise ValueError(f"{name}: expected {size} numbers each, got {values.shape[-1]}")
        if (low := condition.low_resolution) is not None and low.shape[-3] != self.shape[0]:
            raise ValueError(f"low_resolution: expected {self.shape[0]} channels, got {low.shape[-3]}")
        if condition.mask is not None and not condition.mask.any(axis=-1).all():
            raise ValueError("mask: expected at least one state of each sample to be there, got none of some")
        labels = condition.labels
        if labels is not None and np.max(labels) > (last := self.null_label):
            raise ValueError(
                f"labels: expected integers in 0..{last}, {last} for no class, got {np.min(labels)}..{np.max(labels)}"
            )

    def forward(
        self,
        params: parameters.Parameters,
        x: np.ndarray,
        t: np.ndarray,
        condition: Condition,
        dropout: Dropout | None = None,
    ) -> tuple[np.ndarray, Any]:
        embedding, states = (
            None if values is None else values.astype(x.dtype, copy=False)
            for values in (condition.embedding, condition.states)
        )
        told = definition.Told(condition.labels, embedding, states, condition.mask)
        return definition.forward(params, self.config, joined(x, condition), t, told, dropout)

    def backward(
        self, params: parameters.Parameters, doutputs: np.ndarray, caches: Any
    ) -> tuple[np.ndarray, parameters.Parameters]:
        dx, _, grads = definition.backward(params, self.config, doutputs, caches)
        return dx[:, : self.shape[0]], grads

    def own_outputs(self, x: np.ndarray, t: np.ndarray, condition: Condition) -> np.ndarray:
        from numpy_diffusion.networks.unet import compiled

        self._laid_out = exact = compiled.laid_out(self.config, self.numbers, self._laid_out)
        return compiled.predict(self.config, exact, *self._shown(x, t, condition))

    def own_rounded(self, x: np.ndarray, t: np.ndarray, condition: Condition) -> np.ndarray:
        from numpy_diffusion.networks.unet import compiled, compiled_bfloat16

        self._laid_out = exact = compiled.laid_out(self.config, self.numbers, self._laid_out)
        self._rounded = rounded = compiled_bfloat16.rounded(self.config, exact, self._rounded)
        return compiled_bfloat16.predict(self.config, rounded, *self._shown(x, t, condition))

    def _shown(
        self, x: np.ndarray, t: np.ndarray, condition: Condition
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, Condition]:
        """What the kernels are shown of samples: x, the embeddings of the steps [K, E], which is whose [N], and the
        condition."""
        steps, place = np.unique(t, return_inverse=True)
        return joined(x, condition), embedding.embed(self.config, steps, np.float32), place, condition

    def own_gradient(self, task: Task) -> Gradient:
        of_batch = self.own_gradients(task, task.condition.length)
        return lambda weights, batch: of_batch(weights, batch)[:2]

    def own_gradients(
        self, task: Task, tokens: int, of_told: bool = False
    ) -> Callable[[np.ndarray, Batch], tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """What `own_gradient` gives, and besides, if `of_told`, the gradients by the embedding [N, E] and by the
        states [N, tokens, D]."""
        from numpy_diffusion.networks.unet import compiled

        config = (
            self.config if task.crop is None else type(self.config)(**vars(self.config) | {"sample_size": task.crop})
        )
        gradient = compiled.gradients(config, self.share(task.batch, task.ranks), tokens, of_told, task.precision)
        embedded = embedding.embed(self.config, np.arange(task.schedule.T + 1), np.float32)

        def of_batch(weights: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
            x = joined(batch.xt, batch.condition)
            shown = x, batch.target, embedded[batch.t], batch.condition, batch.weighting, batch.table
            seed, step = (task.seed, 0) if batch.dropout is None else (batch.dropout.seed, batch.dropout.step)
            return gradient(weights, *shown, seed, step)

        return of_batch


def joined(x: np.ndarray, condition: Condition) -> np.ndarray:
    """x [N, C, H, W], and where there is an image to go by that one behind it, enlarged [N, 2 C, H, W]."""
    if condition.low_resolution is None:
        return x
    return np.concatenate([x, bicubic.forward(condition.low_resolution, *x.shape[2:]).astype(x.dtype)], axis=1)
