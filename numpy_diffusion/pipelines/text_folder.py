"""What the folders of all pipelines from texts to pictures have alike: an index of parts, and a tokenizer.

model_index.json     names the parts; it is written last, so that a folder cut short has none
tokenizer/           vocab.json and merges.txt, and words.json of one that was not CLIP's
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from numpy_diffusion import _files
from numpy_diffusion.data.words import WordTokenizer
from numpy_diffusion.interop.diffusers import files, word_tokenizers
from numpy_diffusion.interop.diffusers.clip_tokenizer import CLIPTokenizer
from numpy_diffusion.interop.diffusers.files import Options
from numpy_diffusion.networks.clip.clip_text import TextEncoder
from numpy_diffusion.networks.clip.config import TOKENS
from numpy_diffusion.pipelines.ddpm import INDEX
from numpy_diffusion.pipelines.texts import Tokenizer

TOKENIZER: Final = "tokenizer"
Encoder = TypeVar("Encoder", bound=TextEncoder)


def opened(folder: Path, kind: str, parts: Iterable[str]) -> Options:
    """What stands in the index.

    Raises
    ------
    OSError : a folder, index or part that is missing or cannot be read
    ValueError : an index that is foreign, or of another kind
    """
    index = files.read_json(folder, INDEX, (kind,))
    for name in parts:
        if not (folder / name).is_dir():
            raise FileNotFoundError(f"{folder}: expected a {kind}'s folder with {', '.join(parts)}, found no {name}")
    return index


def closed(folder: Path) -> None:
    """Take the index away, as what is there is to be written over; OSError where that cannot be."""
    with _files.os_errors_about("folder", folder):
        (folder / INDEX).unlink(missing_ok=True)


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a pipeline's folder: with its own words where they are there, else CLIP's."""
    own = folder / TOKENIZER
    words = (own / word_tokenizers.WORDS).exists()
    return word_tokenizers.read(own) if words else CLIPTokenizer.from_folder(own)


def check_tokenizer(tokenizer: Tokenizer) -> None:
    """ValueError where `write_tokenizer` would refuse it."""
    if isinstance(tokenizer, WordTokenizer):
        word_tokenizers.check_writable(tokenizer)


def write_tokenizer(folder: Path, tokenizer: Tokenizer, encoder: Encoder) -> Encoder:
    """Write the tokenizer of a pipeline's folder, and return the encoder with room for all tokens of its files."""
    own, places = folder / TOKENIZER, encoder.config.max_position_embeddings
    if isinstance(tokenizer, WordTokenizer):
        return _widened(encoder, word_tokenizers.write(tokenizer, own, places))
    with _files.os_errors_about("folder", folder):
        (own / word_tokenizers.WORDS).unlink(missing_ok=True)  # of another pipeline
    tokenizer.to_folder(own, places)
    return encoder


def _widened(encoder: Encoder, tokens: int) -> Encoder:
    """The encoder with room for more tokens, which no text has: pieces of words on the way to whole ones."""
    if encoder.config.vocab_size >= tokens:
        return encoder
    options: dict[str, Any] = encoder.options | {"vocab_size": tokens}
    wide = type(encoder).empty(**options)
    table = np.zeros_like(wide.params[TOKENS])
    table[: encoder.config.vocab_size] = encoder.params[TOKENS]
    wide.fill(encoder.params | {TOKENS: table})
    return wide
