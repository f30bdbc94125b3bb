"""Texts as tokens and states: each alone, one for all or one for each picture."""

from __future__ import annotations

import numpy as np
import pytest
from checks.latents import PLACES, text_encoder

from numpy_diffusion.data import captions
from numpy_diffusion.pipelines import texts

ENCODER, TOKENIZER = text_encoder(), captions.tokenizer()
TEXTS = ["a tiny green star", "a big red plane on the left", "a tiny green star"]


def test_ids_are_the_tokenizer_s_as_far_as_there_are_places() -> None:
    found = texts.ids(TOKENIZER, ENCODER, TEXTS)
    np.testing.assert_array_equal(found, TOKENIZER(TEXTS)[:, :PLACES])
    longest = "plane " * (PLACES - 2)
    assert texts.ids(TOKENIZER, ENCODER, longest)[0, -1] == TOKENIZER.end
    with pytest.raises(ValueError, match=r"texts\[1\]: expected at most 18 words, got 19"):
        texts.ids(TOKENIZER, ENCODER, ["a star", longest + "plane"])


def test_states_are_each_text_s_own_whatever_else_there_is() -> None:
    found = texts.states(TOKENIZER, ENCODER, TEXTS)
    for row, text in zip(found, TEXTS, strict=True):
        np.testing.assert_array_equal(ENCODER(texts.ids(TOKENIZER, ENCODER, text))[0], row)
    np.testing.assert_array_equal(texts.states(TOKENIZER, ENCODER, TEXTS[0], n=3), found[[0, 0, 0]])
    np.testing.assert_array_equal(texts.states(TOKENIZER, ENCODER, TEXTS, n=3), found)
    with pytest.raises(ValueError, match="texts: expected one, or one for each of 2 pictures, got 3"):
        texts.states(TOKENIZER, ENCODER, TEXTS, n=2)


def test_nothing_is_the_state_of_start_and_end_alone() -> None:
    ids = np.full((1, PLACES), TOKENIZER.end)
    ids[0, 0] = TOKENIZER.start
    np.testing.assert_array_equal(texts.nothing(TOKENIZER, ENCODER), ENCODER(ids)[0])
