"""What the folders of pipelines from texts have alike: an index that names the kind, and a tokenizer that fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks import latents, unclip

from numpy_diffusion.data import captions
from numpy_diffusion.data.words import WordTokenizer
from numpy_diffusion.interop.diffusers import files
from numpy_diffusion.interop.diffusers.clip_tokenizer import CLIPTokenizer
from numpy_diffusion.networks.clip.config import TOKENS
from numpy_diffusion.pipelines import text_folder
from numpy_diffusion.pipelines.ddpm import INDEX

PARTS = ("one", "two")


def test_an_index_is_opened_with_its_parts_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"found no model_index\.json in it"):
        text_folder.opened(tmp_path, "This", PARTS)
    files.write_json(tmp_path, INDEX, "This", {"one": ["a", "B"]})
    (tmp_path / "one").mkdir()
    (tmp_path / "two").write_text("")  # no folder
    with pytest.raises(FileNotFoundError, match="expected a This's folder with one, two, found no two"):
        text_folder.opened(tmp_path, "This", PARTS)
    assert text_folder.opened(tmp_path, "This", PARTS[:1])["one"] == ["a", "B"]
    with pytest.raises(ValueError, match=r"model_index\.json: _class_name: expected one of 'That'"):
        text_folder.opened(tmp_path, "That", PARTS)
    text_folder.closed(tmp_path)
    text_folder.closed(tmp_path)
    assert not (tmp_path / INDEX).exists()


@pytest.mark.parametrize("encoder", [latents.text_encoder(), unclip.text_encoder()])
def test_a_tokenizer_of_words_is_written_with_room_for_its_pieces(encoder: Any, tmp_path: Path) -> None:
    """The encoder answers the same, and CLIP's tokenizer of these files writes no number that it does not know."""
    tokenizer = captions.tokenizer()
    wide = text_folder.write_tokenizer(tmp_path, tokenizer, encoder)
    assert text_folder.read_tokenizer(tmp_path) == tokenizer
    assert type(wide) is type(encoder)
    assert wide.config.vocab_size > encoder.config.vocab_size
    assert not wide.params[TOKENS][encoder.config.vocab_size :].any()
    ids = tokenizer(["a big red plane on the left", "plane"])[:, : encoder.config.max_position_embeddings]
    for found, expected in zip(wide(ids), encoder(ids), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert text_folder.write_tokenizer(tmp_path, tokenizer, wide) is wide

    (tmp_path / "tokenizer" / "words.json").unlink()
    there = text_folder.read_tokenizer(tmp_path)
    assert isinstance(there, CLIPTokenizer)
    assert len(there) == wide.config.vocab_size


def test_clip_s_tokenizer_takes_the_place_of_words(tmp_path: Path) -> None:
    encoder = unclip.text_encoder()
    wide = text_folder.write_tokenizer(tmp_path, captions.tokenizer(), encoder)
    clip_s = CLIPTokenizer.from_folder(tmp_path / "tokenizer")
    assert text_folder.write_tokenizer(tmp_path, clip_s, wide) is wide
    found = text_folder.read_tokenizer(tmp_path)
    assert isinstance(found, CLIPTokenizer)
    assert found.vocabulary == clip_s.vocabulary
    written = files.read_options(tmp_path / "tokenizer", "tokenizer_config.json")
    assert written["model_max_length"] == encoder.config.max_position_embeddings


def test_a_word_that_clip_takes_apart_is_refused() -> None:
    text_folder.check_tokenizer(captions.tokenizer())
    with pytest.raises(ValueError, match="tokenizer: expected words of the letters a to z"):
        text_folder.check_tokenizer(WordTokenizer(["rød"]))
