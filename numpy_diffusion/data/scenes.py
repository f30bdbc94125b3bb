"""Drawn 32 x 32 pictures to learn from: a spiral, an airplane or a tank, anywhere, of any size and shade.

Each class is one of the project's drawings, kept as a fine table of ink.  A scene looks its pixels up in that table,
at four places a pixel and between four entries at each: outlines are smooth at any size and angle.
"""

from __future__ import annotations

import functools
from typing import Final, Literal, NamedTuple, assert_never, get_args

import numpy as np

from numpy_diffusion import _checks, noise
from numpy_diffusion.data import drawings

Name = Literal["spiral", "airplane", "tank"]
NAMES: Final[tuple[Name, ...]] = get_args(Name)
SIZE: Final = 32  # pixels a side

TABLE = 64  # entries a side of a drawing's table: near two a place looked up, for the sizes below
FINE = 4  # pixels of the drawing averaged to one entry, along each side
BLOCK = 32  # scenes at a time, so that the arrays in work stay in a core's cache

# What is drawn at random, uniform between the two.  At size 1 a drawing fills the picture; it never leaves it.
SIZES = (0.6, 0.95)
PAPER, INK = (0.3, 1.0), (-1.0, -0.3)  # lightness of the ground, and of full ink on it; -1 is black, 1 is white
TURN = np.deg2rad([180.0, 40.0, 0.0])  # largest angle of each class, both ways: a tank stays upright


class Pose(NamedTuple):
    """Where the things are and how light: float32 [N] each, but for the labels."""

    label: np.ndarray  # int64 [N], 0..2
    side: np.ndarray  # 1, or -1 with left and right exchanged
    angle: np.ndarray  # radians, counter-clockwise
    size: np.ndarray  # 1 where the drawing fills the picture
    x: np.ndarray  # the centre; the picture runs from -1 to 1, y up
    y: np.ndarray
    paper: np.ndarray
    ink: np.ndarray


def draw(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scenes and their classes.  Scene i depends on the seed and on i alone.

    Parameters
    ----------
    n : number of scenes, 1..2**32
    seed : 64 bits

    Returns
    -------
    x0 : float32 [n, 1, 32, 32] in [-1, 1]
    labels : int64 [n], of `NAMES`: each class with equal probability

    Raises
    ------
    ValueError : n or seed out of its range

    Examples
    --------
    >>> x0, labels = draw(5, seed=0)
    >>> x0.shape, [NAMES[k] for k in labels]
    ((5, 1, 32, 32), ['airplane', 'airplane', 'spiral', 'tank', 'airplane'])
    """
    n, seed = _checks.integer("n", n, 1, noise.WORD_RANGE), _checks.seed(seed)
    x0, labels = np.empty((n, 1, SIZE, SIZE), np.float32), np.empty(n, np.int64)
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        pose = poses(np.arange(rows.start, rows.stop), seed)
        x0[rows, 0], labels[rows] = render(pose), pose.label
    return x0, labels


def poses(samples: np.ndarray, seed: int) -> Pose:
    """What is on the scenes with these numbers."""
    u = noise.uniform(seed, noise.STREAM_SCENES, samples, 0, 8).T
    label = (u[0] * np.float32(len(NAMES))).astype(np.int64)
    size = _between(SIZES, u[3])
    room = 1.0 - size  # from the centre, in each direction
    return Pose(
        label=label,
        side=np.where(u[1] < 0.5, np.float32(1.0), np.float32(-1.0)),
        angle=TURN.astype(np.float32)[label] * (2.0 * u[2] - 1.0),
        size=size,
        x=room * (2.0 * u[4] - 1.0),
        y=room * (2.0 * u[5] - 1.0),
        paper=_between(PAPER, u[6]),
        ink=_between(INK, u[7]),
    )


def render(pose: Pose) -> np.ndarray:
    """The scenes: float32 [N, 32, 32] in [-1, 1]."""
    places = 2 * SIZE  # looked up along each side
    edge = (np.arange(places, dtype=np.float32) + np.float32(0.5)) / np.float32(SIZE) - np.float32(1.0)
    label, side, angle, size, x, y, paper, ink = (part[:, None, None] for part in pose)
    right, up = edge[None, None, :] - x, -edge[None, :, None] - y
    cos, sin = np.cos(angle) / size, np.sin(angle) / size
    across = side * (cos * right + sin * up)  # turned back and scaled: a place on the drawing, in -1..1 if on it
    height = cos * up - sin * right
    found = _look_up(label, across, height)
    share = (found[:, 0::2, 0::2] + found[:, 0::2, 1::2] + found[:, 1::2, 0::2] + found[:, 1::2, 1::2]) / 4
    return paper + (ink - paper) * share


def _look_up(label: np.ndarray, across: np.ndarray, height: np.ndarray) -> np.ndarray:
    """The ink at places of the drawings, between the four nearest entries of their tables (bilinear)."""
    tables = _tables()
    side = tables.shape[1]
    row = np.clip((1.0 - height) * (TABLE / 2) + 0.5, 0.0, side - 1.001)  # the table has one more entry around it
    column = np.clip((1.0 + across) * (TABLE / 2) + 0.5, 0.0, side - 1.001)
    top, left = np.floor(row), np.floor(column)
    down, right = row - top, column - left
    first = (label * side + top.astype(np.int64)) * side + left.astype(np.int64)
    ink = tables.ravel()
    upper, lower = ink[first], ink[first + side]
    upper += right * (ink[first + 1] - upper)
    lower += right * (ink[first + side + 1] - lower)
    return upper + down * (lower - upper)


@functools.cache
def _tables() -> np.ndarray:
    """The ink of the three drawings, 0 is paper, with a frame of paper: float32 [3, TABLE + 2, TABLE + 2]."""
    images = [_drawing(name, TABLE * FINE) for name in NAMES]
    ink = 1.0 - np.stack(images) / 255.0
    means = ink.reshape(len(NAMES), TABLE, FINE, TABLE, FINE).mean(axis=(2, 4))
    return np.pad(means, ((0, 0), (1, 1), (1, 1))).astype(np.float32)


def _drawing(name: Name, size: int) -> np.ndarray:
    match name:
        case "spiral":
            return drawings.spiral(size)
        case "airplane":
            return drawings.airplane(size)
        case "tank":
            return drawings.tank(size)
        case _:
            assert_never(name)


def _between(limits: tuple[float, float], u: np.ndarray) -> np.ndarray:
    low, high = np.float32(limits[0]), np.float32(limits[1])
    return low + (high - low) * u
