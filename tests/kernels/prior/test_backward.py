"""The prior's backward pass in its kernel: losses and gradients as the definition has them."""

from __future__ import annotations

from typing import Any

import numpy as np
from checks.prior_kernel import SIZES, Bounded, near, places_of, prior, shown
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.prior import backward, run
from numpy_diffusion.models import parameters
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.tasks import Batch
from numpy_diffusion.networks.prior import compiled, definition
from numpy_diffusion.networks.prior.prior import PriorTransformer
from numpy_diffusion.training.batch import by_definition


def check(model: PriorTransformer, batch: Batch, t: np.ndarray) -> None:
    """Losses and gradients of the kernels are the definition's, in buffers full of garbage, of which nothing outside
    is touched."""
    n, length = batch.condition.mask.shape
    network, layout = compiled.kernels(model.config)
    where = places_of(model, length, True)
    work = run.workspace(where, layout, length, model.share(n).bounds)
    bounded = Bounded(where, length, len(work.buffers.arenas))
    sinusoids = definition.embed(model.config, np.arange(1001), np.float32)
    losses, gradient = run.gradient(
        network,
        where,
        layout,
        work._replace(buffers=bounded.buffers),
        model.buffer,
        compiled.shown(batch.xt, sinusoids, t, batch.condition),
        batch.target,
        batch.weighting.astype(np.float32),
        n,
    )
    wanted_losses, wanted = by_definition(model)(model.buffer, batch)
    near(losses, wanted_losses)
    found = parameters.views(gradient, model.shapes)
    largest = np.abs(wanted).max()
    for name, expected in parameters.views(wanted, model.shapes).items():
        scale = max(np.abs(expected).max(), 1e-2 * largest)
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-4 * scale, err_msg=name)
    bounded.assert_in_bounds()


@settings(deadline=None, max_examples=10)
@given(SIZES, st.integers(1, 20), st.integers(1, 40), st.integers(0, 1000))
def test_it_is_the_definition(sizes: dict[str, Any], n: int, length: int, seed: int) -> None:
    """Of batches of any size."""
    model = prior(sizes)
    check(model, *shown(model, n, min(length, sizes["num_embeddings"]), seed))


def test_it_is_the_definition_where_no_text_has_a_state() -> None:
    model = prior(dict(num_attention_heads=2, attention_head_dim=3, num_layers=2, embedding_dim=16))
    batch, t = shown(model, 3, 4, 0)
    told = Condition(embedding=batch.condition.embedding, states=batch.condition.states, mask=np.zeros((3, 4), bool))
    check(model, batch._replace(condition=told), t)


def test_the_losses_are_weighted_means() -> None:
    where = places_of(
        prior(dict(num_attention_heads=1, attention_head_dim=2, num_layers=1, embedding_dim=2)), 1, True
    )
    arena, found = np.zeros(where.arena, np.float32), np.zeros(3, np.float32)
    arena[where.out : where.out + 4] = 1.0, 2.0, 3.0, 4.0
    target, weighting = np.float32([[9.0, 9.0], [0.0, 0.0], [1.0, 1.0]]), np.float32([9.0, 1.0, 0.5])
    backward.losses(where, arena, target, weighting, 1, 2, 10, found)
    assert found.tolist() == [0.0, 2.5, 3.25]
    near(arena[where.dout : where.dout + 4], np.float32([0.1, 0.2, 0.1, 0.15]))
