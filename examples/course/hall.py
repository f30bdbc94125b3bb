"""The hall of broken implementations: each has one slip that shipped elsewhere.  Which line is it?

python hall.py                 (a game in the terminal)
python hall.py --write         (makes hall.md and its pictures anew)
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import _hall_pictures as pictures
import numpy as np

import numpy_diffusion as nd
from numpy_diffusion.figures import style

HALL = Path(__file__).parent / "hall"
PAGE = HALL.parent / "hall.md"


class Entry(NamedTuple):
    """A file of the hall, and what is known of it."""

    file: str
    title: str
    line: str  # the broken one, as it stands there
    why: str
    shipped: str
    check: str  # what finds it, as a reader writes it; `broken` is the file
    draw: Callable[..., None]


def _sampler(kind: str, more: str = "") -> str:
    return f'nd.check_sampler(broken.step, kind="{kind}"{more}).sentence'


ENTRIES = (
    Entry(
        "ddim_sign", "The wrong way round", "return np.sqrt(then) * x0 - direction",
        "The direction to x_t is added.  With the minus x_s has the right length and lies on the other side.",
        "in hand-written implementations of DDIM", _sampler("ddim"), pictures.of_ddim,
    ),
    Entry(
        "previous_step", "One step back", "previous = t - 1",
        "A chain that skips goes from t to s.  With all 1000 steps the code is right, and so its tests passed.",
        "in diffusers: pull request 2076", _sampler("ancestral"), pictures.of_steps,
    ),
    Entry(
        "fixed_stride", "A stride for all", "previous = max(t - self.stride, 0)",
        "The next step is s.  The guess is right where all steps are equally far apart, as in the chains that "
        "everyone tries first; here they are closer together at the end, as many samplers choose them.",
        "in diffusers: pull request 9384, issues 11347 and 12633", _sampler("ancestral"), pictures.of_stride,
    ),
    Entry(
        "beta_of_the_chain", "Too little noise", "sigma = np.sqrt(schedule.beta[t])",
        "beta_t is what one step adds.  A step that skips twenty adds about twenty times as much, 1 - alpha.",
        "in diffusers, for one of two variances: pull request 3006", _sampler("ancestral"), pictures.of_steps,
    ),
    Entry(
        "learned_variance", "Between two variances", "variance = FRACTION * high + (1 - FRACTION) * low",
        "It is the logarithms that are interpolated (Nichol and Dhariwal 2021, eq 15).  Little is to be seen in the "
        "samples, so nobody saw it; the check does.",
        "in diffusers: pull request 2090", _sampler("ancestral", ", variance=0.5"),
        pictures.of_learned_variance,
    ),
    Entry(
        "chosen_steps", "Every k-th step", "chosen = every[:k]",
        "These are the first k steps, 1 to 50.  Every (T / k)-th is every[:: T // k]; at 50 x is nearly data, and "
        "the chain starts there with pure noise.",
        "in a hand-written implementation", "broken.chosen_steps(1000, 50)[0]",
        pictures.of_chosen_steps,
    ),
    Entry(
        "short_chain", "Fifty steps of a thousand", "beta_1, beta_T = 1e-4, 0.02",
        "These are the ends for T = 1000.  With T = 50 more than half of the signal is left in x_T, and sampling "
        "starts from noise that has none: from the origin, wherever the data is.",
        "in a hand-written implementation, as its default", "nd.check_schedule(broken.betas).sentence",
        pictures.of_short_chain,
    ),
    Entry(
        "alpha_bar", "A little late", "alpha_bar[t] = product",
        "The product has to take up alpha[t] first: the two lines in the loop are exchanged.  In a chain of 1000 "
        "steps nothing is to be seen, in one of 20 the last noise stays.",
        "in a hand-written implementation",
        'nd.check_lab(1, {"alpha_bars": broken.alpha_bars}).answers[1].report.sentence', pictures.of_alpha_bar,
    ),
    Entry(
        "uniform_noise", "Noise, of a kind", "noise = rng.random(x.shape)",
        "rng.random is uniform in 0..1: of mean 1/2, so that all points wander off to one corner.  And the factor of "
        "the noise in the next line, beta[t], has no square root: two slips, of which one is enough.",
        "in a hand-written implementation",
        "broken.add_noise(np.zeros(9999), 1, [0, 1], np.random.default_rng(0)).mean().round(2)",
        pictures.of_noise,
    ),
    Entry(
        "place_in_batch", "What time is it?", "when = np.arange(len(x0))",
        "The network is told the place of a sample in the batch, which says nothing of its t.  It learns the mean "
        "over all t, and the loss falls nicely.",
        "in a hand-written implementation, in its time embedding",
        'nd.check_lab(4, {"loss": broken.loss}).answers[0].report.sentence', pictures.of_place,
    ),
    Entry(
        "adam_of_a_layer", "Adam of a layer", "m_hat = m / (1 - 0.9**LAYER)",
        "The bias goes with the number of steps, k.  With the layer's number, here and in the next line, every layer "
        "has a rate of its own: the first twice what was asked for at the start, and a third of it in the long run.",
        "in a hand-written implementation",
        'nd.check_lab(4, {"adam_step": broken.adam_step}).answers[1].report.sentence', pictures.of_adam,
    ),
    Entry(
        "last_step", "Never trained", "return rng.integers(low, high, n)",
        "NumPy leaves out the upper end: t = T is never drawn, and the first step of each chain asks a network that "
        "was never trained for it.",
        "in a hand-written implementation",
        "broken.drawn_steps(np.random.default_rng(0), 9999, 10).max()",
        pictures.of_last_step,
    ),
    Entry(
        "min_snr", "Nothing by nothing", "return np.minimum(snr, 5) / snr",
        "At the end of a schedule with no signal left the SNR is 0, and 0 / 0 is no number: after one batch with t = "
        "T no weight of the network is one either.  The weight is 1 wherever the SNR is below 5.",
        "in a hand-written implementation", "broken.weights(np.array([0.5, 0.0]))",
        pictures.of_min_snr,
    ),
    Entry(
        "embedding", "A whisper", "return embedding / length",
        "A vector of length 1 in 768 dimensions has coordinates of about 0.04, and noise of 1 each drowns it in a "
        "few steps.  Multiplied by sqrt(768) its coordinates have variance 1, as the schedule expects.",
        "in lucidrains/DALLE2-pytorch, issue 60",
        "np.mean(broken.ready(np.ones((1, 768))) ** 2).round(4)", pictures.of_embedding,
    ),
)  # fmt: skip


def module(entry: Entry) -> ModuleType:
    """The file, run."""
    spec = importlib.util.spec_from_file_location(entry.file, HALL / f"{entry.file}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@cache
def found(entry: Entry) -> str:
    """What the check says."""
    with np.errstate(invalid="ignore"):
        return str(eval(entry.check, {"nd": nd, "np": np, "broken": module(entry)}))


def shown(entry: Entry) -> tuple[str, list[str], int]:
    """What the code is for, its lines without that, and the number of the broken one among them, from 1 on."""
    text = (HALL / f"{entry.file}.py").read_text()
    lines = text.split('"""\n', 1)[1].strip("\n").splitlines()
    [number] = [k for k, line in enumerate(lines, 1) if line.strip() == entry.line]
    return str(ast.get_docstring(ast.parse(text))), lines, number


