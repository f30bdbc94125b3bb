"""Steps against those of diffusers' schedulers, of a made-up network and the same noise; and whole pipelines.

Their tables are float32, where the 1 - alpha_bar of the first steps has three digits: below ROUGH theirs and ours
differ by as much.  With the same tables in float64 put in, what is compared is the formulas alone, at every step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from diffusers.pipelines.ddpm import pipeline_ddpm  # noqa: E402
from diffusers.schedulers import scheduling_ddpm, scheduling_unclip  # noqa: E402

from numpy_diffusion.interop.diffusers import solver_options  # noqa: E402
from numpy_diffusion.networks.unet.unet import UNet  # noqa: E402
from numpy_diffusion.noise import STREAM_REVERSE, STREAM_START, normal  # noqa: E402
from numpy_diffusion.pipelines.ddpm import Pipeline  # noqa: E402
from numpy_diffusion.process.schedules import Schedule  # noqa: E402
from numpy_diffusion.sampling.samplers import sample  # noqa: E402

N, SHAPE, SEED = 4, (1, 4, 4), 9
# Few where little happens.  A long step down from where alpha_bar is close to 0 would make float32's rounding of eps
# a thousand times as large in x_s; a last step from above t = 1 has noise there, by fixed_large, and none here.
STEPS = [1000, 999, 998, 995, 990, 980, 960, 920, 850, 750, 600, 450, 300, 200, 120, 60, 30, 10, 3, 1]
TIMESTEPS = [t - 1 for t in STEPS]
ROUGH = 30
TABLES = pytest.mark.parametrize("exact", [False, True], ids=["their tables", "float64 tables"])
UNET = diffusers.UNet2DModel(
    sample_size=4,
    in_channels=1,
    out_channels=1,
    block_out_channels=[8],
    norm_num_groups=4,
    down_block_types=["DownBlock2D"],
    up_block_types=["UpBlock2D"],
)
CHAINS = ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid")
PREDICTIONS = ("epsilon", "sample", "v_prediction")


def network(x: np.ndarray, t: int) -> np.ndarray:
    """A made-up answer in [-1, 1], in x's dtype, of step t in 1..T."""
    return np.sin(1.3 * x + 0.004 * t).astype(x.dtype)


