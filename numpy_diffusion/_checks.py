"""The argument checks: one function a kind, one sentence each, called once, at the door of each public function."""

from __future__ import annotations

import difflib
import operator
import sys
import warnings
from collections.abc import Iterable
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

Kind = TypeVar("Kind", bound=str)

PACKAGE = str(Path(__file__).parent)
GRAY = 0.25  # below this and above 0 an image's darkest value raises doubts
RANGE_ROUNDING = 1e-5  # what an image's values may be outside -1..1
FELT = 1e-4  # of a standard deviation: a rounding that would be felt
STRONGEST = 1e6  # guidance: a million times what float32 rounds of an answer is a twentieth of it
MOST_LAYERS = 10_000  # of a network, one behind the other
ROUNDING = 1e-9  # what a sum of weights, a covariance's symmetry and its least eigenvalue may be off, relative


def integer(name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """`value` as a Python int within low..high, or a ValueError that says what was expected."""
    bounds = _bounds(low, high)
    if isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name}: expected an integer{bounds}, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name}: expected an integer{bounds}, got {_short(value)}") from None
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{name}: expected an integer{bounds}, got {number}")
    return number


def size(name: str, value: Any, low: int = 1) -> int:
    """An option of a network as an integer of at least `low`; of layers, which all have names, not endlessly many.

    A width of which there is too much ends in one array that cannot be; a number of layers would be counted up to.
    """
    return integer(name, value, low, MOST_LAYERS if "layers" in name or name == "depth" else None)


def real(name: str, value: Any, low: float | None = None, high: float | None = None) -> float:
    """`value` as a finite Python float within low..high, or a ValueError that says what was expected."""
    bounds = _bounds(low, high)
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise ValueError(f"{name}: expected a number{bounds}, got {_short(value)}")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}: expected a number{bounds}, got {_short(value)}") from None
    outside = (low is not None and number < low) or (high is not None and number > high)
    if outside or not np.isfinite(number):
        raise ValueError(f"{name}: expected a finite number{bounds}, got {number}")
    return number


def guidance(name: str, value: Any) -> float:
    """w of classifier-free guidance: from -1 to what amplifies more than rounding."""
    return real(name, value, -1.0, STRONGEST)


def seed(value: Any) -> int:
    """A seed of the counter-based generator: an integer of 64 bits, not negative."""
    return integer("seed", value, 0, 2**64 - 1)


def instance(name: str, value: Any, kind: type) -> Any:
    """`value` if it is a `kind`, or a ValueError that says which type it has."""
    if not isinstance(value, kind):
        raise ValueError(f"{name}: expected a {kind.__name__}, got {_short(value)}")
    return value


def choice(name: str, value: Any, options: Iterable[Kind]) -> Kind:
    """`value` if it is one of `options`, or a ValueError that lists them."""
    options = tuple(options)
    for option in options:
        if isinstance(value, str) and value == option:
            return option
    expected = ", ".join(map(repr, options))
    raise ValueError(f"{name}: expected one of {expected}, got {_short(value)}{meant(value, options)}")


def meant(value: Any, options: Iterable[str]) -> str:
    """The end of a sentence about a word that is none of the options: the one that it may be meant for.

    Examples
    --------
    >>> meant("spirall", ["moons", "spiral"])
    "; did you mean 'spiral'?"
    """
    near = difflib.get_close_matches(value, list(options), n=1) if isinstance(value, str) else []
    return f"; did you mean {near[0]!r}?" if near else ""


def unmasked(name: str, value: Any) -> Any:
    """`value`, or a ValueError where it has masked entries: NumPy would take what lies below the mask."""
    if isinstance(value, np.ma.MaskedArray) and (count := int(np.ma.count_masked(value))):
        raise ValueError(
            f"{name}: expected an array without masked values, got {count} masked: fill them in or leave their "
            "rows out"
        )
    return value


