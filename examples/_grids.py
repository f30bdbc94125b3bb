"""Grids of pictures by caption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from numpy_diffusion import figures

MARGIN: Final = 0.15  # inches above and below the pictures


def by_caption(x: np.ndarray, columns: int, captions: Sequence[str]) -> Figure:
    """Pictures row by row, each row with its caption, without the empty stretches that the captions' width leaves."""
    grid = figures.image_grid(x, columns=columns, row_titles=list(captions))
    grid.draw_without_rendering()
    grid.set_figheight(grid.axes[0].get_tightbbox().height / grid.dpi + MARGIN)
    return grid
