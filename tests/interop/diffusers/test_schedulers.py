"""Schedulers in diffusers' layout: the same betas by their formulas, and each option read or refused by name."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numpy_diffusion.interop.diffusers import schedulers
from numpy_diffusion.interop.diffusers.schedulers import read_schedule
from numpy_diffusion.process.schedules import Schedule

T = 50


def written(folder: Path, kind: str = "DDPMScheduler", **options: Any) -> Path:
    text = json.dumps({"_class_name": kind, "_diffusers_version": "0.1.1", **options})
    (folder / schedulers.FILE).write_text(text)
    return folder


def cosine(u: float) -> float:
    return math.cos((u + 0.008) / 1.008 * math.pi / 2.0) ** 2


FORMULAS = {  # diffusers' own, for timestep i of T
    "linear": lambda i: 1e-3 + 0.3 * i / (T - 1),
    "scaled_linear": lambda i: (math.sqrt(1e-3) + (math.sqrt(0.301) - math.sqrt(1e-3)) * i / (T - 1)) ** 2,
    "squaredcos_cap_v2": lambda i: min(1.0 - cosine((i + 1) / T) / cosine(i / T), 0.999),
    "sigmoid": lambda i: 1e-3 + 0.3 / (1.0 + math.exp(6.0 - 12.0 * i / (T - 1))),
}


@pytest.mark.parametrize("kind", FORMULAS)
@pytest.mark.parametrize("scheduler", schedulers.SCHEDULERS)
def test_step_t_has_the_beta_of_timestep_t_minus_1(kind: str, scheduler: str, tmp_path: Path) -> None:
    options = dict(num_train_timesteps=T, beta_start=1e-3, beta_end=0.301, beta_schedule=kind)
    if kind not in schedulers.FEWER.get(scheduler, schedulers.CHOICES)["beta_schedule"]:
        with pytest.raises(ValueError, match=r"beta_schedule: expected one of 'squaredcos_cap_v2', got"):
            read_schedule(written(tmp_path, scheduler, **options))
        return
    schedule = read_schedule(written(tmp_path, scheduler, **options))
    assert schedule.T == T
    np.testing.assert_allclose(schedule.beta[1:], [FORMULAS[kind](i) for i in range(T)], rtol=1e-12)


def test_defaults_are_those_of_diffusers(tmp_path: Path) -> None:
    schedule = read_schedule(written(tmp_path))
    np.testing.assert_array_equal(schedule.beta, Schedule.linear().beta)
    assert schedule.name == "linear"
    options = schedulers.read(tmp_path)
    assert (options["clip_sample"], options["clip_sample_range"]) == (True, 1.0)
    assert (options["variance_type"], options["prediction_type"]) == ("fixed_small", "epsilon")


def test_defaults_of_unclip(tmp_path: Path) -> None:
    """Its betas are of one kind, whatever else stands there."""
    written(tmp_path, "UnCLIPScheduler", trained_betas=[0.1] * 1000, beta_start=0.5)
    np.testing.assert_array_equal(read_schedule(tmp_path).beta, Schedule.cosine().beta)
    options = schedulers.read(tmp_path)
    assert options.pop("num_train_timesteps") == 1000
    assert options.pop("beta_schedule") == "squaredcos_cap_v2"
    assert options == dict(
        clip_sample=True, clip_sample_range=1.0, prediction_type="epsilon", variance_type="fixed_small_log"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"prediction_type": "v_prediction"}, "prediction_type: expected one of 'epsilon', 'sample', got str 'v_"),
        ({"variance_type": "fixed_small"}, "variance_type: expected one of 'fixed_small_log', 'learned_range', got"),
        ({"beta_schedule": "linear"}, "beta_schedule: expected one of 'squaredcos_cap_v2', got str 'linear'"),
    ],
)
def test_what_unclip_has_less_of_is_named(options: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"scheduler_config\.json: {sentence}"):
        schedulers.read(written(tmp_path, "UnCLIPScheduler", **options))


def test_trained_betas_stand_before_a_formula(tmp_path: Path) -> None:
    betas = [0.1, 0.5, 0.99]
    written(tmp_path, beta_schedule="linear", num_train_timesteps=3, trained_betas=betas)
    assert read_schedule(tmp_path).beta[1:].tolist() == betas


def test_the_layout_of_ddpm_cifar10_32(tmp_path: Path) -> None:
    written(
        tmp_path,
        beta_end=0.02,
        beta_schedule="linear",
        beta_start=0.0001,
        clip_sample=True,
        num_train_timesteps=1000,
        trained_betas=None,
        variance_type="fixed_large",
    )
    np.testing.assert_array_equal(read_schedule(tmp_path).beta, Schedule.linear(1000).beta)
    assert schedulers.read(tmp_path)["variance_type"] == "fixed_large"


def test_options_of_the_solver_and_of_other_classes_are_passed_over(tmp_path: Path) -> None:
    options = dict.fromkeys(schedulers.SOLVER, -math.inf) | {"clip_sample": True, "_hidden": 3}
    written(tmp_path, "DPMSolverMultistepScheduler", **options)
    assert schedulers.read(tmp_path).keys() == schedulers.CHAIN.keys()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"beta_schedule": "laplace"}, "beta_schedule: expected one of 'linear', .*'laplace'"),
        ({"beta_schedule": None}, "beta_schedule: expected one of"),
        ({"prediction_type": "flow_prediction"}, "prediction_type: expected one of 'epsilon'"),
        ({"variance_type": "fixed_large_log"}, "variance_type: expected one of 'fixed_small'"),
        ({"variance_type": "learned"}, "variance_type: expected one of"),
        ({"rescale_betas_zero_snr": True}, "rescale_betas_zero_snr: expected False, got True: with no signal left"),
        ({"thresholding": True}, "thresholding: expected False"),
        ({"thresholding": 0}, "thresholding: expected False, got 0"),
        ({"use_flow_sigmas": True}, "use_flow_sigmas: expected False"),
        ({"clip_sample": "yes"}, "clip_sample: expected a bool"),
        ({"clip_sample_range": -1}, "clip_sample_range: expected a finite number of at least"),
        ({"clip_sample_range": math.nan}, "clip_sample_range: expected a finite number"),
        ({"num_train_timesteps": 1}, "num_train_timesteps: expected an integer in 2"),
        ({"num_train_timesteps": 10**12}, "num_train_timesteps: expected an integer in 2"),
        ({"num_train_timesteps": "many"}, "num_train_timesteps: expected an integer in 2"),
        ({"beta_start": 0}, r"beta_start: expected a number inside \(0, 1\)"),
        ({"beta_end": [0.02]}, "beta_end: expected a number"),
        ({"trained_betas": [0.1, 0.2]}, r"trained_betas: expected shape \[1000\], got \[2\]"),
        ({"trained_betas": [0.1, 1.0], "num_train_timesteps": 2}, r"beta: expected values inside \(0, 1\)"),
        ({"trained_betas": [[0.1], 0.9], "num_train_timesteps": 2}, "trained_betas: expected an array of real"),
        ({"shift": 3.0}, "shift: expected an option of DDPMScheduler"),
    ],
    ids=repr,
)
def test_options_that_are_not_supported_are_named(options: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"scheduler_config\.json: {sentence}") as caught:
        read_schedule(written(tmp_path, **options))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_classes_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"_class_name: expected one of 'DDPMScheduler', .*LMSDiscreteScheduler"):
        read_schedule(written(tmp_path, "LMSDiscreteScheduler"))
    (tmp_path / schedulers.FILE).unlink()
    with pytest.raises(FileNotFoundError, match=r"found no scheduler_config\.json in it"):
        read_schedule(tmp_path)
    with pytest.raises(ValueError, match="folder: expected a path"):
        read_schedule(3)  # type: ignore[arg-type]


def test_a_chain_that_ends_in_signal_is_warned_of_at_the_line_that_opened_it(tmp_path: Path) -> None:
    written(tmp_path, num_train_timesteps=10)
    with pytest.warns(UserWarning, match="x_T is not Gaussian noise") as caught:
        read_schedule(tmp_path)
    assert caught[0].filename == __file__
