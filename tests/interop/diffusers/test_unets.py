"""A U-Net in diffusers' layout: the same options and weights, to the bit, here and there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from checks.diffusers_folders import OPTIONS, example, refused

from numpy_diffusion.interop.diffusers import files, unets
from numpy_diffusion.networks.unet.unet import UNet

CONFIG, WEIGHTS = files.CONFIG, files.WEIGHTS
FIRST = "conv_in.bias"  # a tensor of the network, [4]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    unets.write(example(), tmp_path / "unet")
    return tmp_path / "unet"


# What stands in the folder


def test_what_is_written_is_read_to_the_bit(folder: Path, tmp_path: Path) -> None:
    found = unets.read(str(folder))
    assert found.config == example().config
    assert list(found.params) == list(example().params)
    np.testing.assert_array_equal(found.buffer, example().buffer)
    unets.write(found, tmp_path / "again")
    for name in (CONFIG, WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert sorted(os.listdir(folder)) == sorted([CONFIG, WEIGHTS])


def test_the_files_are_what_diffusers_writes(folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text())
    assert config["_class_name"] == "UNet2DModel"
    assert re.fullmatch(r"\d+\.\d+\.\d+", config["_diffusers_version"])
    assert {name: config[name] for name in OPTIONS} == OPTIONS
    with safetensors.safe_open(folder / WEIGHTS, "numpy") as file:
        assert file.metadata() == {"format": "pt"}
    tensors = safetensors.numpy.load_file(folder / WEIGHTS)
    np.testing.assert_array_equal(tensors[FIRST], example().params[FIRST])


def test_options_that_the_file_lacks_have_diffusers_defaults(folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text())
    del config["norm_eps"], config["freq_shift"], config["_diffusers_version"]
    (folder / CONFIG).write_text(json.dumps(config))
    found = unets.read(folder)
    assert (found.config.norm_eps, found.config.freq_shift) == (1e-5, 0)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda model: model.shift.__setitem__(..., 0.5), "shift 0 and scale 1"),
        (lambda model: model.scale.__setitem__(..., 2.0), "shift 0 and scale 1"),
        (lambda model: model.params[FIRST].__setitem__(2, np.nan), f"model: {FIRST}: expected finite"),
    ],
)
def test_what_has_no_place_there_is_not_written(spoil: Callable[[UNet], None], sentence: str, tmp_path: Path) -> None:
    model = example()
    spoil(model)
    with pytest.raises(ValueError, match=sentence):
        unets.write(model, tmp_path / "unet")
    assert not (tmp_path / "unet").exists()


def test_a_network_that_attends_to_states_comes_back_as_itself(tmp_path: Path) -> None:
    blocks = dict(down_block_types=["CrossAttnDownBlock2D"], up_block_types=["CrossAttnUpBlock2D"])
    model = UNet(sample_size=4, block_out_channels=[8], norm_num_groups=4, cross_attention_dim=3, **blocks)
    unets.write(model, tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text())
    assert (config["_class_name"], config["cross_attention_dim"]) == ("UNet2DConditionModel", 3)
    found = unets.read(tmp_path)
    assert found.config == model.config
    np.testing.assert_array_equal(found.buffer, model.buffer)
    (tmp_path / WEIGHTS).rename(tmp_path / files.DIFFUSERS_LIBRARY.pickle)
    refused(tmp_path, "UNet2DConditionModel.from_pretrained")


def test_double_precision_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="model: expected float32 weights"):
        unets.write(UNet(**OPTIONS, dtype=np.float64), tmp_path / "unet")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("time_embedding_type", "fourier"),
        ("resnet_time_scale_shift", "ada_group"),
        ("class_embed_type", "timestep"),
        ("down_block_types", ["SkipDownBlock2D", "AttnDownBlock2D"]),
        ("downsample_type", "resnet"),
        ("center_input_sample", True),
        ("cross_attention_dim", 768),
        ("norm_eps", float("nan")),
        ("sample_size", None),
        ("sample_size", 2**40),
        ("sample_size", [4, 2**40]),
        ("layers_per_block", 10**9),
        ("block_out_channels", "44"),
    ],
)
def test_options_that_are_not_supported_are_named(folder: Path, option: str, value: Any) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {option: value}))
    refused(folder, CONFIG, option)
