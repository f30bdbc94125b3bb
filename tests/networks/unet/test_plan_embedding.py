"""The calls of the step's embedding, and of what else is told for a whole image."""

from __future__ import annotations

from checks.unet import CASES
from checks.unet_kernel import small, told

from numpy_diffusion.kernels.unet.calls import NONE, CallKind
from numpy_diffusion.networks.unet import compiled
from numpy_diffusion.networks.unet.unet import UNet


def kinds(model: UNet) -> list[int]:
    """Of the first calls, up to that which the image comes into."""
    plan = compiled.planned(model.config, tokens=3)[0]
    return plan.calls["kind"][: plan.calls["src"].tolist().index(plan.x)].tolist()


CONV, SILU = CallKind.CONV, CallKind.SILU


def test_two_layers_of_the_step_and_the_row_of_the_class() -> None:
    assert kinds(small()) == [CallKind.CLASS, CONV, SILU, CONV, SILU]


def test_two_layers_of_a_vector() -> None:
    assert kinds(told()) == [CONV, SILU, CONV, CONV, SILU, CONV, SILU]
    assert compiled.planned(told().config, tokens=3)[0].told != NONE


def test_a_vector_as_it_is() -> None:
    """What is added to the second layer of the step is what came in, and nobody asks for the gradient by it."""
    model = UNet(**CASES["states and an embedding as it is"])
    assert kinds(model) == [CONV, SILU, CONV, SILU]
    plan = compiled.planned(model.config, training=True, tokens=3)[0]
    assert plan.calls[2]["residual"] == plan.told
    assert not (plan.calls[plan.backward :]["dx"] == plan.told).any()
