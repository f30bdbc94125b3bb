"""The U-Net in NumPy: its gradient, whose samples are their own, and what dropout drops."""

from __future__ import annotations

import numpy as np
import pytest
from checks.faults import Fault, passes_without, with_fault
from checks.gradcheck import projected_errors, wrong
from checks.unet import CASES, SAMPLES, images, network, one_of

from numpy_diffusion.layers import residual_block
from numpy_diffusion.networks.unet import definition
from numpy_diffusion.networks.unet.program import program
from numpy_diffusion.networks.unet.unet import UNet

DECODER = next(case for case in CASES if case.startswith("a decoder"))


def check_gradients(case: str = "8 x 8", each: bool = False) -> None:
    """Of x, of states and of all parameters at once, or of each parameter by itself."""
    model = network(CASES[case])
    x, t, told = images(model)
    draw = (11, SAMPLES, 4)
    outputs, caches = definition.forward(model.params, model.config, x, t, told, draw)
    doutputs = np.random.default_rng(2).normal(size=outputs.shape)
    dx, dtold, grads = definition.backward(model.params, model.config, doutputs, caches)
    assert list(grads) == list(model.params)

    def loss() -> float:
        return float((doutputs * definition.forward(model.params, model.config, x, t, told, draw)[0]).sum())

    arrays = {"x": x, **model.params} if each else {"x": x, "all": model.buffer}
    gradients = {"x": dx, **grads} if each else {"x": dx, "all": np.concatenate([g.ravel() for g in grads.values()])}
    for name in ("embedding", "states"):
        if (values := getattr(told, name)) is not None:
            arrays[name], gradients[name] = values, getattr(dtold, name)
    assert wrong(projected_errors(loss, arrays, gradients)) == []


def check_samples_are_their_own(case: str = "8 x 8") -> None:
    """The answer and the values dropped do not depend on where in the batch a sample stands."""
    model = network(CASES[case])
    x, t, told = images(model)
    whole, _ = definition.forward(model.params, model.config, x, t, told, (11, SAMPLES, 4))
    for n in range(3):
        one, _ = definition.forward(
            model.params, model.config, x[[n]], t[[n]], one_of(told, n), (11, SAMPLES[[n]], 4)
        )
        np.testing.assert_allclose(one[0], whole[n], rtol=1e-11, atol=1e-11)


def check_dropouts_differ() -> None:
    """No two blocks drop the same values."""
    model = network(CASES["8 x 8"])
    x, t, told = images(model)
    _, caches = definition.forward(model.params, model.config, x, t, told, (11, SAMPLES, 4))
    factors = [cache["dropout"] for cache in caches[1:] if isinstance(cache, dict) and "dropout" in cache]
    assert len(factors) == 2 + 2 * 3
    flat = [factor[0].ravel()[:64] for factor in factors]
    assert all((flat[i] != flat[j]).any() for i in range(len(flat)) for j in range(i))


@pytest.mark.parametrize("case", CASES)
def test_backward_is_the_gradient(case: str) -> None:
    check_gradients(case)


def test_backward_is_the_gradient_of_every_parameter_by_itself() -> None:
    check_gradients("6 x 10, halved to odd sizes, pad (0, 1)", each=True)


@pytest.mark.parametrize("case", ["8 x 8", "states, an embedding, scale and shift"])
def test_a_sample_is_its_own(case: str) -> None:
    check_samples_are_their_own(case)


def test_every_block_drops_others() -> None:
    check_dropouts_differ()


FAULTS = {
    "a skip's gradient lost": Fault(definition.walk_back, "dh = dh + dskips.pop()", "dskips.pop()", check_gradients),
    "skips in the wrong order": Fault(
        definition.walk_back,
        "dskips.pop()",
        "dskips.pop(0)",
        lambda: check_gradients("7 x 5, one block, one channel"),
    ),
    "one block's step alone": Fault(
        definition.walk_back, "else dtemb + dtemb_here", "else dtemb_here", check_gradients
    ),
    "one transformer's states alone": Fault(
        definition.walk_back, "dstates + dstates_here", "dstates_here", lambda: check_gradients("states")
    ),
    "one added attention's states alone": Fault(
        definition.walk_back, "dstates + dstates_here", "dstates_here", lambda: check_gradients(DECODER)
    ),
    "the halves of a concat swapped": Fault(
        definition.walk_back, "dh = dh[:, : op.inputs]", "dh = dh[:, -op.inputs :]", check_gradients
    ),
    "one dropout for all": Fault(definition.walk, "*dropout, number)", "*dropout, 0)", check_dropouts_differ),
    "the norm over the batch": Fault(
        residual_block.forward,
        "h + a[:, :, None, None]",
        "h + a.mean(axis=0)[:, None, None]",
        check_samples_are_their_own,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_makes_its_check_fail(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    passes_without(fault)
    module = next(m for m in (definition, residual_block) if vars(m).get(fault.function.__name__) is fault.function)
    monkeypatch.setattr(module, fault.function.__name__, with_fault(fault))
    with pytest.raises(AssertionError):
        fault.check()


def test_dropout_is_for_training_alone() -> None:
    model = network(CASES["8 x 8"])
    x, t, told = images(model)
    without = UNet(**CASES["8 x 8"] | dict(dropout=0.0), dtype=np.float64)
    without.buffer[:] = model.buffer
    np.testing.assert_array_equal(model(x, t, told.labels), without(x, t, told.labels))
    dropped, _ = definition.forward(model.params, model.config, x, t, told, (11, SAMPLES, 4))
    assert np.abs(dropped - model(x, t, told.labels)).max() > 1e-3


@pytest.mark.parametrize("place", [0, 3, -1])
def test_an_unknown_operation_is_refused_by_its_kind(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither way passes it by."""
    model = network(CASES["8 x 8"])
    x, t, told = images(model)
    outputs, caches = definition.forward(model.params, model.config, x, t, told)
    ops = program(model.config)
    ops[place] = ops[place]._replace(kind="pool")  # type: ignore[arg-type]
    monkeypatch.setattr(definition, "program", lambda config: ops)
    with pytest.raises(ValueError, match=r"^[^\n]*expected [^\n]*, got [^\n]*pool[^\n]*$"):
        definition.forward(model.params, model.config, x, t, told)
    with pytest.raises(ValueError, match=r"^[^\n]*expected [^\n]*, got [^\n]*pool[^\n]*$"):
        definition.backward(model.params, model.config, outputs, caches)
