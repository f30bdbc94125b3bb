"""Lab 4, training: what is learned, and a step of the learning.

numpy-diffusion check lab4 lab4.py
python lab4.py                        (trains the simplest network that there is; no picture)
"""

import numpy as np

import numpy_diffusion as nd


def loss(eps_model, x0, t, eps, alpha_bar):
    """The mean, over samples and coordinates, of (eps - eps_theta(x_t, t))^2 (Ho et al. 2020, eq 14).

    eps_model(x, t) is the network, of x [N, 2] and t [N]; x_0 and eps are [N, 2]; alpha_bar is [T + 1].
    """
    ab = alpha_bar[t][:, None]
    xt = np.sqrt(ab) * x0 + np.sqrt(1.0 - ab) * eps
    return np.mean((eps - eps_model(xt, t)) ** 2)


def adam_step(theta, g, m, v, k, rate):
    """theta, m and v after step k = 1, 2, ... of Adam (Kingma and Ba 2015, Algorithm 1), all of one shape.

    g is the gradient; the decays are 0.9 and 0.999, and 1e-8 is added to the root.
    """
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g**2
    m_hat, v_hat = m / (1.0 - 0.9**k), v / (1.0 - 0.999**k)
    return theta - rate * m_hat / (np.sqrt(v_hat) + 1e-8), m, v


if __name__ == "__main__":
    schedule, rng = nd.Schedule.linear(100), np.random.default_rng(0)
    slope, m, v = np.zeros(101), np.zeros(101), np.zeros(101)  # eps_theta(x, t) = slope[t] x
    for k in range(1, 3001):
        t, x0 = rng.integers(1, 101, 256), rng.normal(0.0, 0.5, (256, 2))
        xt, eps = nd.q_sample(x0, t, schedule, seed=k)
        g = np.zeros(101)
        np.add.at(g, t, np.sum(2.0 * (slope[t, None] * xt - eps) * xt, axis=1) / eps.size)
        slope, m, v = adam_step(slope, g, m, v, k, 0.01)
        if k % 500 == 0:
            now = loss(lambda x, t, slope=slope: slope[t, None] * x, x0, t, eps, schedule.alpha_bar)
            print(f"step {k:4}  loss {now:.3f}")
    best = np.sqrt(1.0 - schedule.alpha_bar) / (0.25 * schedule.alpha_bar + 1.0 - schedule.alpha_bar)
    print(f"farthest from the best slope, which is known here: {np.abs(slope - best)[1:].max():.2f}")
