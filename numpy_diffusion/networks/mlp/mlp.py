"""The multilayer perceptron as eps-network: its structure, its weights, and which form of it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels.backend import chosen
from numpy_diffusion.layers import fourier_features, time_embedding
from numpy_diffusion.models import parameters
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.perceptron import Perceptron
from numpy_diffusion.models.shares import ALONE, Ranks, Share, share
from numpy_diffusion.models.tasks import Dropout, Take, Task
from numpy_diffusion.networks.mlp import definition
from numpy_diffusion.networks.mlp.config import MLPConfig
from numpy_diffusion.networks.registry import register
from numpy_diffusion.noise import STREAM_WEIGHTS, normal
from numpy_diffusion.process.coefficients import Coefficients
from numpy_diffusion.process.probability_flow import Plan

if TYPE_CHECKING:
    from numpy_diffusion.networks.mlp.compiled import Kernels

UNIT: Final = 32  # samples that the kernels take together, whatever the registers


@register
class MLP(Network):
    """eps-network for points [N, D]: a callable eps = model(x, t).

    Parameters
    ----------
    dim : D, the number of coordinates of a point
    width : features of the hidden layers
    depth : hidden layers of width x width, behind the input layer
    residual : add each hidden layer's input to its output
    embedding : numbers that stand for t, an even number
    octaves : of waves that stand beside the coordinates, up to 16, see `layers/fourier_features.py`: without them
        fine detail is hardly learned; 7 show what the article's drawings show, 0 suits smooth data and wide tables
    learn_variance : a second head of D outputs, for the variance of the reverse kernel
    seed : of the initial weights, normal with variance 1 / inputs (of x and of the embedding, each by itself); the
        output layer starts at zero
    dtype : float32, or float64 for gradient checks (with backend="numpy" only)

    Attributes
    ----------
    shape : (D,), the shape of one sample
    params : the named parameters, views of `buffer`
    shift, scale : float32 [D]: the network works on (data - shift) / scale; `train` sets both, and `sample`
        returns the data's units

    Examples
    --------
    >>> model = MLP(dim=2, width=16, depth=1)
    >>> model(np.zeros((5, 2), np.float32), t=3).shape
    (5, 2)
    >>> list(model.params)
    ['input.weight', 'input.bias', 'hidden.0.weight', 'hidden.0.bias', 'output.weight', 'output.bias']
    """

    batch = 512
    learning_rate = 5e-3
    config: MLPConfig

    def __init__(
        self,
        dim: int,
        width: int = 128,
        depth: int = 3,
        *,
        residual: bool = True,
        embedding: int = 16,
        octaves: int = 0,
        learn_variance: bool = False,
        seed: int = 0,
        dtype: Any = np.float32,
    ) -> None:
        config = MLPConfig(dim, width, depth, residual, embedding, octaves, learn_variance)
        super().__init__(
            config, (config.dim,), _shapes(config), learn_variance=learn_variance, seed=seed, dtype=dtype
        )

    def initialise(self, seed: int) -> None:
        """Normal weights of variance 1 / inputs, zero biases, and a zero output layer: training starts at eps = 0.

        In the first layer x, each octave of its waves and the embedding count as inputs of their own sizes: the few
        coordinates of x would otherwise drown in the many other numbers.
        """
        dim, octaves = self.config.dim, self.config.octaves
        parts_of_input = [fourier_features.size(dim, octave) for octave in range(octaves + 1)]
        for number, (name, values) in enumerate(self.params.items()):
            if name.endswith("weight") and not name.startswith("output"):
                rows = np.arange(len(values))
                values[:] = normal(seed, STREAM_WEIGHTS, rows, number, values.shape[1])
                parts = np.split(values, parts_of_input, axis=1) if name == "input.weight" else [values]
                for part in parts:
                    part /= np.sqrt(part.shape[1])

    def forward(
        self,
        params: parameters.Parameters,
        x: np.ndarray,
        t: np.ndarray,
        condition: Condition,
        dropout: Dropout | None = None,
    ) -> tuple[np.ndarray, Any]:
        return definition.forward(params, self.config, x, t)

    def backward(
        self, params: parameters.Parameters, doutputs: np.ndarray, caches: Any
    ) -> tuple[np.ndarray, parameters.Parameters]:
        return definition.backward(params, self.config, doutputs, caches)

    def jvp(self, x: ArrayLike, t: ArrayLike, tangent: ArrayLike, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        """eps [N, D], and its derivative J tangent by x along the tangent [N, D]; or [K, N, D], K of them at once.

        In float64 whatever the weights' dtype, by the NumPy definition.
        """
        x = _checks.array("x", x, ("N", *self.shape), np.float64)
        self.checked(Condition(**told), len(x))  # an MLP is told nothing, and says so
        t = np.broadcast_to(_checks.steps("t", t, 0, 2**31 - 1, len(x)), len(x))
        tangent = _checks.array("tangent", tangent, x.shape if np.ndim(tangent) == 2 else ("K", *x.shape), np.float64)
        params = parameters.views(self.buffer.astype(np.float64, copy=False), self.shapes)
        outputs, along = definition.jvp(params, self.config, x, t, tangent)
        return outputs[:, : self.shape[0]], along[..., : self.shape[0]]

    @property
    def perceptron(self) -> Perceptron:
        """The layers in plain numbers, without the variance's head."""
        names = [name.removesuffix(".weight") for name in self.params if name.endswith("weight")]
        layers = [(self.params[f"{name}.weight"], self.params[f"{name}.bias"]) for name in names]
        weight, bias = layers.pop()
        layers.append((weight[: self.config.dim], bias[: self.config.dim]))
        return Perceptron(self.config.octaves, self.config.embedding, self.config.residual, tuple(layers))

    def embed(self, t: np.ndarray) -> np.ndarray:
        """The embedding of the steps t [K]: [K, embedding]."""
        return time_embedding.forward(t, self.config.embedding, self.dtype)

    def own_outputs(self, x: np.ndarray, t: np.ndarray, condition: Condition) -> np.ndarray:
        steps, place = np.unique(t, return_inverse=True)
        return self._kernels().outputs(x, place, self.embed(steps))

    def own_chain(
        self, x: np.ndarray, table: Coefficients, seed: int, first: int, stops: Sequence[int]
    ) -> Iterator[tuple[int, np.ndarray]] | None:
        """The chain in its kernel; None for float64, and where the network says the variance on the way."""
        if self.dtype != np.float32 or table.learned.any():
            return None
        return self._kernels().chain(x, table, self.embed(table.t), seed, first, stops)

    def groups(self, batch: int) -> int:
        """4 groups, and from 1024 on a power of two, so that each has 128 samples to 255: its steps are short."""
        return min(-(-batch // UNIT), 4 << max(0, (batch // 512).bit_length() - 1))

    def share(self, batch: int, ranks: Ranks = ALONE) -> Share:
        return share(batch, self.groups(batch), ranks, UNIT)

    def own_flow(
        self, x: np.ndarray, plan: Plan, signs: np.ndarray | None, stops: Sequence[int]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]] | None:
        """The probability flow in its kernel, in float64 whatever the weights' dtype, as `jvp` is."""
        if chosen() == "numpy":
            return None
        from numpy_diffusion.networks.mlp.compiled import flow

        params = parameters.views(self.buffer.astype(np.float64, copy=False), self.shapes)
        return flow(params, self.config, x, plan, signs, stops)

    def own_steps(self, task: Task) -> Take:
        own = self.share(task.batch, task.ranks)
        return self._kernels().steps(task, own, self.embed(np.arange(task.schedule.T + 1)))

    def _kernels(self) -> Kernels:
        """The kernels with a copy of the weights; imported here, as the definition needs no Numba."""
        from numpy_diffusion.networks.mlp.compiled import kernels

        shapes = [shape for name, shape in self.shapes.items() if name.endswith("weight")]
        return kernels(shapes, self.buffer, self.config.octaves, self.config.residual)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value}" for name, value in self.options.items())
        return f"MLP({arguments}): {self.buffer.size:,} parameters"


def _shapes(config: MLPConfig) -> parameters.Shapes:
    width, outputs = config.width, (1 + config.learn_variance) * config.dim
    inputs = fourier_features.size(config.dim, config.octaves) + config.embedding
    sizes = {"input": (width, inputs)}
    sizes |= {f"hidden.{layer}": (width, width) for layer in range(config.depth)}
    sizes |= {"output": (outputs, width)}
    shapes: parameters.Shapes = {}
    for layer, (rows, columns) in sizes.items():
        shapes |= {f"{layer}.weight": (rows, columns), f"{layer}.bias": (rows,)}
    return shapes
