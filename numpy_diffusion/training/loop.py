"""Training: the loop over the steps, with its bar, its checkpoints, and an exact way back into it.

What a step does stands in `step.py`; what a run looks like on disk, in `checkpoints.py`; what the arguments must be,
in `inputs.py` and `settings.py`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks, _files
from numpy_diffusion._progress import Bar
from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.tasks import Adam, State, Task
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import checkpoints, inputs
from numpy_diffusion.training.losses import Weighting, weights
from numpy_diffusion.training.optimizers import average_decays, learning_rates
from numpy_diffusion.training.run import Run
from numpy_diffusion.training.settings import Settings, settings
from numpy_diffusion.training.step import Advance, prepare, start
from numpy_diffusion.training.step_sampling import Sampling

CHUNK_SECONDS: Final = 0.1  # how long the loop stays in the kernel: the bar moves and Ctrl-C acts as often
RECENT: Final = 100  # steps over which the bar's loss is a mean


def train(
    model: Network,
    schedule: Schedule,
    x0: ArrayLike,
    labels: ArrayLike | Condition | None = None,
    *,
    steps: int = 10_000,
    batch: int | None = None,
    learning_rate: float | None = None,
    warmup: int | None = None,
    weight_decay: float = 0.0,
    average_decay: float = 0.999,
    weighting: Weighting | ArrayLike = "simple",
    sampling: Sampling = "uniform",
    label_dropout: float | None = None,
    mirror: bool = False,
    seed: int = 0,
    out: _files.PathLike | None = None,
    resume: bool = False,
    checkpoint_every: int = 1000,
    after_checkpoint: Callable[[Run], object] | None = None,
    data_name: str | None = None,
    progress: bool = True,
    backend: Backend | None = None,
) -> Run:
    """Train the network in place to predict the noise in x0's forward chain (Ho et al. 2020, Algorithm 1).

    Ctrl-C ends training early and keeps what was trained.  However it ends, `model` holds the moving average of
    the weights of its last good step.

    Parameters
    ----------
    model : `MLP`, `UNet` or another `Network`, float32; its weights are where training starts; shift and scale are
        set to the data's
    schedule : Schedule
    x0 : points [N, D], any units: the network gets (x0 - mean) / std, coordinate by coordinate; or images
        [N, C, H, W] within -1..1, which it gets as they are
    labels : of a network with classes, and of no other: the images' classes [N], 0..num_class_embeds - 2; or a
        `Condition` with a row for each sample, of a network that takes its fields
    steps, batch : how many steps, of how many samples each, drawn with replacement; 512 points or 32 images
    learning_rate : Adam's at the end of the warm-up; from there a half cosine to 0; of an MLP 5e-3, of a U-Net 1e-3
    warmup : steps of linear rise; steps // 10 unless given, but at most 500
    weight_decay : AdamW's, times the learning rate
    average_decay : of the moving average of the weights, 0..1 (Ho et al. appendix B: 0.9999, for longer training)
    weighting : lambda(t), as for `losses.weights`
    sampling : how t is drawn: "uniform", or "importance", by the history of the losses, which lowers the gradient's
        noise where they differ much from step to step, as with weighting="vlb" (Nichol and Dhariwal 2021)
    label_dropout : how often a label is left out, so that the network learns the noise of all classes together as
        well, for classifier-free guidance; 0.1 of a network with classes (Ho and Salimans 2022)
    mirror : exchange left and right of every second image, by chance
    seed : of batches, steps t, noise, mirroring and dropout; the result is the same to the bit on any number of
        threads
    out : a new or empty folder for the run; see `checkpoints`
    resume : go on with the run in `out`, all other arguments as they were: the final weights are those of a run
        that was never interrupted, to the bit
    checkpoint_every : steps between two writes to `out`
    after_checkpoint : called with the run so far every checkpoint_every steps and after the last, whether there is an
        `out` or not: to draw samples from run.model, the averaged network, which is a copy
    data_name : what `numpy-diffusion` calls this data; kept in config.json
    progress : show a bar on standard error, with the mean loss of the last 100 steps
    backend : "numba", or "numpy" for the definitions, which round otherwise; that of `nd.backend` unless given

    Returns
    -------
    Run : with `run.interrupted` where Ctrl-C came before the last step

    Raises
    ------
    ValueError : an argument out of its range, or, to resume, other than the checkpoint's
    OSError : `out` cannot be written or holds files; said before training starts, and nothing is overwritten
    FloatingPointError : loss or weights are no longer finite; `out` keeps the checkpoint before

    Examples
    --------
    >>> import numpy_diffusion as nd
    >>> x0 = np.array([[-1.0], [1.0]])
    >>> run = nd.train(nd.MLP(dim=1, width=8, depth=0), nd.Schedule.linear(T=10), x0, steps=20, progress=False)
    >>> run.step, run.model.scale.tolist()
    (20, [1.0])
    """
    lambda_t = weights(_checks.instance("schedule", schedule, Schedule), weighting)
    data = inputs.data(model, x0, labels if isinstance(labels, Condition) else Condition(labels))
    chosen = settings(
        model,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        warmup=warmup,
        weight_decay=weight_decay,
        average_decay=average_decay,
        weighting=weighting,
        lambda_t=lambda_t,
        sampling=sampling,
        seed=seed,
        backend=backend,
        mirror=mirror,
        label_dropout=label_dropout,
    )
    checkpoint_every = _checks.integer("checkpoint_every", checkpoint_every, 1)
    advance = _advance(data, schedule, chosen, lambda_t)
    begun = _begun(out, resume, _first(data, schedule, data_name, chosen))
    state, losses = _restored(begun, chosen.steps)
    states, saved = _states(advance, state, losses, checkpoint_every), state.step
    try:
        for state in _with_bar(states, saved, losses, progress):
            if state.step % checkpoint_every == 0 or state.step == len(losses):
                saved = _keep(out, begun, state, losses, after_checkpoint)
    except KeyboardInterrupt:
        pass  # what is in `state` is whole: a chunk cut short never gets there
    finally:
        model.buffer[:], model.shift, model.scale = state.average, begun.model.shift, begun.model.scale
    if state.step > saved:
        _keep(out, begun, state, losses)
    return Run(model, schedule, losses[: state.step], len(losses), None if out is None else Path(out))


def _advance(data: inputs.Data, schedule: Schedule, settings: Settings, lambda_t: np.ndarray) -> Advance:
    """What takes the steps, see `step.prepare`."""
    task = Task(
        schedule=schedule,
        data=data.values,
        condition=data.condition,
        batch=settings.batch,
        adam=Adam(weight_decay=settings.weight_decay),
        rates=learning_rates(settings.learning_rate, settings.steps, settings.warmup),
        decays=average_decays(settings.average_decay, 1, settings.steps),
        seed=settings.seed,
        label_dropout=settings.label_dropout or 0.0,
        mirror=bool(settings.mirror),
    )
    return prepare(data.model, task, lambda_t, sampling=settings.sampling, backend=settings.backend)


def _first(
    data: inputs.Data, schedule: Schedule, data_name: str | None, settings: Settings
) -> checkpoints.Checkpoint:
    """What stands in the folder before the first step."""
    model = data.model
    text = checkpoints.describe(model, schedule, data.origin(data_name), settings.as_json())
    return checkpoints.Checkpoint(text, model, schedule, _arrays(start(model, schedule.T), np.empty(0, np.float32)))


def _begun(out: _files.PathLike | None, resume: bool, first: checkpoints.Checkpoint) -> checkpoints.Checkpoint:
    """The checkpoint to start from, in a folder that has just been written to: what hinders that shows now."""
    if out is None:
        if resume:
            raise ValueError("resume: expected `out`, the folder of the run to go on with, got None")
        return first
    if not resume:
        checkpoints.create(out, first)
        return first
    stored = checkpoints.read(out)
    checkpoints.check_same(stored, first)
    if len(stored.training["losses"]) < stored.config["training"]["steps"]:
        checkpoints.remove_leftovers(out)
        checkpoints.write(out, stored)
    return stored


def _arrays(state: State, losses: np.ndarray) -> dict[str, np.ndarray]:
    return {name: getattr(state, name) for name in checkpoints.STATE} | {"losses": losses[: state.step]}


def _now(begun: checkpoints.Checkpoint, state: State, losses: np.ndarray) -> checkpoints.Checkpoint:
    begun.model.buffer[:] = state.average
    return replace(begun, training=_arrays(state, losses))


def _keep(
    out: _files.PathLike | None,
    begun: checkpoints.Checkpoint,
    state: State,
    losses: np.ndarray,
    after_checkpoint: Callable[[Run], object] | None = None,
) -> int:
    """Write the checkpoint of this state, where there is a folder, and tell who asked: the step that is safe now."""
    now = _now(begun, state, losses)
    if out is not None:
        checkpoints.write(out, now)
    if after_checkpoint is not None:
        path = None if out is None else Path(out)
        after_checkpoint(Run(now.model.copy(), now.schedule, losses[: state.step], len(losses), path))
    return state.step


def _restored(checkpoint: checkpoints.Checkpoint, steps: int) -> tuple[State, np.ndarray]:
    """The state of a checkpoint, and its losses at the head of an array for all steps."""
    done = checkpoint.training["losses"]
    losses = np.empty(steps, np.float32)
    losses[: len(done)] = done
    return State(**{name: checkpoint.training[name] for name in checkpoints.STATE}, step=len(done)), losses


def _with_bar(states: Iterator[State], done: int, losses: np.ndarray, progress: bool) -> Iterator[State]:
    """The states as they come, under a bar with the mean of the last losses."""
    with Bar("training", len(losses), "steps", show=progress, done=done) as bar:
        for state in states:
            recent = losses[max(0, state.step - RECENT) : state.step]
            bar.to(state.step, loss=f"{recent.mean():.4f}")
            yield state


def _states(advance: Advance, state: State, losses: np.ndarray, checkpoint_every: int) -> Iterator[State]:
    """The states of training, each some whole steps after the one before; fills in the losses as it goes.

    Steps are done on a copy, so that no exception leaves a state half done.
    """
    chunk = 1
    while state.step < len(losses):
        begin, began = state.step, time.perf_counter()
        end = begin + min(chunk, len(losses) - begin, checkpoint_every - begin % checkpoint_every)
        state = copy.deepcopy(state)
        losses[begin:end] = advance(state, end - begin)
        _check_finite(state, losses[begin:end])
        yield state
        pace = (end - begin) / (time.perf_counter() - began)
        chunk = max(1, min(round(pace * CHUNK_SECONDS), 4 * chunk))


def _check_finite(state: State, losses: np.ndarray) -> None:
    advice = "training has diverged; a smaller learning_rate may help"
    if len(bad := np.flatnonzero(~np.isfinite(losses))):
        step = state.step - len(losses) + 1 + bad[0]
        raise FloatingPointError(f"loss: expected finite numbers, got {losses[bad[0]]} at step {step}: {advice}")
    if not all(np.isfinite(getattr(state, name)).all() for name in checkpoints.STATE):
        raise FloatingPointError(f"weights: expected finite numbers, got others by step {state.step}: {advice}")
