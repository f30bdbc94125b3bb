"""The run on disk that a training goes on with, and the folder that it alone then writes to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from numpy_diffusion import _files
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.shares import ALONE, Ranks
from numpy_diffusion.models.trainable import Trainable
from numpy_diffusion.training import checkpoints, sameness
from numpy_diffusion.training.ranks import together


def stored_run(
    out: _files.PathLike | None, resume: bool, kind: type[Trainable] = Network
) -> checkpoints.Checkpoint | None:
    """The checkpoint of the run to go on with; None for a new run."""
    if not resume:
        return None
    if out is None:
        raise ValueError("resume: expected `out`, the folder of the run to go on with, got None")
    return checkpoints.read(out, kind)


@contextmanager
def begun_in(
    out: _files.PathLike | None,
    stored: checkpoints.Checkpoint | None,
    first: checkpoints.Checkpoint,
    ranks: Ranks = ALONE,
) -> Iterator[checkpoints.Checkpoint]:
    """The checkpoint to start from, in a folder that has just been written to: what hinders that shows now.

    Meanwhile nobody else trains there.  Of several processes the first alone writes.
    """
    with ExitStack() as stack:
        yield together(ranks, lambda: stack.enter_context(_begun_in(out, stored, first, ranks)))


@contextmanager
def _begun_in(
    out: _files.PathLike | None, stored: checkpoints.Checkpoint | None, first: checkpoints.Checkpoint, ranks: Ranks
) -> Iterator[checkpoints.Checkpoint]:
    if out is None:
        yield first
        return
    if ranks.rank > 0:
        yield first if stored is None else _gone_on(stored, first)
        return
    if stored is None:
        checkpoints.create(out, first)
    with _files.at_work_in("out", _files.as_path("out", out)):
        yield first if stored is None else _resumed(out, stored, first)


def _resumed(
    out: _files.PathLike, stored: checkpoints.Checkpoint, first: checkpoints.Checkpoint
) -> checkpoints.Checkpoint:
    begun = _gone_on(stored, first)
    if not begun.finished:
        checkpoints.remove_leftovers(out)
        if begun is not stored:
            checkpoints.write_config(out, begun)
        checkpoints.write(out, begun)
    return begun


def _gone_on(stored: checkpoints.Checkpoint, first: checkpoints.Checkpoint) -> checkpoints.Checkpoint:
    """What is stored, with the steps that there are to do now."""
    sameness.check_same(stored, first)
    return checkpoints.prolonged(stored, first.config["training"]["steps"])
