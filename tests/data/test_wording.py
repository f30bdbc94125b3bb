"""Captions: each tells what it is of, in words that are known, in all its templates; and what no text may say."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from numpy_diffusion.data import wording, words
from numpy_diffusion.data.attributes import UNTOLD, VALUES, Attributes, draw
from numpy_diffusion.data.wording import MEANINGS, SYNONYMS, VOCABULARY, caption, parse

N = 4000
DRAWN = draw(np.arange(N), 2, "all")
CAPTIONS = caption(DRAWN, seed=2)


def test_every_value_has_its_name_among_its_words():
    for name, values in VALUES.items():
        assert [same[0] for same in SYNONYMS[name]] == list(values)
    assert len(MEANINGS) == sum(
        len(same) for values in SYNONYMS.values() for same in values
    )  # no word means two things


def test_captions_are_read_back():
    found = parse(CAPTIONS)
    for name in ("thing", "colour", "size", "place"):
        np.testing.assert_array_equal(getattr(found, name), getattr(DRAWN, name))
    told = found.ground != UNTOLD
    np.testing.assert_array_equal(found.ground[told], DRAWN.ground[told])
    assert abs(told.mean() - wording.GROUND_TOLD) < 5 * np.sqrt(0.75 * 0.25 / N)
    assert caption(found, seed=2) == CAPTIONS  # a ground that was left out is no ground, and all else stays


def test_every_word_is_known_and_every_known_word_is_used():
    assert {word for text in CAPTIONS for word in words.split(text)} == set(VOCABULARY)
    assert list(VOCABULARY) == sorted(set(VOCABULARY))


def test_captions_are_english():
    for text in CAPTIONS:
        assert re.fullmatch(r"[a-z]+(,? [a-z]+)*", text)
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text)
        assert len(words.split(text)) <= 20
        assert re.search(
            r"\b(on|at|to) the (left|right)\b|\b(at|near) the (top|bottom)\b|\bin the (middle|cent)", text
        )


def test_all_forms_are_used_and_evenly():
    plain = [text for text, ground in zip(CAPTIONS, parse(CAPTIONS).ground, strict=True) if ground == UNTOLD]
    begin = {
        "a picture": sum(text.startswith("a picture") for text in plain),
        "a drawing": sum(text.startswith("a drawing") for text in plain),
        "there is": sum(text.startswith("there is") for text in plain),
        "and": sum(" and " in text for text in plain),
    }
    share = 1 / len(wording.TEMPLATES)
    for count in begin.values():
        assert abs(count / len(plain) - share) < 5 * np.sqrt(share * (1 - share) / len(plain))
    known = [MEANINGS[word] + (word,) for text in CAPTIONS for word in words.split(text) if word in MEANINGS]
    for name, value in ((name, value) for name, values in SYNONYMS.items() for value in range(len(values))):
        same = [word for attribute, other, word in known if (attribute, other) == (name, value)]
        expected = len(same) / len(SYNONYMS[name][value])
        for word in SYNONYMS[name][value]:
            assert abs(same.count(word) - expected) < 5 * np.sqrt(expected)


def test_a_caption_is_its_scene_s_own():
    assert caption(Attributes(*(values[:40] for values in DRAWN)), seed=2) == CAPTIONS[:40]
    others = Attributes(*(np.where(np.arange(N) == 7, values, 0) for values in DRAWN))
    assert caption(others, seed=2)[7] == CAPTIONS[7]
    assert sum(a == b for a, b in zip(caption(DRAWN, seed=3), CAPTIONS, strict=True)) < N / 20


@pytest.mark.parametrize("ground", [UNTOLD, 0, 1, 2])
def test_a_ground_that_is_not_told_is_not_told(ground):
    texts = caption(Attributes(*(np.full(300, k) for k in (1, 0, 1, 0)), np.full(300, ground)), seed=0)
    told = {int(value) for value in np.unique(parse(texts).ground)}
    assert told == {UNTOLD, ground}


def test_texts_of_one_s_own():
    found = parse(["A BIG   red plane -- on the left!", "grey background; Tiny spiral", "the middle, the centre"])
    assert np.stack(found, axis=1).tolist() == [[1, 0, 1, 0, -1], [0, -1, 0, -1, 1], [-1, -1, -1, 4, -1]]
    assert {values.dtype for values in found} == {np.dtype(np.int64)}
    for name, values in SYNONYMS.items():
        for value, same in enumerate(values):
            for word in same:
                assert getattr(parse(word), name).tolist() == [value]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("a red and blue plane", r"^texts: expected one colour, got 'red' and 'blue'$"),
        (["a plane", "a plane on an orange ground, green"], r"^texts\[1\]: expected one colour, got 'orange' and "),
        ("disc or square", r"^texts: expected words of the vocabulary, got 'or'"),
        ("a purpel plane", r"^texts: expected words of the vocabulary, got 'purpel'; did you mean 'purple'\?$"),
        ("", r"^texts: expected at least one word, got ''$"),
    ],
)
def test_texts_that_say_no_scene(texts, message):
    with pytest.raises(ValueError, match=message):
        parse(texts)


def test_captions_of_what_is_not_told():
    for k in range(4):
        row = [0, 0, 0, 0, 0]
        row[k] = UNTOLD
        with pytest.raises(ValueError, match=rf"^attributes\.{Attributes._fields[k]}: expected integers in 0\.\."):
            caption(Attributes(*row))
    with pytest.raises(ValueError, match=r"^seed: "):
        caption(Attributes(0, 0, 0, 0, 0), seed=-1)


def test_every_combination_can_be_told():
    sizes = [range(len(values)) for values in VALUES.values()]
    every = Attributes(*np.array(list(itertools.product(*sizes))).T)
    found = parse(caption(every, seed=9))
    np.testing.assert_array_equal(np.stack(found[:4]), np.stack(every[:4]))
