"""Captioned scenes to learn text from: "a big red plane on the left, on a grey ground", drawn and told.

A scene has a thing (the article's spiral, airplane and tank, and a circle, square, triangle, star or ring), its
colour, its size, its place and the colour of the ground.  Position, size and shades vary a little, so that there is
no end of pictures; yet each attribute can be told by eye, at 32 pixels a side and at any more.

A tenth of the combinations of thing, colour, size and place is never in the part "seen", to ask a trained model for
what it has not been shown.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_diffusion import _checks, _pictures, noise
from numpy_diffusion.data import attributes as what
from numpy_diffusion.data import captioned_scenes, wording
from numpy_diffusion.data.attributes import COLOURS, GROUNDS, PLACES, SIZES, THINGS, Attributes, Part, held_out
from numpy_diffusion.data.wording import caption, parse
from numpy_diffusion.data.words import WordTokenizer

__all__ = [
    "COLOURS",
    "GROUNDS",
    "PLACES",
    "SIZES",
    "THINGS",
    "Attributes",
    "Scenes",
    "WordTokenizer",
    "caption",
    "draw",
    "held_out",
    "parse",
    "scenes",
    "tokenizer",
]


class Scenes(NamedTuple):
    """Pictures, what they are called, and what they are of."""

    x0: np.ndarray  # float32 [N, 3, S, S] in [-1, 1]
    captions: list[str]  # N
    attributes: Attributes  # int64 [N] each, all told

    def __repr__(self) -> str:
        return f"Scenes: {self.x0.dtype} {list(self.x0.shape)}, the first {self.captions[0]!r}"

    def _repr_png_(self) -> bytes | None:
        return _pictures.png(self)


def scenes(n: int, size: int = 64, seed: int = 0, part: Part = "seen") -> Scenes:
    """Drawn scenes with their captions.

    Scene i depends on the seed, the part and on i alone: `scenes(100)` is the beginning of `scenes(1000)`, to the
    bit, and the same scene at half the size is its picture averaged by two and two.

    Parameters
    ----------
    n : number of scenes, 1..2**32
    size : pixels a side, at least 1; below 32 little can be told apart
    seed : 64 bits
    part : of the combinations of attributes, each with equal probability; "seen" for training, "held_out" for the
        tenth that is not in it (see `held_out`), or "all"

    Returns
    -------
    Scenes, with x0 float32 [n, 3, size, size]

    Raises
    ------
    ValueError : n, size or seed out of its range, another part

    Examples
    --------
    >>> some = scenes(100, size=32, seed=0)
    >>> some.x0.shape, some.captions[0]
    ((100, 3, 32, 32), 'in the centre, a tiny orange ring, white ground')
    >>> int(held_out(some.attributes).sum()), int(held_out(scenes(100, part="held_out").attributes).sum())
    (0, 100)
    """
    n, size = _checks.integer("n", n, 1, noise.WORD_RANGE), _checks.integer("size", size, 1)
    seed, part = _checks.seed(seed), _checks.choice("part", part, what.PARTS)
    attributes = what.draw(np.arange(n), seed, part)
    return Scenes(draw(attributes, size, seed), caption(attributes, seed), attributes)


def draw(attributes: Attributes, size: int = 64, seed: int = 0) -> np.ndarray:
    """Pictures of N attributes: float32 [N, 3, size, size]; number i depends on the seed, on i and what it is of.

    Parameters
    ----------
    attributes : of the N scenes, all told
    size, seed : as for `scenes`

    Raises
    ------
    ValueError : attributes of different lengths, out of range or not told; size or seed out of its range

    Examples
    --------
    >>> draw(parse("a big red plane on the left, on a grey ground"), size=128).shape
    (1, 3, 128, 128)
    """
    attributes = what.checked(attributes)
    size, seed = _checks.integer("size", size, 1), _checks.seed(seed)
    pose = captioned_scenes.poses(attributes, np.arange(len(attributes.thing)), seed)
    return captioned_scenes.render(attributes, pose, size)


def tokenizer() -> WordTokenizer:
    """The tokenizer of the captions, which knows every word that they use and no other.

    Examples
    --------
    >>> ids = tokenizer()(["a big red plane on the left"])
    >>> ids.shape, int(tokenizer().mask(ids).sum())
    ((1, 77), 9)
    """
    return WordTokenizer(wording.VOCABULARY)


def __dir__() -> list[str]:
    return __all__
