"""Lab 5, samplers: the way back from noise, with a network that makes no mistake.

numpy-diffusion check lab5 lab5.py
python lab5.py                        (draws lab5.png)
"""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

import numpy_diffusion as nd


def ancestral(eps_model, x, t, s, schedule, z):
    """x_s from x_t [N, 2] by Algorithm 2 of Ho et al. 2020, with sigma^2 = beta, for a step that may skip some.

    s < t is the next step, 0 at the end, where no noise is added.  For alpha_t stands alpha_bar_t / alpha_bar_s, and
    for beta_t 1 less it.  eps_model(x, t) is the network, schedule.alpha_bar is [T + 1], z [N, 2] is fresh noise.
    """
    alpha = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    noise = np.sqrt(1.0 - schedule.alpha_bar[t])
    mean = (x - (1.0 - alpha) / noise * eps_model(x, t)) / np.sqrt(alpha)
    return mean + np.sqrt(1.0 - alpha) * z if s > 0 else mean


def ddim(eps_model, x, t, s, schedule, z):
    """x_s from x_t [N, 2] by DDIM without noise (Song et al. 2021, eq 12 with sigma = 0); arguments as above."""
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    eps = eps_model(x, t)
    x0 = (x - np.sqrt(1.0 - now) * eps) / np.sqrt(now)
    return np.sqrt(then) * x0 + np.sqrt(1.0 - then) * eps


if __name__ == "__main__":
    schedule, data = nd.Schedule.linear(1000), 2.0 * nd.datasets.spiral(500).astype(float)
    eps_model = nd.oracles.FiniteData(data).eps(schedule)
    figure, rows = plt.subplots(2, 4, figsize=(11, 5.6), layout="constrained")
    for row, step in zip(rows, (ancestral, ddim), strict=True):
        for axes, steps in zip(row, (5, 10, 30, 100), strict=True):
            rng, times = np.random.default_rng(0), np.linspace(1000, 0, steps + 1).round().astype(int)
            x = rng.standard_normal((500, 2))
            for t, s in pairwise(times.tolist()):
                x = step(eps_model, x, t, s, schedule, rng.standard_normal(x.shape))
            axes.scatter(*x.T, s=2.0)
            axes.set(title=f"{step.__name__}, {steps} steps", xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[])
    figure.savefig("lab5.png", dpi=150)
    print("lab5.png")
