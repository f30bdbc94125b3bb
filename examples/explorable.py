"""A page in which everyone can run the chain: one file, for a lecture, a mail or a site.

    python examples/explorable.py airplane

Trains a network on a drawing (spiral.py tells how) or takes one that `train` left in a folder, and writes a page that
holds it: the browser draws samples by Algorithm 1, DDIM or DPM-Solver++, with the exact score beside the learned one,
and the same seed gives the samples that Python gives.
"""

from __future__ import annotations

import argparse

import _common
import numpy as np

import numpy_diffusion as nd
from numpy_diffusion import figures
from numpy_diffusion.data import drawings

DRAWINGS = {"spiral": drawings.spiral, "airplane": drawings.airplane, "tank": drawings.tank}


def main() -> None:
    parser = _common.parser(__doc__, steps=30_000, meaning="training steps")
    parser.add_argument(
        "drawing", nargs="?", choices=DRAWINGS, default="spiral", help="what to learn (default spiral)"
    )
    parser.add_argument("--run", help="folder of a run on this drawing, to take in place of a training")
    options = parser.parse_args()

    x0 = nd.datasets.from_image(DRAWINGS[options.drawing](), n=100_000, seed=options.seed)
    run = trained(x0, options) if options.run is None else nd.load_run(options.run)

    # The exact score is that of a finite data set, so it pulls to its points where the noise is small: a network that
    # followed it would have learned them by heart.
    title = f"Diffusion, step by step: {options.drawing}"
    page = options.out / f"explorable_{options.drawing}.html"
    print(figures.explorable(run.model, run.schedule, page, data=x0, title=title))

    # What the page draws as it opens, and `explorable.samples()` says in the browser's console:
    samples = nd.sample(run.model, run.schedule, n=3, seed=0, method="ddim", steps=50)
    print("The first samples of its seed 0:", *(f"({x:.4f}, {y:.4f})" for x, y in samples))


def trained(x0: np.ndarray, options: argparse.Namespace) -> nd.Run:
    schedule = nd.Schedule.sigmoid(T=1000)
    model = nd.MLP(dim=2, width=64, depth=4, octaves=7, seed=options.seed)
    weighting = schedule.snr[1:] ** 0.1
    return nd.train(model, schedule, x0, steps=options.steps, batch=1024, weighting=weighting, seed=options.seed)


if __name__ == "__main__":
    _common.run(main)
