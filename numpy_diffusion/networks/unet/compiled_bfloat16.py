"""The U-Net in its kernels with products in bfloat16: what `compiled.py` is in float32, for predictions alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels.memory import aligned
from numpy_diffusion.kernels.threads import one_at_a_time
from numpy_diffusion.kernels.unet import run
from numpy_diffusion.kernels.unet.rounding import round_weights
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.stored import Weights
from numpy_diffusion.networks.unet.compiled import planned, told
from numpy_diffusion.networks.unet.config import Config


class RoundedWeights(NamedTuple):
    """The weights as the kernels read them in float32, and the rounded ones of convolutions."""

    exact: Weights
    words: np.ndarray


def rounded(config: Config, exact: Weights, known: RoundedWeights | None) -> RoundedWeights:
    """These weights and what is rounded of them: those known, unless the exact ones are others by now."""
    if known is not None and known.exact is exact:
        return known
    calls, _ = planned(config, precision="bfloat16")
    words = aligned(calls.words)
    round_weights(exact.laid_out, calls.rounding, words)
    return RoundedWeights(exact, words)


def predict(
    config: Config,
    weights: RoundedWeights,
    x: np.ndarray,
    embedding: np.ndarray,
    place: np.ndarray,
    condition: Condition,
) -> np.ndarray:
    """The outputs [N, J, H, W] of x [N, C, H, W]; embedding [K, E] of the steps, place [N] says whose."""
    calls, _ = planned(config, tokens=condition.length, precision="bfloat16")
    given = np.ascontiguousarray(x), embedding, place, told(condition, len(x))
    with one_at_a_time():
        return run.predict(calls, weights.exact.laid_out, *given, weights.words)
