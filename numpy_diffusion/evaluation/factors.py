"""What stands in front of each term of an answer that should be a sum of terms: found by least squares, and told.

Of x_t = a x_0 + b eps, for instance, a and b are found from what a function answers, whatever it does inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

CLOSE = 1e-6  # of a residual, as a share of the answer, and of two factors


class Place(NamedTuple):
    """Where the factors are the same numbers: the answer there, the right one, and the terms, all of one shape."""

    name: str
    answer: np.ndarray
    right: np.ndarray
    terms: Mapping[str, np.ndarray]


def told(places: Sequence[Place]) -> str:
    """The term whose factor is wrong, and in what way; "" where that cannot be said."""
    pairs: dict[str, list[tuple[str, float, float]]] = {}
    for place in places:
        columns = np.stack([term.ravel() for term in place.terms.values()], axis=1)
        ours, theirs = _solved(columns, place.answer), _solved(columns, place.right)
        if theirs is None or not np.isfinite(place.answer).all():
            return ""
        if ours is None:
            return f"{place.name}: the answer is not made of {', '.join(place.terms)} alone."
        for name, one, other in zip(place.terms, ours, theirs, strict=True):
            pairs.setdefault(name, []).append((place.name, one, other))
    return "  ".join(filter(None, (_of_term(name, found) for name, found in pairs.items())))


def _solved(columns: np.ndarray, answer: np.ndarray) -> list[float] | None:
    """The factors with which the columns add up to the answer; None where they do not."""
    values = answer.ravel()
    if values.shape != columns.shape[:1] or not np.isfinite(values).all():
        return None
    factors, _, rank, _ = np.linalg.lstsq(columns, values)
    residual = np.abs(columns @ factors - values).max()
    fits = rank == columns.shape[1] and residual <= CLOSE * max(np.abs(values).max(), 1e-12)
    return [float(factor) for factor in factors] if fits else None


def _of_term(name: str, found: Sequence[tuple[str, float, float]]) -> str:
    """What is wrong with its factors, of (place, factor, right factor); "" where nothing is."""
    ours, right = (np.array([each[k] for each in found]) for k in (1, 2))
    wrong = ~_close(ours, right)
    if not wrong.any():
        return ""
    place, factor, other = found[int(np.argmax(np.abs(ours - right) / np.maximum(np.abs(right), 1e-3)))]
    root = np.sqrt(np.abs(right))
    relations = {
        "is missing": 0.0 * right,
        "has the other sign": -right,
        "is the square of the right one: a root is missing": right**2,
        "is the root of the right one: one root too many": root,
        "is the inverse of the right one": 1.0 / np.where(right == 0.0, np.nan, right),
    }
    for how, values in relations.items():
        if _close(ours, values).all():
            return f"The factor of {name} {how}."
    shown, expected = (f"{round(number, 12) + 0.0:.6g}" for number in (factor, other))  # no minus before a zero
    said = f"The factor of {name} is {shown} at {place}, where {expected} is right."
    if wrong.all():
        return said
    return f"{said}  It is right {'elsewhere' if wrong.sum() == 1 else 'at some others'}."


def _close(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a - b) <= CLOSE * np.maximum(np.abs(b), 1e-3)
