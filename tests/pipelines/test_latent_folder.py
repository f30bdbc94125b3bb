"""A StableDiffusionPipeline's folder: what is written is read, and what is missing or foreign is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.latents import PLACES, autoencoder, pipeline, text_encoder, unet

import numpy_diffusion as nd
from numpy_diffusion.data.words import WordTokenizer
from numpy_diffusion.interop.diffusers.clip_tokenizer import CLIPTokenizer
from numpy_diffusion.pipelines import latent_folder
from numpy_diffusion.sampling.spacing import Solver

TEXTS = ["a big red plane on the left", "tiny green star"]
FEW: dict[str, Any] = dict(steps=3, progress=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ours, not to be changed."""
    path = tmp_path_factory.mktemp("pipelines") / "scenes"
    pipeline(prediction="v", solver=Solver("ddim", "leading", 1, 1)).to_diffusers(path)
    return path


def test_what_is_written_is_read(folder: Path) -> None:
    pipe = pipeline(prediction="v", solver=Solver("ddim", "leading", 1, 1))
    found = nd.load_diffusers(folder)
    assert isinstance(found, nd.LatentPipeline)
    assert (found.prediction, found.solver, found.tokenizer) == (pipe.prediction, pipe.solver, pipe.tokenizer)
    assert found.autoencoder.scaling_factor == pytest.approx(0.7)
    np.testing.assert_array_equal(found.schedule.beta, pipe.schedule.beta)
    np.testing.assert_array_equal(found(TEXTS, **FEW), pipe(TEXTS, **FEW))


def test_clip_s_tokenizer_reads_the_same_words(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, copy := tmp_path / "copy")
    (copy / "tokenizer" / "words.json").unlink()
    found, own = nd.LatentPipeline.from_diffusers(copy), nd.LatentPipeline.from_diffusers(folder)
    assert isinstance(found.tokenizer, CLIPTokenizer)
    assert isinstance(own.tokenizer, WordTokenizer)
    np.testing.assert_array_equal(found.states(TEXTS), own.states(TEXTS))
    with pytest.raises(ValueError, match=r"texts\[0\]: expected at most 18 tokens, got 29"):
        found.states(["plane " * 29])
    np.testing.assert_array_equal(found(TEXTS, **FEW), own(TEXTS, **FEW))
    nd.save_diffusers(own, again := tmp_path / "again")
    nd.save_diffusers(found, again)  # in place of a pipeline with words of its own, of which nothing is left
    back = nd.load_diffusers(again)
    assert isinstance(back.tokenizer, CLIPTokenizer)
    np.testing.assert_array_equal(back(TEXTS, **FEW), own(TEXTS, **FEW))


def test_a_text_s_length_is_in_the_files(folder: Path) -> None:
    assert json.loads((folder / "tokenizer" / "tokenizer_config.json").read_text())["model_max_length"] == PLACES
    assert text_encoder().config.max_position_embeddings == PLACES


@pytest.mark.parametrize("part", latent_folder.PARTS)
def test_a_missing_part_is_named(folder: Path, tmp_path: Path, part: str) -> None:
    shutil.copytree(folder, copy := tmp_path / "copy")
    shutil.rmtree(copy / part)
    with pytest.raises(FileNotFoundError, match=f"found no {part}"):
        nd.load_diffusers(copy)


def test_other_kinds_and_halves_are_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, copy := tmp_path / "copy")
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps(index | {"_class_name": "StableDiffusionXLPipeline"}))
    with pytest.raises(ValueError, match="_class_name: expected one of 'StableDiffusionPipeline'"):
        nd.LatentPipeline.from_diffusers(copy)
    (copy / "model_index.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"found no model_index\.json in it"):
        nd.LatentPipeline.from_diffusers(copy)

    shutil.copy(folder / "model_index.json", copy)
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"diffusion_pytorch_model\.safetensors: .*got a file cut"):
        nd.LatentPipeline.from_diffusers(copy)

    shutil.rmtree(copy / "unet")
    shutil.copytree(folder / "vae", copy / "unet")
    with pytest.raises(ValueError, match="_class_name: expected"):
        nd.LatentPipeline.from_diffusers(copy)


def test_a_folder_that_is_cut_short_has_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, path = pipeline(), tmp_path / "scenes"
    pipe.to_diffusers(path)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(latent_folder.unets, "write", full)
    with pytest.raises(OSError, match="No space left"):
        pipe.to_diffusers(path)
    with pytest.raises(FileNotFoundError, match=r"found no model_index\.json in it"):
        nd.LatentPipeline.from_diffusers(path)


def test_what_files_have_no_place_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="solver: expected one that a scheduler of diffusers"):
        pipeline(solver=Solver("ddim", "karras")).to_diffusers(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_what_is_refused_leaves_the_folder_as_it_was(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, copy := tmp_path / "copy")
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    shifted, double = unet(), text_encoder(dtype=np.float64)
    shifted.shift[:] = 1.0
    broken = autoencoder()
    broken.buffer[3] = np.nan
    for changes, message in (
        (dict(unet=shifted), "model: expected shift 0 and scale 1"),
        (dict(text_encoder=double), "model: expected float32 weights"),
        (dict(autoencoder=broken), "model: .*expected finite values"),
    ):
        with pytest.raises(ValueError, match=message):
            pipeline(**changes).to_diffusers(copy)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
