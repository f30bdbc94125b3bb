"""The whole training step of an MLP in one call: the twin of `training/step.py`.

A step has two parts, each spread over the threads.  First, block by block of LANES samples: draw data, t and
noise, jump, forward, loss, and the gradient by every activation.  Then, ROWS rows of a weight matrix at a time: the
sum over samples of (gradient by output) x (input); and Adam and the average.  The sums are always those of the two
halves of the batch, in groups of WIDEST_LANES samples, so the result is the same for any number of threads and
any width of register; with two threads each half stays in the cache of the one that made it.

The second part's sums run over samples, so what the first computes as [feature, lane] is stored for it as
[sample, feature]: the inputs in panels of LANES features, the gradients in panels of VECTOR.
"""

from typing import NamedTuple

import numpy as np
from numba import uint32

from numpy_diffusion.kernels._jit import jit, part_jit
from numpy_diffusion.kernels.adam import adam, adam_rule
from numpy_diffusion.kernels.loss import bound_term
from numpy_diffusion.kernels.mlp.forward import add_waves, draw_lanes, linear_layer, silu_layer
from numpy_diffusion.kernels.mlp.layout import BIAS, WEIGHT, J, K
from numpy_diffusion.kernels.mlp.workspace import Problem, Workspace
from numpy_diffusion.kernels.random import below, philox4x32
from numpy_diffusion.kernels.threads import address_on_threads, keep, kept, on_threads, one_at_a_time, share
from numpy_diffusion.kernels.vector.mlp import slope_tile
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR, WIDEST_LANES
from numpy_diffusion.kernels.vector.tile import tile, transpose


class Step(NamedTuple):
    """One step, as all threads are told of it."""

    problem: Problem
    work: Workspace
    residual: bool
    state: tuple[np.ndarray, ...]  # m, v and average, float32 [P] each
    batch: int
    number: int
    rate: float
    decay: float
    adam: tuple[float, ...]  # beta1, beta2, epsilon, weight decay
    key: tuple[int, ...]  # the two words of the seed, the stream that draws data and t, and that of the noise


