"""Colour pictures of attributes, at any resolution: a thing of some colour and size at some place on a ground.

Each thing is a fine table of how far it covers its square, and with how much ink, of which the sums from the top left
corner on are kept (Crow 1984).  What lies in a pixel is a difference of four of these sums, so a pixel is the exact
mean over its area: the picture at 32 x 32 is the one at 64 x 64, averaged by two and two.
"""

from __future__ import annotations

import functools
from typing import Final, NamedTuple, assert_never

import numpy as np

from numpy_diffusion import noise
from numpy_diffusion.data import drawings
from numpy_diffusion.data.attributes import THINGS, Attributes, Thing

TABLE: Final = 256  # entries a side of a thing's table
BLOCK_PIXELS: Final = 2**16  # scenes at a time have about so many, so that the arrays in work stay in a core's cache

# Half the side of a thing's square, where half the picture's side is 1: small, big; and how far it varies, both ways.
SIDES: Final = np.array([0.38, 0.60])
SIDE_VARIES: Final = 0.02
REACH: Final = 0.95  # how far a thing at the edge reaches, before it is moved
MOVED: Final = 0.05  # at most, in x and in y: so no thing leaves the picture
PLACES_X: Final = np.array([-1.0, 1.0, 0.0, 0.0, 0.0])  # left, right, top, bottom, middle
PLACES_Y: Final = np.array([0.0, 0.0, 1.0, -1.0, 0.0])

# Red, green and blue of the seven colours, and lightness of the three grounds; 0 is black, 1 is white.
PAINT: Final = np.array(
    [
        [0.90, 0.08, 0.08],  # red
        [1.00, 0.50, 0.00],  # orange
        [1.00, 0.92, 0.10],  # yellow
        [0.10, 0.68, 0.18],  # green
        [0.12, 0.32, 1.00],  # blue
        [0.58, 0.14, 0.82],  # purple
        [1.00, 0.55, 0.78],  # pink
    ]
)
GROUND: Final = np.array([0.05, 0.50, 0.95])
PAINT_VARIES, GROUND_VARIES = 0.05, 0.05
DARKENED: Final = 0.30  # of the paint's light, where a drawing is black
FLAT: Final = 0.2  # the ink of what is no drawing


class Pose(NamedTuple):
    """Where the things are and how light: float64 [N] each."""

    side: np.ndarray  # half the side of the thing's square
    x: np.ndarray  # the centre; the picture runs from -1 to 1, y up
    y: np.ndarray
    paint: np.ndarray  # by which the colour is multiplied
    ground: np.ndarray  # lightness


def poses(attributes: Attributes, samples: np.ndarray, seed: int) -> Pose:
    """How the scenes with these numbers show their attributes."""
    u = 2.0 * noise.uniform(seed, noise.STREAM_CAPTIONS, samples, 1, 5).T.astype(np.float64) - 1.0
    side = SIDES[attributes.size] + SIDE_VARIES * u[0]
    return Pose(
        side=side,
        x=PLACES_X[attributes.place] * (REACH - side) + MOVED * u[1],
        y=PLACES_Y[attributes.place] * (REACH - side) + MOVED * u[2],
        paint=1.0 - PAINT_VARIES * (1.0 + u[3]),
        ground=GROUND[attributes.ground] + GROUND_VARIES * u[4],
    )


