"""Whatever a folder of diffusers holds is opened as what it is, and what is none is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.clip import encoder, projecting, vision
from checks.diffusers_folders import example
from checks.text_projection import projection

from numpy_diffusion.interop.diffusers import files, layouts, schedulers, unets
from numpy_diffusion.interop.diffusers.text_encoders import Encoder
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.networks.text_projection.text_projection import TextProjection
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.pipelines import ddpm
from numpy_diffusion.pipelines.ddpm import Pipeline
from numpy_diffusion.pipelines.folders import keep_layouts, load_diffusers, save_diffusers
from numpy_diffusion.process.schedules import Schedule

PIPELINE = Pipeline(example(), Schedule.cosine(T=10), "v", 1.5, "beta_tilde")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pipeline's, with a network's and a scheduler's in it."""
    save_diffusers(PIPELINE, tmp_path / "pipeline")
    return tmp_path / "pipeline"


def test_a_pipeline_is_opened_as_one(folder: Path) -> None:
    for place in (folder, str(folder)):
        found = load_diffusers(place)
        assert isinstance(found, Pipeline)
        assert found[2:] == PIPELINE[2:]
        np.testing.assert_array_equal(found.unet.buffer, PIPELINE.unet.buffer)
        np.testing.assert_array_equal(found.schedule.beta, PIPELINE.schedule.beta)


def test_a_network_is_opened_as_one(folder: Path) -> None:
    found = load_diffusers(folder / "unet")
    assert isinstance(found, UNet)
    assert found.config == example().config
    np.testing.assert_array_equal(found.buffer, example().buffer)


@pytest.mark.parametrize("make", [encoder, projecting, vision])
def test_an_encoder_is_opened_as_one(make: Callable[[], Encoder], tmp_path: Path) -> None:
    save_diffusers(make(), tmp_path / "encoder")
    found = load_diffusers(tmp_path / "encoder")
    assert type(found) is type(make())
    assert found.config == make().config
    np.testing.assert_array_equal(found.buffer, make().buffer)


def test_a_text_projection_is_opened_as_one(tmp_path: Path) -> None:
    save_diffusers(projection(), tmp_path / "projection")
    found = load_diffusers(tmp_path / "projection")
    assert isinstance(found, TextProjection)
    assert found.config == projection().config
    np.testing.assert_array_equal(found.buffer, projection().buffer)


def test_a_scheduler_is_opened_as_a_schedule(folder: Path) -> None:
    found = load_diffusers(folder / "scheduler")
    assert isinstance(found, Schedule)
    assert found.name == "cosine"
    np.testing.assert_array_equal(found.beta, PIPELINE.schedule.beta)


def test_a_pipeline_whose_parts_lie_beside_its_index_is_one(folder: Path) -> None:
    """Though it has a config.json, as a network's folder has."""
    for part in ("unet", "scheduler"):
        for path in (folder / part).iterdir():
            path.rename(folder / path.name)
        (folder / part).rmdir()
    assert isinstance(load_diffusers(folder), Pipeline)
    (folder / ddpm.INDEX).unlink()
    assert isinstance(load_diffusers(folder), UNet)
    (folder / files.CONFIG).unlink()
    assert isinstance(load_diffusers(folder), Schedule)
    (folder / schedulers.FILE).unlink()
    with pytest.raises(FileNotFoundError, match=r"pipeline: expected a folder in diffusers' layout, found no "):
        load_diffusers(folder)


@pytest.mark.parametrize("name", ["none", "empty", "file"])
def test_what_is_no_folder_of_diffusers_is_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("{}")
    with pytest.raises(FileNotFoundError, match=rf"{name}: expected a folder in diffusers' layout, found ") as caught:
        load_diffusers(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("index", [ddpm.INDEX, files.CONFIG])
def test_a_foreign_class_is_named(index: str, tmp_path: Path) -> None:
    files.write_json(tmp_path, index, "VQModel", {})
    with pytest.raises(ValueError, match=rf"{index}: _class_name: expected .*, got .*VQModel"):
        load_diffusers(tmp_path)


@pytest.mark.parametrize("value", [None, 3, b"run"])
def test_a_path_must_be_one(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^folder: expected a path, got "):
        load_diffusers(value)
    for model in (example(), PIPELINE):
        with pytest.raises(ValueError, match=r"^folder: expected a path, got "):
            save_diffusers(model, value)


def test_a_network_and_a_pipeline_are_saved_as_themselves(tmp_path: Path) -> None:
    save_diffusers(example(), tmp_path / "saved")
    unets.write(example(), tmp_path / "written")
    PIPELINE.to_diffusers(tmp_path / "pipeline")
    save_diffusers(PIPELINE, tmp_path / "again")
    for one, two in (("saved", "written"), ("again", "pipeline")):
        names = sorted(path.relative_to(tmp_path / one) for path in (tmp_path / one).rglob("*.*"))
        assert names == sorted(path.relative_to(tmp_path / two) for path in (tmp_path / two).rglob("*.*"))
        assert names
        for name in names:
            assert (tmp_path / one / name).read_bytes() == (tmp_path / two / name).read_bytes()


@pytest.mark.parametrize(
    "model", [None, MLP(2, 4, 0), Schedule.linear(T=10), lambda x, t: x], ids=lambda m: type(m).__name__
)
def test_what_is_neither_is_not_saved(model: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^model: expected a UNet, .*, LatentPipeline or UnCLIP, got "):
        save_diffusers(model, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_what_kernels_read_is_kept_beside_each_network_of_a_folder(folder: Path) -> None:
    keep_layouts(folder)
    assert [path.parent for path in folder.rglob(layouts.FILE)] == [folder / "unet"]
    found = load_diffusers(folder)
    assert isinstance(found, Pipeline)
    assert found.unet._laid_out is not None
    x = np.ones((1, *found.unet.shape), np.float32)
    np.testing.assert_array_equal(found.unet(x, 3), PIPELINE.unet(x, 3))
    keep_layouts(folder / "unet")
    with pytest.raises(FileNotFoundError, match=r"expected a folder in diffusers' layout, found none"):
        keep_layouts(folder / "nowhere")
    with pytest.raises(
        FileNotFoundError, match=r"scheduler: expected the weights of a U-Net or an autoencoder in it or right below"
    ):
        keep_layouts(folder / "scheduler")
