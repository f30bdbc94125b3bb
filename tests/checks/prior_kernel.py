"""Priors of drawn sizes, what they are shown, and their kernels beside their definition."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from numpy_diffusion.kernels.prior import run
from numpy_diffusion.kernels.prior.places import Places, places
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.tasks import Batch
from numpy_diffusion.networks.prior import compiled
from numpy_diffusion.networks.prior.prior import PriorTransformer

GARBAGE = np.float32(1e6)  # what stands in the buffers before: no kernel may let it through
BEHIND = 1000  # numbers behind each worker's, which no kernel may touch

SIZES = st.fixed_dictionaries(
    dict(
        num_attention_heads=st.integers(1, 3),
        attention_head_dim=st.sampled_from([1, 3, 8, 20]),
        num_layers=st.integers(1, 3),
        embedding_dim=st.sampled_from([1, 5, 33]),
        num_embeddings=st.integers(2, 40),
        time_embed_dim=st.sampled_from([None, 3, 50]),
        embedding_proj_dim=st.sampled_from([None, 1, 40]),
    )
)


def prior(sizes: dict[str, Any]) -> PriorTransformer:
    made, rng = PriorTransformer(**sizes), np.random.default_rng(1)
    for values in made.params.values():
        values[:] = rng.normal(size=values.shape) / np.sqrt(max(values[0].size, 2))
    return made


def shown(model: PriorTransformer, n: int, length: int, seed: int) -> tuple[Batch, np.ndarray]:
    """A batch of texts of up to so many states, some of which are not there; and the steps."""
    config, rng = model.config, np.random.default_rng(seed)
    told = Condition(
        embedding=rng.normal(size=(n, config.text_dim)),
        states=rng.normal(size=(n, length, config.embedding_dim)),
        mask=rng.random((n, length)) < 0.7,
    )
    x, target = rng.normal(size=(2, n, config.embedding_dim)).astype(np.float32)
    t, weighting = rng.integers(1, 1001, n), rng.uniform(0.5, 2.0, n)
    return Batch(x, t, told, None, target, weighting, np.zeros((n, 6))), t


class Bounded:
    """Buffers full of garbage, with something behind each worker's that must stay."""

    def __init__(self, where: Places, length: int, workers: int) -> None:
        made = run.buffers(where, length, workers)
        self.whole = [
            np.full((workers, values.shape[1] + BEHIND), GARBAGE, np.float32)
            for values in (made.arenas, made.scratch)
        ]
        self.sizes = where.arena, where.scratch
        self.buffers = made._replace(arenas=self.whole[0], scratch=self.whole[1])

    def assert_in_bounds(self) -> None:
        for values, size in zip(self.whole, self.sizes, strict=True):
            assert (values[:, size:] == GARBAGE).all()


def places_of(model: PriorTransformer, length: int, training: bool) -> Places:
    return places(compiled.kernels(model.config).network, length, training)


def near(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * max(np.abs(expected).max(), 1e-2))