def render(attributes: Attributes, pose: Pose, size: int) -> np.ndarray:
    """The pictures, `size` pixels a side: float32 [N, 3, size, size] in [-1, 1]."""
    n = len(attributes.thing)
    x0 = np.empty((n, 3, size, size), np.float32)
    block = max(BLOCK_PIXELS // size**2, 1)
    for start in range(0, n, block):
        rows = slice(start, start + block)
        part = Pose(*(values[rows] for values in pose))
        cover, ink = _shares(attributes.thing[rows], part, size)
        light = 2.0 * PAINT[attributes.colour[rows]] * part.paint[:, None]  # [B, 3]; x0 is twice, less 1
        ground = 2.0 * part.ground
        for channel in range(3):
            paint = light[:, channel, None, None]
            shaded = (paint - ground[:, None, None]) * cover - DARKENED * paint * ink
            x0[rows, channel] = shaded + (ground - 1.0)[:, None, None]
    return x0


def _shares(thing: np.ndarray, pose: Pose, size: int) -> tuple[np.ndarray, np.ndarray]:
    """How far each pixel is covered by the thing, and by its ink: float64 [B, size, size] each."""
    edge = np.arange(size + 1) * (2.0 / size) - 1.0  # of the pixels, from left to right and from top to bottom
    scale = TABLE / (2.0 * pose.side)
    column = _in_table((edge - pose.x[:, None]) * scale[:, None])
    row = _in_table((edge + pose.y[:, None]) * scale[:, None])
    top, left = (np.minimum(place.astype(np.int64), TABLE - 1) for place in (row, column))
    down, right = (row - top)[:, :, None], (column - left)[:, None, :]
    first = ((thing[:, None] * (TABLE + 1) + top) * (TABLE + 1))[:, :, None] + left[:, None, :]
    area = (2.0 / size * scale)[:, None, None] ** 2  # of a pixel, in entries of the table
    cover, ink = (_in_pixels(_between(sums, first, down, right)) / area for sums in _tables())
    return cover, ink


def _in_table(place: np.ndarray) -> np.ndarray:
    """Places from the middle of a thing as places in its table."""
    return np.clip(place + TABLE / 2, 0.0, TABLE)


def _between(sums: np.ndarray, first: np.ndarray, down: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The sums up to places between the entries, which are linear in both directions inside an entry's square."""
    upper, lower = sums.take(first), sums.take(first + (TABLE + 1))
    upper += right * (sums.take(first + 1) - upper)
    lower += right * (sums.take(first + (TABLE + 2)) - lower)
    return upper + down * (lower - upper)


def _in_pixels(sums: np.ndarray) -> np.ndarray:
    """What lies in each pixel, of the sums [B, size + 1, size + 1] up to its corners."""
    rows = sums[:, 1:] - sums[:, :-1]
    return rows[:, :, 1:] - rows[:, :, :-1]


@functools.cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """The sums of cover and of ink, from the top left corner on: float64 [things, TABLE + 1, TABLE + 1] each."""
    cover, ink = np.zeros((2, len(THINGS), TABLE + 1, TABLE + 1))
    for k, thing in enumerate(THINGS):
        cover[k, 1:, 1:], ink[k, 1:, 1:] = (np.cumsum(np.cumsum(each, 0), 1) for each in _thing(thing))
    return cover, ink


def _thing(thing: Thing) -> tuple[np.ndarray, np.ndarray]:
    """How far a thing covers the entries of its square, and with how much ink."""
    match thing:
        case "spiral":
            return _drawing(drawings.spiral(TABLE))
        case "airplane":
            return _drawing(drawings.airplane(TABLE))
        case "tank":
            return _drawing(drawings.tank(TABLE))
        case "circle":
            return _shape(np.abs(_places()) - 0.88)
        case "square":
            return _shape(_behind_lines(4, 0.78)[-1])
        case "triangle":
            return _shape(_behind_lines(3, 0.54, 0.24j)[-1])
        case "star":
            # Five lines make a pentagram, and no place in it is beyond more than one of them.
            return _shape(_behind_lines(5, 0.31, 0.05j, turn=np.pi)[-2])
        case "ring":
            return _shape(np.abs(np.abs(_places()) - 0.68) - 0.22)
        case _:
            assert_never(thing)


def _drawing(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ink = 1.0 - image / 255.0
    return (ink > 0.0).astype(np.float64), ink  # what is inside a drawing is never white


def _shape(distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A thing of one tone, from its distance, negative inside."""
    cover = np.clip(0.5 - distance * (TABLE / 2.0), 0.0, 1.0)
    return cover, FLAT * cover


def _behind_lines(n: int, distance: float, centre: complex = 0.0, turn: float = 0.0) -> np.ndarray:
    """How far the places lie beyond n lines all around a centre, the first below it: [n, TABLE, TABLE], sorted."""
    away = np.exp(1j * (2.0 * np.pi * np.arange(n) / n - np.pi / 2 + turn))
    beyond = ((_places() + centre)[None] * np.conj(away)[:, None, None]).real - distance
    return np.sort(beyond, axis=0)


def _places() -> np.ndarray:
    """The middles of the entries of a table: complex128 [TABLE, TABLE], row 0 at the top."""
    middle = (np.arange(TABLE) + 0.5) * (2.0 / TABLE) - 1.0
    return middle[None, :] - 1j * middle[:, None]
