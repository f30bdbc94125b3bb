"""The choice between float32 and bfloat16: it reaches networks that have kernels, and no other goes on in silence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from checks.unet_kernel import wide

import numpy_diffusion as nd
from numpy_diffusion.kernels.precision import asked

SCHEDULE = nd.Schedule.linear(T=1000)
TOLD = {"steps": 3, "progress": False}


def unet() -> nd.UNet:
    return nd.UNet(**wide().options | {"num_class_embeds": None}).copy()


def test_it_is_float32_unless_asked_otherwise() -> None:
    assert asked() == "float32"
    with nd.precision("bfloat16"):
        assert (asked(), asked("float32")) == ("bfloat16", "float32")
        with nd.precision("float32"):
            assert asked() == "float32"
        assert asked() == "bfloat16"
    assert asked() == "float32"


def test_every_way_to_ask_gives_the_same_samples() -> None:
    model = unet()
    model.buffer[:] += 0.02 * np.random.default_rng(1).normal(size=model.buffer.size).astype(np.float32)
    exact, found = (nd.sample(model, SCHEDULE, 2, precision=name, **TOLD) for name in ("float32", "bfloat16"))
    assert (exact == nd.sample(model, SCHEDULE, 2, **TOLD)).all()
    assert (found != exact).any()
    *_, (_, last) = nd.sample_steps(model, SCHEDULE, 2, steps=3, precision="bfloat16")
    assert (last == found).all()
    with nd.precision("bfloat16"):
        assert (nd.sample(model, SCHEDULE, 2, **TOLD) == found).all()
        assert (nd.sample(model, SCHEDULE, 2, precision="float32", **TOLD) == exact).all()
        wrapped = nd.sample(nd.clipped(model, SCHEDULE), SCHEDULE, 2, **TOLD)
    assert (wrapped == nd.sample(nd.clipped(model, SCHEDULE), SCHEDULE, 2, precision="bfloat16", **TOLD)).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: nd.sample(unet(), SCHEDULE, 1, precision="bf16"), "one of 'float32', 'bfloat16', got str 'bf16'"),
        (lambda: nd.sample(nd.MLP(2), SCHEDULE, 1, precision="bfloat16", **TOLD), "'float32', as a MLP has no other"),
        (
            lambda: nd.sample(unet(), SCHEDULE, 1, precision="bfloat16", backend="numpy", **TOLD),
            "'float32', as the definition has no other",
        ),
        (
            lambda: nd.sample(nd.UNet(**unet().options, dtype=np.float64), SCHEDULE, 1, precision="bfloat16", **TOLD),
            "'float32', as the definition has no other",
        ),
    ],
)
def test_what_cannot_be_done_is_refused(call: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=f"precision: expected {said}"):
        call()
    assert asked() == "float32"


def test_a_setting_of_no_name_is_refused() -> None:
    with pytest.raises(ValueError, match="precision: expected one of"), nd.precision("half"):  # type: ignore[arg-type]
        pass
