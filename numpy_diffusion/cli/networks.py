"""The network that the command line's options stand for, and the options that a run's config.json stands for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

from numpy_diffusion.cli.sources import Data
from numpy_diffusion.models.network import Network
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.networks.unet.unet import UNet

Options = dict[str, Any]

# Options of the network.  The U-Net has 1.6 million parameters then; attention None is the middle one of the sizes.
POINTS: Final = ("width", "depth", "octaves")
OCTAVES: Final = 7  # of waves beside the coordinates, where these are at most FEW: drawings, with their fine detail
FEW: Final = 3
UNET: Final[Options] = {
    "channels": (32, 64, 64),
    "layers_per_block": 2,
    "attention": None,
    "dropout": 0.0,
    "classes": None,  # whether to train on labels: None for where there are any
}
IMAGES: Final = (*UNET, "label_dropout", "mirror", "preview")  # options that mean nothing for points
MODELS: Final = ("mlp", "unet")
DIVISOR: Final = 8  # groups of a norm and channels of a head, where the channels are multiples of it


def network(given: Options, known: Options, data: Data, stored: Network | None) -> Network:
    """The network to train: a U-Net for images [N, C, H, W], for points [N, D] an MLP.

    Parameters
    ----------
    given : the options on the command line
    known : those and, for a run that is resumed, its own
    data : what to train on
    stored : the network of a run that is resumed, which stands unless the command line says something of it
    """
    images = data.x0.ndim == 4
    _check_kind(given, images)
    if stored is not None and not given.keys() & {*POINTS, *UNET, "learn_variance"}:
        return stored
    if not images:
        dim = data.x0.shape[1]
        options: Options = {"octaves": OCTAVES if dim <= FEW else 0} | _chosen(known, (*POINTS, "learn_variance"))
        return MLP(dim, seed=known["seed"], **options)
    return UNet(seed=known["seed"], **_unet(UNET | known, data))


def _check_kind(given: Options, images: bool) -> None:
    """ValueError about an option that is for the other kind of data."""
    kind, model = ("points", "images")[images], MODELS[images]
    if given.get("model", model) != model:
        raise ValueError(f"--model: expected {model} for {kind}, got {given['model']}")
    for name in POINTS if images else IMAGES:
        if name in given:
            option = "labels" if name == "classes" else name.replace("_", "-")
            raise ValueError(f"--{option}: expected none for {kind}, got {given[name]}")


def _chosen(options: Options, names: Iterable[str]) -> Options:
    return {name: options[name] for name in names if name in options}


def _unet(options: Options, data: Data) -> Options:
    """The arguments of `UNet`."""
    (inputs, *size), channels = data.x0.shape[1:], options["channels"]
    attended = _attended(options["attention"], size[0], len(channels))
    if options["classes"] and not data.classes:
        raise ValueError("--labels: expected images with labels, got some without; --no-labels does without")
    divisor = math.gcd(DIVISOR, *channels)
    return {
        "sample_size": size,
        "in_channels": inputs,
        "out_channels": 2 * inputs if options.get("learn_variance") else inputs,
        "block_out_channels": channels,
        "layers_per_block": options["layers_per_block"],
        "down_block_types": ["AttnDownBlock2D" if here else "DownBlock2D" for here in attended],
        "up_block_types": ["AttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attended)],
        "norm_num_groups": divisor,
        "attention_head_dim": divisor,
        "dropout": options["dropout"],
        # One more than there are, for "no class".
        "num_class_embeds": data.classes + 1 if data.classes and options["classes"] is not False else None,
    }


def _attended(sizes: tuple[int, ...] | None, height: int, levels: int) -> list[bool]:
    """Which levels of the U-Net have attention, by the height of the image there."""
    if sizes is None:
        return [level == levels // 2 for level in range(levels)]
    heights = [height // 2**level for level in range(levels)]
    if other := set(sizes) - set(heights):
        known = ", ".join(map(str, heights))
        raise ValueError(f"--attention: expected heights of the image among {known}, got {min(other)}")
    return [size in sizes for size in heights]


def described(config: Options) -> Options:
    """The options that a network's `config` stands for."""
    if "block_out_channels" not in config:
        return {"octaves": 0} | _chosen(config, (*POINTS, "learn_variance"))  # older runs know nothing of octaves
    size = config["sample_size"]
    height, kinds = size[0] if isinstance(size, list) else size, enumerate(config["down_block_types"])
    found = {
        "channels": tuple(config["block_out_channels"]),
        "attention": tuple(height // 2**level for level, kind in kinds if kind.startswith("Attn")),
        "classes": config["num_class_embeds"] is not None,
        "learn_variance": config["out_channels"] == 2 * config["in_channels"],
    }
    return found | _chosen(config, ("layers_per_block", "dropout"))
