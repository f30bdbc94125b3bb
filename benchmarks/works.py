"""What is measured: each work builds its contestants, checks that they give the same answer, and says its size."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import ours
import timing

import numpy_diffusion as nd
from numpy_diffusion.models.trainable import Trainable
from numpy_diffusion.process.probability_flow import NODES, SWEEPS
from numpy_diffusion.sampling.solvers import coefficients

OURS = "numpy_diffusion"
TRAIN_STEPS = 20  # training steps a call


@dataclass
class Work:
    """Contestants by name, the unit of one call, and what it takes: floating-point operations, bytes moved."""

    title: str
    runs: dict[str, Callable[[], object]]
    first: dict[str, float]  # seconds of each one's first call
    calls: int  # units of work a call
    target: float  # least ratio of the best peer's time to ours
    flops: float = 0.0
    bytes: float = 0.0


def installed_peers(*names: str) -> list[ModuleType]:
    """Those of these modules whose libraries are here."""
    found = []
    for name in names:
        try:
            found.append(importlib.import_module(name))
        except ModuleNotFoundError as error:
            print(f"{name}: left out, {error.name} is not installed")
    return found


def times(width: int) -> str:
    """Behind a network's name in a title, what it is as a multiple of the narrowest one."""
    return f" (x {width})" if width > 1 else ""


def drawn(model: Trainable) -> None:
    """Weights where there are zeros at first, so that answers can be told apart."""
    rng = np.random.default_rng(0)
    for values in model.params.values():
        if not values.any():
            values[:] = 0.05 * rng.standard_normal(values.shape)


def texts(rng: np.random.Generator, n: int, places: int, size: int, fewest: int, most: int) -> nd.Condition:
    """States [n, places, size] of texts of `fewest` to `most` words."""
    states = rng.standard_normal((n, places, size), dtype=np.float32)
    return nd.Condition(states=states, mask=np.arange(places) < rng.integers(fewest, most + 1, n)[:, None])


def words(told: nd.Condition) -> int:
    """Of a text in the mean: ours leaves out the places without a word."""
    return round(float(told.mask.sum(axis=-1).mean()))


def trained(
    title: str,
    contestants: dict[str, tuple[Callable[[], object], Callable[..., np.ndarray]]],
    arrays: Sequence[np.ndarray],
    target: float,
    flops: float,
) -> Work:
    """Of training steps: each contestant's step, and the gradient that it gives of the batch `arrays`."""
    runs, gradients = ({name: pair[k] for name, pair in contestants.items()} for k in (0, 1))
    gradients = timing.noting_first(gradients, first := {})
    runs = _without_wrong_gradients(runs, gradients, arrays)
    return Work(title, runs, first, 1, target, flops=flops)


def _without_wrong_gradients(
    runs: dict[str, Callable[[], object]],
    gradients: dict[str, Callable[..., np.ndarray]],
    arrays: Sequence[np.ndarray],
) -> dict[str, Callable[[], object]]:
    """The contestants, by the gradient of the batch that is timed, for which compilers make code of its own.

    One whose compiler gives another gradient than the same network without it is left out, and this is said.
    """
    expected, right = gradients[OURS](*arrays), {}
    for name, gradient in gradients.items():
        error = np.linalg.norm(gradient(*arrays) - expected) / np.linalg.norm(expected)
        if error > 1e-4 and "compiled" in name:
            print(f"{name}: left out, its gradient is off by {error:.1e}")
            continue
        assert error < 1e-4, f"{name}: gradient off by {error:.1e}"
        right[name] = runs[name]
    return right


def _model() -> nd.MLP:
    """3 x 128, trained for a moment, so that answers can be told apart and chains stay finite."""
    model = nd.MLP(dim=2, width=128, depth=3, seed=0)
    nd.train(model, nd.Schedule.linear(T=1000), nd.datasets.spiral(1000), steps=500, batch=256, progress=False)
    model.shift[:], model.scale[:] = 0.0, 1.0  # the contestants know of no units
    return model


def q_sample(peers: list[ModuleType], n: int = 4096, dim: int = 768, into: bool = False) -> Work:
    """The jump; with `into` into arrays that are there, of every contestant."""
    rng, schedule = np.random.default_rng(0), nd.Schedule.linear(T=1000)
    x0, t = rng.standard_normal((n, dim), dtype=np.float32), rng.integers(1, 1001, n)
    runs = {OURS: (ours.q_sample_into if into else ours.q_sample)(x0, t, schedule)}
    for peer in peers:
        jump = peer.q_sample_into if into else peer.q_sample
        runs |= {name: jump(name, x0, t, schedule) for name in peer.NAMES}
    runs = timing.noting_first(runs, first := {})
    signal, sigma = np.sqrt(schedule.alpha_bar[t])[:, None], np.sqrt(1.0 - schedule.alpha_bar[t])[:, None]
    for name, run in runs.items():
        xt, eps = run()
        np.testing.assert_allclose(xt, signal * x0 + sigma * eps, atol=2e-6, err_msg=name)
        np.testing.assert_allclose(
            [eps.mean(), eps.var()], [0.0, 1.0], atol=5.0 * np.sqrt(2.0 / eps.size), err_msg=name
        )
    title = f"q_sample {'into out=' if into else 'with noise'}, {n} x {dim}"
    return Work(title, runs, first, 1, 5.0, bytes=4.0 * x0.nbytes)


