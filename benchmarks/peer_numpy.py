"""NumPy's own way of doing it: arrays of float32, BLAS, PCG64 normals."""

from __future__ import annotations

import numpy as np

import numpy_diffusion as nd
from numpy_diffusion.layers import time_embedding

NAMES = ("NumPy",)


def _silu(g):
    return g / (1.0 + np.exp(-g))


def q_sample(name, x0, t, schedule):
    rng = np.random.default_rng(0)
    signal = np.sqrt(schedule.alpha_bar).astype(np.float32)
    sigma = np.sqrt(1.0 - schedule.alpha_bar).astype(np.float32)

    def run():
        eps = rng.standard_normal(x0.shape, dtype=np.float32)
        return signal[t, None] * x0 + sigma[t, None] * eps, eps

    return run


def q_sample_into(name, x0, t, schedule):
    rng = np.random.default_rng(0)
    signal = np.sqrt(schedule.alpha_bar).astype(np.float32)
    sigma = np.sqrt(1.0 - schedule.alpha_bar).astype(np.float32)
    xt, eps, scaled = (np.empty_like(x0) for _ in range(3))

    def run():
        rng.standard_normal(out=eps, dtype=np.float32)
        np.multiply(sigma[t, None], eps, out=scaled)
        np.multiply(signal[t, None], x0, out=xt)
        return np.add(xt, scaled, out=xt), eps

    return run


def chain(name, model, steps, n):
    """The steps' embeddings meet the first layer's weights before the loop, here as in every contestant."""
    rng, params, depth = np.random.default_rng(0), model.params, model.config.depth
    dim = model.shape[0]
    w_in = params["input.weight"]
    bias = time_embedding.forward(steps.t, w_in.shape[1] - dim) @ w_in[:, dim:].T + params["input.bias"]
    a, b, c = (values.astype(np.float32) for values in (steps.a, steps.b[:, 0], steps.c))

    def run(x=None):
        x = rng.standard_normal((n, dim), dtype=np.float32) if x is None else x
        for k in range(len(a)):
            h = _silu(x @ w_in[:, :dim].T + bias[k])
            for layer in range(depth):
                y = _silu(h @ params[f"hidden.{layer}.weight"].T + params[f"hidden.{layer}.bias"])
                h = y + h if model.config.residual else y
            eps = h @ params["output.weight"].T + params["output.bias"]
            x = a[k] * x + b[k] * eps
            if c[k] > 0.0:
                x += c[k] * rng.standard_normal((n, dim), dtype=np.float32)
        return x

    return run


def log_prob(name, model, schedule, x, steps):
    """This project's own definition: layers and integration in NumPy, float64."""

    def run():
        with nd.backend("numpy"):
            return nd.log_prob(model, schedule, x, steps=steps, progress=False)

    return run


def train(name, model, schedule, data, batch, steps, rate):
    rng, T = np.random.default_rng(0), schedule.T
    weights, embedding = model.buffer.copy(), time_embedding.forward(np.arange(T + 1), model.config.embedding)
    signal = np.sqrt(schedule.alpha_bar).astype(np.float32)
    sigma = np.sqrt(1.0 - schedule.alpha_bar).astype(np.float32)
    m, v, average, count = np.zeros_like(weights), np.zeros_like(weights), weights.copy(), 0
    from numpy_diffusion.models.parameters import views

    params = views(weights, model.shapes)

    def gradient(x0, t, eps):
        xt = signal[t, None] * x0 + sigma[t, None] * eps
        hidden = [np.concatenate([xt, embedding[t]], axis=1)]
        layers = [name.removesuffix(".weight") for name in params if name.endswith("weight")]
        kept = []
        for layer in layers[:-1]:
            g = hidden[-1] @ params[f"{layer}.weight"].T + params[f"{layer}.bias"]
            s = 1.0 / (1.0 + np.exp(-g))
            y = g * s
            kept.append(s + y * (1.0 - s))
            hidden.append(y + hidden[-1] if model.config.residual and layer != "input" else y)
        error = hidden[-1] @ params["output.weight"].T + params["output.bias"] - eps
        dy, grads = np.float32(2.0 / error.size) * error, {}
        for layer, h, slope in zip(reversed(layers), reversed(hidden), [None, *reversed(kept)], strict=True):
            if slope is not None:
                dh, dy = dy, dy * slope
            grads[f"{layer}.weight"], grads[f"{layer}.bias"] = dy.T @ h, dy.sum(axis=0)
            if layer != "input":
                below = dy @ params[f"{layer}.weight"]
                dy = below + dh if model.config.residual and slope is not None else below
        return np.concatenate([grads[name].ravel() for name in params])

    def run():
        nonlocal count
        for _ in range(steps):
            count += 1
            index, t = rng.integers(0, len(data), batch), rng.integers(1, T + 1, batch)
            g = gradient(data[index], t, rng.standard_normal((batch, data.shape[1]), dtype=np.float32))
            m[:] = 0.9 * m + 0.1 * g
            v[:] = 0.999 * v + 0.001 * g * g
            scale = rate * np.sqrt(1.0 - 0.999**count) / (1.0 - 0.9**count)
            weights[:] -= np.float32(scale) * m / (np.sqrt(v) + np.float32(1e-8))
            average[:] += np.float32(0.001) * (weights - average)

    return run, gradient
