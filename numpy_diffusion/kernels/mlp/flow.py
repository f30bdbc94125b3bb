"""The probability-flow ODE of an MLP in float64, its steps in one call: the twin of `evaluation/likelihood.py`.

Each thread takes a block of LANES samples along the path, so that activations never leave the cache.  An evaluation
is the forward pass, which keeps the slope of every hidden feature, and then one tangent after the other through the
same layers and slopes.  What a sample becomes does not depend on the block or lane that it stands in.
"""

from typing import NamedTuple

import numpy as np
from numba import get_num_threads

from numpy_diffusion.kernels._jit import jit, part_jit
from numpy_diffusion.kernels.memory import aligned, round_up
from numpy_diffusion.kernels.mlp.layout import BIAS, JP, KP, WEIGHT, J, K, Network
from numpy_diffusion.kernels.mlp.waves import add_waves, waves_along
from numpy_diffusion.kernels.threads import kept, run
from numpy_diffusion.kernels.vector.double import LANES, silu_tile, tangent_tile, tile
from numpy_diffusion.kernels.vector.registers import ROWS

INPUTS, ALONG, H, G, OUT, SLOPES = range(6)  # panels of a thread: from SLOPES on one for each layer, then PLACES


class State(NamedTuple):
    """Where the paths of all samples stand; f and its divergence at the last nodes, oldest first."""

    x: np.ndarray  # [blocks, D, LANES]
    f: np.ndarray  # [blocks, NODES, D, LANES]
    div: np.ndarray  # [blocks, NODES, LANES]
    integral: np.ndarray  # of div f, [blocks, LANES]


class Flow(NamedTuple):
    """The ODE and how it is integrated, see `process.probability_flow.Plan`; all float64."""

    network: Network
    residual: bool
    bias: np.ndarray  # what the step of each node adds to the first layer, its bias included, [n + 1, JP]
    tanh: np.ndarray  # [n + 1]
    start: np.ndarray
    predict: np.ndarray
    correct: np.ndarray
    sweeps: int


class Part(NamedTuple):
    """Part of the paths, as all threads are told of it."""

    flow: Flow
    low: int  # the node where they stand
    high: int  # the one where they go
    tangents: np.ndarray  # [blocks, or 1 for all, K, D, LANES]
    state: State
    scratch: np.ndarray  # [threads, panels, features, LANES]


@jit
def _part(thread, threads, place):
    call = kept(place)
    start = call.flow.start.shape[0]
    for block in range(thread, call.state.x.shape[0], threads):
        scratch, tangents = call.scratch[thread], call.tangents[block % call.tangents.shape[0]]
        x, f, div, integral = (
            call.state.x[block],
            call.state.f[block],
            call.state.div[block],
            call.state.integral[block],
        )
        if call.low == 0:
            _begin(call.flow, tangents, x, f, div, integral, scratch)
        for node in range(max(call.low, start) + 1, call.high + 1):
            _step(call.flow, node, tangents, x, f, div, integral, scratch)


@part_jit
def _begin(flow, tangents, x, f, div, integral, scratch):
    """Picard's iteration over the first nodes."""
    weights, places = flow.start, SLOPES + flow.network.table.shape[0] - 1
    m, D = weights.shape[0], x.shape[0]
    for node in range(m):
        for d in range(D):
            for i in range(LANES):
                scratch[places + node, d, i] = x[d, i]
    for sweep in range(flow.sweeps):
        for node in range(1, m + 1):
            traced = sweep == flow.sweeps - 1
            _evaluate(flow, node, scratch[places + node - 1], tangents, traced, f[node], div[node], scratch)
        for node in range(m):
            for d in range(D):
                for i in range(LANES):
                    total = 0.0
                    for k in range(m):
                        total += weights[node, k] * f[k + 1, d, i]
                    scratch[places + node, d, i] = x[d, i] + total
    for i in range(LANES):
        for d in range(D):
            x[d, i] = scratch[places + m - 1, d, i]
        for k in range(m):
            integral[i] += weights[m - 1, k] * div[k + 1, i]


@part_jit
def _step(flow, node, tangents, x, f, div, integral, scratch):
    """Adams and Bashforth predict, Adams and Moulton correct."""
    nodes, D = f.shape[0], x.shape[0]
    at = scratch[SLOPES + flow.network.table.shape[0] - 1]
    for corrected in range(2):
        weights = flow.correct[node - nodes] if corrected == 1 else flow.predict[node - nodes]
        for d in range(D):
            for i in range(LANES):
                at[d, i] = 0.0
            for k in range(nodes):
                for i in range(LANES):
                    at[d, i] += weights[k] * f[k, d, i]
            for i in range(LANES):
                at[d, i] += x[d, i]
                if corrected == 1:
                    x[d, i] = at[d, i]
            if corrected == 0:
                for k in range(nodes - 1):
                    for i in range(LANES):
                        f[k, d, i] = f[k + 1, d, i]
        _evaluate(flow, node, at, tangents, corrected == 1, f[nodes - 1], div[0], scratch)
    for i in range(LANES):
        newest, total = div[0, i], 0.0
        for k in range(nodes - 1):
            div[k, i] = div[k + 1, i]
            total += flow.correct[node - nodes, k] * div[k, i]
        div[nodes - 1, i] = newest
        integral[i] += total + flow.correct[node - nodes, nodes - 1] * newest