# --- the page ----------------------------------------------------------------------------------------------------


def page() -> Iterator[str]:
    """The lines of hall.md."""
    yield "# The hall of broken implementations"
    yield ""
    yield "Each of these has one slip that shipped elsewhere.  Which line is it?  Look at the samples first: the"
    yield "network is exact, so all that is wrong with them is the code's.  `python hall.py` asks you in a terminal."
    yield ""
    yield "Made by `python examples/course/hall.py --write`."
    for number, entry in enumerate(ENTRIES, 1):
        purpose, lines, line = shown(entry)
        yield from ("", f"## {number}. {entry.title}", "", purpose, "", "```python", *lines, "```", "")
        yield from (f"![Right and broken, side by side](hall/{entry.file}.png)", "")
        yield from ("<details><summary>Which line?</summary>", "", f"Line {line}: `{entry.line}`", "")
        yield from (entry.why.replace(".  ", ". "), "", f"It shipped {entry.shipped}.", "", "What finds it:", "")
        yield from ("```python", f">>> {entry.check}", found(entry), "```", "", "</details>")


def picture(entry: Entry) -> style.Picture:
    """What the slip does, beside what is right."""
    figure = style.page(5.6, 2.9)
    entry.draw(figure.subplots(1, 2), module(entry))
    return figure


def write() -> None:
    with style.context():
        for entry in ENTRIES:
            style.save(picture(entry), HALL / f"{entry.file}.png")
    PAGE.write_text("\n".join(page()) + "\n")


# --- the game ----------------------------------------------------------------------------------------------------


def play(ask: Callable[[str], str] = input) -> int:
    """Ask for the line of each; how many were told at once."""
    score = 0
    for number, entry in enumerate(ENTRIES, 1):
        purpose, lines, right = shown(entry)
        print(f"\n{number} of {len(ENTRIES)}: {entry.title}.  {purpose}\n")
        print("\n".join(f"{k:3}  {line}" for k, line in enumerate(lines, 1)))
        answer = ask("\nWhich line is broken? ").strip()
        score += answer == str(right)
        print(f"{'Yes' if answer == str(right) else 'No'}, line {right}.  {entry.why}\nIt shipped {entry.shipped}.")
        print(f"\n>>> {entry.check}\n{found(entry)}")
    print(f"\n{score} of {len(ENTRIES)}.")
    return score


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--write", action="store_true", help="make hall.md and its pictures anew")
    if options.parse_args().write:
        write()
        return
    try:
        play()
    except (EOFError, KeyboardInterrupt):
        sys.exit("\nuntil next time")


if __name__ == "__main__":
    main()
