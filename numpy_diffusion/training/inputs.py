"""The data and conditions that `train` is given, checked once and brought into the form that the steps take."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.protocol import Units
from numpy_diffusion.models.trainable import Trainable

DataName = str | Mapping[str, str] | None  # what it is called; or this as "name", with what belongs to it

PICTURES: Final = (1, 3)  # channels


class Data(NamedTuple):
    """What is trained on, and the copy of the model that carries what is measured of it."""

    model: Any  # a `Trainable`
    values: np.ndarray  # in the network's units, float32 [N, ...]
    condition: Condition  # with a row for each

    def origin(self, name: DataName) -> dict[str, Any]:
        """What config.json says of it: any other value, scaling, order or condition is told by the checksum."""
        total = hashlib.sha256()
        measured = dict(self.model.measured)
        if "scale" in measured:  # that of a constant counts as 1, which it was when the first runs were written
            measured["scale"] = np.asarray(Units(scale=measured["scale"]).divisor)
        for values in (*measured.values(), self.values):
            total.update(values.tobytes())
        found: dict[str, Any] = {"name": None} | _said(name)
        found |= {"shape": list(self.values.shape)}
        for field, values in self.condition.arguments().items():
            total.update(values.tobytes())
            found |= {field: np.bincount(values).tolist() if field == "labels" else list(values.shape)}
        return found | {"sha256": total.hexdigest()}


def _said(name: DataName) -> dict[str, str]:
    if name is None:
        return {}
    if isinstance(name, Mapping):
        return {key: _checks.instance(f"data_name: {key}", value, str) for key, value in name.items()}
    return {"name": _checks.instance("data_name", name, str)}


def data(model: Network, x0: ArrayLike, condition: Condition) -> Data:
    """The data [N, ...] and its conditions, checked, and a copy of the model, checked too."""
    if not isinstance(model, Network):
        raise ValueError(f"model: expected a network such as MLP or UNet, got {type(model).__name__}")
    check_weights("model", model)
    copied = model.copy()
    shape: tuple[int | str, ...] = ("N", *model.shape)
    if model.takes_images:
        values = _as_they_are(copied, _checks.array("x0", x0, shape, np.float32))
    else:
        values = _standardised(copied, _checks.table("x0", x0, shape))
    return Data(copied, values, _checked(condition, model, len(values)))


def _standardised(model: Network, x0: np.ndarray) -> np.ndarray:
    """(x0 - shift) / scale: float32 [N, ...]; gives the model the data's shift and scale, in the dtype of x0."""
    data, varies = x0.astype(np.float64), x0.min(axis=0) < x0.max(axis=0)
    model.shift = np.where(varies, data.mean(axis=0), data[0]).astype(x0.dtype)
    model.scale = np.where(varies, data.std(axis=0), 0.0).astype(x0.dtype)
    return Units(model.shift, model.scale).to_model(data).astype(np.float32)


def check_weights(name: str, model: Trainable) -> None:
    """ValueError where a model of this name has weights that are not float32, or that training could not write."""
    if model.buffer.dtype != np.float32:
        raise ValueError(f"{name}: expected float32 weights, got {model.buffer.dtype}")
    if not model.buffer.flags.writeable:
        raise ValueError(f"{name}: expected weights that can be written, got read-only ones: train {name}.copy()")


def pictures(model: Trainable, x0: ArrayLike, condition: Condition | None = None) -> Data:
    """Images [N, C, H, W] of what is no eps-network, what belongs to each, and a copy of it with nothing measured."""
    values = _checks.in_range("x0", _checks.array("x0", x0, ("N", *model.shape), np.float32))
    copied = type(model).empty(**model.options)
    copied.buffer[:] = model.buffer
    return Data(copied, values, Condition() if condition is None else condition)


def _as_they_are(model: Network, x0: np.ndarray) -> np.ndarray:
    """Images are not standardised: each pixel by itself would make the background as loud as the subject.

    What has other channels than pictures is a latent, and ends nowhere.
    """
    if model.shape[0] in PICTURES:
        _check_pictures("x0", x0)
    model.shift, model.scale = np.zeros(model.shape, np.float32), np.ones(model.shape, np.float32)
    return x0


def _check_pictures(name: str, values: np.ndarray) -> None:
    """ValueError where these are pictures, gray or in colour, that do not end at -1 and 1.

    Latents may have as many channels: they lie on both sides of 0, and are no whole numbers as pixels are.
    """
    low, high = values.min(), values.max()
    inside = max(-low, high) <= 1.0 + _checks.RANGE_ROUNDING
    if inside or low >= 0.0 or (values == np.rint(values)).all():
        _checks.in_range(name, values)
    else:
        _checks.warn(
            f"{name}: values beyond -1..1, {low:g}..{high:g}, are taken for latents: pictures are expected in -1..1, "
            "black to white"
        )


def _checked(condition: Condition, model: Network, n: int) -> Condition:
    """The condition with a row for each of n samples, of a network that takes it; no label stands for no class."""
    null, labels = model.null_label, condition.labels
    if null is not None:
        expected = f"labels: expected {n} integers in 0..{null - 1}, one for each image ({null} stands for no class)"
        if labels is None:
            raise ValueError(f"{expected}, got None")
        if labels.shape != (n,):
            raise ValueError(f"{expected}, got shape {list(labels.shape)}")
        if labels.max() >= null:
            raise ValueError(f"{expected}, got {labels.min()}..{labels.max()}")
    if condition.low_resolution is not None and model.shape[0] in PICTURES:
        _check_pictures("low_resolution", condition.low_resolution)
    return model.checked(condition, n)
