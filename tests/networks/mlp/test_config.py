"""The MLP's options: which values there are."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from numpy_diffusion.networks.mlp.config import MLPConfig


def test_defaults() -> None:
    assert MLPConfig(dim=3) == MLPConfig(3, 128, 3, residual=True, embedding=16, octaves=0, learn_variance=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(dim=0), "dim: expected an integer of at least 1, got 0"),
        (dict(dim=2, width=0), "width: expected an integer of at least 1, got 0"),
        (dict(dim=2, depth=-1), "depth: expected an integer in 0..10000, got -1"),
        (dict(dim=2, depth=10**20), "depth: expected an integer in 0..10000, got 1"),
        (dict(dim=2, embedding=5), "embedding: expected an even number, got 5"),
        (dict(dim=2, octaves=-1), "octaves: expected an integer in 0..16, got -1"),
        (dict(dim=2, octaves=1.5), "octaves: expected an integer in 0..16, got float 1.5"),
        (dict(dim=2, octaves=17), "octaves: expected an integer in 0..16, got 17"),
        (dict(dim=2, residual=1), "residual: expected"),
        (dict(dim=2, learn_variance="no"), "learn_variance: expected"),
    ],
)
def test_a_value_out_of_range_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        MLPConfig(**options)


def test_integers_of_numpy_become_plain() -> None:
    assert type(MLPConfig(dim=np.int64(2), octaves=np.int64(5)).octaves) is int
