"""What must be the same to go on with a run, and the sentence for what is not."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from numpy_diffusion.models.network import Network
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import config_text, sameness
from numpy_diffusion.training.checkpoints import Checkpoint

COSINE = Schedule.cosine(T=10)
TRAINING = {"steps": 5, "learning_rate": 0.01, "warmup": 3}
DATA = {"name": "spiral", "shape": [8, 2], "sha256": "ab" * 32}


def run(done: int, width: int = 8, schedule: Schedule = COSINE, data: Any = DATA, **changes: Any) -> Checkpoint:
    """A run after so many steps."""
    model: Network = MLP(dim=2, width=width, depth=1, embedding=4)
    text = config_text.describe(model, schedule, data, TRAINING | changes)
    return Checkpoint(text, model, schedule, {"losses": np.zeros(done, np.float32)})


def test_the_same_may_go_on_wherever_it_is() -> None:
    for stored in (run(0), run(3), run(5), run(5, finished_at=[2])):
        sameness.check_same(stored, run(0, data=DATA | {"name": "another"}))
    sameness.check_same(run(5), run(0, steps=6))
    sameness.check_same(run(5), run(0, precision="float32"))  # as all were before there was another


@pytest.mark.parametrize(
    ("stored", "given", "sentence"),
    [
        (run(5), run(0, steps=4), "steps: expected 5 as in the checkpoint, got 4"),
        (run(4), run(0, steps=6), "steps: expected 5 as in the checkpoint, got 6"),
        (run(5), run(0, steps=6, warmup=2), "warmup: expected 3 as in the checkpoint, got 2"),
        (run(5), run(0, mirror=True), "mirror: expected None as in the checkpoint, got True"),
        (run(5, mirror=True), run(0), "mirror: expected True as in the checkpoint, got None"),
        (run(5, weighting="simple"), run(0, weighting=[0.5] * 99), "got [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, ...]"),
        (run(5), run(0, precision="bfloat16"), "precision: expected float32 as in the checkpoint, got bfloat16"),
        (run(5), run(0, width=9), "model: expected MLP("),
        (run(5), run(0, schedule=Schedule.linear(T=10)), "schedule: expected Schedule.cosine(T=10): "),
        (run(5), run(0, data=DATA | {"shape": [9, 2]}), "x0: expected shape [8, 2] (sha256 abababababab) as in"),
        (run(5), run(0, data=DATA | {"sha256": "cd" * 32}), "got shape [8, 2] (sha256 cdcdcdcdcdcd)"),
    ],
)
def test_what_is_not_the_same_is_one_sentence(stored: Checkpoint, given: Checkpoint, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        sameness.check_same(stored, given)
    assert "\n" not in str(caught.value)
