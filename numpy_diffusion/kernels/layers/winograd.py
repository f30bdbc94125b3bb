"""A convolution of 3 x 3 with 16 products where the definition has 36: F(2 x 2, 3 x 3) of Lavin and Gray 2016, eq. 8.

A square of 2 x 2 output pixels sees a patch of 4 x 4 input pixels.  With the matrices A, B, G below,

    U = G w G^T [4, 4],    V = B^T x B [4, 4],    M = sum over input channels of U V,    y = A^T M A [2, 2],

so for each of the 16 places of a patch there is a matrix product, [squares, C] x [C, J], which the tile does.  The
maps are linear, and the way back is each of them transposed:

    dM = A dy A^T,    dU = sum over squares of V dM,    dw += G^T dU G.

Forward, ROWS squares at a time go all the way, so that their V and M stay in the first cache; U is made
once for all samples.  Backward, the sums run over squares, and as many go together as the second cache holds.
"""

from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import inline_jit, jit
from numpy_diffusion.kernels.layers.images import AT, CHANNELS, HEIGHT, WIDTH, pitch, pixel, share
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR
from numpy_diffusion.kernels.vector.sandwich import make_sandwich
from numpy_diffusion.kernels.vector.tile import expect, expect_read, runs_tile, tile

A = ((1, 0), (1, 1), (1, -1), (0, -1))
B = ((1, 0, 0, 0), (0, 1, -1, 1), (-1, 1, 1, 0), (0, 0, 0, -1))
G = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
PATCH, TAPS = 16, 9  # places of a patch, and of a window
CENTRE = 5  # the place, (1, 1), that goes into all four outputs with a factor of 1
SQUARES = 128  # at a time in the gradient, at most
BUDGET = 8192  # squares at a time, times input channels, at most
PAD = 16  # numbers between the places, lest they all fall on the same lines of the first cache


def _transposed(matrix):
    return tuple(zip(*matrix, strict=True))


to_patch = make_sandwich(VECTOR, _transposed(B))
to_weights = make_sandwich(VECTOR, G)
to_output, add_output = (make_sandwich(VECTOR, _transposed(A), add) for add in (False, True))
from_output = make_sandwich(VECTOR, A)
add_weights = make_sandwich(VECTOR, _transposed(G), add=True)


def suits(C, J):
    """Whether these numbers of channels, in and out, fill registers."""
    return C % VECTOR == 0 and J % LANES == 0


def room(C):
    """Numbers of scratch that a convolution or its gradient needs."""
    return LANES + PATCH * (2 * PAD + _block(C) * (C + LANES) + C * LANES)


@register_jitable
def _block(C):
    """Squares at a time in the gradient; no fewer than forward."""
    return max(ROWS, min(SQUARES, BUDGET // C))


@inline_jit
def _corner(image, square, row):
    """Where the square's pixel in this row, 0 or 1, starts: squares are counted along the rows."""
    across = image[WIDTH] // 2
    return pixel(image, 2 * (square // across) + row, 2 * (square % across))


@jit
def transform(weights, w0, u0, C, J, part, parts):
    """weights[u0...] = U of weights[w0...], [panel, place, input channel, lane]; this part's share."""
    size = C * LANES
    for panel in range(J // LANES):
        low, high = share(size // VECTOR, part, parts)
        for i in range(low * VECTOR, high * VECTOR, VECTOR):
            a0, c0 = w0 + panel * TAPS * size + i, u0 + panel * PATCH * size + i
            to_weights(weights, a0, 3 * size, size, weights, 0, weights, c0, 4 * size, size)


@jit
def forward(arena, src, dst, weights, u0, shift, start, residual, scratch, at, low, high):
    """dst = conv(src) + scratch[start...] (+ arena[residual...], laid out like dst), rows low..high - 1 of squares.

    weights[u0...]: U, as `transform` makes it;  scratch[at...]: room;  residual < 0: none
    """
    C, J, across, row = src[CHANNELS], dst[CHANNELS], dst[WIDTH] // 2, pitch(dst)
    apart_v, apart_m = ROWS * C + PAD, ROWS * LANES + PAD
    zeros, v0 = at, at + LANES
    m0 = v0 + PATCH * apart_v
    scratch[zeros : zeros + LANES] = 0
    expect_read(weights, u0, LANES * C)
    for first in range(low * across, high * across, ROWS):
        squares = min(ROWS, high * across - first)
        for i in range(squares):
            for k in range(2):
                expect(arena, _corner(dst, first + i, k), 2 * J)
        _patches(arena, src, shift, first, squares, scratch, v0, apart_v)
        for j in range(0, J, LANES):
            for p in range(PATCH):
                s = start + j if p == CENTRE else zeros
                if first == low * across:
                    expect_read(weights, u0 + (j * PATCH + (p + 1) * LANES) * C, LANES * C)
                runs_tile(scratch, v0 + p * apart_v, 0, 1, C, weights, u0 + (j * PATCH + p * LANES) * C, 0, LANES,
                          scratch, s, 0, scratch, m0 + p * apart_m, LANES, 1, C)  # fmt: skip
            for i in range(squares):
                corner = _corner(dst, first + i, 0) + j
                for lane in range(0, LANES, VECTOR):
                    a0, c0 = m0 + i * LANES + lane, corner + lane
                    if residual < 0:
                        to_output(scratch, a0, 4 * apart_m, apart_m, arena, 0, arena, c0, row, J)
                    else:
                        s0 = residual + c0 - dst[AT]
                        add_output(scratch, a0, 4 * apart_m, apart_m, arena, s0, arena, c0, row, J)


@jit
def _patches(arena, src, shift, first, squares, scratch, v0, apart):
    """V of some squares, [place, square, channel], the places so far apart."""
    C, row, across = src[CHANNELS], pitch(src), src[WIDTH] // 2
    for i in range(squares):
        y, x = (first + i) // across, (first + i) % across
        a0 = src[AT] + shift * (row + C) + 2 * (y * row + x * C)
        for c in range(0, C, VECTOR):
            to_patch(arena, a0 + c, row, C, arena, 0, scratch, v0 + i * C + c, 4 * apart, apart)


@jit
def backward(arena, src, dy, weights, w0, shift, scratch):
    """Add the gradient by the weights to theirs."""
    C, J, row = src[CHANNELS], dy[CHANNELS], pitch(dy)
    n, size = _block(C), C * LANES
    apart_v, apart_m = n * C + PAD, n * LANES + PAD
    m0 = PATCH * apart_v
    u0, end = m0 + PATCH * apart_m, dy[HEIGHT] // 2 * (dy[WIDTH] // 2)
    for first in range(0, end, n):
        squares = min(n, end - first)
        _patches(arena, src, shift, first, squares, scratch, 0, apart_v)
        for j in range(0, J, LANES):
            for i in range(squares):
                corner = _corner(dy, first + i, 0) + j
                for lane in range(0, LANES, VECTOR):
                    a0, c0 = corner + lane, m0 + i * LANES + lane
                    from_output(arena, a0, row, J, arena, 0, scratch, c0, 4 * apart_m, apart_m)
            for p in range(PATCH):
                for c in range(0, C, ROWS):
                    tile(scratch, p * apart_v + c, C, 1, scratch, m0 + p * apart_m, LANES,
                         scratch, u0 + p * size + c * LANES, LANES, squares)  # fmt: skip
            for i in range(0, size, VECTOR):
                c0 = w0 + j * TAPS * C + i
                add_weights(scratch, u0 + i, 4 * size, size, weights, c0, weights, c0, 3 * size, size)
