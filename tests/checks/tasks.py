"""Training steps and their loss, called with a network and arrays in place of the records that `train` makes."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.tasks import Dropout, State, Task
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import batch as training_batch
from numpy_diffusion.training import step as training_step
from numpy_diffusion.training.optimizers import average_decays


def prepare(
    model: Network,
    schedule: Schedule,
    data: np.ndarray,
    labels: Any = None,
    *,
    weighting: np.ndarray,
    rates: np.ndarray,
    average_decay: float,
    sampling: Any = "uniform",
    backend: Any = "numba",
    **task: Any,
) -> training_step.Advance:
    """`training.step.prepare` of a task that is written out."""
    decays = average_decays(average_decay, 1, len(rates))
    given = Task(schedule, data, _told(labels), rates=rates, decays=decays, **task)
    return training_step.prepare(model, given, weighting, sampling=sampling, backend=backend)


def advanced(advance: training_step.Advance, state: State, count: int) -> np.ndarray:
    """The losses of `count` steps from the state, which they change: [count]."""
    losses = np.empty(count, np.float32)
    advance(state, losses)
    return losses


def losses_and_gradient(
    model: Network,
    schedule: Schedule,
    weights: np.ndarray,
    x0: np.ndarray,
    t: np.ndarray,
    eps: np.ndarray,
    weighting: np.ndarray,
    table: np.ndarray,
    labels: Any = None,
    dropout: tuple[int, np.ndarray, int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """`training.batch.losses_and_gradient` by the network's definition."""
    told, dropped = _told(labels), None if dropout is None else Dropout(*dropout)
    gradient = training_batch.by_definition(model)
    # By its module, so that a planted fault stands in for it.
    return training_batch.losses_and_gradient(
        gradient, schedule, weights, x0, t, eps, weighting, table, told, dropped
    )


def _told(labels: Any) -> Condition:
    return labels if isinstance(labels, Condition) else Condition(labels=labels)
