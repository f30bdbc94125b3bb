"""CLIP's tokenizer (Radford et al. 2021, section 2.4): pairs of bytes that often stand together are one token
(Sennrich et al. 2016, arXiv 1508.07909).

    vocab.json, merges.txt       the numbers of the tokens; which pairs become one, the most frequent first
    tokenizer.json               both in one file, in folders that have no others
    tokenizer_config.json        which token fills a row

The library `tokenizers` does the work; the steps are those of transformers' `CLIPTokenizer`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks, _files
from numpy_diffusion.data.words import END, LENGTH, START, named_texts, to_the_end
from numpy_diffusion.interop.diffusers import files

VOCABULARY: Final = "vocab.json"
MERGES: Final = "merges.txt"
BOTH: Final = "tokenizer.json"
CONFIG: Final = "tokenizer_config.json"
VERSION: Final = "#version"  # what a merges.txt begins with
PATTERN: Final = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"  # words, digits, runs of other signs
END_OF_WORD: Final = "</w>"

Merges = list[tuple[str, str]]


class CLIPTokenizer:
    """Texts as rows of 77 numbers, as CLIP's text encoders read them.

    Parameters
    ----------
    vocabulary : the number of each token, 0 to n - 1
    merges : pairs of tokens that become one, the first of them first
    pad : the token that fills a row behind the end

    Raises
    ------
    ImportError : the library tokenizers is missing
    ValueError : other numbers, no token for start, end or pad, a pair whose tokens there are not

    Examples
    --------
    >>> tokenizer = CLIPTokenizer.from_folder("stable-diffusion-v1-5/tokenizer")  # doctest: +SKIP
    >>> tokenizer(["a red plane", "A plane!"]).shape  # doctest: +SKIP
    (2, 77)
    """

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]], pad: str = END) -> None:
        if sorted(vocabulary.values()) != list(range(len(vocabulary))):
            raise ValueError(f"vocabulary: expected the numbers 0..{len(vocabulary) - 1}, each once, got others")
        for name, token in (("vocabulary", START), ("vocabulary", END), ("pad", pad)):
            if token not in vocabulary:
                raise ValueError(f"{name}: expected a number for {token!r}, got none")
        self.vocabulary, self.merges, self.pad = dict(vocabulary), list(merges), pad
        self.start, self.end = vocabulary[START], vocabulary[END]
        self._encoder = _encoder(self.vocabulary, self.merges, pad)

    @classmethod
    def from_folder(cls, folder: _files.PathLike) -> CLIPTokenizer:
        """The tokenizer of a folder.

        Raises
        ------
        ImportError : the library tokenizers is missing
        OSError : a folder or file that is missing or cannot be read
        ValueError : a file that is foreign, cut or altered; but that a merges.txt lost its last lines nothing tells
        """
        folder = _files.as_path("folder", folder)
        both = (folder / BOTH).exists() and not (folder / VOCABULARY).exists()
        vocabulary, merges = _of_both(folder) if both else _of_two(folder)
        pad = _pad(folder)
        with files.naming(folder):
            return cls(vocabulary, merges, pad)

    def to_folder(self, folder: _files.PathLike, length: int = LENGTH) -> None:
        """Write a folder that transformers' CLIPTokenizer.from_pretrained opens, and `from_folder`.

        Parameters
        ----------
        length : of a row of theirs, as many as the encoder behind it has places

        Raises
        ------
        OSError : a place that cannot be written
        """
        write(_files.as_path("folder", folder), self.vocabulary, self.merges, self.pad, length)

    def __repr__(self) -> str:
        return f"CLIPTokenizer: {len(self):,} tokens"

    def __len__(self) -> int:
        """How many numbers there are: rows of a token embedding."""
        return len(self.vocabulary)

    def __call__(self, texts: str | Sequence[str]) -> np.ndarray:
        """A text, or N of them, as numbers: int64 [N, 77].  What is longer is cut, and ends with the end token.

        Raises
        ------
        ValueError : something else than texts, no text
        """
        named = named_texts(texts)
        ids = np.full((len(named), LENGTH), self.vocabulary[self.pad], np.int64)
        for row, (name, text) in zip(ids, named, strict=True):
            found = self._encoder.encode(_unicode(name, text), add_special_tokens=False).ids[: LENGTH - 2]
            row[: len(found) + 2] = [self.start, *found, self.end]
        return ids

    @property
    def nothing(self) -> np.ndarray:
        """The row of a text that is left out, for guidance: int64 [77], that of the empty text."""
        return self([""])[0]

    def mask(self, ids: ArrayLike) -> np.ndarray:
        """Which places of int64 [..., L] count, from the start to the first end: bool [..., L].

        Raises
        ------
        ValueError : no integers, or other numbers than the tokenizer's
        """
        return to_the_end(ids, self.end, len(self))


def _encoder(vocabulary: dict[str, int], merges: Merges, pad: str) -> Any:
    """The library's tokenizer.

    Signs that control something are left out, and Chinese characters stand alone; letters are composed, blanks are
    one, and all is in small letters; then come words, bytes, and pairs.
    """
    try:
        library = importlib.import_module("tokenizers")
    except ImportError as error:
        raise ImportError(
            "CLIPTokenizer: needs the library tokenizers, which the extra `text` brings: "
            "pip install numpy_diffusion[text]"
        ) from error
    known = dict(unk_token=END, continuing_subword_prefix="", end_of_word_suffix=END_OF_WORD)
    try:
        encoder = library.Tokenizer(library.models.BPE(vocabulary, merges, **known))
    except Exception as error:  # the library has no classes of errors
        raise ValueError(f"merges: expected pairs of tokens, and the library says: {error}") from None
    normal, before = library.normalizers, library.pre_tokenizers
    cleaned = normal.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    encoder.normalizer = normal.Sequence(
        [cleaned, normal.NFC(), normal.Replace(library.Regex(r"\s+"), " "), normal.Lowercase()]
    )
    split = before.Split(library.Regex(PATTERN), behavior="removed", invert=True)
    encoder.pre_tokenizer = before.Sequence([split, before.ByteLevel(add_prefix_space=False)])
    encoder.add_special_tokens([START, END, pad])  # which are found in a text, and not taken apart
    return encoder


def _unicode(name: str, text: str) -> str:
    """The text, if it is one that can be written."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: expected Unicode, got half a sign at place {error.start}") from None
    return text


