"""Where the prior's kernels find what: nothing overlaps, and a forward pass keeps one block alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from checks.prior_kernel import SIZES, places_of, prior
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers.images import NOWHERE
from numpy_diffusion.kernels.prior.places import EXTRA, TOGETHER, End, Part, linear, norm, rows, turned
from numpy_diffusion.networks.prior import compiled
from numpy_diffusion.networks.prior.config import EXTRA as OF_DEFINITION


@settings(deadline=None, max_examples=20)
@given(SIZES, st.integers(1, 40), st.booleans())
def test_nothing_overlaps(sizes: dict[str, Any], length: int, training: bool) -> None:
    model = prior(sizes)
    found = places_of(model, length, training)
    own = [*found[: found._fields.index("block")], *found.block]
    assert own == sorted(own)
    W, tokens, blocks = model.config.width, TOGETHER * (length + EXTRA), model.config.num_layers
    assert found.stride >= (16 * tokens * W if training else 0)  # eight images, and two that are four times as wide
    assert found.arena >= found.block.active + (blocks - 1) * found.stride * training + 4 * W * tokens
    assert found.noised - found.active_step >= TOGETHER * (sizes["time_embed_dim"] or W)
    if training:
        assert found.matrices - found.dactive >= 4 * W * tokens
    else:
        assert found.stride == 0


def test_rows_of_both_tables() -> None:
    network = compiled.kernels(prior(dict(num_attention_heads=1, attention_head_dim=2, num_layers=2)).config).network
    assert network.blocks.shape == (2, len(Part), 3)
    assert network.ends.shape == (len(End), 3)
    row = np.array([5, 9, 2])
    assert tuple(linear(row)) == (5, 0, 9, 1, 1, 0)
    assert tuple(turned(row)) == (2, 0, NOWHERE, 1, 1, 0)
    assert tuple(norm(row)) == (5, 9, 1e-5)
    assert tuple(rows(7, 3, 4)) == (7, 1, 3, 4, 0)
    assert EXTRA == OF_DEFINITION
