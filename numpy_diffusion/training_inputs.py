"""What `train` is given, checked once and brought into the form that the steps take."""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.networks.mlp import MLP
from numpy_diffusion.networks.network import Network, copy, null_label
from numpy_diffusion.networks.unet import UNet

# What suits points and what suits images: an image is a thousand numbers, and a U-Net diverges at an MLP's rates.
BATCH: Final[dict[type, int]] = {MLP: 512, UNet: 32}
LEARNING_RATE: Final[dict[type, float]] = {MLP: 5e-3, UNet: 1e-3}
WARMUP: Final = 500  # steps at most
LABEL_DROPOUT: Final = 0.1  # Ho and Salimans 2022, table 1: the best of 0.1, 0.2 and 0.5
RANGE_ROUNDING: Final = 1e-5  # what an image's values may be outside [-1, 1]


class Data(NamedTuple):
    """What is trained on, and the copy of the model that carries its shift and scale."""

    model: Network
    values: np.ndarray  # in the network's units, float32 [N, ...]
    labels: np.ndarray | None  # int64 [N]

    def origin(self, name: str | None) -> dict[str, Any]:
        """What config.json says of it: any other value, scaling, order or label is told by the checksum."""
        total = hashlib.sha256()
        for values in (self.model.shift, self.model.scale, self.values):
            total.update(values.tobytes())
        found = {"name": None if name is None else _checks.instance("data_name", name, str)}
        found |= {"shape": list(self.values.shape)}
        if self.labels is not None:
            total.update(self.labels.tobytes())
            found |= {"labels": np.bincount(self.labels).tolist()}  # how many of each
        return found | {"sha256": total.hexdigest()}


def data(model: Network, x0: ArrayLike, labels: ArrayLike | None) -> Data:
    """The data [N, ...] and labels [N], checked, and a copy of the model, checked too."""
    if not isinstance(model, Network):
        raise ValueError(f"model: expected an MLP or a UNet, got {type(model).__name__}")
    if model.buffer.dtype != np.float32:
        raise ValueError(f"model: expected float32 weights, got {model.buffer.dtype}")
    given = _checks.array("x0", x0, ("N", *model.shape), np.float32)
    copied = copy(model)
    values = _standardised(copied, given) if isinstance(copied, MLP) else _in_range(given)
    return Data(copied, values, _checked_labels(labels, null_label(model), len(values)))


def settings(
    model: Network,
    steps: int,
    batch: int | None,
    learning_rate: float | None,
    warmup: int | None,
    weight_decay: float,
    average_decay: float,
) -> dict[str, Any]:
    """The numbers, checked, as config.json keeps them; None stands for what suits the network."""
    kind = UNet if isinstance(model, UNet) else MLP
    steps = _checks.integer("steps", steps, 1, 2**32 - 1)
    batch = BATCH[kind] if batch is None else _checks.integer("batch", batch, 1, 2**32)
    rate = LEARNING_RATE[kind] if learning_rate is None else _checks.real("learning_rate", learning_rate, 0.0)
    return {
        "steps": steps,
        "batch": batch,
        "learning_rate": rate,
        "warmup": min(WARMUP, steps // 10) if warmup is None else _checks.integer("warmup", warmup, 0, steps),
        "weight_decay": _checks.real("weight_decay", weight_decay, 0.0),
        "average_decay": _checks.real("average_decay", average_decay, 0.0, 1.0),
    }


def image_settings(model: Network, label_dropout: float | None, mirror: bool) -> dict[str, Any]:
    """What there is for images alone: of points nothing, and an argument other than its default is refused."""
    mirror = _checks.instance("mirror", mirror, bool)
    if isinstance(model, MLP) and mirror:
        raise ValueError("mirror: expected False, as the network is for points and not for images, got True")
    found: dict[str, Any] = {} if isinstance(model, MLP) else {"mirror": mirror}
    if null_label(model) is not None:
        rate = LABEL_DROPOUT if label_dropout is None else _checks.real("label_dropout", label_dropout, 0.0, 1.0)
        return found | {"label_dropout": rate}
    if label_dropout is not None:
        raise ValueError(f"label_dropout: expected None, as the network has no classes, got {label_dropout!r}")
    return found


def _standardised(model: MLP, x0: np.ndarray) -> np.ndarray:
    """(x0 - shift) / scale: float32 [N, D]; gives the model the data's shift and scale."""
    data = x0.astype(np.float64)
    model.shift, scale = data.mean(axis=0).astype(np.float32), data.std(axis=0).astype(np.float32)
    model.scale = np.where(scale == 0.0, np.float32(1.0), scale)  # a coordinate that is constant
    return ((data - model.shift) / model.scale).astype(np.float32)


def _in_range(x0: np.ndarray) -> np.ndarray:
    """Images are not standardised: each pixel by itself would make the background as loud as the subject."""
    low, high = x0.min(), x0.max()
    if low < -1.0 - RANGE_ROUNDING or high > 1.0 + RANGE_ROUNDING:
        raise ValueError(f"x0: expected images with values in -1..1, black to white, got {low:g}..{high:g}")
    return x0


def _checked_labels(labels: ArrayLike | None, null: int | None, n: int) -> np.ndarray | None:
    """The labels as int64 [n], of a network with classes and no other."""
    if null is None:
        if labels is not None:
            raise ValueError("labels: expected None, as the network has no classes, got some")
        return None
    expected = f"labels: expected {n} integers in 0..{null - 1}, one for each image ({null} stands for no class)"
    if labels is None:
        raise ValueError(f"{expected}, got None")
    given = np.asarray(labels)
    if given.dtype.kind not in "iu" or given.shape != (n,):
        raise ValueError(f"{expected}, got {given.dtype} of shape {list(given.shape)}")
    if given.min() < 0 or given.max() >= null:
        raise ValueError(f"{expected}, got {given.min()}..{given.max()}")
    return given.astype(np.int64)
