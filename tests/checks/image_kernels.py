"""What the tests of the kernels on images share: an arena full of garbage, images in it, scratch of exact size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import images
from numpy_diffusion.kernels.layers.images import NO_IMAGE, Image, Worker
from numpy_diffusion.kernels.vector.registers import ROWS

FLAT = settings(deadline=None, max_examples=30)
SIDE = st.integers(1, 13)
CHANNELS = st.sampled_from([1, 2, 3, 4, 5, 8, 12, 31, 32, 33, 64, 70])
PARTS = st.integers(1, 3)
SEED = st.integers(0, 1000)
GARBAGE = np.float32(1e6)  # what stands in the arena before: no kernel may let it through
BEHIND = 4 * ROWS * 200  # numbers behind everything, which a kernel may read


def drawn(seed: int, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


class Memory:
    """An arena with images of these (height, width, channels, border), and behind them a stretch for a vector."""

    def __init__(self, *shapes: tuple[int, int, int, int], vector: int = 256) -> None:
        self.images, behind = images.side_by_side(*shapes)
        self.arena = np.full(behind + vector + BEHIND, GARBAGE, np.float32)
        self.vector = Image(behind, 1, 1, vector, 0)
        self.scratch: list[tuple[np.ndarray, int]] = []

    def worker(self, scratch_size: int, part: int = 0, parts: int = 1) -> Worker:
        """One with so much scratch and no more; `close` looks whether a kernel wrote behind it."""
        scratch = np.full(scratch_size + BEHIND, GARBAGE, np.float32)
        self.scratch.append((scratch, scratch_size))
        return Worker(self.arena, scratch[:scratch_size], part, parts)

    @property
    def tables(self) -> np.ndarray:
        """The images as a table of one sample: row 0 is none, then each in order, then the vector."""
        return np.array([[NO_IMAGE, *self.images, self.vector]], images.IMAGE)

    def put(self, row: int, x: np.ndarray) -> None:
        images.load(self.arena, self.images[row], x)

    def put_vector(self, values: np.ndarray) -> Image:
        """The stretch for a vector as an image of one pixel, with these values."""
        self.arena[self.vector.at : self.vector.at + len(values)] = values
        return self.vector._replace(channels=len(values))

    def got_vector(self, length: int) -> np.ndarray:
        return self.arena[self.vector.at : self.vector.at + length].copy()

    def got(self, row: int) -> np.ndarray:
        """The image [C, H, W]; nothing else than zeros may be around it, and nothing may be written out of bounds."""
        image = self.images[row]
        x = np.empty((image.channels, image.height, image.width), np.float32)
        images.store(self.arena, image, x)
        assert not self.around(row).any()
        self.assert_in_bounds()
        return x

    def around(self, row: int) -> np.ndarray:
        """The image with its border, zeros in its middle: [H, W, C]."""
        at, height, width, channels, border = self.images[row]
        shape = (height + 2 * border, width + 2 * border, channels)
        whole = self.arena[at : at + np.prod(shape)].reshape(shape).copy()
        whole[border : border + height, border : border + width] = 0
        return whole

    def assert_in_bounds(self) -> None:
        assert (self.arena[self.vector.at + self.vector.channels :] == GARBAGE).all()
        for scratch, size in self.scratch:
            assert (scratch[size:] == GARBAGE).all()


def close(found: np.ndarray, wanted: np.ndarray, terms: float = 1) -> bool:
    """Equal to float32 rounding of sums of so many terms."""
    return np.allclose(found, wanted, rtol=0, atol=2e-6 * np.sqrt(terms) * (1.0 + np.abs(wanted).max()))


def in_shares(parts: int, run: Callable[[int, int], Any]) -> None:
    for part in range(parts):
        run(part, parts)
