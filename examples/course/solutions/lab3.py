"""Lab 3, a network and its gradient by hand: forward is given, backward is yours.

numpy-diffusion check lab3 lab3.py
python lab3.py                        (fits a sine with your gradient, and draws lab3.png)
"""

import matplotlib.pyplot as plt
import numpy as np


def forward(x, W1, b1, W2, b2):
    """y = W2 silu(W1 x + b1) + b2 [N, J] for rows x [N, I], and what backward will need.

    W1 is [H, I], b1 [H], W2 [J, H], b2 [J]; silu(g) = g sigmoid(g).
    """
    g = x @ W1.T + b1
    sigmoid = 1.0 / (1.0 + np.exp(-g))
    h = g * sigmoid
    return h @ W2.T + b2, (x, g, sigmoid, h, W1, W2)


def backward(dy, cache):
    """dx, dW1, db1, dW2, db2: how (dy * y).sum() grows with each; dy is [N, J], and each has its array's shape."""
    x, g, sigmoid, h, W1, W2 = cache
    dW2, db2 = dy.T @ h, dy.sum(axis=0)
    dh = dy @ W2
    dg = dh * (sigmoid + g * sigmoid * (1.0 - sigmoid))
    return dg @ W1, dg.T @ x, dg.sum(axis=0), dW2, db2


if __name__ == "__main__":
    rng, x = np.random.default_rng(0), np.linspace(-3.0, 3.0, 100)[:, None]
    theta = [rng.normal(size=(32, 1)), rng.normal(size=32), 0.2 * rng.normal(size=(1, 32)), np.zeros(1)]
    for step in range(4000):
        y, cache = forward(x, *theta)
        gradients = backward(2.0 * (y - np.sin(2.0 * x)) / len(x), cache)[1:]
        theta = [p - 0.05 * g for p, g in zip(theta, gradients, strict=True)]
        if step % 1000 == 0:
            print(f"step {step:4}  loss {np.mean((y - np.sin(2.0 * x)) ** 2):.4f}")
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(x, np.sin(2.0 * x), label="sine")
    axes.plot(x, forward(x, *theta)[0], "--", label="network")
    axes.legend()
    figure.savefig("lab3.png", dpi=150)
    print("lab3.png")
