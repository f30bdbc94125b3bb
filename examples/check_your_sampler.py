"""Is a sampler right?  Slips that shipped elsewhere, found in a table and a picture.

`check_sampler` runs one function, step(eps_model, x, t, s, schedule, z), down whole chains with the exact network of
a Gaussian and of a mixture.  To check your own sampler, write it as such a step and hand it over as below.

The distance from the data alone would not tell: it falls with the steps for some slips too, and may by accident be
smaller than that of a right sampler.  The distance from what a right sampler gives, with as many steps, does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import _common
import numpy as np
from matplotlib.figure import Figure

import numpy_diffusion as nd
from numpy_diffusion.evaluation.sampler_check import Report, Step, check_sampler
from numpy_diffusion.figures import style

# --- right samplers, as a reader might write them (the types are those of `Step`) ---------------------------------


def predicted(eps_model: Any, x: np.ndarray, t: int, schedule: nd.Schedule) -> tuple[np.ndarray, np.ndarray]:
    """eps, and the x_0 that it means."""
    eps = eps_model(x, t)
    return eps, (x - np.sqrt(1.0 - schedule.alpha_bar[t]) * eps) / np.sqrt(schedule.alpha_bar[t])


def ddim(eps_model, x, t, s, schedule, z):
    eps, x0 = predicted(eps_model, x, t, schedule)
    return np.sqrt(schedule.alpha_bar[s]) * x0 + np.sqrt(1.0 - schedule.alpha_bar[s]) * eps


def posterior(eps_model, x, t, s, schedule):
    """Mean of p(x_s | x_t), and its two variances beta and beta_tilde, with the step from t to s for the paper's."""
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    beta = 1.0 - now / then
    on_x0, on_x = np.sqrt(then) * beta / (1.0 - now), np.sqrt(now / then) * (1.0 - then) / (1.0 - now)
    mean = on_x0 * predicted(eps_model, x, t, schedule)[1] + on_x * x
    return mean, beta, beta * (1.0 - then) / (1.0 - now)


def ancestral(eps_model, x, t, s, schedule, z):
    mean, beta, _ = posterior(eps_model, x, t, s, schedule)
    return mean + np.sqrt(beta) * z if s > 0 else mean


def learned(eps_model, x, t, s, schedule, z):
    """A variance between the two, in their logarithms; half way, for a network's own answer."""
    mean, beta, beta_tilde = posterior(eps_model, x, t, s, schedule)
    return mean + np.exp(0.5 * (0.5 * np.log(beta) + 0.5 * np.log(beta_tilde))) * z if s > 0 else mean


# --- and the slips -----------------------------------------------------------------------------------------------


def wrong_sign(eps_model, x, t, s, schedule, z):
    """The direction to x_t is taken away, not added."""
    eps, x0 = predicted(eps_model, x, t, schedule)
    return np.sqrt(schedule.alpha_bar[s]) * x0 - np.sqrt(1.0 - schedule.alpha_bar[s]) * eps


def without_logarithms(eps_model, x, t, s, schedule, z):
    """The variances are interpolated, not their logarithms (huggingface/diffusers, pull 2090)."""
    mean, beta, beta_tilde = posterior(eps_model, x, t, s, schedule)
    return mean + np.sqrt(0.5 * beta + 0.5 * beta_tilde) * z if s > 0 else mean


def previous_is_t_minus_1(eps_model, x, t, s, schedule, z):
    """Whatever the next chosen step is, the formulas get t - 1 (pull 2076)."""
    return ancestral(eps_model, x, t, t - 1, schedule, z)


class FixedStride:
    """The next chosen step is guessed from one stride, T // steps, for all: right where it divides T (pull 9384)."""

    def __call__(self, eps_model, x, t, s, schedule, z):
        if t == schedule.T:
            self.stride = t - s
        return ancestral(eps_model, x, t, max(t - self.stride, 0), schedule, z)


def beta_of_the_full_chain(eps_model, x, t, s, schedule, z):
    """beta_t of the full chain is the variance of a step that skips many (pull 3006)."""
    mean, _, _ = posterior(eps_model, x, t, s, schedule)
    return mean + np.sqrt(schedule.beta[t]) * z if s > 0 else mean


