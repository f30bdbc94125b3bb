"""The U-Net in its kernels with products in bfloat16: what `compiled.py` is in float32, for predictions alone."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels.memory import aligned
from numpy_diffusion.kernels.threads import one_at_a_time
from numpy_diffusion.kernels.unet import run
from numpy_diffusion.kernels.unet.calls import Layout, Plan
from numpy_diffusion.kernels.unet.rounding import round_weights
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.stored import Weights
from numpy_diffusion.networks.unet.compiled import told
from numpy_diffusion.networks.unet.config import Config
from numpy_diffusion.networks.unet.layout import layout
from numpy_diffusion.networks.unet.plan import plan
from numpy_diffusion.networks.unet.plan_bfloat16 import Rounding
from numpy_diffusion.networks.unet.program import program, shapes


class RoundedWeights(NamedTuple):
    """The weights as the kernels read them in float32, and the rounded ones of convolutions."""

    exact: Weights
    words: np.ndarray


@functools.lru_cache(maxsize=16)
def planned(config: Config, tokens: int = 0) -> tuple[Plan, Layout, Rounding]:
    """The kernel calls of a U-Net, where its parameters lie, and which of them are rounded."""
    where, rounding = layout(shapes(config)), Rounding()
    return plan(program(config), config, where, False, tokens, rounding=rounding), where, rounding


def rounded(config: Config, exact: Weights, known: RoundedWeights | None) -> RoundedWeights:
    """These weights and what is rounded of them: those known, unless the exact ones are others by now."""
    if known is not None and known.exact is exact:
        return known
    _, _, rounding = planned(config)
    words = aligned(rounding.size)
    round_weights(exact.laid_out, rounding.table, words)
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
    calls, _, _ = planned(config, condition.length)
    given = np.ascontiguousarray(x), embedding, place, told(condition, len(x))
    with one_at_a_time():
        return run.predict(calls, weights.exact.laid_out, *given, weights.words)
