"""Which noise schedule is best?  A test of the article's finding on its Fig 2.

"Linear is best; sigmoid gives a better alpha_T but is difficult to compute."

Trains a network for every schedule, each as it is and rescaled to nearly no signal at t = T (Lin et al. 2024), for
chains of 10 to 1000 steps, three drawings and five seeds, and measures the variational bound on held-out points and
how far samples are from fresh points.  Each row goes to which_schedule.csv at once: a study that was interrupted goes
on where it stopped.  In the end a table, a figure, and a verdict that follows from the numbers.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import _common
import numpy as np
from _schedule_study import IMAGES, SCHEDULES, TERMINAL_SNR, Case, Row, schedule_of, study
from matplotlib.figure import Figure

from numpy_diffusion.data import pictures as images
from numpy_diffusion.figures import style
from numpy_diffusion.parallel.engine import connected

LENGTHS, SEEDS = (10, 50, 200, 1000), 5
LINEAR, SIGMOID = SCHEDULES.index("linear"), SCHEDULES.index("sigmoid")
CLEAR = 5.0  # standard errors from which on a difference counts: by chance 1 of 250, by Student's t of five seeds
DIFFICULT = 1e-3  # a schedule that takes a larger part of a run's time than this is difficult to compute
# Of each measure, less is better.
MEASURES = {"bound": "bound / nats", "accuracy": "1-NN accuracy", "energy": "energy distance"}
LINES = ((style.BLUE, "o"), (style.ORANGE, "s"), (style.GREEN, "^"), (style.PINK, "D"))  # one a schedule
Grids = dict[str, np.ndarray]  # of each measure, [seed, T, data, schedule, rescaled]


def main() -> None:
    parser = _common.parser(__doc__, steps=2500, meaning="training steps of each run")
    parser.add_argument("--quick", action="store_true", help="one seed, T = 10 and 50, a tenth of the steps")
    parser.add_argument("--client", metavar="ADDRESS", help="of a Dask scheduler, whose workers make the runs")
    options = parser.parse_args()
    lengths, number, steps = LENGTHS, SEEDS, options.steps
    if options.quick:
        lengths, number, steps = LENGTHS[:2], 1, options.steps // 10
    seeds = range(options.seed, options.seed + number)
    cases = [Case(*case, steps) for case in itertools.product(seeds, lengths, IMAGES, SCHEDULES, (0, 1))]
    path = options.out / "which_schedule.csv"
    client = None if options.client is None else connected(options.client)
    try:
        rows = study(cases, path, client)
    except KeyboardInterrupt:
        sys.exit(f"interrupted; the same command goes on from {path}")
    shape = (number, len(lengths), len(IMAGES), len(SCHEDULES), 2)
    grids = {name: np.array([rows[case][name] for case in cases]).reshape(shape) for name in MEASURES}
    microseconds = cost()
    with np.errstate(invalid="ignore"):  # a failed run is infinite, and so its differences are NaN: never clear
        report(grids, lengths)
        verdict(grids, lengths, [rows[case] for case in cases], microseconds)
        print(path)
        _common.save(picture(grids, lengths, microseconds), options.out / "which_schedule.png")


def cost() -> np.ndarray:
    """Microseconds to make each schedule of 1000 steps: medians of 1000, taken in turns."""
    seconds = np.empty((1000, len(SCHEDULES)))
    for i, k in itertools.product(*map(range, seconds.shape)):
        began = time.perf_counter()
        schedule_of(SCHEDULES[k], 1000, 0)
        seconds[i, k] = time.perf_counter() - began
    return 1e6 * np.median(seconds, axis=0)


# --- what they say -----------------------------------------------------------------------------------------------


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over the seeds, the first axis; a single seed has no error, NaN."""
    mean = values.mean(axis=0)
    if len(values) == 1:
        return mean, np.full_like(mean, np.nan)
    return mean, values.std(axis=0, ddof=1) / np.sqrt(len(values))


