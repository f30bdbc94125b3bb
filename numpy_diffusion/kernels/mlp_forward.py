"""The MLP's forward pass, and the whole reverse chain in one call: twins of `networks/mlp.py` and `samplers.py`.

Each thread takes blocks of LANES samples; in the chain it takes a block through all the steps, so that the
activations never leave the cache.  What a sample becomes does not depend on the block or lane it stands in.
"""

import numpy as np
from numba import get_num_threads, prange

from numpy_diffusion.kernels._jit import jit, parallel_jit
from numpy_diffusion.kernels.mlp_plan import BIAS, JP, KP, WEIGHT, J, K, Network, aligned, blocks, up
from numpy_diffusion.kernels.random import normal4
from numpy_diffusion.kernels.simd import LANES, ROWS, silu_tile, tile


@jit
def silu_layer(matrix, weights, bias, bias0, inputs, depth, residual, outputs, slopes, keep):
    """outputs = silu(W[:, :depth] inputs + bias) (+ inputs), all [features, LANES]; see `silu_tile`."""
    for j in range(0, matrix[J], ROWS):
        a0, h0 = matrix[WEIGHT] + j * matrix[K], j * LANES
        silu_tile(
            weights, a0, 1, matrix[K], inputs, 0, bias, bias0 + j, outputs, h0, slopes, h0, depth, residual, keep
        )


@jit
def linear_layer(matrix, weights, inputs, depth, skip, outputs):
    """outputs = W[:, skip : skip + depth] inputs + bias: [depth, LANES] to [J, LANES], filled up to whole tiles."""
    for j in range(0, matrix[J], ROWS):
        a0 = matrix[WEIGHT] + j * matrix[K] + skip
        tile(weights, a0, 1, matrix[K], inputs, 0, LANES, outputs, j * LANES, LANES, depth)
        for row in range(j, j + ROWS):
            for i in range(LANES):
                outputs[row, i] += weights[matrix[BIAS] + row]


@jit
def hidden_and_output(table, weights, residual, h, g, eps):
    """The layers behind the first: from h [width, LANES] to eps [D, LANES]; h and g are overwritten."""
    for layer in range(1, table.shape[0] - 1):
        matrix = table[layer]
        silu_layer(matrix, weights, weights, matrix[BIAS], h, matrix[K], residual, g, g, False)
        h, g = g, h
    output = table[table.shape[0] - 1]
    linear_layer(output, weights, h, output[K], 0, eps)


@parallel_jit
def _forward(table, weights, residual, x, t, embedding, scratch, eps):
    workers = scratch.shape[0]
    for worker in prange(workers):
        for low in range(worker * LANES, x.shape[0], workers * LANES):
            _forward_block(table, weights, residual, x, t, embedding, low, scratch[worker], eps)


@jit
def _forward_block(table, weights, residual, x, t, embedding, low, scratch, eps):
    D, width = x.shape[1], scratch.shape[0] // 3
    inputs, h, g = scratch[:width], scratch[width : 2 * width], scratch[2 * width :]
    count = min(LANES, x.shape[0] - low)
    for i in range(LANES):
        n = low + min(i, count - 1)
        for d in range(D):
            inputs[d, i] = x[n, d]
        for d in range(embedding.shape[1]):
            inputs[D + d, i] = embedding[t[n], d]
    matrix = table[0]
    silu_layer(matrix, weights, weights, matrix[BIAS], inputs, matrix[K], False, h, h, False)
    hidden_and_output(table, weights, residual, h, g, inputs)
    for i in range(count):
        for d in range(D):
            eps[low + i, d] = inputs[d, i]


@parallel_jit
def _chain(table, weights, residual, first, t, a, b, c, time_bias, stream, k0, k1, scratch, x):
    workers = scratch.shape[0]
    for worker in prange(workers):
        for block in range(worker, x.shape[0], workers):
            low = first + block * LANES
            _chain_block(
                table, weights, residual, low, t, a, b, c, time_bias, stream, k0, k1, scratch[worker], x[block]
            )


