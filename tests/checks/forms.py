"""That a sampler asks its model in the backend and the precision that are its arguments, or those around its call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numpy_diffusion.kernels.backend import Backend, backend, chosen
from numpy_diffusion.kernels.precision import Precision, asked, precision

Forms = tuple[Backend, Precision]


def check_forms(draw: Callable[..., object]) -> None:
    """`draw` takes a model, and the sampler's other arguments by their names."""
    seen: set[Forms] = set()

    def model(x: np.ndarray, t: int) -> np.ndarray:
        seen.add((chosen(), asked()))
        return 0.5 * x

    def forms(**options: Any) -> Forms:
        seen.clear()
        draw(model, progress=False, **options)
        (found,) = seen
        return found

    assert forms() == ("numba", "float32")
    assert forms(backend="numpy", precision="bfloat16") == ("numpy", "bfloat16")
    with backend("numpy"), precision("bfloat16"):
        assert forms() == ("numpy", "bfloat16")
        assert forms(backend="numba", precision="float32") == ("numba", "float32")  # the argument counts more
    seen.clear()
    for wrong in (dict(backend="jax"), dict(precision="float16")):
        (name,) = wrong
        with pytest.raises(ValueError, match=f"^{name}: expected one of "):
            draw(model, progress=False, **wrong)
    assert not seen  # it is said before the chain begins
    assert (chosen(), asked()) == ("numba", "float32")
