"""As much of a DataFrame as an estimator looks at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


class Table:
    """Values, and columns with names."""

    def __init__(self, values: Any, columns: Iterable[Any]) -> None:
        self.values, self.columns = np.asarray(values), list(columns)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.values, dtype)
