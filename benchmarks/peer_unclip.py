"""The parts of DALL-E 2 of diffusers under PyTorch: the prior, and an upsampler shown squares of images."""

from __future__ import annotations

import torch
from diffusers import PriorTransformer, UNet2DModel
from peer_diffusers import NAMES, jump, laid_out, maybe_compiled, network, tensor, training

__all__ = ["NAMES", "train_prior", "train_upsampler"]


def train_prior(name, model, schedule, data, embedding, states, mask, batch, rate):
    """run() takes one training step; and the loss's gradient by our flat parameters [P]."""
    found = network(name, PriorTransformer, model, strict=False)  # it has the units of the data besides
    called, jumped = maybe_compiled(name, found), jump(schedule)
    arrays = [tensor(name, values) for values in (data, embedding, states, mask)]

    def loss(z0, t, eps, embedding, states, mask):
        outputs = called(jumped(z0, t, eps), t - 1, embedding, states, mask, return_dict=False)
        return torch.nn.functional.mse_loss(outputs[0], z0)

    def draw():
        rows = torch.randint(0, len(data), (batch,))
        z0, *told = (values[rows] for values in arrays)
        return z0, torch.randint(1, schedule.T + 1, (batch,)), torch.randn_like(z0), *told

    return training(name, found, model, loss, draw, rate)


def train_upsampler(name, model, schedule, data, low, most_blur, crop, batch, rate):
    """run() takes one training step; and the loss's gradient by our flat parameters [P].

    Squares are cut at whole pixels of the images `low` to go by, which are blurred by up to `most_blur` of their
    pixels and enlarged: both linear, so that two products do it.
    """
    found = network(name, UNet2DModel, model)
    called, jumped = maybe_compiled(name, found), jump(schedule)
    data, low = (torch.tensor(values) for values in (data, low))
    side, small = data.shape[2], low.shape[2]
    ratio, pixels = side // small, torch.arange(small)
    apart, within = pixels - pixels[:, None], torch.arange(crop)
    enlarge = torch.nn.functional.interpolate(
        torch.eye(small)[None, None], (side, small), mode="bicubic", antialias=True
    )[0, 0]

    def loss(x0, t, eps, low):
        outputs = called(torch.cat([jumped(x0, t, eps), low], dim=1), t - 1, return_dict=False)
        return torch.nn.functional.mse_loss(outputs[0], eps)

    def draw():
        index = torch.randint(0, len(data), (batch,))
        rows, columns = (
            ratio * torch.randint(0, (side - crop) // ratio + 1, (batch, 1)) + within for _ in ("down", "across")
        )
        blur = torch.softmax(-0.5 * (apart / (most_blur * torch.rand(batch, 1, 1)).clamp(min=1e-3)) ** 2, dim=2)
        down, across = ((enlarge[shown] @ blur)[:, None] for shown in (rows, columns))
        x0 = data[index[:, None, None], :, rows[:, :, None], columns[:, None, :]].movedim(3, 1)
        x0, shown = laid_out(name, x0), laid_out(name, down @ low[index] @ across.mT)
        return x0, torch.randint(1, schedule.T + 1, (batch,)), torch.randn_like(x0), shown

    return training(name, found, model, loss, draw, rate)
