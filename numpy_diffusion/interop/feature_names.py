"""The names of a table's columns, and in which order an estimator takes them: scikit-learn's rules and words."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from numpy_diffusion import _checks

SHOWN: Final = 5  # names in an error


def of(X: Any) -> np.ndarray | None:
    """The columns' names of a table such as a DataFrame, if they are strings: object [D].

    Raises
    ------
    TypeError : some strings and some others
    """
    columns = getattr(X, "columns", None)
    names = [] if columns is None or callable(columns) else list(columns)
    strings = [isinstance(name, str) for name in names]
    if not any(strings):
        return None
    if not all(strings):
        raise TypeError(
            "X: Feature names are only supported if all input features have string names, got some that are none"
        )
    return np.array(names, dtype=object)


def check(X: Any, fitted: np.ndarray | None, estimator: str) -> None:
    """ValueError where X has other names than those of the fit, or in another order; a warning where one has none."""
    given = of(X)
    if fitted is None or given is None:
        if given is not None:
            _checks.warn(f"X has feature names, but {estimator} was fitted without feature names")
        if fitted is not None:
            _checks.warn(f"X does not have valid feature names, but {estimator} was fitted with feature names")
        return
    if fitted.tolist() == given.tolist():
        return
    unseen, missing = sorted(set(given) - set(fitted)), sorted(set(fitted) - set(given))
    lines = ["The feature names should match those that were passed during fit."]
    lines += _listed("Feature names unseen at fit time:", unseen)
    lines += _listed("Feature names seen at fit time, yet now missing:", missing)
    if not unseen and not missing:
        lines.append("Feature names must be in the same order as they were in fit.")
    raise ValueError("\n".join([*lines, ""]))


def _listed(title: str, names: list[str]) -> list[str]:
    if not names:
        return []
    return [title, *(f"- {name}" for name in names[:SHOWN]), *(["- ..."] if len(names) > SHOWN else [])]
