"""A training run on disk: a folder that loads and resumes at any moment, whatever kills the process.

    config.json            network, schedule, data and training settings; written once, and again for more steps
    model.safetensors      averaged weights by name, shift and scale [*shape], beta [T + 1]: all that sampling needs;
                           of an autoencoder the weights and its scaling factor
    training.safetensors   parameters, m, v, average [P], history [T + 1, 11] and losses [step]: all to go on with
    loss.csv               step, loss and learning rate, to look at; never read

A file is written under a temporary name, flushed to the disk and renamed; a new folder likewise, as a whole.  So
a name holds the old contents or the new, never a half.  A folder that is there already is filled, config.json last:
without it a folder is no run.  Both safetensors carry a checksum over config.json and
their own arrays.  Each stands alone: after a crash between the two, one may be a checkpoint older, or of before the
run was given more steps (see `config_text`).
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from numpy_diffusion import _checks, _files
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.trainable import Trainable
from numpy_diffusion.networks import registry
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import config_text, step_sampling, tensors
from numpy_diffusion.training.optimizers import learning_rates

CONFIG, MODEL, TRAINING, LOSSES = FILES = (config_text.NAME, "model.safetensors", "training.safetensors", "loss.csv")
RECENT: Final = 100  # steps over which a loss that is told is a mean
STATE: Final = ("parameters", "m", "v", "average", "history")


@dataclass(frozen=True, repr=False)
class Trained:
    """What a folder holds for sampling.

    Attributes
    ----------
    text : config.json, to the letter
    model : with the averaged weights, and what is measured
    schedule : Schedule; None of what predicts no noise, which has none
    """

    text: str
    model: Any
    schedule: Any

    @property
    def config(self) -> dict[str, Any]:
        """`text` as Python values: format, version, network, schedule, data, training."""
        return json.loads(self.text)


@dataclass(frozen=True, repr=False)
class Checkpoint(Trained):
    """All that a folder holds: beside the above what there is to go on with.

    Attributes
    ----------
    training : parameters, m, v, average [P], history (see `step_sampling`), losses [step], all float32
    """

    training: tensors.Tensors

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return len(self.training["losses"]) == self.config["training"]["steps"]

    def __repr__(self) -> str:
        done = progress(self.training["losses"], self.config["training"]["steps"])
        lines = [f"Checkpoint: {done}", self.model, *([] if self.schedule is None else [self.schedule])]
        return "\n  ".join(map(str, lines))


def progress(losses: np.ndarray, steps: int) -> str:
    """How much of a run is done, and how well: the losses of the steps done, and how many there are to do."""
    last = losses[-RECENT:]
    loss = f", loss {last.mean():.4f} (mean of the last {len(last)})" if len(last) else ""
    return f"{len(losses)} of {steps} steps{loss}"


def prolonged(checkpoint: Checkpoint, steps: int) -> Checkpoint:
    """The same with so many steps to do, of which there may be more than before where it is finished."""
    if steps == checkpoint.config["training"]["steps"]:
        return checkpoint
    return replace(checkpoint, text=config_text.prolonged(checkpoint.text, steps))


def load(folder: _files.PathLike) -> Any:
    """The trained network of a run: the moving average of its weights, with the scaling of its data.

    Any network that is trained here, an `AutoencoderKL` or a `CLIP` too.  One that a chain is made of is drawn from
    with the schedule that it was trained with, which `load_run` gives along with it:

        run = nd.load_run("runs/spiral")
        x = nd.sample(run.model, run.schedule, n=1000)

    Parameters
    ----------
    folder : what `train` got as `out`

    Raises
    ------
    OSError : a folder or file that is missing or cannot be read
    ValueError : a folder that is no checkpoint; a file that was cut, altered or written by something else

    Examples
    --------
    >>> load("no/such/run")
    Traceback (most recent call last):
        ...
    FileNotFoundError: no/such/run: expected a folder with a checkpoint, found no such folder
    """
    folder = _files.as_path("folder", folder)
    return _model_and_schedule(folder, config_text.read(folder))[0]


def read_trained(folder: _files.PathLike, kind: type[Trainable] = Network) -> Trained:
    """What sampling needs of a folder, whose network is of this kind, from config.json and model.safetensors alone.

    Errors as for `load`.
    """
    folder = _files.as_path("folder", folder)
    text = config_text.read(folder)
    model, schedule = _model_and_schedule(folder, text)
    if not isinstance(model, kind):
        raise ValueError(f"{folder}: expected the run of {kind.__name__}, got that of {type(model).__name__}")
    return Trained(text, model, schedule)


def read(folder: _files.PathLike, kind: type[Trainable] = Network) -> Checkpoint:
    """All that is in a folder, checked, whose network is of this kind; errors as for `load`."""
    folder = _files.as_path("folder", folder)
    trained = read_trained(folder, kind)
    text, model, schedule = trained.text, trained.model, trained.schedule
    training = tensors.unpack(folder / TRAINING, text, config_text.before(text))
    shapes: tensors.Shapes = {**dict.fromkeys(STATE, (model.buffer.size,)), "losses": ("step",)}
    shapes["history"] = step_sampling.start(0 if schedule is None else schedule.T).shape
    tensors.check(folder / TRAINING, training, shapes)
    model.buffer[:] = training["average"]  # of the same step as all the rest
    return Checkpoint(text, model, schedule, training)


def read_what_is_there(folder: _files.PathLike) -> Trained | Checkpoint:
    """All that is in a folder that may have lost training.safetensors; errors as for `load`."""
    return read(folder) if (_files.as_path("folder", folder) / TRAINING).exists() else read_trained(folder)


def create(folder: _files.PathLike, checkpoint: Checkpoint) -> None:
    """Make a folder with its first checkpoint, whole or not at all, or fill one that is empty.

    An empty one is not replaced: it may be a disk's mount point, the current folder, or all that may be written.

    Raises
    ------
    OSError : a place that cannot be written, or that holds files already; those are not touched
    """
    folder = _files.as_path("out", folder).resolve()
    with _files.os_errors_about("out", folder):
        _check_new(folder)
        remove_leftovers(folder)
        (_fill if folder.is_dir() else _make)(folder, checkpoint)


def _make(folder: Path, checkpoint: Checkpoint) -> None:
    building = _files.temporary(folder)
    try:
        building.mkdir(parents=True)
        with _files.at_work_in("out", building):
            _fill(building, checkpoint)
            os.replace(building, folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    _files.sync_folder(folder.parent)


def _fill(folder: Path, checkpoint: Checkpoint) -> None:
    try:
        _write_tensors(folder, checkpoint)
        _files.write(folder / CONFIG, checkpoint.text.encode())
    except BaseException:
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
        raise


def write(folder: _files.PathLike, checkpoint: Checkpoint) -> None:
    """Bring the files of an existing folder up to date, each whole or not at all.

    Raises
    ------
    OSError : a file that cannot be written; the old one stays
    """
    with _files.os_errors_about("out", folder):
        _write_tensors(_files.as_path("out", folder), checkpoint)


def write_config(folder: _files.PathLike, checkpoint: Checkpoint) -> None:
    """Write config.json anew, before the other files: it knows what they were written with, but they do not know it.

    Raises
    ------
    OSError : a file that cannot be written; the old one stays
    """
    with _files.os_errors_about("out", folder):
        _files.write(_files.as_path("out", folder) / CONFIG, checkpoint.text.encode())


def remove_leftovers(folder: _files.PathLike) -> None:
    """Delete the temporary files that a killed run left in its folder and beside it."""
    folder = _files.as_path("out", folder).resolve()
    for path in (folder, *(folder / name for name in FILES)):
        _files.remove_temporaries(path)


def _check_new(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"out: expected a new folder, but {folder} is a file")
    if folder.is_dir() and any(path.name != "lost+found" and not _left(path) for path in folder.iterdir()):
        holds = "a checkpoint: resume it, or choose another" if (folder / CONFIG).exists() else "files"
        raise FileExistsError(f"out: expected a new or empty folder, but {folder} holds {holds}")


def _left(path: Path) -> bool:
    """Whether a killed process left this of writing one of the files."""
    return any(_files.is_temporary(path, path.with_name(name)) for name in FILES)


def _write_tensors(folder: Path, checkpoint: Checkpoint) -> None:
    model, text = checkpoint.model, checkpoint.text
    weights = {**model.params, **model.measured}
    if checkpoint.schedule is not None:
        weights["beta"] = checkpoint.schedule.beta
    _files.write(folder / TRAINING, tensors.pack(checkpoint.training, text))
    _files.write(folder / MODEL, tensors.pack(weights, text))
    _files.write(folder / LOSSES, _loss_table(checkpoint).encode())


def _loss_table(checkpoint: Checkpoint) -> str:
    settings, losses = checkpoint.config["training"], checkpoint.training["losses"].tolist()
    rates: list[float] = []
    for steps in (*settings.get("finished_at", []), settings["steps"]):
        course = learning_rates(settings["learning_rate"], steps, settings["warmup"])
        rates += course[len(rates) :].tolist()
    done = zip(losses, rates[: len(losses)], strict=True)
    rows = (f"{step},{loss:.9g},{rate:.9g}\n" for step, (loss, rate) in enumerate(done, 1))
    return "step,loss,learning_rate\n" + "".join(rows)


def _model_and_schedule(folder: Path, text: str) -> tuple[Trainable, Schedule | None]:
    path, config = folder / MODEL, json.loads(text)
    arrays = tensors.unpack(path, text, config_text.before(text))
    try:
        model = registry.named(config["network"]["class"]).empty(**config["network"]["config"])
        known = config["schedule"]
        if known is None and isinstance(model, Network):
            raise ValueError("schedule: expected that of a network that predicts noise, got none")
        name = "" if known is None else _checks.instance("schedule: name", known["name"], str)
        T = 0 if known is None else _checks.integer("schedule: T", known["T"], 1)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder / CONFIG}: {error}") from None
    shapes: tensors.Shapes = {**model.shapes, **{name: values.shape for name, values in model.measured.items()}}
    if known is not None:
        shapes["beta"] = (T + 1,)
    wide = [name for name in ("shift", "scale") if name in shapes and arrays[name].dtype == np.float64]
    tensors.check(path, arrays, shapes, double=["beta", *wide])
    model.fill(arrays)
    model.measured = {name: arrays[name] for name in model.measured}
    if known is None:
        return model, None
    if isinstance(model, Network):
        model.T = T
    try:
        return model, Schedule.from_beta(arrays["beta"][1:], name=name)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
