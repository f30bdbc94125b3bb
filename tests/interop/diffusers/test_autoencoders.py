"""An autoencoder in diffusers' layout: the same options and weights, to the bit, here and there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from checks.autoencoders import autoencoder, shown

from numpy_diffusion.interop.diffusers import autoencoders, files
from numpy_diffusion.networks.autoencoder.autoencoder import AutoencoderKL
from numpy_diffusion.pipelines.folders import load_diffusers, save_diffusers

OLD = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = autoencoder()
    model.scaling_factor = 0.25
    save_diffusers(model, tmp_path / "vae")
    return tmp_path / "vae"


def test_what_is_written_is_read_to_the_bit(folder: Path) -> None:
    found = load_diffusers(folder)
    assert isinstance(found, AutoencoderKL)
    assert (found.scaling_factor, found.config.scaling_factor) == (0.25, 0.25)
    np.testing.assert_array_equal(found.buffer, autoencoder().buffer)
    x, _ = shown(found)
    np.testing.assert_array_equal(found.encode(x).mean, autoencoder().encode(x).mean)
    assert sorted(os.listdir(folder)) == sorted([files.CONFIG, files.WEIGHTS])
    assert json.loads((folder / files.CONFIG).read_text())["_class_name"] == "AutoencoderKL"


def test_old_attention_names_are_read(folder: Path) -> None:
    tensors = safetensors.numpy.load_file(folder / files.WEIGHTS)
    old = {}
    for name, values in tensors.items():
        for new, before in OLD.items():
            name = name.replace(new, before)
        old[name] = values
    assert len(old.keys() - tensors.keys()) == 16  # two attentions
    safetensors.numpy.save_file(old, folder / files.WEIGHTS, metadata={"format": "pt"})
    np.testing.assert_array_equal(autoencoders.read(folder).buffer, autoencoder().buffer)


def test_options_that_the_file_lacks_have_diffusers_defaults(folder: Path) -> None:
    """As in folders of 2022, which say nothing of a scaling factor."""
    config = json.loads((folder / files.CONFIG).read_text())
    for name in ("scaling_factor", "use_quant_conv", "force_upcast", "mid_block_add_attention"):
        del config[name]
    (folder / files.CONFIG).write_text(json.dumps(config))
    assert autoencoders.read(folder).scaling_factor == 0.18215


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_class_name": "UNet2DModel"}, r"config\.json: _class_name: expected .*'AutoencoderKL', got"),
        ({"act_fn": "relu"}, r"config\.json: act_fn: expected"),
        ({"sample_size": 2**20}, r"config\.json: sample_size: expected"),
        ({"latent_channels": 3}, r"safetensors: .*: expected shape"),
        ({"layers_per_block": 10**9}, r"config\.json: layers_per_block: expected"),
    ],
)
def test_what_is_foreign_is_one_sentence(change: dict[str, Any], message: str, folder: Path) -> None:
    config = json.loads((folder / files.CONFIG).read_text()) | change
    (folder / files.CONFIG).write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message) as caught:
        autoencoders.read(folder)
    assert "\n" not in str(caught.value)


def test_a_pickle_is_refused(folder: Path) -> None:
    (folder / files.WEIGHTS).rename(folder / files.DIFFUSERS_LIBRARY.pickle)
    with pytest.raises(ValueError, match=r"\.bin: .* a pickle.* AutoencoderKL\.from_pretrained"):
        autoencoders.read(folder)


def test_what_is_no_autoencoder_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^model: expected an? AutoencoderKL, got "):
        autoencoders.write(None, tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^model: expected float32 weights, got "):
        autoencoders.write(autoencoder(dtype=np.float64), tmp_path)
