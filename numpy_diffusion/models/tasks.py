"""What training hands to a network, and what it gets back: records that both sides know."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from numpy_diffusion.kernels.precision import Precision
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.shares import ALONE, Ranks
from numpy_diffusion.process.schedules import Schedule

ALMOST_INFINITE: Final = 1e37  # the largest float32 is 3.4e38


class Adam(NamedTuple):
    """Adam's settings (Kingma and Ba 2015, Algorithm 1) with the decay of AdamW (Loshchilov and Hutter 2019)."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def reach(self, before: float, rate: float) -> float:
        """What no parameter's size exceeds after a step of this rate, if `before` is that before it.

            |theta'| <= |1 - rate decay| |theta| + rate |m| / sqrt(v)
            m^2 / v <= (1 - beta1)^2 / (1 - beta2) / (1 - beta1^2 / beta2)

        the latter by the inequality of Cauchy and Schwarz, as m and v are such means of g and g^2.  Infinity where
        float32 may not hold all that leads there.

        Examples
        --------
        >>> round(Adam().reach(2.0, rate=1.0), 2), Adam(weight_decay=1e38).reach(2.0, rate=0.0)
        (9.27, inf)
        """
        b1, b2, decay = self.beta1, self.beta2, self.weight_decay
        farthest = (1.0 - b1) / math.sqrt((1.0 - b2) * (1.0 - b1**2 / b2))
        update = farthest + decay * before
        after = abs(1.0 - rate * decay) * before + rate * farthest
        return after if max(update, rate * update, after) < ALMOST_INFINITE else math.inf


class Dropout(NamedTuple):
    """What decides which activations are dropped, so that a sample's are the same in any batch."""

    seed: int  # of the run
    samples: np.ndarray  # the samples' own numbers [N]
    step: int  # of training


class Batch(NamedTuple):
    """What the network is shown in a step, and what it is judged by: a whole batch, or one process's share of it."""

    xt: np.ndarray  # [N, ...]
    t: np.ndarray  # [N]
    condition: Condition  # a row for each sample
    dropout: Dropout | None  # None for none
    target: np.ndarray  # [N, ...], eps or what else the network predicts
    weighting: np.ndarray  # lambda of each sample's step [N]
    table: np.ndarray  # rows of `training.losses.bound_table` [N, 6]


@dataclass
class State:
    """What training changes: arrays [P] in the order of `Network.buffer`, the losses by t (see
    `training.step_sampling`), and how many steps are done; and what no parameter's size exceeds."""

    parameters: np.ndarray
    m: np.ndarray
    v: np.ndarray
    average: np.ndarray
    history: np.ndarray
    step: int
    reach: float = field(init=False)

    def __post_init__(self) -> None:
        self.reach = largest(self.parameters)

    def replaced(self, parameters: np.ndarray, m: np.ndarray, v: np.ndarray, average: np.ndarray) -> Move:
        """The move to other arrays in the place of these."""
        reach, *others = map(largest, (parameters, m, v, average))

        def make() -> None:
            self.parameters, self.m, self.v, self.average, self.reach = parameters, m, v, average, reach

        return Move(all(map(math.isfinite, (reach, *others))), make)

    def in_place(self, kernel: Callable[[], None], squares_are_finite: bool, rate: float, adam: Adam) -> Move:
        """The move that a kernel makes of these arrays by Adam: what it leaves must be known before.

        squares_are_finite : those of the gradient, which m and v are means of
        """
        reach = adam.reach(self.reach, rate)

        def make() -> None:
            kernel()
            self.reach = reach

        return Move(squares_are_finite and math.isfinite(reach), make)


class Move(NamedTuple):
    """A change of a state that is worked out, but not made yet."""

    finite: bool  # whether all numbers will be
    make: Callable[[], None]


class Taken(NamedTuple):
    """Steps that are worked out; the state is as it was before them."""

    losses: np.ndarray  # of the steps [count], float32
    last: np.ndarray  # of the last one's samples [batch]
    move: Move


def largest(values: np.ndarray) -> float:
    """The largest size of these numbers, NaN where there is one among them; without another array like them.

    Examples
    --------
    >>> largest(np.array([-3.0, 2.0])), largest(np.array([1.0, np.nan, np.inf]))
    (3.0, nan)
    """
    return float(np.maximum(values.max(), -values.min()))


@dataclass(frozen=True, eq=False)
class Task:
    """What stays the same from step to step, beside the network.

    Attributes
    ----------
    data : [N, ...], in the network's units
    condition : a row for each of the data
    batch : samples of a step
    adam : its settings
    rates, decays : Adam's learning rate and the average's decay, of every step [steps]
    seed : of all that is drawn
    label_dropout : how often a sample is told nothing; or how often it is not told a field, by name
    mirror : whether every second image is exchanged left and right, by chance
    crop : the side of the squares that are shown of images; None for whole ones
    precision : of the products in the network, there and back
    ranks : the processes that share each batch
    """

    schedule: Schedule
    data: np.ndarray
    condition: Condition
    batch: int
    adam: Adam
    rates: np.ndarray
    decays: np.ndarray
    seed: int
    label_dropout: float | Mapping[str, float] = 0.0
    mirror: bool = False
    crop: int | None = None
    precision: Precision = "float32"
    ranks: Ranks = ALONE


# Weights [P] and a batch -> the weighted losses [N], and their mean's gradient by the weights [P]; of a share of a
# batch, what the share adds to the gradient of the whole batch's mean.
Gradient = Callable[[np.ndarray, Batch], tuple[np.ndarray, np.ndarray]]

# Works steps out, of what state and how many at most, from the steps t to draw from, lambda by t [T + 1], and the
# bound's table [T + 1, 6]; the state stays as it is.
Take = Callable[[State, int, np.ndarray, np.ndarray, np.ndarray], Taken]
