"""What must be the same to go on with a run: all that decides the final weights, to the bit."""

from __future__ import annotations

import hashlib
import reprlib
from typing import Any

from numpy_diffusion.models.condition import AXES
from numpy_diffusion.training.checkpoints import Checkpoint


def check_same(stored: Checkpoint, given: Checkpoint) -> None:
    """ValueError where an argument that decides the final weights is not what it was, more steps at the end apart."""
    then, now = terms(stored), terms(given)
    if stored.finished and now["steps"] > then["steps"]:
        now["steps"] = then["steps"]
    for name in then | now:  # what is None is in neither file
        before, value = then.get(name), now.get(name)
        if before != value:
            raise ValueError(f"{name}: expected {_short(before)} as in the checkpoint, got {_short(value)}")


def terms(checkpoint: Checkpoint) -> dict[str, Any]:
    """All that decides the final weights, beside those of the start, by name and on one line each."""
    data, schedule = checkpoint.config["data"], checkpoint.schedule
    beta = "" if schedule is None else hashlib.sha256(schedule.beta.tobytes()).hexdigest()
    given = " or ".join(["x0", *(name for name in AXES if name in data)])
    return {
        "model": " ".join(str(checkpoint.model).split()),  # on one line
        "precision": "float32",  # where the run says nothing else
        **{name: value for name, value in checkpoint.config["training"].items() if name != "finished_at"},
        "schedule": f"{schedule} (sha256 of beta {beta[:12]})",
        given: f"shape {data['shape']} (sha256 {data['sha256'][:12]})",
    }


def _short(value: Any) -> str:
    return value if isinstance(value, str) else reprlib.repr(value)
