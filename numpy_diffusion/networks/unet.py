"""The U-Net as eps-network: forward, backward, and the class that holds its weights.

Both walk over `unet_program.program`, one kind of operation a line or two.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks, _files, diffusers_files
from numpy_diffusion.forward import BACKENDS, Backend
from numpy_diffusion.layers import attention_block, conv, group_norm, residual_block, silu, upsample
from numpy_diffusion.layers.named import kept, of
from numpy_diffusion.networks import parameters, unet_compiled, unet_embedding
from numpy_diffusion.networks.unet_config import DEFAULTS, Config, checked
from numpy_diffusion.networks.unet_program import heads, program, shapes
from numpy_diffusion.noise import STREAM_WEIGHTS, normal

DIFFUSERS_CLASS = "UNet2DModel"


def forward(
    params: parameters.Parameters,
    config: Config,
    x: np.ndarray,
    t: np.ndarray,
    labels: np.ndarray | None = None,
    draw: tuple[int, np.ndarray, int] | None = None,
) -> tuple[np.ndarray, list[Any]]:
    """The outputs [N, J, H, W], eps first, and the cache of every operation.

    Parameters
    ----------
    params, config : of a `UNet`
    x : [N, C, H, W], in the parameters' dtype
    t : steps [N]
    labels : classes [N], of a network with classes
    draw : for dropout while training: the run's seed, the samples' own numbers [N], the step; without, there is none.
        A dropout's number is its block's place in the program
    """
    temb, temb_cache = unet_embedding.forward(params, config, t, labels, x.dtype)
    groups, eps = config["norm_num_groups"], config["norm_eps"]
    h, skips = x, []
    caches: list[Any] = [temb_cache]
    for number, op in enumerate(program(config)):
        inside = _inside(params, op.name)
        cache: Any = None
        match op.kind:
            case "save":
                skips.append(h)
            case "concat":
                h = np.concatenate([h, skips.pop()], axis=1)
            case "resnet":
                dropped = None
                if draw is not None and config["dropout"] > 0.0:
                    dropped = residual_block.Dropped(config["dropout"], *draw, number)
                h, cache = residual_block.forward(h, temb, inside, groups, eps, dropped)
            case "attention":
                h, cache = attention_block.forward(h, inside, groups, eps, heads(config, op.inputs))
            case "downsample":
                h, cache = conv.forward(h, *of(params, op.name), stride=2, pad=(config["downsample_padding"], 1))
            case "upsample":
                h, cache = conv.forward(upsample.forward(h), *of(params, op.name))
            case "conv_in":
                h, cache = conv.forward(h, *of(params, op.name))
            case "conv_out":
                h, norm_cache = group_norm.forward(h, *of(params, "conv_norm_out"), groups, eps)
                h, silu_cache = silu.forward(h)
                h, conv_cache = conv.forward(h, *of(params, op.name))
                cache = norm_cache, silu_cache, conv_cache
        caches.append(cache)
    return np.ascontiguousarray(h), caches


def backward(
    params: parameters.Parameters, config: Config, doutputs: np.ndarray, caches: list[Any]
) -> tuple[np.ndarray, parameters.Parameters]:
    """dx [N, C, H, W] and the gradient of every parameter, from doutputs [N, J, H, W]."""
    grads: parameters.Parameters = {}
    temb_cache, *caches = caches
    dh, dtemb = doutputs, np.zeros((1, 1), doutputs.dtype)
    dskips: list[np.ndarray] = []
    for op, cache in zip(reversed(program(config)), reversed(caches), strict=True):
        inside: parameters.Parameters = {}
        match op.kind:
            case "save":
                dh = dh + dskips.pop()
            case "concat":
                dskips.append(dh[:, op.inputs :])
                dh = dh[:, : op.inputs]
            case "resnet":
                dh, dtemb_here, inside = residual_block.backward(dh, cache)
                dtemb = dtemb + dtemb_here
            case "attention":
                dh, inside = attention_block.backward(dh, cache)
            case "upsample":
                dh = upsample.backward(kept(grads, op.name, conv.backward(dh, cache)))
            case "downsample" | "conv_in":
                dh = kept(grads, op.name, conv.backward(dh, cache))
            case "conv_out":
                norm_cache, silu_cache, conv_cache = cache
                dh = silu.backward(kept(grads, op.name, conv.backward(dh, conv_cache)), silu_cache)
                dh = kept(grads, "conv_norm_out", group_norm.backward(dh, norm_cache))
        grads |= {f"{op.name}.{name}": gradient for name, gradient in inside.items()}
    grads |= unet_embedding.backward(dtemb, temb_cache)
    return dh, {name: grads[name] for name in params}


def _inside(params: parameters.Parameters, name: str) -> parameters.Parameters:
    """The parameters of one operation, by the rest of their names."""
    start = f"{name}."
    return {key.removeprefix(start): values for key, values in params.items() if key.startswith(start)}


class UNet:
    """eps-network for images [N, C, H, W]: a callable eps = model(x, t), or model(x, t, labels) with classes.

    Parameters
    ----------
    seed : of the initial weights, normal with variance 1 / inputs; the last convolution starts at zero
    dtype : float32, or float64 for gradient checks
    options : the options of diffusers' `UNet2DModel` by name, with its defaults; `unet_config.SUPPORTED` says what
        there is.  sample_size is needed: the images' height and width, an int or a pair.  With num_class_embeds
        classes, the last is `null_label`, the "no class" of classifier-free guidance.  With out_channels twice
        in_channels the network has a head for the variance of the reverse kernel.

    Attributes
    ----------
    shape : (C, H, W), the shape of one sample
    config : every option, as `unet_config.checked` has it
    params : the named parameters, views of `buffer`; the names are those of diffusers' state dict
    shift, scale : float32 [C, H, W]: the network works on (data - shift) / scale

    Raises
    ------
    ValueError : an option that does not exist or a value that is not supported, see `unet_config.checked`

    Examples
    --------
    >>> model = UNet(sample_size=8, in_channels=1, out_channels=1, block_out_channels=(8, 16), norm_num_groups=4,
    ...              down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"))
    >>> model(np.zeros((5, 1, 8, 8), np.float32), t=3).shape
    (5, 1, 8, 8)
    >>> list(model.params)[:3]
    ['time_embedding.linear_1.weight', 'time_embedding.linear_1.bias', 'time_embedding.linear_2.weight']
    """

    def __init__(self, *, seed: int = 0, dtype: Any = np.float32, **options: Any) -> None:
        self.config = checked(options)
        if dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype: expected float32 or float64, got {dtype}")
        size, channels = self.config["sample_size"], self.config["in_channels"]
        height, width = size if isinstance(size, list) else (size, size)
        self.shape = (channels, height, width)
        self.learn_variance = self.config["out_channels"] == 2 * channels
        self.shapes = shapes(self.config)
        self.buffer = np.zeros(parameters.size(self.shapes), dtype)
        self.params = parameters.views(self.buffer, self.shapes)
        self.shift, self.scale = np.zeros(self.shape, np.float32), np.ones(self.shape, np.float32)
        self._weights: unet_compiled.Weights | None = None  # as the kernels read them
        _initialise(self.params, _checks.seed(seed))

    def __call__(
        self, x: ArrayLike, t: ArrayLike, labels: ArrayLike | None = None, *, backend: Backend = "numba"
    ) -> np.ndarray:
        """eps [N, C, H, W], the noise that the network sees in x [N, C, H, W] at step t (an int, or ints [N]).

        labels : the classes, an int or ints [N]; of a network with classes, and of no other
        """
        return self._outputs(x, t, labels, backend)[:, : self.shape[0]]

    def eps_and_fraction(
        self, x: ArrayLike, t: ArrayLike, labels: ArrayLike | None = None, *, backend: Backend = "numba"
    ) -> tuple[np.ndarray, np.ndarray]:
        """eps and the fraction v of `variances.learned_variance`, [N, C, H, W] each; with out_channels 2 in_channels.

        The head's output 0 is v = 1/2, half way between the two fixed variances.
        """
        if not self.learn_variance:
            raise ValueError("model: expected a UNet with out_channels = 2 in_channels, got one without that head")
        outputs = self._outputs(x, t, labels, backend)
        return outputs[:, : self.shape[0]], 0.5 * (outputs[:, self.shape[0] :] + 1.0)

    @property
    def null_label(self) -> int | None:
        """The label that stands for "no class": the last; None of a network without classes."""
        classes = self.config["num_class_embeds"]
        return None if classes is None else classes - 1

    @classmethod
    def from_diffusers(cls, folder: _files.PathLike) -> UNet:
        """The network of a folder of diffusers, of its config.json and diffusion_pytorch_model.safetensors.

        Weights there are float32, or float16, which becomes float32.  t is 1..T here, one more than there.

        Raises
        ------
        OSError : a folder or file that is missing or cannot be read
        ValueError : a file that is foreign, cut, altered or hostile, or an option that is not supported

        Examples
        --------
        >>> UNet.from_diffusers("no/such/folder")
        Traceback (most recent call last):
            ...
        FileNotFoundError: no/such/folder: expected a folder in diffusers' layout, found no such folder
        """
        config, tensors = diffusers_files.read_network(folder, DIFFUSERS_CLASS, checked, shapes)
        model = cls(**config)
        for name, values in model.params.items():
            values[:] = tensors[name]
        return model

    def to_diffusers(self, folder: _files.PathLike) -> None:
        """Write a folder that diffusers' UNet2DModel.from_pretrained opens, and `from_diffusers`.

        Raises
        ------
        OSError : a place that cannot be written
        ValueError : weights that are not float32 or not finite; a shift or scale, for which there is no place there
        """
        if self.shift.any() or (self.scale != 1.0).any():
            raise ValueError("model: expected shift 0 and scale 1, as diffusers' files have no place for others")
        diffusers_files.write_network(folder, DIFFUSERS_CLASS, self.config, self.params)

    def _outputs(self, x: ArrayLike, t: ArrayLike, labels: ArrayLike | None, backend: Backend) -> np.ndarray:
        """All outputs of the last convolution [N, J, H, W]."""
        x = _checks.array("x", x, ("N", *self.shape), self.buffer.dtype)
        t = np.broadcast_to(_checks.steps("t", t, 0, 2**31 - 1, len(x)), len(x))
        labels = self._checked_labels(labels, len(x))
        if _checks.choice("backend", backend, BACKENDS) == "numba" and self.buffer.dtype == np.float32:
            steps, place = np.unique(t, return_inverse=True)
            embedding = unet_embedding.embed(self.config, steps, np.float32)
            self._weights = unet_compiled.laid_out(self.config, self.buffer, self._weights)
            return unet_compiled.predict(self.config, self._weights, x, embedding, place, labels)
        return forward(self.params, self.config, x, t, labels)[0]

    def _checked_labels(self, labels: ArrayLike | None, n: int) -> np.ndarray | None:
        last = self.null_label
        if last is None:
            if labels is not None:
                raise ValueError("labels: expected None, as the network has no classes, got some")
            return None
        if labels is None:
            raise ValueError(f"labels: expected an integer in 0..{last}, or one for each of {n} images, got None")
        given = _checks.array("labels", labels, dtype=np.float64)
        if given.shape not in ((), (n,)) or (given != np.clip(given.round(), 0, last)).any():
            got = f"{given.min():g}..{given.max():g} of shape {list(given.shape)}"
            raise ValueError(f"labels: expected an integer in 0..{last}, or one for each of {n} images, got {got}")
        return np.broadcast_to(given.astype(np.int64), n)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy's parameters are views of its own buffer."""
        self.__dict__ |= state
        self.params = parameters.views(self.buffer, self.shapes)

    def __repr__(self) -> str:
        chosen = [f"{name}={value}" for name, value in self.config.items() if value != DEFAULTS[name]]
        return f"UNet({', '.join(chosen)}): {self.buffer.size:,} parameters"


def _initialise(params: parameters.Parameters, seed: int) -> None:
    """Normal weights of variance 1 / inputs, norms of weight 1, zero biases; the last convolution starts at zero.

    A class has one input, so that its row is of variance 1.
    """
    for number, (name, values) in enumerate(params.items()):
        if name.endswith("weight") and values.ndim == 1:
            values[:] = 1.0
        elif name.endswith("weight") and name != "conv_out.weight":
            inputs = 1 if name == "class_embedding.weight" else math.prod(values.shape[1:])
            drawn = normal(seed, STREAM_WEIGHTS, np.arange(len(values)), number, math.prod(values.shape[1:]))
            values[:] = drawn.reshape(values.shape) / np.sqrt(inputs)