@jit
def _evaluate(flow, node, at, tangents, traced, f, div, scratch):
    """f [D, LANES] at a node and, where `traced`, its divergence [LANES]: the sum of z . J z over the tangents z."""
    (table, weights, octaves), residual, tanh = flow.network, flow.residual, flow.tanh[node]
    D, last = f.shape[0], table.shape[0] - 1
    inputs, along, out = scratch[INPUTS], scratch[ALONG], scratch[OUT]
    for d in range(D):
        for i in range(LANES):
            inputs[d, i] = at[d, i]
    add_waves(inputs, D, octaves)
    _outputs(table, weights, flow.bias[node], D, octaves, residual, traced, scratch)
    for d in range(D):
        for i in range(LANES):
            f[d, i] = out[d, i] + weights[table[last, BIAS] + d] - tanh * at[d, i]
    if traced:
        for i in range(LANES):
            div[i] = -D * tanh
        for k in range(tangents.shape[0]):
            waves_along(inputs, tangents[k], D, octaves, along)
            _outputs_along(table, weights, D, octaves, residual, scratch)
            for d in range(D):
                for i in range(LANES):
                    div[i] += tangents[k, d, i] * out[d, i]


@part_jit
def _outputs(table, weights, first_bias, D, octaves, residual, keep, scratch):
    """The forward pass from the panel INPUTS to OUT, without the output's bias; the slopes where `keep`.

    One place in the code for all layers: each copy of a tile costs as much to compile as all the rest.
    """
    source, target, spare, bias = scratch[INPUTS], scratch[H], scratch[G], first_bias
    bias0, depth = 0, D + 2 * D * D * octaves
    for layer in range(table.shape[0] - 1):
        matrix, slopes = table[layer], scratch[SLOPES + layer]
        add = residual and layer > 0
        for j in range(0, matrix[J], ROWS):
            a0, h0 = matrix[WEIGHT] + j * matrix[K], j * LANES
            silu_tile(weights, a0, 1, matrix[K], source, 0, bias, bias0 + j, target, h0, slopes, h0, depth, add, keep)
        source, target, spare, bias = target, spare, target, weights
        bias0, depth = table[layer + 1, BIAS], table[layer + 1, K]
    _output(table[table.shape[0] - 1], weights, source, D, scratch[OUT])


@part_jit
def _outputs_along(table, weights, D, octaves, residual, scratch):
    """The same along the panel ALONG, by the slopes that were kept."""
    source, target, spare = scratch[ALONG], scratch[H], scratch[G]
    depth = D + 2 * D * D * octaves
    for layer in range(table.shape[0] - 1):
        matrix, slopes = table[layer], scratch[SLOPES + layer]
        add = residual and layer > 0
        for j in range(0, matrix[J], ROWS):
            a0, h0 = matrix[WEIGHT] + j * matrix[K], j * LANES
            tangent_tile(weights, a0, 1, matrix[K], source, 0, slopes, h0, target, h0, depth, add)
        source, target, spare = target, spare, target
        depth = table[layer + 1, K]
    _output(table[table.shape[0] - 1], weights, source, D, scratch[OUT])


@jit
def _output(matrix, weights, inputs, rows, outputs):
    """The first rows of W inputs, filled up to whole tiles."""
    for j in range(0, rows, ROWS):
        a0 = matrix[WEIGHT] + j * matrix[K]
        tile(weights, a0, 1, matrix[K], inputs, 0, LANES, outputs, j * LANES, LANES, matrix[K])


def start(x, nodes):
    """The state of paths at x [N, D] that remember f at so many nodes."""
    n, D = x.shape
    blocks = -(-n // LANES)
    shapes = (blocks, D, LANES), (blocks, nodes, D, LANES), (blocks, nodes, LANES), (blocks, LANES)
    state = State(*(aligned(int(np.prod(shape)), np.float64).reshape(shape) for shape in shapes))
    state.x[:] = lanes(x)
    return state


def directions(signs, D):
    """The tangents z [blocks, K, D, LANES] from signs [K, N, D] of each sample; from None the unit vectors."""
    if signs is not None:
        return lanes(signs)
    return np.ascontiguousarray(np.broadcast_to(np.eye(D)[None, :, :, None], (1, D, D, LANES)))


def advance(flow, low, high, tangents, state):
    """The paths from node `low` to node `high`, in place; tangents are those of `directions`."""
    run(_part, Part(flow, low, high, tangents, state, _scratch(flow, state)))


def lanes(x):
    """x [..., N, D] as blocks [blocks, ..., D, LANES]; the last is filled up with its last sample."""
    n = x.shape[-2]
    full = x[..., np.minimum(np.arange(-(-n // LANES) * LANES), n - 1), :]
    blocks = full.reshape(*x.shape[:-2], -1, LANES, x.shape[-1])
    return np.ascontiguousarray(np.moveaxis(blocks.swapaxes(-1, -2), -3, 0))


def rows(state, n):
    """x [n, D] and the integrals [n] of the first samples."""
    x = state.x.transpose(0, 2, 1).reshape(-1, state.x.shape[1])[:n]
    return np.array(x, order="C"), state.integral.reshape(-1)[:n].copy()


def _scratch(flow, state):
    """The panels of each thread."""
    table, D = flow.network.table, state.x.shape[1]
    features = max(int(table[:, JP].max()), int(table[:, KP].max()), round_up(D, ROWS))
    shape = get_num_threads(), SLOPES + len(table) - 1 + len(flow.start), features, LANES
    return aligned(int(np.prod(shape)), np.float64).reshape(shape)