def report(grids: Grids, lengths: Sequence[int]) -> None:
    """The table: means over the drawings, with the seeds' standard errors."""
    least = np.mean([entropy(data) for data in IMAGES])
    print(f"\nMeans over the drawings, standard errors over the seeds; perfect: bound {least:.3f}, accuracy 0.5.")
    print("\n    T  schedule   end / dB  prior KL" + "".join(f"{label:>20}" for label in MEASURES.values()))
    means = [mean_and_error(grid.mean(axis=2)) for grid in grids.values()]
    for (i, T), (k, name), rescaled in itertools.product(enumerate(lengths), enumerate(SCHEDULES), (0, 1)):
        schedule, label = schedule_of(name, T, rescaled), "  rescaled" if rescaled else name
        numbers = [pair(mean[i, k, rescaled], error[i, k, rescaled]) for mean, error in means]
        print(f"{T:5}  {label:10}{schedule.terminal_snr_db:9.1f}{schedule.prior_kl():10.1e}", end="")
        print("".join(f"{text:>20}" for text in numbers))


def verdict(grids: Grids, lengths: Sequence[int], rows: list[Row], microseconds: np.ndarray) -> None:
    """The article's three claims against the numbers, and what rescaling changes."""
    failed = Counter((row["schedule"], row["failed"]) for row in rows if row["failed"])
    print(f"\nFailed runs: {failed.total()} of {len(rows)}")
    for (name, reason), number in failed.items():
        print(f"  {number} with {name}: {reason}")
    print(f"Below, differences are between runs of the same seed, and clear from {CLEAR:g} standard errors on.")
    linear_is_best(grids, lengths)
    sigmoid_has_a_better_end(lengths)
    sigmoid_is_difficult(microseconds, float(np.median([row["seconds"] for row in rows])))
    print(f"\nRescaled to an end of {10.0 * np.log10(TERMINAL_SNR):.0f} dB, each schedule against itself as it was")
    names = [f"{name} T = {T}" for T in lengths for name in SCHEDULES]
    for label, grid in zip(MEASURES.values(), grids.values(), strict=True):
        change, error = mean_and_error((grid[..., 1] - grid[..., 0]).mean(axis=2))
        print(f"  {label}, clearly better: {listed(names, (-change > CLEAR * error).ravel())}")
        print(f"  {label}, clearly worse:  {listed(names, (change > CLEAR * error).ravel())}")
    print()


def linear_is_best(grids: Grids, lengths: Sequence[int]) -> None:
    print('\n"Linear is best"')
    lowest = beaten = 0
    for label, grid in zip(MEASURES.values(), grids.values(), strict=True):
        values = grid[..., 0].mean(axis=2)  # [seed, T, schedule]
        mean, error = mean_and_error(values)
        excess, excess_error = mean_and_error(values[..., [LINEAR]] - values)
        for i, T in enumerate(lengths):
            best = int(np.argmin(mean[i]))
            below = listed(SCHEDULES, excess[i] > CLEAR * excess_error[i])
            print(
                f"  {label}, T = {T}: lowest with {SCHEDULES[best]}, {pair(mean[i, best], error[i, best])}", end="; "
            )
            print(f"linear {pair(mean[i, LINEAR], error[i, LINEAR])}; clearly below linear: {below}")
            lowest += best == LINEAR
            beaten += below != "none"
    total = len(grids) * len(lengths)
    if len(values) == 1:
        answer = "one seed has no error, so this says nothing yet"
    else:
        answer = "not so" if beaten else "true" if lowest == total else "neither shown nor contradicted"
    print(f"  linear is lowest in {lowest} of {total} comparisons and clearly beaten in {beaten}: {answer}")


def sigmoid_has_a_better_end(lengths: Sequence[int]) -> None:
    print('\n"Sigmoid gives a better alpha_T"')
    pairs = [(schedule_of("linear", T, 0), schedule_of("sigmoid", T, 0)) for T in lengths]
    for linear, sigmoid in pairs:
        print(
            f"  T = {linear.T}: alpha_bar_T {sigmoid.alpha_bar[-1]:.2e}, linear's {linear.alpha_bar[-1]:.2e}",
            end="; ",
        )
        print(f"prior KL {sigmoid.prior_kl():.1e}, linear's {linear.prior_kl():.1e} nats a dimension")
    nearer = [sigmoid.alpha_bar[-1] < linear.alpha_bar[-1] for linear, sigmoid in pairs]
    answer = "true" if all(nearer) else "true there only" if any(nearer) else "not so"
    print(f"  nearer to 0 at T = {listed(lengths, nearer)}: {answer}")


