"""Is latent diffusion cheaper at equal quality?  The article's claim on Stable Diffusion (Rombach et al. 2022).

The same scenes of 64 x 64 pixels, by captions, from two networks of one kind: one works on the pixels, the other on
latents of 4 x 16 x 16.  Each is trained for the same time, of which the latent one spends a part on its autoencoder,
with three seeds; on the way and in the end captions are drawn, and classifiers of real scenes judge them.  Each row
goes to pixel_or_latent.csv at once: a study that was interrupted goes on with the next training.  Prints a table and
a verdict that follows from the numbers, and draws the quality against the minutes of training.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import _common
import _latents
import _scene_quality
import numpy as np
from matplotlib.figure import Figure

import numpy_diffusion as nd
from numpy_diffusion.figures import style

SEEDS: Final = 3
MARKS: Final = 3  # how often each training is judged
CHAIN: Final = 25  # steps
BATCH: Final = 16  # of both: in so short a time more steps are worth more than larger ones
RATE: Final = 1e-3  # of both: with more, networks on the pixels collapse
TRIED: Final = 8  # training steps that are timed beforehand
TIMED: Final = 16  # samples that are drawn to see what one costs
PIXEL_CHANNELS: Final = (32, 32, 64, 64)
SPACES: Final = {"pixels": (style.BLUE, "o"), "latents": (style.ORANGE, "s")}
ENOUGH: Final = 8.0  # how many times cheaper a sample in latent space should be


class Row(NamedTuple):
    """What a network is worth at some moment of its training."""

    setting: str  # all options that change the rest
    space: str
    seed: int
    seconds: float  # of training, those of the autoencoder among them
    step: int
    distance: float  # of Frechet, in the classifiers' features
    right: float  # share of attributes, of the four that each caption tells, that are as they were asked for
    step_ms: float  # of training
    sample_ms: float  # of one picture, decoding included


class Space(NamedTuple):
    """Where a network works: its data, and the way from there to pictures."""

    x0: np.ndarray
    told: nd.Condition
    channels: tuple[int, ...]
    to_pictures: Callable[[np.ndarray], np.ndarray]
    seconds: float  # that are spent before the network's training


def main() -> None:
    parser = _common.parser(__doc__, steps=0, meaning="training steps of each network, if not by time")
    parser.add_argument("--minutes", type=float, default=7.0, help="of each training (default 7)")
    parser.add_argument("--autoencoder-steps", type=int, default=1500, help="of the autoencoder (default 1,500)")
    parser.add_argument("--scenes", type=int, default=4000, help="to learn from (default 4,000)")
    parser.add_argument("--samples", type=int, default=200, help="to judge, each time (default 200)")
    parser.add_argument("--length", type=int, default=1000, help="T, the steps of the chain (default 1,000)")
    options = parser.parse_args()
    path = options.out / "pixel_or_latent.csv"
    rows = list(study(options, path))
    report(rows)
    print(path)
    _common.save(picture(rows), options.out / "pixel_or_latent.png")


def study(options: Any, path: Path) -> Iterator[Row]:
    """The rows of all trainings, from the file as far as it has them whole."""
    known, judge = [row for row in stored(path) if row.setting == setting(options)], None
    print(f"{2 * SEEDS} trainings of {options.minutes:g} minutes each, and as long again to judge them on the way")
    for seed in range(options.seed, options.seed + SEEDS):
        for space in SPACES:
            found = [row for row in known if (row.space, row.seed) == (space, seed)]
            if len(found) < MARKS:
                judge = judge or _scene_quality.trained(_latents.SIZE)
                found = judged(space, seed, options, judge)
                append(path, found)
            yield from found


def setting(options: Any) -> str:
    """What a row depends on beside space and seed, in words."""
    length = f"{options.steps} steps" if options.steps else f"{options.minutes:g} minutes"
    first = f"{length}, {options.autoencoder_steps} of the autoencoder, {options.scenes} scenes"
    return f"{first}, {options.samples} samples, T = {options.length}"


def judged(space: str, seed: int, options: Any, judge: _scene_quality.Judge) -> list[Row]:
    """Train in this space for the minutes, and judge the network as often as MARKS says."""
    works = (_of_pixels if space == "pixels" else _of_latents)(seed, options)
    schedule = nd.Schedule.linear(T=options.length)
    model = _latents.text_unet(works.x0.shape[1:], works.channels, seed)
    pace = _pace(model, schedule, works)
    stretch = max(1, (options.steps or round((60.0 * options.minutes - works.seconds) / pace)) // MARKS)
    asked = nd.captions.scenes(options.samples, _latents.SIZE, seed + _latents.JUDGED)
    tokens, timed = _latents.tokens(asked.captions), min(TIMED, options.samples)
    rows: list[Row] = []

    def draw(model: nd.TextUNet, n: int) -> np.ndarray:
        guided, steps = _latents.guided(model, tokens.rows(slice(0, n))), min(CHAIN, schedule.T)
        return works.to_pictures(nd.sample(guided, schedule, n, seed, method="ddim", steps=steps, progress=False))

    def tell(run: nd.Run) -> None:
        x, told = draw(run.model, options.samples), nd.captions.parse(asked.captions)
        shares, distance = _scene_quality.agreement(judge, x, told), _scene_quality.distance(judge, x, asked.x0)
        right = float(np.mean([shares[name] for name in _scene_quality.FOUR]))
        began = time.perf_counter()
        draw(run.model, timed)
        sample_ms = 1000.0 * (time.perf_counter() - began) / timed
        seconds = works.seconds + pace * run.step
        rows.append(
            Row(
                setting(options),
                space,
                seed,
                seconds,
                run.step,
                distance,
                right,
                1000.0 * pace,
                sample_ms,
            )
        )

    more = dict(batch=BATCH, rate=RATE, checkpoint_every=stretch, after_checkpoint=tell)
    _latents.trained(model, schedule, works.x0, works.told, MARKS * stretch, seed, None, **more)
    return rows


def _of_pixels(seed: int, options: Any) -> Space:
    scenes = nd.captions.scenes(options.scenes, _latents.SIZE, seed)
    return Space(scenes.x0, _latents.tokens(scenes.captions), PIXEL_CHANNELS, lambda x: np.clip(x, -1.0, 1.0), 0.0)


def _of_latents(seed: int, options: Any) -> Space:
    """Latents of an autoencoder that is trained first: what that takes is counted, but not what compiling takes."""
    _latents.trained_autoencoder(seed, 1, 100, None)
    began = time.perf_counter()
    autoencoder = _latents.trained_autoencoder(seed, options.autoencoder_steps, options.scenes, None)
    z, told = _latents.latents(autoencoder, options.scenes, seed)
    seconds, factor = time.perf_counter() - began, np.float32(autoencoder.scaling_factor)
    return Space(z, told, _latents.CHANNELS, lambda z: np.clip(autoencoder.decode(z / factor), -1.0, 1.0), seconds)


def _pace(model: nd.TextUNet, schedule: nd.Schedule, works: Space) -> float:
    """Seconds of a training step: the least of some, for what else the machine does is not the network's."""
    rehearsal, marks = model.copy(), []
    options = dict(steps=TRIED + 2, batch=BATCH)
    for _ in nd.train_steps(rehearsal, schedule, works.x0, works.told, **options):
        marks.append(time.perf_counter())
    return float(np.diff(marks).min())


