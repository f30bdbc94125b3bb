"""A model from diffusers' files, without PyTorch: opened, sampled, and written back.

With a pipeline's folder (model_index.json, the network's config.json and safetensors, the scheduler's config) it
opens that and draws from it.  Without one it trains a small U-Net on scikit-learn's digits, writes it as such a
folder, which diffusers' DDPMPipeline.from_pretrained opens, and opens it again: the samples are the same to the bit.
"""

from __future__ import annotations

from pathlib import Path

import _common
import _images
import numpy as np

import numpy_diffusion as nd
from numpy_diffusion import figures


def main() -> None:
    parser = _common.parser(__doc__, steps=1000, meaning="training steps, where there is no folder")
    parser.add_argument("folder", type=Path, nargs="?", help="of a pipeline (default: one is made in --out)")
    parser.add_argument("--chain", type=int, default=100, help="steps of the chain to take (default 100)")
    options = parser.parse_args()
    folder, made = options.folder, None
    if folder is None:
        folder, made = _made(options.out / "digits-8x8", options)
    pipeline = nd.Pipeline.from_diffusers(folder)
    print(f"{folder}: {pipeline.unet}\n{pipeline.schedule}, variance {pipeline.variance!r}")
    x = _drawn(pipeline, options)
    if made is not None:
        print(f"samples as before it was written: {bool((x == _drawn(made, options)).all())}")
    _common.save(figures.image_grid(x), options.out / "from_diffusers.png")


def _made(folder: Path, options: object) -> tuple[Path, nd.Pipeline]:
    """The folder of a pipeline of a network that is trained now, and that pipeline."""
    images, schedule = nd.image_datasets.digits(), nd.Schedule.linear(T=1000)
    model = nd.UNet(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(32, 64),
        norm_num_groups=8,
        down_block_types=["DownBlock2D", "AttnDownBlock2D"],
        up_block_types=["AttnUpBlock2D", "UpBlock2D"],
        seed=options.seed,
    )
    nd.train(model, schedule, images.x0, steps=options.steps, batch=64, seed=options.seed)
    pipeline = nd.Pipeline(model, schedule)
    nd.save_diffusers(pipeline, folder)
    return folder, pipeline


def _drawn(pipeline: nd.Pipeline, options: object) -> np.ndarray:
    """Forty samples; of a network with classes, of its classes in turn."""
    unet = pipeline.unet
    if (null := unet.null_label) is not None:
        pipeline = pipeline._replace(unet=nd.guided(unet, np.arange(40) % null, _images.GUIDANCE))
    arguments = {"variance": pipeline.variance, "steps": options.chain}
    return nd.sample(pipeline.model, pipeline.schedule, 40, options.seed, **arguments)


if __name__ == "__main__":
    _common.run(main)
