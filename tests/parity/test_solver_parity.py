"""Solvers, steps and ends of chains against diffusers' schedulers: set_timesteps of drawn options, trajectories.

The files are theirs, by save_pretrained, and ours are opened by theirs.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from numpy_diffusion.interop.diffusers import schedulers, solver_options  # noqa: E402
from numpy_diffusion.noise import STREAM_REVERSE, STREAM_START, normal  # noqa: E402
from numpy_diffusion.process.schedules import Schedule  # noqa: E402
from numpy_diffusion.sampling.from_step import sample_from  # noqa: E402
from numpy_diffusion.sampling.samplers import sample  # noqa: E402
from numpy_diffusion.sampling.spacing import Solver  # noqa: E402

FLAT = settings(deadline=None, max_examples=40)
CLASSES = [
    *("DDPMScheduler", "DDIMScheduler", "PNDMScheduler"),
    *("DPMSolverMultistepScheduler", "EulerDiscreteScheduler"),
]
LATENT: dict[str, Any] = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
PREDICTED = ("epsilon", "v_prediction")
N, SHAPE, SEED = 3, (4, 4, 4), 5
NOISE = normal(SEED, STREAM_START, np.arange(N), 0, 64).reshape(N, *SHAPE)


def opened(scheduler: Any, folder: Path) -> tuple[Solver, Schedule]:
    scheduler.save_pretrained(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of short chains
        return solver_options.read(folder), schedulers.read_schedule(folder)


# --- steps -----------------------------------------------------------------------------------------------------


def their_steps(scheduler: Any) -> np.ndarray:
    """Of set_timesteps, each once: PNDM asks twice at the second, and by Runge and Kutta between them."""
    timesteps = scheduler._timesteps[::-1] if hasattr(scheduler, "_timesteps") else scheduler.timesteps.numpy()
    return np.asarray(timesteps, np.float64) + 1.0


@FLAT
@given(
    kind=st.sampled_from(CLASSES),
    T=st.sampled_from([20, 100, 999, 1000]),
    spacing=st.sampled_from(["leading", "linspace", "trailing"]),
    offset=st.sampled_from([0, 1, 1, 5]),
    share=st.floats(0.0, 1.0),
    at_x0=st.booleans(),
    skip=st.booleans(),
    order=st.sampled_from([2, 3]),
)
def test_steps_are_those_of_set_timesteps(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    T: int,
    spacing: str,
    offset: int,
    share: float,
    at_x0: bool,
    skip: bool,
    order: int,
) -> None:
    options: dict[str, Any] = dict(num_train_timesteps=T, timestep_spacing=spacing, steps_offset=offset) | LATENT
    if kind in ("DDIMScheduler", "PNDMScheduler"):
        options |= dict(set_alpha_to_one=at_x0)
    if kind == "PNDMScheduler":
        options |= dict(skip_prk_steps=skip)
    if kind == "DPMSolverMultistepScheduler":
        options |= dict(solver_order=order)
    if kind in ("DPMSolverMultistepScheduler", "EulerDiscreteScheduler"):
        options |= dict(final_sigmas_type="zero" if at_x0 else "sigma_min")
    theirs = getattr(diffusers, kind)(**options)
    solver, schedule = opened(theirs, tmp_path_factory.mktemp("scheduler"))
    assert solver.end == (0 if at_x0 or kind == "DDPMScheduler" else 1)
    n = max(4, round(share**2 * T))  # PNDM's start takes four
    theirs.set_timesteps(n)
    expected = their_steps(theirs)
    inside = expected[expected >= 1.0]  # "trailing" has one more of them, at -1, where T / n rounds so
    assert len(expected) - len(inside) <= (spacing == "trailing")
    if inside[0] > T or (np.diff(np.round(inside)) == 0.0).any():  # there an index outside, or a step from t to t
        with pytest.raises(ValueError, match=r"^steps: expected a number that are distinct"):
            solver.steps(n, schedule)
        return
    found = solver.steps(n, schedule)
    if kind == "EulerDiscreteScheduler" and spacing == "linspace":
        assert np.abs(found - inside).max() <= 0.5 + 1e-4
    else:
        np.testing.assert_array_equal(found, inside)


@pytest.mark.parametrize("T", [20, 999, 1000])
def test_steps_of_unclip_are_those_of_set_timesteps(T: int, tmp_path: Path) -> None:
    theirs = diffusers.UnCLIPScheduler(num_train_timesteps=T)
    solver, schedule = opened(theirs, tmp_path)
    for n in range(2, T + 1):
        theirs.set_timesteps(n)
        np.testing.assert_array_equal(solver.steps(n, schedule), their_steps(theirs))


@pytest.mark.parametrize("n", [1, 2, 5, 8, 10])
@pytest.mark.parametrize("kind", CLASSES[3:])
def test_steps_of_karras_are_theirs_where_those_are_distinct(kind: str, n: int, tmp_path: Path) -> None:
    theirs = getattr(diffusers, kind)(use_karras_sigmas=True, timestep_spacing="linspace", **LATENT)
    solver, schedule = opened(theirs, tmp_path)
    if n == 1 and kind == "EulerDiscreteScheduler":
        return  # of one point from 0 to T - 1 theirs is 0
    theirs.set_timesteps(n)
    np.testing.assert_array_equal(solver.steps(n, schedule), np.round(theirs.timesteps.numpy()) + 1)


# --- trajectories ----------------------------------------------------------------------------------------------


def linear(x: Any, t: int) -> Any:
    """A made-up network, linear in x, at step t in 1..T."""
    return (0.2 + 0.0007 * t) * x - 0.3


def model(schedule: Schedule, prediction: str) -> Any:
    """The same as a model of eps."""

    def eps(x: np.ndarray, t: int) -> np.ndarray:
        signal, sigma = np.sqrt(schedule.alpha_bar[t]), np.sqrt(1.0 - schedule.alpha_bar[t])
        answer = linear(x, t)
        return (answer if prediction == "epsilon" else signal * answer + sigma * x).astype(np.float32)

    return eps


def their_walk(scheduler: Any, noise: np.ndarray) -> list[np.ndarray]:
    """x before each step and after the last, as a pipeline of theirs has them, from noise of init_noise_sigma."""
    x = torch.from_numpy(noise) * scheduler.init_noise_sigma
    walk = [x.numpy()]
    for timestep, stride in zip(scheduler.timesteps, strides(scheduler), strict=True):
        if stride is not None:
            scheduler.num_inference_steps = scheduler.config.num_train_timesteps // stride
        asked = scheduler.scale_model_input(x, timestep)
        x = scheduler.step(linear(asked, int(timestep) + 1), timestep, x).prev_sample
        walk.append(x.numpy())
    return walk


def strides(scheduler: Any) -> list[int | None]:
    """How far each step goes where DDIMScheduler has to be told: it takes T // n of all, whatever their spacing is.

    Those of "linspace" go further, so that its x_t is handed on as one of a step that is not visited.
    """
    at = scheduler.timesteps.tolist()
    if not isinstance(scheduler, diffusers.DDIMScheduler) or scheduler.config.timestep_spacing != "linspace":
        return [None] * len(at)
    return [t - below for t, below in zip(at, [*at[1:], -1], strict=True)]


def check_trajectory(scheduler: Any, folder: Path, n: int) -> None:
    """All x_t from the same noise to the same end; Euler's are x_t / sqrt(alpha_bar_t) there."""
    solver, schedule = opened(scheduler, folder)
    scheduler.set_timesteps(n)
    steps = solver.steps(n, schedule)
    visited = [*steps[steps > solver.end].tolist(), solver.end]
    walk = their_walk(scheduler, NOISE)
    start = NOISE
    if solver.method == "euler":
        walk = [x * np.sqrt(schedule.alpha_bar[t]) for x, t in zip(walk, visited, strict=False)]
        if solver.spacing != "leading":  # theirs has sigma_T z in place of sqrt(1 + sigma_T^2) z
            start = NOISE * np.sqrt(1.0 - schedule.alpha_bar[steps[0]])
    assert len(walk) >= len(visited)
    options: Any = dict(method=solver.method, steps=steps)
    eps = model(schedule, scheduler.config.prediction_type)
    if start is NOISE:
        kept = sample(eps, schedule, N, SEED, end=solver.end, keep=visited, shape=SHAPE, **options)
        for k, t in enumerate(visited):
            scale = max(1.0, np.abs(kept[t]).max())
            np.testing.assert_allclose(walk[k], kept[t], rtol=0, atol=1e-5 * scale, err_msg=f"t = {t}")
    found = sample_from(eps, schedule, start, steps[0], end=solver.end, **options)
    np.testing.assert_allclose(walk[-1], found, rtol=0, atol=1e-5 * max(1.0, np.abs(found).max()))


