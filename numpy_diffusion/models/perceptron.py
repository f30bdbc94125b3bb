"""A plain perceptron in plain numbers: what another program needs to run it, whatever it is written in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Perceptron:
    """The layers of a network that is what `networks.mlp.definition` says, for eps alone.

    Attributes
    ----------
    octaves : of the waves beside the coordinates, see `layers.fourier_features`
    embedding : how many numbers stand for t behind them, see `layers.time_embedding`
    residual : whether each hidden layer's input is added to its output
    layers : weight [J, K] and bias [J] of each, the input's first and the output's last
    """

    octaves: int
    embedding: int
    residual: bool
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
