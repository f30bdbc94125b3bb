"""The prior's forward pass for a few samples at a time; see `places` for how they lie."""

from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels._jit import inline_jit, jit
from numpy_diffusion.kernels.layers import attention_blocks, conv, gelu, layer_norm, resample
from numpy_diffusion.kernels.layers.images import NO_IMAGE, copy_or_add
from numpy_diffusion.kernels.prior.places import EXTRA, WEIGHT, Block, End, Part, as_table, linear, norm, rows


class Shown(NamedTuple):
    """What the samples are: float32, and the mask bool."""

    x: np.ndarray  # [N, D]
    sinusoids: np.ndarray  # of the steps, [K, W]
    step: np.ndarray  # which of them each sample has, int64 [N]
    embedding: np.ndarray  # of the texts, [N, E]
    states: np.ndarray  # [N, L, D]
    mask: np.ndarray  # [N, L]


class Tokens(NamedTuple):
    """Which token is whose, of the samples that a worker has."""

    starts: np.ndarray  # int64 [TOGETHER + 1], where each sample's begin, and the end
    spots: np.ndarray  # int64, the position of each token


@jit
def through(worker, src, dst, weights, row, residual):
    """dst = the linear layer of src (+ residual)."""
    conv.forward(worker, as_table(src, dst, residual), 1, 2, weights, linear(row), 0, 3)


@jit
def take(network, places, worker, tokens, shown, first, count):
    """Samples first..first + count - 1 into the arena; which tokens they have."""
    arena, at = worker.arena, places.states
    for n in range(count):
        sample, start = first + n, tokens.starts[n]
        _copy(arena, places.noised + n * network.dim, shown.x[sample])
        _copy(arena, places.text + n * network.text, shown.embedding[sample])
        _copy(arena, places.sinusoid + n * network.width, shown.sinusoids[shown.step[sample]])
        for place in range(shown.mask.shape[1]):
            if shown.mask[sample, place]:
                _copy(arena, at, shown.states[sample, place])
                at += network.dim
                tokens.spots[start] = place
                start += 1
        for k in range(EXTRA):
            tokens.spots[start + k] = network.places + k
        tokens.starts[n + 1] = start + EXTRA


@inline_jit
def _copy(arena, at, values):
    for i in range(values.shape[0]):
        arena[at + i] = values[i]


@jit
def embed(network, places, worker, tokens, weights, count):
    """The tokens, each with its position, as what comes into the first block."""
    arena, W, ends, h = worker.arena, network.width, network.ends, places.block.h
    states = tokens.starts[count] - EXTRA * count
    through(worker, rows(places.states, states, network.dim), rows(places.of_states, states, W), weights,
            ends[End.STATES], NO_IMAGE)  # fmt: skip
    through(worker, rows(places.text, count, network.text), rows(places.of_text, count, W), weights,
            ends[End.TEXT], NO_IMAGE)  # fmt: skip
    through(worker, rows(places.noised, count, network.dim), rows(places.of_noised, count, W), weights,
            ends[End.NOISED], NO_IMAGE)  # fmt: skip
    step, active = rows(places.step, count, network.step), rows(places.active_step, count, network.step)
    through(worker, rows(places.sinusoid, count, W), step, weights, ends[End.STEP_1], NO_IMAGE)
    numbers = count * network.step
    resample.silu(arena, rows(places.step, 1, numbers), rows(places.active_step, 1, numbers))
    through(worker, active, rows(places.of_step, count, W), weights, ends[End.STEP_2], NO_IMAGE)
    at = places.of_states
    for n in range(count):
        end = tokens.starts[n + 1]
        for token in range(tokens.starts[n], end - EXTRA):
            copy_or_add(arena, at, h + token * W, W, False)
            at += W
        own = n * W
        copy_or_add(arena, places.of_text + own, h + (end - 4) * W, W, False)
        copy_or_add(arena, places.of_step + own, h + (end - 3) * W, W, False)
        copy_or_add(arena, places.of_noised + own, h + (end - 2) * W, W, False)
        _copy(arena, h + (end - 1) * W, weights[ends[End.ASKED, WEIGHT] : ends[End.ASKED, WEIGHT] + W])
    for token in range(tokens.starts[count]):
        place = ends[End.PLACES, WEIGHT] + tokens.spots[token] * W
        to, position = arena[h + token * W : h + (token + 1) * W], weights[place : place + W]
        for i in range(W):
            to[i] += position[i]


