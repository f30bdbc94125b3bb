"""What a notebook shows: pictures of schedules, images and runs, and words of a few lines of all else."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.pictures import pixels

import numpy_diffusion as nd
from numpy_diffusion import _pictures, figures
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.sampling.solvers import coefficients
from numpy_diffusion.sampling.spacing import Solver
from numpy_diffusion.training import checkpoints

SOLVER = Solver("ancestral", "leading")

SCHEDULE = nd.Schedule.linear(T=40)
IMAGES = nd.image_datasets.scenes(90)
CAPTIONED = nd.captions.scenes(50, size=16)


def run(steps: int = 30, **options: Any) -> nd.Run:
    x0 = nd.datasets.spiral(64)
    return nd.train(nd.MLP(2, 8, 0), SCHEDULE, x0, steps=steps, batch=8, backend="numpy", progress=False, **options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> nd.Run:
    return run(out=tmp_path_factory.mktemp("notebook") / "run")


def test_the_pictures_are_those_of_the_figures(trained: nd.Run) -> None:
    shown = [
        (SCHEDULE, figures.schedules([SCHEDULE])),
        (IMAGES, figures.image_grid(IMAGES.x0[::3])),
        (IMAGES._replace(x0=IMAGES.x0[:40]), figures.image_grid(IMAGES.x0[:40])),
        (CAPTIONED, figures.captioned_images(CAPTIONED.x0[::3], CAPTIONED.captions[::3])),
        (trained, figures.loss_curve(trained.losses)),
    ]
    for thing, figure in shown:
        np.testing.assert_array_equal(pixels(io.BytesIO(thing._repr_png_())), pixels(io.BytesIO(figure._repr_png_())))


def test_where_there_is_nothing_to_see_words_are_left(trained: nd.Run) -> None:
    assert nd.Run(trained.model, SCHEDULE, trained.losses[:0], 30, None)._repr_png_() is None
    assert _pictures.png(3) is None


def test_matplotlib_is_imported_when_a_picture_is_shown_and_not_before() -> None:
    code = (
        "import sys, numpy_diffusion as nd; schedule = nd.Schedule.linear(10); repr(schedule)\n"
        "assert 'matplotlib' not in sys.modules\n"
        "schedule._repr_png_(); assert 'matplotlib' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_words_are_few_and_no_address(trained: nd.Run) -> None:
    network = (
        "MLP(dim=2, width=8, depth=0, residual=True, embedding=16, octaves=0, learn_variance=False): 170 parameters"
    )
    assert repr(trained.model) == network
    loss = f"loss {trained.losses.mean():.4f} (mean of the last 30)"
    guided = nd.guided(lambda x, t, labels: x, [0, 1, 2], 0.5, null=9)
    nowhere = nd.Run(trained.model, SCHEDULE, trained.losses[:0], 30, None)
    stored = checkpoints.read(trained.path or Path())
    words = {
        f"Run: 30 of 30 steps, {loss}, in {trained.path}\n  {network}\n  {SCHEDULE}": trained,
        f"Run: 0 of 30 steps\n  {network}\n  {SCHEDULE}": nowhere,
        f"Checkpoint: 30 of 30 steps, {loss}\n  {network}\n  {SCHEDULE}": stored,
        "Images: float32 [90, 1, 32, 32], classes spiral, airplane, tank": IMAGES,
        "Images: float32 [90, 1, 32, 32], classes 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...": IMAGES._replace(
            names=tuple(map(str, range(13)))
        ),
        "Coefficients: 40 rows, from t = 40 to 0": coefficients(SCHEDULE),
        f"Pipeline: {network}\n  {SCHEDULE}\n  prediction 'eps', clip 1.0, variance 'beta', {SOLVER}": nd.Pipeline(
            trained.model, SCHEDULE
        ),
        "Guided(<lambda>, Condition(labels [3]), 0.5)": guided,
        "Clipped(Guided(<lambda>, Condition(labels [3]), 0.5), -1, 1)": nd.clipped(guided, SCHEDULE),
        f"AsEps({network}, 'v')": nd.as_eps(trained.model, SCHEDULE, "v"),
        "Condition(labels 3, embedding [2, 5])": Condition(labels=3, embedding=np.zeros((2, 5))),
    }
    for expected, thing in words.items():
        assert repr(thing) == expected
