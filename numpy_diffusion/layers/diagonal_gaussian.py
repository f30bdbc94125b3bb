"""A Gaussian with independent numbers, sampled so that gradients pass (Kingma and Welling 2014, arXiv 1312.6114):

z = mean + sigma noise,   sigma = exp(log_variance / 2)
KL(q || N(0, I)) = sum of (mean^2 + sigma^2 - 1 - log_variance) / 2

Its moments are an image: the mean in the first half of the channels, the logarithm of the variance in the second,
clipped to RANGE as in the autoencoder of Rombach et al. (2022, arXiv 2112.10752).
"""

from __future__ import annotations

from typing import Final

import numpy as np

RANGE: Final = (-30.0, 20.0)
Cache = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def halves(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """mean and log_variance [N, C, H, W] of moments [N, 2 C, H, W]."""
    mean, log_variance = np.split(moments, 2, axis=1)
    return mean, log_variance.clip(*RANGE)


def forward(moments: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, Cache]:
    """z [N, C, H, W] and the divergence [N], in nats, from moments [N, 2 C, H, W] and noise like z."""
    mean, log_variance = halves(moments)
    sigma = np.exp(0.5 * log_variance)
    divergence = 0.5 * (mean**2 + sigma**2 - 1.0 - log_variance).sum(axis=(1, 2, 3))
    return mean + sigma * noise, divergence, (moments, mean, sigma, noise)


def backward(dz: np.ndarray, ddivergence: float, cache: Cache) -> np.ndarray:
    """dmoments [N, 2 C, H, W] from dz and from the gradient by each divergence; none where a clip holds."""
    moments, mean, sigma, noise = cache
    _, given = np.split(moments, 2, axis=1)
    dlog_variance = 0.5 * (dz * sigma * noise + ddivergence * (sigma**2 - 1.0))
    inside = (given >= RANGE[0]) & (given <= RANGE[1])
    return np.concatenate([dz + ddivergence * mean, dlog_variance * inside], axis=1)
