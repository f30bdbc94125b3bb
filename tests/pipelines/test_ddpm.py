"""Whole pipelines: what is written is read, and the model says eps in the project's own steps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.diffusers_folders import OPTIONS, example
from checks.exact import SCHEDULES

from numpy_diffusion.interop.diffusers import files, schedulers
from numpy_diffusion.interop.diffusers.schedulers import read_schedule
from numpy_diffusion.models.converted import as_eps, clipped
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.pipelines import ddpm
from numpy_diffusion.pipelines.ddpm import Pipeline
from numpy_diffusion.process.predictions import PREDICTIONS
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.sampling.spacing import Solver

SCHEDULE = Schedule.linear(T=10)
X = np.random.default_rng(1).normal(size=(3, 1, 4, 4)).astype(np.float32)


def assert_same(found: Pipeline, expected: Pipeline) -> None:
    assert found[2:] == expected[2:]
    assert found.unet.config == expected.unet.config
    np.testing.assert_array_equal(found.unet.buffer, expected.unet.buffer)
    np.testing.assert_array_equal(found.schedule.beta, expected.schedule.beta)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_schedule_keeps_its_name_and_its_betas_to_the_bit(schedule: Schedule, tmp_path: Path) -> None:
    if schedule.T == 1:
        with pytest.raises(ValueError, match="schedule: T: expected an integer of at least 2"):
            Pipeline(example(), schedule).to_diffusers(tmp_path)
        return
    Pipeline(example(), schedule).to_diffusers(tmp_path)
    found = read_schedule(tmp_path / "scheduler")
    np.testing.assert_array_equal(found.beta, schedule.beta)
    if schedule.T > 2:  # of two, the formula is any
        assert found.name == ("from_beta" if schedule.name == "sigmoid" else schedule.name)


def test_other_betas_are_written_out(tmp_path: Path) -> None:
    schedule = Schedule.from_beta(np.random.default_rng(2).uniform(0.3, 0.9, 12))
    Pipeline(example(), schedule).to_diffusers(tmp_path)
    np.testing.assert_array_equal(read_schedule(tmp_path / "scheduler").beta, schedule.beta)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("clip", [None, 1.5])
@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_what_is_written_is_read(prediction: str, clip: float | None, variance: str, tmp_path: Path) -> None:
    pipeline = Pipeline(example(), SCHEDULE, prediction, clip, variance)
    pipeline.to_diffusers(tmp_path)
    found = Pipeline.from_diffusers(str(tmp_path))
    assert_same(found, pipeline)
    eps = as_eps(example(), SCHEDULE, prediction)
    expected = eps if clip is None else clipped(eps, SCHEDULE, -clip, clip)
    np.testing.assert_array_equal(found.model(X, 7), expected(X, 7))
    x = sample(found.model, found.schedule, 2, variance=found.variance)
    np.testing.assert_array_equal(x, sample(expected, SCHEDULE, 2, variance=variance))


def test_a_learned_variance_is_read(tmp_path: Path) -> None:
    unet = UNet(**OPTIONS | {"out_channels": 2})
    unet.buffer[:] = np.random.default_rng(3).normal(size=unet.buffer.size)
    Pipeline(unet, SCHEDULE, variance="learned").to_diffusers(tmp_path)
    found = Pipeline.from_diffusers(tmp_path)
    assert sample(found.model, found.schedule, 2, variance=found.variance).shape == (2, 1, 4, 4)
    with pytest.raises(ValueError, match=r"variance: expected 'learned' just where .*, got 'beta'"):
        Pipeline(unet, SCHEDULE).to_diffusers(tmp_path / "other")
    with pytest.raises(ValueError, match=r"variance: expected 'learned' just where .*, got 'learned'"):
        Pipeline(example(), SCHEDULE, variance="learned").to_diffusers(tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_network_with_classes_is_called_by_a_function_between() -> None:
    unet = UNet(**OPTIONS, num_class_embeds=3)
    unet.buffer[:] = np.random.default_rng(4).normal(size=unet.buffer.size)
    pipeline = Pipeline(unet, SCHEDULE, clip=None)
    twos = pipeline._replace(unet=lambda x, t: unet(x, t, labels=2))
    np.testing.assert_array_equal(twos.model(X, 3), unet(X, 3, labels=2))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"prediction_type": "epsilon", "variance_type": "fixed_small"}, ("eps", 1.0, "beta_tilde")),
        ({"prediction_type": "sample", "variance_type": "fixed_small_log"}, ("x0", 1.0, "beta_tilde")),
        ({"prediction_type": "v_prediction", "variance_type": "fixed_large"}, ("v", 1.0, "beta")),
        ({"variance_type": "learned_range", "clip_sample_range": 2.5}, ("eps", 2.5, "learned")),
        ({"clip_sample": False}, ("eps", None, "beta_tilde")),
    ],
)
def test_the_words_of_a_scheduler(options: dict[str, Any], expected: tuple[Any, ...], tmp_path: Path) -> None:
    Pipeline(example(), SCHEDULE).to_diffusers(tmp_path)
    files.write_json(tmp_path / "scheduler", schedulers.FILE, "DDPMScheduler", options)
    assert Pipeline.from_diffusers(tmp_path)[2:5] == expected


@pytest.mark.parametrize("flat", [False, True])
def test_parts_lie_in_folders_or_beside_the_index(flat: bool, tmp_path: Path) -> None:
    pipeline = Pipeline(example(), SCHEDULE)
    pipeline.to_diffusers(tmp_path)
    assert json.loads((tmp_path / ddpm.INDEX).read_text())["unet"] == ["diffusers", "UNet2DModel"]
    if flat:  # as in google/ddpm-cifar10-32
        for part in ("unet", "scheduler"):
            for path in (tmp_path / part).iterdir():
                path.rename(tmp_path / path.name)
            (tmp_path / part).rmdir()
    assert_same(Pipeline.from_diffusers(tmp_path), pipeline)


def test_schedulers_without_clipping_and_variance(tmp_path: Path) -> None:
    Pipeline(example(), SCHEDULE, variance="beta_tilde").to_diffusers(tmp_path)
    path = tmp_path / "scheduler" / schedulers.FILE
    options = json.loads(path.read_text())
    for kind, clip in (("DDIMScheduler", 1.0), ("DPMSolverMultistepScheduler", None)):
        path.write_text(json.dumps(options | {"_class_name": kind}))
        found = Pipeline.from_diffusers(tmp_path)
        assert (found.clip, found.variance) == (clip, "beta")
        assert sample(found.model, found.schedule, 2, method="ddim", variance=found.variance, steps=3).shape[0] == 2


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("model_index.json", r"no model_index\.json"),
        ("unet", r"no config\.json"),
        ("unet/diffusion_pytorch_model.safetensors", "no diffusion_pytorch_model"),
        ("scheduler", r"no scheduler_config\.json"),
    ],
)
def test_a_missing_part_is_named(missing: str, sentence: str, tmp_path: Path) -> None:
    Pipeline(example(), SCHEDULE).to_diffusers(tmp_path)
    path = tmp_path / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(FileNotFoundError, match=sentence):
        Pipeline.from_diffusers(tmp_path)


def test_a_network_that_attends_to_states_is_no_part_of_a_pipeline_without(tmp_path: Path) -> None:
    blocks = dict(down_block_types=["CrossAttnDownBlock2D"], up_block_types=["CrossAttnUpBlock2D"])
    unet = UNet(sample_size=4, block_out_channels=[8], norm_num_groups=4, cross_attention_dim=3, **blocks)
    with pytest.raises(ValueError, match=r"^unet: expected a UNet2DModel, .*, got a UNet2DConditionModel$"):
        Pipeline(unet, Schedule.linear(T=10)).to_diffusers(tmp_path / "pipeline")
    assert not (tmp_path / "pipeline").exists()


def test_other_pipelines_are_refused(tmp_path: Path) -> None:
    files.write_json(tmp_path, ddpm.INDEX, "StableDiffusionPipeline", {})
    with pytest.raises(ValueError, match=r"model_index\.json: _class_name: expected one of 'DDPMPipeline'"):
        Pipeline.from_diffusers(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"unet": lambda x, t: x}, "unet: expected a UNet"),
        ({"schedule": None}, "schedule: expected a Schedule"),
        ({"prediction": "score"}, "prediction: expected one of"),
        ({"variance": np.zeros(11)}, "variance: expected one of"),
        ({"clip": -1.0}, "clip: expected a finite number of at least"),
        ({"clip": "x"}, "clip: expected a number"),
    ],
)
def test_what_has_no_place_there_is_not_written(change: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        Pipeline(example(), SCHEDULE)._replace(**change).to_diffusers(tmp_path / "pipeline")
    assert not (tmp_path / "pipeline").exists()


@pytest.mark.parametrize(
    ("solver", "pipeline"),
    [
        (Solver("ancestral", "trailing"), "DDPMPipeline"),
        (Solver("ancestral", "leading", 1), "DDPMPipeline"),
        (Solver("ddim", "leading", 1, 1), "DDIMPipeline"),
        (Solver("ddim", "linspace"), "DDIMPipeline"),
        (Solver("dpm++2m", "karras"), "DDPMPipeline"),
    ],
)
def test_the_schedulers_solver_and_steps_are_read_and_written(solver: Solver, pipeline: str, tmp_path: Path) -> None:
    schedule = Schedule.linear(T=1000)
    clip = None if solver.method == "dpm++2m" else 1.0
    Pipeline(example(), schedule, clip=clip, solver=solver).to_diffusers(tmp_path)
    assert json.loads((tmp_path / ddpm.INDEX).read_text())["_class_name"] == pipeline
    found = Pipeline.from_diffusers(tmp_path)
    assert_same(found, Pipeline(example(), schedule, clip=clip, solver=solver))
    np.testing.assert_array_equal(found.steps(20), solver.steps(20, schedule))


def test_a_scheduler_has_no_more_options_than_its_class(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^variance: expected 'beta' with a DDIMScheduler.* got 'beta_tilde'$"):
        Pipeline(example(), SCHEDULE, variance="beta_tilde", solver=Solver("ddim", "leading")).to_diffusers(tmp_path)
    with pytest.raises(ValueError, match=r"^clip: expected None with a DPMSolverMultistepScheduler.* got 1\.0$"):
        Pipeline(example(), SCHEDULE, solver=Solver("dpm++2m", "leading")).to_diffusers(tmp_path)
    Pipeline(example(), SCHEDULE).to_diffusers(tmp_path)
    files.write_json(tmp_path / "scheduler", schedulers.FILE, "DDPMScheduler", {"timestep_spacing": "other"})
    with pytest.raises(ValueError, match=r"timestep_spacing: expected one of 'leading'"):
        Pipeline.from_diffusers(tmp_path)