# --- the check ---------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    name: str
    step: Step
    declared: dict[str, Any]  # the kind that it claims to be
    colour: str
    line: str  # solid where it is right


BETA, LEARNED = {"kind": "ancestral"}, {"kind": "ancestral", "variance": 0.5}
SKY, YELLOW = "#56b4e9", "#e69f00"
CASES = (
    Case("DDIM", ddim, {"kind": "ddim"}, style.BLUE, "o-"),
    Case("ancestral, beta", ancestral, BETA, style.GREEN, "s-"),
    Case("ancestral, learned variance", learned, LEARNED, SKY, "^-"),
    Case("slip: DDIM's direction, its sign", wrong_sign, {"kind": "ddim"}, style.ORANGE, "x--"),
    Case("slip: variances without log", without_logarithms, LEARNED, style.PINK, "x--"),
    Case("slip: t - 1 for the next step", previous_is_t_minus_1, BETA, "black", "x:"),
    Case("slip: one stride for all steps", FixedStride(), BETA, YELLOW, "x-."),
    Case("slip: beta_t of the full chain", beta_of_the_full_chain, BETA, style.GRAY, "x--"),
)
TOLERANCE = 1e-6
ROUNDING = 1e-16  # where the picture shows what is exactly 0


def main() -> None:
    options = _common.parser(__doc__, steps=128, meaning="the most steps of a chain; halved four times").parse_args()
    steps = sorted({max(options.steps >> k, 1) for k in range(5)}) if options.steps > 0 else [options.steps]
    reports = [
        check_sampler(case.step, steps=steps, tolerance=TOLERANCE, seed=options.seed, **case.declared)
        for case in CASES
    ]
    for number in (0, 3):
        print(f"{CASES[number].name}\n{reports[number]}\n")
    print("All of them on the Gaussian: the covariance's distance from the data, as a share, and the verdict\n")
    print(f"{'steps':34}{''.join(f'{number:9}' for number in steps)}  wrong  the worst")
    for case, report in zip(CASES, reports, strict=True):
        rows = report.of("Gaussian")
        wrong = [row for row in rows if row.verdict != "right"]
        worst = max(rows, key=lambda row: row.off.mean + row.off.covariance).verdict
        errors = "".join(f"{row.error.covariance:9.1e}" for row in rows)
        print(f"{case.name:34}{errors}{f'{len(wrong)}/{len(rows)}':>7}  {worst}")
    print(f"\nThe tolerance is {TOLERANCE:g} of the data's own; on the mixture five standard errors more.\n")
    _common.save(picture(reports), options.out / "check_your_sampler.png")


def picture(reports: list[Report]) -> Figure:
    """The covariance's distance from the data and from the right answer against the number of steps."""
    with style.context():
        figure = style.page(style.WIDTH, 0.66 * style.WIDTH)
        data, right = figure.subplots(1, 2)
        for case, report in zip(CASES, reports, strict=True):
            rows = report.of("Gaussian")
            steps = [row.steps for row in rows]
            look = {"color": case.colour, "markersize": 5.0, "linewidth": 1.4 if "x" in case.line else 2.4}
            data.plot(steps, [row.error.covariance for row in rows], case.line, label=case.name, **look)
            right.plot(steps, [max(row.off.covariance, ROUNDING) for row in rows], case.line, **look)
        right.axhspan(ROUNDING / 10.0, TOLERANCE, color=style.GREEN, alpha=0.1, linewidth=0.0)
        right.text(steps[-1], TOLERANCE / 3.0, "right: within the tolerance", ha="right", va="top")
        data.set(title="Distance from the data", ylabel=r"error of the covariance, as a share of $|C|$")
        right.set(title="Distance from a right sampler of its kind", ylim=(ROUNDING / 10.0, 100.0))
        for axes in (data, right):
            axes.set(xlabel="steps of the chain", xscale="log", yscale="log")
            axes.set_xticks(steps, [str(number) for number in steps])
            axes.minorticks_off()
            axes.grid(True)
        figure.legend(loc="outside lower center", ncols=3, fontsize=8.5, columnspacing=1.2)  # the right ones first
        return figure


if __name__ == "__main__":
    _common.run(main)
