"""The article's three drawings as images: a U-Net learns 32 x 32 scenes of a spiral, an airplane and a tank.

Trains on scenes that differ in position, size and shade, mirrored by chance.  Writes samples by class, images on
their way to noise and back, the way from one scene to another by steps of the noise in between, and the loss.
"""

from __future__ import annotations

import _common
import _images
import numpy as np

import numpy_diffusion as nd
from numpy_diffusion import figures

FRACTIONS = np.linspace(0.0, 1.0, 8)


def main() -> None:
    parser = _images.parser(__doc__, steps=2000)
    parser.add_argument("--scenes", type=int, default=8192, help="scenes to train on (default 8,192)")
    options = parser.parse_args()
    images, schedule = nd.image_datasets.scenes(options.scenes, options.seed), nd.Schedule.linear(T=options.length)
    run = _images.trained(images, schedule, options, "shapes32", mirror=True)
    _images.pictures(run, images, options.out, "shapes32", options.seed)

    model = nd.clipped(nd.guided(run.model, run.model.null_label, 0.0), schedule)
    a, b = images.x0[np.argmax(images.labels == 1)], images.x0[np.argmax(images.labels == 2)]
    steps = [round(options.length * share) for share in (0.1, 0.2, 0.4)]
    mixed = a + FRACTIONS[:, None, None, None] * (b - a)
    rows = [mixed, *(nd.interpolate(model, schedule, a, b, FRACTIONS, t, options.seed) for t in steps)]
    titles = ["pixels mixed", *(f"by way of t = {t}" for t in steps)]
    grid = figures.image_grid(np.concatenate(rows), columns=len(FRACTIONS), row_titles=titles)
    _common.save(grid, options.out / "shapes32_between.png")


if __name__ == "__main__":
    _common.run(main)
