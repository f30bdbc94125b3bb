"""A tokenizer of words in CLIP's files: what is written is read, and CLIP's own steps find the same numbers."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpy_diffusion.data import captions
from numpy_diffusion.data.words import WordTokenizer
from numpy_diffusion.interop.diffusers import word_tokenizers
from numpy_diffusion.interop.diffusers.clip_tokenizer import END_OF_WORD, CLIPTokenizer


def test_what_is_written_is_read_and_clip_s_tokenizer_finds_the_same_numbers(tmp_path: Path) -> None:
    tokenizer = captions.tokenizer()
    count = word_tokenizers.write(tokenizer, tmp_path, 20)
    assert word_tokenizers.read(tmp_path) == tokenizer
    clip = CLIPTokenizer.from_folder(tmp_path)
    assert len(clip) == count > len(tokenizer)
    texts = [text.replace(",", "") for text in captions.scenes(200, size=4, part="all").captions]
    np.testing.assert_array_equal(clip(texts), tokenizer(texts))
    np.testing.assert_array_equal(clip.nothing, tokenizer.nothing)


@pytest.mark.parametrize("word", ["été", "22", "3d", "x²", "中文"])
def test_a_word_that_clip_s_tokenizer_takes_apart_is_refused(word: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"tokenizer: expected words of the letters a to z, .*got '{word}'"):
        word_tokenizers.write(WordTokenizer(("a", word)), tmp_path / "none", 20)
    assert not (tmp_path / "none").exists()


@given(words=st.lists(st.text("aber", min_size=1, max_size=7), min_size=1, max_size=12, unique=True))
def test_merges_lead_each_word_to_one_token(words: list[str]) -> None:
    """By what a reader of the files does: the pair of the lowest rank first, wherever it stands."""
    rank = {pair: number for number, pair in enumerate(word_tokenizers.merges(words))}
    for word in words:
        parts = [*word[:-1], word[-1] + END_OF_WORD]
        while pairs := [pair for pair in pairwise(parts) if pair in rank]:
            first, second = min(pairs, key=rank.__getitem__)
            joined, place = [], 0
            while place < len(parts):
                here = parts[place : place + 2] == [first, second]
                joined.append("".join(parts[place : place + 1 + here]))
                place += 1 + here
            parts = joined
        assert parts == [word + END_OF_WORD]


def test_a_word_of_one_letter_needs_no_pair() -> None:
    assert word_tokenizers.merges(["a"]) == []
    assert len(WordTokenizer(("a",))) == 3
