"""Networks of diffusers under PyTorch, and its U-Net of images: eager, channels_last, and compiled.

inference_mode, fused Adam, foreach average.
"""

from __future__ import annotations

import numpy as np
import torch
from diffusers import UNet2DModel

NAMES = ("PyTorch eager", "PyTorch channels_last", "PyTorch compiled")
ROUNDED = (*NAMES, "PyTorch autocast")  # in bfloat16: the whole network, or its products


def network(name, kind, model, strict=True):
    """diffusers' network of this kind with our weights; of all its weights, if strict."""
    found = kind(**model.options)
    found.load_state_dict({key: torch.tensor(values.copy()) for key, values in model.params.items()}, strict=strict)
    return found.to(memory_format=torch.channels_last) if name == "PyTorch channels_last" else found


def tensor(name, values):
    """Images [N, C, H, W] as this contestant wants them; other arrays as they are."""
    return laid_out(name, torch.tensor(values))


def laid_out(name, values):
    """The same of what is a tensor already."""
    last = name == "PyTorch channels_last" and values.ndim == 4
    return values.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def maybe_compiled(name, function):
    """What was compiled before is forgotten, or a second size would be compiled for any size, which is slower."""
    if name != "PyTorch compiled":
        return function
    torch.compiler.reset()
    return torch.compile(function, dynamic=False)


def jump(schedule):
    """The function x_t of x_0 [N, ...], t [N] and eps."""
    signal, sigma = (
        torch.tensor(np.sqrt(values), dtype=torch.float32)
        for values in (schedule.alpha_bar, 1.0 - schedule.alpha_bar)
    )

    def jumped(x0, t, eps):
        own = (-1,) + (1,) * (x0.ndim - 1)
        return signal[t].view(own) * x0 + sigma[t].view(own) * eps

    return jumped


def training(name, found, model, loss, draw, rate):
    """run() takes one training step by loss(*draw()); gradient(*arrays) is the loss's by our flat parameters [P]."""
    weights = list(found.parameters())
    average = [values.detach().clone() for values in weights]
    optimizer = torch.optim.Adam(weights, lr=rate, fused=True)

    def gradient(*arrays):
        optimizer.zero_grad(set_to_none=True)
        loss(*(tensor(name, values) for values in arrays)).backward()
        return np.concatenate([found.get_parameter(key).grad.numpy().ravel() for key in model.params])

    def run():
        drawn = draw()
        optimizer.zero_grad(set_to_none=True)
        loss(*drawn).backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, weights, 0.001)

    return run, gradient


def predict(name, model, x, t):
    called, x = maybe_compiled(name, network(name, UNet2DModel, model).eval()), tensor(name, x)
    t = torch.full((len(x),), t - 1)

    def run():
        with torch.inference_mode():
            return called(x, t, return_dict=False)[0].numpy()

    return run


def predict_rounded(name, model, x, t):
    """In bfloat16; images come and go in float32."""
    found = network(name, UNet2DModel, model).eval()
    whole = name != "PyTorch autocast"
    called = maybe_compiled(name, found.to(torch.bfloat16) if whole else found)
    x, t = tensor(name, x), torch.full((len(x),), t - 1)

    def run():
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=not whole):
            return called(x.to(torch.bfloat16) if whole else x, t, return_dict=False)[0].float().numpy()

    return run


def train(name, model, schedule, data, batch, rate, rounded=False):
    """run() takes one training step; and the loss's gradient by our flat parameters [P].

    rounded : products in bfloat16 by autocast; weights, their gradients and Adam's averages stay in float32
    """
    found = network(name, UNet2DModel, model)
    called, jumped, data = maybe_compiled(name, found), jump(schedule), tensor(name, data)

    def loss(x0, t, eps):
        with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            found = called(jumped(x0, t, eps), t - 1, return_dict=False)[0]
        return torch.nn.functional.mse_loss(found.float(), eps)

    def draw():
        x0 = data[torch.randint(0, len(data), (batch,))]
        return x0, torch.randint(1, schedule.T + 1, (batch,)), torch.randn_like(x0)

    return training(name, found, model, loss, draw, rate)


def convolution(name, x, weight, bias):
    """3 x 3, of images [N, C, H, W]: oneDNN's."""
    convolve = maybe_compiled(name, torch.nn.functional.conv2d)
    x, weight, bias = (tensor(name, values) for values in (x, weight, bias))

    def run():
        with torch.inference_mode():
            return convolve(x, weight, bias, padding=1).numpy()

    return run
