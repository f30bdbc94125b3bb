"""The forward chain against its closed form: the article's Fig 1, and the numbers behind it.

The chain adds noise in T steps (eqs 1-4); the jump goes from x_0 to any x_t at once (eqs 5-6).  If the closed form
is right, both give the same distribution: x_t = sqrt(alpha_bar_t) x_0 plus noise of variance 1 - alpha_bar_t.
"""

from __future__ import annotations

import _common
import numpy as np

import numpy_diffusion as nd
from numpy_diffusion import figures


def main() -> None:
    options = _common.parser(__doc__, steps=1000, meaning="T, the steps of the chain").parse_args()
    x0 = nd.datasets.spiral(100_000, seed=options.seed)
    x0 = (x0 - x0.mean(axis=0)) / x0.std(axis=0)
    schedule = nd.Schedule.linear(T=options.steps)
    print(schedule)

    # Step by step, x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps (eq 4), and a few of the x_t on the way:
    shown = sorted({-(-options.steps * tenth // 10) for tenth in (1, 2, 3, 5, 7, 10)})
    chain = nd.q_trajectory(x0, schedule, options.seed, keep=shown)

    # At once, x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps (eqs 5-6), with noise of its own:
    jump = {t: nd.q_sample(x0, t, schedule, options.seed)[0] for t in shown}

    # What is x_0's share in x_t, and how large is the noise?  Each measured by least squares and beside its formula.
    print("\n              signal sqrt(alpha_bar_t)         noise sqrt(1 - alpha_bar_t)")
    print("     t       exact     chain      jump         exact     chain      jump")
    for t in shown:
        signal, noise = np.sqrt(schedule.alpha_bar[t]), np.sqrt(1.0 - schedule.alpha_bar[t])
        (s_chain, n_chain), (s_jump, n_jump) = signal_and_noise(x0, chain[t]), signal_and_noise(x0, jump[t])
        print(f"{t:6}{signal:12.4f}{s_chain:10.4f}{s_jump:10.4f}{noise:14.4f}{n_chain:10.4f}{n_jump:10.4f}")
    print(f"Standard errors: of a signal at most {1.0 / np.sqrt(x0.size):.4f}, of a noise at most "
          f"{1.0 / np.sqrt(2.0 * x0.size):.4f}.\n")  # fmt: skip

    figure = figures.chain_against_jump(x0, schedule, seed=options.seed)
    _common.save(figure, options.out / "forward_chain.png")


def signal_and_noise(x0: np.ndarray, xt: np.ndarray) -> tuple[float, float]:
    """The s and the size of the rest in xt = s x0 + rest, by least squares over all coordinates."""
    signal = float((x0 * xt).mean() / (x0**2).mean())
    return signal, float((xt - signal * x0).std())


if __name__ == "__main__":
    _common.run(main)
