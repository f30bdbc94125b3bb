"""Parameters packed for the kernels and unpacked again: see `calls.Packing` for where each of them lies."""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.threads import kept, run, share
from numpy_diffusion.kernels.vector.registers import LANES, VECTOR
from numpy_diffusion.kernels.vector.tile import move, transpose


@intrinsic
def _half(_, bits, i):
    """bits[i], of float16, as float32."""

    def code(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        found = builder.load(cgutils.gep(builder, array.data, arguments[1]))
        return builder.fpext(builder.bitcast(found, ir.HalfType()), ir.FloatType())

    return types.float32(bits, types.int64), code


if config.DISABLE_JIT:  # stepping through kernels with a debugger

    def _half(bits, i):
        return np.float32(bits[i : i + 1].view(np.float16)[0])


class Pieces(NamedTuple):
    """Parameters and where they go, or come from."""

    flat: np.ndarray
    pieces: np.ndarray
    turned: int
    packed: np.ndarray


@jit
def panels_of(piece, turned):
    """How many panels a piece has, and how many numbers each of them."""
    outputs, inputs = (piece["inputs"], piece["outputs"]) if turned else (piece["outputs"], piece["inputs"])
    return round_up(outputs, LANES) // LANES, piece["taps"] * inputs * LANES


@jit
def pack_panel(flat, piece, turned, panel, packed, at):
    """packed[at...] = a panel of a convolution's weights, `conv.panels` or, where `turned`, `conv.turned`."""
    if turned:
        _pack_turned(flat, piece, panel * LANES, packed, at)
    else:
        C, taps, first = piece["inputs"], piece["taps"], panel * LANES
        _pack_straight(flat, piece["flat"] + first * C * taps, piece["outputs"] - first, C, taps, packed, at)


@jit
def _pack_straight(flat, start, rows, C, taps, packed, at):
    """Output channels, LANES or the `rows` that there are: each is a row of flat weights [C * taps], the first at
    `start`, and becomes a lane."""
    length, block = C * taps, np.empty(VECTOR * VECTOR, np.float32)
    for lane in range(0, LANES, VECTOR):
        whole = length // VECTOR * VECTOR if lane + VECTOR <= rows else 0
        for q in range(0, whole, VECTOR):
            transpose(flat, start + lane * length + q, length, block, 0, VECTOR)
            for i in range(VECTOR):
                c, tap = (q + i) // taps, (q + i) % taps
                move(block, i * VECTOR, packed, at + (tap * C + c) * LANES + lane, VECTOR, False)
        for q in range(whole, length):
            to = at + (q % taps * C + q // taps) * LANES + lane
            for i in range(VECTOR):
                there = lane + i < rows
                packed[to + i] = flat[start + (lane + i) * length + q] if there else np.float32(0)


@jit
def _pack_turned(flat, piece, first, packed, at):
    """Input channels from `first` on: each is a run of taps, for each output channel, and becomes a lane."""
    J, C, taps = piece["outputs"], piece["inputs"], piece["taps"]
    block = np.empty(VECTOR * VECTOR, np.float32)
    for j in range(J):
        for lane in range(0, LANES, VECTOR):
            start, to = piece["flat"] + (j * C + first + lane) * taps, at + j * LANES + lane
            apart, inside = J * LANES, start + VECTOR * taps + VECTOR <= flat.shape[0]
            if inside and taps <= VECTOR and first + lane + VECTOR <= C:
                transpose(flat, start, taps, block, 0, VECTOR)
                for tap in range(taps):
                    move(block, tap * VECTOR, packed, to + (taps - 1 - tap) * apart, VECTOR, False)
            else:
                for tap in range(taps):
                    for i in range(VECTOR):
                        value = flat[start + i * taps + tap] if first + lane + i < C else np.float32(0)
                        packed[to + (taps - 1 - tap) * apart + i] = value


@jit
def unpack_panel(packed, at, piece, panel, flat):
    """Write a panel to where its numbers are in the flat parameters."""
    J, C, taps, first = piece["outputs"], piece["inputs"], piece["taps"], panel * LANES
    length, block = C * taps, np.empty(VECTOR * VECTOR, np.float32)
    start = piece["flat"] + first * length
    for lane in range(0, min(LANES, J - first), VECTOR):
        whole = length // VECTOR * VECTOR if first + lane + VECTOR <= J else 0
        for q in range(0, whole, VECTOR):
            for i in range(VECTOR):
                c, tap = (q + i) // taps, (q + i) % taps
                move(packed, at + (tap * C + c) * LANES + lane, block, i * VECTOR, VECTOR, False)
            transpose(block, 0, VECTOR, flat, start + lane * length + q, length)
        for q in range(whole, length):
            a = at + (q % taps * C + q // taps) * LANES + lane
            for i in range(min(VECTOR, J - first - lane)):
                flat[start + (lane + i) * length + q] = packed[a + i]


@jit
def _pack(thread, threads, place):
    """One thread's share of each piece."""
    flat, pieces, turned, packed = kept(place)
    for k in range(pieces.shape[0]):
        piece = pieces[k]
        if piece["taps"] == 0:
            low, high = share(piece["outputs"], thread, threads)
            for i in range(low, high):
                packed[piece["at"] + i] = flat[piece["flat"] + i]
        else:
            panels, size = panels_of(piece, turned)
            low, high = share(panels, thread, threads)
            for panel in range(low, high):
                pack_panel(flat, piece, turned, panel, packed, piece["at"] + panel * size)


@jit
def _pack_halves(thread, threads, place):
    """The same of float16, each panel's numbers widened just before; not turned, as that is for training."""
    bits, pieces, _, packed = kept(place)
    for k in range(pieces.shape[0]):
        piece = pieces[k]
        C, taps = piece["inputs"], piece["taps"]
        if taps == 0:
            low, high = share(piece["outputs"], thread, threads)
            _widen(bits, piece["flat"] + low, packed, piece["at"] + low, high - low)
        else:
            panels, size = panels_of(piece, 0)
            low, high = share(panels, thread, threads)
            own = np.empty(size, np.float32)
            for panel in range(low, high):
                rows = piece["outputs"] - panel * LANES
                _widen(bits, piece["flat"] + panel * size, own, 0, min(LANES, rows) * C * taps)
                _pack_straight(own, 0, rows, C, taps, packed, piece["at"] + panel * size)


@jit
def _widen(bits, start, target, at, count):
    for i in range(count):
        target[at + i] = _half(bits, start + i)


@jit
def _unpack(thread, threads, place):
    """One thread's share of each piece."""
    flat, pieces, _, packed = kept(place)
    for k in range(pieces.shape[0]):
        piece = pieces[k]
        if piece["taps"] == 0:
            low, high = share(piece["outputs"], thread, threads)
            for i in range(low, high):
                flat[piece["flat"] + i] = packed[piece["at"] + i]
        else:
            panels, size = panels_of(piece, 0)
            low, high = share(panels, thread, threads)
            for panel in range(low, high):
                unpack_panel(packed, piece["at"] + panel * size, piece, panel, flat)


def pack(parameters, packing, target):
    """Write the flat parameters to target [packing.size].

    parameters : float32, or float16, which becomes float32, of the packing `Layout.weights`
    """
    if parameters.dtype == np.float16:
        run(_pack_halves, Pieces(parameters.view(np.uint16), packing.pieces, 0, target))
    else:
        run(_pack, Pieces(parameters, packing.pieces, int(packing.turned), target))


def unpack(packed, packing, target):
    """Write the packed numbers to target [P] in the order of the flat parameters; of the packing `Layout.weights`."""
    run(_unpack, Pieces(target, packing.pieces, 0, packed))
