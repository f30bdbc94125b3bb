"""A network of another kind, with a condition of another kind, goes all the way with no edit to the package.

The network and its registration are all that a third one needs; the rest of this file uses it.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.networks import check_network

import numpy_diffusion as nd
from numpy_diffusion.layers import linear, time_embedding
from numpy_diffusion.models import parameters
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.tasks import Dropout
from numpy_diffusion.networks.registry import register
from numpy_diffusion.noise import STREAM_WEIGHTS, normal

# The network


@dataclass(frozen=True)
class LinearNetworkConfig:
    dim: int
    told: int = 3
    embedding: int = 8


@register
class LinearNetwork(Network):
    """eps = W [x, embedding(t), e] + b of points x [N, D] that are told an embedding e [N, told]."""

    batch = 64
    learning_rate = 1e-2
    config: LinearNetworkConfig

    def __init__(
        self, dim: int, told: int = 3, embedding: int = 8, *, seed: int = 0, dtype: Any = np.float32
    ) -> None:
        config = LinearNetworkConfig(dim, told, embedding)
        shapes: parameters.Shapes = {"weight": (dim, dim + embedding + told), "bias": (dim,)}
        super().__init__(config, (dim,), shapes, seed=seed, dtype=dtype)

    @property
    def nothing(self) -> Condition:
        return Condition(embedding=np.zeros(self.config.told))

    def initialise(self, seed: int) -> None:
        weight = self.params["weight"]
        weight[:] = normal(seed, STREAM_WEIGHTS, np.arange(len(weight)), 0, weight.shape[1]) / weight.shape[1]

    def check_values(self, condition: Condition) -> None:
        told = condition.embedding
        if told is not None and told.shape[-1] != self.config.told:
            raise ValueError(f"embedding: expected {self.config.told} numbers a sample, got {told.shape[-1]}")

    def forward(
        self,
        params: parameters.Parameters,
        x: np.ndarray,
        t: np.ndarray,
        condition: Condition,
        dropout: Dropout | None = None,
    ) -> tuple[np.ndarray, Any]:
        known = time_embedding.forward(t, self.config.embedding, x.dtype), condition.embedding.astype(x.dtype)
        return linear.forward(np.concatenate([x, *known], axis=1), params["weight"], params["bias"])

    def backward(
        self, params: parameters.Parameters, doutputs: np.ndarray, caches: Any
    ) -> tuple[np.ndarray, parameters.Parameters]:
        dinputs, dweight, dbias = linear.backward(doutputs, caches)
        return dinputs[:, : self.shape[0]], {"weight": dweight, "bias": dbias}

    def jvp(self, x: np.ndarray, t: Any, tangent: np.ndarray, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        """In float64, as `MLP.jvp` is."""
        double = LinearNetwork(**self.options, dtype=np.float64)
        double.buffer[:] = self.buffer
        return double(x, t, **told), tangent @ double.params["weight"][:, : self.shape[0]].T


# What is done with it

SCHEDULE = nd.Schedule.linear(T=100)
TOLD = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
X0 = np.random.default_rng(1).normal(size=(400, 2)) * 0.3 + TOLD[:, :2] * [2.0, -1.0] + [5.0, 0.0]  # it says the mean
ONE = Condition(embedding=[1.0, -1.0, 0.0])


def trained(out: Path | None = None, **settings: Any) -> nd.Run:
    chosen = dict(steps=300, batch=64, checkpoint_every=100, progress=False, out=out) | settings
    return nd.train(LinearNetwork(2), SCHEDULE, X0, Condition(embedding=TOLD), **chosen)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> nd.Run:
    return trained(tmp_path_factory.mktemp("third") / "run")


def test_it_holds_what_every_network_holds(tmp_path: Path) -> None:
    check_network(LinearNetwork(2), tmp_path)


def test_it_learns_and_listens(run: nd.Run) -> None:
    """The loss falls below that of a network that is told nothing, which leaves some of x_0 to guess."""
    deaf = nd.train(
        LinearNetwork(2), SCHEDULE, X0, Condition(embedding=0 * TOLD), steps=300, batch=64, progress=False
    )
    assert run.losses[-100:].mean() < 0.95 * deaf.losses[-100:].mean()
    config = nd.load_run(run.path)
    assert config.model.options == {"dim": 2, "told": 3, "embedding": 8}


def test_it_goes_on_after_ctrl_c_to_the_bit(run: nd.Run, tmp_path: Path) -> None:
    def stop(_: nd.Run) -> None:
        raise KeyboardInterrupt

    assert trained(tmp_path / "run", after_checkpoint=stop).step == 100
    again = trained(tmp_path / "run", resume=True)
    np.testing.assert_array_equal(again.model.buffer, run.model.buffer)
    np.testing.assert_array_equal(again.losses, run.losses)
    with pytest.raises(ValueError, match=r"^x0 or embedding: expected shape \[400, 2\] "):
        nd.train(
            LinearNetwork(2), SCHEDULE, X0, Condition(embedding=TOLD[::-1]), steps=300, out=run.path, resume=True
        )


def test_it_opens_as_itself(run: nd.Run) -> None:
    for model in (nd.load(run.path), nd.load_run(run.path).model, pickle.loads(pickle.dumps(run.model))):
        assert type(model) is LinearNetwork
        np.testing.assert_array_equal(model.buffer, run.model.buffer)


@pytest.mark.parametrize("scale", [0.0, 1.5])
def test_samples_are_those_that_are_asked_for(run: nd.Run, scale: float) -> None:
    """A linear eps leaves Gaussians, whose mean its condition moves; guidance moves it further."""
    model = nd.guided(run.model, ONE, scale)
    x = nd.sample(model, SCHEDULE, 500, 3, steps=50, method="ddim")
    nothing = nd.sample(nd.guided(run.model, ONE, -1.0), SCHEDULE, 500, 3, steps=50, method="ddim")
    moved = x.mean(axis=0) - nothing.mean(axis=0)
    assert moved[0] > 0.5 * (1.0 + scale)
    assert moved[1] > 0.25 * (1.0 + scale)
    each = Condition(embedding=np.tile(ONE.embedding, (500, 1)))
    np.testing.assert_array_equal(
        nd.sample(nd.guided(run.model, each, scale), SCHEDULE, 500, 3, steps=50, method="ddim"), x
    )


def test_a_network_that_is_told_nothing_at_all_is_refused(run: nd.Run) -> None:
    with pytest.raises(
        ValueError, match=r"^embedding: expected one for all, or one for each of 4 samples, got None$"
    ):
        nd.sample(run.model, SCHEDULE, 4)
    with pytest.raises(ValueError, match=r"^embedding: expected 3 numbers a sample, got 2$"):
        nd.train(LinearNetwork(2), SCHEDULE, X0, Condition(embedding=TOLD[:, :2]), steps=1, progress=False)
    with pytest.raises(ValueError, match=r"^embedding: expected one vector, or one for each of 400 samples, got 9$"):
        nd.train(LinearNetwork(2), SCHEDULE, X0, Condition(embedding=TOLD[:9]), steps=1, progress=False)


def test_its_bound_and_its_likelihood(run: nd.Run) -> None:
    """By both, points fit what they are told better than what they are not."""
    x0, told = X0[:40], TOLD[:40]
    right, wrong = (nd.guided(run.model, Condition(embedding=rows), 0.0) for rows in (told, -told))
    bounds = [nd.bound(model, SCHEDULE, x0, 2, variance="beta_tilde").total for model in (right, wrong)]
    assert bounds[0] < bounds[1] - 1.0
    log_p = [nd.log_prob(model, SCHEDULE, x0) for model in (right, wrong)]
    assert log_p[0].mean() > log_p[1].mean() + 1.0
    sharper = nd.log_prob(nd.guided(run.model, Condition(embedding=told), 0.5), SCHEDULE, x0)
    assert np.isfinite(sharper).all()
    assert (sharper != log_p[0]).all()
