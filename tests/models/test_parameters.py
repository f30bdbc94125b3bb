"""Named parameters: views that tile one buffer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.models import parameters

FLAT = settings(deadline=None, max_examples=50)
SHAPES = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple), min_size=1, max_size=6).map(
    lambda shapes: {f"layer.{number}": shape for number, shape in enumerate(shapes)}
)


@FLAT
@given(SHAPES)
def test_the_views_tile_the_buffer_in_order(shapes: parameters.Shapes) -> None:
    buffer = np.arange(parameters.size(shapes), dtype=np.float32)
    named = parameters.views(buffer, shapes)
    assert {name: values.shape for name, values in named.items()} == shapes
    assert list(named) == list(shapes)
    np.testing.assert_array_equal(np.concatenate([values.ravel() for values in named.values()]), buffer)


@FLAT
@given(SHAPES)
def test_buffer_and_views_are_one_memory(shapes: parameters.Shapes) -> None:
    buffer = np.zeros(parameters.size(shapes))
    named = parameters.views(buffer, shapes)
    for number, values in enumerate(named.values()):
        values += number
        assert values.base is buffer
    expected = [number for number, shape in enumerate(shapes.values()) for _ in range(math.prod(shape))]
    np.testing.assert_array_equal(buffer, expected)
    buffer[:] = -1.0
    assert all((values == -1.0).all() for values in named.values())


def test_a_buffer_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot reshape"):
        parameters.views(np.zeros(3), {"weight": (2, 2)})