@jit
def _chain_block(table, weights, residual, low, t, a, b, c, time_bias, stream, k0, k1, scratch, x):
    width, D = scratch.shape[0] // 3, table[table.shape[0] - 1, J]
    eps, h, g = scratch[:width], scratch[width : 2 * width], scratch[2 * width :]
    for k in range(t.shape[0]):
        silu_layer(table[0], weights, time_bias, k * time_bias.shape[1], x, D, False, h, h, False)
        hidden_and_output(table, weights, residual, h, g, eps)
        if c[k] == 0:
            for d in range(D):
                for i in range(LANES):
                    x[d, i] = a[k] * x[d, i] + b[k] * eps[d, i]
        else:
            _noisy_update(low, t[k], a[k], b[k], c[k], stream, k0, k1, D, eps, g, x)


@jit
def _noisy_update(low, t, a, b, c, stream, k0, k1, D, eps, z, x):
    """x = a x + b eps + c z, in place, with the z of samples low..low + LANES - 1 at step t."""
    draw_lanes(low, t, stream, k0, k1, D, z)
    for d in range(D):
        for i in range(LANES):
            x[d, i] = a * x[d, i] + b * eps[d, i] + c * z[d, i]


@jit
def draw_lanes(low, step, stream, k0, k1, D, z):
    """z [D and up to three more, LANES] of samples low..low + LANES - 1: `noise.normal`, element by sample."""
    quads = (D + 3) // 4
    for j in range(quads):
        for i in range(LANES):
            z[j, i], z[quads + j, i], z[2 * quads + j, i], z[3 * quads + j, i] = normal4(
                j, low + i, step, stream, k0, k1
            )


@parallel_jit
def _time_bias(table, weights, embedding, scratch, bias):
    workers, D = scratch.shape[0], table[table.shape[0] - 1, J]
    for worker in prange(workers):
        rows = scratch[worker]
        for low in range(worker * LANES, embedding.shape[0], workers * LANES):
            count = min(LANES, embedding.shape[0] - low)
            for i in range(LANES):
                for d in range(embedding.shape[1]):
                    rows[d, i] = embedding[low + min(i, count - 1), d]
            linear_layer(table[0], weights, rows, embedding.shape[1], D, rows[rows.shape[0] // 3 :])
            for i in range(count):
                for j in range(bias.shape[1]):
                    bias[low + i, j] = rows[rows.shape[0] // 3 + j, i]


def forward(network: Network, residual, x, t, embedding):
    """eps [N, D] float32 of the MLP at x [N, D], t [N] int64; embedding [T + 1, E] by t."""
    eps = np.empty_like(x)
    _forward(network.table, network.weights, residual, x, t, embedding, _scratch(network.table), eps)
    return eps


def time_bias(network: Network, embedding):
    """What the embeddings [K, E] add to the first layer, its bias included: float32 [K, JP]."""
    bias = np.zeros((len(embedding), network.table[0, JP]), np.float32)
    _time_bias(network.table, network.weights, embedding, _scratch(network.table), bias)
    return bias


def chain(network: Network, residual, first, t, a, b, c, bias, stream, key, x):
    """Take x [blocks, features, LANES] in place through the steps x = a x + b eps(x, t) + c z, each [K].

    `bias` [K, JP] is `time_bias` of the steps; z is the noise of (key, stream, first + sample, t).
    """
    k0, k1 = np.uint32(key[0]), np.uint32(key[1])
    scratch = _scratch(network.table)
    _chain(network.table, network.weights, residual, first, t, a, b, c, bias, stream, k0, k1, scratch, x)


def lanes(x):
    """x [N, D] as blocks [blocks, features, LANES], the last filled up with zeros."""
    n, D = x.shape
    count, features = blocks(n), up(D, ROWS)
    full = np.zeros((count * LANES, features), np.float32)
    full[:n, :D] = x
    packed = aligned(full.size).reshape(count, features, LANES)
    packed[:] = full.reshape(count, LANES, features).transpose(0, 2, 1)
    return packed


def rows(x, n, D):
    """The inverse of `lanes`: [n, D], a copy even where one block of one feature lies as it should."""
    return np.array(x.transpose(0, 2, 1).reshape(-1, x.shape[1])[:n, :D], order="C")


def _scratch(table):
    """Three activations [features, LANES] a thread."""
    D = int(table[-1, J])
    features = max(int(table[:, JP].max()), int(table[:, KP].max()), up(D, 4) + 4)
    threads = get_num_threads()
    return aligned(threads * 3 * features * LANES).reshape(threads, 3 * features, LANES)