# Files -----------------------------------------------------------------------------------------------------------


def write(folder: Path, vocabulary: Mapping[str, int], merges: Merges, pad: str, length: int) -> None:
    """Write the files of a tokenizer, for texts of at most `length` tokens; OSError where that cannot be done."""
    tokens = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": length, "do_lower_case": True, **tokens}
    files.write_options(folder, VOCABULARY, dict(vocabulary))
    files.write_options(folder, CONFIG, config)
    lines = [f"{VERSION}: 0.2", *(" ".join(pair) for pair in merges)]
    with _files.os_errors_about("folder", folder):
        _files.write(folder / MERGES, ("\n".join(lines) + "\n").encode())


def _vocabulary(options: Any) -> dict[str, int]:
    """Numbers by token, of a file's JSON."""
    if not isinstance(options, dict) or any(type(number) is not int for number in options.values()):
        raise ValueError("expected a number for each token, got something else")
    return options


def _pairs(given: Sequence[Any]) -> Merges:
    """Pairs of tokens, of a file's lines or JSON."""
    for number, pair in enumerate(given):
        if len(pair) != 2 or not all(isinstance(token, str) for token in pair):
            raise ValueError(f"expected two tokens in a pair, got {str(pair)[:80]} as pair {number}")
    return [(first, second) for first, second in given]


def _of_two(folder: Path) -> tuple[dict[str, int], Merges]:
    """Vocabulary and pairs of a vocab.json and a merges.txt, one pair a line, below a line with its version."""
    options = files.read_options(folder, VOCABULARY)
    with files.naming(folder / VOCABULARY):
        vocabulary = _vocabulary(options)
    first, *lines = files.read_bytes(folder, MERGES).decode(errors="replace").strip().split("\n")
    with files.naming(folder / MERGES):
        if not first.startswith(VERSION):
            raise ValueError(f"expected a first line with {VERSION!r}, got {first[:80]!r}")
        return vocabulary, _pairs([tuple(line.split()) for line in lines])


def _of_both(folder: Path) -> tuple[dict[str, int], Merges]:
    """Vocabulary and pairs of a tokenizer.json; in older ones a pair is a text with a blank, not a list of two."""
    model = files.read_options(folder, BOTH).get("model")
    with files.naming(folder / BOTH):
        if not isinstance(model, dict) or not isinstance(model.get("merges"), list):
            raise ValueError("model: expected a vocabulary and merges, got something else")
        pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
        if not all(isinstance(pair, list) for pair in pairs):
            raise ValueError("merges: expected pairs of tokens, got something else")
        return _vocabulary(model.get("vocab")), _pairs(pairs)


def _pad(folder: Path) -> str:
    """What fills a row: a token, or in older files a dict with its text; the end where nothing is said."""
    if not (folder / CONFIG).exists():
        return END
    given = files.read_options(folder, CONFIG).get("pad_token", END)
    with files.naming(folder / CONFIG):
        return str(_checks.instance("pad_token", given.get("content") if isinstance(given, dict) else given, str))
