"""The text projection in NumPy: its gradient, where the picture is left out and where not, and what it is made of."""

from __future__ import annotations

import numpy as np
import pytest
from checks.faults import Fault, passes_without, with_fault
from checks.gradcheck import errors, wrong
from checks.text_projection import given, projection

from numpy_diffusion.networks.text_projection import definition
from numpy_diffusion.networks.text_projection.config import LEARNED


def check_gradients() -> None:
    model, inputs = projection(np.float64), given(np.float64)
    rng = np.random.default_rng(2)
    states, embedding, caches = model.forward(model.params, **inputs)
    dstates, dembedding = rng.normal(size=states.shape), rng.normal(size=embedding.shape)

    def loss() -> float:
        found, added, _ = definition.forward(model.params, model.config, **inputs)
        return float((dstates * found).sum() + (dembedding * added).sum())

    grads = definition.backward(model.config, dstates, dembedding, caches)
    assert wrong(errors(loss, model.params, grads)) == []


def test_backward_is_the_gradient() -> None:
    check_gradients()


FAULTS = {
    "the numbers of a token side by side": Fault(
        definition.backward, "dstates[:, :K].swapaxes(1, 2)", "dstates[:, :K]", check_gradients
    ),
    "the learned vector's gradient of all samples": Fault(
        definition.backward, '[caches["untold"]].sum', ".sum", check_gradients
    ),
    "the picture's tokens alone": Fault(definition.backward, "dimage + through", "through", check_gradients),
    "the states one too far": Fault(definition.backward, "dstates[:, K:]", "dstates[:, K - 1 : -1]", check_gradients),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_makes_its_check_fail(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    passes_without(fault)
    monkeypatch.setattr(definition, fault.function.__name__, with_fault(fault))
    with pytest.raises(AssertionError):
        fault.check()


def test_a_picture_that_is_left_out_is_the_learned_vector() -> None:
    model, inputs = projection(), given()
    states, embedding, _ = model.forward(model.params, **inputs)
    inputs["image"][1] = model.params[LEARNED]
    again = model.forward(model.params, **inputs)
    np.testing.assert_array_equal(states, again[0])
    np.testing.assert_array_equal(embedding, again[1])


def test_the_picture_makes_the_first_states_and_the_text_the_others() -> None:
    model, inputs = projection(), given()
    states, embedding, _ = model.forward(model.params, **inputs)
    other = model.forward(model.params, **inputs | {"image": inputs["image"] + 1.0})
    assert (other[0][:, :2] != states[:, :2]).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(other[0][:, 2:], states[:, 2:])
    other = model.forward(model.params, **inputs | {"text": inputs["text"] + 1.0})
    np.testing.assert_array_equal(other[0], states)
    assert (other[1] != embedding).any(axis=1).all()
