"""A prior in diffusers' layout: the same options, weights and statistics, to the bit, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from checks.priors import OPTIONS, noised, prior, texts

from numpy_diffusion.interop.diffusers import files, priors
from numpy_diffusion.networks.prior.prior import PriorTransformer
from numpy_diffusion.pipelines.folders import load_diffusers, save_diffusers


def example() -> PriorTransformer:
    made = prior()
    made.shift[:], made.scale[:] = [0.1, -0.2, 0.0, 3.0], [0.5, 0.25, 1.0, 2.0]
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_diffusers(example(), tmp_path / "prior")
    return tmp_path / "prior"


def changed(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write the weights anew, with these among them."""
    known = safetensors.numpy.load_file(folder / files.WEIGHTS)
    (folder / files.WEIGHTS).write_bytes(safetensors.numpy.save(known | tensors))


def test_what_is_written_is_read_to_the_bit(folder: Path, tmp_path: Path) -> None:
    found = load_diffusers(folder)
    assert isinstance(found, PriorTransformer)
    assert found.config == example().config
    for name in ("buffer", "shift", "scale"):
        np.testing.assert_array_equal(getattr(found, name), getattr(example(), name))
    z, t = noised()
    told = texts().arguments()
    np.testing.assert_array_equal(found(z, t, **told), example()(z, t, **told))
    priors.write(found, tmp_path / "again")
    for name in (files.CONFIG, files.WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert sorted(os.listdir(folder)) == sorted([files.CONFIG, files.WEIGHTS])


def test_names_and_options_are_those_of_diffusers(folder: Path) -> None:
    config = json.loads((folder / files.CONFIG).read_text())
    assert config.pop("_class_name") == "PriorTransformer"
    assert config.pop("_diffusers_version")
    assert config == example().options
    tensors = safetensors.numpy.load_file(folder / files.WEIGHTS)
    assert (tensors["clip_mean"].shape, tensors["clip_std"].tolist()) == ((1, 4), [[0.5, 0.25, 1.0, 2.0]])
    assert tensors.keys() - {"clip_mean", "clip_std"} == example().params.keys()


def test_options_that_the_file_lacks_have_diffusers_defaults(folder: Path) -> None:
    (folder / files.CONFIG).write_text(json.dumps(OPTIONS | {"_class_name": "PriorTransformer", "_hidden": 3}))
    assert priors.read(folder).config == example().config


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (dict(_class_name="UNet2DModel"), "_class_name: expected one of 'PriorTransformer', got"),
        (dict(norm_in_type="layer"), "norm_in_type: expected None, got 'layer'"),
        (dict(num_layers=10**9), "num_layers: expected an integer in 1"),
        (dict(width=3), "width: expected an option of PriorTransformer, got one that it does not have"),
    ],
)
def test_options_that_are_not_supported_are_named(change: dict[str, Any], sentence: str, folder: Path) -> None:
    config = json.loads((folder / files.CONFIG).read_text()) | change
    (folder / files.CONFIG).write_text(json.dumps(config))
    with pytest.raises(ValueError, match=rf"config\.json: {sentence}") as caught:
        priors.read(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"clip_std": np.zeros((1, 4), np.float32)}, "clip_std: expected deviations above 0, got 0"),
        ({"clip_std": np.ones((1, 5), np.float32)}, r"clip_std: expected shape \[1, 4\], got \[1, 5\]"),
        ({"clip_mean": np.full((1, 4), np.nan, np.float32)}, "clip_mean: expected finite values"),
        ({"prd_embedding": np.ones((1, 6), np.float32)}, r"prd_embedding: expected shape \[1, 1, 6\], got \[1, 6\]"),
        ({"norm_in.weight": np.ones(6, np.float32)}, r"norm_in\.weight: unexpected"),
    ],
)
def test_other_weights_are_refused(tensors: dict[str, np.ndarray], sentence: str, folder: Path) -> None:
    changed(folder, tensors)
    with pytest.raises(ValueError, match=rf"{files.WEIGHTS}: {sentence}"):
        priors.read(folder)


def test_what_has_no_place_there_is_not_written(tmp_path: Path) -> None:
    broken = example()
    broken.shift[0] = np.nan
    for model, sentence in (
        (broken, "model: clip_mean: expected finite"),
        (prior(np.float64), "model: expected float32 weights"),
        (None, "model: expected a PriorTransformer, got NoneType"),
    ):
        with pytest.raises(ValueError, match=f"^{sentence}"):
            priors.write(model, tmp_path / "prior")  # type: ignore[arg-type]
    assert not (tmp_path / "prior").exists()
