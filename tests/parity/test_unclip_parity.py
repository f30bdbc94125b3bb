"""A whole UnCLIPPipeline: the same at every stage from the same noise, theirs opened here and ours there.

Their schedulers' tables are float32, where 1 - alpha_bar of the first steps has three digits: they are given ours, in
float64, so that the formulas alone are compared.  Ours keeps the better of two embeddings: their pipeline runs twice,
of the noise of either, and of each picture that run counts whose embedding is nearer to its text's.

In the first step x_0 is the difference of x_T and eps over sqrt(alpha_bar_T), which is 5e-5 with 1,000 steps.  Of a
picture where it is not cut off somewhere float32's rounding of eps is seen, and the embedding alone is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks import unclip
from checks.tokens import vocabulary, write

import numpy_diffusion as nd

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")

# After the packages that it is compared with.
from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel  # noqa: E402
from diffusers.schedulers import scheduling_unclip  # noqa: E402

from numpy_diffusion.noise import STREAM_REVERSE, STREAM_STAGE, STREAM_START, normal, seed_of  # noqa: E402
from numpy_diffusion.pipelines import unclip_folder  # noqa: E402
from numpy_diffusion.pipelines.unclip_chains import DECODER, PRIOR, UPSAMPLERS  # noqa: E402
from numpy_diffusion.sampling.better_draw import APART  # noqa: E402

TEXTS = ["a big red plane", "Zwei RÖTE Ørte, 3 €!", "a", "PLA's red"]
SEED, DRAWS = 0, 6
CHAINS = {"prior_scheduler": PRIOR, "decoder_scheduler": DECODER, "super_res_scheduler": UPSAMPLERS}
Stages = dict[str, np.ndarray]


@dataclass(frozen=True)
class Drawn:
    """Options of a pipeline, and of a call of it."""

    width: int
    heads: int
    tokens: int  # that a picture becomes for the decoder
    blocks: int
    attends: bool  # upsamplers
    two: bool  # networks that share the steps of the upsampling
    T: int
    clip: float | None  # of the prior
    scales: tuple[float, float]  # guidance_scale of prior and decoder
    steps: tuple[int, int, int]
    predicted: str  # by decoder and upsamplers


def drawn(seed: int) -> Drawn:
    random = np.random.default_rng([24, seed])
    heads = int(random.integers(1, 4))
    return Drawn(
        width=heads * int(random.integers(4, 9)),
        heads=heads,
        tokens=int(random.integers(1, 5)),
        blocks=1 + seed % 2,
        attends=bool(random.integers(2)),
        two=seed % 3 > 0,
        T=[1000, 100][random.integers(2)],
        clip=[None, 0.7, 5.0][random.integers(3)],
        scales=[(4.0, 3.0), (1.0, 1.0), (1.0, 2.5), (3.0, 1.0)][seed % 4],
        steps=tuple(random.integers([2, 3, 3], [9, 9, 8]).tolist()),
        predicted=["epsilon", "sample"][seed // 2 % 2],
    )


CONFIGS = {f"draw {seed}": drawn(seed) for seed in range(DRAWS)}


def theirs(known: Drawn, folder: Path) -> Any:
    """A pipeline of drawn weights."""
    torch.manual_seed(0)
    write(folder)
    tokens, time, attended = len(vocabulary()), 20, 12
    text = transformers.CLIPTextConfig(
        hidden_size=known.width,
        projection_dim=known.width,
        intermediate_size=37,
        num_attention_heads=known.heads,
        num_hidden_layers=2,
        vocab_size=tokens,
        bos_token_id=tokens - 2,
        eos_token_id=tokens - 1,
    )
    both: dict[str, Any] = dict(layers_per_block=1, norm_num_groups=4, resnet_time_scale_shift="scale_shift")
    both |= dict(block_out_channels=[8 * (number + 1) for number in range(known.blocks)])
    first, *others = (("SimpleCrossAttn", "DownBlock2D"), *[("Resnet", "DownsampleBlock2D")] * (known.blocks - 1))
    down = ["".join(kind) for kind in (*others, first)]

    def upsampler() -> Any:
        return diffusers.UNet2DModel(
            sample_size=8,
            in_channels=6,
            out_channels=3,
            down_block_types=["ResnetDownsampleBlock2D"] * known.blocks,
            up_block_types=["ResnetUpsampleBlock2D"] * known.blocks,
            add_attention=known.attends,
            attention_head_dim=4,
            **both,
        )

    first_upsampler = upsampler()
    pipe = diffusers.UnCLIPPipeline(
        prior=diffusers.PriorTransformer(
            num_attention_heads=known.heads, attention_head_dim=6, embedding_dim=known.width, num_layers=2
        ),
        decoder=diffusers.UNet2DConditionModel(
            sample_size=4,
            in_channels=3,
            out_channels=6,
            down_block_types=down,
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            up_block_types=[kind.replace("Downsample", "Upsample").replace("Down", "Up") for kind in reversed(down)],
            cross_attention_dim=attended,
            attention_head_dim=4,
            time_embedding_dim=time,
            class_embed_type="identity",
            **both,
        ),
        text_encoder=transformers.CLIPTextModelWithProjection(text),
        tokenizer=transformers.CLIPTokenizer(
            str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77
        ),
        text_proj=UnCLIPTextProjModel(
            clip_extra_context_tokens=known.tokens,
            clip_embeddings_dim=known.width,
            time_embed_dim=time,
            cross_attention_dim=attended,
        ),
        super_res_first=first_upsampler,
        super_res_last=upsampler() if known.two else first_upsampler,
        prior_scheduler=diffusers.UnCLIPScheduler(
            num_train_timesteps=known.T,
            prediction_type="sample",
            clip_sample=known.clip is not None,
            clip_sample_range=known.clip or 1.0,
        ),
        decoder_scheduler=diffusers.UnCLIPScheduler(
            num_train_timesteps=known.T, variance_type="learned_range", prediction_type=known.predicted
        ),
        super_res_scheduler=diffusers.UnCLIPScheduler(num_train_timesteps=known.T, prediction_type=known.predicted),
    )
    with torch.no_grad():
        for name in ("prior", "decoder", "text_encoder", "text_proj", "super_res_first", "super_res_last"):
            for values in getattr(pipe, name).eval().parameters():
                values.add_(0.1 * torch.randn_like(values))
        pipe.prior.clip_std.abs_().add_(0.5)
    return pipe


def run(
    pipe: Any,
    ours: nd.UnCLIP,
    texts: list[str],
    known: Drawn,
    draw: int,
    monkeypatch: pytest.MonkeyPatch,
) -> Stages:
    """What each stage of theirs draws, of our noise and in our tables; `draw` says which of the two of the prior."""
    n, last = len(texts), {}
    steady = np.ones(n, bool)  # whose x_0 in the first step is cut off everywhere
    numbers = {name: np.arange(n) for name in CHAINS} | {"prior_scheduler": np.arange(n) + draw * APART}

    def noise(name: str, stream: int, t: int, shape: tuple[int, ...]) -> Any:
        seed = seed_of(SEED, STREAM_STAGE, CHAINS[name])
        return torch.from_numpy(normal(seed, stream, numbers[name], t, int(np.prod(shape))).reshape(n, *shape))

    def watched(name: str, scheduler: Any, schedule: nd.Schedule) -> None:
        for table, values in {
            "alphas_cumprod": schedule.alpha_bar,
            "alphas": schedule.alpha,
            "betas": schedule.beta,
        }.items():
            np.testing.assert_allclose(getattr(scheduler, table), values[1:], rtol=1e-3, atol=1e-6)
            monkeypatch.setattr(scheduler, table, torch.from_numpy(values[1:].copy()))
        monkeypatch.setattr(scheduler, "one", torch.tensor(1.0, dtype=torch.float64))
        step = type(scheduler).step

        def stepped(answer: Any, timestep: Any, sample: Any, **options: Any) -> Any:
            z = noise(name, STREAM_REVERSE, int(timestep) + 1, tuple(sample.shape[1:]))
            monkeypatch.setattr(scheduling_unclip, "randn_tensor", lambda *_, **__: z)
            found = step(scheduler, answer, timestep=timestep, sample=sample, **options)
            last[name] = found.prev_sample
            if int(timestep) + 1 == schedule.T and scheduler.config.prediction_type == "epsilon":
                steady[:] &= (found.pred_original_sample.abs() == 1.0).flatten(1).all(1).numpy()
            return found

        monkeypatch.setattr(scheduler, "step", stepped)

    for stage, chain in unclip_folder.CHAINS.items():
        watched(chain.place, getattr(pipe, chain.place), getattr(ours, stage).schedule)
    shapes = {
        "prior_latents": ("prior_scheduler", ours.prior.shape),
        "decoder_latents": ("decoder_scheduler", ours.decoder.shape),
        "super_res_latents": ("super_res_scheduler", ours.upsamplers[0].shape),
    }
    pipe.set_progress_bar_config(disable=True)
    images = pipe(
        texts,
        **{argument: noise(name, STREAM_START, 0, shape) for argument, (name, shape) in shapes.items()},
        prior_num_inference_steps=known.steps[0],
        decoder_num_inference_steps=known.steps[1],
        super_res_num_inference_steps=known.steps[2],
        prior_guidance_scale=known.scales[0],
        decoder_guidance_scale=known.scales[1],
        output_type="np",
    ).images
    with torch.no_grad():
        embedding = pipe.prior.post_process_latents(last["prior_scheduler"])
    return dict(
        embedding=embedding.numpy(),
        x=last["decoder_scheduler"].clamp(-1.0, 1.0).numpy(),
        upsampled=2.0 * images.transpose(0, 3, 1, 2) - 1.0,
        steady=steady,
    )


def stages_of_theirs(pipe: Any, ours: nd.UnCLIP, texts: list[str], known: Drawn) -> Stages:
    """Of each picture that run whose embedding is nearer to its text's."""
    runs = []
    for draw in range(2):
        with pytest.MonkeyPatch.context() as monkeypatch:
            runs.append(run(pipe, ours, texts, known, draw, monkeypatch))
    with torch.no_grad():
        towards = pipe._encode_prompt(texts, "cpu", 1, False)[0].numpy()
    one, two = ((of_run["embedding"] * towards).sum(axis=1) for of_run in runs)
    better = np.argmax([one, two], axis=0)
    return {name: np.array([runs[run][name][row] for row, run in enumerate(better)]) for name in runs[0]}


