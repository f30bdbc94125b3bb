"""Layer norm against its definition, a row at a time."""

from __future__ import annotations

import numpy as np
from checks.layer_norm import arrays, check_gradients, check_values
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import layer_norm

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


@settings(deadline=None, max_examples=30)
@given(SHAPES)
def test_values_and_gradients(shape: tuple[int, ...]) -> None:
    check_values(shape)
    check_gradients(shape)


def test_float32_stays_float32_and_a_flat_row_is_its_bias() -> None:
    given = {name: values.astype(np.float32) for name, values in arrays((2, 3, 4)).items()} | {
        "x": np.full((2, 3, 4), 7.0, np.float32)
    }
    y, cache = layer_norm.forward(**given)
    np.testing.assert_array_equal(y, np.broadcast_to(given["bias"], y.shape))
    assert {y.dtype, *(gradient.dtype for gradient in layer_norm.backward(y, cache))} == {np.dtype(np.float32)}
