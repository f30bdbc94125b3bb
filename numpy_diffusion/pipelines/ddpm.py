"""A whole pipeline of diffusers: the network, the chain, and what leads from the network's answer to eps.

    model_index.json                                            names the parts
    unet/config.json, unet/diffusion_pytorch_model.safetensors  the network
    scheduler/scheduler_config.json                             the chain

The parts may also lie in the folder itself, as they do in google/ddpm-cifar10-32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from numpy_diffusion import _checks, _files
from numpy_diffusion.interop.diffusers import files, reverse_options, schedulers, solver_options, unets
from numpy_diffusion.interop.diffusers.reverse_options import Reverse
from numpy_diffusion.interop.diffusers.schedulers import Kind
from numpy_diffusion.models.converted import as_eps, clipped
from numpy_diffusion.models.protocol import Model, in_words
from numpy_diffusion.networks.unet.config import UNetConfig
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.process.predictions import Prediction
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import Variance
from numpy_diffusion.sampling.spacing import Solver, check_solver

INDEX: Final = "model_index.json"
PIPELINES: Final = ("DDPMPipeline", "DDIMPipeline")
DDPM: Final = Solver("ancestral", "leading")  # what a DDPMScheduler is unless its file says otherwise


class Pipeline(NamedTuple):
    """A network with all that sampling from it needs.

    Attributes
    ----------
    unet : prediction = unet(x, t), t in 1..T
    schedule : of the forward chain
    prediction : what the network predicts: "eps", "x0" or "v"
    clip : x_0 is kept in -clip..clip on the way; None for not at all
    variance : of the reverse kernel: "beta", "beta_tilde" or "learned"; "beta" where the scheduler's class has none
    solver : how its scheduler goes down the chain, see `steps`; that of a DDPMScheduler unless given

    Examples
    --------
    By the scheduler's own solver and steps, which may begin below T and end above 0:

    >>> from numpy_diffusion.sampling.spacing import Solver
    >>> p = Pipeline(lambda x, t: x, Schedule.linear(T=1000), solver=Solver("ddim", "leading", offset=1))
    >>> p.steps(5).tolist()
    [802, 602, 402, 202, 2]
    >>> how = dict(method=p.solver.method, steps=p.steps(5), end=p.solver.end)  # what sample(...) takes

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
    solver: Solver = DDPM

    def __repr__(self) -> str:
        sampled = f"prediction {self.prediction!r}, clip {self.clip}, variance {self.variance!r}, {self.solver}"
        return f"Pipeline: {in_words(self.unet)}\n  {self.schedule}\n  {sampled}"

    @property
    def model(self) -> Model:
        """eps = model(x, t): the network's answer turned into eps, with x_0 kept in its range."""
        eps = as_eps(self.unet, self.schedule, self.prediction)
        return eps if self.clip is None else clipped(eps, self.schedule, -self.clip, self.clip)

    def steps(self, steps: int) -> np.ndarray:
        """So many steps of the chain, those that the scheduler asks for: int64 [steps], falling, in 1..T.

        Raises
        ------
        ValueError : as for `Solver.steps`
        """
        return self.solver.steps(steps, self.schedule)

    @classmethod
    def from_diffusers(cls, folder: _files.PathLike) -> Pipeline:
        """What is in a DDPMPipeline's or DDIMPipeline's folder.

        Raises
        ------
        OSError : a folder or file that is missing or cannot be read
        ValueError : a file that is foreign, cut, altered or hostile, or an option that is not supported
        """
        folder = _files.as_path("folder", folder)
        files.read_json(folder, INDEX, PIPELINES)
        unet, scheduler = (_part(folder, name) for name in ("unet", "scheduler"))
        reverse, solver = reverse_options.read(scheduler), solver_options.read(scheduler)
        return cls(unets.read(unet), schedulers.read_schedule(scheduler), *reverse, solver)

    def to_diffusers(self, folder: _files.PathLike) -> None:
        """Write a folder that diffusers' DDPMPipeline, of DDIM its DDIMPipeline, opens, and `from_diffusers`.

        Raises
        ------
        OSError : a place that cannot be written
        ValueError : a network that is no UNet, or a part that diffusers' files have no place for
        """
        folder = _files.as_path("folder", folder)
        _checks.instance("unet", self.unet, UNet)
        _checks.instance("schedule", self.schedule, Schedule)
        reverse = Reverse(self.prediction, self.clip, self.variance)
        check_solver(self.solver)
        scheduler = solver_options.KIND[self.solver.method]
        options = schedulers.to_options(self.schedule)
        if self.solver != DDPM:
            options |= solver_options.to_options(self.solver, self.schedule, scheduler)[1]
        options |= _reverse_options(reverse, scheduler)
        if (self.variance == "learned") != self.unet.learn_variance:
            raise ValueError(
                f"variance: expected 'learned' just where the network has a head for it, got {self.variance!r}"
            )
        if (kind := self.unet.config.KIND) != UNetConfig.KIND:
            raise ValueError(f"unet: expected a {UNetConfig.KIND}, as a DDPMPipeline has, got a {kind}")
        unets.write(self.unet, folder / "unet")
        files.write_json(folder / "scheduler", schedulers.FILE, scheduler, options)
        parts = {"scheduler": ["diffusers", scheduler], "unet": ["diffusers", UNetConfig.KIND]}
        files.write_json(folder, INDEX, PIPELINES[self.solver.method == "ddim"], parts)


def _reverse_options(reverse: Reverse, scheduler: Kind) -> dict[str, Any]:
    """The options of the step, those that the scheduler's class has."""
    known, options = schedulers.SCHEDULERS[scheduler], reverse_options.to_options(reverse, scheduler)
    if "variance_type" not in known and reverse.variance != "beta":
        raise ValueError(
            f"variance: expected 'beta' with a {scheduler}, which has no other, got {reverse.variance!r}"
        )
    if "clip_sample" not in known and reverse.clip is not None:
        raise ValueError(f"clip: expected None with a {scheduler}, which does not keep x_0, got {reverse.clip}")
    return {name: value for name, value in options.items() if name in known}


def _part(folder: Path, name: str) -> Path:
    return folder / name if (folder / name).is_dir() else folder
