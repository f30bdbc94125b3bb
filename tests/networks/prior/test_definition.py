"""The prior in NumPy: its gradient, and which token knows of which."""

from __future__ import annotations

from typing import Any

import numpy as np
from checks.gradcheck import projected_errors, wrong
from checks.priors import prior
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.networks.prior import definition


@settings(deadline=None, max_examples=6)
@given(
    heads=st.integers(1, 2),
    layers=st.integers(1, 2),
    n=st.integers(1, 3),
    length=st.integers(1, 5),
    there=st.integers(0, 31),
    equal=st.booleans(),
)
def test_the_gradient(heads: int, layers: int, n: int, length: int, there: int, equal: bool) -> None:
    """Of x and of every parameter, whichever states are there."""
    sizes: dict[str, Any] = dict(embedding_proj_dim=None, time_embed_dim=None) if equal else {}
    model, rng = (
        prior(np.float64, num_attention_heads=heads, num_layers=layers, **sizes),
        np.random.default_rng(there),
    )
    mask = np.broadcast_to((there >> np.arange(length)) % 2 == 1, (n, length))
    embedding, states = rng.normal(size=(n, model.config.text_dim)), rng.normal(size=(n, length, 4))
    told = definition.Told(embedding, states, mask)
    x, t, dz = rng.normal(size=(n, 4)), rng.integers(1, 1001, n), rng.normal(size=(n, 4)) / 4.0

    def loss() -> float:
        return float((dz * definition.forward(model.params, model.config, x, t, told)[0]).sum())

    _, caches = definition.forward(model.params, model.config, x, t, told)
    dx, grads = definition.backward(model.params, dz, caches)
    assert wrong(projected_errors(loss, {"x": x} | model.params, {"x": dx} | grads)) == []


def test_each_token_sees_those_before_it_that_are_there() -> None:
    seen = definition.seen(np.array([[True, False, True], [False, False, False]]))
    assert seen[0].astype(int).tolist() == [
        [1, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 0],
        [1, 0, 1, 0, 0, 0, 0],
        [1, 0, 1, 1, 0, 0, 0],
        [1, 0, 1, 1, 1, 0, 0],
        [1, 0, 1, 1, 1, 1, 0],
        [1, 0, 1, 1, 1, 1, 1],
    ]
    assert not seen[1][:3].any()
    assert seen[1][6].astype(int).tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_the_last_four_places_are_those_behind_the_longest_text() -> None:
    assert definition.places(prior().config, 2).tolist() == [0, 1, 5, 6, 7, 8]
    assert definition.places(prior().config, 5).tolist() == list(range(9))


def test_step_1_is_the_number_0_of_the_fields_files() -> None:
    """Cosines first: 1 at 0, and of the highest frequency, which is 1."""
    found = definition.embed(prior().config, np.array([1, 2]), np.float64)
    np.testing.assert_array_equal(found[0], [1, 1, 1, 0, 0, 0])
    np.testing.assert_allclose(found[1, [0, 3]], [np.cos(1.0), np.sin(1.0)], rtol=1e-12)
