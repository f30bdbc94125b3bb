"""Random Gaussians and mixtures for the tests."""

from __future__ import annotations

import math

import numpy as np

from numpy_diffusion.oracles.gaussian_mixture import Gaussian, GaussianMixture


def covariance(rng: np.random.Generator, D: int, least: float = 0.1) -> np.ndarray:
    root = rng.normal(size=(D, D))
    return root @ root.T / D + least * np.eye(D)


def mixture(seed: int, K: int, D: int) -> GaussianMixture:
    rng = np.random.default_rng(seed)
    covariances = [covariance(rng, D) for _ in range(K)]
    return GaussianMixture(rng.dirichlet(np.full(K, 3.0)), rng.normal(size=(K, D)), covariances)


def gaussian(seed: int, D: int) -> Gaussian:
    rng = np.random.default_rng(seed)
    return Gaussian(rng.normal(size=D), covariance(rng, D))


def assert_moments(x: np.ndarray, mean: np.ndarray, cov: np.ndarray) -> None:
    """Five standard errors, the covariance's taken from the draws themselves."""
    n, offset = len(x), x - mean
    assert (np.abs(offset.mean(0)) <= 5 * np.sqrt(np.diag(cov) / n)).all()
    product = offset[:, :, None] * offset[:, None, :]
    assert (np.abs(product.mean(0) - cov) <= 5 * product.std(0) / math.sqrt(n)).all()
