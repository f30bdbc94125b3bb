"""Any image of yours as a diffusion model: dark is where the points go.

    python examples/own_image.py photo.png

Takes what pillow can read; a dark shape on white paper shows best.  Without a path it learns a heart, which it
draws itself.  spiral.py tells what happens in each line.
"""

from __future__ import annotations

import _common
import numpy as np

import numpy_diffusion as nd


def heart(size: int = 128) -> np.ndarray:
    """An image as an array, 0 is black and 1 is white: inside of (x^2 + y^2 - 1)^3 = x^2 y^3, darker to the left."""
    y, x = np.mgrid[1.4 : -1.4 : size * 1j, -1.4 : 1.4 : size * 1j]
    return np.where((x**2 + y**2 - 1.0) ** 3 < x**2 * y**3, 0.4 + 0.3 * x, 1.0)


def main() -> None:
    parser = _common.parser(__doc__, steps=10_000, meaning="training steps")
    parser.add_argument("image", nargs="?", help="a picture file, for instance a PNG (default: a heart)")
    options = parser.parse_args()

    image = heart() if options.image is None else options.image
    x0 = nd.datasets.from_image(image, n=100_000, seed=options.seed)

    schedule = nd.Schedule.linear(T=1000)
    model = nd.MLP(dim=2, width=128, depth=4, seed=options.seed)
    training = nd.train(model, schedule, x0, steps=options.steps, batch=1024, seed=options.seed)
    samples = nd.sample(model, schedule, n=_common.POINTS, seed=options.seed)

    _common.pictures(training, x0, image, options.out, "own_image", options.seed)
    _common.quality(samples, lambda n, seed: nd.datasets.from_image(image, n, seed), options.seed)


if __name__ == "__main__":
    _common.run(main)
