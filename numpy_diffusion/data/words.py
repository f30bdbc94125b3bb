"""Texts as numbers of words, in the frame of CLIP: 77 places, a start token, the words, and end tokens to the end.

A word is a run of letters and digits; capitals, punctuation and blanks do not count.  The numbers of the start and
the end are the two highest, as CLIP's are, so that what looks for the highest of a row finds its first end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks, _files

LENGTH: Final = 77  # places of a text (Radford et al. 2021, section 2.4, count the start and the end among them)
START, END = "<|startoftext|>", "<|endoftext|>"
LARGEST: Final = 2**24  # bytes of a vocabulary's file
NAMED: Final = 3  # unknown words at most, of which a sentence tells
LONGEST: Final = 40  # letters of one that are told

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class WordTokenizer:
    """The words that there are, each with a number, and texts of them as rows of 77 numbers.

    Attributes
    ----------
    vocabulary : words in small letters, each once; the place of a word is its number

    Raises
    ------
    ValueError : no words, a word twice, something that is not one word in small letters

    Examples
    --------
    >>> tokenizer = WordTokenizer(("a", "big", "plane", "red"))
    >>> ids = tokenizer(["A big, red plane!", "plane"])
    >>> ids.shape, ids[:, :7].tolist()
    ((2, 77), [[4, 0, 1, 3, 2, 5, 5], [4, 2, 5, 5, 5, 5, 5]])
    >>> tokenizer.mask(ids).sum(axis=1)
    array([6, 3])
    """

    vocabulary: tuple[str, ...]

    def __post_init__(self) -> None:
        if isinstance(self.vocabulary, str):  # a sequence too, of letters
            raise ValueError(f"vocabulary: expected a sequence of words, got one text, {self.vocabulary[:LONGEST]!r}")
        given = tuple(_checks.instance("vocabulary", self.vocabulary, Sequence))
        if not given:
            raise ValueError("vocabulary: expected at least one word, got none")
        seen: set[str] = set()
        for word in given:
            if not isinstance(word, str) or split(word) != [word]:
                raise ValueError(f"vocabulary: expected words in small letters, got {word!r}")
            if word in seen:
                raise ValueError(f"vocabulary: expected each word once, got {word!r} twice")
            seen.add(word)
        object.__setattr__(self, "vocabulary", given)

    def __repr__(self) -> str:
        return f"WordTokenizer: {len(self.vocabulary)} words"

    def __len__(self) -> int:
        """How many numbers there are, those of the start and the end among them: rows of a token embedding."""
        return len(self.vocabulary) + 2

    @property
    def start(self) -> int:
        """The number of the start."""
        return len(self.vocabulary)

    @property
    def end(self) -> int:
        """The number of the end, which also fills a row: the state of a text is that at the first of them."""
        return len(self.vocabulary) + 1

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.vocabulary)}

    def __call__(self, texts: str | Sequence[str]) -> np.ndarray:
        """A text, or N of them, as numbers: int64 [N, 77].

        Raises
        ------
        ValueError : a text of no words, of more than 75, or with words that the vocabulary has not
        """
        rows = []
        for name, found in named_words(texts):
            if len(found) > LENGTH - 2:
                raise ValueError(f"{name}: expected at most {LENGTH - 2} words, got {len(found):,}")
            check_known(name, found, self._numbers)
            rows.append(found)
        ids = np.full((len(rows), LENGTH), self.end, np.int64)
        ids[:, 0] = self.start
        for row, found in zip(ids, rows, strict=True):
            row[1 : len(found) + 1] = [self._numbers[word] for word in found]
        return ids

    @property
    def nothing(self) -> np.ndarray:
        """The row of a text that is left out, for guidance: int64 [77], the start and end tokens alone."""
        ids = np.full(LENGTH, self.end, np.int64)
        ids[0] = self.start
        return ids

    def mask(self, ids: ArrayLike) -> np.ndarray:
        """Which places of int64 [..., L] count, from the start to the first end: bool [..., L].

        Raises
        ------
        ValueError : no integers, or other numbers than the tokenizer's
        """
        return to_the_end(ids, self.end, len(self))

    def save(self, path: _files.PathLike) -> None:
        """Write the vocabulary as JSON, {word: number}, the start and the end among them.

        Raises
        ------
        OSError : a path that cannot be written to
        """
        place = _files.as_path("path", path)
        numbers = {word: number for number, word in enumerate((*self.vocabulary, START, END))}
        with _files.os_errors_about("path", place):
            _files.write(place, (json.dumps(numbers, indent=2, ensure_ascii=False) + "\n").encode())

    @classmethod
    def load(cls, path: _files.PathLike) -> WordTokenizer:
        """The tokenizer of a file that `save` wrote.

        Raises
        ------
        OSError : a file that is missing or cannot be read
        ValueError : a file that was cut, altered or written by something else
        """
        place = _files.as_path("path", path)
        try:
            with open(place, "rb") as file:
                content = file.read(LARGEST + 1)
        except OSError as error:
            raise OSError(f"path: cannot read {place}: {error.strerror}") from error
        try:
            return cls(_vocabulary(content))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{place}: expected the vocabulary of a WordTokenizer as JSON: {error}") from None


def to_the_end(ids: ArrayLike, end: int, count: int) -> np.ndarray:
    """Which places of integers [..., L] in 0..count - 1 stand before the first `end` or at it: bool [..., L].

    Raises
    ------
    ValueError : no integers, or others

    Examples
    --------
    >>> to_the_end([4, 1, 5, 5, 0], end=5, count=6)
    array([ True,  True,  True, False, False])
    """
    given = np.asarray(_checks.unmasked("ids", ids))
    if given.dtype.kind not in "iu" or given.ndim == 0 or given.size == 0:
        raise ValueError(f"ids: expected integers [..., L], got {given.dtype} of shape {list(given.shape)}")
    if given.min() < 0 or given.max() >= count:
        raise ValueError(f"ids: expected numbers in 0..{count - 1}, got {given.min()}..{given.max()}")
    ends = given == end
    return np.cumsum(ends, axis=-1) - ends == 0


def split(text: str) -> list[str]:
    """The words of a text, in small letters.

    Examples
    --------
    >>> split("  A big -- red PLANE, on the left.")
    ['a', 'big', 'red', 'plane', 'on', 'the', 'left']
    """
    return _WORD.findall(text.lower())


def named_texts(texts: Any) -> list[tuple[str, str]]:
    """A text or each of N, never none, with the name that a sentence about it begins with.

    Raises
    ------
    ValueError : something else than texts, no text
    """
    given = texts.tolist() if isinstance(texts, np.ndarray) else texts
    if isinstance(given, str):
        return [("texts", given)]
    _checks.instance("texts", given, Sequence)
    if len(given) == 0:
        raise ValueError("texts: expected at least one text, got none")
    return [(name := f"texts[{i}]", _checks.instance(name, text, str)) for i, text in enumerate(given)]


def named_words(texts: Any) -> list[tuple[str, list[str]]]:
    """The words of a text or of each of N, never none, with their text's name.

    Raises
    ------
    ValueError : as for `named_texts`; a text of no words
    """
    found = []
    for name, text in named_texts(texts):
        in_words = split(text)
        if not in_words:
            raise ValueError(f"{name}: expected at least one word, got {text[:LONGEST]!r}")
        found.append((name, in_words))
    return found


def check_known(name: str, found: Sequence[str], known: Collection[str]) -> None:
    """A ValueError that tells the words that are not known, and which ones they may be meant for."""
    unknown = [word for word in dict.fromkeys(found) if word not in known]
    if unknown:
        told = [f"{word[:LONGEST]!r}{_checks.meant(word[:LONGEST], known)}" for word in unknown[:NAMED]]
        more = f" and {len(unknown) - NAMED:,} more" if len(unknown) > NAMED else ""
        raise ValueError(f"{name}: expected words of the vocabulary, got {', '.join(told)}{more}")


def _vocabulary(content: bytes) -> tuple[str, ...]:
    """The words of a file in the order of their numbers, or a ValueError."""
    if len(content) > LARGEST:
        raise ValueError(f"expected at most {LARGEST:,} bytes, got more")
    pairs = json.loads(content.decode(), object_pairs_hook=tuple)  # as they stand, so that none is lost
    if not isinstance(pairs, tuple) or any(type(number) is not int for _, number in pairs):
        raise ValueError("expected a number for each word, got something else")
    in_order = sorted(pairs, key=lambda pair: pair[1])
    if [number for _, number in in_order] != list(range(len(pairs))):
        raise ValueError(f"expected the numbers 0..{len(pairs) - 1}, each once, got others")
    vocabulary = tuple(word for word, _ in in_order)
    if vocabulary[-2:] != (START, END):
        raise ValueError(f"expected {START} and {END} to have the two highest numbers, got {vocabulary[-2:]}")
    return vocabulary[:-2]
