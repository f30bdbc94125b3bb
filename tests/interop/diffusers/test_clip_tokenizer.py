"""CLIP's tokenizer: texts as numbers, its folders, and what is none; see tests/parity for transformers' own."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.tokens import MERGES, vocabulary, write

pytest.importorskip("tokenizers")

# After the library that it needs.
from numpy_diffusion.interop.diffusers.clip_tokenizer import (
    BOTH,
    CONFIG,
    END,
    START,
    VOCABULARY,
    CLIPTokenizer,
)
from numpy_diffusion.interop.diffusers.clip_tokenizer import MERGES as MERGES_FILE

WORDS = vocabulary()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "tokenizer")


def tokens(text: str) -> list[int]:
    """The numbers of tokens that stand in a text with blanks."""
    return [WORDS[token] for token in text.split(" ")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red", "red</w>"),
        ("  RED\t\n red ", "red</w> red</w>"),
        ("reds", "re d s</w>"),
        ("plane's", "pla n e</w> 's</w>"),
        ("3.50!?", "3</w> .</w> 5</w> 0</w> ! ?</w>"),
        ("é", "Ã©</w>"),
        ("e\u0301", "Ã©</w>"),  # composed first
        ("", ""),
        (" \n", ""),
    ],
)
def test_a_text_as_numbers(text: str, expected: str, folder: Path) -> None:
    tokenizer = CLIPTokenizer.from_folder(folder)
    ids = tokenizer(text)
    inside = tokens(expected) if expected else []
    assert ids.dtype == np.int64
    assert ids.tolist() == [[WORDS[START], *inside, *[WORDS[END]] * (76 - len(inside))]]
    np.testing.assert_array_equal(tokenizer(["red", text])[1:], ids)
    np.testing.assert_array_equal(tokenizer(np.array(["red", text]))[1:], ids)


def test_what_is_too_long_is_cut_and_ends(folder: Path) -> None:
    tokenizer = CLIPTokenizer.from_folder(folder)
    ids = tokenizer(["red " * 74, "red " * 75, "red " * 76, "red" * 20_000])
    assert ids.shape == (4, 77)
    assert (ids == tokenizer.end).sum(axis=1).tolist() == [2, 1, 1, 1]
    assert (ids[:, -1] == tokenizer.end).all()


def test_the_mask_goes_to_the_first_end(folder: Path) -> None:
    tokenizer = CLIPTokenizer.from_folder(folder)
    assert tokenizer.mask(tokenizer(["", "red red", "red " * 80])).sum(axis=1).tolist() == [2, 4, 77]
    np.testing.assert_array_equal(tokenizer.nothing, tokenizer("")[0])
    with pytest.raises(ValueError, match=r"^ids: expected numbers in 0\.\."):
        tokenizer.mask([len(tokenizer)])


def test_another_token_may_fill_the_row(tmp_path: Path) -> None:
    tokenizer = CLIPTokenizer.from_folder(write(tmp_path, pad="!"))
    ids = tokenizer("red")
    assert ids[0, :5].tolist() == [*tokens(f"{START} red</w> {END} ! !")]
    assert (ids[0, 3:] == WORDS["!"]).all()
    assert tokenizer("red!")[0, 1:4].tolist() == tokens(f"red</w> ! {END}")  # and not !</w>: it is a token as it is
    assert tokenizer.mask(ids)[0, :5].tolist() == [True] * 3 + [False] * 2
    (tmp_path / CONFIG).write_text(json.dumps({"pad_token": {"content": "!", "lstrip": False}}))
    np.testing.assert_array_equal(CLIPTokenizer.from_folder(tmp_path)("red"), ids)


def test_what_is_written_is_read(folder: Path, tmp_path: Path) -> None:
    one = CLIPTokenizer.from_folder(folder)
    one.to_folder(tmp_path / "again")
    two = CLIPTokenizer.from_folder(tmp_path / "again")
    assert (two.vocabulary, two.merges, two.pad) == (WORDS, MERGES, END)
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == sorted([VOCABULARY, MERGES_FILE, CONFIG])
    np.testing.assert_array_equal(one("A red plane"), two("A red plane"))
    np.testing.assert_array_equal(one("A red plane"), pickle.loads(pickle.dumps(one))("A red plane"))
    assert (repr(one), len(one)) == (f"CLIPTokenizer: {len(WORDS)} tokens", len(WORDS))


@pytest.mark.parametrize("as_text", [False, True])
def test_both_in_one_file(as_text: bool, folder: Path) -> None:
    expected = CLIPTokenizer.from_folder(folder)("red plane's")
    merges: list[Any] = [" ".join(pair) if as_text else list(pair) for pair in MERGES]
    (folder / BOTH).write_text(json.dumps({"model": {"vocab": WORDS, "merges": merges}}))
    for name in (VOCABULARY, MERGES_FILE):
        (folder / name).unlink()
    np.testing.assert_array_equal(CLIPTokenizer.from_folder(folder)("red plane's"), expected)


def spoilt(**changes: Any) -> str:
    return json.dumps({name: number for name, number in (WORDS | changes).items() if number is not None})


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (VOCABULARY, "{", r"vocab\.json: expected JSON, got something that was cut"),
        (VOCABULARY, "[]", r"vocab\.json: expected JSON with named entries, got a list"),
        (VOCABULARY, spoilt(a="x"), r"vocab\.json: expected a number for each token"),
        (VOCABULARY, spoilt(a=10**9), r"vocabulary: expected the numbers 0\.\."),
        (
            VOCABULARY,
            json.dumps({"a": 0, END: 1}),
            r"vocabulary: expected a number for '<\|startoftext\|>', got none",
        ),
        (MERGES_FILE, "r e\nre d</w>\n", r"merges\.txt: expected a first line with '#version', got 'r e'"),
        (MERGES_FILE, "", r"merges\.txt: expected a first line with '#version', got ''"),
        (
            MERGES_FILE,
            "#version: 0.2\nr e\nr\n",
            r"merges\.txt: expected two tokens in a pair, got \('r',\) as pair 1",
        ),
        (MERGES_FILE, "#version: 0.2\nr nonsense\n", r"merges: expected pairs of tokens, and the library says: "),
        (CONFIG, '{"pad_token": 3}', r"tokenizer_config\.json: pad_token: expected a str, got int 3"),
        (CONFIG, '{"pad_token": "zebra"}', r"pad: expected a number for 'zebra', got none"),
    ],
)
def test_a_spoilt_file_is_one_sentence(name: str, content: str, sentence: str, folder: Path) -> None:
    (folder / name).write_text(content)
    with pytest.raises(ValueError, match=sentence) as caught:
        CLIPTokenizer.from_folder(folder)
    assert str(caught.value).count(str(folder)) == 1
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [VOCABULARY, MERGES_FILE])
def test_a_missing_file_is_one_sentence(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"found no {name} in it"):
        CLIPTokenizer.from_folder(folder)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (None, "model: expected a vocabulary and merges"),
        ({"vocab": WORDS}, "model: expected a vocabulary and merges"),
        ({"vocab": WORDS, "merges": [3]}, "merges: expected pairs of tokens"),
        ({"vocab": WORDS, "merges": [["a", 3]]}, "expected two tokens in a pair"),
        ({"vocab": 3, "merges": []}, "expected a number for each token"),
    ],
)
def test_a_spoilt_file_of_both_is_one_sentence(model: Any, sentence: str, tmp_path: Path) -> None:
    (tmp_path / BOTH).write_text(json.dumps({"model": model}))
    with pytest.raises(ValueError, match=rf"tokenizer\.json: {sentence}"):
        CLIPTokenizer.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ([], r"texts: expected at least one text, got none"),
        (3, r"texts: expected a Sequence, got int 3"),
        (["red", None], r"texts\[1\]: expected a str, got NoneType None"),
        ("red \ud800", r"texts: expected Unicode, got half a sign at place 4"),
    ],
)
def test_what_are_no_texts_is_one_sentence(texts: Any, sentence: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        CLIPTokenizer.from_folder(folder)(texts)


def test_without_the_library_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match=r"the extra `text` brings: pip install numpy_diffusion\[text\]$"):
        CLIPTokenizer.from_folder(folder)
