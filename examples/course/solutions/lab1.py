"""Lab 1, the forward chain: how much noise when, and the jump to any step.

numpy-diffusion check lab1 lab1.py
python lab1.py                        (draws lab1.png)
"""

import matplotlib.pyplot as plt
import numpy as np

import numpy_diffusion as nd


def betas(T):
    """beta_t of the linear schedule for t = 0..T: [T + 1], with beta[0] = 0.

    beta_1 is 1e-4 and beta_T is 0.02 at T = 1000, with even steps between (Ho et al. 2020, section 4).  For another T
    both ends are multiplied by 1000 / T, and are at most 0.999.
    """
    low, high = min(1e-4 * 1000 / T, 0.999), min(0.02 * 1000 / T, 0.999)
    return np.concatenate([[0.0], np.linspace(low, high, T)])


def alpha_bars(beta):
    """alpha_bar_t, the product of alpha_1 to alpha_t with alpha_t = 1 - beta_t, for t = 0..T: [T + 1]."""
    return np.cumprod(1.0 - beta)


def q_sample(x0, t, eps, alpha_bar):
    """x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps: [N, 2] (eq 4).

    x_0 and eps are [N, 2]; t is [N], an int for each sample; alpha_bar is [T + 1].
    """
    ab = alpha_bar[t][:, None]
    return np.sqrt(ab) * x0 + np.sqrt(1.0 - ab) * eps


if __name__ == "__main__":
    rng, x0, alpha_bar = np.random.default_rng(0), 2.0 * nd.datasets.spiral(2000), alpha_bars(betas(1000))
    figure, panels = plt.subplots(1, 5, figsize=(12, 2.8), layout="constrained")
    for axes, step in zip(panels, (0, 30, 100, 250, 1000), strict=True):
        xt = q_sample(x0, np.full(2000, step), rng.standard_normal((2000, 2)), alpha_bar)
        axes.scatter(*xt.T, s=1.0, c=np.hypot(*x0.T), cmap="plasma")
        axes.set(title=f"t = {step}", xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[])
    figure.savefig("lab1.png", dpi=150)
    print(f"lab1.png; of x_0 there is {alpha_bar[1000]:.1e} of the variance left at T")
