"""DALL-E 2 in small: scenes drawn by their captions, 128 x 128 pixels (article, section 4; Ramesh et al. 2022).

Trains five networks on captioned scenes: CLIP, which knows what picture a caption means; the prior, from a caption to
CLIP's embedding of a picture; the decoder, from there to 32 x 32 pixels; two upsamplers.  Then shows each stage, and
prints how good it is.  --run keeps all of it in a folder, from which an interrupted training goes on, part by part,
and leaves the pipeline there in diffusers' files, for `nd.UnCLIP`, for dalle2_tricks.py and for

    numpy-diffusion dalle2 RUN/pipeline "a small green tank at the bottom" -o tanks.png

Says before each part how long it will take.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import _common
import _dalle2
import _dalle2_figures as pictures
import _dalle2_quality as quality
import _grids
import _latents
import _scene_quality
import numpy as np
from _dalle2 import Part

import numpy_diffusion as nd
from numpy_diffusion.layers import bicubic

# Of a training step, on two cores.
SECONDS: Final[dict[Part, float]] = dict(clip=0.13, prior=0.025, decoder=0.206, upsampler_1=0.054, upsampler_2=0.11)
TIMED: Final = 4  # pictures
ENLARGED: Final = 200  # scenes
KNOWN, SHOWN = 500, 8  # scenes whose embeddings are shown, and those beside their captions
ASKED: Final = ("a small green tank at the bottom", "a big red plane on the left", "a tiny blue star at the top")
MORE: Final = ("a large yellow spiral in the middle", "a small purple ring on the right", "a pink square at the top")
COLUMNS: Final = 6


def main() -> None:
    options = parsed()
    steps = {part: options.steps or count for part, count in _dalle2.STEPS.items()}
    plan = _dalle2.Plan(options.seed, steps, options.scenes, options.run)
    made = trained(plan, _dalle2.PARTS if options.part is None else _dalle2.needed(options.part))
    if options.part is not None:
        return
    clip, pipeline = made["clip"], _dalle2.pipeline(**made)
    if options.run is not None:
        pipeline.to_diffusers(options.run / "pipeline")
        print(options.run / "pipeline")
    judge_parts(clip, pipeline, options.samples, options.seed)
    draw_pictures(clip, pipeline, options.out, options.seed)
    judge_whole(pipeline, options.samples, options.seed)


def parsed() -> argparse.Namespace:
    options = _common.parser(__doc__, steps=0, meaning="training steps of each part, 0 for as many as suit it")
    options.add_argument("--run", type=Path, help="folder of all runs, new or to go on with (default: none is kept)")
    options.add_argument("--part", choices=_dalle2.PARTS, help="train this one and those that it needs, and no more")
    most = max(_dalle2.SCENES)
    options.add_argument("--scenes", type=int, default=most, help=f"scenes to learn from, at most (default {most:,})")
    options.add_argument("--samples", type=int, default=1000, help="samples to judge, of each kind (default 1,000)")
    return options.parse_args()


# --- training ----------------------------------------------------------------------------------------------------


def trained(plan: _dalle2.Plan, parts: Sequence[Part]) -> dict[str, Any]:
    """The networks of these parts, trained one after the other; says how long each will take and has taken here."""
    minutes = {part: plan.steps[part] * SECONDS[part] / 60.0 for part in parts}
    print(f"Trains {', '.join(parts)}; on two cores about {sum(minutes.values()):.0f} minutes")
    made: dict[str, Any] = {}
    taken: dict[str, float] = {}
    for part in parts:
        print(f"{part}: {plan.steps[part]:,} steps, about {minutes[part]:.0f} minutes")
        began = time.perf_counter()
        made[part] = _dalle2.trained(part, plan, made.get("clip"))
        taken[part] = time.perf_counter() - began
    whole = sum(taken.values())
    print(f"{'part':<14}{'steps':>8}{'seconds':>10}{'share':>8}")
    for part, seconds in taken.items():
        print(f"{part:<14}{plan.steps[part]:>8,}{seconds:>10,.0f}{seconds / whole:>8.0%}")
    return made


# --- how good it is ----------------------------------------------------------------------------------------------


def judge_parts(clip: nd.CLIP, pipeline: nd.UnCLIP, n: int, seed: int) -> None:
    """CLIP, the prior and the upsamplers, each by itself."""
    for part, what in (("seen", "seen combinations"), ("held_out", "combinations that were held out")):
        captions, images = quality.found(clip, n, seed, part)
        asked = nd.captions.scenes(n, _dalle2.SIZES[0], seed + _latents.JUDGED, part)
        one, other = quality.two_pictures(clip, asked, seed)
        z = pipeline.prior_embedding(asked.captions, seed=seed, guidance=_dalle2.GUIDANCE)
        told = pipeline.encoded(asked.captions).embedding
        print(f"Of {what}:")
        print(f"  the right one of {quality.CHOICES} captions is found in {captions:.1%}, of images in {images:.1%}")
        print("  cosine of a picture's embedding")
        others = {"the prior's": z, "another picture's of the caption": other, "the caption's own": told}
        for name, each in others.items():
            print(f"    with {name:<34}{quality.nearness(each, one):>6.3f}")
    _judge_upsamplers(pipeline, min(n, ENLARGED), seed)


def _judge_upsamplers(pipeline: nd.UnCLIP, n: int, seed: int) -> None:
    """Real scenes enlarged, by the upsamplers and by bicubic interpolation, against what they are at that size."""
    small, *large = (nd.captions.scenes(n, size, seed + _latents.JUDGED, "held_out").x0 for size in _dalle2.SIZES)
    print("Scenes that were held out, enlarged from 32 x 32, by the upsamplers and by bicubic interpolation:")
    for x, true in zip(pipeline.upsample(small, seed), large, strict=True):
        size = true.shape[2]
        smooth = np.clip(bicubic.forward(small, size, size), -1.0, 1.0)
        ours, theirs = ((quality.psnr(each, true), quality.sharpness(each, true)) for each in (x, smooth))
        print(f"  {size} x {size}: {ours[0]:.1f} dB against {theirs[0]:.1f}, ", end="")
        print(f"edges {ours[1]:.0%} as steep as the true ones against {theirs[1]:.0%}")


def judge_whole(pipeline: nd.UnCLIP, n: int, seed: int) -> None:
    """Captions to pictures, read by classifiers of real scenes after each stage; and how long a picture takes."""
    judge = _scene_quality.trained(_dalle2.SIZES[0])
    began = time.perf_counter()
    pipeline(ASKED[0], n=TIMED, seed=seed, progress=False, **_dalle2.BOTH)
    print(f"A picture takes {1000.0 * (time.perf_counter() - began) / TIMED:,.0f} ms")
    for part, what in (("seen", "seen combinations"), ("held_out", "combinations that were held out")):
        asked = nd.captions.scenes(n, 1, seed + _latents.JUDGED, part)
        drawn = pipeline.stages(asked.captions, seed=seed, **_dalle2.BOTH)
        found = quality.shares(judge, [drawn.x, *drawn.upsampled], asked.captions)
        print(f"Of {n:,} pictures of {what} read as what was asked for, larger ones at 32 x 32 again:")
        print(f"  {'':<10}" + "".join(f"{f'{size} x {size}':>12}" for size in _dalle2.SIZES))
        for name in found[0]:
            print(f"  {name:<10}" + "".join(f"{each[name]:>12.1%}" for each in found))


# --- pictures ----------------------------------------------------------------------------------------------------


def draw_pictures(clip: nd.CLIP, pipeline: nd.UnCLIP, out: Path, seed: int) -> None:
    """CLIP's similarities, the prior's embeddings, the four stages of three captions, and a grid by caption."""
    scenes = nd.captions.scenes(KNOWN, _dalle2.SIZES[0], seed + _latents.JUDGED)
    z = pipeline.prior_embedding(scenes.captions, seed=seed, guidance=_dalle2.GUIDANCE, progress=False)
    captions = [text for text in ASKED + MORE for _ in range(COLUMNS)]
    for name, figure in {
        "_clip": pictures.similarities(clip, scenes, SHOWN),
        "_prior": pictures.embeddings(clip.image_encoder(scenes.x0), z),
        "_stages": pictures.stages(pipeline, scenes, ASKED, seed),
        "": _grids.by_caption(pipeline(captions, seed=seed, **_dalle2.BOTH), COLUMNS, ASKED + MORE),
    }.items():
        _common.save(figure, out / f"dalle2{name}.png")


if __name__ == "__main__":
    _common.run(main)
