"""What each slip of the hall does to the samples, with an exact network: right on the left, broken on the right."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import numpy as np
from matplotlib.axes import Axes

import numpy_diffusion as nd
from numpy_diffusion.figures import style

N = 1500
TRAINING = 2000  # steps of Adam
FULL = nd.Schedule.linear(1000)


def spiral(centre: float = 0.0) -> nd.oracles.GaussianMixture:
    """Gaussians along a spiral, for which the perfect network is known."""
    radius = 2.0 * np.sqrt((np.arange(80) + 0.5) / 80)
    angle = 2.5 * np.pi * radius
    means = np.stack([centre + radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return nd.oracles.GaussianMixture(np.full(80, 1 / 80), means, np.tile(0.003 * np.eye(2), (80, 1, 1)))


DATA = spiral()


def walked(step: Any, times: Any, schedule: Any = FULL, eps_model: Any = None) -> np.ndarray:
    """N samples, down the chain of these steps from pure noise."""
    rng, eps_model = np.random.default_rng(0), eps_model or DATA.eps(schedule)
    x, times = rng.standard_normal((N, 2)), [int(t) for t in times]
    for t, s in zip(times, [*times[1:], 0], strict=True):
        x = step(eps_model, x, t, s, schedule, rng.standard_normal((N, 2)))
    return x


def evenly(k: int, T: int = 1000) -> np.ndarray:
    return np.round(np.arange(k, 0, -1) * (T / k)).astype(int)


def ancestral(eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any, v: float = 1.0) -> Any:
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    alpha = now / then
    mean = (x - (1 - alpha) / np.sqrt(1 - now) * eps_model(x, t)) / np.sqrt(alpha)
    beta_tilde = (1 - alpha) * (1 - then) / (1 - now)
    return mean + np.sqrt((1 - alpha) ** v * beta_tilde ** (1 - v)) * z if s > 0 else mean


def ddim(eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any) -> Any:
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    eps = eps_model(x, t)
    return np.sqrt(then) * (x - np.sqrt(1 - now) * eps) / np.sqrt(now) + np.sqrt(1 - then) * eps


# --- drawing -----------------------------------------------------------------------------------------------------


def points(axes: Axes, x: np.ndarray, title: str, colour: str, half: float = 3.0) -> None:
    inside = x[np.abs(x).max(axis=1) < half]
    axes.plot(*inside.T, "o", color=colour, markersize=1.6, markeredgewidth=0.0, alpha=0.7)
    axes.set(title=title, xlim=(-half, half), ylim=(-half, half), xticks=[], yticks=[], aspect="equal")
    if len(inside) < 0.95 * len(x):
        share = f"{1 - len(inside) / len(x):.0%} lie outside"
        axes.text(0.5, 0.03, share, transform=axes.transAxes, ha="center", color=style.GRAY)


def pair(axes: Any, right: np.ndarray, broken: np.ndarray, what: str, half: float = 3.0) -> None:
    points(axes[0], right, f"right: {what}", style.BLUE, half)
    points(axes[1], broken, f"broken: {what}", style.ORANGE, half)


def of_steps(axes: Any, module: ModuleType, right: Any = ancestral, k: int = 50) -> None:
    pair(axes, walked(right, evenly(k)), walked(module.step, evenly(k)), f"{k} steps")


def of_learned_variance(axes: Any, module: ModuleType) -> None:
    def half_way(*given: Any) -> Any:
        return ancestral(*given, v=0.5)

    of_steps(axes, module, half_way, 30)


def of_ddim(axes: Any, module: ModuleType) -> None:
    of_steps(axes, module, ddim)


def of_stride(axes: Any, module: ModuleType) -> None:
    uneven = np.round(1000 * (np.arange(25, 0, -1) / 25) ** 2).astype(int)
    pair(axes, walked(ancestral, uneven), walked(module.step, uneven), "25 uneven steps")


def of_chosen_steps(axes: Any, module: ModuleType) -> None:
    pair(axes, walked(ddim, evenly(50)), walked(ddim, module.chosen_steps(1000, 50)), "50 of 1000 steps")


def of_short_chain(axes: Any, module: ModuleType) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that x_T is no noise, which is the slip
        schedules = nd.Schedule.linear(50), nd.Schedule.from_beta(module.betas()[1:])
    aside = spiral(1.5)
    found = (walked(ancestral, evenly(50, 50), schedule, aside.eps(schedule)) for schedule in schedules)
    pair(axes, *found, "T = 50", 4.0)


class Reckoned:
    """A schedule as a sampler sees it whose alpha_bar is not that of the network."""

    def __init__(self, alpha_bar: np.ndarray) -> None:
        self.alpha_bar, self.T = alpha_bar, len(alpha_bar) - 1


def of_alpha_bar(axes: Any, module: ModuleType) -> None:
    short = nd.Schedule.linear(20)
    broken = Reckoned(module.alpha_bars(short.beta))
    right = walked(ddim, evenly(20, 20), short)
    pair(axes, right, walked(ddim, evenly(20, 20), broken, DATA.eps(short)), "T = 20")


def of_noise(axes: Any, module: ModuleType) -> None:
    rng = np.random.default_rng(0)
    x = right = DATA.sample(N, 0).astype(float)
    for t in range(1, 1001):
        right = np.sqrt(FULL.alpha[t]) * right + np.sqrt(FULL.beta[t]) * rng.standard_normal((N, 2))
        x = module.add_noise(x, t, FULL.beta, rng)
    pair(axes, right, x, "$x_T$, to be noise")


def of_place(axes: Any, module: ModuleType) -> None:
    """A network that cannot know t learns the mean over all t of what is in such an x."""
    levels = evenly(12)  # for the mean; more of them change nothing to be seen
    signal, variance = np.sqrt(FULL.alpha_bar[levels]), 1 - FULL.alpha_bar[levels] * (1 - 0.003)
    models = DATA.eps(FULL)

    def blind(x: np.ndarray, t: int) -> np.ndarray:
        square = ((x[:, None, None] - signal[:, None, None] * DATA.means) ** 2).sum(-1)  # [N, levels, components]
        density = np.exp(-0.5 * square / variance[:, None]).sum(-1) / variance
        weight = density / density.sum(axis=1, keepdims=True)
        return sum(weight[:, [k]] * models(x, int(level)) for k, level in enumerate(levels))

    pair(axes, walked(ddim, evenly(50)), walked(ddim, evenly(50), FULL, blind), "50 steps")


def of_adam(axes: Any, module: ModuleType) -> None:
    """One slope for each t and coordinate, trained for a little while on Gaussian data."""
    short, rng, found = nd.Schedule.linear(50), np.random.default_rng(0), []
    for layer in (None, module.LAYER):
        slope, m, v = np.zeros((51, 2)), np.zeros((51, 2)), np.zeros((51, 2))
        for k in range(1, TRAINING + 1):
            t, z = rng.integers(1, 51, 1024), rng.standard_normal((1024, 2))
            x0 = rng.standard_normal((1024, 2)) * [1.2, 0.1]
            xt = np.sqrt(short.alpha_bar[t, None]) * x0 + np.sqrt(1 - short.alpha_bar[t, None]) * z
            g = np.zeros((51, 2))
            np.add.at(g, t, 2 * (slope[t] * xt - z) * xt / z.size)
            if layer is None:
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
                slope = slope - 0.001 * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
            else:
                slope, m, v = module.adam_step(slope, g, m, v, k, 0.001)
        found.append(walked(ancestral, evenly(50, 50), short, lambda x, t, slope=slope: slope[t] * x))
    pair(axes, *found, f"{TRAINING} steps of Adam")


def of_last_step(axes: Any, module: ModuleType) -> None:
    short = nd.Schedule.linear(10)
    exact, drawn = DATA.eps(short), set(module.drawn_steps(np.random.default_rng(0), 10_000, 10).tolist())

    def trained(x: np.ndarray, t: int) -> np.ndarray:
        return exact(x, t) if t in drawn else 0.0 * x  # as a network is before it has learned anything

    pair(axes, walked(ddim, evenly(10, 10), short), walked(ddim, evenly(10, 10), short, trained), "T = 10", 4.0)


def of_min_snr(axes: Any, module: ModuleType) -> None:
    points(axes[0], walked(ancestral, evenly(50)), "right: samples", style.BLUE)
    with np.errstate(invalid="ignore"):
        loss = np.mean(module.weights(np.linspace(1.0, 0.0, 1001)[1:]))
    points(axes[1], np.empty((0, 2)), "broken: samples", style.ORANGE)
    axes[1].text(
        0.0, 0.0, f"the loss is {loss}\nand so is every weight", ha="center", va="center", color=style.ORANGE
    )


def of_embedding(axes: Any, module: ModuleType) -> None:
    """Cosine of x_t with x_0 in 768 dimensions."""
    rng, t = np.random.default_rng(0), np.arange(0, 1001, 10)
    x0 = module.ready(rng.standard_normal((20, 768)))
    for panel, scale, colour, name in (
        (axes[0], np.sqrt(768.0), style.BLUE, r"right: of length $\sqrt{768}$"),
        (axes[1], 1.0, style.ORANGE, "broken: of length 1"),
    ):
        ab = FULL.alpha_bar[t][:, None, None]
        xt = np.sqrt(ab) * scale * x0 + np.sqrt(1 - ab) * rng.standard_normal((len(t), 20, 768))
        cosine = (xt * x0).sum(-1) / np.linalg.norm(xt, axis=-1)
        panel.plot(t, cosine.mean(axis=1), color=colour)
        panel.set(title=name, xlabel="t", ylabel="cosine of $x_t$ with $x_0$", ylim=(-0.05, 1.05))
