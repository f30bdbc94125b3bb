"""Captioned scenes as they are handed out: picture, caption and attributes of one and the same scene."""

from __future__ import annotations

import numpy as np
import pytest

import numpy_diffusion as nd
from numpy_diffusion.data import captions
from numpy_diffusion.data.attributes import UNTOLD, draw


def test_a_scene_depends_on_seed_part_and_number_alone():
    found = captions.scenes(50, size=32, seed=4)
    assert found.x0.shape == (50, 3, 32, 32)
    assert found.x0.dtype == np.float32
    assert found.x0.flags.c_contiguous
    few = captions.scenes(20, size=32, seed=4)
    np.testing.assert_array_equal(few.x0, found.x0[:20])
    assert few.captions == found.captions[:20]
    np.testing.assert_array_equal(np.stack(few.attributes), np.stack(found.attributes)[:, :20])
    other = captions.scenes(50, size=32, seed=5)
    assert (other.x0 != found.x0).any(axis=(1, 2, 3)).all()
    assert sum(a == b for a, b in zip(other.captions, found.captions, strict=True)) < 5


def test_a_scene_is_the_same_at_each_size():
    large, small = captions.scenes(30, seed=1), captions.scenes(30, size=32, seed=1)
    assert large.x0.shape == (30, 3, 64, 64)
    np.testing.assert_allclose(large.x0.reshape(30, 3, 32, 2, 32, 2).mean(axis=(3, 5)), small.x0, atol=1e-6)
    assert large.captions == small.captions
    np.testing.assert_array_equal(np.stack(large.attributes), np.stack(small.attributes))


@pytest.mark.parametrize("part", ["seen", "held_out", "all"])
def test_picture_caption_and_attributes_are_of_one_scene(part):
    found = captions.scenes(200, size=16, seed=2, part=part)
    np.testing.assert_array_equal(np.stack(found.attributes), np.stack(draw(np.arange(200), 2, part)))
    np.testing.assert_array_equal(captions.draw(found.attributes, 16, 2), found.x0)
    assert captions.caption(found.attributes, 2) == found.captions
    told = captions.parse(found.captions)
    np.testing.assert_array_equal(np.stack(told[:4]), np.stack(found.attributes[:4]))
    held = captions.held_out(found.attributes)
    assert held.all() if part == "held_out" else held.any() == (part == "all")


def test_the_words_of_a_picture():
    some = captions.scenes(3, size=16)
    assert repr(some) == f"Scenes: float32 [3, 3, 16, 16], the first {some.captions[0]!r}"


def test_the_tokenizer_knows_the_captions():
    tokenizer = captions.tokenizer()
    found = captions.scenes(500, size=1, part="all")
    ids = tokenizer(found.captions)
    assert ids.shape == (500, 77)
    counts = [len(text.replace(",", "").split()) + 2 for text in found.captions]
    assert tokenizer.mask(ids).sum(axis=1).tolist() == counts
    assert nd.captions.tokenizer() == tokenizer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, r"^n: expected an integer in 1\.\.4294967296, got 0"),
        ({"n": 2, "size": 0}, r"^size: expected an integer of at least 1, got 0"),
        ({"n": 2, "size": 3.5}, r"^size: expected an integer"),
        ({"n": 2, "seed": -1}, r"^seed: expected an integer"),
        ({"n": 2, "part": "held out"}, r"^part: expected one of 'seen', .*; did you mean 'held_out'\?$"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        captions.scenes(**options)


def test_only_what_is_told_can_be_drawn():
    with pytest.raises(ValueError, match=r"^attributes\.ground: expected integers in 0\.\.2, got -1\.\.-1$"):
        captions.draw(captions.parse("a big red plane on the left"))
    told = captions.parse(["a big red plane on the left", "on a white ground"])
    assert told.ground.tolist() == [UNTOLD, 2]
    with pytest.raises(ValueError, match=r"^attributes\.thing: "):
        captions.draw(told)
    with pytest.raises(ValueError, match=r"^size: "):
        captions.draw(captions.scenes(1, size=1).attributes, size=0)
