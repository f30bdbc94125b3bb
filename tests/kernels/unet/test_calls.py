"""The tables of calls: what their rows hold, and that an unknown kind never comes to a kernel."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.kernels.layers.images import IMAGE, NO_IMAGE
from numpy_diffusion.kernels.unet.calls import CALL, IMAGES, NONE, Call, CallKind, Plan


def plan(*calls: Call) -> Plan:
    images, ends, tokens = np.array([NO_IMAGE], IMAGE), [NONE] * 8, np.zeros((0, 2), np.int64)
    return Plan(np.array(list(calls), CALL), len(calls), images, 0, 0, *ends, tokens)


def test_a_table_has_the_calls_fields_by_name() -> None:
    calls = plan(Call(CallKind.CONV, src=3, dst=4, window=3, turned=True), Call(CallKind.SILU, src=4)).calls
    assert calls["kind"].tolist() == [CallKind.CONV, CallKind.SILU]
    assert calls["src"].tolist() == [3, 4]
    assert calls["dst"].tolist() == [4, NONE]
    assert (calls[0]["window"], calls[0]["turned"]) == (3, 1)
    assert plan(Call(CallKind.STATISTICS, eps=1e-6)).calls["eps"].tolist() == [1e-6]
    assert plan(Call(CallKind.SAMPLE, factor=1e-6)).calls["factor"].tolist() == [1e-6]


def test_no_image_is_a_row_of_its_own() -> None:
    """A call names no image but those that it is given, and no image's row is NONE's."""
    call = Call(CallKind.CONV)
    assert {getattr(call, name) for name in IMAGES} == {NONE}
    assert (IMAGES[0], IMAGES[-1], len(IMAGES)) == ("src", "matrices", 17)


@pytest.mark.parametrize("kind", [-1, len(CallKind), 99])
def test_an_unknown_kind_is_refused_when_the_plan_is_made(kind: int) -> None:
    with pytest.raises(ValueError, match=rf"^calls: expected kinds from 0 to 35, see CallKind, got {kind}$"):
        plan(Call(CallKind.SILU), Call(kind))


def test_every_known_kind_is_taken() -> None:
    assert len(plan(*map(Call, CallKind)).calls) == len(CallKind)
