"""Texts as rows of numbers: CLIP's frame, what counts as a word, bad texts, and the vocabulary's file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion import _files
from numpy_diffusion.data import words
from numpy_diffusion.data.words import END, LENGTH, START, WordTokenizer, split

WORDS = ("a", "big", "left", "on", "plane", "red", "the", "é2")
TOKENIZER = WordTokenizer(WORDS)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=75), min_size=1, max_size=4))
def test_a_row_is_a_start_the_words_and_ends(texts):
    ids = TOKENIZER([" ".join(text) for text in texts])
    assert ids.dtype == np.int64
    assert ids.shape == (len(texts), LENGTH) == (len(texts), 77)
    mask = TOKENIZER.mask(ids)
    assert mask.dtype == bool
    for row, marked, text in zip(ids, mask, texts, strict=True):
        n = len(text)
        assert row[0] == TOKENIZER.start == len(WORDS)
        assert [WORDS[k] for k in row[1 : n + 1]] == text
        assert (row[n + 1 :] == TOKENIZER.end).all()
        assert marked.tolist() == [True] * (n + 2) + [False] * (75 - n)
        assert row.argmax() == n + 1  # the first end is the first of the highest numbers
    assert len(TOKENIZER) == TOKENIZER.end + 1 == len(WORDS) + 2


@pytest.mark.parametrize(
    "text", ["A big  RED plane", "a,big;red.plane!", "\ta big\nred plane ", "a-big_red/plane", "«a» big ✈ red plane"]
)
def test_capitals_punctuation_and_blanks_do_not_count(text):
    assert split(text) == ["a", "big", "red", "plane"]
    np.testing.assert_array_equal(TOKENIZER(text), TOKENIZER(["a big red plane"]))


def test_letters_of_other_languages_are_letters():
    assert split("É2 näive 赤い plane") == ["é2", "näive", "赤い", "plane"]
    assert TOKENIZER("É2")[0, 1] == 7


def test_nothing_is_a_start_and_ends():
    assert TOKENIZER.nothing.tolist() == [TOKENIZER.start] + [TOKENIZER.end] * 76
    assert TOKENIZER.nothing.dtype == np.int64
    assert TOKENIZER.mask(TOKENIZER.nothing).tolist() == [True, True] + [False] * 75


def test_texts_may_be_any_sequence():
    expected = TOKENIZER(["red", "plane"])
    for texts in (("red", "plane"), np.array(["red", "plane"])):
        np.testing.assert_array_equal(TOKENIZER(texts), expected)
    np.testing.assert_array_equal(TOKENIZER(np.array("red")), TOKENIZER("red"))


LONG = " ".join(["zz"] * 10_000)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("", r"^texts: expected at least one word, got ''$"),
        (["red", " ?! "], r"^texts\[1\]: expected at least one word, got ' \?! '$"),
        ("." * 10_000, r"^texts: expected at least one word, got '\.{40}'$"),
        ([], r"^texts: expected at least one text, got none$"),
        (3, r"^texts: expected a Sequence, got int 3$"),
        (["red", 3], r"^texts\[1\]: expected a str, got int 3$"),
        (["red", None], r"^texts\[1\]: expected a str, got NoneType None$"),
        (b"red", r"^texts\[0\]: expected a str, got int 114$"),
        ("a rde plane", r"^texts: expected words of the vocabulary, got 'rde'; did you mean 'red'\?$"),
        (["a", "xyz xyz"], r"^texts\[1\]: expected words of the vocabulary, got 'xyz'$"),
        ("q1 planes q2 q3 q4 q5", r"got 'q1', 'planes'; did you mean 'plane'\?, 'q2' and 3 more$"),
        ("x" * 100_000, r"^texts: expected words of the vocabulary, got 'x{40}'$"),
        (" ".join(["red"] * 76), r"^texts: expected at most 75 words, got 76$"),
        (["red", LONG], r"^texts\[1\]: expected at most 75 words, got 10,000$"),
    ],
)
def test_bad_texts(texts, message):
    with pytest.raises(ValueError, match=message):
        TOKENIZER(texts)


def test_mask_of_rows_as_they_come():
    start, end = TOKENIZER.start, TOKENIZER.end
    assert TOKENIZER.mask([[start, 1, end, end], [start, end, 1, end]]).tolist() == [
        [True, True, True, False],
        [True, True, False, False],
    ]
    assert TOKENIZER.mask([start, 1, 2]).tolist() == [True, True, True]  # cut short


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (3, r"^ids: expected integers \[\.\.\., L\], got int64 of shape \[\]$"),
        ([], r"^ids: expected integers"),
        ([1.0, 2.0], r"^ids: expected integers \[\.\.\., L\], got float64 of shape \[2\]$"),
        ([0, 10], r"^ids: expected numbers in 0\.\.9, got 0\.\.10$"),
        ([-1, 3], r"^ids: expected numbers in 0\.\.9, got -1\.\.3$"),
    ],
)
def test_bad_ids(ids, message):
    with pytest.raises(ValueError, match=message):
        TOKENIZER.mask(ids)


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ((), r"^vocabulary: expected at least one word, got none$"),
        (("a", "b", "a"), r"^vocabulary: expected each word once, got 'a' twice$"),
        (("a", "B"), r"^vocabulary: expected words in small letters, got 'B'$"),
        (("a b",), r"^vocabulary: expected words in small letters, got 'a b'$"),
        (("", "a"), r"^vocabulary: expected words in small letters, got ''$"),
        (("a", 3), r"^vocabulary: expected words in small letters, got 3$"),
        (3, r"^vocabulary: expected a Sequence, got int 3$"),
        ("red", r"^vocabulary: expected a sequence of words, got one text, 'red'$"),
    ],
)
def test_bad_vocabulary(vocabulary, message):
    with pytest.raises(ValueError, match=message):
        WordTokenizer(vocabulary)


def test_a_tokenizer_is_its_vocabulary():
    assert WordTokenizer(list(WORDS)) == TOKENIZER  # type: ignore[arg-type]
    assert WordTokenizer(WORDS[1:]) != TOKENIZER
    assert repr(TOKENIZER) == "WordTokenizer: 8 words"


def test_the_file_is_plain_and_read_again(tmp_path):
    path = tmp_path / "vocab.json"
    TOKENIZER.save(path)
    text = path.read_bytes().decode()
    assert json.loads(text) == {word: k for k, word in enumerate((*WORDS, START, END))}
    assert "é2" in text
    assert WordTokenizer.load(str(path)) == TOKENIZER
    np.testing.assert_array_equal(WordTokenizer.load(path)("red plane"), TOKENIZER("red plane"))


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "vocab.json"
    TOKENIZER.save(path)
    monkeypatch.setattr(_files.os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match=r"^path: cannot write to .*vocab\.json: No space left$"):
        WordTokenizer(("other",)).save(path)
    assert WordTokenizer.load(path) == TOKENIZER
    assert [each.name for each in tmp_path.iterdir()] == ["vocab.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Expecting value"),
        (b'{"a": 0, ', "Expecting property name"),
        (b"\xff\xfe", "codec can't decode"),
        (b"3", "expected a number for each word, got something else"),
        (b"{}", "to have the two highest numbers, got"),
        (b'["a"]', "expected a number for each word, got something else"),
        (b'[["a", 0]]', "expected a number for each word, got something else"),
        (b'{"a": "0"}', "expected a number for each word, got something else"),
        (b'{"a": true}', "expected a number for each word, got something else"),
        (b'{"a": {"b": 0}}', "expected a number for each word, got something else"),
        (b'{"a": 0, "<|startoftext|>": 1, "<|endoftext|>": 3}', r"expected the numbers 0\.\.2, each once"),
        (b'{"a": 0, "<|startoftext|>": 1, "<|endoftext|>": 1}', r"expected the numbers 0\.\.2, each once"),
        (b'{"a": 0, "<|startoftext|>": 2, "<|endoftext|>": 1}', "to have the two highest numbers"),
        (b'{"a": 0, "b": 1}', "to have the two highest numbers, got"),
        (b'{"<|startoftext|>": 0, "<|endoftext|>": 1}', "expected at least one word, got none"),
        (b'{"a": 0, "a": 1, "<|startoftext|>": 2, "<|endoftext|>": 3}', "expected each word once, got 'a' twice"),
        (b'{"A": 0, "<|startoftext|>": 1, "<|endoftext|>": 2}', "expected words in small letters, got 'A'"),
        (b"[" * 200_000, "maximum recursion depth"),
    ],
)
def test_files_that_are_no_vocabulary(content, message, tmp_path):
    path = tmp_path / "vocab.json"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"vocab\.json: expected the vocabulary of a WordTokenizer as JSON: .*{message}"
    ):
        WordTokenizer.load(path)


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(OSError, match=r"^path: cannot read .*missing\.json: No such file"):
        WordTokenizer.load(tmp_path / "missing.json")
    with pytest.raises(OSError, match=r"^path: cannot read .*: Is a directory$"):
        WordTokenizer.load(tmp_path)
    with pytest.raises(ValueError, match=r"^path: expected a path, got int 3$"):
        WordTokenizer.load(3)  # type: ignore[arg-type]
    with pytest.raises(OSError, match=r"^path: cannot write to .*: No such file"):
        TOKENIZER.save(tmp_path / "missing" / "vocab.json")
    monkeypatch.setattr(words, "LARGEST", 10)
    TOKENIZER.save(tmp_path / "vocab.json")
    with pytest.raises(ValueError, match=r"vocab\.json: .* expected at most 10 bytes, got more$"):
        WordTokenizer.load(tmp_path / "vocab.json")
