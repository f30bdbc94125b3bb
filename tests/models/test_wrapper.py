"""Wrappers nest in any order: each against its formula, which is written out here and shares no code with them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from checks.exact import SCHEDULES, kernel
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.converted import as_eps, clipped
from numpy_diffusion.models.guided import guided
from numpy_diffusion.models.protocol import Pullback, members
from numpy_diffusion.models.wrapper import Wrapper
from numpy_diffusion.sampling.samplers import sample

LINEAR = SCHEDULES["linear 1000"]
N, D = 4, 3
LABELS, EMBEDDING = np.array([2, 0, 1, 2]), np.random.default_rng(0).normal(size=(N, 2)).astype(np.float32)
TOLD: dict[str, np.ndarray] = {"labels": LABELS, "embedding": EMBEDDING}
NOTHING = Condition(labels=3, embedding=[0.5, -0.5])
Fields = dict[str, np.ndarray]
Answer = Callable[[np.ndarray, np.ndarray, Fields], np.ndarray]


class Waves:
    """A made-up network: sin(W x + what it is told), smooth, with its Jacobian and a head for the variance."""

    shape, shift, scale = (D,), np.array([1.0, -2.0, 0.5]), np.array([2.0, 0.5, 1.0])
    learn_variance, nothing = True, NOTHING
    W = np.random.default_rng(1).normal(size=(D, D))
    V = np.random.default_rng(2).normal(size=(3, D))

    def angle(self, x: np.ndarray, t: Any, labels: np.ndarray, embedding: np.ndarray) -> np.ndarray:
        told = np.column_stack([labels, embedding]) @ self.V
        return x @ self.W.T + told + np.broadcast_to(t, len(x))[:, None] / 1000.0

    def __call__(self, x: np.ndarray, t: Any, **told: Any) -> np.ndarray:
        return np.sin(self.angle(x, t, **told))

    def eps_and_fraction(self, x: np.ndarray, t: Any, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        return self(x, t, **told), np.cos(self.angle(x, t, **told)) ** 2

    def jvp(self, x: np.ndarray, t: Any, tangent: np.ndarray, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        return self(x, t, **told), np.cos(self.angle(x, t, **told)) * (tangent @ self.W.T)

    def vjp(self, x: np.ndarray, t: Any, **told: Any) -> tuple[np.ndarray, Pullback]:
        slope = np.cos(self.angle(x, t, **told))
        return self(x, t, **told), lambda cotangent: (cotangent * slope) @ self.W


class Bare:
    """The same with nothing but the call."""

    def __call__(self, x: np.ndarray, t: Any, **told: Any) -> np.ndarray:
        return Waves()(x, t, **told)


# --- the formulas ----------------------------------------------------------------------------------------------


def signal_and_noise(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t), [N, 1] each."""
    signal, variance = kernel(LINEAR, t)
    return signal[:, None], np.sqrt(variance)[:, None]


def of_x0(inner: Answer) -> Answer:
    def eps(x: np.ndarray, t: np.ndarray, told: Fields) -> np.ndarray:
        signal, noise = signal_and_noise(t)
        return (x - signal * inner(x, t, told)) / noise

    return eps


def of_v(inner: Answer) -> Answer:
    """v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x_0 (Salimans and Ho 2022)."""

    def eps(x: np.ndarray, t: np.ndarray, told: Fields) -> np.ndarray:
        signal, noise = signal_and_noise(t)
        return signal * inner(x, t, told) + noise * x

    return eps


def kept_in_range(inner: Answer, low: float, high: float) -> Answer:
    """In the data's units, which are shift + scale times the model's."""

    def eps(x: np.ndarray, t: np.ndarray, told: Fields) -> np.ndarray:
        signal, noise = signal_and_noise(t)
        data = Waves.shift + Waves.scale * (x - noise * inner(x, t, told)) / signal
        return (x - signal * (np.clip(data, low, high) - Waves.shift) / Waves.scale) / noise

    return eps


def asked_for(inner: Answer, field: str, w: float) -> Answer:
    def eps(x: np.ndarray, t: np.ndarray, told: Fields) -> np.ndarray:
        nothing = np.tile(NOTHING.arguments()[field], (N, *(1,) * NOTHING.arguments()[field].ndim))
        of_field = inner(x, t, told | {field: TOLD[field]})
        return (1.0 + w) * of_field - w * inner(x, t, told | {field: nothing})

    return eps


def guided_by(model: Any, field: str, w: float) -> Any:
    null = Condition(**{field: NOTHING.arguments()[field]})
    return guided(model, Condition(**{field: TOLD[field]}), w, null)


