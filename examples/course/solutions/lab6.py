"""Lab 6, guidance and likelihood: more of a class than the data has, and what a model is worth.

numpy-diffusion check lab6 lab6.py
python lab6.py                        (draws lab6.png)
"""

import matplotlib.pyplot as plt
import numpy as np

import numpy_diffusion as nd


def guided_eps(eps_label, eps_null, w):
    """(1 + w) eps_label - w eps_null (Ho and Salimans 2022, eq 6), so that w = 0 is the class as it is."""
    return (1.0 + w) * eps_label - w * eps_null


def importance_weighted(log_w):
    """log of the mean of the weights of K trajectories, for each sample: [N] from log_w [K, N].

    The weights p(x_0..x_T) / q(x_1..x_T | x_0) may be as small as exp(-2000), which no float holds.
    """
    largest = log_w.max(axis=0)
    return largest + np.log(np.exp(log_w - largest).mean(axis=0))


if __name__ == "__main__":
    schedule = nd.Schedule.linear(1000)
    round_one = 0.15 * np.eye(2)
    both = nd.oracles.GaussianMixture([0.5, 0.5], [[-0.6, 0.0], [0.6, 0.0]], [round_one, round_one]).eps(schedule)
    right = nd.oracles.Gaussian([0.6, 0.0], round_one).eps(schedule)
    figure, panels = plt.subplots(1, 4, figsize=(11, 3.0), layout="constrained")
    for axes, w in zip(panels, (-1.0, 0.0, 1.0, 4.0), strict=True):
        x = nd.sample(lambda x, t, w=w: guided_eps(right(x, t), both(x, t), w), schedule, 800, steps=100, shape=(2,))
        axes.scatter(*x.T, s=2.0)
        axes.axvline(0.0, color="gray", linewidth=0.5)
        axes.set(title=f"w = {w:g}", xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), xticks=[], yticks=[])
    figure.savefig("lab6.png", dpi=150)
    log_w = np.random.default_rng(0).normal(-2000.0, 3.0, (1000, 1))
    for K in (1, 10, 100, 1000):
        print(f"{K:5} trajectories: log p at least {importance_weighted(log_w[:K])[0]:.2f}")
    print("lab6.png")
