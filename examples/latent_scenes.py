"""Latent diffusion in small: scenes drawn by their captions (article, Stable Diffusion; Rombach et al. 2022).

Trains an autoencoder on captioned scenes of 64 x 64 pixels, and a text encoder and a U-Net together on its latents of
4 x 16 x 16; then draws pictures of each stage, and scenes of captions.  --run keeps all of it in a folder, from which
an interrupted training goes on, and leaves the pipeline there in diffusers' files, for `nd.LatentPipeline` and for

    numpy-diffusion text2image RUN/pipeline "a big red plane on the left" -o planes.png

Prints how well scenes come back from their latents, and how many of 1,000 samples classifiers of real scenes read as
what was asked for: of combinations of thing, colour, size and place that were seen in training, and of others that
never were.  Says how long training will take before it starts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import _common
import _grids
import _latents
import _scene_quality
import numpy as np

import numpy_diffusion as nd
from numpy_diffusion import figures

SHOWN = 6  # pictures side by side
KEPT = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.0)  # of T: the steps of the rows
ASKED = (
    "a big red plane on the left",
    "a tiny green star at the top",
    "a large blue ring in the middle",
    "a small orange tank on the right",
    "a big purple spiral at the bottom",
    "a little yellow triangle on the left",
)


def main() -> None:
    options = parsed()
    print(
        f"Trains an autoencoder for {options.autoencoder_steps:,} steps and a network on its latents for "
        f"{options.steps:,}; on two cores about {minutes(options):.0f} minutes, and some more to judge both"
    )
    pipeline = trained(options)
    if options.run is not None:
        pipeline.to_diffusers(options.run / "pipeline")
        print(options.run / "pipeline")
    print(f"Scenes that were held out come back with {_latents.psnr(pipeline.autoencoder):.1f} dB")
    _pictures(pipeline, options.out, options.seed, options.guidance)
    judge = _scene_quality.trained(_latents.SIZE)
    for part, what in (("seen", "Seen combinations"), ("held_out", "Combinations that were held out")):
        print(f"{what}:")
        asked = nd.captions.scenes(options.samples, 1, options.seed + _latents.JUDGED, part)
        x = pipeline(
            asked.captions, seed=options.seed, guidance=options.guidance, steps=min(_latents.CHAIN, options.length)
        )
        _scene_quality.report(judge, x, nd.captions.parse(asked.captions))


def parsed() -> argparse.Namespace:
    options = _common.parser(__doc__, steps=_latents.STEPS, meaning="training steps of the network")
    steps, what = _latents.AUTOENCODER_STEPS, "training steps of the autoencoder"
    options.add_argument("--autoencoder-steps", type=int, default=steps, help=f"{what} (default {steps:,})")
    options.add_argument("--run", type=Path, help="folder of both runs, new or to go on with (default: none is kept)")
    options.add_argument(
        "--scenes", type=int, default=_latents.SCENES, help=f"scenes to learn from (default {_latents.SCENES:,})"
    )
    options.add_argument("--length", type=int, default=1000, help="T, the steps of the chain (default 1,000)")
    options.add_argument("--samples", type=int, default=1000, help="samples to judge, of each part (default 1,000)")
    options.add_argument("--guidance", type=float, default=_latents.GUIDANCE, help="w of the samples")
    return options.parse_args()


def minutes(options: argparse.Namespace) -> float:
    """How long training takes on two cores, as it was measured."""
    return (0.052 * options.autoencoder_steps + 0.165 * options.steps) / 60.0


def trained(options: argparse.Namespace) -> nd.LatentPipeline:
    """The autoencoder, and then the network, trained; or those of the run."""
    runs = (None, None) if options.run is None else (options.run / "autoencoder", options.run / "network")
    autoencoder = _latents.trained_autoencoder(options.seed, options.autoencoder_steps, options.scenes, runs[0])
    z, told = _latents.latents(autoencoder, options.scenes, options.seed)
    schedule = nd.Schedule.linear(T=options.length)
    model = _latents.text_unet(z.shape[1:], _latents.CHANNELS, options.seed)
    run = _latents.trained(model, schedule, z, told, options.steps, options.seed, runs[1])
    text_encoder, unet = run.model.parts()
    return nd.LatentPipeline(text_encoder, nd.captions.tokenizer(), unet, schedule, autoencoder)


def _pictures(pipeline: nd.LatentPipeline, out: Path, seed: int, guidance: float) -> None:
    """Reconstructions and latents, both chains in the latent space and decoded, samples by caption.

    Of the latents' chains three channels are shown, as red, green and blue: those that tell most of the scenes.
    """
    scenes = nd.captions.scenes(SHOWN, _latents.SIZE, seed + _latents.JUDGED, part="held_out")
    z = pipeline.encode(scenes.x0)
    rows = np.concatenate([scenes.x0, pipeline.decode(z)])
    _common.save(
        _grids.by_caption(rows, SHOWN, ["scene", "there and back"]), out / "latent_scenes_there_and_back.png"
    )
    channels = z.transpose(1, 0, 2, 3).reshape(-1, 1, *z.shape[2:]) / np.float32(3.0)
    names = [f"latent, channel {number}" for number in range(1, z.shape[1] + 1)]
    _common.save(_grids.by_caption(channels, SHOWN, names), out / "latent_scenes_latents.png")

    schedule = pipeline.schedule
    kept = [round(share * schedule.T) for share in KEPT]
    forward = nd.q_trajectory(z, schedule, seed=seed, keep=kept)
    states = pipeline.states(scenes.captions)
    reverse = nd.sample(pipeline.denoiser(states, guidance), schedule, SHOWN, seed, keep=kept)
    told = np.sort(np.argsort(pipeline.autoencoder.encode(scenes.x0).mean.std(axis=(0, 2, 3)))[-3:])
    for name, show in (("latent", lambda z: np.clip(z[:, told] / 3.0, -1.0, 1.0)), ("decoded", pipeline.decode)):
        rows = ({t: show(xt) for t, xt in way.items()} for way in (forward, reverse))
        _common.save(figures.image_rows(*rows), out / f"latent_scenes_{name}_rows.png")

    captions = [text for text in ASKED for _ in range(SHOWN)]
    x = pipeline(captions, seed=seed, guidance=guidance, steps=min(_latents.CHAIN, schedule.T))
    _common.save(_grids.by_caption(x, SHOWN, ASKED), out / "latent_scenes.png")


if __name__ == "__main__":
    _common.run(main)