KINDS = st.one_of(
    st.tuples(st.just("as_eps"), st.sampled_from(["eps", "x0", "v"])),
    st.tuples(st.just("clipped"), st.sampled_from([(-1.0, 1.0), (-3.0, 0.5), (1e3, 2e3)])),
    st.tuples(st.just("guided"), st.tuples(st.sampled_from(list(TOLD)), st.sampled_from([-1.0, 0.0, 0.7, 3.0]))),
)


def once_a_field(chosen: list[Any]) -> bool:
    """Whether no field is decided twice."""
    fields = [argument[0] for kind, argument in chosen if kind == "guided"]
    return len(fields) == len(set(fields))


ORDERS = st.lists(KINDS, min_size=1, max_size=4).filter(once_a_field)


def nested(model: Any, order: list[Any]) -> tuple[Any, Answer, Fields]:
    """The model in its wrappers, innermost first; its formula; and what is left to tell it."""
    formula: Answer = lambda x, t, told: Waves()(x, t, **told)  # noqa: E731
    left = dict(TOLD)
    for kind, argument in order:
        if kind == "as_eps":
            model = as_eps(model, LINEAR, argument)
            formula = {"eps": lambda inner: inner, "x0": of_x0, "v": of_v}[argument](formula)
        elif kind == "clipped":
            model, formula = clipped(model, LINEAR, *argument), kept_in_range(formula, *argument)
        else:
            model, formula = guided_by(model, *argument), asked_for(formula, *argument)
            del left[argument[0]]
    return model, formula, left


def near(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * max(1.0, np.abs(expected).max()))


@settings(deadline=None, max_examples=150)
@given(order=ORDERS, seed=st.integers(0, 1000), each=st.booleans())
def test_any_order_is_its_formula(order: list[Any], seed: int, each: bool) -> None:
    """The value, the variance's fraction, which no wrapper changes, and the derivative by differences."""
    model, formula, left = nested(Waves(), order)
    rng = np.random.default_rng(seed)
    x, steps = rng.normal(size=(N, D)), rng.integers(100, 1000, N) if each else np.full(N, rng.integers(100, 1000))
    t = steps if each else int(steps[0])
    expected = formula(x, steps, left)
    near(model(x, t, **left), expected)
    eps, fraction = model.eps_and_fraction(x, t, **left)
    near(eps, expected)
    near(fraction, Waves().eps_and_fraction(x, t, **TOLD)[1])
    tangents = rng.normal(size=(2, N, D))
    eps, along = model.jvp(x, t, tangents, **left)
    near(eps, expected)
    for tangent, found in zip(tangents, along, strict=True):
        ahead, behind = (formula(x + h * tangent, steps, left) for h in (1e-6, -1e-6))
        slope = (ahead - behind) / 2e-6
        np.testing.assert_allclose(found, slope, rtol=0, atol=1e-6 * max(1.0, np.abs(expected).max()))
        near(model.jvp(x, t, tangent, **left)[1], found)
    eps, pull = model.vjp(x, t, **left)
    near(eps, expected)
    cotangent = rng.normal(size=(N, D))
    size = (np.abs(cotangent) * np.abs(along)).sum(axis=2)
    mixed = (cotangent * along).sum(axis=2) - (pull(cotangent) * tangents).sum(axis=2)  # c . J z = J^T c . z
    assert (np.abs(mixed) <= 1e-9 * (1.0 + size)).all()


# --- what is passed on -----------------------------------------------------------------------------------------


def wrapped(model: Any) -> dict[str, Any]:
    """The model in each wrapper, and in all of them."""
    return {
        "as_eps": as_eps(model, LINEAR, "v"),
        "clipped": clipped(model, LINEAR, -1.0, 2.0),
        "guided": guided_by(model, "labels", 1.5),
        "all": guided_by(clipped(as_eps(model, LINEAR, "x0"), LINEAR), "embedding", 0.5),
    }


@pytest.mark.parametrize("name", ["as_eps", "clipped", "guided", "all"])
def test_members_are_those_of_the_model(name: str) -> None:
    found = members(wrapped(Waves())[name])
    assert found.own_shape == (D,)
    assert found.units.shift is Waves.shift
    assert found.units.scale is Waves.scale
    assert found.learn_variance
    assert found.jvp is not None
    assert found.vjp is not None
    assert found.nothing is (None if name in ("guided", "all") else NOTHING)  # what it is told is decided
    assert (found.own_chain, found.own_flow) == (None, None)  # the model's kernels know nothing of the wrapper


@pytest.mark.parametrize("name", ["as_eps", "clipped", "guided", "all"])
def test_members_that_the_model_does_not_have_are_not_there(name: str) -> None:
    found = members(wrapped(Bare())[name])
    assert (found.own_shape, found.units.are_the_datas, found.nothing, found.jvp) == (None, True, None, None)
    assert found.vjp is None
    assert found.eps_and_fraction is None
    assert not found.learn_variance


