"""JAX on the CPU: one jitted program a job, its loop a fori_loop, its state donated."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from numpy_diffusion.layers import time_embedding

NAMES = ("JAX jit",)


def _key():
    return jax.random.key(0, impl="rbg")  # faster on the CPU than the default threefry


def _network(params, h, depth, residual):
    for layer in range(depth):
        y = jax.nn.silu(h @ params[f"hidden.{layer}.weight"].T + params[f"hidden.{layer}.bias"])
        h = y + h if residual else y
    return h @ params["output.weight"].T + params["output.bias"]


def _parameters(model):
    return {name: jnp.array(values) for name, values in model.params.items()}


def _tables(schedule):
    return (jnp.array(np.sqrt(values), jnp.float32) for values in (schedule.alpha_bar, 1 - schedule.alpha_bar))


def q_sample(name, x0, t, schedule):
    signal, sigma = _tables(schedule)
    x0, t, key = jnp.array(x0), jnp.array(t), _key()

    @jax.jit
    def noised(key):
        key, sub = jax.random.split(key)
        eps = jax.random.normal(sub, x0.shape, jnp.float32)
        return key, signal[t, None] * x0 + sigma[t, None] * eps, eps

    def run():
        nonlocal key
        key, xt, eps = jax.block_until_ready(noised(key))
        return np.asarray(xt), np.asarray(eps)

    return run


def q_sample_into(name, x0, t, schedule):
    """What is donated is written to again."""
    signal, sigma = _tables(schedule)
    x0, t, key = jnp.array(x0), jnp.array(t), _key()
    xt, eps = jnp.zeros_like(x0), jnp.zeros_like(x0)

    @partial(jax.jit, donate_argnums=(1, 2), keep_unused=True)
    def noised(key, xt, eps):
        key, sub = jax.random.split(key)
        eps = jax.random.normal(sub, x0.shape, jnp.float32)
        return key, signal[t, None] * x0 + sigma[t, None] * eps, eps

    def run():
        nonlocal key, xt, eps
        key, xt, eps = jax.block_until_ready(noised(key, xt, eps))
        return np.asarray(xt), np.asarray(eps)

    return run


def chain(name, model, steps, n):
    params, depth, dim = _parameters(model), model.config.depth, model.shape[0]
    w_in = params["input.weight"]
    embedding = jnp.array(time_embedding.forward(steps.t, w_in.shape[1] - dim))
    bias = embedding @ w_in[:, dim:].T + params["input.bias"]
    a, b, c = (jnp.array(values, jnp.float32) for values in (steps.a, steps.b[:, 0], steps.c))
    noisy = bool((steps.c > 0.0).any())

    @jax.jit
    def walk(x, key):
        def step(k, carry):
            x, key = carry
            eps = _network(params, jax.nn.silu(x @ w_in[:, :dim].T + bias[k]), depth, model.config.residual)
            x = a[k] * x + b[k] * eps
            if noisy:
                key, sub = jax.random.split(key)
                x = x + c[k] * jax.random.normal(sub, x.shape)
            return x, key

        return jax.lax.fori_loop(0, len(a), step, (x, key))[0]

    def run(x=None):
        x = jax.random.normal(_key(), (n, dim)) if x is None else jnp.array(x)
        return np.asarray(walk(x, _key()))

    return run


def train(name, model, schedule, data, batch, steps, rate):
    params = _parameters(model)
    embedding = jnp.array(time_embedding.forward(np.arange(schedule.T + 1), model.config.embedding))
    signal, sigma = _tables(schedule)
    data, T, depth = jnp.array(data), schedule.T, model.config.depth

    def loss(params, x0, t, eps):
        xt = signal[t, None] * x0 + sigma[t, None] * eps
        h = jnp.concatenate([xt, embedding[t]], axis=1)
        h = jax.nn.silu(h @ params["input.weight"].T + params["input.bias"])
        return jnp.mean((_network(params, h, depth, model.config.residual) - eps) ** 2)

    @partial(jax.jit, donate_argnums=0)
    def several(state):
        def step(k, state):
            params, m, v, average, count, key = state
            key, *subs = jax.random.split(key, 4)
            x0 = data[jax.random.randint(subs[0], (batch,), 0, len(data))]
            t = jax.random.randint(subs[1], (batch,), 1, T + 1)
            g = jax.grad(loss)(params, x0, t, jax.random.normal(subs[2], (batch, data.shape[1])))
            count = count + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
            scale = rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            params = jax.tree.map(lambda p, m, v: p - scale * m / (jnp.sqrt(v) + 1e-8), params, m, v)
            average = jax.tree.map(lambda a, p: a + 0.001 * (p - a), average, params)
            return params, m, v, average, count, key

        return jax.lax.fori_loop(0, steps, step, state)

    def zeros():
        return jax.tree.map(jnp.zeros_like, params)

    state = (jax.tree.map(jnp.copy, params), zeros(), zeros(), jax.tree.map(jnp.copy, params), jnp.float32(0), _key())

    def gradient(x0, t, eps):
        found = jax.jit(jax.grad(loss))(params, x0, t, eps)
        return np.concatenate([np.asarray(found[name]).ravel() for name in params])

    def run():
        nonlocal state
        state = jax.block_until_ready(several(state))

    return run, gradient
