"""The runs of which_schedule.py: a case, what is measured of it, and the CSV file that keeps the rows."""

from __future__ import annotations

import csv
import functools
import io
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

import numpy_diffusion as nd
from numpy_diffusion.data import drawings
from numpy_diffusion.kernels.backend import chosen
from numpy_diffusion.parallel.engine import task

SCHEDULES = ("linear", "cosine", "quadratic", "sigmoid")
IMAGES = {"spiral": drawings.spiral, "airplane": drawings.airplane, "tank": drawings.tank}
TERMINAL_SNR = 1e-6  # -60 dB; not zero, which noise prediction cannot have
TRAINING, HELD_OUT, SAMPLES = 50_000, 500, 2000  # points


class Case(NamedTuple):
    """A run of the study: what it depends on."""

    seed: int
    T: int
    data: str
    schedule: str
    rescaled: int
    steps: int


RESULTS = ("bound", "bits_per_dim", "accuracy", "energy", "terminal_snr_db", "prior_kl", "failed", "seconds")
COLUMNS = (*Case._fields, *RESULTS)
Row = dict[str, Any]


def study(cases: list[Case], path: Path, client: Any = None) -> dict[Case, Row]:
    """The rows of all cases: those in the file, and the others measured and appended to it one by one, here or by the
    workers of a client of Dask's."""
    rows = stored(path)
    missing = [case for case in cases if case not in rows]
    with tqdm(total=len(cases), initial=len(cases) - len(missing), desc="study", unit=" runs") as bar:
        for row in map(timed, missing) if client is None else on_workers(missing, client):
            append(path, [row[name] for name in COLUMNS])
            case = Case(*(row[name] for name in Case._fields))
            rows[case] = row
            bar.set_postfix_str(f"{case.data}, {case.schedule}, T = {case.T}")
            bar.update()
    return rows


def on_workers(cases: list[Case], client: Any) -> Iterator[Row]:
    """The rows in the order in which they are done, each by one thread of a worker: the same rows."""
    from distributed import as_completed  # here, since who has no cluster needs no Dask

    client.upload_file(__file__)  # the workers have the package and not this folder
    for _, row in as_completed(client.map(timed_in_a_task, cases, key="study"), with_results=True):
        yield row


def timed_in_a_task(case: Case) -> Row:
    with task(chosen()):
        return timed(case)


def timed(case: Case) -> Row:
    began = time.perf_counter()
    row = case._asdict() | measured(case)
    return row | {"seconds": round(time.perf_counter() - began, 3)}


def stored(path: Path) -> dict[Case, Row]:
    """The whole rows of the file; what a kill left of a half one is cut off, and a missing file is begun."""
    text = path.read_text() if path.exists() else ""
    if not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        path.write_text(text)
    if not text:
        append(path, COLUMNS)
        return {}
    lines = csv.DictReader(io.StringIO(text))
    if tuple(lines.fieldnames or ()) != COLUMNS:
        raise ValueError(f"{path}: expected the columns {', '.join(COLUMNS)}; move the file away to start anew")
    kinds = {"seed": int, "T": int, "rescaled": int, "steps": int, "data": str, "schedule": str, "failed": str}
    rows = [{name: kinds.get(name, float)(value) for name, value in line.items()} for line in lines]
    return {Case(*(row[name] for name in Case._fields)): row for row in rows}


def append(path: Path, values: Sequence[Any]) -> None:
    """One line more, on the disk when this returns."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    with open(path, "a") as file:
        file.write(line.getvalue())
        file.flush()
        os.fsync(file.fileno())


def measured(case: Case) -> Row:
    """Train, and measure.  A run that fails has the worst values there are: told from the data every time."""
    schedule = schedule_of(case.schedule, case.T, case.rescaled)
    row: Row = {"bound": np.inf, "bits_per_dim": np.inf, "accuracy": 1.0, "energy": np.inf, "failed": ""}
    row |= {"terminal_snr_db": schedule.terminal_snr_db, "prior_kl": schedule.prior_kl()}
    model = nd.MLP(dim=2, width=128, depth=3, seed=case.seed)
    x0, held_out, fresh = points(case.data, case.seed)
    try:
        run = nd.train(model, schedule, x0, steps=case.steps, batch=256, seed=case.seed, progress=False)
    except FloatingPointError as error:
        return row | {"failed": str(error)}
    if run.interrupted:  # by Ctrl-C, which `train` keeps to itself
        raise KeyboardInterrupt
    # Every schedule gets the variances that are best for it: with beta_t the bound would charge short chains for
    # their large last step, not for what the network does not know.  They are fitted to training points, the more
    # the fewer steps there are; sampling uses them too, so that it draws from the model that the bound rates.
    variance = nd.optimal_variance(model, schedule, x0[: max(20_000 // case.T, 500)], case.seed, progress=False)
    found = nd.bound(
        model, schedule, held_out, case.seed, variance=variance, draws=max(100 // case.T, 1), progress=False
    )
    row |= {"bound": found.total, "bits_per_dim": found.bits_per_dim}
    try:
        samples = nd.sample(model, schedule, n=SAMPLES, seed=case.seed, variance=variance, progress=False)
    except ValueError as error:  # a beta_T near 1 magnifies the network's error, until the chain runs off
        return row | {"failed": str(error)}
    row["accuracy"] = nd.metrics.nearest_neighbour_accuracy(samples, fresh)
    row["energy"] = nd.metrics.energy_distance(samples, fresh)
    return row


def schedule_of(name: str, T: int, rescaled: int) -> nd.Schedule:
    schedule = getattr(nd.Schedule, name)(T)
    return schedule.with_terminal_snr(TERMINAL_SNR) if rescaled else schedule


@functools.cache
def points(data: str, seed: int) -> list[np.ndarray]:
    """Points to train on, held-out ones for the bound and fresh ones to compare samples with: [n, 2] each."""
    sizes = (TRAINING, HELD_OUT, SAMPLES)
    return [nd.datasets.from_image(IMAGES[data](), n, seed + 1000 * k) for k, n in enumerate(sizes)]