def sigmoid_is_difficult(microseconds: np.ndarray, run_seconds: float) -> None:
    print('\n"Sigmoid is difficult to compute"')
    costs = ", ".join(f"{name} {us:.0f} us" for name, us in zip(SCHEDULES, microseconds, strict=True))
    ratio, share = microseconds[SIGMOID] / microseconds[LINEAR], 1e-6 * microseconds[SIGMOID] / run_seconds
    print(f"  a schedule of 1000 steps takes: {costs}")
    print(f"  sigmoid takes {ratio:.2f} times linear's time, and {share:.1e} of a run's: ", end="")
    print("true" if share > DIFFICULT else "not so")


def listed(names: Sequence[Any], chosen: Sequence[bool] | np.ndarray) -> str:
    return ", ".join(str(name) for name, is_chosen in zip(names, chosen, strict=True) if is_chosen) or "none"


def pair(mean: float, error: float) -> str:
    return f"{mean:.4g}" + ("" if np.isnan(error) else f" +- {error:.1g}")


def entropy(data: str) -> float:
    """Of the points drawn from an image, uniform inside each pixel, in nats: the bound of a perfect model."""
    darkness = images.darkness(IMAGES[data]())
    p = darkness[darkness > 0.0] / darkness.sum()
    return float(-np.sum(p * np.log(p * (max(darkness.shape) / 2.0) ** 2)))  # the longer side is 2 long


# --- and show ----------------------------------------------------------------------------------------------------


def picture(grids: Grids, lengths: Sequence[int], microseconds: np.ndarray) -> Figure:
    """Bound and accuracy for each drawing against T; below, where the schedules end and what they cost."""
    with style.context():
        figure = style.page(style.WIDTH, 1.15 * style.WIDTH)
        panels = figure.subplots(3, 3)
        for column, data in enumerate(IMAGES):
            panels[0, column].set_title(data)
            perfect = {"bound": (entropy(data), "entropy of the data"), "accuracy": (0.5, "told by chance")}
            for axes, (name, (value, text)) in zip(panels[:2, column], perfect.items(), strict=True):
                level(axes, value, text)
                mean, error = mean_and_error(grids[name][:, :, column])  # [T, schedule, rescaled]
                for k, rescaled in itertools.product(range(len(SCHEDULES)), (0, 1)):
                    line(axes, lengths, mean[:, k, rescaled], error[:, k, rescaled], k, rescaled)
        panels[0, 0].set_ylabel("bound on $-\\log p(x_0)$ in nats")
        panels[1, 0].set_ylabel("1-NN accuracy, samples\nagainst fresh points")
        snr, kl, costs = panels[2]
        level(snr, 10.0 * np.log10(TERMINAL_SNR), "rescaled")
        for k, name in enumerate(SCHEDULES):
            schedules = [schedule_of(name, T, 0) for T in lengths]
            line(snr, lengths, [schedule.terminal_snr_db for schedule in schedules], None, k, 0)
            line(kl, lengths, [schedule.prior_kl() for schedule in schedules], None, k, 0)
        snr.set(title="signal left at $t = T$", ylabel="SNR in dB")
        kl.set(title="prior KL", ylabel="nats a dimension", yscale="log")
        for axes in panels.flat[:-1]:
            axes.set(xscale="log", xlabel="steps $T$", xticks=lengths, xticklabels=map(str, lengths))
            axes.minorticks_off()
            axes.margins(y=0.12)  # room for the words below a level
            axes.grid(True)
        costs.barh(SCHEDULES, microseconds, color=[colour for colour, _ in LINES])
        costs.set(title="cost of the schedule", xlabel="µs for $T = 1000$")
        costs.invert_yaxis()
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(SCHEDULES))
        return figure


def line(axes: Any, lengths: Sequence[int], mean: Any, error: Any, k: int, rescaled: int) -> None:
    """A schedule's means and standard errors, a little beside those of the others; hollow where it is rescaled."""
    colour, marker = LINES[k]
    look = {"markerfacecolor": "white", "linestyle": "--", "linewidth": 0.9} if rescaled else {"linewidth": 1.4}
    label = SCHEDULES[k] + (", rescaled" if rescaled else "")
    beside = np.array(lengths) * 1.04 ** (2 * k + rescaled - 3.5)
    axes.errorbar(beside, mean, error, color=colour, marker=marker, markersize=4.0, label=label, **look)


def level(axes: Any, value: float, text: str) -> None:
    axes.axhline(value, color=style.GRAY, linewidth=1.0, linestyle=":")
    axes.annotate(
        text, (0.98, value), (0.0, -2.0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
        ha="right", va="top", fontsize=8.0, color=style.GRAY,
    )  # fmt: skip


if __name__ == "__main__":
    _common.run(main)
