"""The prior in its kernels: where its parameters lie, and its twins."""

from __future__ import annotations

import numpy as np
from checks.prior_kernel import prior, shown

from numpy_diffusion.kernels.prior.places import BIAS, TURNED, WEIGHT
from numpy_diffusion.networks.prior import compiled
from numpy_diffusion.training.batch import by_definition

MODEL = prior(dict(num_attention_heads=2, attention_head_dim=3, num_layers=2, embedding_dim=4, num_embeddings=5))


def test_each_parameter_is_in_one_of_the_tables() -> None:
    network, layout = compiled.kernels(MODEL.config)
    tables = np.concatenate([network.blocks.reshape(-1, 3), network.ends])
    starts = tables[:, [WEIGHT, BIAS]].ravel()
    assert sorted(starts[starts >= 0]) == sorted(layout.weights.at.values())
    back = tables[:, TURNED]
    assert sorted(back[back >= 0]) == sorted(layout.turned.at.values())
    assert compiled.kernels(MODEL.config) is compiled.kernels(prior(MODEL.options).config)


def test_both_are_those_of_the_definition() -> None:
    batch, t = shown(MODEL, 9, 4, 7)
    told = batch.condition.arguments()
    np.testing.assert_allclose(
        MODEL(batch.xt, t, **told), MODEL(batch.xt, t, backend="numpy", **told), rtol=0, atol=1e-5
    )
    gradient = compiled.gradients(MODEL.config, MODEL.share(9), 4, 1000)
    for found, expected in zip(gradient(MODEL.buffer, batch), by_definition(MODEL)(MODEL.buffer, batch), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
