"""Solver, steps and end of a chain as schedulers' files have them: by hand, refused by name, written and read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numpy_diffusion.interop.diffusers import schedulers
from numpy_diffusion.interop.diffusers.solver_options import KIND, read, to_options, write
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.sampling.solvers import METHODS
from numpy_diffusion.sampling.spacing import SPACINGS, Solver

LATENT = Schedule.quadratic(1000, beta_start=0.00085, beta_end=0.012, scale_to_T=False)
TEN = Schedule.linear(10)
DPM, EULER, UNCLIP = "DPMSolverMultistepScheduler", "EulerDiscreteScheduler", "UnCLIPScheduler"
STABLE_DIFFUSION = {  # the file of the first one
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.7.0.dev0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}


def written(folder: Path, kind: str = "DDIMScheduler", **options: Any) -> Path:
    (folder / schedulers.FILE).write_text(json.dumps({"_class_name": kind, **options}))
    return folder


# --- what a file asks for --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "solver"),
    [
        ("DDPMScheduler", Solver("ancestral", "leading")),
        ("DDIMScheduler", Solver("ddim", "leading")),
        ("PNDMScheduler", Solver("heun", "leading", end=1)),
        (DPM, Solver("dpm++2m", "linspace")),
        (EULER, Solver("euler", "linspace")),
        (UNCLIP, Solver("ancestral", "linspace")),
    ],
)
def test_defaults_are_those_of_each_class(kind: str, solver: Solver, tmp_path: Path) -> None:
    assert read(written(tmp_path, kind)) == solver


@pytest.mark.parametrize(
    ("kind", "options", "solver"),
    [
        ("DDIMScheduler", dict(set_alpha_to_one=False, steps_offset=1), Solver("ddim", "leading", 1, 1)),
        ("DDIMScheduler", dict(timestep_spacing="trailing"), Solver("ddim", "trailing")),
        ("PNDMScheduler", dict(set_alpha_to_one=True, skip_prk_steps=True), Solver("heun", "leading")),
        (DPM, dict(solver_order=3, final_sigmas_type="sigma_min"), Solver("dpm++3m", "linspace", 0, 1)),
        (DPM, dict(use_karras_sigmas=True, timestep_spacing="leading"), Solver("dpm++2m", "karras")),
        (DPM, dict(lambda_min_clipped=-math.inf, use_lu_lambdas=None), Solver("dpm++2m", "linspace")),
        (EULER, dict(timestep_spacing="leading", steps_offset=1), Solver("euler", "leading", 1)),
        (EULER, dict(use_karras_sigmas=True, sigma_min=None), Solver("euler", "karras")),
        (EULER, dict(use_karras_sigmas=None, final_sigmas_type="sigma_min"), Solver("euler", "linspace", 0, 1)),
        ("DDPMScheduler", dict(set_alpha_to_one=False, use_karras_sigmas=3), Solver("ancestral", "leading")),
        (UNCLIP, dict(timestep_spacing="leading", steps_offset=1), Solver("ancestral", "linspace")),
    ],
)
def test_options_are_read(kind: str, options: dict[str, Any], solver: Solver, tmp_path: Path) -> None:
    assert read(written(tmp_path, kind, **options)) == solver


def test_the_file_of_stable_diffusion(tmp_path: Path) -> None:
    (tmp_path / schedulers.FILE).write_text(json.dumps(STABLE_DIFFUSION))
    solver, schedule = read(tmp_path), schedulers.read_schedule(tmp_path)
    np.testing.assert_array_equal(schedule.beta, LATENT.beta)
    assert solver == Solver("heun", "leading", offset=1, end=1)
    steps = solver.steps(50, schedule)
    assert steps.tolist() == list(range(982, 0, -20))
    x = sample(lambda x, t: x, schedule, 2, shape=(3,), method=solver.method, steps=steps, end=solver.end)
    assert np.isfinite(x).all()


# --- what is not supported -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        (
            "DDIMScheduler",
            dict(timestep_spacing="even"),
            "timestep_spacing: expected one of 'leading', 'linspace', '",
        ),
        ("DDIMScheduler", dict(timestep_spacing="karras"), "timestep_spacing: expected one of"),
        ("DDIMScheduler", dict(steps_offset=-1), "steps_offset: expected an integer in 0"),
        ("DDIMScheduler", dict(steps_offset=0.5), "steps_offset: expected an integer"),
        ("DDIMScheduler", dict(set_alpha_to_one=None), "set_alpha_to_one: expected a bool"),
        ("PNDMScheduler", dict(set_alpha_to_one=1), "set_alpha_to_one: expected a bool"),
        (DPM, dict(solver_order=1), r"solver_order: expected an integer in 2\.\.3, got 1"),
        (DPM, dict(algorithm_type="sde-dpmsolver++"), r"algorithm_type: expected 'dpmsolver\+\+', got 'sde-dpm"),
        (DPM, dict(solver_type="bh2"), "solver_type: expected 'midpoint', got 'bh2'"),
        (DPM, dict(lambda_min_clipped=-5.1), "lambda_min_clipped: expected -inf, got -5.1"),
        (DPM, dict(use_lu_lambdas=True), "use_lu_lambdas: expected False, got True"),
        (DPM, dict(use_exponential_sigmas=True), "use_exponential_sigmas: expected False, got True"),
        (DPM, dict(use_beta_sigmas=True), "use_beta_sigmas: expected False, got True"),
        (DPM, dict(use_karras_sigmas="yes"), "use_karras_sigmas: expected a bool"),
        (DPM, dict(final_sigmas_type="small"), "final_sigmas_type: expected one of 'zero', 'sigma_min'"),
        (EULER, dict(interpolation_type="log_linear"), "interpolation_type: expected 'linear', got"),
        (EULER, dict(timestep_type="continuous"), "timestep_type: expected 'discrete', got"),
        (EULER, dict(sigma_max=80.0), "sigma_max: expected None, got 80"),
        (EULER, dict(sigma_min=0.0), "sigma_min: expected None, got 0"),
        (EULER, dict(use_beta_sigmas=True), "use_beta_sigmas: expected False, got True"),
        (
            EULER,
            dict(use_karras_sigmas=True, timestep_spacing="leading"),
            "timestep_spacing: expected 'linspace' with",
        ),
        (EULER, dict(use_flow_sigmas=True), "use_flow_sigmas: expected False"),
        ("UniPCMultistepScheduler", {}, r"_class_name: expected one of 'DDPMScheduler', .*'UniPCMultistepScheduler'"),
        ("EulerAncestralDiscreteScheduler", {}, "_class_name: expected one of"),
        ("LMSDiscreteScheduler", {}, "_class_name: expected one of"),
        ("DDIMScheduler", dict(shift=3.0), "shift: expected an option of DDIMScheduler"),
    ],
)
def test_what_is_not_supported_is_named(kind: str, options: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"scheduler_config\.json: {sentence}") as caught:
        read(written(tmp_path, kind, **options))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"found no scheduler_config\.json in it"):
        read(tmp_path)
    with pytest.raises(ValueError, match="folder: expected a path"):
        read(3)  # type: ignore[arg-type]


# --- written and read again ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("end", [0, 1])
def test_what_is_written_is_read_again(method: Any, spacing: Any, end: int, tmp_path: Path) -> None:
    solver, by_sigma = Solver(method, spacing, offset=3, end=end), method in ("euler", "dpm++2m", "dpm++3m")
    if (end == 1 and method == "ancestral") or (spacing == "karras" and not by_sigma):
        with pytest.raises(ValueError, match=r"^solver: expected one that a scheduler of diffusers' has, got Solver"):
            write(tmp_path, solver, LATENT)
        assert not list(tmp_path.iterdir())
        return
    write(tmp_path, solver, LATENT, prediction_type="v_prediction")
    assert read(tmp_path) == solver
    np.testing.assert_array_equal(schedulers.read_schedule(tmp_path).beta, LATENT.beta)
    options = schedulers.read(tmp_path)
    assert options["prediction_type"] == "v_prediction"
    assert not options.get("clip_sample")
    found = json.loads((tmp_path / schedulers.FILE).read_text())
    assert found["_class_name"] == KIND[method]
    assert found["beta_schedule"] == "scaled_linear"


def test_the_scheduler_of_dalle2_is_written_and_read_again(tmp_path: Path) -> None:
    solver, chain = Solver("ancestral", "linspace"), Schedule.cosine(T=100)
    more = dict(prediction_type="sample", clip_sample=True, clip_sample_range=5.0)
    write(tmp_path, solver, chain, UNCLIP, **more)  # type: ignore[arg-type]
    found = json.loads((tmp_path / schedulers.FILE).read_text())
    assert found.pop("_diffusers_version")
    assert found == more | dict(_class_name=UNCLIP, num_train_timesteps=100, beta_schedule="squaredcos_cap_v2")
    assert read(tmp_path) == solver
    np.testing.assert_array_equal(schedulers.read_schedule(tmp_path).beta, chain.beta)
    assert schedulers.read(tmp_path)["variance_type"] == "fixed_small_log"


@pytest.mark.parametrize(
    ("solver", "chain", "more", "sentence"),
    [
        (Solver("ddim", "linspace"), "cosine", {}, "solver: expected one that UnCLIPScheduler has, got Solver"),
        (Solver("ancestral", "trailing"), "cosine", {}, "solver: expected one that UnCLIPScheduler has, got Solver"),
        (Solver("ancestral", "linspace"), "linear", {}, "schedule: expected Schedule.cosine, as UnCLIPScheduler has"),
        (Solver("ancestral", "linspace"), "cosine", dict(variance_type="fixed_large"), "variance_type: expected one"),
        (
            Solver("ancestral", "linspace"),
            "cosine",
            dict(prediction_type="v_prediction"),
            "prediction_type: expected",
        ),
    ],
)
def test_what_the_scheduler_of_dalle2_has_not_is_not_written(
    solver: Solver, chain: str, more: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        write(tmp_path, solver, getattr(Schedule, chain)(T=1000), UNCLIP, **more)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^kind: expected one of"):
        write(tmp_path, solver, LATENT, "VQScheduler")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("solver", "sentence"),
    [
        (Solver("ddim", "leading", end=2), "solver: expected one that a scheduler of diffusers' has, got Solver"),
        (Solver("plms", "leading"), "solver: method: expected one of"),  # type: ignore[arg-type]
        (Solver("ddim", "even"), "solver: spacing: expected one of"),  # type: ignore[arg-type]
        (Solver("ddim", "leading", -1), "solver: offset: expected an integer of at least 0"),
        (("ddim", "leading", 0, 0), "solver: expected a Solver, got"),
    ],
)
def test_solvers_that_no_file_has_are_refused(solver: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        to_options(solver, TEN)
