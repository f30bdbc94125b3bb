"""PyTorch on the CPU, eager and compiled: inference_mode, one compiled step, fused Adam, foreach average."""

from __future__ import annotations

import numpy as np
import torch

from numpy_diffusion.layers import time_embedding

NAMES = ("PyTorch eager", "PyTorch compiled")


def _maybe_compiled(name, function):
    return torch.compile(function) if name == "PyTorch compiled" else function


def _tables(schedule):
    return (
        torch.tensor(np.sqrt(values), dtype=torch.float32) for values in (schedule.alpha_bar, 1 - schedule.alpha_bar)
    )


def _parameters(model):
    return {name: torch.tensor(values.copy()) for name, values in model.params.items()}


def _hidden(params, h, depth, residual):
    for layer in range(depth):
        y = torch.nn.functional.silu(
            torch.nn.functional.linear(h, params[f"hidden.{layer}.weight"], params[f"hidden.{layer}.bias"])
        )
        h = y + h if residual else y
    return torch.nn.functional.linear(h, params["output.weight"], params["output.bias"])


def q_sample(name, x0, t, schedule):
    signal, sigma = _tables(schedule)
    x0, t = torch.tensor(x0), torch.tensor(t)

    def noised(x0, t):
        eps = torch.randn_like(x0)
        return signal[t, None] * x0 + sigma[t, None] * eps, eps

    noised = _maybe_compiled(name, noised)

    def run():
        with torch.inference_mode():
            return [values.numpy() for values in noised(x0, t)]

    return run


def q_sample_into(name, x0, t, schedule):
    signal, sigma = _tables(schedule)
    x0, t = torch.tensor(x0), torch.tensor(t)
    xt, eps = torch.empty_like(x0), torch.empty_like(x0)

    def eager(x0, t, xt, eps):
        torch.randn(eps.shape, out=eps)
        torch.mul(signal[t, None], x0, out=xt).addcmul_(sigma[t, None], eps)

    def fused(x0, t, xt, eps):  # what the compiler is given: it makes one loop of both
        eps.copy_(torch.randn_like(eps))
        xt.copy_(signal[t, None] * x0 + sigma[t, None] * eps)

    noised = eager if name == "PyTorch eager" else _maybe_compiled(name, fused)

    def run():
        with torch.inference_mode():
            noised(x0, t, xt, eps)
            return [values.numpy() for values in (xt, eps)]

    return run


def chain(name, model, steps, n):
    params, depth, dim = _parameters(model), model.config.depth, model.shape[0]
    w_in = params["input.weight"]
    embedding = torch.tensor(time_embedding.forward(steps.t, w_in.shape[1] - dim))
    bias = torch.nn.functional.linear(embedding, w_in[:, dim:], params["input.bias"])
    w_x = w_in[:, :dim].contiguous()
    a, b, c = (torch.tensor(values, dtype=torch.float32) for values in (steps.a, steps.b[:, 0], steps.c))
    noisy = steps.c > 0.0

    def step(x, bias, a, b, c, noisy: bool):
        h = torch.nn.functional.silu(torch.nn.functional.linear(x, w_x, bias))
        x = a * x + b * _hidden(params, h, depth, model.config.residual)
        return x + c * torch.randn_like(x) if noisy else x

    step = _maybe_compiled(name, step)

    def run(x=None):
        with torch.inference_mode():
            x = torch.randn(n, dim) if x is None else torch.tensor(x)
            for k in range(len(a)):
                x = step(x, bias[k], a[k], b[k], c[k], bool(noisy[k]))
            return x.numpy()

    return run


def train(name, model, schedule, data, batch, steps, rate):
    run, gradient, _ = trainer(name, model, schedule, data, batch, steps, lambda: rate)
    return run, gradient


def trainer(name, model, schedule, data, batch, steps, rate):
    """run() takes `steps` steps at the rates that rate() gives; the loss's gradient; and the averaged weights."""
    params = {key: values.requires_grad_() for key, values in _parameters(model).items()}
    weights = list(params.values())
    average = [values.detach().clone() for values in weights]
    embedding = torch.tensor(time_embedding.forward(np.arange(schedule.T + 1), model.config.embedding))
    signal, sigma = _tables(schedule)
    data, T, depth = torch.tensor(data), schedule.T, model.config.depth
    optimizer = torch.optim.Adam(weights, fused=True)

    def loss(x0, t, eps):
        xt = signal[t, None] * x0 + sigma[t, None] * eps
        h = torch.cat([xt, embedding[t]], dim=1)
        h = torch.nn.functional.silu(torch.nn.functional.linear(h, params["input.weight"], params["input.bias"]))
        return torch.nn.functional.mse_loss(_hidden(params, h, depth, model.config.residual), eps)

    loss = _maybe_compiled(name, loss)

    def gradient(x0, t, eps):
        found = torch.autograd.grad(loss(torch.tensor(x0), torch.tensor(t), torch.tensor(eps)), weights)
        return np.concatenate([values.numpy().ravel() for values in found])

    def run():
        for _ in range(steps):
            optimizer.param_groups[0]["lr"] = rate()
            x0 = data[torch.randint(0, len(data), (batch,))]
            t, eps = torch.randint(1, T + 1, (batch,)), torch.randn(batch, data.shape[1])
            optimizer.zero_grad(set_to_none=True)
            loss(x0, t, eps).backward()
            optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(average, weights, 0.001)

    return run, gradient, lambda: [values.numpy() for values in average]
