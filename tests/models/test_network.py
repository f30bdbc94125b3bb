"""The base of all networks, by one that brings nothing but its definition; see `checks.networks` for all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network


@dataclass(frozen=True)
class PlusConfig:
    dim: int
    classes: int | None = None
    learn_variance: bool = False


class Plus(Network):
    """eps = x + bias, and the class where there is one; the variance's head says the step."""

    batch, learning_rate = 2, 0.1
    config: PlusConfig

    def __init__(self, dim: int, classes: int | None = None, learn_variance: bool = False, **more: Any) -> None:
        config = PlusConfig(dim, classes, learn_variance)
        super().__init__(config, (dim,), {"bias": (dim,)}, learn_variance=learn_variance, **more)

    @property
    def nothing(self) -> Condition | None:
        return None if self.config.classes is None else Condition(labels=self.config.classes - 1)

    def check_values(self, condition: Condition) -> None:
        if condition.labels is not None and condition.labels.max() > self.null_label:
            raise ValueError("labels: expected fewer, got many")

    def initialise(self, seed: int) -> None:
        self.params["bias"][:] = seed

    def forward(self, params: Any, x: np.ndarray, t: np.ndarray, condition: Condition, dropout: Any = None) -> Any:
        label = 0 if condition.labels is None else condition.labels[:, None]
        eps = x + params["bias"] + np.asarray(label, x.dtype)
        head = np.repeat(t[:, None], x.shape[1], axis=1).astype(x.dtype)
        return (np.concatenate([eps, head], axis=1) if self.learn_variance else eps), None

    def backward(self, params: Any, doutputs: np.ndarray, caches: Any) -> Any:
        return doutputs, {"bias": doutputs.sum(axis=0)}


X = np.ones((3, 2), np.float32)


def test_a_network_brings_a_definition_and_its_first_weights() -> None:
    with pytest.raises(TypeError, match=r"abstract methods? .*backward.*forward.*initialise"):
        Network(None, (2,), {})  # type: ignore[abstract]
    model = Plus(2, seed=3)
    assert model.params["bias"].tolist() == [3.0, 3.0]
    np.testing.assert_array_equal(model(X, 1), np.full((3, 2), 4.0))


def test_what_it_does_not_bring_is_none() -> None:
    model = Plus(2)
    assert model.own_outputs(X, np.ones(3, int), Condition()) is None
    assert model.own_chain(X, None, 0, 0, [0]) is None  # type: ignore[arg-type]
    assert model.own_gradient(None) is None  # type: ignore[arg-type]
    assert model.own_steps(None) is None  # type: ignore[arg-type]
    assert (model.nothing, model.null_label) == (None, None)


def test_the_step_is_one_for_all_or_one_for_each() -> None:
    model = Plus(2, learn_variance=True)
    for t, steps in ((5, [5, 5, 5]), ([1, 2, 3], [1, 2, 3])):
        eps, fraction = model.eps_and_fraction(X, t)
        np.testing.assert_array_equal(eps, X)
        np.testing.assert_array_equal(fraction, np.repeat(0.5 * (np.array(steps) + 1.0), 2).reshape(3, 2))
        np.testing.assert_array_equal(model(X, t), X)


def test_a_condition_is_checked_and_has_a_row_for_each() -> None:
    model = Plus(2, classes=4)
    assert (model.null_label, model.nothing.arguments()) == (3, {"labels": 3})
    for given, rows in ((2, [2, 2, 2]), ([0, 1, 3], [0, 1, 3])):
        assert model.checked(Condition(given), 3).labels.tolist() == rows
        np.testing.assert_array_equal(model(X, 1, given)[:, 0], 1.0 + np.array(rows))
        np.testing.assert_array_equal(model(X, 1, labels=given)[:, 0], 1.0 + np.array(rows))
    for given, sentence in (
        (4, "labels: expected fewer, got many"),
        ([0, 1], "labels: expected an integer, or one for each of 3 samples, got 2"),
        (None, "labels: expected one for all, or one for each of 3 samples, got None"),
    ):
        with pytest.raises(ValueError, match=f"^{sentence}$"):
            model(X, 1, given)
    with pytest.raises(ValueError, match=r"^labels: expected None, as the network has no classes, got some$"):
        Plus(2)(X, 1, 0)
    with pytest.raises(
        ValueError, match=r"^embedding: expected None, as the network has no use of embedding, got some$"
    ):
        model(X, 1, 0, embedding=[1.0])
    with pytest.raises(TypeError, match="caption"):
        model(X, 1, 0, caption="a cat")


def test_points_are_no_images() -> None:
    assert not Plus(2).takes_images


def test_the_repr_has_what_was_chosen() -> None:
    assert repr(Plus(2)) == "Plus(dim=2): 2 parameters"
    assert repr(Plus(3, classes=4)) == "Plus(dim=3, classes=4): 3 parameters"
    assert Plus(3, classes=4).options == {"dim": 3, "classes": 4, "learn_variance": False}


@pytest.mark.parametrize("dtype", [np.float16, int, "foo", None])
def test_another_dtype_is_refused(dtype: Any) -> None:
    with pytest.raises(ValueError, match=r"^dtype: expected float32 or float64, got "):
        Plus(2, dtype=dtype)
