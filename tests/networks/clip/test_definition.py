"""CLIP's text encoder in NumPy: its gradient, which token a state knows of, and where a text ends."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from checks.clip import ENDS, IDS, encoder
from checks.gradcheck import projected_errors, wrong

from numpy_diffusion.layers.encoder_layer import Activation
from numpy_diffusion.networks.clip import definition


@pytest.mark.parametrize("act", get_args(Activation))
@pytest.mark.parametrize("given", ["states", "pooled", "both"])
def test_the_gradient(act: Activation, given: str) -> None:
    model = encoder(np.float64, hidden_act=act)
    rng = np.random.default_rng(1)
    dstates = None if given == "pooled" else rng.normal(size=(*IDS.shape, 4))
    dpooled = None if given == "states" else rng.normal(size=(len(IDS), 4))

    def loss() -> float:
        states, pooled, _ = definition.forward(model.params, model.config, IDS)
        total = 0.0 if dstates is None else (dstates * states).sum()
        return float(total + (0.0 if dpooled is None else (dpooled * pooled).sum()))

    before = None if dstates is None else dstates.copy()
    caches = definition.forward(model.params, model.config, IDS)[2]
    found = definition.backward(model.config, dstates, dpooled, caches)
    if dstates is not None:
        np.testing.assert_array_equal(dstates, before)  # what is given is left as it is
    assert wrong(projected_errors(loss, model.params, found)) == []


def test_a_state_knows_nothing_of_what_follows() -> None:
    model = encoder()
    states = model(IDS)
    for length in range(1, IDS.shape[1] + 1):
        np.testing.assert_allclose(model(IDS[:, :length]), states[:, :length], rtol=0, atol=1e-6)
    other = IDS.copy()
    other[:, 2] = 4
    assert (np.abs(model(other) - states).max(axis=2) > 1e-4).tolist() == [[False, False, True, True]] * 3


def test_the_pooled_state_is_that_of_the_first_end() -> None:
    model = encoder()
    np.testing.assert_array_equal(model.pooled(IDS), model(IDS)[[0, 1, 2], ENDS])


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (6, [2, 3, 1]),  # the first end
        (3, [0, 0, 2]),  # the first place where there is none, as in transformers
        (definition.OLD_END, [2, 3, 1]),  # the first of the highest
    ],
)
def test_where_a_text_ends(end: int, expected: list[int]) -> None:
    assert definition.text_ends(IDS, end).tolist() == expected
