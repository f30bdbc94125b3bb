"""The three kinds of chain of DALL-E 2, each of its network, of how it is gone down, and of what it is told."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.guided import guided
from numpy_diffusion.models.protocol import Model
from numpy_diffusion.networks.prior.prior import PriorTransformer
from numpy_diffusion.networks.text_projection.text_projection import TextProjection
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.noise import STREAM_STAGE, seed_of
from numpy_diffusion.pipelines.texts import Encoded
from numpy_diffusion.pipelines.unclip_stage import Stage
from numpy_diffusion.sampling import start
from numpy_diffusion.sampling.better_draw import APART, better_of_two
from numpy_diffusion.sampling.from_step import sample_from
from numpy_diffusion.sampling.samplers import sample

PRIOR, DECODER, UPSAMPLERS = 0, 1, 2  # numbers of the chains of a picture; of the upsamplers the first's


class Drawn(NamedTuple):
    """What the stages draw, one after the other.

    Attributes
    ----------
    embedding : the prior's, of a picture, float32 [n, D]
    x : the decoder's pictures, float32 [n, 3, S, S] in -1..1
    upsampled : those of each upsampler, the largest last
    """

    embedding: np.ndarray
    x: np.ndarray
    upsampled: tuple[np.ndarray, ...]


class Who(NamedTuple):
    """Which samples a chain draws: number `first` and those behind it, of a seed."""

    seed: int
    first: int
    progress: bool

    def checked(self, n: int) -> Who:
        """The same, if there are n samples of these numbers, twice over; ValueError if not."""
        _, seed, first = start.checked(n, self.seed, self.first)
        return Who(seed, _checks.integer("first", first, 0, APART - n), self.progress)

    def of_chain(self, number: int) -> dict[str, Any]:
        """Arguments of `sample`; each chain has a seed of its own, else a picture's noise were its embedding's."""
        return dict(seed=seed_of(self.seed, STREAM_STAGE, number), first=self.first, progress=self.progress)


def embeddings(
    prior: PriorTransformer, stage: Stage, told: Encoded, guidance: float, steps: np.ndarray, who: Who
) -> np.ndarray:
    """Embeddings of pictures of the texts, the better of two each: float32 [n, D]."""
    kept = stage.within(guided(prior, Condition(**told._asdict()), guidance), prior.shift, prior.scale)
    how = stage.options(steps) | who.of_chain(PRIOR)
    # In float32 whatever the U-Nets behind it are asked for, as it has no other.
    return better_of_two(kept, stage.schedule, told.embedding, precision="float32", **how)


def denoiser(
    decoder: UNet,
    stage: Stage,
    projection: TextProjection,
    embedding: np.ndarray,
    told: Encoded,
    nothing: Encoded,
    guidance: float,
) -> Model:
    """eps of pictures of these embeddings [n, D] and texts, and away from those of no embedding and no text."""
    # Each alone: a product of matrices rounds by their size.
    each = [projection(*row).arguments() for row in zip(embedding, *told, strict=True)]
    condition = Condition(**{name: np.concatenate([row[name] for row in each]) for name in each[0]})
    away_from = projection(None, *nothing).rows(0)  # type: ignore[arg-type]
    return stage.within(guided(decoder, condition, guidance, away_from))


def pictures(model: Model, stage: Stage, n: int, steps: np.ndarray, who: Who) -> np.ndarray:
    """The decoder's pictures by its model of eps: float32 [n, 3, S, S], kept in -1..1."""
    x = sample(model, stage.schedule, n, **stage.options(steps) | who.of_chain(DECODER))
    return np.clip(x, -1.0, 1.0)


def enlarged(
    upsampler: UNet, last: UNet | None, stage: Stage, x: np.ndarray, steps: np.ndarray, number: int, who: Who
) -> np.ndarray:
    """Pictures like x [n, 3, h, w], of the size of the upsampler with this number: float32 [n, 3, H, W] in -1..1.

    At the last of the steps `last` is asked in its place, if there is one.
    """
    options = stage.options(steps) | who.of_chain(UPSAMPLERS + number)
    schedule, model = stage.schedule, _enlarging(upsampler, stage, x)
    if last is None:
        return np.clip(sample(model, schedule, len(x), **options), -1.0, 1.0)
    *above, lowest = steps[steps > stage.solver.end].tolist()
    finish = _enlarging(last, stage, x)
    if not above:
        return np.clip(sample(finish, schedule, len(x), **options), -1.0, 1.0)
    xt = sample(model, schedule, len(x), **options | dict(steps=above, end=lowest))
    return np.clip(sample_from(finish, schedule, xt, lowest, **options | dict(steps=[lowest])), -1.0, 1.0)


def _enlarging(network: UNet, stage: Stage, x: np.ndarray) -> Model:
    return stage.within(guided(network, Condition(low_resolution=x), 0.0))
