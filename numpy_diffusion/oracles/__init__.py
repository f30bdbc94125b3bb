"""Exact answers: eps, score, density and moments where the data is Gaussian, a mixture, or a finite set of points."""

from numpy_diffusion.oracles.finite_data import FiniteData
from numpy_diffusion.oracles.gaussian_mixture import Gaussian, GaussianMixture

__all__ = ["FiniteData", "Gaussian", "GaussianMixture"]


def __dir__() -> list[str]:
    return __all__