@jit
def _activations(thread, threads, place):
    """One thread's blocks of samples; of two threads, each also its half's gradients: those are all its own."""
    step = kept(place)
    low, high = share(step.work.loss.shape[0], thread, threads)
    step.work.loss[low:high] = 0
    for block in range(low * WIDEST_LANES // LANES, high * WIDEST_LANES // LANES):
        _block(step.problem, step.work, step.residual, block, thread, step.batch, step.number, step.key)
    if threads <= 2:
        _gradients(thread, threads, place)


@jit
def _descent(thread, threads, place):
    """One thread's share of the parameters."""
    step = kept(place)
    beta1, beta2, epsilon, weight_decay = step.adam
    rule = adam_rule(step.number, step.rate, step.decay, beta1, beta2, epsilon, weight_decay)
    low, high = share(step.work.halves.shape[1], thread, threads)
    _descend(step.work, low, high, step.state, rule)


@jit
def _steps(activations, gradients, descent, start, rates, decays, losses):
    """The steps, each in two or three rounds on all threads; the first is `start`."""
    threads = start.work.x.shape[0]
    values = start.batch * start.problem.data.shape[1]
    for k in range(rates.shape[0]):
        place = keep(
            Step(
                start.problem,
                start.work,
                start.residual,
                start.state,
                start.batch,
                start.number + k,
                rates[k],
                decays[k],
                start.adam,
                start.key,
            )
        )
        on_threads(activations, threads, place)
        if threads > 2:
            on_threads(gradients, threads, place)
        losses[k] = _sum(start.work.loss) / np.float32(values)
        on_threads(descent, threads, place)


@part_jit
def _sum(values):
    """The sum in order."""
    total = np.float32(0)
    for value in values:
        total += value
    return total


@part_jit
def _block(problem, work, residual, block, worker, batch, step, key):
    """One block of samples up to the gradients by its activations, stored for the second part."""
    table, weights = problem.table, work.weights
    x, h, slopes, eps_hat, eps = (
        work.x[worker],
        work.h[worker],
        work.slopes[worker],
        work.eps_hat[worker],
        work.eps[worker],
    )
    t = work.t[block * LANES : (block + 1) * LANES]
    _draw(problem, work, block, batch, step, key, t, x, eps)

    for layer in range(h.shape[0]):
        matrix, before = table[layer], x if layer == 0 else h[layer - 1]
        silu_layer(
            matrix,
            weights,
            weights,
            matrix[BIAS],
            before,
            matrix[K],
            residual and layer > 0,
            h[layer],
            slopes[layer],
            True,
        )
        _to_samples(h[layer], LANES, work.inputs, work.inputs_at[layer + 1], block, work.t.shape[0])
    output = table[h.shape[0]]
    linear_layer(output, weights, h[h.shape[0] - 1], output[K], 0, eps_hat)

    group = block * LANES // WIDEST_LANES
    work.loss[group] = _loss(problem, block, batch, t, eps, eps_hat, work.sample_loss, work.loss[group])
    _backward(table, work, residual, block, worker)


@part_jit
def _draw(problem, work, block, batch, step, key, t, x, eps):
    """Data, t and noise of a block's samples; x_t and the embedding as the first layer's input, in both layouts."""
    k0, k1, batch_stream, noise_stream = key
    D, features = problem.data.shape[1], problem.table[0, K] - problem.embedding.shape[1]
    draw_lanes(block * LANES, step, noise_stream, k0, k1, D, eps)
    for i in range(LANES):
        n = block * LANES + i
        r0, r1, _, _ = philox4x32(uint32(0), uint32(n), uint32(step), uint32(batch_stream), k0, k1)
        row, t[i] = below(r0, problem.data.shape[0]), problem.steps[below(r1, problem.steps.shape[0])]
        for d in range(D):
            x[d, i] = problem.signal[t[i]] * problem.data[row, d] + problem.sigma[t[i]] * eps[d, i]
        for e in range(problem.embedding.shape[1]):
            x[features + e, i] = problem.embedding[t[i], e]
    add_waves(x, D, problem.octaves)
    _to_samples(x, LANES, work.inputs, work.inputs_at[0], block, work.t.shape[0])


@part_jit
def _loss(problem, block, batch, t, eps, outputs, sample_loss, total):
    """total + lambda(t) (eps - eps_hat)^2 of a block's samples, and `losses.variance_loss` where there is a head for
    it; the outputs become the gradient of the batch's mean by them."""
    D, features = problem.data.shape[1], problem.table[problem.table.shape[0] - 1, J]
    for i in range(LANES):
        inside = block * LANES + i < batch
        weight, own = problem.lambda_t[t[i]] if inside else np.float32(0), np.float32(0)
        for d in range(D):
            error = outputs[d, i] - eps[d, i]
            own += weight * error * error
            outputs[d, i] = np.float32(2) * weight * error / np.float32(batch * D)
            if features > D:
                term, slope = bound_term(problem.bound[t[i]], outputs[D + d, i], error)
                own += term if inside else np.float32(0)
                outputs[D + d, i] = slope / np.float32(batch * D) if inside else np.float32(0)
        sample_loss[block * LANES + i] = own / np.float32(D)
        total += own
    for f in range(features, outputs.shape[0]):
        for i in range(LANES):
            outputs[f, i] = 0
    return total


@part_jit
def _backward(table, work, residual, block, worker):
    """From the gradient by eps_hat down to that by the first layer's sums; each is stored for the second part."""
    dh, dg, below, samples = work.dh[worker], work.dg[worker, 0], work.dg[worker, 1], work.t.shape[0]
    _to_samples(work.eps_hat[worker], VECTOR, work.grads, work.grads_at[table.shape[0] - 1], block, samples)
    dy = work.eps_hat[worker]
    for layer in range(table.shape[0] - 1, 0, -1):
        matrix, add = table[layer], residual and layer < table.shape[0] - 1
        _silu_layer_backward(matrix, work.weights, dy, dh, work.slopes[worker, layer - 1], dg, add)
        _to_samples(dg, VECTOR, work.grads, work.grads_at[layer - 1], block, samples)
        dy, dg, below = dg, below, dg


@jit
def _silu_layer_backward(matrix, weights, dy, dh, slopes, dg, add):
    """dh = W^T dy (+ dh) and dg = dh * slopes: [J, LANES] to [K, LANES], filled up; see `slope_tile`."""
    for k in range(0, matrix[K], ROWS):
        a0, h0 = matrix[WEIGHT] + k, k * LANES
        slope_tile(weights, a0, matrix[K], 1, dy, 0, dh, h0, slopes, h0, dg, h0, matrix[J], add)


@jit
def _to_samples(h, panel, target, at, block, samples):
    """Store h [features, LANES] as [panel, sample, feature in the panel]."""
    for f in range(0, h.shape[0], VECTOR):
        for half in range(0, LANES, VECTOR):
            place = at + (f // panel * samples + block * LANES + half) * panel + f % panel
            transpose(h, f * LANES + half, LANES, target, place, panel)


@jit
def _gradients(thread, threads, place):
    """One thread's share of the gradients by the parameters; of two threads, each takes a half of the batch."""
    step = kept(place)
    count = step.work.rows.shape[0]
    low, high = share(2 * count, thread, threads)
    for number in range(low, high):
        _gradient(step.problem.table, step.work, number // count, number % count, thread)


@part_jit
def _gradient(table, work, half, number, worker):
    """The gradient by a few rows of a weight matrix and by their biases, from one half of the batch.

    The last tile of a row may reach past its end, into the next row's beginning: so the last comes first.
    """
    layer, row = work.rows[number]
    matrix, samples, gradient = table[layer], work.t.shape[0], work.gradient[worker]
    middle = work.loss.shape[0] // 2 * WIDEST_LANES
    low, depth = (middle, samples - middle) if half else (0, middle)
    at = work.grads_at[layer] + (row // VECTOR * samples + low) * VECTOR + row % VECTOR
    for k in range((matrix[K] - 1) // LANES * LANES, -1, -LANES):
        inputs = work.inputs_at[layer] + k * samples + low * LANES
        tile(work.grads, at, VECTOR, 1, work.inputs, inputs, LANES, gradient, k, matrix[K], depth)
    count = min(ROWS, matrix[J] - row)
    place = matrix[WEIGHT] + row * matrix[K]
    weights = work.halves[half, place : place + count * matrix[K]]
    for c in range(weights.shape[0]):
        weights[c] = gradient[c]
    _bias_sums(work.grads, at, depth, gradient)
    place = matrix[BIAS] + row
    biases = work.halves[half, place : place + count]
    for c in range(count):
        biases[c] = gradient[c]


@part_jit
def _bias_sums(grads, at, samples, sums):
    """sums[:ROWS] = sum over samples of one panel's rows, four samples at a time to fill whole registers."""
    partial = np.zeros(4 * VECTOR, np.float32)
    first = at % VECTOR
    panel = grads[at - first : at - first + samples * VECTOR]
    for n in range(0, panel.shape[0], 4 * VECTOR):
        for c in range(4 * VECTOR):
            partial[c] += panel[n + c]
    for r in range(ROWS):
        c = first + r
        sums[r] = (partial[c] + partial[VECTOR + c]) + (partial[2 * VECTOR + c] + partial[3 * VECTOR + c])


@part_jit
def _descend(work, low, high, state, rule):
    """Adam and the average on parameters low..high - 1, from the gradients of the batch's two halves."""
    first, second, weights = work.halves[0, low:high], work.halves[1, low:high], work.weights
    for c in range(first.shape[0]):
        first[c] += second[c]
    m, v, average = state
    adam(first, weights[low:high], m[low:high], v[low:high], average[low:high], rule)


def steps(problem, work, residual, state, batch, first, rates, decays, adam, key):
    """Take the training steps first, first + 1, ... in place, one for each of `rates`; their losses, float32.

    The weights are those of `work`; the other arguments are the fields of a `Step`.
    """
    losses = np.empty(len(rates), np.float32)
    key = tuple(np.uint32(word) for word in key)
    start = Step(problem, work, residual, state, batch, first, 0.0, 0.0, adam, key)
    addresses = (address_on_threads(kernel, start) for kernel in (_activations, _gradients, _descent))
    with one_at_a_time():
        _steps(*addresses, start, rates, decays, losses)
    return losses
