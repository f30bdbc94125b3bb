"""Diffusion models from first principles in NumPy and Numba.

>>> import numpy as np
>>> import numpy_diffusion as nd
>>> schedule = nd.Schedule.linear(T=1000)
>>> xt, eps = nd.q_sample(np.zeros((4, 2)), t=500, schedule=schedule, seed=1)
"""

from numpy_diffusion import datasets, drawings, image_datasets, metrics, oracles
from numpy_diffusion.bound import bound
from numpy_diffusion.checkpoints import load
from numpy_diffusion.density import DiffusionDensity
from numpy_diffusion.forward import q_posterior, q_sample, q_step, q_trajectory
from numpy_diffusion.guidance import guided
from numpy_diffusion.inpainting import inpaint
from numpy_diffusion.interpolation import interpolate
from numpy_diffusion.likelihood import log_prob
from numpy_diffusion.networks.mlp import MLP
from numpy_diffusion.networks.unet import UNet
from numpy_diffusion.pipelines import Pipeline
from numpy_diffusion.predictions import as_eps, clipped
from numpy_diffusion.reverse import karras_steps, log_snr_steps
from numpy_diffusion.sampler_check import check_sampler
from numpy_diffusion.samplers import sample
from numpy_diffusion.schedules import Schedule
from numpy_diffusion.training import Run, load_run, train
from numpy_diffusion.trajectories import importance_weighted, trajectory_log_density
from numpy_diffusion.variances import optimal_variance

__version__ = "0.1.0"

__all__ = [
    "MLP",
    "DiffusionDensity",
    "Pipeline",
    "Run",
    "Schedule",
    "UNet",
    "as_eps",
    "bound",
    "check_sampler",
    "clipped",
    "datasets",
    "drawings",
    "guided",
    "image_datasets",
    "importance_weighted",
    "inpaint",
    "interpolate",
    "karras_steps",
    "load",
    "load_run",
    "log_prob",
    "log_snr_steps",
    "metrics",
    "optimal_variance",
    "oracles",
    "q_posterior",
    "q_sample",
    "q_step",
    "q_trajectory",
    "sample",
    "train",
    "trajectory_log_density",
]
