"""This project as a contestant: its public functions, nothing else."""

from __future__ import annotations

import numpy as np

import numpy_diffusion as nd
from numpy_diffusion import losses, noise, training_step
from numpy_diffusion.optimizers import Adam

SEED = 1


def q_sample(x0, t, schedule):
    return lambda: nd.q_sample(x0, t, schedule, seed=SEED)


def chain(model, schedule, n, options):
    return lambda: nd.sample(model, schedule, n, seed=SEED, **options)


def start(n, dim):
    """The x_T that `chain` starts from, for the others to start from it too: [n, dim]."""
    return noise.normal(SEED, noise.STREAM_START, np.arange(n), 0, dim)


def train(model, schedule, data, batch, steps, rate):
    state = training_step.start(model, schedule.T)
    advance = training_step.prepare(
        model,
        schedule,
        data,
        batch=batch,
        weighting=losses.weights(schedule),
        adam=Adam(),
        rates=np.full(10_000_000, rate),
        average_decay=0.999,
        seed=0,
    )
    return lambda: advance(state, steps)


def gradient(model, schedule, x0, t, eps):
    """The loss's gradient by the flat parameters [P], in float64 by the definition: what all must give."""
    exact = nd.MLP(**model.config, dtype=np.float64)
    exact.buffer[:] = model.buffer
    x0, eps = x0.astype(np.float64), eps.astype(np.float64)
    tables = losses.weights(schedule), losses.bound_table(schedule)
    return training_step.losses_and_gradient(exact, schedule, exact.buffer, x0, t, eps, *tables)[1]
