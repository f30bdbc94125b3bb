"""The prior against diffusers' PriorTransformer, over options drawn at random; and a chain of its embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

# After the packages that it is compared with.
from checks import peers  # noqa: E402
from diffusers.schedulers import scheduling_unclip  # noqa: E402

from numpy_diffusion.interop.diffusers import files, priors, schedulers, solver_options  # noqa: E402
from numpy_diffusion.models.condition import Condition  # noqa: E402
from numpy_diffusion.models.converted import as_eps, clipped  # noqa: E402
from numpy_diffusion.models.guided import guided  # noqa: E402
from numpy_diffusion.noise import STREAM_REVERSE, STREAM_START, normal  # noqa: E402
from numpy_diffusion.sampling.samplers import sample  # noqa: E402

DRAWS, N = 8, 4
OF_CHAINS = ("clip_mean", "clip_std")  # nothing of their network's answer


def drawn(seed: int) -> dict[str, Any]:
    """Options among those that are supported."""
    random = np.random.default_rng([9, seed])
    dim = int(random.integers(3, 20))
    return dict(
        num_attention_heads=int(random.integers(1, 5)),
        attention_head_dim=int(random.integers(2, 9)),
        num_layers=int(random.integers(1, 4)),
        embedding_dim=dim,
        num_embeddings=[77, 9][random.integers(2)],
        time_embed_dim=[None, 11][random.integers(2)],
        embedding_proj_dim=[None, 6][random.integers(2)],
        clip_embed_dim=[None, dim][random.integers(2)],
    )


CONFIGS = {f"draw {seed}": drawn(seed) for seed in range(DRAWS)}


class Pair:
    """A prior of diffusers with random weights, the folder it is saved in, and what is opened from there."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        def make() -> Any:
            theirs = diffusers.PriorTransformer(**config)
            with torch.no_grad():
                theirs.clip_std.fill_(1.0)
            return theirs

        self.theirs, self.folder = peers.saved(make, folder), folder
        self.ours = priors.read(folder)
        random, known = np.random.default_rng(1), self.ours.config
        self.z = random.normal(size=(N, known.embedding_dim)).astype(np.float32)
        self.t = np.array([1, 40, 500, 1000])  # theirs 0, 39, 499, 999
        length = known.num_embeddings
        lengths = np.array([length, length - 2, 2, 0])  # the last text is left out
        self.told = Condition(
            embedding=random.normal(size=(N, known.text_dim)),
            states=random.normal(size=(N, length, known.embedding_dim)),
            mask=np.arange(length) < lengths[:, None],
        )

    def outputs_of_theirs(self) -> Any:
        told = self.told
        return self.theirs(
            *(torch.from_numpy(values) for values in (self.z, self.t - 1, told.embedding, told.states, told.mask))
        ).predicted_image_embedding


