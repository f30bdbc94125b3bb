"""A spiral from data to pictures: the article on one page.

A network learns to undo noise, one small step at a time, and so turns pure noise into points of a spiral.
Writes the article's Fig 3, the loss, and the reverse chain as an animation, and prints how good the samples are.
"""

from __future__ import annotations

import functools

import _common
import _drawing_quality

import numpy_diffusion as nd
from numpy_diffusion.data import drawings


def main() -> None:
    options = _common.parser(__doc__, steps=30_000, meaning="training steps").parse_args()

    # The data: a grayscale image read as a density.  Points are likely where it is dark; a point is [x, y].
    image = drawings.spiral()
    x0 = nd.datasets.from_image(image, n=100_000, seed=options.seed)

    # The forward chain adds a little Gaussian noise in each of T steps (eqs 1-4):
    #     q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I).
    # Any x_t is also one jump away from x_0 (eqs 5-6):
    #     x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps,    eps ~ N(0, I).
    # The schedule says how much noise when; at t = T nothing of x_0 is left (Fig 2).
    schedule = nd.Schedule.sigmoid(T=1000)
    print(schedule)

    # The network looks at x_t, at waves of x_t in seven octaves, and at t, and predicts the noise eps that is in x_t.
    # It learns from
    #     mean of lambda(t) (eps - eps_theta(x_t, t))^2
    # over data x_0, steps t and noise eps: the bound of eqs 8-14 with another weight (Ho et al. eq 14 has 1).  This
    # one is a little larger where there is little noise: there fine detail is decided.
    model = nd.MLP(dim=2, width=64, depth=4, octaves=7, seed=options.seed)
    weighting = schedule.snr[1:] ** 0.1
    training = nd.train(model, schedule, x0, steps=options.steps, batch=1024, weighting=weighting, seed=options.seed)

    # Algorithm 1 starts from noise, x_T ~ N(0, I), and takes the predicted noise away step by step (eq 7):
    #     x_{t-1} = (x_t - beta_t / sqrt(1 - alpha_bar_t) eps_theta(x_t, t)) / sqrt(alpha_t) + sigma_t z.
    # Of the two variances sigma_t^2 that Ho et al. name (section 3.2) beta_tilde suits data with sharp edges.
    samples = nd.sample(model, schedule, n=_drawing_quality.POINTS, seed=options.seed, variance="beta_tilde")

    _common.pictures(training, x0, image, options.out, "spiral", options.seed)
    draw = functools.partial(nd.datasets.from_image, image)
    _drawing_quality.report(samples, draw, options.seed, _drawing_quality.nothing_fine)


if __name__ == "__main__":
    _common.run(main)
