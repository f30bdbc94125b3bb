"""Diffusion models from first principles in NumPy and Numba.

>>> import numpy as np
>>> import numpy_diffusion as nd
>>> schedule = nd.Schedule.linear(T=1000)
>>> xt, eps = nd.q_sample(np.zeros((4, 2)), t=500, schedule=schedule, seed=1)
"""

from numpy_diffusion import datasets, drawings, metrics, oracles
from numpy_diffusion.checkpoints import load
from numpy_diffusion.forward import q_posterior, q_sample, q_step, q_trajectory
from numpy_diffusion.networks.mlp import MLP
from numpy_diffusion.samplers import sample
from numpy_diffusion.schedules import Schedule
from numpy_diffusion.training import Run, load_run, train

__version__ = "0.1.0"

__all__ = [
    "MLP",
    "Run",
    "Schedule",
    "datasets",
    "drawings",
    "load",
    "load_run",
    "metrics",
    "oracles",
    "q_posterior",
    "q_sample",
    "q_step",
    "q_trajectory",
    "sample",
    "train",
]
