"""A text encoder in transformers' layout: the same options and weights, to the bit, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from checks.clip import IDS, OPTIONS, encoder, projecting, vision

from numpy_diffusion.interop.diffusers import files, text_encoders
from numpy_diffusion.networks.clip.clip_text import CLIPText

CONFIG, WEIGHTS, PICKLE = files.CONFIG, files.TRANSFORMERS_LIBRARY.weights, files.TRANSFORMERS_LIBRARY.pickle
FIRST = "text_model.embeddings.token_embedding.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text_encoders.write(encoder(), tmp_path / "text_encoder")
    return tmp_path / "text_encoder"


def changed(folder: Path, **options: Any) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | options))


def saved(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write the weights anew, with these among them."""
    known = safetensors.numpy.load_file(folder / WEIGHTS)
    (folder / WEIGHTS).write_bytes(safetensors.numpy.save(known | tensors))


def test_what_is_written_is_read_to_the_bit(folder: Path, tmp_path: Path) -> None:
    found = text_encoders.read(str(folder))
    assert found.config == encoder().config
    assert list(found.params) == list(encoder().params)
    np.testing.assert_array_equal(found.buffer, encoder().buffer)
    text_encoders.write(found, tmp_path / "again")
    for name in (CONFIG, WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert sorted(os.listdir(folder)) == sorted([CONFIG, WEIGHTS])


def test_the_options_are_those_of_transformers(folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text())
    assert config == OPTIONS | dict(
        architectures=["CLIPTextModel"], model_type="clip_text_model", hidden_act="quick_gelu", layer_norm_eps=1e-5
    )


def test_options_that_change_nothing_are_left_out(folder: Path) -> None:
    changed(folder, torch_dtype="float32", projection_dim=768, attention_dropout=0.0, transformers_version="4.22.0")
    assert text_encoders.read(folder).config == encoder().config


def test_the_numbers_of_places_are_left_out(folder: Path) -> None:
    name = "text_model.embeddings.position_ids"
    for values, sentence in (
        (np.arange(5)[None], None),
        (np.arange(6)[None], r"expected shape \[1, 5\], got \[1, 6\]"),
        (np.zeros((1, 5), np.float32), r"dtype: expected one of 'I64', got str 'F32'"),
    ):
        saved(folder, {name: values})
        if sentence is None:
            np.testing.assert_array_equal(text_encoders.read(folder)(IDS), encoder()(IDS))
        else:
            with pytest.raises(ValueError, match=rf"{WEIGHTS}: {name}: {sentence}"):
                text_encoders.read(folder)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (np.zeros((8, 4), np.float32), r"expected shape \[7, 4\], got \[8, 4\]"),
        (np.zeros((7, 4), np.int64), r"dtype: expected one of 'F32', 'F16', got str 'I64'"),
        (np.full((7, 4), np.nan, np.float32), r"expected finite values"),
    ],
)
def test_other_weights_are_refused(values: np.ndarray, sentence: str, folder: Path) -> None:
    saved(folder, {FIRST: values})
    with pytest.raises(ValueError, match=rf"{WEIGHTS}: {FIRST}: {sentence}"):
        text_encoders.read(folder)


def test_a_tensor_of_another_class_is_unexpected(folder: Path) -> None:
    saved(folder, {"text_projection.weight": np.zeros((4, 4), np.float32)})
    with pytest.raises(
        ValueError, match=r"text_projection\.weight: unexpected: expected the tensors of config\.json"
    ):
        text_encoders.read(folder)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (dict(architectures=["CLIPModel"]), "architectures: expected one of 'CLIPTextModel', got str 'CLIPModel'"),
        (
            dict(architectures=["BertModel", "CLIPTextModel"]),
            "architectures: expected one of 'CLIPTextModel', got list",
        ),
        (dict(architectures=None), "architectures: expected one of 'CLIPTextModel', got NoneType"),
        (dict(hidden_act="relu"), "hidden_act: expected one of 'quick_gelu', 'gelu', 'gelu_new', got str 'relu'"),
        (dict(num_hidden_layers=10**9), "num_hidden_layers: expected an integer in 1"),
        (dict(num_attention_heads=3), "num_attention_heads: expected a divisor of hidden_size 4, got 3"),
    ],
)
def test_options_that_are_not_supported_are_named(options: dict[str, Any], sentence: str, folder: Path) -> None:
    changed(folder, **options)
    with pytest.raises(ValueError, match=rf"config\.json: {sentence}") as caught:
        text_encoders.read(folder)
    assert "\n" not in str(caught.value)


def test_a_pickle_is_not_opened(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / PICKLE)
    with pytest.raises(
        ValueError, match=rf"{PICKLE}: expected {WEIGHTS}, got a pickle.* transformers: CLIPTextModel"
    ):
        text_encoders.read(folder)


