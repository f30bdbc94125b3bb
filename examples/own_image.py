"""Any image of yours as a diffusion model: dark is where the points go.

    python examples/own_image.py photo.png

Takes what pillow can read; a dark shape on white paper shows best.  Without a path it learns a heart, which it
draws itself.  spiral.py tells what happens in each line.
"""

from __future__ import annotations

import functools

import _common
import _drawing_quality
import numpy as np

import numpy_diffusion as nd


def heart(size: int = 128) -> np.ndarray:
    """An image as an array, 0 is black and 1 is white: inside of (x^2 + y^2 - 1)^3 = x^2 y^3, darker to the left."""
    y, x = np.mgrid[1.4 : -1.4 : size * 1j, -1.4 : 1.4 : size * 1j]
    return np.where((x**2 + y**2 - 1.0) ** 3 < x**2 * y**3, 0.4 + 0.3 * x, 1.0)


def main() -> None:
    parser = _common.parser(__doc__, steps=30_000, meaning="training steps")
    parser.add_argument("image", nargs="?", help="a picture file, for instance a PNG (default: a heart)")
    options = parser.parse_args()

    image = heart() if options.image is None else options.image
    x0 = nd.datasets.from_image(image, n=100_000, seed=options.seed)

    schedule = nd.Schedule.sigmoid(T=1000)
    model = nd.MLP(dim=2, width=64, depth=4, octaves=7, seed=options.seed)
    weighting = schedule.snr[1:] ** 0.1
    training = nd.train(model, schedule, x0, steps=options.steps, batch=1024, weighting=weighting, seed=options.seed)
    samples = nd.sample(model, schedule, n=_drawing_quality.POINTS, seed=options.seed, variance="beta_tilde")

    _common.pictures(training, x0, image, options.out, "own_image", options.seed)
    draw = functools.partial(nd.datasets.from_image, image)
    _drawing_quality.report(samples, draw, options.seed, _drawing_quality.nothing_fine)


if __name__ == "__main__":
    _common.run(main)
