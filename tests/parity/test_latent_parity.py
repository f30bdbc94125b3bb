"""A whole StableDiffusionPipeline: the same pictures from the same noise, theirs opened here and ours there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.latents import pipeline

import numpy_diffusion as nd
from numpy_diffusion.sampling import start
from numpy_diffusion.sampling.spacing import Solver

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")

TEXTS = ["a big red plane", "Zwei RÖTE Ørte, 3 €!"]
WIDTH = 32
SCHEDULERS = {
    "DDIM as in 1.5": diffusers.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    ),
    "DDIM as in 2.1, of v": diffusers.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    ),
    "DPM++": diffusers.DPMSolverMultistepScheduler(
        beta_schedule="scaled_linear", timestep_spacing="trailing", steps_offset=1
    ),
}


def theirs(folder: Path, scheduler: Any, second: bool) -> Any:
    """A pipeline of drawn weights, in the structure of version 1, or 2."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = {b: chr(b) for b in printable}
    symbols |= {b: chr(256 + n) for n, b in enumerate(b for b in range(256) if b not in printable)}
    one = [symbols[b] for b in range(256)]
    words = [*one, *(f"{s}</w>" for s in one), "re", "red</w>", "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\nr e\nre d</w>\n")
    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    ends = dict(vocab_size=len(words), bos_token_id=len(words) - 2, eos_token_id=len(words) - 1)
    encoder = transformers.CLIPTextConfig(
        hidden_size=WIDTH,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        hidden_act="gelu" if second else "quick_gelu",
        **ends,
    )
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=[2, 4] if second else 8,
        use_linear_projection=second,
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        sample_size=16,
    )
    return diffusers.StableDiffusionPipeline(
        vae=vae,
        text_encoder=transformers.CLIPTextModel(encoder),
        tokenizer=transformers.CLIPTokenizer(*files, model_max_length=77),
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
    )


def pictures(pipe: Any, texts: list[str], noise: np.ndarray, steps: int, guidance: float) -> np.ndarray:
    """Theirs in -1..1, from x_T as it is drawn here."""
    pipe.set_progress_bar_config(disable=True)
    found = pipe(
        texts,
        latents=torch.from_numpy(noise),
        num_inference_steps=steps,
        guidance_scale=1.0 + guidance,
        output_type="np",
    ).images
    return 2.0 * found.transpose(0, 3, 1, 2) - 1.0


@pytest.mark.parametrize("guidance", [0.0, 6.5])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_their_folder_gives_their_pictures(name: str, guidance: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    pipe = theirs(tmp_path / "tokens", SCHEDULERS[name], second="2.1" in name)
    pipe.save_pretrained(tmp_path / "theirs")
    ours = nd.LatentPipeline.from_diffusers(tmp_path / "theirs")
    noise = start.noise(len(TEXTS), ours.unet.shape, seed=3, first=0)
    expected = pictures(pipe, TEXTS, noise, 10, guidance)
    found = ours(TEXTS, seed=3, guidance=guidance, steps=10, progress=False)
    assert np.abs(expected).max() < 1.0 or np.abs(expected).mean() < 0.9  # and not all of it is cut off
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)

    ours.to_diffusers(tmp_path / "ours")
    again = diffusers.StableDiffusionPipeline.from_pretrained(tmp_path / "ours")
    np.testing.assert_allclose(pictures(again, TEXTS, noise, 10, guidance), expected, rtol=0, atol=1e-5)


def test_a_folder_of_whole_words_opens_there(tmp_path: Path) -> None:
    pipe, texts = pipeline(solver=Solver("ddim", "leading", 1, 1)), ["a big red plane on the left", "tiny green star"]
    pipe.to_diffusers(tmp_path / "scenes")
    there = diffusers.StableDiffusionPipeline.from_pretrained(tmp_path / "scenes")
    noise = start.noise(2, pipe.unet.shape, seed=1, first=0)
    found = pipe(texts, seed=1, steps=5, progress=False)
    np.testing.assert_allclose(pictures(there, texts, noise, 5, 3.0), found, rtol=0, atol=1e-4)
