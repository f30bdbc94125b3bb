"""The prior's samples spread over threads: what comes out is the same whatever else is in the batch."""

from __future__ import annotations

import numpy as np
import pytest
from checks.prior_kernel import places_of, prior, shown

from numpy_diffusion.kernels.prior import run
from numpy_diffusion.networks.prior import compiled, definition

MODEL = prior(dict(num_attention_heads=2, attention_head_dim=3, num_layers=2, embedding_dim=4, num_embeddings=5))


@pytest.mark.parametrize("n", [1, 7, 8, 9, 30])
def test_a_sample_is_its_own_to_the_bit(n: int) -> None:
    batch, t = shown(MODEL, n, 5, 3)
    told = batch.condition.arguments()
    whole = MODEL(batch.xt, t, **told)
    each = [
        MODEL(batch.xt[i : i + 1], t[i : i + 1], **{k: v[i : i + 1] for k, v in told.items()})[0] for i in range(n)
    ]
    np.testing.assert_array_equal(whole, each)


def test_weights_that_changed_are_seen() -> None:
    model, (batch, t) = MODEL.copy(), shown(MODEL, 4, 5, 3)
    before = model(batch.xt, t, **batch.condition.arguments())
    model.params["proj_to_clip_embeddings.bias"] += 1.0
    found = model(batch.xt, t, **batch.condition.arguments())
    np.testing.assert_allclose(found, before + 1.0, rtol=0, atol=1e-6)


def test_a_step_of_the_table_is_that_of_the_sample() -> None:
    batch, _ = shown(MODEL, 3, 5, 3)
    kernels, where = compiled.kernels(MODEL.config), places_of(MODEL, 5, False)
    sinusoids = definition.embed(MODEL.config, np.array([7, 900]), np.float32)
    weights = np.zeros(kernels.layout.weights.size, np.float32)
    run.pack(MODEL.buffer, kernels.layout.weights, weights)
    given = compiled.shown(batch.xt, sinusoids, np.array([1, 0, 1]), batch.condition)
    found = run.predict(kernels.network, where, weights, given)
    np.testing.assert_array_equal(found, MODEL(batch.xt, np.array([900, 7, 900]), **batch.condition.arguments()))
