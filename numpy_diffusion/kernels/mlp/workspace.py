"""What the training steps of an MLP read, and the buffers that they work in."""

from typing import NamedTuple

import numpy as np
from numba import get_num_threads

from numpy_diffusion.kernels.memory import aligned, round_up
from numpy_diffusion.kernels.mlp.layout import BIAS, JP, KP, J
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, WIDEST_LANES


class Problem(NamedTuple):
    """What training reads: float32, but for the table and the steps."""

    table: np.ndarray  # of the MLP's matrices, see `layout`
    octaves: int
    data: np.ndarray  # [N, D]
    steps: np.ndarray  # to draw t from, int64 [M]
    signal: np.ndarray  # sqrt(alpha_bar), by t [T + 1]
    sigma: np.ndarray  # sqrt(1 - alpha_bar), by t [T + 1]
    lambda_t: np.ndarray  # [T + 1]
    bound: np.ndarray  # `losses.bound_table` [T + 1, 6], of which nothing is read without a head for the variance
    embedding: np.ndarray  # by t [T + 1, E]


class Workspace(NamedTuple):
    """The buffers of a step, made once: float32, but for places, tiles and t."""

    weights: np.ndarray  # of the MLP, see `layout`
    inputs: np.ndarray  # of each matrix, [panel, sample, LANES], flat
    inputs_at: np.ndarray  # where each matrix's start, int64
    grads: np.ndarray  # by each matrix's outputs, [panel, sample, VECTOR], flat
    grads_at: np.ndarray
    rows: np.ndarray  # the second part's work: matrix and its first row, int64 [.., 2]
    gradient: np.ndarray  # by those rows, [threads, ROWS * K and more]
    halves: np.ndarray  # by all parameters, of either half of the batch, [2, P]
    x: np.ndarray  # the first layer's input of a block, [threads, features, LANES]
    h: np.ndarray  # the SiLU layers' outputs, [threads, layers, width, LANES]
    slopes: np.ndarray  # of those SiLUs, likewise
    dh: np.ndarray  # the gradient by a SiLU layer's output, [threads, width, LANES]
    dg: np.ndarray  # that by its sums, and by those of the layer below, [threads, 2, width, LANES]
    eps_hat: np.ndarray  # [threads, D filled up, LANES]
    eps: np.ndarray  # [threads, D filled up, LANES]
    loss: np.ndarray  # of WIDEST_LANES samples each
    t: np.ndarray  # of each sample, int64
    sample_loss: np.ndarray  # of each sample


def workspace(table, weights, batch):
    """The buffers for batches of this size."""
    D, width, layers = int(table[-1, J]), int(table[0, JP]), len(table) - 1
    samples, threads = round_up(batch, WIDEST_LANES), get_num_threads()
    in_sizes = [round_up(k, LANES) * samples for k in table[:, KP].tolist()]
    out_sizes = [j * samples for j in table[:, JP].tolist()]
    rows = [(matrix, row) for matrix, j in enumerate(table[:, J].tolist()) for row in range(0, j, ROWS)]

    def buffer(*shape):
        return aligned(int(np.prod(shape))).reshape(shape)

    return Workspace(
        weights=weights,
        inputs=buffer(sum(in_sizes)),
        inputs_at=np.cumsum([0, *in_sizes[:-1]]),
        grads=buffer(sum(out_sizes)),
        grads_at=np.cumsum([0, *out_sizes[:-1]]),
        rows=np.array(rows),
        gradient=buffer(threads, ROWS * int(table[:, KP].max()) + LANES),
        halves=buffer(2, int(table[-1, BIAS] + table[-1, J])),
        x=buffer(threads, int(table[0, KP]), LANES),
        h=buffer(threads, layers, width, LANES),
        slopes=buffer(threads, layers, width, LANES),
        dh=buffer(threads, width, LANES),
        dg=buffer(threads, 2, width, LANES),
        eps_hat=buffer(threads, int(table[-1, JP]), LANES),
        eps=buffer(threads, round_up(D, 4), LANES),
        loss=buffer(samples // WIDEST_LANES),
        t=np.zeros(samples, np.int64),
        sample_loss=buffer(samples),
    )
