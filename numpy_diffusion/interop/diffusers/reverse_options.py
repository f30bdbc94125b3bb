"""What a scheduler of diffusers says of a step down the chain, beside the solver: what the network predicts, the
range that x_0 is kept in, and the variance of the kernel.

`schedulers` reads the forward chain of the same file, and `solver_options` the solver.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeVar

from numpy_diffusion import _checks, _files
from numpy_diffusion.interop.diffusers import schedulers
from numpy_diffusion.interop.diffusers.files import Options
from numpy_diffusion.interop.diffusers.schedulers import Kind
from numpy_diffusion.process.predictions import PREDICTIONS, Prediction
from numpy_diffusion.process.variances import VARIANCES, Variance

Word = TypeVar("Word", bound=str)

PREDICTION: Final[dict[str, Prediction]] = {"epsilon": "eps", "sample": "x0", "v_prediction": "v"}
VARIANCE: Final[dict[str, Variance]] = {
    "fixed_small": "beta_tilde",
    "fixed_small_log": "beta_tilde",  # to the same numbers by way of their logarithm
    "fixed_large": "beta",
    "learned_range": "learned",
}


class Reverse(NamedTuple):
    """A step down.

    Attributes
    ----------
    prediction : what the network predicts: "eps", "x0" or "v"
    clip : x_0 is kept in -clip..clip; None for not at all
    variance : of the kernel: "beta", "beta_tilde" or "learned"; "beta" where the scheduler's class has none
    """

    prediction: Prediction
    clip: float | None
    variance: Variance


def read(folder: _files.PathLike) -> Reverse:
    """What the folder's scheduler_config.json says.

    Raises
    ------
    OSError : a folder or file that is missing or cannot be read
    ValueError : a file that is foreign or altered, or an option that is not supported
    """
    options = schedulers.read(folder)
    return Reverse(
        PREDICTION[options["prediction_type"]],
        options["clip_sample_range"] if options.get("clip_sample") else None,
        VARIANCE[options.get("variance_type", "fixed_large")],
    )


def to_options(reverse: Reverse, kind: Kind) -> Options:
    """The options of a scheduler of this class, which has all of them, from which `read` gives the same again.

    Raises
    ------
    ValueError : what the class does not have, or nobody

    Examples
    --------
    >>> to_options(Reverse("x0", None, "beta_tilde"), "UnCLIPScheduler")["variance_type"]
    'fixed_small_log'
    """
    return {
        "prediction_type": prediction_type(reverse.prediction, kind),
        "variance_type": _theirs("variance", reverse.variance, VARIANCE, VARIANCES, _options("variance_type", kind)),
        "clip_sample": reverse.clip is not None,
        "clip_sample_range": 1.0 if reverse.clip is None else _checks.real("clip", reverse.clip, 1e-6),
    }


def prediction_type(prediction: Any, kind: Kind) -> str:
    """What the class calls it; ValueError where it has no such prediction."""
    return _theirs("prediction", prediction, PREDICTION, PREDICTIONS, _options("prediction_type", kind))


def _options(name: str, kind: Kind) -> tuple[str, ...]:
    """The values of an option that the class has."""
    return (schedulers.CHOICES | schedulers.FEWER.get(kind, {}))[name]


def _theirs(name: str, value: Any, table: Mapping[str, Word], ours: tuple[Word, ...], there: tuple[str, ...]) -> str:
    """Diffusers' word for ours, of those that are there."""
    words = {table[word]: word for word in reversed(there)}
    return words[_checks.choice(name, value, tuple(word for word in ours if word in words))]
