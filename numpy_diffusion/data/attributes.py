"""What a captioned scene is of: a thing, its colour, size and place, and the ground, as numbers.

A tenth of the combinations of thing, colour, size and place is held out, to be asked for and never trained on: each
thing in each colour at one of its ten sizes and places.  Any two of the four are seen together in training.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal, NamedTuple, assert_never, get_args

import numpy as np

from numpy_diffusion import _checks, noise

Thing = Literal["spiral", "airplane", "tank", "circle", "square", "triangle", "star", "ring"]
Part = Literal["seen", "held_out", "all"]

THINGS: Final[tuple[Thing, ...]] = get_args(Thing)
COLOURS: Final = ("red", "orange", "yellow", "green", "blue", "purple", "pink")
SIZES: Final = ("small", "big")
PLACES: Final = ("left", "right", "top", "bottom", "middle")
GROUNDS: Final = ("black", "grey", "white")
PARTS: Final[tuple[Part, ...]] = get_args(Part)

ARRANGEMENTS: Final = len(SIZES) * len(PLACES)  # arrangement k has size k % 2 and place k % 5: 2 and 5 are coprime
UNTOLD: Final = -1  # of an attribute that a text says nothing about


class Attributes(NamedTuple):
    """What N scenes are of: int64 [N] each, positions in `VALUES`, or -1 where a text does not tell."""

    thing: np.ndarray
    colour: np.ndarray
    size: np.ndarray
    place: np.ndarray
    ground: np.ndarray


VALUES: Final[dict[str, tuple[str, ...]]] = {
    "thing": THINGS,
    "colour": COLOURS,
    "size": SIZES,
    "place": PLACES,
    "ground": GROUNDS,
}


def checked(attributes: Attributes, untold: Collection[str] = ()) -> Attributes:
    """The attributes as int64 [N] each, where those in `untold` may be -1, or a ValueError."""
    found = Attributes(*map(np.atleast_1d, _checks.instance("attributes", attributes, Attributes)))
    for name, values in found._asdict().items():
        low, high = UNTOLD if name in untold else 0, len(VALUES[name]) - 1
        if values.dtype.kind not in "iu" or values.ndim > 1 or values.size == 0:
            got = f"{values.dtype} of shape {list(values.shape)}"
            raise ValueError(f"attributes.{name}: expected integers [N], got {got}")
        if values.min() < low or values.max() > high:
            got = f"{values.min()}..{values.max()}"
            raise ValueError(f"attributes.{name}: expected integers in {low}..{high}, got {got}")
    lengths = {name: len(values) for name, values in found._asdict().items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"attributes: expected as many of each, got {lengths}")
    return Attributes(*(values.astype(np.int64) for values in found))


def held_out(attributes: Attributes) -> np.ndarray:
    """Which of the combinations are held out: bool [N].

    Of the ten arrangements, size k % 2 at place k % 5, it is the one with k = (7 thing + colour) mod 10: 56 of the
    560 combinations, half of them big, each place 11 or 12 times, and among them every thing and every colour.
    Whatever the ground is, and False where one of the four is not told.

    Raises
    ------
    ValueError : attributes of different lengths or out of range

    Examples
    --------
    >>> red_spirals = Attributes(*np.array([[0, 0, 0, 0, 0], [0, 0, 1, 0, 0]]).T)  # small and big, at the left
    >>> held_out(red_spirals)
    array([ True, False])
    """
    attributes = checked(attributes, untold=VALUES)
    k = _held_out_arrangement(attributes.thing, attributes.colour)
    told = (attributes.thing >= 0) & (attributes.colour >= 0)
    return told & (attributes.size == k % len(SIZES)) & (attributes.place == k % len(PLACES))


def draw(samples: np.ndarray, seed: int, part: Part) -> Attributes:
    """What the scenes with these numbers are of: every combination of the part with equal probability."""
    first, count = _arrangements(part)
    high = [len(THINGS), len(COLOURS), count, len(GROUNDS)]
    thing, colour, other, ground = noise.integers(seed, noise.STREAM_CAPTIONS, samples, 0, high).T
    k = (_held_out_arrangement(thing, colour) + first + other) % ARRANGEMENTS
    return Attributes(thing, colour, k % len(SIZES), k % len(PLACES), ground)


def _held_out_arrangement(thing: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return (7 * thing + colour) % ARRANGEMENTS


def _arrangements(part: Part) -> tuple[int, int]:
    """Counted from the one that is held out: the first arrangement of a part, and how many it has."""
    match part:
        case "seen":
            return 1, ARRANGEMENTS - 1
        case "held_out":
            return 0, 1
        case "all":
            return 0, ARRANGEMENTS
        case _:
            assert_never(part)