@pytest.fixture(scope="module", params=CONFIGS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(CONFIGS[request.param], tmp_path_factory.mktemp("prior"))


def test_the_draws_cover_the_options() -> None:
    for name in ("num_embeddings", "time_embed_dim", "embedding_proj_dim"):
        assert len({config[name] for config in CONFIGS.values()}) == 2
    assert {config["clip_embed_dim"] is None for config in CONFIGS.values()} == {False, True}
    assert {config["num_layers"] for config in CONFIGS.values()} == {1, 2, 3}


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_the_same_outputs(pair: Pair, backend: Any) -> None:
    expected = pair.outputs_of_theirs().detach().numpy()
    found = pair.ours(pair.z, pair.t, backend=backend, **pair.told.arguments())
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_texts_without_room_to_spare_answer_the_same(pair: Pair) -> None:
    """A sequence that ends with the longest text is theirs, which has all places."""
    told, rows = pair.told, slice(2, N)
    short = Condition(embedding=told.embedding[rows], states=told.states[rows, :2], mask=told.mask[rows, :2])
    expected = pair.outputs_of_theirs().detach().numpy()
    found = pair.ours(pair.z[rows], pair.t[rows], **short.arguments())
    np.testing.assert_allclose(found, expected[rows], rtol=0, atol=1e-5 * np.abs(expected).max())


def test_the_same_gradients(pair: Pair) -> None:
    """Of a random projection of the outputs; relative to each parameter's largest."""
    outputs, caches = pair.ours.forward(pair.ours.params, pair.z, pair.t, pair.told)
    doutputs = np.random.default_rng(2).normal(size=outputs.shape).astype(np.float32)
    _, found = pair.ours.backward(pair.ours.params, doutputs, caches)
    pair.theirs.zero_grad()
    (pair.outputs_of_theirs() * torch.from_numpy(doutputs)).sum().backward()
    for name in OF_CHAINS:
        values = getattr(pair.theirs, name)
        assert values.grad is None
        values.grad = torch.zeros_like(values)
    zeros = {name: np.zeros(values.shape, np.float32) for name, values in pair.theirs.named_parameters()}
    peers.assert_same_gradients({name: zeros[name] for name in OF_CHAINS} | found, pair.theirs)
    for name in OF_CHAINS:
        getattr(pair.theirs, name).grad = None


def test_the_round_trip_is_bit_identical(pair: Pair, tmp_path: Path) -> None:
    priors.write(pair.ours, tmp_path)
    assert (tmp_path / files.WEIGHTS).read_bytes() == (pair.folder / files.WEIGHTS).read_bytes()
    again = diffusers.PriorTransformer.from_pretrained(tmp_path)
    peers.assert_same_parameters(again, pair.theirs)
    for name, value in pair.ours.options.items():
        assert again.config[name] == pair.theirs.config[name] == value, name


def test_embeddings_go_back_to_the_datas_units_alike(pair: Pair) -> None:
    z = torch.from_numpy(pair.z)
    found = pair.ours.shift + pair.ours.scale * pair.z
    np.testing.assert_allclose(found, pair.theirs.post_process_latents(z).detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("steps", [2, 25])
@pytest.mark.parametrize("guidance_scale", [1.0, 4.0])
def test_the_same_embeddings_as_of_their_pipelines_loop(
    pair: Pair, steps: int, guidance_scale: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole chain with guidance and clipping, of the same noise; their tables in float64, see the schedulers'."""
    scheduler = diffusers.UnCLIPScheduler(prediction_type="sample", clip_sample_range=2.0)
    scheduler.save_pretrained(tmp_path)
    schedule, solver = schedulers.read_schedule(tmp_path), solver_options.read(tmp_path)
    for name, values in (
        ("alphas_cumprod", schedule.alpha_bar),
        ("alphas", schedule.alpha),
        ("betas", schedule.beta),
    ):
        setattr(scheduler, name, torch.from_numpy(values[1:].copy()))
    scheduler.one = scheduler.one.double()
    scheduler.set_timesteps(steps)
    D, told, seed = pair.ours.shape[0], pair.told, 3
    nothing = told.rows(slice(2, 3)).each(1)
    both = nothing.rows(np.zeros(N, int)).followed_by(told)
    z = torch.from_numpy(normal(seed, STREAM_START, np.arange(N), 0, D))
    timesteps = scheduler.timesteps.tolist()
    for timestep, before in zip(timesteps, [*timesteps[1:], None], strict=True):
        given = (torch.from_numpy(values) for values in (both.embedding, both.states, both.mask))
        without, with_text = pair.theirs(torch.cat([z, z]), timestep, *given).predicted_image_embedding.chunk(2)
        noise = torch.from_numpy(normal(seed, STREAM_REVERSE, np.arange(N), timestep + 1, D))
        monkeypatch.setattr(scheduling_unclip, "randn_tensor", lambda shape, noise=noise, **_: noise)
        mixed = without + guidance_scale * (with_text - without)
        z = scheduler.step(mixed, timestep, z, prev_timestep=before).prev_sample.float()
    expected = pair.theirs.post_process_latents(z).detach().numpy()
    one = {name: values[0] for name, values in nothing.arguments().items()}
    model = as_eps(guided(pair.ours, told, guidance_scale - 1.0, Condition(**one)), schedule, "x0")
    ends = (pair.ours.shift + end * pair.ours.scale for end in (-2.0, 2.0))  # the range is of what is drawn there
    found = sample(
        clipped(model, schedule, *ends),
        schedule,
        N,
        seed,
        method=solver.method,
        variance="beta_tilde",
        steps=solver.steps(steps, schedule),
    )
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
