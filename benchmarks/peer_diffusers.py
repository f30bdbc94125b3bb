"""The U-Net of diffusers under PyTorch: eager, channels_last, and compiled; inference_mode, fused Adam."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import UNet2DModel

NAMES = ("PyTorch eager", "PyTorch channels_last", "PyTorch compiled")


def _network(name, model):
    """diffusers' network with our weights."""
    network = UNet2DModel(**model.options)
    network.load_state_dict({key: torch.tensor(values.copy()) for key, values in model.params.items()})
    return network.to(memory_format=torch.channels_last) if name == "PyTorch channels_last" else network


def _images(name, x):
    x = torch.tensor(x)
    return x.contiguous(memory_format=torch.channels_last) if name == "PyTorch channels_last" else x


def _maybe_compiled(name, network):
    return torch.compile(network) if name == "PyTorch compiled" else network


def predict(name, model, x, t):
    network, x = _maybe_compiled(name, _network(name, model).eval()), _images(name, x)
    t = torch.full((len(x),), t - 1)

    def run():
        with torch.inference_mode():
            return network(x, t, return_dict=False)[0].numpy()

    return run


def train(name, model, schedule, data, batch, rate):
    """run() takes one training step; and the loss's gradient by our flat parameters [P]."""
    network = _network(name, model)
    called = _maybe_compiled(name, network)
    signal, sigma = (
        torch.tensor(np.sqrt(values), dtype=torch.float32)
        for values in (schedule.alpha_bar, 1.0 - schedule.alpha_bar)
    )
    data, weights = _images(name, data), list(network.parameters())
    average = [values.detach().clone() for values in weights]
    optimizer = torch.optim.Adam(weights, lr=rate, fused=True)

    def loss(x0, t, eps):
        xt = signal[t, None, None, None] * x0 + sigma[t, None, None, None] * eps
        return torch.nn.functional.mse_loss(called(xt, t - 1, return_dict=False)[0], eps)

    def gradient(x0, t, eps):
        network.zero_grad()
        loss(_images(name, x0), torch.tensor(t), _images(name, eps)).backward()
        found = {key: values.grad.numpy().ravel() for key, values in network.named_parameters()}
        return np.concatenate([found[key] for key in model.params])

    def run():
        x0 = data[torch.randint(0, len(data), (batch,))]
        t, eps = torch.randint(1, schedule.T + 1, (batch,)), torch.randn_like(x0)
        optimizer.zero_grad(set_to_none=True)
        loss(x0, t, eps).backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, weights, 0.001)

    return run, gradient


def convolution(name, x, weight, bias):
    """3 x 3, of images [N, C, H, W]: oneDNN's."""
    layout = torch.channels_last if name == "PyTorch channels_last" else torch.contiguous_format
    x, weight = (torch.tensor(values).contiguous(memory_format=layout) for values in (x, weight))
    convolve = _maybe_compiled(name, torch.nn.functional.conv2d)
    bias = torch.tensor(bias)

    def run():
        with torch.inference_mode():
            return convolve(x, weight, bias, padding=1).numpy()

    return run
