"""Texts as tokens and states: each alone, one for all or one for each picture."""

from __future__ import annotations

import numpy as np
import pytest
from checks import unclip
from checks.latents import PLACES, text_encoder

from numpy_diffusion.data import captions
from numpy_diffusion.pipelines import texts

ENCODER, PROJECTING, TOKENIZER = text_encoder(), unclip.text_encoder(), captions.tokenizer()
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


def test_what_is_encoded_is_each_text_s_own_too_with_its_mask() -> None:
    found = texts.encoded(TOKENIZER, PROJECTING, TEXTS)
    assert [values.shape for values in found] == [(3, unclip.D), (3, unclip.PLACES, unclip.D), (3, unclip.PLACES)]
    for number, text in enumerate(TEXTS):
        ids = texts.ids(TOKENIZER, PROJECTING, text)
        for row, expected in zip(found, (*PROJECTING(ids), TOKENIZER.mask(ids)), strict=True):
            np.testing.assert_array_equal(row[number], expected[0])
    assert found.mask.sum(axis=1).tolist() == [6, 9, 6]  # the words, a start and an end
    one = texts.encoded(TOKENIZER, PROJECTING, TEXTS[1], n=2)
    for values, expected in zip(one, found, strict=True):
        np.testing.assert_array_equal(values, expected[[1, 1]])
    with pytest.raises(ValueError, match="texts: expected one, or one for each of 2 pictures, got 3"):
        texts.encoded(TOKENIZER, PROJECTING, TEXTS, n=2)


def test_nothing_is_encoded_as_start_and_end_alone() -> None:
    ids = np.full((1, unclip.PLACES), TOKENIZER.end)
    ids[0, 0] = TOKENIZER.start
    found = texts.encoded_nothing(TOKENIZER, PROJECTING)
    for values, expected in zip(found, (*PROJECTING(ids), TOKENIZER.mask(ids)), strict=True):
        np.testing.assert_array_equal(values, expected)
    assert found.mask.sum() == 2


def test_a_tokenizer_and_an_encoder_go_together() -> None:
    texts.check_tokenizer(TOKENIZER, PROJECTING)
    with pytest.raises(ValueError, match="tokenizer: expected a WordTokenizer or a CLIPTokenizer, got str"):
        texts.check_tokenizer("words", ENCODER)  # type: ignore[arg-type]
    few = text_encoder(vocab_size=9, eos_token_id=8)
    with pytest.raises(ValueError, match="tokenizer: expected at most the encoder's 9 tokens, got 58"):
        texts.check_tokenizer(TOKENIZER, few)
