"""What a model is: any callable; its members, where it has any, and what holds where it has none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from numpy_diffusion.evaluation.bound import bound
from numpy_diffusion.evaluation.likelihood import log_prob
from numpy_diffusion.evaluation.optimal_variance import optimal_variance
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.converted import as_eps, clipped
from numpy_diffusion.models.protocol import Units, check_callable, check_eps, check_schedule, described, members
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.from_step import sample_from
from numpy_diffusion.sampling.inpainting import inpaint
from numpy_diffusion.sampling.interpolation import interpolate
from numpy_diffusion.sampling.inversion import invert
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.training.checkpoints import load
from numpy_diffusion.training.loop import train


def model(**attributes: Any) -> Any:
    """A callable with these attributes and no others."""
    return type("Model", (), {**attributes, "__call__": lambda self, x, t: x})()


def test_a_function_has_no_members() -> None:
    found = members(lambda x, t: x)
    assert (found.own_shape, found.units.are_the_datas, found.nothing, found.jvp) == (None, True, None, None)
    assert (found.eps_and_fraction, found.own_chain, found.learn_variance) == (None, None, False)
    assert (found.units.shift, found.units.scale, found.units.log_scale) == (0.0, 1.0, 0.0)


def test_none_is_as_good_as_missing() -> None:
    names = (
        "shape",
        "shift",
        "scale",
        "jvp",
        "nothing",
        "null_label",
        "own_chain",
        "eps_and_fraction",
        "in_float64",
        "perceptron",
    )
    bare, empty = members(model()), members(model(**dict.fromkeys([*names, "perceptron"])))
    for found in (bare, empty):
        assert found.units.are_the_datas
        assert not found.in_float64
        assert {value for name, value in vars(found).items() if name not in ("model", "units", "in_float64")} == {
            None
        }


def test_either_of_shift_and_scale_is_enough_for_units() -> None:
    one, other = members(model(shift=3.0)).units, members(model(scale=np.array([2.0, 4.0]))).units
    assert one is not None
    assert other is not None
    assert (one.shift, one.scale, other.shift) == (3.0, 1.0, 0.0)
    assert other.to_data(np.ones(2)).tolist() == [2.0, 4.0]


def test_a_head_that_is_not_learned_is_none() -> None:
    head = lambda self, x, t: (x, x)  # noqa: E731
    assert members(model(eps_and_fraction=head)).eps_and_fraction is None
    assert members(model(eps_and_fraction=head, learn_variance=False)).eps_and_fraction is None
    assert members(model(eps_and_fraction=head, learn_variance=True)).learn_variance
    assert members(MLP(2, 4, 0, learn_variance=True)).learn_variance
    assert not members(MLP(2, 4, 0)).learn_variance


def test_nothing_is_the_models_own_or_its_null_label() -> None:
    own = Condition(embedding=[0.0])
    assert members(model(nothing=own, null_label=3)).nothing is own
    found = members(model(null_label=3)).nothing
    assert found is not None
    assert found.arguments() == {"labels": 3}
    assert members(model(null_label=0)).nothing is not None


def test_the_shape_is_the_models_own_or_the_one_given() -> None:
    assert described(model(shape=(2, 3))).shape == (2, 3)
    assert described(model(shape=(2, 3)), (2, 3)).shape == (2, 3)
    assert described(model(), (2, 3)).shape == (2, 3)
    with pytest.raises(
        ValueError, match=r"^shape: expected the shape of one sample, since the model has no attribute"
    ):
        described(model())
    with pytest.raises(ValueError, match=r"^shape: expected the model's own \(2, 3\), got \(3, 2\)$"):
        described(model(shape=(2, 3)), (3, 2))
    for bad in ((0,), (2, -1), (2.0,), 2, [2]):
        with pytest.raises(ValueError, match=r"^shape: expected .*, got "):
            described(model(), bad)


@pytest.mark.parametrize("nothing", [None, 3, "mlp", np.zeros(2), SimpleNamespace(shape=(2,))], ids=str)
def test_what_cannot_be_called_is_no_model(nothing: Any) -> None:
    with pytest.raises(
        ValueError, match=rf"^model: expected a callable eps = model\(x, t\), got {type(nothing).__name__}"
    ):
        described(nothing, (2,))
    with pytest.raises(ValueError, match=r"^model: expected a callable v = model\(x, t\), got "):
        check_callable(nothing, "v = model(x, t)")
    check_callable(print)


@pytest.mark.parametrize("predicts", ["x0", "v"])
def test_what_predicts_something_else_is_no_model_of_eps(predicts: str) -> None:
    sentence = rf"got one that predicts {predicts}, of which as_eps\(model, schedule, '{predicts}'\) makes one$"
    for call in (check_eps, described):
        with pytest.raises(ValueError, match=rf"^model: expected one that predicts eps, {sentence}"):
            call(model(predicts=predicts, shape=(2,)))
    for known in ("eps", None):
        check_eps(model(predicts=known))


def test_units_go_both_ways_and_have_a_number_for_each_coordinate() -> None:
    units, x = Units(np.float32([1.0, -2.0]), np.float32([0.5, 4.0])), np.random.default_rng(0).normal(size=(5, 2))
    np.testing.assert_allclose(units.to_model(units.to_data(x)), x, rtol=0, atol=1e-12)
    np.testing.assert_allclose(units.to_data(np.zeros(2)), [1.0, -2.0])
    assert units.log_scale == pytest.approx(np.log(2.0))
    spread = Units(3.0, 2.0).spread((2, 2))
    assert (spread.shift.shape, spread.scale.dtype) == ((2, 2), np.float64)
    assert spread.log_scale == pytest.approx(4.0 * np.log(2.0))


SCHEDULE, SHORTER = Schedule.linear(T=20), Schedule.linear(T=10)
X = np.zeros((3, 1), np.float32)


def trained(tmp_path: Path) -> dict[str, Any]:
    """Models that know their T, by how they came to it."""
    model = MLP(1, 8, 0)
    run = train(model, SCHEDULE, np.ones((9, 1)), steps=1, out=tmp_path / "run", progress=False)
    oracle = Gaussian([0.0], [[1.0]]).eps(SCHEDULE)
    return {
        "trained": model,
        "copied": model.copy(),
        "run": run.model,
        "opened": load(tmp_path / "run"),
        "oracle": oracle,
        "as_eps": as_eps(lambda x, t: 0.0 * x, SCHEDULE, "x0"),
        "clipped": clipped(oracle, SCHEDULE),
    }


def test_a_schedule_of_another_T_is_refused_wherever_it_meets_a_model(tmp_path: Path) -> None:
    calls: dict[str, Any] = {
        "sample": lambda model, schedule: sample(model, schedule, 3, shape=(1,), progress=False),
        "sample_from": lambda model, schedule: sample_from(model, schedule, X, 5, progress=False),
        "invert": lambda model, schedule: invert(model, schedule, X, progress=False),
        "inpaint": lambda model, schedule: inpaint(model, schedule, X, [0], 3, resample=1, jump=1, progress=False),
        "interpolate": lambda model, schedule: interpolate(model, schedule, [0.0], [1.0], [0.5], 5, progress=False),
        "bound": lambda model, schedule: bound(model, schedule, X, progress=False),
        "optimal_variance": lambda model, schedule: optimal_variance(model, schedule, X, progress=False),
        "clipped": clipped,
        "as_eps": lambda model, schedule: as_eps(model, schedule, "eps"),
    }
    for name, model in trained(tmp_path).items():
        assert model.T == 20, name
        for call in calls.values():
            with pytest.raises(ValueError, match=r"^schedule: expected one of T = 20, .* got T = 10$"):
                call(model, SHORTER)
    for name in ("trained", "oracle"):
        with pytest.raises(ValueError, match=r"^schedule: expected one of T = 20"):
            log_prob(trained(tmp_path / name)[name], SHORTER, X, progress=False)


def test_what_does_not_know_its_T_takes_any_and_training_teaches_it_another(tmp_path: Path) -> None:
    assert MLP(1, 8, 0).T is None
    assert check_schedule(MLP(1, 8, 0), SHORTER) is SHORTER
    assert check_schedule(lambda x, t: x, SCHEDULE) is SCHEDULE
    model = trained(tmp_path)["trained"]
    train(model, SHORTER, np.ones((9, 1)), steps=1, progress=False)
    assert model.T == 10
