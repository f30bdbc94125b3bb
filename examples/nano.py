"""Diffusion in a hundred lines of NumPy, as Ho, Jain and Abbeel (2020) print it: a spiral, to noise and back.

A comment such as `# 3:` is a line of the paper's algorithm, and arrays are indexed by the paper's t.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

# ---- Section 2: the forward process adds noise of variance beta_t at the steps t = 1..T; t = 0 is the data ----
T = 1000
beta = np.append(0.0, np.linspace(1e-4, 0.02, T))
alpha = 1.0 - beta
alpha_bar = np.cumprod(alpha)
sigma = np.sqrt(beta)  # of the reverse process, section 3.2


def q_sample(x0, t, eps):
    """Equation 4: x_t of x_0 [N, 2], in one jump to the steps t [N, 1]."""
    return np.sqrt(alpha_bar[t]) * x0 + np.sqrt(1.0 - alpha_bar[t]) * eps


def spiral(n, rng):
    """q(x_0): points [n, 2] along two and a half turns, evenly spread, each coordinate of variance 1."""
    radius = 2.0 * np.sqrt(rng.random(n))
    angle = 2.5 * np.pi * radius
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1) + 0.04 * rng.standard_normal((n, 2))


# ---- The network: waves of x and t, and matrices with ReLU between; no more is needed for points ----
def initial(rng, shapes=((40, 96), (96, 96), (96, 96), (96, 2))):
    return [rng.normal(0.0, np.sqrt(2.0 / inputs), (inputs, outputs)) for inputs, outputs in shapes]


def forward(theta, x, t):
    """eps_theta(x, t) [N, 2] at the steps t [N, 1], and what each matrix was given."""
    u = np.concatenate([x, t / T], axis=1)
    waves = (u[:, :, None] * 2.0 ** np.arange(6)).reshape(len(u), -1)
    h = [np.concatenate([np.ones_like(t), u, np.sin(waves), np.cos(waves)], axis=1)]
    for W in theta[:-1]:
        h.append(np.maximum(h[-1] @ W, 0.0))
    return h[-1] @ theta[-1], h


def backward(theta, h, d):
    """The chain rule, from the last matrix to the first: the gradient by each, of that by eps_theta, d [N, 2]."""
    gradients = []
    for W, x in zip(theta[::-1], h[::-1], strict=True):
        gradients.insert(0, x.T @ d)
        d = (d @ W.T) * (x > 0.0)
    return gradients


def train(theta, data, steps, rng, batch=256, rate=3e-3):
    """Algorithm 1, Training: theta learns to see the noise in x_t, by Adam's gradient steps.  Returns the losses."""
    m, v, losses = [np.zeros_like(W) for W in theta], [np.zeros_like(W) for W in theta], []
    for k in range(1, steps + 1):  # 1: repeat
        x0 = data(batch, rng)  # 2: x_0 ~ q(x_0)
        t = rng.integers(1, T + 1, (batch, 1))  # 3: t ~ Uniform({1, ..., T})
        eps = rng.standard_normal((batch, 2))  # 4: eps ~ N(0, I)
        eps_theta, h = forward(theta, q_sample(x0, t, eps), t)
        losses.append(np.mean((eps - eps_theta) ** 2))
        for i, g in enumerate(backward(theta, h, 2.0 * (eps_theta - eps) / eps.size)):  # 5: gradient descent step
            m[i] += 0.1 * (g - m[i])
            v[i] += 0.001 * (g**2 - v[i])
            m_hat, v_hat = m[i] / (1.0 - 0.9**k), v[i] / (1.0 - 0.999**k)
            theta[i] -= rate * (1.0 - k / steps) * m_hat / (np.sqrt(v_hat) + 1e-8)
    return losses  # 6: until converged


def sample(eps_theta, n, rng):
    """Algorithm 2, Sampling: noise is taken away a little at a time.  Returns x[t] for every t: [T + 1, n, 2]."""
    x = np.empty((T + 1, n, 2))
    x[T] = rng.standard_normal((n, 2))  # 1: x_T ~ N(0, I)
    for t in range(T, 0, -1):  # 2: for t = T, ..., 1 do
        z = rng.standard_normal((n, 2)) if t > 1 else 0.0  # 3: z ~ N(0, I) if t > 1, else z = 0
        eps = eps_theta(x[t], t)  # 4: x_{t-1} = (x_t - (1 - alpha_t) / ...
        x[t - 1] = (x[t] - (1.0 - alpha[t]) / np.sqrt(1.0 - alpha_bar[t]) * eps) / np.sqrt(alpha[t]) + sigma[t] * z
    return x  # 6: return x_0


def main(steps=8000, n=3000, out="out/nano.png"):
    rng = np.random.default_rng(0)
    theta = initial(rng)
    losses = train(theta, spiral, steps, rng)
    x0, x = spiral(n, rng), sample(lambda x, t: forward(theta, x, np.full((n, 1), t))[0], n, rng)
    figure, rows = plt.subplots(2, 5, figsize=(12, 5.2), layout="constrained")
    for t, above, below in zip((0, 30, 100, 250, T), *rows, strict=True):
        xt = q_sample(x0, t, rng.standard_normal((n, 2)))
        for axes, name, points, end in ((above, "forward", xt, x0), (below, "reverse", x[t], x[0])):
            axes.scatter(*points.T, s=2.0, c=np.hypot(*end.T), cmap="plasma", vmin=0.0, vmax=2.3, linewidths=0.0)
            axes.set(title=f"{name}, $t = {t}$", xticks=[], yticks=[], xlim=(-2.8, 2.8), ylim=(-2.8, 2.8))
    Path(out).parent.mkdir(exist_ok=True)
    figure.savefig(out, dpi=150)
    print(f"{out}: the loss fell from {losses[0]:.2f} to {np.mean(losses[-1000:]):.2f}")


if __name__ == "__main__":
    main()
