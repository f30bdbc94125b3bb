"""The text of config.json: made to the letter, and again as it was before more steps were asked for."""

from __future__ import annotations

import json

import pytest

from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import config_text

SETTINGS = {"steps": 60, "learning_rate": 1e-3, "weighting": [0.1, 2.0, 1e-17], "seed": 2**64 - 1, "mirror": None}
TEXT = config_text.describe(MLP(2), Schedule.linear(T=10), {"name": "ä", "shape": [3, 2]}, SETTINGS)


def test_more_steps_are_told_and_can_be_taken_back_to_the_letter() -> None:
    assert config_text.before(TEXT) is None
    once = config_text.prolonged(TEXT, 100)
    twice = config_text.prolonged(once, 130)
    assert json.loads(twice)["training"] == SETTINGS | {"steps": 130, "finished_at": [60, 100]}
    assert config_text.before(twice) == once
    assert config_text.before(once) == TEXT


@pytest.mark.parametrize("training", ["60", '{"finished_at": []}', '{"finished_at": 3}', '{"finished_at": ["x"]}'])
def test_what_never_was_longer_has_no_text_before(training: str) -> None:
    assert config_text.before(f'{{"training": {training}}}') is None
