"""Four noise schedules beside each other: the article's Fig 2, and where each of them ends.

Sampling starts from N(0, I), so x_T should be just that: alpha_bar_T near 0.  What is left of the data there is an
error of every sample; the prior KL is its size.
"""

from __future__ import annotations

import _common
import numpy as np

import numpy_diffusion as nd
from numpy_diffusion import figures


def main() -> None:
    options = _common.parser(__doc__, steps=1000, meaning="T, the steps of each chain").parse_args()
    T = options.steps
    makers = (nd.Schedule.linear, nd.Schedule.cosine, nd.Schedule.quadratic, nd.Schedule.sigmoid)
    schedules = [make(T=T) for make in makers]
    x0 = np.ones((1_000_000, 2), np.float32)

    print("              beta_1    beta_T   alpha_bar_T   SNR / dB   prior KL   x_0 in x_T    drawn")
    for schedule in schedules:
        share = np.sqrt(schedule.alpha_bar[T])
        drawn = nd.q_sample(x0, T, schedule, options.seed)[0].mean()  # sqrt(alpha_bar_T) x_0 and noise of mean 0
        print(
            f"{schedule.name:12}{schedule.beta[1]:10.2e}{schedule.beta[T]:10.2e}{schedule.alpha_bar[T]:14.2e}"
            f"{schedule.terminal_snr_db:11.1f}{schedule.prior_kl():11.1e}{share:13.4f}{drawn:9.4f}"
        )
    print("SNR and x_0's share sqrt(alpha_bar) at t = T, by formula and as drawn, with a standard error of "
          f"{1.0 / np.sqrt(x0.size):.4f}; prior KL in nats a dimension.\n")  # fmt: skip
    _common.save(figures.schedules(schedules), options.out / "schedules.png")


if __name__ == "__main__":
    _common.run(main)
