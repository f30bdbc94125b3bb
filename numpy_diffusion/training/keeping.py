"""What of a training stands in a checkpoint: the state before the first step, after some of them, and back again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from numpy_diffusion import _files
from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.models.shares import Ranks
from numpy_diffusion.models.tasks import State
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import checkpoints, config_text
from numpy_diffusion.training.inputs import Data, DataName
from numpy_diffusion.training.interrupts import Stop
from numpy_diffusion.training.ranks import agreed, check_alike, digest, together
from numpy_diffusion.training.step import start

ARRAYS: Final = (*checkpoints.STATE, "losses")
Tell = Callable[[Any, np.ndarray], object]  # is told of a checkpoint: the averaged network, and the losses so far


def first_checkpoint(
    data: Data, schedule: Schedule | None, training: dict[str, Any], data_name: DataName
) -> checkpoints.Checkpoint:
    """What stands in the folder before the first step; training: the settings, as JSON has them."""
    text = config_text.describe(data.model, schedule, data.origin(data_name), training)
    state = start(data.model, 0 if schedule is None else schedule.T)
    return checkpoints.Checkpoint(text, data.model, schedule, _arrays(state, np.empty(0, np.float32)))


def _arrays(state: State, losses: np.ndarray) -> dict[str, np.ndarray]:
    return {name: getattr(state, name) for name in checkpoints.STATE} | {"losses": losses[: state.step]}


def _now(begun: checkpoints.Checkpoint, state: State, losses: np.ndarray) -> checkpoints.Checkpoint:
    begun.model.buffer[:] = state.average
    return replace(begun, training=_arrays(state, losses))


def keep_state(
    out: _files.PathLike | None,
    begun: checkpoints.Checkpoint,
    data: np.ndarray,
    backend: Backend,
    losses: np.ndarray,
    ranks: Ranks,
    state: State,
    after_checkpoint: Tell | None = None,
) -> int:
    """Write the checkpoint of this state, where there is a folder, and tell who asked: the step that is safe now.

    Of several processes, whose states must be one, the first does that, and the others wait.  Where who is told
    raises a KeyboardInterrupt, to end the training here, all raise it.
    """
    stop = Stop()

    def write() -> None:
        if ranks.rank > 0:
            return
        now = _now(begun, state, losses)
        now.model.measure(data, backend)
        if out is not None:
            checkpoints.write(out, now)
        if after_checkpoint is not None:
            try:
                after_checkpoint(now.model.copy(), losses[: state.step])
            except KeyboardInterrupt:
                stop.asked = True

    check_alike(ranks, lambda: {f"weights after step {state.step}": digest(state.parameters)})
    together(ranks, write)
    if agreed(ranks, 0.0, stop).stop:
        raise KeyboardInterrupt
    return state.step


def beginning(first: checkpoints.Checkpoint, stored: checkpoints.Checkpoint | None) -> dict[str, str]:
    """Where training starts, as a checksum."""
    begun = first if stored is None else stored
    return {"weights" if stored is None else "checkpoint": digest(*(begun.training[name] for name in ARRAYS))}


def restored(checkpoint: checkpoints.Checkpoint, steps: int) -> tuple[State, np.ndarray]:
    """The state of a checkpoint, and its losses at the head of an array for all steps."""
    done = checkpoint.training["losses"]
    losses = np.empty(steps, np.float32)
    losses[: len(done)] = done
    return State(**{name: checkpoint.training[name] for name in checkpoints.STATE}, step=len(done)), losses
