"""PyTorch on the CPU, eager and compiled: inference_mode, one compiled step, fused Adam, foreach average."""

from __future__ import annotations

import numpy as np
import torch

from numpy_diffusion.layers import time_embedding
from numpy_diffusion.process import probability_flow

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


def log_prob(name, model, schedule, x, steps):
    """The same nodes and weights in float64; the tangents go forward through the layers beside the points."""
    nodes, dim, depth = probability_flow.plan(schedule, steps), model.shape[0], model.config.depth
    params = {key: values.double() for key, values in _parameters(model).items()}
    w_x = params["input.weight"][:, :dim].contiguous()
    embedding = torch.tensor(time_embedding.forward(nodes.t, params["input.weight"].shape[1] - dim, np.float64))
    bias = torch.nn.functional.linear(embedding, params["input.weight"][:, dim:], params["input.bias"])
    x0 = torch.tensor(x)

    def evaluate(x, bias, tanh, traced: bool):
        g = torch.nn.functional.linear(x, w_x, bias)
        h, v = torch.nn.functional.silu(g), None
        if traced:
            s = torch.sigmoid(g)
            v = (s + h * (1.0 - s)) * w_x.T[:, None, :]
        for layer in range(depth):
            weight = params[f"hidden.{layer}.weight"]
            g = torch.nn.functional.linear(h, weight, params[f"hidden.{layer}.bias"])
            y = torch.nn.functional.silu(g)
            if traced:
                s = torch.sigmoid(g)
                along = (s + y * (1.0 - s)) * (v @ weight.T)
                v = along + v if model.config.residual else along
            h = y + h if model.config.residual else y
        f = torch.nn.functional.linear(h, params["output.weight"], params["output.bias"])[:, :dim] - tanh * x
        return f, (v * params["output.weight"][:dim, None, :]).sum((0, 2)) - dim * tanh if traced else None

    evaluate = _maybe_compiled(name, evaluate)

    def asked(j, x, traced=True):
        return evaluate(x, bias[j], torch.tensor(nodes.tanh[j]), traced)

    def summed(weights, values):
        return sum(float(w) * value for w, value in zip(weights, values, strict=True))

    def run():
        with torch.inference_mode():
            path = [x0] * len(nodes.start)
            for sweep in range(probability_flow.SWEEPS):
                last = sweep == probability_flow.SWEEPS - 1
                f, div = zip(*(asked(j, at, last) for j, at in enumerate(path, 1)), strict=True)
                path = [x0 + summed(w, f) for w in nodes.start]
            f, div = [torch.zeros_like(x0), *f], [torch.zeros(len(x0), dtype=torch.float64), *div]
            x, integral = path[-1], summed(nodes.start[-1], div[1:])
            for j, (predict, correct) in enumerate(zip(nodes.predict, nodes.correct, strict=True), len(f)):
                f = [*f[1:], asked(j, x + summed(predict, f), False)[0]]
                x = x + summed(correct, f)
                f[-1], newest = asked(j, x)
                div = [*div[1:], newest]
                integral = integral + summed(correct, div)
            return (integral - 0.5 * (x**2 + np.log(2.0 * np.pi)).sum(1)).numpy()

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
