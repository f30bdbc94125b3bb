"""The counter-based generator, as NumPy definitions: Philox4x32-10, uniforms, integers and normals.

Every random number of the project is a pure function of (seed, stream, sample, step, element): nothing is
drawn "next".  So the result is the same for any number of threads and any split of a batch, and any single
number can be drawn again.  `kernels/random.py` holds the compiled twins, equal to the bit in their integers.

Philox: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

# One stream a purpose: equal (seed, sample, step) in two streams share nothing.
STREAM_JUMP: Final = 1  # eps of x_t given x_0
STREAM_CHAIN: Final = 2  # z of one forward step, x_t given x_{t-1}
STREAM_START: Final = 3  # x_T of the reverse chain
STREAM_REVERSE: Final = 4  # z of one reverse step
STREAM_BATCH: Final = 5  # which data and which t a training step draws
STREAM_TRAIN: Final = 6  # eps of a training step
STREAM_WEIGHTS: Final = 7  # initial weights
STREAM_DATA: Final = 8  # data sets
STREAM_BOUND: Final = 9  # eps of x_t given x_0 in the bound
STREAM_BOUND_CHAIN: Final = 10  # z of one forward step in the bound's article form
STREAM_TRAJECTORY: Final = 11  # z of one forward step in an importance-weighted estimate
STREAM_HUTCHINSON: Final = 12  # the probes of a trace
STREAM_DROPOUT: Final = 13  # which values dropout keeps
STREAM_FLIP: Final = 14  # which images a training step mirrors
STREAM_LABEL_DROPOUT: Final = 15  # which labels a training step leaves out
STREAM_INPAINT: Final = 16  # noise of what is known, and of the jumps back
STREAM_INTERPOLATE: Final = 17  # eps of x_t on the way from one sample to another
STREAM_SCENES: Final = 18  # what is on a drawn scene, and where
STREAM_CAPTIONS: Final = 20  # what is on a captioned scene, where, and in which words
STREAM_LATENT: Final = 21  # which latent of an image's posterior is meant
STREAM_TEXT_WEIGHTS: Final = 22  # initial weights of a text encoder
STREAM_PROJECTION_WEIGHTS: Final = 23  # initial weights of the projection before a decoder
STREAM_CROP: Final = 24  # which part of an image a training step shows
STREAM_BLUR: Final = 25  # how much a training step blurs the image to go by
STREAM_STAGE: Final = 26  # the seed of each of several chains, one behind the other

WORD_RANGE: Final = 2**32  # values of a word of the counter: so many samples have numbers, and so many steps of each
NUMBER_SHIFT: Final = 16  # bits of a stream's word below the number of the dropout that draws from it

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def philox4x32(
    counter: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike], key: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Four random words for each counter: Philox4x32-10.

    Parameters
    ----------
    counter : four arrays of 32-bit words that broadcast together
    key : two 32-bit words

    Returns
    -------
    four uint32 arrays of the broadcast shape

    Examples
    --------
    >>> [hex(int(word)) for word in philox4x32((0, 0, 0, 0), (0, 0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = np.broadcast_arrays(*(np.asarray(word, dtype=np.uint64) for word in counter))
    k0, k1 = np.uint64(key[0]), np.uint64(key[1])
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c0
        p1 = np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> _SHIFT) ^ c1 ^ k0, p1 & _MASK, (p0 >> _SHIFT) ^ c3 ^ k1, p0 & _MASK
        k0 = np.uint64((int(k0) + 0x9E3779B9) & 0xFFFFFFFF)
        k1 = np.uint64((int(k1) + 0xBB67AE85) & 0xFFFFFFFF)
    return c0.astype(np.uint32), c1.astype(np.uint32), c2.astype(np.uint32), c3.astype(np.uint32)


def split_seed(seed: int) -> tuple[int, int]:
    """A seed of 64 bits as the two words of a Philox key."""
    return seed & 0xFFFFFFFF, seed >> 32


def words(seed: int, stream: int, sample: ArrayLike, step: ArrayLike, n: int) -> np.ndarray:
    """`n` random 32-bit words for each sample: uint32 [N, n].

    Word k * Q + j, with Q = ceil(n / 4), is word k of the counter (j, sample, step, stream): the four words
    of one counter lie Q apart, so that a kernel writes four runs of memory and not one with gaps.
    """
    quads = -(-n // 4)
    sample = np.atleast_1d(np.asarray(sample))[:, None]
    step = np.broadcast_to(np.asarray(step), sample.shape[:1])[:, None]
    block = np.arange(quads)[None, :]
    return np.concatenate(philox4x32((block, sample, step, stream), split_seed(seed)), axis=1)[:, :n]


def seed_of(seed: int, stream: int, number: int) -> int:
    """A seed of its own, of 64 bits, for what has this number.

    Examples
    --------
    >>> len({seed_of(0, STREAM_STAGE, number) for number in range(100)})
    100
    """
    low, high = words(seed, stream, number, 0, 2)[0].tolist()
    return int(low | high << 32)


def integers(seed: int, stream: int, sample: ArrayLike, step: ArrayLike, high: ArrayLike) -> np.ndarray:
    """Integers in 0..high - 1, one for each sample and each entry of `high` [K]: int64 [N, K].

    The upper half of word * high (Lemire 2019): no division, and a bias below high / 2**32.
    """
    high = np.asarray(high, dtype=np.uint64)
    drawn = words(seed, stream, sample, step, len(high)).astype(np.uint64)
    return ((drawn * high) >> _SHIFT).astype(np.int64)


def uniform(seed: int, stream: int, sample: ArrayLike, step: ArrayLike, n: int) -> np.ndarray:
    """Uniform numbers in [0, 1) with 24 random bits: float32 [N, n]."""
    return (words(seed, stream, sample, step, n) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def normal(seed: int, stream: int, sample: ArrayLike, step: ArrayLike, n: int) -> np.ndarray:
    """Standard normal numbers by Box and Muller (1958): float32 [N, n].

    Parameters
    ----------
    seed : int of 64 bits
    stream : one of the STREAM constants
    sample : int or int array [N], the samples' own numbers
    step : int or int array [N]
    n : how many numbers a sample

    Returns
    -------
    float32 [N, n]: computed in float64 and rounded once; at most sqrt(48 ln 2) = 5.77 in size

    Examples
    --------
    >>> z = normal(seed=0, stream=STREAM_JUMP, sample=[0, 1, 2], step=7, n=2)
    >>> bool((z[1] == normal(seed=0, stream=STREAM_JUMP, sample=1, step=7, n=2)[0]).all())
    True
    """
    quads = -(-n // 4)
    r = words(seed, stream, sample, step, 4 * quads) >> np.uint32(8)
    r0, r1, r2, r3 = np.split(r.astype(np.float64), 4, axis=1)
    pairs = [_box_muller(r0, r1), _box_muller(r2, r3)]
    return np.concatenate([z for pair in pairs for z in pair], axis=1)[:, :n].astype(np.float32)


def _box_muller(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two normals from two integers of 24 bits; a + 1 keeps the logarithm finite."""
    radius = np.sqrt(-2.0 * np.log((a + 1.0) * 2.0**-24))
    angle = 2.0 * np.pi * b * 2.0**-24
    return radius * np.sin(angle), radius * np.cos(angle)
