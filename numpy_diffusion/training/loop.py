"""Training: the loop over the steps, with its bar, its checkpoints, and an exact way back into it.

What a step does stands in `step.py`, how they follow one another in `steps.py`; what a run looks like on disk, in
`checkpoints.py`; what the arguments must be, in `inputs.py` and `settings.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks, _files
from numpy_diffusion._progress import Bar
from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.tasks import State
from numpy_diffusion.models.trainable import Trainable
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import checkpoints, config_text
from numpy_diffusion.training.inputs import Data, DataName
from numpy_diffusion.training.losses import Weighting
from numpy_diffusion.training.resuming import begun_in, stored_run
from numpy_diffusion.training.run import Run
from numpy_diffusion.training.settings import known_warmup
from numpy_diffusion.training.step import Advance, start
from numpy_diffusion.training.step_sampling import Sampling
from numpy_diffusion.training.steps import hand_over, prepared, states

AnyRun = TypeVar("AnyRun")
Tell = Callable[[Any, np.ndarray], object]  # is told of a checkpoint: the averaged network, and the losses so far


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
    label_dropout: float | Mapping[str, float] | None = None,
    mirror: bool = False,
    crop: int | None = None,
    seed: int = 0,
    out: _files.PathLike | None = None,
    resume: bool = False,
    checkpoint_every: int = 1000,
    after_checkpoint: Callable[[Run], object] | None = None,
    data_name: DataName = None,
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
        [N, C, H, W] within -1..1, which it gets as they are; latents, of another C than 1 and 3, have no such range
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
        well, for classifier-free guidance; 0.1 of a network with classes (Ho and Salimans 2022); or by field
    mirror : exchange left and right of every second image, by chance
    crop : show squares of this side of the images and of the low-resolution ones to go by, see `low_resolution.part`
    seed : of batches, steps t, noise, mirroring and dropout; the result is the same to the bit on any number of
        threads
    out : a new or empty folder for the run; see `checkpoints`
    resume : go on with the run in `out`, all other arguments as they were: the final weights are those of a run
        that was never interrupted, to the bit.  A finished run may be given more `steps`: they go on with its weights
        and with Adam's averages, and the learning rate takes the course that it would have had in a run of so many
        steps, from where that stands, without another warm-up
    checkpoint_every : steps between two writes to `out`
    after_checkpoint : called with the run so far every checkpoint_every steps and after the last, whether there is an
        `out` or not: to draw samples from run.model, the averaged network, which is a copy
    data_name : what `numpy-diffusion` calls this data; or a mapping with that as "name", and with the words
        "separator" and "decimal" by which it reads a table of text; kept in config.json
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

    A run in a folder, and five steps more when it is done:

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> def run(steps, **options):
    ...     model, schedule = nd.MLP(dim=1, width=8, depth=0), nd.Schedule.linear(T=10)
    ...     return nd.train(model, schedule, x0, steps=steps, out=f"{folder.name}/run", progress=False, **options)
    >>> run(20).step, run(25, resume=True).step
    (20, 25)
    >>> folder.cleanup()
    """
    stored = stored_run(out, resume)
    ready = prepared(
        model,
        schedule,
        x0,
        labels,
        weighting=weighting,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        warmup=known_warmup(warmup, steps, stored),
        weight_decay=weight_decay,
        average_decay=average_decay,
        sampling=sampling,
        seed=seed,
        backend=backend,
        mirror=mirror,
        label_dropout=label_dropout,
        crop=crop,
    )
    return carry_out(
        model,
        ready.data.values,
        ready.advance,
        stored,
        first_checkpoint(ready.data, schedule, ready.settings.as_json(), data_name),
        partial(_as_run, schedule, ready.settings.steps, out),
        out=out,
        checkpoint_every=checkpoint_every,
        progress=progress,
        after_checkpoint=after_checkpoint,
    )


def _as_run(schedule: Schedule, steps: int, out: _files.PathLike | None, trained: Network, losses: np.ndarray) -> Run:
    return Run(trained, schedule, losses, steps, None if out is None else _files.as_path("out", out))


def carry_out(
    model: Trainable,
    data: np.ndarray,
    advance: Advance,
    stored: checkpoints.Checkpoint | None,
    first: checkpoints.Checkpoint,
    as_run: Callable[[Any, np.ndarray], AnyRun],
    *,
    out: _files.PathLike | None,
    checkpoint_every: int,
    progress: bool,
    after_checkpoint: Callable[[AnyRun], object] | None,
) -> AnyRun:
    """Train from the checkpoint that is stored, or else from the first, and return the run.

    Whatever is trained: `advance` does its steps.  `data` [N, ...] is for what the model measures of it.  `as_run`
    makes a run of a trained network and the losses of the steps done.
    """
    tell = _telling(after_checkpoint, as_run)
    checkpoint_every, settings = _checks.integer("checkpoint_every", checkpoint_every, 1), first.config["training"]
    with begun_in(out, stored, first) as begun:
        state, losses = _restored(begun, settings["steps"])
        following, saved = states(advance, state, losses, at_most=checkpoint_every), state.step
        keep = partial(_keep, out, begun, data, settings["backend"], losses)
        try:
            for state in _with_bar(following, saved, losses, progress):
                if state.step % checkpoint_every == 0 or state.step == len(losses):
                    saved = keep(state, tell)
        except KeyboardInterrupt:
            pass  # what is in `state` is whole: a chunk cut short never gets there
        finally:
            hand_over(model, begun.model, state, data, settings["backend"])
        if state.step > saved:
            keep(state)
    return as_run(model, losses[: state.step])


def _telling(
    after_checkpoint: Callable[[AnyRun], object] | None, as_run: Callable[[Any, np.ndarray], AnyRun]
) -> Tell | None:
    """What tells the caller of a run, given a trained network and the losses; None where nobody asks."""
    if after_checkpoint is None:
        return None
    if not callable(after_checkpoint):
        raise ValueError(f"after_checkpoint: expected a function of the run, got {after_checkpoint!r}")
    return lambda trained, losses: after_checkpoint(as_run(trained, losses))


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


def _keep(
    out: _files.PathLike | None,
    begun: checkpoints.Checkpoint,
    data: np.ndarray,
    backend: Backend,
    losses: np.ndarray,
    state: State,
    after_checkpoint: Tell | None = None,
) -> int:
    """Write the checkpoint of this state, where there is a folder, and tell who asked: the step that is safe now."""
    now = _now(begun, state, losses)
    now.model.measure(data, backend)
    if out is not None:
        checkpoints.write(out, now)
    if after_checkpoint is not None:
        after_checkpoint(now.model.copy(), losses[: state.step])
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
            recent = losses[max(0, state.step - checkpoints.RECENT) : state.step]
            bar.to(state.step, loss=f"{recent.mean():.4f}")
            yield state
