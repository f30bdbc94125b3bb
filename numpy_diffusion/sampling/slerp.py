"""From one vector to another along the sphere (Shoemake 1985): noise or an embedding between two is like either."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks

NEAR = 1e-6  # an angle below which the way is a straight line


def slerp(a: ArrayLike, b: ArrayLike, fractions: ArrayLike) -> np.ndarray:
    """Between a and b: their directions turned at even speed, and their lengths mixed.

    direction = (sin((1 - f) angle) a / |a| + sin(f angle) b / |b|) / sin(angle),   length = (1 - f) |a| + f |b|

    Parameters
    ----------
    a, b : [*shape], neither 0, nor of opposite directions
    fractions : [F], 0 at a and 1 at b

    Returns
    -------
    float32 [F, *shape]

    Raises
    ------
    ValueError : other shapes, values that are not finite, no direction, or no one way between the two

    Examples
    --------
    >>> slerp([1.0, 0.0], [0.0, 3.0], [0.0, 0.5, 1.0]).astype(float).round(3).tolist()
    [[1.0, 0.0], [1.414, 1.414], [0.0, 3.0]]
    """
    a = _checks.array("a", a, dtype=np.float64)
    b = _checks.array("b", b, a.shape, np.float64)
    fractions = _checks.array("fractions", fractions, ("F",), np.float64).reshape(-1, *(1,) * a.ndim)
    lengths = []
    for name, vector in (("a", a), ("b", b)):
        lengths.append(float(np.linalg.norm(vector.ravel())))
        if lengths[-1] == 0.0:
            raise ValueError(f"{name}: expected a vector with a direction, got zeros")
    one, two = a / lengths[0], b / lengths[1]
    angle = 2.0 * np.arctan2(np.linalg.norm((one - two).ravel()), np.linalg.norm((one + two).ravel()))
    if np.pi - angle < NEAR:
        raise ValueError("b: expected another direction than the opposite of a, to which all ways are as long")
    if angle < NEAR:
        direction = (1.0 - fractions) * one + fractions * two
    else:
        direction = (np.sin((1.0 - fractions) * angle) * one + np.sin(fractions * angle) * two) / np.sin(angle)
    return (((1.0 - fractions) * lengths[0] + fractions * lengths[1]) * direction).astype(np.float32)
