"""Data, a model and images small enough to draw in no time, and what a picture file holds."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

import numpy_diffusion as nd

SCHEDULE = nd.Schedule.linear(T=40)
X0 = nd.datasets.spiral(300, seed=0)
MODEL = nd.oracles.GaussianMixture(np.full(3, 1 / 3), X0[:3], np.tile(0.05 * np.eye(2), (3, 1, 1))).eps(SCHEDULE)
IMAGES = nd.image_datasets.scenes(11, seed=0).x0
CHAIN = {t: IMAGES[:2] * (1 - t / 40) for t in (0, 10, 20, 40)}
LOSSES = np.linspace(1.0, 0.2, 250)


def pixels(path: Path | IO[bytes]) -> np.ndarray:
    """[height, width, 3] of a PNG, in 0..255."""
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"), dtype=np.float64)
