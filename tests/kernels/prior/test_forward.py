"""The prior's forward pass in its kernel: the tokens, and z_0 as the definition has it."""

from __future__ import annotations

from typing import Any

import numpy as np
from checks.prior_kernel import SIZES, Bounded, near, places_of, prior, shown
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers.images import Worker
from numpy_diffusion.kernels.prior import forward
from numpy_diffusion.kernels.unet.packing import pack
from numpy_diffusion.networks.prior import compiled, definition


@settings(deadline=None, max_examples=10)
@given(SIZES, st.integers(1, 8), st.integers(1, 40), st.integers(0, 1000))
def test_it_is_the_definition(sizes: dict[str, Any], count: int, length: int, seed: int) -> None:
    """Of some samples in the middle, in buffers full of garbage, of which nothing outside is touched."""
    model = prior(sizes)
    batch, t = shown(model, count + 2, length := min(length, sizes["num_embeddings"]), seed)
    network, layout = compiled.kernels(model.config)
    where = places_of(model, length, False)
    bounded = Bounded(where, length, 1)
    arena, scratch, starts, spots = (values[0] for values in bounded.buffers)
    weights = np.zeros(layout.weights.size, np.float32)
    pack(model.buffer, layout.weights, weights)
    sinusoids = definition.embed(model.config, np.arange(1001), np.float32)
    given_samples = compiled.shown(batch.xt, sinusoids, t, batch.condition)
    worker, tokens = Worker(arena, scratch, 0, 1), forward.Tokens(starts, spots)
    forward.predict(network, where, worker, tokens, weights, given_samples, 1, count)
    expected, _ = model.forward(model.params, batch.xt, t, batch.condition)
    found = arena[where.out : where.out + count * network.dim].reshape(count, -1)
    near(found, expected[1 : 1 + count])
    bounded.assert_in_bounds()


def test_the_tokens_are_the_states_that_are_there_and_four_more() -> None:
    model = prior(dict(num_attention_heads=1, attention_head_dim=4, num_layers=1, embedding_dim=2, num_embeddings=6))
    batch, t = shown(model, 2, 3, 0)
    mask = np.array([[True, False, True], [False, False, False]])
    told = batch.condition
    told = type(told)(embedding=told.embedding, states=told.states, mask=mask)
    network, layout = compiled.kernels(model.config)
    where = places_of(model, 3, False)
    arena, scratch, starts, spots = (values[0] for values in Bounded(where, 3, 1).buffers)
    weights = np.zeros(layout.weights.size, np.float32)
    pack(model.buffer, layout.weights, weights)
    worker, tokens = Worker(arena, scratch, 0, 1), forward.Tokens(starts, spots)
    given_samples = compiled.shown(batch.xt, definition.embed(model.config, np.arange(1001), np.float32), t, told)
    forward.take(network, where, worker, tokens, given_samples, 0, 2)
    assert starts[:3].tolist() == [0, 6, 10]
    assert spots[:10].tolist() == [0, 2, 6, 7, 8, 9, 6, 7, 8, 9]
    forward.embed(network, where, worker, tokens, weights, 2)
    h = arena[where.block.h : where.block.h + 40].reshape(10, 4)
    positions, asked = model.params["positional_embedding"][0], model.params["prd_embedding"][0, 0]
    near(h[[5, 9]], asked + positions[[9, 9]])
    states = told.states[0, [0, 2]] @ model.params["encoder_hidden_states_proj.weight"].T
    near(h[:2], states + model.params["encoder_hidden_states_proj.bias"] + positions[[0, 2]])
    noised = batch.xt @ model.params["proj_in.weight"].T + model.params["proj_in.bias"]
    near(h[[4, 8]], noised + positions[8])