def test_what_is_predicted_is_passed_on_until_it_is_eps() -> None:
    model: Any = Bare()
    model.predicts = "x0"
    asked = guided_by(model, "labels", 1.5)
    assert (asked.predicts, asked.in_float64) == ("x0", False)
    for one in (as_eps(asked, LINEAR, "x0"), clipped(as_eps(asked, LINEAR, "x0"), LINEAR)):
        assert (one.predicts, one.in_float64) == ("eps", False)


def test_a_chain_of_hardly_any_signal_is_in_float64_but_for_the_networks_own_eps() -> None:
    faint, x = SCHEDULES["cosine 1000"], np.zeros((2, D), np.float32)
    network: Any = lambda x, t, labels=None: x  # noqa: E731
    for schedule, expected in ((LINEAR, False), (faint, True)):
        for one in (as_eps(network, schedule, "x0"), as_eps(network, schedule, "v"), clipped(network, schedule)):
            for model in (one, guided(one, 1, 0.0), as_eps(one, schedule, "eps"), clipped(one, schedule)):
                assert (model.in_float64, members(model).in_float64) == (expected, expected)
                assert model(x, 9).dtype == (np.float64 if expected else np.float32)
        assert not as_eps(network, schedule, "eps").in_float64


def test_a_null_label_is_passed_on() -> None:
    model = Bare()
    model.null_label = 7  # type: ignore[attr-defined]
    for name in ("as_eps", "clipped"):
        known = members(wrapped(model)[name]).nothing
        assert known is not None
        assert known.arguments() == {"labels": 7}


@pytest.mark.parametrize("name", ["as_eps", "clipped", "guided", "all"])
def test_a_wrapper_is_pickled_and_has_a_short_repr(name: str) -> None:
    model = wrapped(Waves())[name]
    assert isinstance(model, Wrapper)
    again = pickle.loads(pickle.dumps(model))
    x, left = np.random.default_rng(3).normal(size=(N, D)), dict(TOLD)
    for field in {"guided": ["labels"], "all": ["embedding"]}.get(name, []):
        del left[field]
    np.testing.assert_array_equal(again(x, 300, **left), model(x, 300, **left))
    assert type(model).__name__ in repr(model)
    assert len(repr(model)) < 1000
    assert len(repr(guided(Waves(), np.zeros(100_000, int), 1.0, null=3))) < 1000


class Told(list):
    """A model that writes down what it is told."""

    shape, nothing = (D,), NOTHING

    def __call__(self, x: np.ndarray, t: Any, **told: Any) -> np.ndarray:
        self.append({name: np.asarray(value).tolist() for name, value in told.items()})
        return 0.0 * x


X = np.zeros((2, D))


def test_as_eps_and_clipped_pass_on_what_they_are_told_as_it_is() -> None:
    for make in (lambda model: as_eps(model, LINEAR, "x0"), lambda model: clipped(model, LINEAR)):
        told = Told()
        make(told)(X, 5, labels=[1, 2], mask=np.array([True]))
        make(told)(X, 5)
        assert told == [{"labels": [1, 2], "mask": [True]}, {}]


def test_guided_adds_its_field_to_what_it_is_told_for_both_answers() -> None:
    told = Told()
    guided(told, Condition(labels=1), 0.0, Condition(labels=3))(X, 5, embedding=[[1.0], [2.0]])
    guided(told, Condition(labels=1), 2.0, Condition(labels=3))(X, 5, embedding=[[1.0], [2.0]])
    assert told == [
        {"labels": [1, 1], "embedding": [[1.0], [2.0]]},
        {"labels": [1, 1, 3, 3], "embedding": [[1.0], [2.0], [1.0], [2.0]]},
    ]


@pytest.mark.parametrize("w", [0.0, 1.0])
def test_what_is_decided_is_not_to_be_told_again(w: float) -> None:
    model = guided(Told(), Condition(labels=1), w, Condition(labels=3))
    for again in (model, clipped(model, LINEAR)):
        with pytest.raises(
            ValueError, match=r"^labels: expected None, as the model is guided by labels already, got"
        ):
            again(X, 5, labels=2)
    twice = guided(model, Condition(labels=2), 0.0)
    with pytest.raises(ValueError, match=r"^labels: expected None, as the model is guided by labels already, got"):
        twice(X, 5)


def test_a_nest_is_sampled_in_the_datas_units() -> None:
    model = guided_by(guided_by(clipped(Waves(), LINEAR, -1.0, 1.0), "labels", 0.0), "embedding", 0.0)
    x = sample(model, LINEAR, N, 4, steps=5, variance="learned")
    assert np.abs(x).max() <= 1.0 + 1e-5
