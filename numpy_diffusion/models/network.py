"""A network: a model with parameters, and all that training, checkpoints and sampling need of it, whichever it is.

A new network is a subclass of `Network` that brings a definition (`forward`, `backward`) and its first weights; this
file has what all share, above what `Parameterised` gives.  What it may bring besides are kernels, `own_outputs`,
`own_rounded`, `own_chain`, `own_flow`, `own_gradient` and `own_steps`: each gives the same as the definition, faster
or rounded, or None where it does not know how.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels.backend import Backend, chosen
from numpy_diffusion.kernels.precision import asked
from numpy_diffusion.models import parameters
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.protocol import Pullback
from numpy_diffusion.models.tasks import Dropout, Gradient, Take, Task
from numpy_diffusion.models.trainable import Trainable
from numpy_diffusion.process.coefficients import Coefficients
from numpy_diffusion.process.predictions import Prediction
from numpy_diffusion.process.probability_flow import Plan

LABEL_DROPOUT: Final = 0.1  # Ho and Salimans 2022, table 1: the best of 0.1, 0.2 and 0.5


class Network(Trainable):
    """eps = model(x, t) with parameters that can be trained; or a model of what else it `predicts`.

    Parameters
    ----------
    config, shapes, seed, dtype : see `Parameterised`
    shape : of one sample
    learn_variance : whether there are twice the outputs, for the variance of the reverse kernel

    Attributes
    ----------
    buffer, params : see `Parameterised`
    T : of the schedule that it was trained with, None before; no other is taken with it
    shift, scale : float32 [*shape]: the network works on (data - shift) / scale; `train` sets both, and `sample`
        returns the data's units.  float64 of points that float32 cannot tell apart; see `protocol.Units`
    """

    predicts: ClassVar[Prediction] = "eps"  # what the call gives, and training judges it by
    T: int | None = None  # of the schedule that it was trained with

    def __init__(
        self,
        config: Any,
        shape: tuple[int, ...],
        shapes: parameters.Shapes,
        *,
        learn_variance: bool = False,
        seed: int = 0,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(config, shape, shapes, seed=seed, dtype=dtype)
        self.learn_variance = learn_variance
        self.shift, self.scale = np.zeros(shape, np.float32), np.ones(shape, np.float32)

    # What a network brings ---------------------------------------------------------------------------------------

    @abstractmethod
    def forward(
        self,
        params: parameters.Parameters,
        x: np.ndarray,
        t: np.ndarray,
        condition: Condition,
        dropout: Dropout | None = None,
    ) -> tuple[np.ndarray, Any]:
        """The outputs [N, J, ...] at these parameters by the NumPy definition, what is predicted first, and what
        `backward` needs.

        t is [N], and the condition has a row for each sample; `dropout` is None but in training.
        """

    @abstractmethod
    def backward(
        self, params: parameters.Parameters, doutputs: np.ndarray, caches: Any
    ) -> tuple[np.ndarray, parameters.Parameters]:
        """dx [N, ...] and the gradient of every parameter, from doutputs [N, J, ...]."""

    @property
    def nothing(self) -> Condition | None:
        """What stands for being told nothing, a value of each field that the network takes; None if it takes none."""
        return None

    def check_values(self, condition: Condition) -> None:
        """ValueError where a field of the condition holds what the network does not know, as a class too many."""

    @property
    def label_dropout(self) -> float | Mapping[str, float]:
        """How often training tells it nothing, or not a field, by name, where the caller does not say."""
        return LABEL_DROPOUT

    def check_crop(self, crop: int) -> None:
        """ValueError where it cannot be trained on squares of its images of this side."""
        raise ValueError(f"crop: expected None, as a {type(self).__name__} is trained on whole samples, got {crop}")

    # Kernels that it may bring -----------------------------------------------------------------------------------

    def own_outputs(self, x: np.ndarray, t: np.ndarray, condition: Condition) -> np.ndarray | None:
        """The outputs of `forward` at the network's own weights."""
        return None

    @property
    def rounds(self) -> bool:
        """Whether it has kernels for products in bfloat16, to predict and to train; see `kernels.precision`."""
        return type(self).own_rounded is not Network.own_rounded

    def own_rounded(self, x: np.ndarray, t: np.ndarray, condition: Condition) -> np.ndarray | None:
        """The outputs by products in bfloat16, see `kernels.precision`."""
        return None

    def own_chain(
        self, x: np.ndarray, table: Coefficients, seed: int, first: int, stops: Sequence[int]
    ) -> Iterator[tuple[int, np.ndarray]] | None:
        """The loop of `sampling.chain` in one kernel: (k, y) after each row k of `stops`, the last row among them."""
        return None

    def own_flow(
        self, x: np.ndarray, plan: Plan, signs: np.ndarray | None, stops: Sequence[int]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]] | None:
        """The path of `evaluation.likelihood` from x [N, ...] in one kernel: at each node of `stops`, the last among
        them, x there and the integral of div f [N] up to it; `signs` [K, N, ...] estimate it, None for the exact."""
        return None

    def own_gradient(self, task: Task) -> Gradient | None:
        """The losses and their gradient, for batches of the task."""
        return None

    def own_steps(self, task: Task) -> Take | None:
        """Whole training steps, Adam among them."""
        return None

    # What all networks share -------------------------------------------------------------------------------------

    def __call__(
        self,
        x: ArrayLike,
        t: ArrayLike,
        told: ArrayLike | None = None,
        *,
        backend: Backend | None = None,
        **fields: Any,
    ) -> np.ndarray:
        """eps [N, ...], the noise that the network sees in x [N, ...] at step t (an int, or ints [N]).

        The fields of a `Condition` by name, one for all samples or one for each, of a network that takes them, and of
        no other.  `told` is the first that it takes: labels of one with classes, states of one that attends to them.
        """
        return self._outputs(x, t, self._condition(told, fields), backend)[:, : self.shape[0]]

    def eps_and_fraction(
        self,
        x: ArrayLike,
        t: ArrayLike,
        told: ArrayLike | None = None,
        *,
        backend: Backend | None = None,
        **fields: Any,
    ) -> tuple[np.ndarray, np.ndarray]:
        """eps and the fraction v of `variances.learned_variance`, [N, ...] each; of a network that learns it.

        The head's output 0 is v = 1/2, half way between the two fixed variances.
        """
        if not self.learn_variance:
            raise ValueError(
                f"model: expected a {type(self).__name__} that learns its variance, got one without that head"
            )
        outputs = self._outputs(x, t, self._condition(told, fields), backend)
        return outputs[:, : self.shape[0]], 0.5 * (outputs[:, self.shape[0] :] + 1.0)

    def vjp(self, x: ArrayLike, t: ArrayLike, **told: Any) -> tuple[np.ndarray, Pullback]:
        """eps [N, ...], and what takes c [N, ...] to J^T c, J each sample's derivative of eps by its x.

        In float64 whatever the weights' dtype, by the NumPy definition and its backward pass.
        """
        x = _checks.array("x", x, ("N", *self.shape), np.float64)
        t = np.broadcast_to(_checks.steps("t", t, 0, 2**31 - 1, len(x)), len(x))
        params = parameters.views(self.buffer.astype(np.float64, copy=False), self.shapes)
        outputs, caches = self.forward(params, x, t, self.checked(Condition(**told), len(x)))

        def pull(cotangent: np.ndarray) -> np.ndarray:
            doutputs = np.zeros_like(outputs)
            doutputs[:, : self.shape[0]] = _checks.array("cotangent", cotangent, x.shape, np.float64)
            return self.backward(params, doutputs, caches)[0]

        return outputs[:, : self.shape[0]], pull

    def _condition(self, told: ArrayLike | None, fields: dict[str, Any]) -> Condition:
        """What a call tells the network: fields by name, and the first of those that it takes by its place."""
        if told is None:
            return Condition(**fields)
        first = next(iter(self.nothing.arguments())) if self.nothing is not None else "labels"
        if first in fields:
            raise ValueError(f"{first}: expected it once, got it by its place and by its name")
        return Condition(**{first: told}, **fields)

    def _outputs(self, x: ArrayLike, t: ArrayLike, condition: Condition, backend: Backend | None) -> np.ndarray:
        x = _checks.array("x", x, ("N", *self.shape), self.dtype)
        t = np.broadcast_to(_checks.steps("t", t, 0, 2**31 - 1, len(x)), len(x))
        condition = self.checked(condition, len(x))
        outputs, compiled = None, chosen(backend) == "numba" and self.dtype == np.float32
        if asked() == "bfloat16":
            outputs = self.own_rounded(x, t, condition) if compiled else None
            if outputs is None:
                raise self.no_other_precision(compiled)
        elif compiled:
            outputs = self.own_outputs(x, t, condition)
        return self.forward(self.readable, x, t, condition)[0] if outputs is None else outputs

    def no_other_precision(self, compiled: bool) -> ValueError:
        """What is said where bfloat16 is asked of kernels, or else of the definition, that have float32 alone."""
        which = f"a {type(self).__name__}" if compiled else "the definition"
        return ValueError(f"precision: expected 'float32', as {which} has no other, got 'bfloat16'")

    def checked(self, condition: Condition, n: int) -> Condition:
        """The condition with a row for each of n samples.

        Raises
        ------
        ValueError : a field that the network does not take, one that is missing, a value that it does not know
        """
        given, taken = condition.arguments(), {} if self.nothing is None else self.nothing.arguments()
        for name in (name for name in given if name not in taken):
            what = "classes" if name == "labels" else f"use of {name}"
            raise ValueError(f"{name}: expected None, as the network has no {what}, got some")
        for name in (name for name in taken if name not in given):
            raise ValueError(f"{name}: expected one for all, or one for each of {n} samples, got None")
        self.check_values(condition)
        return condition.each(n)

    @property
    def null_label(self) -> int | None:
        """The label that stands for "no class"; None of a network without classes."""
        known = None if self.nothing is None else self.nothing.arguments().get("labels")
        return None if known is None else int(known)

    @property
    def measured(self) -> dict[str, np.ndarray]:
        return {"shift": self.shift, "scale": self.scale}

    @measured.setter
    def measured(self, arrays: dict[str, np.ndarray]) -> None:
        self.shift, self.scale = arrays["shift"], arrays["scale"]
