"""The MLP's forward pass, and the whole reverse chain in one call.

The twins of `networks/mlp/definition.py` and of the loop in `sampling/chain.py`.
Each thread takes blocks of LANES samples; in the chain it takes a block through all the steps, so that the
activations never leave the cache.  What a sample becomes does not depend on the block or lane it stands in.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import get_num_threads

from numpy_diffusion.kernels._jit import jit, part_jit
from numpy_diffusion.kernels.memory import aligned, blocks, round_up
from numpy_diffusion.kernels.mlp.layout import BIAS, JP, KP, WEIGHT, J, K, Network
from numpy_diffusion.kernels.random import normal4, sincos_turn
from numpy_diffusion.kernels.threads import kept, run
from numpy_diffusion.kernels.vector.mlp import silu_tile
from numpy_diffusion.kernels.vector.registers import LANES, ROWS
from numpy_diffusion.kernels.vector.tile import tile

PERIOD = 8.0  # of the longest wave, see `layers.fourier_features`
P, Q, A, B0, B1, B2, C0 = range(7)  # columns of a chain's table; c of coordinate d stands in column C0 + d


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


@part_jit
def hidden_and_output(table, weights, residual, h, g, eps):
    """The layers behind the first: from h [width, LANES] to eps [D, LANES]; h and g are overwritten."""
    for layer in range(1, table.shape[0] - 1):
        matrix = table[layer]
        silu_layer(matrix, weights, weights, matrix[BIAS], h, matrix[K], residual, g, g, False)
        h, g = g, h
    output = table[table.shape[0] - 1]
    linear_layer(output, weights, h, output[K], 0, eps)


@jit
def add_waves(inputs, D, octaves):
    """Waves of the coordinates inputs[:D] behind them, see `layers.fourier_features`: [.., LANES].

    The longest by their formula, each octave from the one below: sin 2a = 2 sin a cos a, cos 2a = 1 - 2 sin^2 a.
    """
    count, j = D * D, 0
    if octaves > 0:
        for d in range(D):
            for e in range(d, D):
                along = np.float32(1) if e == d else np.float32(math.sqrt(0.5))
                across = np.float32(0) if e == d else along
                for _ in range(1 if e == d else 2):
                    for i in range(LANES):
                        turns = (along * inputs[d, i] + across * inputs[e, i]) * np.float32(1.0 / PERIOD)
                        inputs[D + j, i], inputs[D + count + j, i] = sincos_turn(turns - np.floor(turns))
                    j, across = j + 1, -across
    for row in range(D, D + 2 * count * (octaves - 1)):
        if (row - D) // count % 2 == 0:
            for i in range(LANES):
                sine, cosine = inputs[row, i], inputs[row + count, i]
                inputs[row + 2 * count, i] = np.float32(2) * sine * cosine
                inputs[row + 3 * count, i] = np.float32(1) - np.float32(2) * sine * sine


class Outputs(NamedTuple):
    """A forward pass, as all threads are told of it."""

    network: Network
    residual: bool
    x: np.ndarray  # [N, D]
    t: np.ndarray  # rows of the embedding, int64 [N]
    embedding: np.ndarray  # [K, E]
    scratch: np.ndarray  # [threads, 4, features, LANES]
    eps: np.ndarray  # what comes out, [N, J]


@jit
def _forward(thread, threads, place):
    call = kept(place)
    for low in range(thread * LANES, call.x.shape[0], threads * LANES):
        _forward_block(call, low, call.scratch[thread])


@part_jit
def _forward_block(call, low, scratch):
    (table, weights, octaves), residual, x, t, embedding, _, eps = call
    D = x.shape[1]
    features = table[0, K] - embedding.shape[1]
    inputs, h, g = scratch[0], scratch[1], scratch[2]
    count = min(LANES, x.shape[0] - low)
    for i in range(LANES):
        n = low + min(i, count - 1)
        for d in range(D):
            inputs[d, i] = x[n, d]
        for d in range(embedding.shape[1]):
            inputs[features + d, i] = embedding[t[n], d]
    add_waves(inputs, D, octaves)
    matrix = table[0]
    silu_layer(matrix, weights, weights, matrix[BIAS], inputs, matrix[K], False, h, h, False)
    hidden_and_output(table, weights, residual, h, g, inputs)
    for i in range(count):
        for d in range(eps.shape[1]):
            eps[low + i, d] = inputs[d, i]


class Chain(NamedTuple):
    """A chain, as all threads are told of it; see `chain`."""

    network: Network
    residual: bool
    first: int
    noise: np.ndarray
    accept: np.ndarray
    coefficients: np.ndarray
    time_bias: np.ndarray
    stream: int
    key: tuple[int, int]
    scratch: np.ndarray  # [threads, 4, features, LANES]
    state: np.ndarray  # [blocks, 4, features, LANES]


@jit
def _chain(thread, threads, place):
    call = kept(place)
    for block in range(thread, call.state.shape[0], threads):
        _chain_block(call, call.first + block * LANES, call.scratch[thread], call.state[block])


@part_jit
def _chain_block(call, low, scratch, state):
    (table, weights, octaves), residual, _, noise, accept, coefficients, time_bias, stream, (k0, k1), _, _ = call
    D = coefficients.shape[1] - C0
    features = D + 2 * D * D * octaves
    inputs, eps, h, g = scratch[0], scratch[1], scratch[2], scratch[3]
    x, y = state[0], state[1]
    for k in range(coefficients.shape[0]):
        for d in range(D):
            for i in range(LANES):
                inputs[d, i] = y[d, i]
        add_waves(inputs, D, octaves)
        silu_layer(table[0], weights, time_bias, k * time_bias.shape[1], inputs, features, False, h, h, False)
        hidden_and_output(table, weights, residual, h, g, eps)
        _land(coefficients[k], D, eps, state)
        if _is_noisy(coefficients[k]):
            draw_lanes(low, noise[k], stream, k0, k1, D, g)
            for d in range(D):
                for i in range(LANES):
                    y[d, i] += coefficients[k, C0 + d] * g[d, i]
        if accept[k]:
            for d in range(D):
                for i in range(LANES):
                    x[d, i] = y[d, i]


@jit
def _is_noisy(row):
    """Whether a step adds noise to any coordinate."""
    noisy = False
    for c in range(C0, row.shape[0]):
        noisy |= row[c] != 0
    return noisy


@part_jit
def _land(row, D, eps, state):
    """y = a x + b0 d0 + b1 d1 + b2 d2 with d0 = p y + q eps, and the predictions one further back."""
    x, y, d1, d2 = state[0], state[1], state[2], state[3]
    for d in range(D):
        for i in range(LANES):
            newest = row[P] * y[d, i] + row[Q] * eps[d, i]
            y[d, i] = row[A] * x[d, i] + row[B0] * newest + row[B1] * d1[d, i] + row[B2] * d2[d, i]
            d2[d, i] = d1[d, i]
            d1[d, i] = newest


@jit
def draw_lanes(low, step, stream, k0, k1, D, z):
    """z [D and up to three more, LANES] of samples low..low + LANES - 1: `noise.normal`, element by sample."""
    quads = (D + 3) // 4
    for j in range(quads):
        for i in range(LANES):
            z[j, i], z[quads + j, i], z[2 * quads + j, i], z[3 * quads + j, i] = normal4(
                j, low + i, step, stream, k0, k1
            )


class TimeBias(NamedTuple):
    """See `time_bias`."""

    network: Network
    embedding: np.ndarray  # [K, E]
    scratch: np.ndarray  # [threads, 4, features, LANES]
    bias: np.ndarray  # what comes out, [K, JP]


@jit
def _time_bias(thread, threads, place):
    (table, weights, _), embedding, scratch, bias = kept(place)
    inputs, outputs, features = scratch[thread, 0], scratch[thread, 1], table[0, K] - embedding.shape[1]
    for low in range(thread * LANES, embedding.shape[0], threads * LANES):
        count = min(LANES, embedding.shape[0] - low)
        for i in range(LANES):
            for d in range(embedding.shape[1]):
                inputs[d, i] = embedding[low + min(i, count - 1), d]
        linear_layer(table[0], weights, inputs, embedding.shape[1], features, outputs)
        for i in range(count):
            for j in range(bias.shape[1]):
                bias[low + i, j] = outputs[j, i]


def forward(network: Network, residual, x, t, embedding):
    """The MLP's outputs at x [N, D], t [N] int64: float32 [N, J], eps first; embedding [T + 1, E] by t."""
    eps = np.empty((len(x), network.table[-1, J]), np.float32)
    run(_forward, Outputs(network, residual, x, t, embedding, _scratch(network.table), eps))
    return eps


