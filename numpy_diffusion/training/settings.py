"""What decides the weights that training ends with, beside network, schedule and data: checked once, then frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels.backend import Backend, chosen
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.trainable import Trainable
from numpy_diffusion.noise import WORD_RANGE
from numpy_diffusion.training.losses import Weighting
from numpy_diffusion.training.step_sampling import SAMPLINGS, Sampling

WARMUP: Final = 500  # steps at most
LABEL_DROPOUT: Final = 0.1  # Ho and Salimans 2022, table 1: the best of 0.1, 0.2 and 0.5


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
    label_dropout : how often a sample is told nothing; None of a network that takes no condition
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
    label_dropout: float | None = None

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
    label_dropout: float | None,
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


def _mirror(model: Network, mirror: bool) -> bool | None:
    mirror = _checks.instance("mirror", mirror, bool)
    if model.takes_images:
        return mirror
    if mirror:
        raise ValueError("mirror: expected False, as the network is for points and not for images, got True")
    return None


def _label_dropout(model: Network, label_dropout: float | None) -> float | None:
    if model.nothing is not None:
        return LABEL_DROPOUT if label_dropout is None else _checks.real("label_dropout", label_dropout, 0.0, 1.0)
    if label_dropout is not None:
        raise ValueError(f"label_dropout: expected None, as the network has no classes, got {label_dropout!r}")
    return None
