"""Lab 2, the posterior and the bound: where x_{t-1} was, and what a wrong guess costs.

numpy-diffusion check lab2 lab2.py
python lab2.py                        (draws lab2.png)
"""

import matplotlib.pyplot as plt
import numpy as np

import numpy_diffusion as nd


def posterior(x0, xt, t, beta, alpha_bar):
    """Mean [N, 2] and variance (a number) of q(x_{t-1} | x_t, x_0) (Ho et al. 2020, eqs 6-7).

    x_0 and x_t are [N, 2], t is an int in 1..T; beta and alpha_bar are [T + 1].
    """
    raise NotImplementedError


def kl(mean_q, variance_q, mean_p, variance_p):
    """KL(q || p) of two Gaussians with independent coordinates, in nats a sample: [N] from four arrays [N, D]."""
    raise NotImplementedError


if __name__ == "__main__":
    schedule, x0 = nd.Schedule.linear(1000), 2.0 * nd.datasets.spiral(500)
    ts, costs = np.arange(2, 1001, 2), []
    for t in ts.tolist():  # of a model that always answers x_0 = 0
        xt, _ = nd.q_sample(x0, t, schedule)
        mean, variance = posterior(x0, xt, t, schedule.beta, schedule.alpha_bar)
        guess, _ = posterior(0.0 * x0, xt, t, schedule.beta, schedule.alpha_bar)
        costs.append(kl(mean, np.full_like(x0, variance), guess, np.full_like(x0, variance)).mean())
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.loglog(ts, costs)
    axes.set(xlabel="t", ylabel="nats a point", title="What it costs to know nothing of x_0, step by step")
    figure.savefig("lab2.png", dpi=150)
    print(f"lab2.png; of steps 2..1000 all together {2.0 * np.sum(costs):.0f} nats a point")
