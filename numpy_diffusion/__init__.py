"""Diffusion models from first principles in NumPy and Numba.

>>> import numpy as np
>>> import numpy_diffusion as nd
>>> schedule = nd.Schedule.linear(T=1000)
>>> xt, eps = nd.q_sample(np.zeros((4, 2)), t=500, schedule=schedule, seed=1)
"""

import importlib
from typing import Any

from numpy_diffusion import _notebook as _notebook
from numpy_diffusion import oracles, parallel
from numpy_diffusion._compile import compile_kernels
from numpy_diffusion._version import __version__ as __version__
from numpy_diffusion.data import captions, datasets, drawings, image_datasets
from numpy_diffusion.evaluation import metrics
from numpy_diffusion.evaluation.bound import bound
from numpy_diffusion.evaluation.forward_check import check_forward, check_schedule
from numpy_diffusion.evaluation.gradient_check import check_gradient
from numpy_diffusion.evaluation.labs import check_lab
from numpy_diffusion.evaluation.likelihood import log_prob
from numpy_diffusion.evaluation.optimal_variance import optimal_variance
from numpy_diffusion.evaluation.sampler_check import check_sampler
from numpy_diffusion.evaluation.trajectories import importance_weighted, trajectory_log_density
from numpy_diffusion.interop.diffusers.clip_tokenizer import CLIPTokenizer
from numpy_diffusion.interop.scikit_learn import DiffusionDensity
from numpy_diffusion.kernels.backend import backend
from numpy_diffusion.kernels.precision import precision
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.converted import as_eps, clipped
from numpy_diffusion.models.guided import guided
from numpy_diffusion.networks.autoencoder.autoencoder import AutoencoderKL
from numpy_diffusion.networks.clip.clip import CLIP
from numpy_diffusion.networks.clip.clip_text import CLIPText
from numpy_diffusion.networks.clip.clip_text_projection import CLIPTextWithProjection
from numpy_diffusion.networks.clip.clip_vision import CLIPVisionWithProjection
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.networks.prior.prior import PriorTransformer
from numpy_diffusion.networks.text_projection.text_projection import TextProjection
from numpy_diffusion.networks.text_unet.text_unet import TextUNet
from numpy_diffusion.networks.unclip_decoder.unclip_decoder import UnCLIPDecoder
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.networks.unet.upsampler import Upsampler
from numpy_diffusion.pipelines.ddpm import Pipeline
from numpy_diffusion.pipelines.folders import keep_layouts, load_diffusers, save_diffusers
from numpy_diffusion.pipelines.latent import LatentPipeline
from numpy_diffusion.pipelines.unclip import UnCLIP
from numpy_diffusion.pipelines.unclip_stage import Stage
from numpy_diffusion.process.forward import q_posterior, q_sample, q_step, q_trajectory
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import karras_steps, log_snr_steps
from numpy_diffusion.sampling.better_draw import better_of_two
from numpy_diffusion.sampling.from_step import sample_from
from numpy_diffusion.sampling.inpainting import inpaint
from numpy_diffusion.sampling.interpolation import interpolate
from numpy_diffusion.sampling.samplers import sample, sample_steps
from numpy_diffusion.training.autoencoder import train_autoencoder
from numpy_diffusion.training.checkpoints import load
from numpy_diffusion.training.clip import train_clip
from numpy_diffusion.training.loop import train
from numpy_diffusion.training.run import Run, load_run
from numpy_diffusion.training.steps import train_steps

__all__ = [
    "CLIP",
    "MLP",
    "AutoencoderKL",
    "CLIPText",
    "CLIPTextWithProjection",
    "CLIPTokenizer",
    "CLIPVisionWithProjection",
    "Condition",
    "DiffusionDensity",
    "LatentPipeline",
    "Pipeline",
    "PriorTransformer",
    "Run",
    "Schedule",
    "Stage",
    "TextProjection",
    "TextUNet",
    "UNet",
    "UnCLIP",
    "UnCLIPDecoder",
    "Upsampler",
    "as_eps",
    "backend",
    "better_of_two",
    "bound",
    "captions",
    "check_forward",
    "check_gradient",
    "check_lab",
    "check_sampler",
    "check_schedule",
    "clipped",
    "compile_kernels",
    "datasets",
    "drawings",
    "figures",
    "guided",
    "image_datasets",
    "importance_weighted",
    "inpaint",
    "interpolate",
    "karras_steps",
    "keep_layouts",
    "load",
    "load_diffusers",
    "load_run",
    "log_prob",
    "log_snr_steps",
    "metrics",
    "optimal_variance",
    "oracles",
    "parallel",
    "precision",
    "q_posterior",
    "q_sample",
    "q_step",
    "q_trajectory",
    "sample",
    "sample_from",
    "sample_steps",
    "save_diffusers",
    "train",
    "train_autoencoder",
    "train_clip",
    "train_steps",
    "trajectory_log_density",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """`nd.figures` when it is asked for, since matplotlib takes long to import."""
    if name == "figures":
        return importlib.import_module("numpy_diffusion.figures")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
