"""What CLIP's two encoders have in common: transformer layers one behind the other, and their first weights.

h_l = layer_l(h_{l-1}),   l = 1..num_hidden_layers          see `layers.encoder_layer`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any, Final, Protocol, TypeVar, get_args

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.layers import encoder_layer
from numpy_diffusion.layers.encoder_layer import Activation
from numpy_diffusion.layers.named import inside, store_inside
from numpy_diffusion.models import parameters
from numpy_diffusion.noise import normal

TOGETHER: Final = 64  # samples that go through an encoder at once

Options = TypeVar("Options")  # a frozen dataclass


class Config(Protocol):
    """The options that both encoders have."""

    @property
    def hidden_size(self) -> int: ...
    @property
    def intermediate_size(self) -> int: ...
    @property
    def num_hidden_layers(self) -> int: ...
    @property
    def num_attention_heads(self) -> int: ...
    @property
    def hidden_act(self) -> Activation: ...
    @property
    def layer_norm_eps(self) -> float: ...


def check_config(config: Config, sizes: tuple[str, ...]) -> None:
    """Make a frozen configuration's fields numbers of Python; `sizes` names those that are at least 1.

    Raises
    ------
    ValueError : a field out of its range, heads that do not divide hidden_size
    """
    for name in sizes:
        object.__setattr__(config, name, _checks.size(name, getattr(config, name)))
    object.__setattr__(config, "layer_norm_eps", _checks.real("layer_norm_eps", config.layer_norm_eps, 0.0))
    _checks.choice("hidden_act", config.hidden_act, get_args(Activation))
    if config.hidden_size % config.num_attention_heads:
        raise ValueError(
            f"num_attention_heads: expected a divisor of hidden_size {config.hidden_size}, "
            f"got {config.num_attention_heads}"
        )


def configured(kind: type[Options], options: Mapping[str, Any]) -> Options:
    """The configuration of these options.

    Raises
    ------
    ValueError : an option that there is not, or a value out of its range
    """
    for name in options.keys() - signature(kind).parameters.keys():
        raise ValueError(f"{name}: expected an option of {kind.__name__}, got one that it does not have")
    return kind(**options)


def of_part(name: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options of a part of a joint network, which has its seed and dtype from the whole.

    Raises
    ------
    ValueError : no options, or one of those two among them
    """
    for own in ("seed", "dtype"):
        if own in _checks.instance(name, given, Mapping):
            raise ValueError(f"{name}: expected no {own}, which is an argument beside it, got {given[own]!r}")
    return given


def has_kernels(config: Config, dtype: Any) -> bool:
    """Whether there are kernels for such an encoder: they are of float32, and have CLIP's own quick GELU alone."""
    return dtype == np.float32 and config.hidden_act == "quick_gelu"


def layer_name(model: str, number: int) -> str:
    """What the names of a layer's parameters begin with; model: "text_model" or "vision_model"."""
    return f"{model}.encoder.layers.{number}"


def shapes(config: Config, model: str) -> parameters.Shapes:
    """The parameters of all layers."""
    D, J = config.hidden_size, config.intermediate_size
    linear = {f"self_attn.{part}_proj": (D, D) for part in ("q", "k", "v", "out")}
    linear |= {"mlp.fc1": (J, D), "mlp.fc2": (D, J)}
    found: parameters.Shapes = {}
    for number in range(config.num_hidden_layers):
        start = layer_name(model, number)
        for name, shape in linear.items():
            found |= {f"{start}.{name}.weight": shape, f"{start}.{name}.bias": shape[:1]}
        for name in ("layer_norm1", "layer_norm2"):
            found |= norm(f"{start}.{name}", D)
    return found


def norm(name: str, D: int) -> parameters.Shapes:
    """The parameters of a layer norm."""
    return {f"{name}.weight": (D,), f"{name}.bias": (D,)}


def draw(params: parameters.Parameters, config: Config, seed: int, stream: int, others: Mapping[str, float]) -> None:
    """Normal weights of the deviations of transformers' `CLIPPreTrainedModel`, norms of weight 1, zero biases.

    others : the deviations of what is not in the layers, by the last word of its name but "weight"
    """
    D, layers = config.hidden_size, config.num_hidden_layers
    inner = (2 * layers * D) ** -0.5  # less the more layers there are, each of which adds its own
    deviations = {"q_proj": inner, "k_proj": inner, "v_proj": inner, "out_proj": D**-0.5}
    deviations |= {"fc1": (2 * D) ** -0.5, "fc2": inner, **others}
    for number, (name, values) in enumerate(params.items()):
        kind = name.removesuffix(".weight").split(".")[-1]
        if kind in deviations:
            rows = values.reshape(len(values), -1)
            rows[:] = normal(seed, stream, np.arange(len(rows)), number, rows.shape[1])
            rows *= deviations[kind]
        elif name.endswith("weight"):
            values[:] = 1.0


def forward(
    h: np.ndarray, params: parameters.Parameters, config: Config, model: str, mask: np.ndarray | None
) -> tuple[np.ndarray, list[Any]]:
    """h [N, L, D] behind the last layer, and what `backward` needs; mask : as `attention.forward` takes it."""
    heads, act, eps = config.num_attention_heads, config.hidden_act, config.layer_norm_eps
    caches = []
    for number in range(config.num_hidden_layers):
        h, cache = encoder_layer.forward(h, inside(params, layer_name(model, number)), heads, act, eps, mask)
        caches.append(cache)
    return h, caches


def backward(
    dh: np.ndarray, config: Config, model: str, caches: list[Any], grads: parameters.Parameters
) -> np.ndarray:
    """dh before the first layer, from that behind the last; the layers' gradients are put into `grads`."""
    for number, cache in reversed(list(enumerate(caches))):
        dh, found = encoder_layer.backward(dh, cache, config.hidden_act)
        store_inside(grads, layer_name(model, number), found)
    return dh


def in_parts(run: Callable[[np.ndarray], Sequence[np.ndarray]], inputs: np.ndarray) -> list[np.ndarray]:
    """What `run` makes of the inputs [N, ...], a few at a time: what a layer keeps of them all would be large."""
    found = [run(inputs[first : first + TOGETHER]) for first in range(0, len(inputs), TOGETHER)]
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]
