"""What decides the weights that training ends with, beside network, schedule and data: checked once, then frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels.backend import Backend, chosen
from numpy_diffusion.kernels.precision import Precision, asked
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.trainable import Trainable
from numpy_diffusion.noise import WORD_RANGE
from numpy_diffusion.training import checkpoints
from numpy_diffusion.training.losses import Weighting
from numpy_diffusion.training.step_sampling import SAMPLINGS, Sampling

WARMUP: Final = 500  # steps at most


@dataclass(frozen=True)
class CommonSettings:
    """The arguments that every training has and that decide the final weights, checked; `common` gives them."""

    steps: int
    batch: int
    learning_rate: float
    warmup: int
    weight_decay: float
    average_decay: float
    seed: int
    backend: Backend


@dataclass(frozen=True)
class Settings:
    """The arguments of `loop.train` that decide the final weights, checked; `settings` makes one.

    Attributes
    ----------
    weighting : its name, or lambda(1)..lambda(T)
    mirror : None of a network that takes no images
    label_dropout : how often a sample is told nothing, or not a field, by name; None of a network that takes no
        condition
    crop : the side of the squares that are shown; None for whole samples
    precision : of the products in the network; None of one that has float32 alone, as of all runs written before
        there was another
    """

    steps: int
    batch: int
    learning_rate: float
    warmup: int
    weight_decay: float
    average_decay: float
    weighting: Weighting | tuple[float, ...]
    sampling: Sampling
    seed: int
    backend: Backend
    mirror: bool | None = None
    label_dropout: float | dict[str, float] | None = None
    crop: int | None = None
    precision: Precision | None = None

    def as_json(self) -> dict[str, Any]:
        """What config.json says: the fields that mean something for the network."""
        known = {name: value for name, value in vars(self).items() if value is not None}
        return known | ({} if isinstance(self.weighting, str) else {"weighting": list(self.weighting)})


def settings(
    model: Network,
    *,
    steps: int,
    batch: int | None,
    learning_rate: float | None,
    warmup: int | None,
    weight_decay: float,
    average_decay: float,
    weighting: Weighting | ArrayLike,
    lambda_t: np.ndarray,
    sampling: Sampling,
    seed: int,
    backend: Backend | None,
    mirror: bool,
    label_dropout: float | Mapping[str, float] | None,
    crop: int | None,
    precision: Precision | None,
) -> Settings:
    """The arguments of `loop.train`, checked; None stands for what suits the network.

    Raises
    ------
    ValueError : one that is out of its range, or means nothing for this network
    """
    _checks.choice("sampling", sampling, SAMPLINGS)
    if model.predicts != "eps" and isinstance(weighting, str) and weighting != "simple":
        raise ValueError(
            f"weighting: expected 'simple' or an array of a network that predicts {model.predicts}, got "
            f"{weighting!r}, which is of eps"
        )
    return Settings(
        **common(
            model,
            steps=steps,
            batch=batch,
            learning_rate=learning_rate,
            warmup=warmup,
            weight_decay=weight_decay,
            average_decay=average_decay,
            seed=seed,
            backend=backend,
        ),
        weighting=cast(Weighting, weighting) if isinstance(weighting, str) else tuple(lambda_t[1:].tolist()),
        sampling=sampling,
        mirror=_mirror(model, mirror),
        label_dropout=_label_dropout(model, label_dropout),
        crop=_crop(model, crop),
        precision=_precision(model, precision, chosen(backend)),
    )


def common(
    model: Trainable,
    *,
    steps: int,
    batch: int | None,
    learning_rate: float | None,
    warmup: int | None,
    weight_decay: float,
    average_decay: float,
    seed: int,
    backend: Backend | None,
) -> dict[str, Any]:
    """The arguments that every training has, checked; None stands for what suits the network.

    Raises
    ------
    ValueError : one that is out of its range
    """
    steps = _checks.integer("steps", steps, 1, WORD_RANGE - 1)
    rate = model.learning_rate if learning_rate is None else _checks.real("learning_rate", learning_rate, 0.0)
    return dict(
        steps=steps,
        batch=model.batch if batch is None else _checks.integer("batch", batch, 1, WORD_RANGE),
        learning_rate=rate,
        warmup=min(WARMUP, steps // 10) if warmup is None else _checks.integer("warmup", warmup, 0, steps),
        weight_decay=_checks.real("weight_decay", weight_decay, 0.0),
        average_decay=_checks.real("average_decay", average_decay, 0.0, 1.0),
        seed=_checks.seed(seed),
        backend=chosen(backend),
    )


def known_warmup(warmup: int | None, steps: int, stored: checkpoints.Checkpoint | None) -> int | None:
    """The warm-up that is asked for, else that of the run to go on with: by default it would depend on the steps.

    None where there are fewer steps than that, which is then said of the steps and not of the warm-up.
    """
    if stored is None or warmup is not None:
        return warmup
    known = stored.config["training"]["warmup"]
    return known if _checks.integer("steps", steps, 1) >= known else None


def _mirror(model: Network, mirror: bool) -> bool | None:
    mirror = _checks.instance("mirror", mirror, bool)
    if model.takes_images:
        return mirror
    if mirror:
        raise ValueError("mirror: expected False, as the network is for points and not for images, got True")
    return None


def _crop(model: Network, crop: int | None) -> int | None:
    if crop is None:
        return None
    side = _checks.integer("crop", crop, 1)
    model.check_crop(side)
    return side


def _precision(model: Network, precision: Precision | None, backend: Backend) -> Precision | None:
    name, compiled = asked(precision), backend == "numba" and model.dtype == np.float32
    if name == "bfloat16" and not (compiled and model.rounds):
        raise model.no_other_precision(compiled)
    return name if model.rounds else None


def _label_dropout(
    model: Network, label_dropout: float | Mapping[str, float] | None
) -> float | dict[str, float] | None:
    if model.nothing is not None:
        given = model.label_dropout if label_dropout is None else label_dropout
        if not isinstance(given, Mapping):
            share = _checks.real("label_dropout", given, 0.0, 1.0)
            if share and model.nothing.low_resolution is not None:
                raise ValueError(
                    f"label_dropout: expected 0 or shares by field, as low_resolution is always told, got {share:g}"
                )
            return share
        taken = [name for name in model.nothing.arguments() if name not in ("mask", "low_resolution")]
        return {
            _checks.choice("label_dropout", name, taken): _checks.real(f"label_dropout: {name}", p, 0.0, 1.0)
            for name, p in given.items()
        }
    if label_dropout is not None:
        raise ValueError(f"label_dropout: expected None, as the network has no classes, got {label_dropout!r}")
    return None
