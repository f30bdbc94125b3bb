"""Grayscale images of an airplane and a tank, learned as points (the article's Figs 4 and 5).

spiral.py tells what happens in each line; here it happens twice.
Writes a figure, the loss and an animation of each, and prints how good the samples are.
"""

from __future__ import annotations

import _common

import numpy_diffusion as nd
from numpy_diffusion.data import drawings


def main() -> None:
    options = _common.parser(__doc__, steps=10_000, meaning="training steps").parse_args()
    schedule = nd.Schedule.linear(T=1000)
    for name, image in (("airplane", drawings.airplane()), ("tank", drawings.tank())):
        # Data: more points where the image is darker, so that shading becomes density.
        x0 = nd.datasets.from_image(image, n=100_000, seed=options.seed)

        # Training: predict the noise in x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps (eqs 5-6).
        model = nd.MLP(dim=2, width=128, depth=4, seed=options.seed)
        training = nd.train(model, schedule, x0, steps=options.steps, batch=1024, seed=options.seed)

        # Sampling: Algorithm 1, from noise to the image's points.
        samples = nd.sample(model, schedule, n=_common.POINTS, seed=options.seed)

        _common.pictures(training, x0, image, options.out, name, options.seed)
        _common.quality(samples, lambda n, seed, image=image: nd.datasets.from_image(image, n, seed), options.seed)


if __name__ == "__main__":
    _common.run(main)