def stages_of_ours(ours: nd.UnCLIP, texts: list[str], known: Drawn) -> Stages:
    options: Any = dict(zip(("prior_steps", "decoder_steps", "upsampler_steps"), known.steps, strict=True))
    prior_guidance, decoder_guidance = (scale - 1.0 for scale in known.scales)
    options |= dict(prior_guidance=prior_guidance, decoder_guidance=decoder_guidance)
    found = ours.stages(texts, seed=SEED, progress=False, **options)
    return dict(embedding=found.embedding, x=found.x, upsampled=found.upsampled[0])


def assert_same(found: Stages, expected: Stages, atol: float) -> None:
    steady = expected["steady"]
    assert steady.sum() > 1
    for name, rows in dict(embedding=slice(None), x=steady, upsampled=steady).items():
        one, other = found[name][rows], expected[name][rows]
        np.testing.assert_allclose(one, other, rtol=0, atol=atol * max(1.0, np.abs(other).max()), err_msg=name)


def test_the_draws_cover_the_options() -> None:
    for name, count in dict(heads=2, blocks=2, attends=2, two=2, T=2, clip=3, scales=4).items():
        assert len({getattr(known, name) for known in CONFIGS.values()}) >= count, name


@pytest.mark.parametrize("name", CONFIGS)
def test_their_folder_gives_theirs_at_every_stage(name: str, tmp_path: Path) -> None:
    known = CONFIGS[name]
    pipe = theirs(known, tmp_path / "tokens")
    pipe.save_pretrained(tmp_path / "theirs")
    ours = nd.UnCLIP.from_diffusers(tmp_path / "theirs")
    assert (ours.last_upsampler is not None) == known.two
    expected = stages_of_theirs(pipe, ours, TEXTS, known)
    for pictures in (expected["x"], expected["upsampled"]):
        assert (np.abs(pictures) < 1.0).mean() > 0.1  # and not all of it is cut off
        assert np.abs(pictures[0] - pictures[1]).max() > 0.1
    assert_same(stages_of_ours(ours, TEXTS, known), expected, atol=1e-4)

    ours.to_diffusers(tmp_path / "ours")
    again = diffusers.UnCLIPPipeline.from_pretrained(tmp_path / "ours")
    assert_same(stages_of_theirs(again, ours, TEXTS, known), expected, atol=1e-5)


def test_a_folder_of_ours_opens_there(tmp_path: Path) -> None:
    """Of whole words, with an image encoder and a second upsampler, which theirs have no place for."""
    pipe = unclip.pipeline(last_upsampler=unclip.upsampler(seed=9), **unclip.stages(1000))
    pipe.prior.nothing = unclip_folder.empty_text(pipe.tokenizer, pipe.text_encoder)
    pipe.to_diffusers(tmp_path)
    there = diffusers.UnCLIPPipeline.from_pretrained(tmp_path)
    texts, known = ["a big red plane on the left", "tiny green star", "star"], CONFIGS["draw 0"]
    expected = stages_of_theirs(there, pipe, texts, known)
    assert_same(stages_of_ours(pipe, texts, known), expected, atol=1e-4)