def test_float16_becomes_float32(folder: Path) -> None:
    half = {name: values.astype(np.float16) for name, values in encoder().params.items()}
    saved(folder, half)
    found = text_encoders.read(folder)
    assert found.buffer.dtype == np.float32
    np.testing.assert_array_equal(found.params[FIRST], half[FIRST].astype(np.float32))


def test_what_has_no_place_there_is_not_written(tmp_path: Path) -> None:
    broken = encoder()
    broken.buffer[0] = np.nan
    for model, sentence in (
        (broken, f"model: {FIRST}: expected finite"),
        (CLIPText(**OPTIONS, dtype=np.float64), "model: expected float32 weights"),
        (None, "model: expected an encoder of CLIP, got NoneType"),
    ):
        with pytest.raises(ValueError, match=f"^{sentence}"):
            text_encoders.write(model, tmp_path / "text_encoder")  # type: ignore[arg-type]
    assert not (tmp_path / "text_encoder").exists()


# With a projection


MADE: dict[str, Any] = {"CLIPTextModelWithProjection": projecting, "CLIPVisionModelWithProjection": vision}


@pytest.mark.parametrize("kind", MADE)
def test_encoders_with_a_projection_are_read_to_the_bit(kind: str, tmp_path: Path) -> None:
    made = MADE[kind]()
    text_encoders.write(made, tmp_path / "one")
    for found in (text_encoders.read_as(tmp_path / "one", type(made)), text_encoders.read_any(tmp_path / "one")):
        assert type(found) is type(made)
        assert found.config == made.config
        np.testing.assert_array_equal(found.buffer, made.buffer)
    text_encoders.write(found, tmp_path / "again")
    for name in (CONFIG, WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    config = json.loads((tmp_path / "one" / CONFIG).read_text())
    model_type = "clip_text_model" if kind.startswith("CLIPText") else "clip_vision_model"
    assert config == made.options | dict(architectures=[kind], model_type=model_type)


def test_each_class_is_read_as_itself_alone(folder: Path, tmp_path: Path) -> None:
    assert type(text_encoders.read_any(folder)) is CLIPText
    with pytest.raises(ValueError, match=r"expected one of 'CLIPVisionModelWithProjection', got str 'CLIPTextModel'"):
        text_encoders.read_as(folder, type(vision()))
    text_encoders.write(projecting(), tmp_path / "projecting")
    with pytest.raises(ValueError, match=r"expected one of 'CLIPTextModel', got str 'CLIPTextModelWithProjection'"):
        text_encoders.read(tmp_path / "projecting")
    changed(folder, architectures=["BertModel"])
    with pytest.raises(ValueError, match=r"'CLIPTextModelWithProjection', 'CLIPVisionModelWithProjection', got str"):
        text_encoders.read_any(folder)


def test_the_numbers_of_an_images_places_are_left_out(tmp_path: Path) -> None:
    text_encoders.write(vision(), tmp_path)
    name = "vision_model.embeddings.position_ids"
    saved(tmp_path, {name: np.arange(5)[None]})
    np.testing.assert_array_equal(text_encoders.read_any(tmp_path).buffer, vision().buffer)
    saved(tmp_path, {name: np.arange(4)[None]})
    with pytest.raises(ValueError, match=rf"{WEIGHTS}: {name}: expected shape \[1, 5\], got \[1, 4\]"):
        text_encoders.read_any(tmp_path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (dict(projection_dim=None), "projection_dim: expected an integer of at least 1, got NoneType"),
        (dict(projection_dim=10**9), ".*visual_projection.weight: expected shape"),
        (dict(patch_size=3), "patch_size: expected a divisor of image_size 4, got 3"),
        (dict(image_size=10**6, patch_size=1), "sample_size: expected an integer in 1..4096, got 1000000"),
        (dict(num_hidden_layers=10**9), "num_hidden_layers: expected an integer in 1"),
        (dict(hidden_act="relu"), "hidden_act: expected one of"),
    ],
)
def test_options_of_an_image_encoder_that_are_not_supported_are_named(
    options: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    text_encoders.write(vision(), tmp_path)
    changed(tmp_path, **options)
    with pytest.raises(ValueError, match=sentence) as caught:
        text_encoders.read_any(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_pickle_of_an_image_encoder_is_not_opened(tmp_path: Path) -> None:
    text_encoders.write(vision(), tmp_path)
    (tmp_path / WEIGHTS).rename(tmp_path / PICKLE)
    with pytest.raises(ValueError, match=r"got a pickle.* transformers: CLIPVisionModelWithProjection\.from_pretr"):
        text_encoders.read_any(tmp_path)


def test_broken_weights_are_not_written(tmp_path: Path) -> None:
    broken = vision()
    broken.buffer[0] = np.inf
    with pytest.raises(ValueError, match=r"^model: vision_model\.embeddings\.class_embedding: expected finite"):
        text_encoders.write(broken, tmp_path / "vision")
    assert not (tmp_path / "vision").exists()
