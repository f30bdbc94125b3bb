"""What a pipeline is told: texts as tokens, and as the states that its networks attend to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.data.words import WordTokenizer, named_texts
from numpy_diffusion.interop.diffusers.clip_tokenizer import CLIPTokenizer
from numpy_diffusion.networks.clip.clip_text import CLIPText
from numpy_diffusion.networks.clip.clip_text_projection import CLIPTextWithProjection

Tokenizer = WordTokenizer | CLIPTokenizer
Encoder = CLIPText | CLIPTextWithProjection


def check_tokenizer(tokenizer: Tokenizer, encoder: Encoder) -> None:
    """ValueError where it is none, or has more tokens than the encoder."""
    if not isinstance(tokenizer, Tokenizer):
        raise ValueError(f"tokenizer: expected a WordTokenizer or a CLIPTokenizer, got {type(tokenizer).__name__}")
    if len(tokenizer) > (known := encoder.config.vocab_size):
        raise ValueError(f"tokenizer: expected at most the encoder's {known:,} tokens, got {len(tokenizer):,}")


def ids(tokenizer: Tokenizer, encoder: CLIPText, texts: str | Sequence[str]) -> np.ndarray:
    """The texts as the encoder reads them, of as many tokens as it has places: int64 [N, L].

    Raises
    ------
    ValueError : a text that the tokenizer does not take, or of more tokens than there are places
    """
    found, places = tokenizer(texts), encoder.config.max_position_embeddings
    used = tokenizer.mask(found).sum(axis=1)
    if (long := np.flatnonzero(used > places)).size:
        name, what = named_texts(texts)[long[0]][0], "words" if isinstance(tokenizer, WordTokenizer) else "tokens"
        raise ValueError(f"{name}: expected at most {places - 2} {what}, got {used[long[0]] - 2}")
    return found[:, :places]


def states(tokenizer: Tokenizer, encoder: CLIPText, texts: str | Sequence[str], n: int | None = None) -> np.ndarray:
    """The states of the texts, of one for all or of one for each of n pictures: float32 [n, L, D].

    Each text goes through the encoder alone: a product of matrices rounds by their size.

    Raises
    ------
    ValueError : as for `ids`, and another number of texts
    """
    found = ids(tokenizer, encoder, texts)
    count = len(found) if n is None else _checks.integer("n", n, 1)
    if len(found) not in (1, count):
        raise ValueError(f"texts: expected one, or one for each of {count} pictures, got {len(found)}")
    different, place = np.unique(found, axis=0, return_inverse=True)
    alone = np.concatenate([encoder(row[None]) for row in different])
    return alone[np.broadcast_to(place.ravel(), count)]


def nothing(tokenizer: Tokenizer, encoder: CLIPText) -> np.ndarray:
    """The states of a text that is left out, for guidance: float32 [L, D]."""
    return encoder(tokenizer.nothing[None, : encoder.config.max_position_embeddings])[0]
