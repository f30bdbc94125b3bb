"""What a model is, and what else it may have: the one place where it is asked.

    eps = model(x, t)

A network, an exact oracle, a function of the user's: whatever can be called so is a model, and every sampler, bound
and likelihood takes it.  `Members` lists what else it may have; `described` looks once, and says what holds where
nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.perceptron import Perceptron
from numpy_diffusion.process.predictions import Prediction
from numpy_diffusion.process.schedules import Schedule


class Model(Protocol):
    """Anything that can be called as eps = model(x, t).

    x is [N, ...], float32 or float64, in the model's units, and its own to write to; t is an int in 1..T, or
    ints [N], one for each sample.  eps is like x: the noise that the model sees in it (Ho et al. 2020, eq 11), and
    may lie in x, or in one array for all calls.  A conditional model takes the fields of a `Condition` by name as
    well: eps = model(x, t, labels=ints [N]).
    """

    def __call__(self, x: np.ndarray, t: Any, /) -> np.ndarray: ...


class Members(Model, Protocol):
    """What a model may have beside the call.  Each may be missing, and None is as good as missing."""

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of one sample; missing, it follows from the data or is an argument."""

    @property
    def shift(self) -> np.ndarray | float:
        """What is taken off the data before the model sees it, see `Units`; 0 where it is missing."""

    @property
    def scale(self) -> np.ndarray | float:
        """What the data is then divided by; 1 where it is missing, 0 of a constant (see `Units`)."""

    @property
    def T(self) -> int | None:
        """Of the schedule that it was trained with or is made for; where it is missing, any will do."""

    @property
    def predicts(self) -> Prediction:
        """What the call gives; eps where it is missing.  Of any other `converted.as_eps` makes a model."""

    @property
    def in_float64(self) -> bool:
        """Whether eps is float64 and a chain is to reckon with it so, see `converted.AsEps`."""

    @property
    def bounded(self) -> bool:
        """Whether the x_0 that its eps stands for stays near the data whatever x is, so that no error grows."""

    @property
    def learn_variance(self) -> bool:
        """Whether there is an `eps_and_fraction`."""

    def eps_and_fraction(self, x: np.ndarray, t: Any, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        """eps, and like it the fraction v of `process.variances.learned_variance`: the variance's own head."""

    def jvp(self, x: np.ndarray, t: Any, tangent: np.ndarray, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        """eps, and its derivative by x along the tangent, [N, ...] or [K, N, ...]; for exact likelihoods."""

    @property
    def nothing(self) -> Condition | None:
        """What a conditional model is told where it is told nothing, for guidance; or `null_label`, of classes."""

    def own_chain(self, x: np.ndarray, table: Any, seed: int, first: int, stops: Any) -> Iterator[Any] | None:
        """The reverse chain in the model's own kernel; see `models.network.Network.own_chain`."""

    @property
    def perceptron(self) -> Perceptron | None:
        """Its layers in plain numbers, of a network that is a plain perceptron: so that others can run it."""


@dataclass(frozen=True, eq=False)
class Units:
    """The data's numbers x and the model's numbers u: x = shift + scale u, coordinate by coordinate.

    Attributes
    ----------
    shift, scale : numbers, or arrays of one sample's shape; a scale of 0 is that of a coordinate that is constant,
        which the model sees as it is but for the shift, and which comes back as the shift itself
    """

    shift: np.ndarray | float = 0.0
    scale: np.ndarray | float = 1.0

    @property
    def are_the_datas(self) -> bool:
        """Whether the model works on the data's numbers as they are."""
        return not np.any(self.shift) and bool(np.all(np.equal(self.scale, 1.0)))

    @property
    def divisor(self) -> np.ndarray | float:
        """The scale, and 1 for that of a constant."""
        constant = np.equal(self.scale, 0.0)
        return np.where(constant, np.ones_like(self.scale), self.scale) if np.any(constant) else self.scale

    @property
    def in_float64(self) -> bool:
        """Whether the data's numbers are float64, as float32 cannot tell them apart."""
        return _checks.rounding_is_felt(self.shift, self.scale)

    def to_model(self, x: Any) -> Any:
        """u = (x - shift) / scale."""
        return (x - self.shift) / self.divisor

    def to_data(self, u: Any) -> Any:
        """x = shift + scale u."""
        return self.shift + self.scale * u

    def spread(self, shape: tuple[int, ...]) -> Units:
        """The same in float64, with a number for each coordinate of a sample of this shape."""
        shift, scale = (np.broadcast_to(np.asarray(v, np.float64), shape) for v in (self.shift, self.scale))
        return Units(shift, scale)

    @property
    def log_scale(self) -> float:
        """log |dx / du| of a sample, where there is a number for each coordinate."""
        return float(np.log(self.divisor).sum())


@dataclass(frozen=True, eq=False)
class Described:
    """A model and its members, with None for one that it does not have; see `Members`.

    `own_shape` is None where nobody says what it is.
    """

    model: Model
    own_shape: tuple[int, ...] | None
    units: Units
    in_float64: bool
    eps_and_fraction: Callable[..., tuple[np.ndarray, np.ndarray]] | None
    jvp: Callable[..., tuple[np.ndarray, np.ndarray]] | None
    nothing: Condition | None
    own_chain: Callable[..., Iterator[Any] | None] | None
    perceptron: Perceptron | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample, where it is known: always after `described`."""
        assert self.own_shape is not None
        return self.own_shape

    @property
    def learn_variance(self) -> bool:
        return self.eps_and_fraction is not None


def check_callable(model: Any, call: str = "eps = model(x, t)") -> None:
    """ValueError where the model is none."""
    if not callable(model):
        raise ValueError(f"model: expected a callable {call}, got {type(model).__name__}")


def check_eps(model: Any) -> None:
    """ValueError where the model is none of eps."""
    check_callable(model)
    if (predicts := getattr(model, "predicts", None)) not in (None, "eps"):
        raise ValueError(
            f"model: expected one that predicts eps, got one that predicts {predicts}, of which "
            f"as_eps(model, schedule, {predicts!r}) makes one"
        )


def check_schedule(model: Any, schedule: Any) -> Schedule:
    """The schedule; a ValueError where it is none, or of another T than the model's: t would mean another noise."""
    T = _checks.instance("schedule", schedule, Schedule).T
    if (own := getattr(model, "T", None)) is not None and own != T:
        raise ValueError(f"schedule: expected one of T = {own}, which the model was trained with, got T = {T}")
    return schedule


def is_bounded(model: Any) -> bool:
    """Whether the x_0 of the model's eps stays near the data, see `Members`."""
    return bool(getattr(model, "bounded", False))


def in_words(model: Any) -> str:
    """A model in a line: a function by its name and not by its address."""
    return str(getattr(model, "__name__", None) or repr(model))


def members(model: Any) -> Described:
    """What a model has, whatever it is."""

    def member(name: str, default: Any = None) -> Any:
        return getattr(model, name, default)

    shift, scale, nothing, null = member("shift"), member("scale"), member("nothing"), member("null_label")
    units = Units(0.0 if shift is None else shift, 1.0 if scale is None else scale)
    return Described(
        model,
        member("shape"),
        units,
        bool(member("in_float64")),
        member("eps_and_fraction") if member("learn_variance", False) else None,
        member("jvp"),
        Condition(labels=null) if nothing is None and null is not None else nothing,
        member("own_chain"),
        member("perceptron"),
    )


def described(model: Any, shape: tuple[int, ...] | None = None) -> Described:
    """What a model has, and the shape of one sample: its own, or the one given.

    Raises
    ------
    ValueError : what cannot be called or does not predict eps, a shape that is missing, is none, or is not the
        model's own

    Examples
    --------
    >>> described(lambda x, t: x, shape=(2,)).units.to_data(np.array([3.0, 4.0])).tolist()
    [3.0, 4.0]
    """
    check_eps(model)
    found = members(model)
    own = found.own_shape
    known = shape if own is None else own
    if known is None:
        raise ValueError("shape: expected the shape of one sample, since the model has no attribute `shape`")
    _checks.instance("shape", known, tuple)
    if own is not None and shape is not None and own != shape:
        raise ValueError(f"shape: expected the model's own {own!r}, got {shape!r}")
    sizes = tuple(_checks.integer("shape", size, 1) for size in known)
    return Described(**(vars(found) | {"own_shape": sizes}))
