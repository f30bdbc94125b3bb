"""The buffers of an MLP's training steps: all that is stored of a batch has its place, and nothing two."""

from __future__ import annotations

import itertools

import numba
import numpy as np
import pytest

from numpy_diffusion.kernels.mlp.layout import network
from numpy_diffusion.kernels.mlp.workspace import workspace
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR, WIDEST_LANES


@pytest.mark.parametrize("bounds", [(0, 1), (0, 1, 3), (4, 5, 6)])
def test_every_matrix_has_room_for_its_inputs_and_its_gradients(bounds: tuple[int, ...]) -> None:
    shapes = [(21, 9), (21, 21), (3, 21)]
    size = sum(j * k + j for j, k in shapes)
    table, weights, _ = network(shapes, np.zeros(size, np.float32), octaves=0)
    work = workspace(table, weights, np.array(bounds))
    samples = len(work.t)
    assert samples == WIDEST_LANES * (bounds[-1] - bounds[0])
    assert len(work.loss) * WIDEST_LANES == samples
    for (start, end), (_, k) in zip(itertools.pairwise([*work.inputs_at, work.inputs.size]), shapes, strict=True):
        assert end - start == -(-k // LANES) * LANES * samples
    for (start, end), (j, _) in zip(itertools.pairwise([*work.grads_at, work.grads.size]), shapes, strict=True):
        assert end - start == -(-j // VECTOR) * VECTOR * samples
    assert work.weights is weights
    assert work.sums.shape == (len(bounds) - 1, size)
    assert len(work.x) == len(work.gradient) == numba.get_num_threads()


def test_the_rows_of_all_matrices_are_taken_once() -> None:
    shapes = [(21, 9), (3, 21)]
    table, weights, _ = network(shapes, np.zeros(sum(j * k + j for j, k in shapes), np.float32), octaves=0)
    rows = [
        (matrix, row)
        for matrix, first in workspace(table, weights, np.arange(2)).rows.tolist()
        for row in range(first, min(first + ROWS, shapes[matrix][0]))
    ]
    assert rows == [(matrix, row) for matrix, (j, _) in enumerate(shapes) for row in range(j)]
