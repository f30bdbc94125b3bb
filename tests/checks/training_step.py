"""What a training step draws, loses and descends on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from checks.exact import SCHEDULES, kernel
from checks.gradcheck import errors, wrong
from checks.tasks import losses_and_gradient

from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.training import step_sampling
from numpy_diffusion.training.batch import draw
from numpy_diffusion.training.losses import bound_table

SCHEDULE = SCHEDULES["linear 10"]


DATA = np.random.default_rng(1).normal(size=(7, 2)).astype(np.float32)


def network(seed: int, dim: int, width: int, depth: int, residual: bool, dtype: Any = np.float64) -> MLP:
    """All weights drawn, the output layer's too: training's own start, eps = 0, has most of its gradients zero."""
    model = MLP(dim, width, depth, embedding=4, residual=residual, dtype=dtype)
    rng = np.random.default_rng(seed)
    for values in model.params.values():
        values[:] = rng.normal(size=values.shape) / math.sqrt(values.shape[-1])
    return model


N, STEPS, T = 5_000, 20, 10


EACH_STEP = np.arange(1, T + 1)


TABLE, HISTORY = bound_table(SCHEDULE), step_sampling.start(T)


def drawn(batch: int = N, steps: int = STEPS, data: np.ndarray = DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the data, t and eps of many steps: [steps, batch], [steps, batch] and [steps, batch, D]."""
    numbered = np.arange(float(len(data)))[:, None] + np.zeros(data.shape[1])
    x0, t, eps = zip(
        *(draw(numbered, EACH_STEP, np.arange(batch), 4, step) for step in range(1, steps + 1)), strict=True
    )
    return np.array(x0)[..., 0].astype(int), np.array(t), np.array(eps)


def assert_uniform(values: np.ndarray, low: int, high: int) -> None:
    """Each of low..high as often as the others, to five standard errors of its count; no other value."""
    assert low <= values.min() <= values.max() <= high
    share, counts = 1.0 / (high - low + 1), np.bincount(values.ravel() - low, minlength=high - low + 1)
    assert (np.abs(counts - values.size * share) <= 5.0 * math.sqrt(values.size * share * (1.0 - share))).all()


def check_every_step_is_drawn() -> None:
    """t is uniform over 1..T: both ends are trained, as often as all else."""
    assert_uniform(drawn()[1], 1, T)


def check_no_noise_is_shared() -> None:
    """eps is N(0, I), no two rows are the same, and neighbours do not correlate: to five standard errors."""
    eps = drawn()[2].astype(np.float64)
    assert len(np.unique(eps.reshape(-1, 2), axis=0)) == N * STEPS
    pairs = {"mean": eps, "variance": (eps**2 - 1.0) / math.sqrt(2.0)}
    pairs |= {"coordinates": eps[..., 0] * eps[..., 1]}
    pairs |= {"samples": eps[:, 1:] * eps[:, :-1], "steps": eps[1:] * eps[:-1]}
    for values in pairs.values():  # each of mean 0 and variance 1
        assert abs(values.mean()) <= 5.0 / math.sqrt(values.size)


def check_loss(seed: int = 0, dim: int = 2, width: int = 5, depth: int = 2, batch: int = 4) -> None:
    """lambda(t) |eps - eps_theta(sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, t)|^2, sample by sample."""
    model, rng = network(seed, dim, width, depth, residual=True), np.random.default_rng(seed)
    x0, eps = rng.normal(size=(2, batch, dim))
    t, lambda_t = rng.integers(1, T + 1, batch), rng.uniform(0.1, 3.0, T + 1)
    total = 0.0
    for n in range(batch):
        signal, noise = kernel(SCHEDULE, int(t[n]))
        eps_hat = model(signal * x0[n : n + 1] + math.sqrt(noise) * eps[n : n + 1], int(t[n]))
        total += lambda_t[t[n]] * float(((eps[n] - eps_hat[0]) ** 2).sum())
    losses, _ = losses_and_gradient(model, SCHEDULE, model.buffer, x0, t, eps, lambda_t, TABLE)
    assert losses.mean() == pytest.approx(total / (batch * dim), rel=1e-11)


def check_gradients(seed: int = 0, dim: int = 2, width: int = 5, depth: int = 2, batch: int = 4) -> None:
    """The gradient by every weight against central differences, with and without residual."""
    for residual in (False, True):
        model, rng = network(seed, dim, width, depth, residual), np.random.default_rng(seed)
        x0, eps = rng.normal(size=(2, batch, dim))
        batch_and_weights = (x0, rng.integers(1, T + 1, batch), eps, rng.uniform(0.1, 3.0, T + 1), TABLE)
        _, gradient = losses_and_gradient(model, SCHEDULE, model.buffer, *batch_and_weights)

        def loss(model: MLP = model, rest: Any = batch_and_weights) -> float:
            return float(losses_and_gradient(model, SCHEDULE, model.buffer, *rest)[0].mean())

        assert wrong(errors(loss, {"weights": model.buffer}, {"weights": gradient})) == []