class Learned:
    """The same, with a learned variance."""

    learn_variance = True

    def __call__(self, x: np.ndarray, t: int) -> np.ndarray:
        return network(x, t)

    def eps_and_fraction(self, x: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
        return network(x, t), (0.5 + 0.5 * np.cos(x)).astype(x.dtype)


def opened(scheduler: Any, folder: Path, exact: bool) -> Pipeline:
    """What is read from the scheduler's pipeline, with the made-up network in the place of its own."""
    diffusers.DDPMPipeline(UNET, scheduler).save_pretrained(folder)
    pipeline = Pipeline.from_diffusers(folder)._replace(unet=network)
    np.testing.assert_allclose(pipeline.schedule.beta[1:], scheduler.betas, rtol=1e-6, atol=1e-7)
    if exact:
        scheduler.alphas_cumprod = torch.from_numpy(pipeline.schedule.alpha_bar[1:].copy())
    return pipeline


def noise(t: int) -> Any:
    """The z of step t in 1..T."""
    return torch.from_numpy(normal(SEED, STREAM_REVERSE, np.arange(N), t, 16).reshape(N, *SHAPE))


def check_steps(pipeline: Pipeline, scheduler: Any, step: Any, **options: Any) -> None:
    """Walk down our chain; at each of its x_t, diffusers' step leads to our next one.

    step : (prediction, timestep, x) -> x of the next step
    """
    exact = scheduler.alphas_cumprod.dtype == torch.float64
    timesteps = scheduler.timesteps.tolist()
    visited = [timestep + 1 for timestep in timesteps]
    options |= dict(steps=visited, keep=[*visited, 0], shape=SHAPE)
    kept = sample(pipeline.model, pipeline.schedule, N, SEED, **options)
    for timestep, t, s in zip(timesteps, visited, [*visited[1:], 0], strict=True):
        x = kept[t]
        found = step(torch.from_numpy(answer(pipeline, x, t)), timestep, torch.from_numpy(x)).numpy()
        scale = max(1.0, np.abs(x).max(), np.abs(found).max())
        atol = (1e-5 if exact or t >= ROUGH else 1e-4) * scale
        np.testing.assert_allclose(kept[s], found, rtol=0, atol=atol, err_msg=f"t = {t}")


def answer(pipeline: Pipeline, x: np.ndarray, t: int) -> np.ndarray:
    """The network's outputs as theirs has them: a learned variance behind the prediction, in -1..1."""
    if pipeline.variance != "learned":
        return pipeline.unet(x, t)
    prediction, fraction = pipeline.unet.eps_and_fraction(x, t)
    return np.concatenate([prediction, 2.0 * fraction - 1.0], axis=1)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("variance", ["fixed_small", "fixed_small_log", "fixed_large", "learned_range"])
@pytest.mark.parametrize("clip", [False, True])
@TABLES
def test_ddpm(
    chain: str,
    prediction: str,
    variance: str,
    clip: bool,
    exact: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scheduler = diffusers.DDPMScheduler(
        beta_schedule=chain,
        prediction_type=prediction,
        variance_type=variance,
        clip_sample=clip,
        clip_sample_range=0.8,
    )
    pipeline = opened(scheduler, tmp_path, exact)
    scheduler.set_timesteps(timesteps=TIMESTEPS)
    if variance == "learned_range":
        pipeline = pipeline._replace(unet=Learned())

    def step(prediction: Any, timestep: int, x: Any) -> Any:
        monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_, **__: noise(timestep + 1))
        return scheduler.step(prediction, timestep, x).prev_sample

    check_steps(pipeline, scheduler, step, variance=pipeline.variance)


@pytest.mark.parametrize("chain", CHAINS[:3])  # those that the class has
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("clip", [False, True])
@TABLES
def test_ddim(chain: str, prediction: str, eta: float, clip: bool, exact: bool, tmp_path: Path) -> None:
    """Every step of a shorter chain, since theirs takes no list; its direction from the clipped x_0, as here."""
    scheduler = diffusers.DDIMScheduler(
        num_train_timesteps=100,
        beta_schedule=chain,
        beta_end=0.2,
        prediction_type=prediction,
        clip_sample=clip,
    )
    pipeline = opened(scheduler, tmp_path, exact)
    scheduler.set_timesteps(100)

    def step(prediction: Any, timestep: int, x: Any) -> Any:
        more = dict(eta=eta, use_clipped_model_output=True, variance_noise=noise(timestep + 1) if eta else None)
        return scheduler.step(prediction, timestep, x, **more).prev_sample

    check_steps(pipeline, scheduler, step, method="ddim", eta=eta)


@pytest.mark.parametrize("chain", CHAINS[:3])
@pytest.mark.parametrize("prediction", PREDICTIONS)
@TABLES
def test_dpm_solver_multistep(chain: str, prediction: str, exact: bool, tmp_path: Path) -> None:
    scheduler = diffusers.DPMSolverMultistepScheduler(
        beta_schedule=chain, prediction_type=prediction, algorithm_type="dpmsolver++", solver_order=2
    )
    pipeline = opened(scheduler, tmp_path, exact)
    scheduler.set_timesteps(timesteps=TIMESTEPS)
    assert pipeline.clip is None

    def step(prediction: Any, timestep: int, x: Any) -> Any:
        return scheduler.step(prediction, timestep, x).prev_sample

    check_steps(pipeline, scheduler, step, method="dpm++2m")


@pytest.mark.parametrize("n", [5, 25, 1000])
@pytest.mark.parametrize("prediction", PREDICTIONS[:2])
@pytest.mark.parametrize("variance", ["fixed_small_log", "learned_range"])
@pytest.mark.parametrize("clip", [None, 0.8])
@TABLES
def test_unclip(
    n: int,
    prediction: str,
    variance: str,
    clip: float | None,
    exact: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whole chains of the same noise, each by itself, over the steps that its pipeline takes."""
    scheduler = diffusers.UnCLIPScheduler(
        prediction_type=prediction,
        variance_type=variance,
        clip_sample=clip is not None,
        clip_sample_range=clip or 1.0,
    )
    pipeline = opened(scheduler, tmp_path, exact)
    if exact:
        scheduler.alphas = torch.from_numpy(pipeline.schedule.alpha[1:].copy())
        scheduler.betas = torch.from_numpy(pipeline.schedule.beta[1:].copy())
        scheduler.one = scheduler.one.double()
    if variance == "learned_range":
        pipeline = pipeline._replace(unet=Learned())
    solver = solver_options.read(tmp_path / "scheduler")
    scheduler.set_timesteps(n)
    timesteps, steps = scheduler.timesteps.tolist(), solver.steps(n, pipeline.schedule)
    assert steps.tolist() == [timestep + 1 for timestep in timesteps]

    x = normal(SEED, STREAM_START, np.arange(N), 0, 16).reshape(N, *SHAPE)
    expected = {}
    for timestep, before in zip(timesteps, [*timesteps[1:], None], strict=True):
        z = noise(timestep + 1)
        monkeypatch.setattr(scheduling_unclip, "randn_tensor", lambda shape, z=z, **_: z)
        outputs = torch.from_numpy(answer(pipeline, x, timestep + 1))
        stepped = scheduler.step(outputs, timestep, torch.from_numpy(x), prev_timestep=before).prev_sample
        x = expected[0 if before is None else before + 1] = stepped.numpy().astype(np.float32)
    found = sample(
        pipeline.model,
        pipeline.schedule,
        N,
        SEED,
        method=solver.method,
        variance=pipeline.variance,
        steps=steps,
        end=solver.end,
        keep=list(expected),
        shape=SHAPE,
    )
    for (
        s,
        x,
    ) in expected.items():  # in their own tables the last beta over 1 - alpha_bar, which is 1, has an error of 4e-4
        atol = (1e-5 if exact else 2e-3) * max(1.0, np.abs(x).max())
        np.testing.assert_allclose(found[s], x, rtol=0, atol=atol, err_msg=f"s = {s}")


@pytest.mark.parametrize("clip", [None, 1.0])
def test_what_is_trained_here_samples_the_same_there(
    clip: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unet = UNet(**{name: value for name, value in UNET.config.items() if not name.startswith("_")}, seed=1)
    unet.buffer += 0.05 * np.random.default_rng(2).normal(size=unet.buffer.size).astype(np.float32)
    ours = Pipeline(unet, Schedule.linear(T=50), clip=clip)
    ours.to_diffusers(tmp_path)
    expected = sample(ours.model, ours.schedule, N, SEED, variance=ours.variance)

    theirs = diffusers.DDPMPipeline.from_pretrained(tmp_path)
    theirs.set_progress_bar_config(disable=True)
    start = torch.from_numpy(normal(SEED, STREAM_START, np.arange(N), 0, 16).reshape(N, *SHAPE))
    steps = iter(range(50, 0, -1))
    monkeypatch.setattr(pipeline_ddpm, "randn_tensor", lambda *_, **__: start)
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_, **__: noise(next(steps)))
    images = theirs(batch_size=N, num_inference_steps=50, output_type="np").images  # [N, H, W, C] in 0..1
    np.testing.assert_allclose(images[..., 0], np.clip(expected[:, 0] / 2.0 + 0.5, 0.0, 1.0), rtol=0, atol=1e-4)
