"""A training run: what `train` leaves, and what its folder gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from numpy_diffusion import _checks, _files, _pictures
from numpy_diffusion.models.network import Network
from numpy_diffusion.networks.autoencoder.autoencoder import AutoencoderKL
from numpy_diffusion.networks.clip.clip import CLIP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import checkpoints


class Progress:
    """How far a training is: what all runs have."""

    losses: np.ndarray
    steps: int
    path: Path | None

    def parts(self) -> list[object]:
        """What has been trained, and along which schedule."""
        raise NotImplementedError

    def __repr__(self) -> str:
        where = "" if self.path is None else f", in {self.path}"
        done = checkpoints.progress(self.losses, self.steps)
        return "\n  ".join([f"{type(self).__name__}: {done}{where}", *map(str, self.parts())])

    def _repr_png_(self) -> bytes | None:
        return _pictures.png(self)

    @property
    def step(self) -> int:
        """How many steps are done."""
        return len(self.losses)

    @property
    def interrupted(self) -> bool:
        """Whether steps are left to do."""
        return self.step < self.steps


@dataclass(repr=False)
class Run(Progress):
    """What training leaves.

    Attributes
    ----------
    model : the network, with the moving average of its weights
    schedule : Schedule
    losses : of every step done, float32 [step]
    steps : how many there are to do
    path : the run's folder, None where it has none
    """

    model: Network
    schedule: Schedule
    losses: np.ndarray
    steps: int
    path: Path | None

    def parts(self) -> list[object]:
        return [self.model, self.schedule]


@dataclass(repr=False)
class AutoencoderRun(Progress):
    """What training an autoencoder leaves.

    Attributes
    ----------
    autoencoder : with the moving average of its weights, and its scaling factor
    losses : of every step done, float32 [step]
    steps : how many there are to do
    path : the run's folder, None where it has none
    """

    autoencoder: AutoencoderKL
    losses: np.ndarray
    steps: int
    path: Path | None

    def parts(self) -> list[object]:
        return [self.autoencoder]


@dataclass(repr=False)
class CLIPRun(Progress):
    """What training a CLIP leaves.

    Attributes
    ----------
    clip : with the moving average of its weights
    losses : of every step done, float32 [step]
    steps : how many there are to do
    path : the run's folder, None where it has none
    """

    clip: CLIP
    losses: np.ndarray
    steps: int
    path: Path | None

    def parts(self) -> list[object]:
        return [self.clip]


def load_run(folder: _files.PathLike) -> Run:
    """The run in a folder, as `train` returned it at its last checkpoint: network, schedule and losses.

    From a folder without training.safetensors there is all but the losses, with a warning: the run then has no step,
    none to do, and cannot be gone on with.

    All that sampling needs, in two lines:

    >>> import numpy as np, tempfile, numpy_diffusion as nd
    >>> folder = tempfile.TemporaryDirectory()
    >>> model, schedule = nd.MLP(dim=1, width=8, depth=0), nd.Schedule.linear(T=10)
    >>> _ = nd.train(model, schedule, np.ones((9, 1)), steps=20, out=f"{folder.name}/run", progress=False)

    >>> run = nd.load_run(f"{folder.name}/run")
    >>> nd.sample(run.model, run.schedule, n=1000).shape
    (1000, 1)
    >>> folder.cleanup()

    Parameters
    ----------
    folder : what `train` got as `out`

    Raises
    ------
    OSError, ValueError : as for `load`

    Examples
    --------
    >>> load_run("no/such/run")
    Traceback (most recent call last):
        ...
    FileNotFoundError: no/such/run: expected a folder with a checkpoint, found no such folder
    """
    stored = checkpoints.read_what_is_there(folder)
    if isinstance(stored, checkpoints.Checkpoint):
        losses, steps = stored.training["losses"], stored.config["training"]["steps"]
    else:
        losses, steps = np.empty(0, np.float32), 0
        _checks.warn(f"{folder}: there is no {checkpoints.TRAINING}, so that the losses and steps are not known")
    return Run(stored.model, stored.schedule, losses, steps, _files.as_path("folder", folder))
