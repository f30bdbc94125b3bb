"""What a U-Net knows of the step and the class: its gradient, and that each sample has its own."""

from __future__ import annotations

import numpy as np
import pytest
from checks.faults import Fault, passes_without, with_fault
from checks.gradcheck import errors, wrong
from checks.unet import CASES, network

from numpy_diffusion.layers import time_embedding
from numpy_diffusion.networks.unet import embedding
from numpy_diffusion.networks.unet.options import checked
from numpy_diffusion.networks.unet.program import told_size

T, LABELS = np.array([1, 300, 1000]), np.array([2, 0, 2])


def check_gradient(case: str = "8 x 8") -> None:
    """Of every parameter of the embedding, with classes or a vector where there are any."""
    model = network(CASES[case])
    params = {name: values for name, values in model.params.items() if name.startswith(("time_emb", "class_emb"))}
    labels = None if model.null_label is None else LABELS
    size = told_size(model.config)
    told = np.random.default_rng(4).normal(size=(len(T), size)) if size else None
    temb, caches = embedding.forward(params, model.config, T, labels, np.float64, told)
    dtemb = np.random.default_rng(3).normal(size=temb.shape)

    def loss() -> float:
        return float((dtemb * embedding.forward(params, model.config, T, labels, np.float64, told)[0]).sum())

    dtold, grads = embedding.backward(dtemb, caches)
    assert (dtold is None) == (told is None)
    given, found = (params, grads) if told is None else (params | {"told": told}, grads | {"told": dtold})
    assert wrong(errors(loss, given, found)) == []


def check_samples_are_their_own() -> None:
    """What stands for (t, label) does not depend on where in the batch a sample stands."""
    model = network(CASES["8 x 8"])
    whole, _ = embedding.forward(model.params, model.config, T, LABELS, np.float64)
    for n in range(3):
        one, _ = embedding.forward(model.params, model.config, T[[n]], LABELS[[n]], np.float64)
        np.testing.assert_allclose(one[0], whole[n], rtol=1e-12)


@pytest.mark.parametrize(
    "case",
    ["8 x 8", "a variance head", "states, an embedding, scale and shift", "states and an embedding as it is"],
)
def test_backward_is_the_gradient(case: str) -> None:
    check_gradient(case)


def test_a_sample_is_its_own() -> None:
    check_samples_are_their_own()


FAULTS = {
    "the vector forgotten": Fault(
        embedding.forward,
        "temb = temb + told",
        "temb = temb + 0.0 * told",
        lambda: check_gradient("states, an embedding, scale and shift"),
    ),
    "the embedding's SiLU forgotten": Fault(embedding.backward, "silu.backward(dh, between)", "dh", check_gradient),
    "the class's gradient lost": Fault(
        embedding.backward, 'class_embedding.backward(dtemb, caches["class"])', "np.zeros((3, 16))", check_gradient
    ),
    "the label's place in the batch": Fault(
        embedding.forward,
        "class_embedding.forward(labels,",
        "class_embedding.forward(np.arange(len(labels)),",
        check_samples_are_their_own,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_makes_its_check_fail(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    passes_without(fault)
    monkeypatch.setattr(embedding, fault.function.__name__, with_fault(fault))
    with pytest.raises(AssertionError):
        fault.check()


@pytest.mark.parametrize(("flip", "shift"), [(False, 0), (True, 1)])
def test_step_t_is_embedded_as_diffusers_t_minus_1(flip: bool, shift: int) -> None:
    config = checked(CASES["8 x 8"] | dict(sample_size=8, flip_sin_to_cos=flip, freq_shift=shift))
    found = embedding.embed(config, T, np.float64)
    np.testing.assert_array_equal(found, time_embedding.forward(T - 1, 4, np.float64, flip, shift))
    np.testing.assert_array_equal(found[0], [1.0, 1.0, 0.0, 0.0] if flip else [0.0, 0.0, 1.0, 1.0])  # of angle 0
