"""What DALL-E 2 makes of pictures, and what its prior is worth (Ramesh et al. 2022, figures 3 to 5 and 8).

Draws variations of a picture, the way from one picture to another, and a picture turned from what one text says
towards another; then, of 1,000 captions, what comes of the caption alone, of its embedding in place of a picture's,
and of the prior's embedding.  Goes by the pipeline that dalle2.py left:

    python examples/dalle2.py --run runs/dalle2
    python examples/dalle2_tricks.py runs/dalle2/pipeline
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import _common
import _dalle2
import _dalle2_figures as pictures
import _latents
import _scene_quality
import numpy as np

import numpy_diffusion as nd

SHOWN: Final = 7  # pictures side by side
FROM: Final = ("a big red plane on the left", "a small blue ring on the right", "a large green star in the middle")
TO: Final = ("a big yellow circle on the right", "a big purple tank at the bottom", "a tiny orange square at the top")
TURNED: Final = (  # from what is seen to what is to be seen
    ("a big red plane on the left", "a big blue plane on the left"),
    ("a big green star in the middle", "a big green ring in the middle"),
    ("a big orange tank on the left", "a big orange tank on the right"),
)
FARTHEST: Final = 0.6  # of the way from a picture's embedding to a difference of texts


def main() -> None:
    options = _common.parser(__doc__, steps=_dalle2.DECODER_CHAIN, meaning="steps of the decoder's chain")
    options.add_argument(
        "pipeline", type=Path, help="the folder that dalle2.py left, or one of diffusers' UnCLIPPipeline"
    )
    options.add_argument("--samples", type=int, default=1000, help="captions to judge the prior by (default 1,000)")
    given = options.parse_args()
    pipeline = nd.UnCLIP.from_diffusers(given.pipeline)
    for name, draw in {"variations": variations, "interpolation": interpolation, "difference": difference}.items():
        _common.save(draw(pipeline, given.steps, given.seed), given.out / f"dalle2_{name}.png")
    ablation(pipeline, given.samples, given.steps, given.seed)


def drawn(texts: tuple[str, ...], size: int, seed: int) -> np.ndarray:
    """A real picture of each text, on the first ground that there is."""
    told = nd.captions.parse(texts)
    return nd.captions.draw(told._replace(ground=np.zeros_like(told.ground)), size, seed + _latents.JUDGED)


def variations(pipeline: nd.UnCLIP, steps: int, seed: int) -> pictures.Figure:
    """Each row a real picture, and others of its embedding."""
    rows = [
        np.concatenate([x[None], pipeline.variations(x, SHOWN - 1, seed, steps=steps, progress=False)])
        for x in drawn(FROM, pipeline.shape[1], seed)
    ]
    return pictures.grid(np.concatenate(rows), FROM)


def interpolation(pipeline: nd.UnCLIP, steps: int, seed: int) -> pictures.Figure:
    """Each row from one real picture to another; both ends as they come back from their embeddings."""
    ends = (drawn(texts, pipeline.shape[1], seed) for texts in (FROM, TO))
    rows = [
        pipeline.interpolation(one, other, SHOWN, seed, steps=steps, progress=False)
        for one, other in zip(*ends, strict=True)
    ]
    return pictures.grid(np.concatenate(rows), [f"{one}\nto {other}" for one, other in zip(FROM, TO, strict=True)])


def difference(pipeline: nd.UnCLIP, steps: int, seed: int) -> pictures.Figure:
    """Each row a real picture's embedding, turned farther and farther towards the difference of two texts."""
    amounts, rows = np.linspace(0.0, FARTHEST, SHOWN), []
    for before, after in TURNED:
        x = drawn((before,), pipeline.shape[1], seed)[0]
        rows.append(pipeline.difference(x, before, after, amounts, seed, steps=steps, progress=False))
    return pictures.grid(np.concatenate(rows), [f"{before}\nto {after}" for before, after in TURNED])


def ablation(pipeline: nd.UnCLIP, n: int, steps: int, seed: int) -> None:
    """Print what is read from the decoder's pictures of captions, by what stands for the picture's embedding."""
    size = pipeline.decoder.shape[1]
    asked = nd.captions.scenes(n, size, seed + _latents.JUDGED)
    judge, told, texts = _scene_quality.trained(size), nd.captions.parse(asked.captions), asked.captions
    z = pipeline.encoded(texts).embedding
    print(
        f"Of {n:,} pictures of {size} x {size} read as what was asked for, by the embedding that the decoder is told:"
    )
    kinds, distances = (*_scene_quality.FOUR, "all four"), {}
    print(f"  {'':<20}" + "".join(f"{kind:>10}" for kind in kinds))
    for name, embedding in {
        "none": np.zeros_like(z),
        "the caption's": z,
        "the prior's": pipeline.prior_embedding(texts, seed=seed),
        "the real picture's": pipeline.image_embedding(asked.x0),
    }.items():
        x = pipeline.decode(embedding, texts, seed, steps=steps)
        found = _scene_quality.agreement(judge, x, told)
        print(f"  {name:<20}" + "".join(f"{found[kind]:>10.1%}" for kind in kinds))
        distances[name] = _scene_quality.distance(judge, x, asked.x0)
    print("Their Frechet distances to real scenes: " + ", ".join(f"{name} {d:.2f}" for name, d in distances.items()))


if __name__ == "__main__":
    _common.run(main)