def array(
    name: str,
    value: Any,
    shape: tuple[int | str | None, ...] | None = None,
    dtype: Any = None,
    min_ndim: int = 0,
    finite: bool = True,
) -> np.ndarray:
    """`value` as a C-contiguous array of finite real numbers, not empty.

    Parameters
    ----------
    shape : one entry an axis: an int is the exact length, a str names a free axis in the message
    dtype : the float dtype to convert to; None keeps float32 and float64 and turns all else into float32
    min_ndim : with `shape=None`, how many axes there must be at the least
    finite : with False the caller finds out whether the values are finite while it works on them

    Raises
    ------
    ValueError : wrong number of axes or lengths, a dtype that is not real, masked, NaN, infinite or empty
    """
    unmasked(name, value)
    try:
        given = np.asarray(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected an array of real numbers, got {_short(value)}") from None
    given = of_columns(name, value, given)
    if given.dtype.kind not in "fiu":
        raise ValueError(f"{name}: expected real numbers, got dtype {given.dtype}")
    if shape is not None and not _fits(given.shape, shape):
        expected = "[" + ", ".join("any" if n is None else str(n) for n in shape) + "]"
        raise ValueError(f"{name}: expected shape {expected}, got {list(given.shape)}")
    if given.ndim < min_ndim:
        raise ValueError(f"{name}: expected at least {min_ndim} axes, got shape {list(given.shape)}")
    if given.size == 0:
        raise ValueError(f"{name}: expected at least one value, got an empty array of shape {list(given.shape)}")
    if dtype is None:
        dtype = given.dtype if given.dtype in (np.float32, np.float64) else np.float32
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported below, as not finite
        converted = np.ascontiguousarray(given, dtype=dtype)
        total = converted.sum() if finite else 0.0  # finite only if all are: cheaper than an array of answers
    if not np.isfinite(total) and not np.isfinite(converted).all():
        bad = ~np.isfinite(converted)
        where = _bad_columns(value, bad)
        raise ValueError(
            f"{name}: expected finite values, got {bad.sum()} that are NaN or infinite in {converted.dtype}{where}"
        )
    return converted.reshape(given.shape)


def of_columns(name: str, value: Any, given: np.ndarray) -> np.ndarray:
    """`given`, which is `value` as an array; of a DataFrame that NumPy has only objects of, float64 [N, D].

    pandas has kinds of columns that NumPy has not, with a missing value of their own.

    Raises
    ------
    ValueError : an entry that is no real number, with its column
    """
    names = getattr(value, "columns", None)
    if names is None or given.dtype != object or given.ndim != 2:
        return given
    for label, column in zip(names, given.T, strict=True):
        for row, entry in enumerate(column):
            if not isinstance(entry, Real) or isinstance(entry, bool):
                where = f"in row {row} of the column {label!r}"
                raise ValueError(f"{name}: expected real numbers, got {_short(entry)} {where}")
    return given.astype(np.float64)


def _bad_columns(value: Any, bad: np.ndarray) -> str:
    """The end of a sentence about some entries of a DataFrame: the columns that they are in."""
    names = getattr(value, "columns", None)
    if names is None or bad.ndim != 2:
        return ""
    return " in " + ", ".join(
        repr(label) for label, some in zip(names, np.any(bad, axis=0).tolist(), strict=True) if some
    )


def table(name: str, value: Any, shape: tuple[int | str | None, ...]) -> np.ndarray:
    """`value` [N, ...] as `array` has it: float32, or float64 where the rounding to float32 would be felt."""
    wide = array(name, value, shape, np.float64)
    varies = wide.min(axis=0) < wide.max(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is no number of float32 either
        mean, deviation = wide.mean(axis=0), np.where(varies, wide.std(axis=0), 0.0)
    return wide if rounding_is_felt(mean, deviation) else array(name, value, shape, np.float32)


def rounding_is_felt(shift: Any, scale: Any) -> bool:
    """Whether float32 is too coarse for numbers about `shift` that vary by `scale`; 0 stands for a constant."""
    single = np.finfo(np.float32)
    scale = np.asarray(scale, np.float64)
    least = np.maximum(np.abs(np.asarray(shift, np.float64)) * (single.eps / 2.0) / FELT, single.tiny)
    return bool(np.any((scale < least) & (scale > 0.0)))


def in_range(name: str, images: np.ndarray) -> np.ndarray:
    """The images, if they are some: a ValueError where values are out of -1..1, a warning where they seem to be 0..1.

    Rare are pictures whose darkest spot is gray and whose lightest is nearly white; those in 0..1 all are such.
    """
    low, high = images.min(), images.max()
    if low < -1.0 - RANGE_ROUNDING or high > 1.0 + RANGE_ROUNDING:
        raise ValueError(f"{name}: expected images with values in -1..1, black to white, got {low:g}..{high:g}")
    if 0.0 <= low < GRAY and high > 1.0 - GRAY:
        advice = f"if they are in 0..1, black to white, give 2 * {name} - 1"
        warn(f"{name}: expected images with values in -1..1, black to white, got {low:g}..{high:g}; {advice}")
    return images


def steps(name: str, value: Any, low: int, high: int, n: int | None = None) -> np.ndarray:
    """`value` as an int64 array of steps within low..high; a scalar becomes shape [], an array must be [n]."""
    unmasked(name, value)
    try:
        given = np.asarray(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected integer steps in {low}..{high}, got {_short(value)}") from None
    if given.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected integer steps in {low}..{high}, got {_short(value)}")
    if given.ndim > 1 or (given.ndim == 1 and n is not None and given.shape != (n,)):
        length = "any" if n is None else n
        raise ValueError(f"{name}: expected one step or an array of shape [{length}], got shape {list(given.shape)}")
    if given.size == 0:
        raise ValueError(f"{name}: expected at least one step, got an empty array")
    if given.min() < low or given.max() > high:
        raise ValueError(
            f"{name}: expected steps in {low}..{high}, got {given.min()}..{given.max()}"
            if given.ndim
            else f"{name}: expected a step in {low}..{high}, got {given}"
        )
    return given.astype(np.int64)


def probabilities(name: str, value: Any, n: int) -> np.ndarray:
    """`value` as n positive numbers with sum 1: float64 [n], the sum's rounding put right."""
    values = array(name, value, (n,), np.float64)
    if values.min() <= 0.0 or abs(values.sum() - 1.0) > ROUNDING:
        got = f"numbers from {values.min():g} on with sum {values.sum():.12g}"
        raise ValueError(f"{name}: expected positive numbers with sum 1, got {got}")
    return values / values.sum()


def covariance(name: str, value: Any, dim: int) -> np.ndarray:
    """`value` as a covariance: float64 [dim, dim], symmetric to the bit and positive semi-definite."""
    matrix = array(name, value, (dim, dim), np.float64)
    allowed = ROUNDING * np.abs(matrix).max()
    if np.abs(matrix - matrix.T).max() > allowed:
        raise ValueError(f"{name}: expected a symmetric matrix, got entries that differ from the transposed")
    matrix = (matrix + matrix.T) / 2.0
    lowest = np.linalg.eigvalsh(matrix)[0]
    if lowest < -allowed:
        raise ValueError(f"{name}: expected a positive semi-definite matrix, got an eigenvalue of {lowest:g}")
    return matrix


def _fits(shape: tuple[int, ...], expected: tuple[int | str | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        not isinstance(want, int) or want == got for got, want in zip(shape, expected, strict=True)
    )


def _bounds(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" in {low}..{high}"
    if low is not None:
        return f" of at least {low}"
    return "" if high is None else f" of at most {high}"


def _short(value: Any) -> str:
    text = " ".join(f"{type(value).__name__} {value!r}".split())
    return text if len(text) <= 80 else text[:77] + "..."


def warn(message: str) -> None:
    """A UserWarning at the line outside the package that led here."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