@pytest.mark.parametrize("at_x0", [False, True])
@pytest.mark.parametrize("prediction", PREDICTED)
@pytest.mark.parametrize(("spacing", "offset"), [("leading", 0), ("leading", 1), ("trailing", 0), ("linspace", 0)])
def test_ddim(at_x0: bool, prediction: str, spacing: str, offset: int, tmp_path: Path) -> None:
    options = dict(set_alpha_to_one=at_x0, timestep_spacing=spacing, steps_offset=offset)
    scheduler = diffusers.DDIMScheduler(clip_sample=False, prediction_type=prediction, **options, **LATENT)
    check_trajectory(scheduler, tmp_path, 50)


@pytest.mark.parametrize("prediction", PREDICTED)
@pytest.mark.parametrize(("spacing", "offset"), [("leading", 0), ("leading", 1), ("trailing", 0), ("linspace", 0)])
def test_ddpm(prediction: str, spacing: str, offset: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With our noise in place of theirs, which stands beside each step."""
    module, asked = diffusers.schedulers.scheduling_ddpm, iter([])

    def ours(shape: Any, **_: Any) -> Any:
        step = next(asked)
        return torch.from_numpy(normal(SEED, STREAM_REVERSE, np.arange(N), step, 64).reshape(shape))

    monkeypatch.setattr(module, "randn_tensor", ours)
    options: dict[str, Any] = dict(timestep_spacing=spacing, steps_offset=offset, clip_sample=False)
    scheduler = diffusers.DDPMScheduler(prediction_type=prediction, **options, **LATENT)
    solver, schedule = opened(scheduler, tmp_path)
    scheduler.set_timesteps(50)
    steps = solver.steps(50, schedule)
    asked = iter(steps.tolist())
    walk = their_walk(scheduler, NOISE)
    eps = model(schedule, prediction)
    kept = sample(eps, schedule, N, SEED, variance="beta_tilde", steps=steps, keep=[*steps.tolist(), 0], shape=SHAPE)
    for x, (t, found) in zip(walk, kept.items(), strict=True):
        np.testing.assert_allclose(x, found, rtol=0, atol=1e-5 * max(1.0, np.abs(found).max()), err_msg=f"t = {t}")


@pytest.mark.parametrize("last", ["zero", "sigma_min"])
@pytest.mark.parametrize("prediction", PREDICTED)
@pytest.mark.parametrize(("spacing", "offset"), [("linspace", 0), ("leading", 1), ("trailing", 0)])
def test_dpm_solver_multistep(last: str, prediction: str, spacing: str, offset: int, tmp_path: Path) -> None:
    options = dict(final_sigmas_type=last, timestep_spacing=spacing, steps_offset=offset)
    scheduler = diffusers.DPMSolverMultistepScheduler(prediction_type=prediction, **options, **LATENT)
    check_trajectory(scheduler, tmp_path, 20)


@pytest.mark.parametrize("last", ["zero", "sigma_min"])
@pytest.mark.parametrize("prediction", PREDICTED)
@pytest.mark.parametrize(("spacing", "offset", "n"), [("leading", 1, 30), ("trailing", 0, 30), ("linspace", 0, 28)])
def test_euler(last: str, prediction: str, spacing: str, offset: int, n: int, tmp_path: Path) -> None:
    """999 is 27 times 37: with 28 points from 0 to 999 the timesteps of "linspace" are integers."""
    options = dict(final_sigmas_type=last, timestep_spacing=spacing, steps_offset=offset)
    scheduler = diffusers.EulerDiscreteScheduler(prediction_type=prediction, **options, **LATENT)
    check_trajectory(scheduler, tmp_path, n)


@pytest.mark.parametrize("skip", [False, True])
def test_heun_comes_closest_to_pndm(skip: bool, tmp_path: Path) -> None:
    scheduler = diffusers.PNDMScheduler(skip_prk_steps=skip, steps_offset=1, **LATENT)
    solver, schedule = opened(scheduler, tmp_path)
    scheduler.set_timesteps(50)
    expected = their_walk(scheduler, NOISE)[-1]
    off = {}
    for method in ("heun", "ddim", "dpm++2m", "dpm++3m"):
        steps = solver.steps(50, schedule)
        x = sample(model(schedule, "epsilon"), schedule, N, SEED, method=method, steps=steps, end=1, shape=SHAPE)
        off[method] = np.abs(x - expected).mean()
    assert min(off, key=lambda method: off[method]) == solver.method == "heun"
    assert off["heun"] < 0.2 * off["ddim"]


# --- ours, opened there ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "solver",
    [
        Solver("ancestral", "trailing"),
        Solver("ddim", "leading", 1, 1),
        Solver("heun", "leading", 1, 1),
        Solver("dpm++2m", "karras"),
        Solver("dpm++3m", "linspace", 0, 1),
        Solver("euler", "trailing"),
    ],
)
def test_what_is_written_here_is_the_same_scheduler_there(solver: Solver, tmp_path: Path) -> None:
    schedule = Schedule.quadratic(1000, beta_start=0.00085, beta_end=0.012, scale_to_T=False)
    solver_options.write(tmp_path, solver, schedule, prediction_type="v_prediction")
    kind = solver_options.KIND[solver.method]
    theirs = getattr(diffusers, kind).from_pretrained(tmp_path)
    assert theirs.config.prediction_type == "v_prediction"
    np.testing.assert_allclose(theirs.alphas_cumprod, schedule.alpha_bar[1:], rtol=1e-4)
    theirs.set_timesteps(10)
    np.testing.assert_array_equal(solver.steps(10, schedule), their_steps(theirs))
    assert opened(theirs, tmp_path / "again")[0] == solver


def test_what_is_written_here_is_the_scheduler_of_dalle2_there(tmp_path: Path) -> None:
    solver, schedule = Solver("ancestral", "linspace"), Schedule.cosine(500)
    options: dict[str, Any] = dict(prediction_type="sample", clip_sample_range=5.0, clip_sample=True)
    solver_options.write(tmp_path, solver, schedule, "UnCLIPScheduler", **options)
    theirs = diffusers.UnCLIPScheduler.from_pretrained(tmp_path)
    assert {name: theirs.config[name] for name in options} == options
    assert (theirs.config.num_train_timesteps, theirs.config.variance_type) == (500, "fixed_small_log")
    np.testing.assert_allclose(theirs.alphas_cumprod, schedule.alpha_bar[1:], rtol=1e-4)
