"""The variational bound of a trained network, term by term, and what the reverse kernel's variance is worth.

Trains a network with a second head for the variance on the spiral (Nichol and Dhariwal 2021).  Then, with its one
mean, the bound and samples of few steps under each variance; the bound's steps in the article's form and in Ho et
al.'s; and estimates of log p(x_0) that tighten from the bound on, with the likelihood of the probability-flow ODE.

Beside it what theory says of a Gaussian, where every number has a closed form: how far the bound is from the truth,
and the variance that Algorithm 1 gives back, by the number of steps.
"""

from __future__ import annotations

import _common
import numpy as np
from matplotlib.figure import Figure

import numpy_diffusion as nd
from numpy_diffusion import figures
from numpy_diffusion.evaluation.bound import Bound, gaussian_bound
from numpy_diffusion.figures import style
from numpy_diffusion.oracles import moments
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.sampling.solvers import coefficients

HELD_OUT = 1000  # points of the bound
FEW = 100  # points of the costly estimates
STEPS = 20  # of a short chain
FRESH = 4000  # points to compare samples with
COLOURS = {"beta": style.ORANGE, "beta_tilde": style.GREEN, "optimal": style.BLUE}


def main() -> None:
    parser = _common.parser(__doc__, steps=10_000, meaning="training steps")
    parser.add_argument("--length", type=int, default=1000, help="T, the steps of the chain (default 1,000)")
    options = parser.parse_args()
    schedule = nd.Schedule.linear(T=options.length)
    x0, held_out = nd.datasets.spiral(8192, options.seed), nd.datasets.spiral(HELD_OUT, options.seed + 1)
    model = nd.MLP(dim=2, width=128, depth=3, learn_variance=True, seed=options.seed)
    nd.train(model, schedule, x0, steps=options.steps, seed=options.seed)

    variances = {"beta": "beta", "beta_tilde": "beta_tilde", "learned": "learned"}
    variances |= {"optimal": nd.optimal_variance(model, schedule, x0[:4000], seed=options.seed)}
    bounds = {
        name: nd.bound(model, schedule, held_out, seed=options.seed, variance=variance)
        for name, variance in variances.items()
    }
    _table(bounds)
    _few_steps(model, schedule, x0, options.seed)
    _likelihoods(model, schedule, held_out[:FEW], options.seed)
    article = nd.bound(model, schedule, held_out, seed=options.seed, form="article")
    _common.save(figures.bound_terms(bounds["beta"], article), options.out / "bound_terms.png")
    _common.save(_theory(), options.out / "bound_theory.png")


def _table(bounds: dict[str, Bound]) -> None:
    """The bound under each variance; differences are of the same points and noise, so that their errors are small."""
    print(f"\nNats a point of {HELD_OUT} held out     bound      less than with beta")
    for name, found in bounds.items():
        gain = bounds["beta"].totals - found.totals
        error = gain.std() / np.sqrt(len(gain))
        print(f"{name:28}{found.total:9.4f} +- {found.total_error:.3f}{gain.mean():12.4f} +- {error:.4f}")


def _few_steps(model: nd.MLP, schedule: nd.Schedule, x0: np.ndarray, seed: int) -> None:
    """How far samples of STEPS steps are from fresh data; Algorithm 1 ends without noise, whatever the variance.

    Steps even in log-SNR: even in t, all the error is in the jump to step 1, which no variance mends.
    """
    steps = nd.log_snr_steps(schedule, STEPS)
    optimal = nd.optimal_variance(model, schedule, x0[:4000], seed, steps=steps)
    optimal[steps[-1]] = 0.0
    fresh = nd.datasets.spiral(FRESH, seed + 2)
    print(f"\n{STEPS} steps even in log-SNR    energy distance   1-nearest-neighbour accuracy")
    for name, variance in {**{name: name for name in ("beta", "beta_tilde", "learned")}, "optimal": optimal}.items():
        x = nd.sample(model, schedule, len(fresh), seed, steps=steps, variance=variance)
        near, far = nd.metrics.nearest_neighbour_accuracy(x, fresh), nd.metrics.energy_distance(x, fresh)
        print(f"{name:28}{far:15.5f}{near:31.3f}")


def _likelihoods(model: nd.MLP, schedule: nd.Schedule, x: np.ndarray, seed: int) -> None:
    """From the bound up: more trajectories tighten it; the ODE's density is that of another sampler, DDIM."""
    print(f"\nMean log p of {len(x)} points, in nats")
    print(f"{'minus the bound':28}{-nd.bound(model, schedule, x, seed, variance='learned').total:9.4f}")
    for K in (1, 10, 100):
        found = nd.importance_weighted(model, schedule, x, K, seed, variance="learned").mean()
        print(f"{K:3} trajectories{'':12}{found:9.4f}")
    print(f"{'probability-flow ODE':28}{nd.log_prob(model, schedule, x).mean():9.4f}\n")


def _theory() -> Figure:
    """Left, the gap of the bound on Gaussian data; right, the variance of what Algorithm 1 draws, over the data's."""
    lengths = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000])
    with style.context():
        figure = style.page(style.WIDTH, 0.45 * style.WIDTH)
        gap, spread = figure.subplots(1, 2)
        for name, colour in COLOURS.items():
            gap.plot(lengths, [_gap(name, T) for T in lengths], "o-", markersize=3, color=colour, label=name)
            for variance, dashes in ((0.25, "-"), (4.0, "--")):
                ratios = [_ratio(name, variance, T) for T in lengths]
                spread.plot(lengths, ratios, dashes, color=colour, label=f"{name}, data {variance:g}")
        gap.set(title="Bound less exact $-\\log p$, N(0, 1/4)", ylabel="nats a dimension")
        gap.set_yscale("symlog", linthresh=1e-3)
        gap.set_ylim(0)
        spread.set(title="Variance drawn over the data's", ylabel="ratio")
        for axes in (gap, spread):
            axes.set(xlabel="steps $T$", xscale="log")
            axes.grid(True)
            axes.legend()
        return figure


def _prepared(name: str, variance: float, T: int) -> tuple[Gaussian, nd.Schedule, Gaussian, np.ndarray]:
    """One-dimensional data, a schedule, the exact q(x_T), and the variances of one kind by t [T + 1, 1]."""
    data, schedule = Gaussian([0.0], [[variance]]), nd.Schedule.linear(T=T)
    end = schedule.alpha_bar[T]
    prior = Gaussian([0.0], [[end * variance + 1.0 - end]])
    kinds = {"beta": schedule.beta, "beta_tilde": schedule.beta_tilde}
    values = moments.gaussian_optimal_variance(data, schedule) if name == "optimal" else kinds[name][:, None]
    return data, schedule, prior, values


def _gap(name: str, T: int) -> float:
    data, schedule, prior, values = _prepared(name, 0.25, T)
    exact = 0.5 * np.log(2.0 * np.pi * np.e * 0.25)
    return gaussian_bound(data, schedule, values if name == "optimal" else name, prior).total - exact


def _ratio(name: str, variance: float, T: int) -> float:
    data, schedule, prior, values = _prepared(name, variance, T)
    steps = coefficients(schedule, variance=values)
    return float(moments.chain_moments(data, schedule, steps, prior.mean, prior.covariance)[1][-1, 0, 0]) / variance


if __name__ == "__main__":
    _common.run(main)
