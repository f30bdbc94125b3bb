"""The calls of residual blocks."""

from __future__ import annotations

import pytest
from checks.unet_kernel import resampling

from numpy_diffusion.kernels.unet.calls import CallKind
from numpy_diffusion.networks.unet import compiled


@pytest.mark.parametrize(
    ("kind", "sizes"), [(CallKind.AVERAGE, (8, 4)), (CallKind.UPSAMPLE, (4, 8))], ids=lambda value: str(value)
)
def test_a_block_that_resamples_moves_what_it_adds_and_what_it_adds_to(
    kind: CallKind, sizes: tuple[int, int]
) -> None:
    """And both on the way back, where one gradient is written and the other added."""
    plan = compiled.planned(resampling().config, training=True)[0]
    there, back = plan.calls[: plan.backward], plan.calls[plan.backward :]
    moves = there[there["kind"] == kind]
    assert len(moves) == 2
    for move in moves:
        assert (plan.images[move["src"]]["height"], plan.images[move["dst"]]["height"]) == sizes
    norm = there[there["dst"] == moves[0]["src"]][0]
    assert norm["kind"] == CallKind.NORM
    assert norm["src"] == moves[1]["src"]
    assert (back["kind"] == CallKind[f"{kind.name}_BACK"]).sum() == 2
