"""Functions of the C library, number by number: the same bits on every processor.

NumPy's own exp and log round their last bit by the vector registers that they find.  What the processes of a training
must have in common to the bit, on machines of different kinds, is short enough to do without them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def each(function: Callable[[float], float], values: ArrayLike) -> Any:
    """The function, one of `math`, of each number: float64 in the shape of the values, a scalar of a scalar.

    Examples
    --------
    >>> import math
    >>> each(math.exp, [[0.0, 1.0]]).tolist() == [[1.0, math.e]]
    True
    """
    values = np.asarray(values, np.float64)
    return np.array([function(value) for value in values.ravel().tolist()], np.float64).reshape(values.shape)[()]
