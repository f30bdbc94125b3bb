"""How an MLP lies in memory for its kernels."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.mlp.layout import network
from numpy_diffusion.kernels.vector.registers import ROWS, VECTOR

FLAT = settings(deadline=None, max_examples=30)


@FLAT
@given(
    dim=st.integers(1, 20),
    width=st.integers(1, 40),
    depth=st.integers(0, 3),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_the_table_says_where_each_matrix_lies(dim: int, width: int, depth: int, dtype: type) -> None:
    shapes = [(width, dim + 6), *[(width, width)] * depth, (dim, width)]
    rng = np.random.default_rng(1)
    pairs = [(rng.normal(size=shape), rng.normal(size=shape[0])) for shape in shapes]
    parameters = np.concatenate([part.ravel() for pair in pairs for part in pair]).astype(dtype)
    table, weights, _ = network(shapes, parameters, 0, dtype)
    assert weights.dtype == dtype
    for (j, k, jp, kp, weight_at, bias_at), (weight, bias) in zip(table.tolist(), pairs, strict=True):
        assert (j, k) == weight.shape
        np.testing.assert_array_equal(weights[weight_at : weight_at + j * k].reshape(j, k), weight.astype(dtype))
        np.testing.assert_array_equal(weights[bias_at : bias_at + j], bias.astype(dtype))
        for size, rounded in ((j, jp), (k, kp)):
            assert rounded % VECTOR == 0
            assert size <= rounded < size + VECTOR
        tiles = -(-j // ROWS) * ROWS  # rows that the kernels read of the matrix and of the bias
        assert max(weight_at + tiles * k, bias_at + tiles) <= weights.size
    assert weights.ctypes.data % 64 == 0
    assert not np.shares_memory(weights, parameters)
