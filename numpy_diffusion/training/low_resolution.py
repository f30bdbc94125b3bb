"""What a training step shows of images and of the low-resolution images to go by: blurred, enlarged, and a part.

An upsampler is trained on parts of its images, which cost less and are more varied; having no attention, it runs on
whole ones.  The image to go by is slightly blurred, so that small faults of the stage before do not matter (Ramesh
et al. 2022, arXiv 2204.06125, section 2.1; Ho et al. 2021, arXiv 2106.15282, section 4).

Blurring, enlarging and cutting are linear maps of rows and of columns, so that both are done at once:

    y = (S B) x (S B)^T,   B the blur [h, h], S the rows of the bicubic map [H, h] that are shown
"""

from __future__ import annotations

from typing import Final

import numpy as np

from numpy_diffusion.layers import bicubic
from numpy_diffusion.noise import STREAM_BLUR, STREAM_CROP, integers, uniform

BLUR: Final = 0.6  # the largest deviation, in pixels of the low-resolution image


def part(
    x0: np.ndarray, low: np.ndarray, crop: int | None, samples: np.ndarray, seed: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same square of each image [N, C, crop, crop], and of the one to go by, enlarged and slightly blurred.

    Squares begin at a pixel of the low-resolution image, so that its pixels lie in each as they do in the whole.

    Parameters
    ----------
    x0 : images [N, C, H, W]
    low : [N, C, h, w], of which H and W are multiples
    crop : a multiple of H / h and W / w; None for whole images
    samples : their numbers in the batch [N]
    """
    (N, _, H, W), (h, w) = x0.shape, low.shape[2:]
    each = np.arange(N)[:, None, None]
    height, width = (H, W) if crop is None else (crop, crop)
    places = [(H - height) * h // H + 1, (W - width) * w // W + 1]
    top, left = integers(seed, STREAM_CROP, samples, step, places).T * np.array([[H // h], [W // w]])
    deviation = BLUR * uniform(seed, STREAM_BLUR, samples, step, 1)[:, 0]
    rows, columns = top[:, None] + np.arange(height), left[:, None] + np.arange(width)
    down, across = (
        (bicubic.matrix(large, small)[shown] @ blur(small, deviation)).astype(low.dtype)[:, None]
        for large, small, shown in ((H, h, rows), (W, w, columns))
    )
    shown = x0[each, :, rows[:, :, None], columns[:, None, :]]
    return np.ascontiguousarray(np.moveaxis(shown, 3, 1)), down @ low @ across.swapaxes(2, 3)


def check(x0: np.ndarray, low: np.ndarray, crop: int | None) -> None:
    """ValueError where `part` could not cut images like x0 at whole pixels of images like `low`."""
    sizes, small = x0.shape[2:], low.shape[2:]
    if any(large % least for large, least in zip(sizes, small, strict=True)):
        raise ValueError(
            f"low_resolution: expected height and width that divide those of x0, {list(sizes)}, got {list(small)}"
        )
    steps = [large // least for large, least in zip(sizes, small, strict=True)]
    if crop is not None and any(crop % step for step in steps):
        raise ValueError(f"crop: expected a multiple of {max(steps)}, pixels of x0 for one to go by, got {crop}")


def blur(size: int, deviation: np.ndarray) -> np.ndarray:
    """What each pixel of a row takes of the others: Gaussian weights of sum 1, float64 [N, size, size].

    deviation : of the Gaussian, in pixels [N]; 0 leaves a pixel as it is

    Examples
    --------
    >>> blur(3, np.array([0.6]))[0].round(3).tolist()
    [[0.798, 0.199, 0.003], [0.166, 0.667, 0.166], [0.003, 0.199, 0.798]]
    """
    apart = np.arange(size) - np.arange(size)[:, None]
    width = np.maximum(deviation.astype(np.float64), 1e-3)[:, None, None]  # where exp gives 0 beside the pixel itself
    weights = np.exp(-0.5 * (apart / width) ** 2)
    return weights / weights.sum(axis=2, keepdims=True)
