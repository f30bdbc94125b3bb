"""What a notebook shows of schedules, images and runs; matplotlib is imported when it does, and not before."""

from __future__ import annotations

from typing import Final

from numpy_diffusion._pictures import draws
from numpy_diffusion.data.image_datasets import Images
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training.run import Run

SHOWN: Final = 40  # images, evenly from all


@draws(Schedule)
def _curves(schedule: Schedule) -> bytes:
    from numpy_diffusion import figures

    return figures.style.png(figures.schedules([schedule]))


@draws(Images)
def _grid(images: Images) -> bytes:
    from numpy_diffusion import figures

    return figures.style.png(figures.image_grid(images.x0[:: -(-len(images.x0) // SHOWN)]))


@draws(Run)
def _losses(run: Run) -> bytes | None:
    from numpy_diffusion import figures

    return figures.style.png(figures.loss_curve(run.losses)) if run.step else None
