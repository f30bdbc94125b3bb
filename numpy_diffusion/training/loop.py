"""Training: the loop over the steps, with its bar, its checkpoints, and an exact way back into it.

What a step does stands in `step.py`, how they follow one another in `steps.py`; what a run looks like on disk, in
`checkpoints.py`; what the arguments must be, in `inputs.py` and `settings.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks, _files
from numpy_diffusion._progress import Bar
from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.kernels.precision import Precision
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.shares import Ranks
from numpy_diffusion.models.tasks import State
from numpy_diffusion.models.trainable import Trainable
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import checkpoints, sameness
from numpy_diffusion.training.inputs import DataName
from numpy_diffusion.training.interrupts import stopping
from numpy_diffusion.training.keeping import Tell, beginning, first_checkpoint, keep_state, restored
from numpy_diffusion.training.losses import Weighting
from numpy_diffusion.training.ranks import check_alike, over, together
from numpy_diffusion.training.resuming import begun_in, stored_run
from numpy_diffusion.training.run import Run
from numpy_diffusion.training.settings import known_warmup
from numpy_diffusion.training.step import Advance
from numpy_diffusion.training.step_sampling import Sampling
from numpy_diffusion.training.steps import hand_over, prepared, states

AnyRun = TypeVar("AnyRun")


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
    precision: Precision | None = None,
    comm: Any = None,
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
        [N, C, H, W] within -1..1, which it gets as they are; latents have no such range
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
    precision : "float32", or "bfloat16" for a U-Net's products, there and back: x, W and the gradients by outputs are
        rounded where they meet, while weights, their gradients, Adam's averages and all sums stay in float32; that of
        `nd.precision` unless given
    comm : an MPI communicator such as mpi4py's MPI.COMM_WORLD, whose processes all call this with the same arguments
        and share each batch: the result is that of one process, to the bit, and each of them gets it.  The first
        alone shows a bar, writes `out` and calls `after_checkpoint`.  See docs/mpi.md

    Returns
    -------
    Run : with `run.interrupted` where Ctrl-C came before the last step

    Raises
    ------
    ValueError : an argument out of its range, or, to resume, other than the checkpoint's
    OSError : `out` cannot be written or holds files; said before training starts, and nothing is overwritten
    FloatingPointError : loss or weights are no longer finite; `out` keeps the checkpoint before
    KeyboardInterrupt : Ctrl-C came in a step that failed, which is its cause

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
    ranks = over(comm)
    stored = together(ranks, lambda: stored_run(out, resume))
    ready = together(
        ranks,
        lambda: prepared(
            model,
            schedule,
            x0,
            labels,
            weighting=weighting,
            ranks=ranks,
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
            precision=precision,
        ),
    )
    first = first_checkpoint(ready.data, schedule, ready.settings.as_json(), data_name)
    as_run = partial(_as_run, schedule, ready.settings.steps, out)
    keeping = Keeping(out, checkpoint_every, progress, after_checkpoint, ranks)
    return carry_out(model, ready.data.values, ready.advance, stored, first, as_run, keeping)


def _as_run(schedule: Schedule, steps: int, out: _files.PathLike | None, trained: Network, losses: np.ndarray) -> Run:
    return Run(trained, schedule, losses, steps, None if out is None else _files.as_path("out", out))


class Keeping(NamedTuple):
    """Where a run is kept, and who sees it on the way: arguments of `train`."""

    out: _files.PathLike | None
    every: int
    progress: bool
    after_checkpoint: Callable[[Any], object] | None
    ranks: Ranks


def carry_out(
    model: Trainable,
    data: np.ndarray,
    advance: Advance,
    stored: checkpoints.Checkpoint | None,
    first: checkpoints.Checkpoint,
    as_run: Callable[[Any, np.ndarray], AnyRun],
    keeping: Keeping,
) -> AnyRun:
    """Train from the checkpoint that is stored, or else from the first, and return the run.

    Whatever is trained: `advance` does its steps.  `data` [N, ...] is for what the model measures of it.  `as_run`
    makes a run of a trained network and the losses of the steps done.
    """
    out, ranks = keeping.out, keeping.ranks
    tell = together(ranks, lambda: _telling(keeping.after_checkpoint, as_run))
    every = together(ranks, lambda: _checks.integer("checkpoint_every", keeping.every, 1))
    settings = first.config["training"]
    check_alike(ranks, lambda: sameness.terms(first) | {"checkpoint_every": every} | beginning(first, stored))
    with begun_in(out, stored, first, ranks) as begun, stopping(ranks) as stop:
        state, losses = restored(begun, settings["steps"])
        following, saved = states(advance, state, losses, every, ranks, stop), state.step
        keep = partial(keep_state, out, begun, data, settings["backend"], losses, ranks)
        try:
            for state in _with_bar(following, saved, losses, keeping.progress and ranks.rank == 0):
                if state.step % every == 0 or state.step == len(losses):
                    saved = keep(state, tell)
        except KeyboardInterrupt as asked:  # what is in `state` is that of whole steps
            if asked.__cause__ is not None:  # and the next one failed
                raise
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


def _with_bar(states: Iterator[State], done: int, losses: np.ndarray, progress: bool) -> Iterator[State]:
    """The states as they come, under a bar with the mean of the last losses."""
    with Bar("training", len(losses), "steps", show=progress, done=done) as bar:
        for state in states:
            recent = losses[max(0, state.step - checkpoints.RECENT) : state.step]
            bar.to(state.step, loss=f"{recent.mean():.4f}")
            yield state
