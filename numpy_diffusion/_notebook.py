"""What a notebook shows of schedules, images and runs; matplotlib is imported when it does, and not before."""

from __future__ import annotations

from typing import Final

from numpy_diffusion._pictures import draws
from numpy_diffusion.data.captions import Scenes
from numpy_diffusion.data.image_datasets import Images
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training.run import AutoencoderRun, CLIPRun, Run

SHOWN: Final = 40  # images, evenly from all
CAPTIONED: Final = 24  # images with their captions, evenly from all


@draws(Schedule)
def _curves(schedule: Schedule) -> bytes:
    from numpy_diffusion import figures

    return figures.style.png(figures.schedules([schedule]))


@draws(Images)
def _grid(images: Images) -> bytes:
    from numpy_diffusion import figures

    return figures.style.png(figures.image_grid(images.x0[:: -(-len(images.x0) // SHOWN)]))


@draws(Scenes)
def _captioned(scenes: Scenes) -> bytes:
    from numpy_diffusion import figures

    some = slice(None, None, -(-len(scenes.x0) // CAPTIONED))
    return figures.style.png(figures.captioned_images(scenes.x0[some], scenes.captions[some]))


@draws(Run)
@draws(AutoencoderRun)
@draws(CLIPRun)
def _losses(run: Run | AutoencoderRun | CLIPRun) -> bytes | None:
    from numpy_diffusion import figures

    return figures.style.png(figures.loss_curve(run.losses)) if run.step else None
