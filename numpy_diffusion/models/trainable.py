"""What can be trained: parameters, the shape of a sample, and what its data told it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.models import parameters
from numpy_diffusion.models.parameterised import Parameterised
from numpy_diffusion.models.shares import ALONE, Ranks, Share, groups_of, share


class Trainable(Parameterised):
    """Parameters that training changes and checkpoints keep; a `Network`, an autoencoder, or CLIP.

    Parameters
    ----------
    config, shapes, seed, dtype : see `Parameterised`
    shape : of one sample
    """

    batch: ClassVar[int]  # samples of a training step, unless the caller says otherwise
    learning_rate: ClassVar[float]  # of Adam, likewise

    def __init__(
        self,
        config: Any,
        shape: tuple[int, ...],
        shapes: parameters.Shapes,
        *,
        seed: int = 0,
        dtype: Any = np.float32,
    ) -> None:
        self.shape = shape
        super().__init__(config, shapes, seed=seed, dtype=dtype)

    @property
    @abstractmethod
    def measured(self) -> dict[str, np.ndarray]:
        """What training measures of the data and a checkpoint keeps beside the parameters: float32, by name."""

    @measured.setter
    @abstractmethod
    def measured(self, arrays: dict[str, np.ndarray]) -> None: ...

    def measure(self, data: np.ndarray, backend: Backend) -> None:
        """Measure what these parameters make of the data [N, ...], at each checkpoint."""

    def groups(self, batch: int) -> int:
        """Into how many groups of samples its kernels divide a batch; see `shares`."""
        return groups_of(batch)

    def share(self, batch: int, ranks: Ranks = ALONE) -> Share:
        """What one of several processes takes of a batch; the whole of it unless there are others."""
        return share(batch, self.groups(batch), ranks)

    @property
    def takes_images(self) -> bool:
        """Whether a sample is an image [C, H, W]."""
        return len(self.shape) == 3