@inline_jit
def of_block(places, number):
    """The places of a block."""
    first, further = places.block, number * places.stride
    return Block(
        first.h + further,
        first.normed + further,
        first.q + further,
        first.k + further,
        first.v + further,
        first.o + further,
        first.between + further,
        first.normed3 + further,
        first.wide + further,
        first.active + further,
    )


@inline_jit
def sample_of(at, tokens, n, W):
    """One sample's tokens."""
    return rows(at + tokens.starts[n] * W, tokens.starts[n + 1] - tokens.starts[n], W)


@jit
def block(network, places, worker, tokens, weights, count, number):
    """One block, of all tokens; the last one of the last tokens alone, which see all others."""
    W, table, own = network.width, network.blocks[number], of_block(places, number)
    last, all_tokens = number == network.blocks.shape[0] - 1, tokens.starts[count]
    asking = count if last else all_tokens
    h, normed = rows(own.h, all_tokens, W), rows(own.normed, all_tokens, W)
    k, v = rows(own.k, all_tokens, W), rows(own.v, all_tokens, W)
    q, o, between = rows(own.q, asking, W), rows(own.o, asking, W), rows(own.between, asking, W)
    normed3, wide, active = (
        rows(own.normed3, asking, W),
        rows(own.wide, asking, 4 * W),
        rows(own.active, asking, 4 * W),
    )
    layer_norm.forward(worker, h, normed, weights, norm(table[Part.NORM1]))
    through(worker, normed, k, weights, table[Part.K], NO_IMAGE)
    through(worker, normed, v, weights, table[Part.V], NO_IMAGE)
    to = rows(places.last if last else own.h + places.stride, asking, W)
    if last:
        for n in range(count):
            token = (tokens.starts[n + 1] - 1) * W
            copy_or_add(worker.arena, own.normed + token, places.last_normed + n * W, W, False)
            copy_or_add(worker.arena, own.h + token, places.last_h + n * W, W, False)
        normed, h = rows(places.last_normed, count, W), rows(places.last_h, count, W)
    through(worker, normed, q, weights, table[Part.Q], NO_IMAGE)
    for n in range(count):
        keys, values = sample_of(own.k, tokens, n, W), sample_of(own.v, tokens, n, W)
        queries = rows(own.q + n * W, 1, W) if last else sample_of(own.q, tokens, n, W)
        found = rows(own.o + n * W, 1, W) if last else sample_of(own.o, tokens, n, W)
        attention_blocks.forward(worker, queries, keys, values, found, network.heads, not last)
    through(worker, o, between, weights, table[Part.OUT], h)
    layer_norm.forward(worker, between, normed3, weights, norm(table[Part.NORM3]))
    through(worker, normed3, wide, weights, table[Part.WIDEN], NO_IMAGE)
    gelu.forward(worker, wide, active)
    through(worker, active, to, weights, table[Part.NARROW], between)


@jit
def predict(network, places, worker, tokens, weights, shown, first, count):
    """z_0 of samples first..first + count - 1, at places.out."""
    take(network, places, worker, tokens, shown, first, count)
    embed(network, places, worker, tokens, weights, count)
    for number in range(network.blocks.shape[0]):
        block(network, places, worker, tokens, weights, count, number)
    last, normed = rows(places.last, count, network.width), rows(places.last_out, count, network.width)
    layer_norm.forward(worker, last, normed, weights, norm(network.ends[End.LAST]))
    through(worker, normed, rows(places.out, count, network.dim), weights, network.ends[End.OUT], NO_IMAGE)