def time_bias(network: Network, embedding):
    """What the embeddings [K, E] add to the first layer, its bias included: float32 [K, JP]."""
    bias = np.zeros((len(embedding), network.table[0, JP]), np.float32)
    run(_time_bias, TimeBias(network, embedding, _scratch(network.table), bias))
    return bias


def chain(network: Network, residual, first, noise, accept, coefficients, bias, stream, key, state):
    """Take the state (see `start`) in place through the rows of a table (`solvers`), whatever it has been through.

    coefficients float32 [K, C0 + D]: p, q, a, b0, b1, b2 and c for each coordinate; accept bool [K]; bias [K, JP] is
    `time_bias` of the steps t at which the model is asked; z is that of (key, stream, first + sample, noise [K]).
    """
    key, scratch = (np.uint32(key[0]), np.uint32(key[1])), _scratch(network.table)
    stream = np.uint32(stream)
    run(_chain, Chain(network, residual, first, noise, accept, coefficients, bias, stream, key, scratch, state))


def start(x):
    """The state of a chain at x [N, D]: base and point, and no predictions: [blocks, 4, features, LANES]."""
    packed = lanes(x)
    count, features, _ = packed.shape
    state = aligned(4 * packed.size).reshape(count, 4, features, LANES)
    state[:, :2] = packed[:, None]
    return state


def point(state, n, D):
    """Where a chain stands: [n, D]."""
    return rows(state[:, 1], n, D)


def lanes(x):
    """x [N, D] as blocks [blocks, features, LANES], the last filled up with zeros."""
    n, D = x.shape
    count, features = blocks(n), round_up(D, ROWS)
    full = np.zeros((count * LANES, features), np.float32)
    full[:n, :D] = x
    packed = aligned(full.size).reshape(count, features, LANES)
    packed[:] = full.reshape(count, LANES, features).transpose(0, 2, 1)
    return packed


def rows(x, n, D):
    """The inverse of `lanes`: [n, D], a copy even where one block of one feature lies as it should."""
    return np.array(x.transpose(0, 2, 1).reshape(-1, x.shape[1])[:n, :D], order="C")


def _scratch(table):
    """Four activations a thread: [threads, 4, features, LANES]."""
    D = int(table[-1, J])
    features = max(int(table[:, JP].max()), int(table[:, KP].max()), round_up(D, 4) + 4)
    threads = get_num_threads()
    return aligned(threads * 4 * features * LANES).reshape(threads, 4, features, LANES)
