"""The autoencoder in NumPy: encoder and decoder by the U-Net's walk over operations, and the loss with its gradient.

loss = mean of (decode(z) - x)^2 + kl_weight KL(q(z | x) || N(0, I)),   z = mean + sigma noise
"""

from __future__ import annotations

import numpy as np

from numpy_diffusion.layers import diagonal_gaussian
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.autoencoder.config import AutoencoderConfig
from numpy_diffusion.networks.autoencoder.program import decoder, encoder
from numpy_diffusion.networks.unet.definition import walk, walk_back


def encode(params: parameters.Parameters, config: AutoencoderConfig, x: np.ndarray) -> np.ndarray:
    """The moments [N, 2 C, H / f, W / f] of images x [N, 3, H, W]."""
    return walk(params, config, encoder(config), x)[0]


def decode(params: parameters.Parameters, config: AutoencoderConfig, z: np.ndarray) -> np.ndarray:
    """Images [N, 3, f H, f W] of latents z [N, C, H, W]."""
    return walk(params, config, decoder(config), z)[0]


def losses_and_gradient(
    params: parameters.Parameters, config: AutoencoderConfig, x: np.ndarray, noise: np.ndarray, kl_weight: float
) -> tuple[np.ndarray, parameters.Parameters]:
    """The loss of each image of x [N, 3, H, W], and the gradient of their mean by every parameter.

    noise : standard normal numbers for the latents [N, C, H / f, W / f]
    """
    N = len(x)
    moments, encoder_caches = walk(params, config, encoder(config), x)
    z, divergence, gaussian_cache = diagonal_gaussian.forward(moments, noise)
    found, decoder_caches = walk(params, config, decoder(config), z)
    error = found - x
    losses = (error**2).mean(axis=(1, 2, 3)) + kl_weight * divergence

    dz, _, _, decoder_grads = walk_back(decoder(config), 2.0 * error / error.size, decoder_caches)
    dmoments = diagonal_gaussian.backward(dz, kl_weight / N, gaussian_cache)
    _, _, _, encoder_grads = walk_back(encoder(config), dmoments, encoder_caches)
    grads = encoder_grads | decoder_grads
    return losses, {name: grads[name] for name in params}
