"""The parts of latent diffusion of diffusers under PyTorch: the U-Net that attends to states, and the autoencoder."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from peer_diffusers import NAMES, jump, maybe_compiled, network, tensor, training

__all__ = ["NAMES", "decode", "encode", "predict", "train", "train_autoencoder"]


def predict(name, model, x, t, states, mask):
    """The U-Net's answer to x [N, C, H, W] at step t and states [N, L, D]; the mask [N, L] says which are there."""
    called = maybe_compiled(name, network(name, UNet2DConditionModel, model).eval())
    x, states, mask = (tensor(name, values) for values in (x, states, mask))
    t = torch.full((len(x),), t - 1)

    def run():
        with torch.inference_mode():
            return called(x, t, states, encoder_attention_mask=mask, return_dict=False)[0].numpy()

    return run


def train(name, model, schedule, data, states, mask, batch, rate):
    """run() takes one training step of the U-Net; and the loss's gradient by our flat parameters [P]."""
    found = network(name, UNet2DConditionModel, model)
    called, jumped = maybe_compiled(name, found), jump(schedule)
    data, states, mask = (tensor(name, values) for values in (data, states, mask))

    def loss(x0, t, eps, states, mask):
        outputs = called(jumped(x0, t, eps), t - 1, states, encoder_attention_mask=mask, return_dict=False)
        return torch.nn.functional.mse_loss(outputs[0], eps)

    def draw():
        rows = torch.randint(0, len(data), (batch,))
        x0 = data[rows]
        return x0, torch.randint(1, schedule.T + 1, (batch,)), torch.randn_like(x0), states[rows], mask[rows]

    return training(name, found, model, loss, draw, rate)


def encode(name, autoencoder, x):
    """Mean and logarithm of the variance of the latents of images x [N, C, H, W]."""
    found, x = network(name, AutoencoderKL, autoencoder).eval(), tensor(name, x)

    def moments(x):
        posterior = found.encode(x, return_dict=False)[0]
        return posterior.mean, posterior.logvar

    called = maybe_compiled(name, moments)

    def run():
        with torch.inference_mode():
            return [values.numpy() for values in called(x)]

    return run


def decode(name, autoencoder, z):
    """The images of latents z [N, C, H, W]."""
    found, z = network(name, AutoencoderKL, autoencoder).eval(), tensor(name, z)
    called = maybe_compiled(name, lambda z: found.decode(z, return_dict=False)[0])

    def run():
        with torch.inference_mode():
            return called(z).numpy()

    return run


def train_autoencoder(name, autoencoder, data, kl_weight, batch, rate):
    """run() takes one training step; and the loss's gradient by our flat parameters [P]."""
    found, data = network(name, AutoencoderKL, autoencoder), tensor(name, data)

    def objective(x, noise):
        posterior = found.encode(x, return_dict=False)[0]
        z = posterior.mean + posterior.std * noise
        error = torch.nn.functional.mse_loss(found.decode(z, return_dict=False)[0], x)
        return error + kl_weight * posterior.kl().mean()

    def draw():
        return data[torch.randint(0, len(data), (batch,))], torch.randn(batch, *autoencoder.latent_shape)

    return training(name, found, autoencoder, maybe_compiled(name, objective), draw, rate)
