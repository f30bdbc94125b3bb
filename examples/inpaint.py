"""Digits with a part missing, filled in four ways each by RePaint (Lugmayr et al. 2022).

Uses the run of examples/digits.py that --run names, or trains a network on MNIST first.  Of some digits that it was
not trained on the lower half is hidden, of others a square in the middle.  The network is not told what digit it is:
where the rest leaves open what was there, the four differ.
"""

from __future__ import annotations

import _common
import _images
import digits
import numpy as np

import numpy_diffusion as nd
from numpy_diffusion import figures

WAYS = 4  # of filling in each image


def main() -> None:
    parser = _images.parser(__doc__, steps=4000)
    parser.add_argument("--chain", type=int, default=100, help="steps of the chain to take (default 100)")
    options = parser.parse_args()
    images, schedule = nd.image_datasets.mnist(), nd.Schedule.linear(T=options.length)
    train, held_out = digits.split(images)
    run = _images.trained(train, schedule, options, "inpaint")
    model = nd.clipped(nd.guided(run.model, run.model.null_label, 0.0), schedule)

    size = images.x0.shape[-1]
    lower, middle = np.ones((2, 1, size, size), np.float32)
    lower[:, size // 2 :] = 0.0
    middle[:, size // 3 : -size // 3, size // 3 : -size // 3] = 0.0
    rows = []
    for number, x0 in enumerate(held_out.x0[25::50][:6]):
        mask = (lower, middle)[number % 2]
        hidden = np.where(mask == 1.0, x0, np.float32(0.0))
        ways = nd.inpaint(
            model,
            schedule,
            x0,
            mask,
            WAYS,
            options.seed,
            steps=options.chain,
            resample=5,
            jump=max(1, options.chain // 10),
        )
        rows += [np.concatenate([x0[None], hidden[None], ways])]
    above = ["whole", "given", *(f"filled in, {way}" for way in range(1, WAYS + 1))]
    titles = ["lower half hidden" if number % 2 == 0 else "middle hidden" for number in range(len(rows))]
    grid = figures.image_grid(np.concatenate(rows), columns=2 + WAYS, row_titles=titles, column_titles=above)
    _common.save(grid, options.out / "inpaint.png")


if __name__ == "__main__":
    _common.run(main)
