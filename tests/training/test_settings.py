"""What decides the final weights: defaults, what is out of range, and what means nothing for a network."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from checks.images import SCHEDULE, unet
from checks.unclip import upsampler

from numpy_diffusion.models.network import Network
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.training.losses import weights
from numpy_diffusion.training.settings import Settings, settings

GIVEN: dict[str, Any] = dict(
    steps=60,
    batch=None,
    learning_rate=None,
    warmup=None,
    weight_decay=0.0,
    average_decay=0.999,
    weighting="simple",
    sampling="uniform",
    seed=0,
    backend="numba",
    mirror=False,
    label_dropout=None,
    crop=None,
    precision="float32",
)
POINTS = MLP(dim=2, width=4, depth=0)


def chosen(model: Network = POINTS, **given: Any) -> Settings:
    weighting = given.get("weighting", "simple")
    return settings(model, **GIVEN | given, lambda_t=weights(SCHEDULE, weighting))


@pytest.mark.parametrize(("steps", "warmup"), [(60, 6), (9, 0), (10_000, 500)])
def test_warmup_is_a_tenth_of_the_steps_but_at_most_500(steps: int, warmup: int) -> None:
    assert chosen(steps=steps).warmup == warmup
    assert chosen(steps=steps, warmup=3).warmup == 3


def test_none_stands_for_what_suits_the_network() -> None:
    found = chosen(unet())
    assert (found.batch, found.learning_rate, found.mirror, found.label_dropout) == (32, 1e-3, False, 0.1)
    found = chosen(POINTS)
    assert (found.batch, found.learning_rate, found.mirror, found.label_dropout) == (512, 5e-3, None, None)
    found = chosen(unet(None), mirror=True)
    assert (found.mirror, found.label_dropout) == (True, None)


def test_what_is_given_stands() -> None:
    given = dict(batch=7, learning_rate=0.3, warmup=2, weight_decay=0.1, average_decay=0.5, weighting="vlb")
    given |= dict(sampling="importance", seed=9, backend="numpy", mirror=True, label_dropout=0.7)
    found = vars(chosen(unet(), **given))
    assert {name: found[name] for name in given} == given


def test_config_json_has_what_means_something_for_the_network() -> None:
    assert set(chosen(unet()).as_json()) == set(GIVEN) - {"crop"}
    assert set(chosen(POINTS).as_json()) == set(GIVEN) - {"mirror", "label_dropout", "crop", "precision"}
    own = chosen(weighting=np.arange(20.0)).as_json()
    assert own["weighting"] == np.arange(20.0).tolist()
    by_field = chosen(unet(), label_dropout={"labels": 0.25})
    assert by_field.label_dropout == {"labels": 0.25}
    crop = chosen(upsampler(), crop=np.int64(8)).as_json()
    for found in (own, chosen(unet()).as_json(), by_field.as_json(), crop):
        assert json.loads(json.dumps(found)) == found


def test_settings_are_not_to_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        chosen().steps = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("label_dropout", 1.5, "expected a finite number in 0.0..1.0, got 1.5"),
        ("label_dropout", "some", "expected a number"),
        ("label_dropout", {"states": 0.5}, "expected one of 'labels', got"),
        ("label_dropout", {"labels": 2.0}, "labels: expected a finite number in 0.0..1.0, got 2.0"),
        ("crop", 0, "expected an integer of at least 1"),
        ("crop", 2, "expected None, as the network goes by no low-resolution image, got 2"),
        ("mirror", "yes", "expected a bool"),
    ],
)
def test_a_bad_argument_is_named(name: str, value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: {sentence}") as caught:
        chosen(unet(), **{name: value})
    assert "\n" not in str(caught.value)


def test_what_means_nothing_for_the_network_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^label_dropout: expected None, as the network has no classes, got 0\.1$"):
        chosen(unet(None), label_dropout=0.1)
    with pytest.raises(ValueError, match=r"^crop: expected None, as a MLP is trained on whole samples, got 2$"):
        chosen(POINTS, crop=2)
    with pytest.raises(ValueError, match=r"^mirror: expected False, as the network is for points and not for images"):
        chosen(POINTS, mirror=True)
