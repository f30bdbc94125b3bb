"""Attributes in words and back: "a big red plane on the left, on a grey ground".

A caption is one of a few templates, with one of a few synonyms for each attribute; one in four tells no ground.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from numpy_diffusion import _checks, noise
from numpy_diffusion.data import words
from numpy_diffusion.data.attributes import UNTOLD, VALUES, Attributes, checked

# The words for each value, in the order of `VALUES`.
SYNONYMS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "thing": (
        ("spiral", "swirl"),
        ("airplane", "plane", "aeroplane"),
        ("tank",),
        ("circle", "disc", "disk"),
        ("square",),
        ("triangle",),
        ("star",),
        ("ring", "hoop"),
    ),
    "colour": (("red",), ("orange",), ("yellow",), ("green",), ("blue",), ("purple", "violet"), ("pink",)),
    "size": (("small", "little", "tiny"), ("big", "large", "huge")),
    "place": (("left",), ("right",), ("top",), ("bottom",), ("middle", "centre", "center")),
    "ground": (("black",), ("grey", "gray"), ("white",)),
}
BESIDE: Final = ("on the {}", "at the {}", "on the {} side", "to the {}")
ABOVE: Final = ("at the {}", "near the {}")
WITHIN: Final = ("in the {}",)
WHERE: Final = (BESIDE, BESIDE, ABOVE, ABOVE, WITHIN)  # for left, right, top, bottom, middle

TEMPLATES: Final = (
    "a {size} {colour} {thing} {place}",
    "{size} {colour} {thing} {place}",
    "a picture of a {size} {colour} {thing} {place}",
    "a drawing of a {size} {colour} {thing} {place}",
    "there is a {size} {colour} {thing} {place}",
    "{place}, a {size} {colour} {thing}",
    "{place} there is a {size} {colour} {thing}",
    "{a_thing} {place}, {size} and {colour}",
    "{a_colour} {thing}, {size}, {place}",
)
ON_GROUND: Final = (
    "{caption}, on a {ground} {background}",
    "{caption} on a {ground} {background}",
    "{caption}, {ground} {background}",
    "on a {ground} {background}, {caption}",
)
BACKGROUNDS: Final = ("ground", "background")
GROUND_TOLD: Final = 0.75  # the share of the captions that tell it
ARTICLES: Final = ("a", "an")

MEANINGS: Final = {  # of the words that tell something: which attribute, and which of its values
    word: (name, value)
    for name, values in SYNONYMS.items()
    for value, same in enumerate(values)
    for word in same
}  # fmt: skip
_FORMS: Final = " ".join((*TEMPLATES, *ON_GROUND, *BESIDE, *ABOVE, *WITHIN))
VOCABULARY: Final = tuple(
    sorted({*MEANINGS, *BACKGROUNDS, *ARTICLES, *words.split(re.sub(r"{\w*}", "", _FORMS))})
)  # every word of every caption


def caption(attributes: Attributes, seed: int = 0) -> list[str]:
    """A caption for each of N scenes; that of number i depends on the seed, on i and on its attributes alone.

    Parameters
    ----------
    attributes : of the N scenes, all told but for the ground, which then is not told in the caption either
    seed : 64 bits

    Raises
    ------
    ValueError : attributes of different lengths or out of range; seed out of its range

    Examples
    --------
    >>> caption(parse(["big red plane, left, grey ground", "a small green tank at the bottom"]), seed=1)
    ['to the left there is a huge red plane', 'a green tank, tiny, near the bottom']
    """
    attributes = checked(attributes, untold=("ground",))
    seed = _checks.seed(seed)
    u = noise.uniform(seed, noise.STREAM_CAPTIONS, np.arange(len(attributes.thing)), 2, 10).tolist()
    rows = np.stack(attributes, axis=1).tolist()
    return [_caption(dict(zip(VALUES, row, strict=True)), chance) for row, chance in zip(rows, u, strict=True)]


def parse(texts: str | Sequence[str]) -> Attributes:
    """The attributes that a text, or each of N, tells; -1 for those that it does not.

    Any text of the captions' words will do, in any order: a word tells its attribute wherever it stands.

    Raises
    ------
    ValueError : a text of no words, with unknown words, or with two values of one attribute

    Examples
    --------
    >>> parse("The plane at the top is violet")
    Attributes(thing=array([1]), colour=array([5]), size=array([-1]), place=array([2]), ground=array([-1]))
    """
    rows = []
    for name, found in words.named_words(texts):
        words.check_known(name, found, VOCABULARY)
        row, told = dict.fromkeys(VALUES, UNTOLD), dict.fromkeys(VALUES, "")
        for word in found:
            if word in MEANINGS:
                attribute, value = MEANINGS[word]
                if row[attribute] not in (UNTOLD, value):
                    raise ValueError(f"{name}: expected one {attribute}, got {told[attribute]!r} and {word!r}")
                row[attribute], told[attribute] = value, word
        rows.append(list(row.values()))
    return Attributes(*np.array(rows, np.int64).T)


def _caption(values: dict[str, int], chance: list[float]) -> str:
    """The caption of one scene, by ten numbers in [0, 1)."""
    word = {name: _one_of(SYNONYMS[name][value], u) for (name, value), u in zip(values.items(), chance, strict=False)}
    form, where, told, ending, background = chance[len(values) :]
    text = _one_of(TEMPLATES, form).format(
        size=word["size"],
        colour=word["colour"],
        thing=word["thing"],
        place=_one_of(WHERE[values["place"]], where).format(word["place"]),
        a_thing=_with_article(word["thing"]),
        a_colour=_with_article(word["colour"]),
    )
    if values["ground"] == UNTOLD or told >= GROUND_TOLD:
        return text
    return _one_of(ON_GROUND, ending).format(
        caption=text, ground=word["ground"], background=_one_of(BACKGROUNDS, background)
    )


def _one_of(forms: Sequence[str], u: float) -> str:
    return forms[int(u * len(forms))]


def _with_article(word: str) -> str:
    return f"{ARTICLES[word[0] in 'aeiou']} {word}"
