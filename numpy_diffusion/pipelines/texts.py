"""What a pipeline is told: texts as tokens, and as what an encoder makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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


def ids(tokenizer: Tokenizer, encoder: Encoder, texts: str | Sequence[str]) -> np.ndarray:
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
    different, place = _different(tokenizer, encoder, texts, n)
    return np.concatenate([encoder(row[None]) for row in different])[place]


def nothing(tokenizer: Tokenizer, encoder: CLIPText) -> np.ndarray:
    """The states of a text that is left out, for guidance: float32 [L, D]."""
    return encoder(_ids_of_nothing(tokenizer, encoder))[0]


class Encoded(NamedTuple):
    """What CLIP makes of texts.

    Attributes
    ----------
    embedding : float32 [n, D]
    states : of all places that the encoder has, float32 [n, L, hidden_size]
    mask : which of them are of the text, from the start to the first end, bool [n, L]
    """

    embedding: np.ndarray
    states: np.ndarray
    mask: np.ndarray


def encoded(
    tokenizer: Tokenizer, encoder: CLIPTextWithProjection, texts: str | Sequence[str], n: int | None = None
) -> Encoded:
    """What the encoder makes of the texts, of one for all or of one for each of n pictures; as for `states`."""
    different, place = _different(tokenizer, encoder, texts, n)
    return Encoded(*(values[place] for values in _encoded(tokenizer, encoder, different)))


def encoded_nothing(tokenizer: Tokenizer, encoder: CLIPTextWithProjection) -> Encoded:
    """What the encoder makes of a text that is left out: rows of one."""
    return _encoded(tokenizer, encoder, _ids_of_nothing(tokenizer, encoder))


def _encoded(tokenizer: Tokenizer, encoder: CLIPTextWithProjection, found: np.ndarray) -> Encoded:
    each = [encoder(row[None]) for row in found]
    embedding, states = (np.concatenate(values) for values in zip(*each, strict=True))
    return Encoded(embedding, states, tokenizer.mask(found))


def _different(
    tokenizer: Tokenizer, encoder: Encoder, texts: str | Sequence[str], n: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """The ids of each text once [K, L], and which of them each of the n pictures is of [n]."""
    found = ids(tokenizer, encoder, texts)
    count = len(found) if n is None else _checks.integer("n", n, 1)
    if len(found) not in (1, count):
        raise ValueError(f"texts: expected one, or one for each of {count} pictures, got {len(found)}")
    different, place = np.unique(found, axis=0, return_inverse=True)
    return different, np.broadcast_to(place.ravel(), count)


def _ids_of_nothing(tokenizer: Tokenizer, encoder: Encoder) -> np.ndarray:
    return tokenizer.nothing[None, : encoder.config.max_position_embeddings]
