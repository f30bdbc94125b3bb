"""The class embedding: a row each, and the gradient adds over a label's samples."""

from __future__ import annotations

import numpy as np
from checks.class_embedding import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import class_embedding


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=5).map(tuple))
def test_values_and_gradients(labels: tuple[int, ...]) -> None:
    weight = np.arange(12.0).reshape(4, 3)
    y, _ = class_embedding.forward(np.array(labels), weight)
    np.testing.assert_array_equal(y, [[3.0 * label, 3.0 * label + 1, 3.0 * label + 2] for label in labels])
    check_gradients(labels)
