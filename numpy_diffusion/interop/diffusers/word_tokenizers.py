"""A tokenizer of whole words in CLIP's files: pairs of letters that become one until each word is one token.

    words.json                   the words, which `read` reads
    vocab.json, merges.txt       the same for CLIP's tokenizer, see `clip_tokenizer`

What CLIP's tokenizer makes of a text of these words is what ours makes; punctuation, which ours leaves out, it has no
token for.  A word has letters of a to z alone, or is one digit: CLIP's goes by the bytes of other letters, and by
digits one at a time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from numpy_diffusion.data.words import END, START, WordTokenizer
from numpy_diffusion.interop.diffusers import clip_tokenizer
from numpy_diffusion.interop.diffusers.clip_tokenizer import END_OF_WORD, Merges

WORDS: Final = "words.json"
_WHOLE: Final = re.compile("[a-z]+|[0-9]")  # what CLIP's tokenizer does not take apart


def read(folder: Path) -> WordTokenizer:
    """The tokenizer of a folder that `write` wrote; errors as for `WordTokenizer.load`."""
    return WordTokenizer.load(folder / WORDS)


def write(tokenizer: WordTokenizer, folder: Path, length: int) -> int:
    """Write the folder, for texts of at most `length` tokens, and return how many tokens CLIP's files have.

    Raises
    ------
    OSError : a place that cannot be written
    ValueError : a word that CLIP's tokenizer would take apart
    """
    check_writable(tokenizer)
    pairs = merges(tokenizer.vocabulary)
    tokens = [*(word + END_OF_WORD for word in tokenizer.vocabulary), START, END]
    pieces = {piece for word in tokenizer.vocabulary for piece in _letters(word)} | {a + b for a, b in pairs}
    tokens += sorted(pieces - set(tokens))
    clip_tokenizer.write(folder, {token: number for number, token in enumerate(tokens)}, pairs, END, length)
    tokenizer.save(folder / WORDS)
    return len(tokens)


def check_writable(tokenizer: WordTokenizer) -> None:
    """ValueError where `write` would refuse the tokenizer."""
    for word in tokenizer.vocabulary:
        if not _WHOLE.fullmatch(word):
            what = "words of the letters a to z, as CLIP's files have no place for others"
            raise ValueError(f"tokenizer: expected {what}, got {word!r}")


def merges(words: Sequence[str]) -> Merges:
    """The pairs that become one, in order, until each word is one token (Sennrich et al. 2016, Algorithm 1).

    The most frequent pair goes first.  Who applies them in this order to one of the words goes the same way again.

    Examples
    --------
    >>> merges(["red", "bed"])
    [('e', 'd</w>'), ('b', 'ed</w>'), ('r', 'ed</w>')]
    """
    parts, found = [_letters(word) for word in words], []
    while counts := Counter(pair for part in parts for pair in pairwise(part)):
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        parts = [_joined(part, pair) for part in parts]
        found.append(pair)
    return found


def _letters(word: str) -> list[str]:
    return [*word[:-1], word[-1] + END_OF_WORD]


def _joined(part: list[str], pair: tuple[str, str]) -> list[str]:
    """The pieces of a word with each pair that stands in it made one, from the left."""
    joined: list[str] = []
    for piece in part:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined
