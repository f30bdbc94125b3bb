"""Grayscale images of an airplane and a tank, learned as points (the article's Figs 4 and 5).

spiral.py tells what happens in each line; here it happens twice.
Writes a figure, the loss and an animation of each, and prints how good the samples are.
"""

from __future__ import annotations

import functools

import _common
import _drawing_quality

import numpy_diffusion as nd
from numpy_diffusion.data import drawings


def main() -> None:
    options = _common.parser(__doc__, steps=30_000, meaning="training steps").parse_args()
    schedule = nd.Schedule.sigmoid(T=1000)
    for name, image, details in (
        ("airplane", drawings.airplane(), _drawing_quality.of_the_airplane),
        ("tank", drawings.tank(), _drawing_quality.of_the_tank),
    ):
        # Data: more points where the image is darker, so that shading becomes density.
        x0 = nd.datasets.from_image(image, n=100_000, seed=options.seed)

        # Training: predict the noise in x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps (eqs 5-6).
        model = nd.MLP(dim=2, width=64, depth=4, octaves=7, seed=options.seed)
        weighting = schedule.snr[1:] ** 0.1
        training = nd.train(
            model, schedule, x0, steps=options.steps, batch=1024, weighting=weighting, seed=options.seed
        )

        # Sampling: Algorithm 1, from noise to the image's points.
        samples = nd.sample(model, schedule, n=_drawing_quality.POINTS, seed=options.seed, variance="beta_tilde")

        _common.pictures(training, x0, image, options.out, name, options.seed)
        _drawing_quality.report(samples, functools.partial(nd.datasets.from_image, image), options.seed, details)


if __name__ == "__main__":
    _common.run(main)
