"""A whole pipeline of diffusers: the network, the chain, and what leads from the network's answer to eps.

    model_index.json                                            names the parts
    unet/config.json, unet/diffusion_pytorch_model.safetensors  the network
    scheduler/scheduler_config.json                             the chain

The parts may also lie in the folder itself, as they do in google/ddpm-cifar10-32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from numpy_diffusion import _checks, _files
from numpy_diffusion.interop.diffusers import files, reverse_options, schedulers, unets
from numpy_diffusion.interop.diffusers.reverse_options import Reverse
from numpy_diffusion.interop.diffusers.schedulers import Kind
from numpy_diffusion.models.converted import as_eps, clipped
from numpy_diffusion.models.protocol import Model, in_words
from numpy_diffusion.networks.unet.config import UNetConfig
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.process.predictions import Prediction
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import Variance

INDEX: Final = "model_index.json"
PIPELINES: Final = ("DDPMPipeline", "DDIMPipeline")
SCHEDULER: Final[Kind] = "DDPMScheduler"  # as it is written


class Pipeline(NamedTuple):
    """A network with all that sampling from it needs.

    Attributes
    ----------
    unet : prediction = unet(x, t), t in 1..T
    schedule : of the forward chain
    prediction : what the network predicts: "eps", "x0" or "v"
    clip : x_0 is kept in -clip..clip on the way; None for not at all
    variance : of the reverse kernel: "beta", "beta_tilde" or "learned"; "beta" where the scheduler's class has none

    Examples
    --------
    A network that says x_0 = 0 whatever it sees:

    >>> import numpy as np
    >>> from numpy_diffusion import sample
    >>> p = Pipeline(lambda x, t: 0.0 * x, Schedule.linear(T=10), prediction="x0")
    >>> bool(np.allclose(sample(p.model, p.schedule, n=3, variance=p.variance, shape=(2,)), 0.0, atol=1e-6))
    True

    One that was trained elsewhere; and one with classes, which takes labels, by a function that knows them:

    >>> p = Pipeline.from_diffusers("ddpm-cifar10-32")  # doctest: +SKIP
    >>> threes = p._replace(unet=lambda x, t: p.unet(x, t, labels=3)).model  # doctest: +SKIP
    """

    unet: Any
    schedule: Schedule
    prediction: Prediction = "eps"
    clip: float | None = 1.0
    variance: Variance = "beta"

    def __repr__(self) -> str:
        sampled = f"prediction {self.prediction!r}, clip {self.clip}, variance {self.variance!r}"
        return f"Pipeline: {in_words(self.unet)}\n  {self.schedule}\n  {sampled}"

    @property
    def model(self) -> Model:
        """eps = model(x, t): the network's answer turned into eps, with x_0 kept in its range."""
        eps = as_eps(self.unet, self.schedule, self.prediction)
        return eps if self.clip is None else clipped(eps, self.schedule, -self.clip, self.clip)

    @classmethod
    def from_diffusers(cls, folder: _files.PathLike) -> Pipeline:
        """What is in a DDPMPipeline's or DDIMPipeline's folder.

        Which solver, steps and end the scheduler asks for, `solver_options.read` says; `sample` takes them.

        Raises
        ------
        OSError : a folder or file that is missing or cannot be read
        ValueError : a file that is foreign, cut, altered or hostile, or an option that is not supported
        """
        folder = _files.as_path("folder", folder)
        files.read_json(folder, INDEX, PIPELINES)
        unet, scheduler = (_part(folder, name) for name in ("unet", "scheduler"))
        return cls(unets.read(unet), schedulers.read_schedule(scheduler), *reverse_options.read(scheduler))

    def to_diffusers(self, folder: _files.PathLike) -> None:
        """Write a folder that diffusers' DDPMPipeline.from_pretrained opens, and `from_diffusers`.

        Raises
        ------
        OSError : a place that cannot be written
        ValueError : a network that is no UNet, or a part that diffusers' files have no place for
        """
        folder = _files.as_path("folder", folder)
        _checks.instance("unet", self.unet, UNet)
        _checks.instance("schedule", self.schedule, Schedule)
        reverse = Reverse(self.prediction, self.clip, self.variance)
        options = schedulers.to_options(self.schedule) | reverse_options.to_options(reverse, SCHEDULER)
        if (self.variance == "learned") != self.unet.learn_variance:
            raise ValueError(
                f"variance: expected 'learned' just where the network has a head for it, got {self.variance!r}"
            )
        if (kind := self.unet.config.KIND) != UNetConfig.KIND:
            raise ValueError(f"unet: expected a {UNetConfig.KIND}, as a DDPMPipeline has, got a {kind}")
        unets.write(self.unet, folder / "unet")
        files.write_json(folder / "scheduler", schedulers.FILE, SCHEDULER, options)
        parts = {"scheduler": ["diffusers", SCHEDULER], "unet": ["diffusers", UNetConfig.KIND]}
        files.write_json(folder, INDEX, "DDPMPipeline", parts)


def _part(folder: Path, name: str) -> Path:
    return folder / name if (folder / name).is_dir() else folder
