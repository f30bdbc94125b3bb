"""A text projection in diffusers' layout: the same options and weights, to the bit, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.text_projection import OPTIONS, projection
from checks.unet import CASES

from numpy_diffusion.interop.diffusers import files, text_projections, unets
from numpy_diffusion.networks.unet.unet import UNet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text_projections.write(projection(), tmp_path / "text_proj")
    return tmp_path / "text_proj"


def changed(folder: Path, **options: Any) -> None:
    config = json.loads((folder / files.CONFIG).read_text()) | options
    kept = {name: value for name, value in config.items() if value is not None}
    (folder / files.CONFIG).write_text(json.dumps(kept))


def test_what_is_written_is_read_to_the_bit(folder: Path, tmp_path: Path) -> None:
    found = text_projections.read(str(folder))
    assert found.config == projection().config
    np.testing.assert_array_equal(found.buffer, projection().buffer)
    text_projections.write(found, tmp_path / "again")
    for name in (files.CONFIG, files.WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert sorted(os.listdir(folder)) == sorted([files.CONFIG, files.WEIGHTS])


def test_the_options_are_those_of_diffusers(folder: Path) -> None:
    config = json.loads((folder / files.CONFIG).read_text())
    known = {"_class_name": "UnCLIPTextProjModel", "_diffusers_version": files.DIFFUSERS}
    assert config == OPTIONS | known


def test_a_default_that_is_not_in_the_file(folder: Path) -> None:
    text_projections.write(projection(clip_extra_context_tokens=4), folder)
    changed(folder, clip_extra_context_tokens=None)
    assert text_projections.read(folder).config.clip_extra_context_tokens == 4


def test_what_is_not_one_is_refused(folder: Path, tmp_path: Path) -> None:
    for change, message in (
        ({"cross_attention_dim": 5}, r"clip_extra_context_tokens_proj\.\w+: "),
        ({"cross_attention_dim": None}, r"config\.json: cross_attention_dim: expected an integer"),
        ({"cross_attention_dim": 4, "clip_tokens": 3}, r"config\.json: clip_tokens: expected an option of UnCLIP"),
        ({"clip_tokens": None, "time_embed_dim": 0}, r"config\.json: time_embed_dim: expected an integer"),
    ):
        changed(folder, **change)
        with pytest.raises(ValueError, match=message):
            text_projections.read(folder)
    unets.write(UNet(**CASES["states"]), tmp_path / "unet")
    with pytest.raises(ValueError, match=r"_class_name: expected one of 'UnCLIPTextProjModel', got str 'UNet2D"):
        text_projections.read(tmp_path / "unet")
    with pytest.raises(ValueError, match=r"^model: expected a TextProjection, got UNet"):
        text_projections.write(UNet(**CASES["states"]), tmp_path / "unet")  # type: ignore[arg-type]