# --- what the numbers say ----------------------------------------------------------------------------------------


def report(rows: list[Row]) -> None:
    """The table at the end of training, means over the seeds, and the verdict."""
    last = {space: final(rows, space) for space in SPACES}
    print(f"\n{'':<10}{'ms a step':>12}{'ms a sample':>14}{'Frechet':>18}{'attributes right':>20}")
    for space, values in last.items():
        texts = (f"{np.mean(values[:, k]):.3f} ({np.std(values[:, k]):.3f})" for k in (2, 3))
        print(f"{space:<10}{np.mean(values[:, 0]):>12.0f}{np.mean(values[:, 1]):>14.1f}", end="")
        print(*(f"{text:>18}" for text in texts))
    cheaper = last["pixels"][:, :2].mean(axis=0) / last["latents"][:, :2].mean(axis=0)
    print(f"\nIn latent space a training step is {cheaper[0]:.1f} times cheaper, a sample {cheaper[1]:.1f} times.")
    print(verdict(last["pixels"], last["latents"], float(cheaper[1])))


def final(rows: list[Row], space: str) -> np.ndarray:
    """Of each seed at the end of its training: milliseconds of a step and of a sample, distance, share right."""
    ends: dict[int, Row] = {row.seed: row for row in rows if row.space == space}
    return np.array([[row.step_ms, row.sample_ms, row.distance, row.right] for row in ends.values()])


def verdict(pixels: np.ndarray, latents: np.ndarray, cheaper: float) -> str:
    """The claim, less cost at equal quality, against the numbers of every seed."""
    nearer, righter = (latents[:, 2] < pixels[:, 2]).sum(), (latents[:, 3] > pixels[:, 3]).sum()
    n = len(pixels)
    quality = f"After the same time latents are nearer to real scenes in {nearer} of {n} seeds, righter in {righter}"
    cost = f"a sample costs {cheaper:.1f} times less"
    if nearer == righter == n and cheaper > 1.0:
        answer = "true, and more" if cheaper >= ENOUGH else "true"
    elif nearer == righter == 0:
        answer = "not so"
    else:
        answer = "true of the cost, open of the quality"
    return f"{quality}; {cost}: the claim is {answer}."


def picture(rows: list[Row]) -> Figure:
    """Distance and share right against the time of training, a line for each seed."""
    with style.context():
        figure = style.page(style.WIDTH, 0.45 * style.WIDTH)
        panels = figure.subplots(1, 2)
        for axes, name in zip(panels, ("distance", "right"), strict=True):
            for space, (colour, mark) in SPACES.items():
                for seed in sorted({row.seed for row in rows}):
                    own = [row for row in rows if (row.space, row.seed) == (space, seed)]
                    minutes, values = [row.seconds / 60.0 for row in own], [getattr(row, name) for row in own]
                    label = space if seed == rows[0].seed else None
                    axes.plot(minutes, values, color=colour, marker=mark, markersize=5.0, label=label)
            axes.set(xlabel="minutes of training", xlim=(0.0, None))
            axes.grid(True)
        panels[0].set(ylabel="Frechet distance to real scenes", yscale="log")
        panels[1].set(ylabel="share of attributes as asked for", ylim=(0.0, 1.0))
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(SPACES))
        return figure


# --- its file ----------------------------------------------------------------------------------------------------


def stored(path: Path) -> list[Row]:
    """The rows of the file, if there is one."""
    if not path.exists():
        return []
    lines = csv.DictReader(io.StringIO(path.read_text()))
    if tuple(lines.fieldnames or ()) != Row._fields:
        raise ValueError(f"{path}: expected the columns {', '.join(Row._fields)}; move the file away to start anew")
    kinds = {"setting": str, "space": str, "seed": int, "step": int}
    return [Row(**{name: kinds.get(name, float)(value) for name, value in line.items()}) for line in lines]


def append(path: Path, rows: list[Row]) -> None:
    """The rows of a training, all at once."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if not path.exists():
        writer.writerow(Row._fields)
    writer.writerows(rows)
    with open(path, "a") as file:
        file.write(text.getvalue())


if __name__ == "__main__":
    _common.run(main)