def chain(peers: list[ModuleType], n: int, target: float, **options: object) -> Work:
    model, schedule = _model(), nd.Schedule.linear(T=1000)
    steps = coefficients(schedule, **options)
    runs = {OURS: ours.chain(model, schedule, n, options)}
    runs |= {name: peer.chain(name, model, steps, n) for peer in peers for name in peer.NAMES}
    runs = timing.noting_first(runs, first := {})
    _same_chain(model, schedule, peers)
    ddim = options.get("method") == "ddim"
    title = f"{'DDIM' if ddim else 'Algorithm 1'}, {len(steps.t)} steps, {n} points"
    return Work(title, runs, first, 1, target, flops=n * len(steps.t) * _forward_flops(model))


def _same_chain(model: nd.MLP, schedule: nd.Schedule, peers: list[ModuleType]) -> None:
    """From the same x_T, without noise, all come to the same x_0."""
    options = {"method": "ddim", "steps": 50}
    expected, start = ours.chain(model, schedule, 64, options)(), ours.start(64, 2)
    for peer in peers:
        for name in peer.NAMES:
            found = peer.chain(name, model, coefficients(schedule, **options), 64)(start)
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4, err_msg=name)


def log_prob(peers: list[ModuleType], n: int, steps: int = 100) -> Work:
    """Exact likelihoods in float64, of 4 x 128; of the peers those that have it."""
    model, schedule = nd.MLP(dim=2, width=128, depth=4, seed=0), nd.Schedule.linear(T=1000)
    drawn(model)
    x = np.random.default_rng(0).standard_normal((n, 2))
    runs = {OURS: ours.log_prob(model, schedule, x, steps)}
    for peer in peers:
        if hasattr(peer, "log_prob"):
            runs |= {name: peer.log_prob(name, model, schedule, x, steps) for name in peer.NAMES}
    runs = timing.noting_first(runs, first := {})
    expected = runs[OURS]()
    for name, run in runs.items():
        np.testing.assert_allclose(run(), expected, rtol=0, atol=1e-9, err_msg=name)
    return Work(f"log_prob, {steps} steps, {n} points", runs, first, 1, 2.5, flops=n * _flow_flops(model, steps))


def train(peers: list[ModuleType], batch: int, target: float) -> Work:
    model, schedule, rng = _model(), nd.Schedule.linear(T=1000), np.random.default_rng(0)
    data = nd.datasets.spiral(8192, seed=0)
    arguments = (model, schedule, data, batch, TRAIN_STEPS, 1e-4)
    runs = {OURS: ours.train(*arguments)}
    x0, t, eps = data[:64], rng.integers(1, 1001, 64), rng.standard_normal((64, 2), dtype=np.float32)
    expected = ours.gradient(model, schedule, x0, t, eps)
    for name, module in ((name, peer) for peer in peers for name in peer.NAMES):
        runs[name], gradient = module.train(name, *arguments)
        error = np.linalg.norm(gradient(x0, t, eps) - expected) / np.linalg.norm(expected)
        assert error < 1e-5, f"{name}: gradient off by {error:.1e}"
    title = f"training step with Adam, batch {batch}"
    return Work(
        title, timing.noting_first(runs, first := {}), first, TRAIN_STEPS, target, flops=batch * _train_flops(model)
    )


def _forward_flops(model: nd.MLP) -> float:
    """Of one sample in a chain: the products alone, without what the steps' embeddings add beforehand."""
    dim, width, depth = (getattr(model.config, name) for name in ("dim", "width", "depth"))
    return 2.0 * (depth * width**2 + 2 * dim * width)


def _flow_flops(model: nd.MLP, steps: int) -> float:
    """Of one sample's path: two forward passes a step and one along each coordinate, and the sweeps over the start.

    Each counts twice, as a register holds half as many numbers of float64, and the peak is float32's.
    """
    first, dim = NODES - 1, model.config.dim
    passes = (SWEEPS + dim) * first + (2 + dim) * (steps - first)
    return 2.0 * passes * _forward_flops(model)


def _train_flops(model: nd.MLP) -> float:
    """Of one sample: forward, and backward by inputs and by weights; the first layer's input has no gradient."""
    dim, width, depth, embedding = (getattr(model.config, name) for name in ("dim", "width", "depth", "embedding"))
    return 2.0 * (3 * depth * width**2 + 2 * (dim + embedding) * width + 3 * dim * width)
