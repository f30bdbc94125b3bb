"""Parameters packed for the kernels and unpacked again: see `calls.Packing` for where each of them lies.

A matrix of weights [J, C, taps] goes in blocks of LANES outputs and BLOCK inputs: what a block reads and writes stays
in the first cache, and each thread has its share of the blocks.  The flat parameters may be float16, as bits.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from numpy_diffusion.kernels._jit import inline_jit, jit
from numpy_diffusion.kernels.layers import winograd
from numpy_diffusion.kernels.threads import kept, run, share
from numpy_diffusion.kernels.unet.calls import Form
from numpy_diffusion.kernels.vector.registers import LANES

BLOCK = 16  # inputs
PLAIN, TURNED = int(Form.PLAIN), int(Form.TURNED)


@intrinsic
def _number(_, values, i):
    """values[i] as float32, of float32, or of float16 in an array of its bits."""

    def code(context, builder, signature, arguments):
        kind = signature.args[0]
        array = context.make_array(kind)(context, builder, arguments[0])
        found = builder.load(cgutils.gep(builder, array.data, arguments[1]))
        if kind.dtype == types.float32:
            return found
        return builder.fpext(builder.bitcast(found, ir.HalfType()), ir.FloatType())

    return types.float32(values, types.int64), code


if config.DISABLE_JIT:

    def _number(values, i):
        return np.float32(values[i] if values.dtype == np.float32 else values[i : i + 1].view(np.float16)[0])


class Parts(NamedTuple):
    """What is packed or unpacked: the flat numbers, the packed ones, and the PARTs of both."""

    flat: np.ndarray
    packed: np.ndarray
    parts: np.ndarray


class Block(NamedTuple):
    """Some inputs of a panel of a matrix, by strides: element (lane, c, tap) lies at flat[source + lane * outputs +
    c * inputs + tap * taps] and at packed[at + (tap * C + c) * LANES + lane]."""

    source: int
    at: int
    outputs: int
    inputs: int
    taps: int
    lanes: int  # that there are
    count: int  # inputs of the block


@inline_jit
def _matrix(part):
    """Outputs, inputs and window of the convolution that the panels are of."""
    if part["form"] == TURNED:
        return part["inputs"], part["outputs"], part["taps"]
    return part["outputs"], part["inputs"], part["taps"]


@inline_jit
def _block(part, number):
    """The block of this number."""
    J, C, taps = _matrix(part)
    blocks = (C + BLOCK - 1) // BLOCK
    panel, first = number // blocks, number % blocks * BLOCK
    lanes, count = min(LANES, J - panel * LANES), min(BLOCK, C - first)
    at = part["at"] + (panel * taps * C + first) * LANES
    if part["form"] == TURNED:  # the window's last pixel comes first
        source = part["source"] + (first * J + panel * LANES) * taps + taps - 1
        return Block(source, at, taps, J * taps, -1, lanes, count)
    return Block(part["source"] + (panel * LANES * C + first) * taps, at, C * taps, taps, 1, lanes, count)


@jit
def _pack(thread, threads, place):
    flat, packed, parts = kept(place)
    for k in range(parts.shape[0]):
        part = parts[k]
        if part["form"] == PLAIN:
            low, high = share(part["outputs"], thread, threads)
            for i in range(low, high):
                packed[part["at"] + i] = _number(flat, part["source"] + i)
        else:
            J, C, taps = _matrix(part)
            low, high = share((J + LANES - 1) // LANES * ((C + BLOCK - 1) // BLOCK), thread, threads)
            for number in range(low, high):
                _pack_block(flat, packed, _block(part, number), C, taps)


@jit
def _pack_block(flat, packed, block, C, taps):
    for lane in range(LANES):
        for c in range(block.count):
            for tap in range(taps):
                at = block.at + (tap * C + c) * LANES + lane
                if lane < block.lanes:
                    source = block.source + lane * block.outputs + c * block.inputs + tap * block.taps
                    packed[at] = _number(flat, source)
                else:
                    packed[at] = 0


@jit
def _unpack(thread, threads, place):
    flat, packed, parts = kept(place)
    for k in range(parts.shape[0]):
        part = parts[k]
        if part["form"] == PLAIN:
            low, high = share(part["outputs"], thread, threads)
            for i in range(low, high):
                flat[part["source"] + i] = packed[part["at"] + i]
        else:
            J, C, taps = _matrix(part)
            low, high = share((J + LANES - 1) // LANES * ((C + BLOCK - 1) // BLOCK), thread, threads)
            for number in range(low, high):
                _unpack_block(flat, packed, _block(part, number), C, taps)


@jit
def _unpack_block(flat, packed, block, C, taps):
    for lane in range(block.lanes):
        for c in range(block.count):
            for tap in range(taps):
                source = block.source + lane * block.outputs + c * block.inputs + tap * block.taps
                flat[source] = packed[block.at + (tap * C + c) * LANES + lane]


class Transform(NamedTuple):
    """U of the weights, see `winograd.transform`; squares: a `Packing`'s."""

    weights: np.ndarray
    squares: np.ndarray


@jit
def _transform(thread, threads, place):
    weights, squares = kept(place)
    for row in range(squares.shape[0]):
        w0, u0, C, J = squares[row]
        winograd.transform(weights, w0, u0, C, J, thread, threads)


def pack(parameters, packing, target):
    """Write the flat parameters to target [packing.size], with U of the convolutions that go by squares.

    parameters : float32, or float16, which becomes float32
    """
    bits = parameters.view(np.uint16) if parameters.dtype == np.float16 else parameters
    run(_pack, Parts(bits, target, packing.parts))
    transform(packing, target)


def transform(packing, target):
    """Write U of the convolutions that go by squares, behind their weights in target."""
    if len(packing.squares):
        run(_transform, Transform(target, packing.squares))


def unpack(packed, packing, target):
    """Write the packed numbers to target [P] in the order of the flat parameters."""
    run(_unpack, Parts(target, packed, packing.parts))
