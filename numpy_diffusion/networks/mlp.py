"""The multilayer perceptron as eps-network: forward, backward, and the class that holds its weights.

h_0 = silu(W_in [x, embedding(t)] + b_in)
h_l = silu(W_l h_{l-1} + b_l)  (+ h_{l-1} where residual),   l = 1..depth
eps = W_out h_depth + b_out          (the variance's head, where there is one, is as many rows more of W_out)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.forward import BACKENDS, Backend
from numpy_diffusion.kernels import mlp_forward, mlp_plan
from numpy_diffusion.layers import linear, silu, time_embedding
from numpy_diffusion.networks import parameters
from numpy_diffusion.noise import STREAM_WEIGHTS, normal


def forward(
    params: parameters.Parameters, x: np.ndarray, t: np.ndarray, residual: bool
) -> tuple[np.ndarray, list[Any]]:
    """The outputs [N, J], eps first, from x [N, D] and t [N]; and the cache of every layer, first to last, and D."""
    embedding_size = params["input.weight"].shape[1] - x.shape[1]
    h = np.concatenate([x, time_embedding.forward(t, embedding_size, x.dtype)], axis=1)
    caches: list[Any] = []
    for layer in _silu_layers(params):
        g, linear_cache = linear.forward(h, params[f"{layer}.weight"], params[f"{layer}.bias"])
        y, silu_cache = silu.forward(g)
        h = y + h if residual and layer != "input" else y
        caches.append((linear_cache, silu_cache))
    outputs, linear_cache = linear.forward(h, params["output.weight"], params["output.bias"])
    return outputs, [*caches, linear_cache, x.shape[1]]


def backward(
    params: parameters.Parameters, doutputs: np.ndarray, caches: list[Any], residual: bool
) -> tuple[np.ndarray, parameters.Parameters]:
    """dx [N, D] and the gradient of every parameter, from doutputs [N, J]."""
    grads: parameters.Parameters = {}
    *caches, output_cache, dim = caches
    dh, grads["output.weight"], grads["output.bias"] = linear.backward(doutputs, output_cache)
    for layer, (linear_cache, silu_cache) in zip(reversed(_silu_layers(params)), reversed(caches), strict=True):
        dg = silu.backward(dh, silu_cache)
        dinput, grads[f"{layer}.weight"], grads[f"{layer}.bias"] = linear.backward(dg, linear_cache)
        dh = dinput + dh if residual and layer != "input" else dinput
    return dh[:, :dim], grads


def jvp(
    params: parameters.Parameters, x: np.ndarray, t: np.ndarray, tangent: np.ndarray, residual: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The outputs [N, J], and their derivative [..., N, J] along the tangent [..., N, D] of x: forward mode."""
    outputs, (*caches, output_cache, _) = forward(params, x, t, residual)
    embedding_size = params["input.weight"].shape[1] - x.shape[1]
    dh = np.concatenate([tangent, np.zeros((*tangent.shape[:-1], embedding_size), tangent.dtype)], axis=-1)
    for layer, (linear_cache, silu_cache) in zip(_silu_layers(params), caches, strict=True):
        dy = silu.jvp(linear.jvp(dh, linear_cache), silu_cache)
        dh = dy + dh if residual and layer != "input" else dy
    return outputs, linear.jvp(dh, output_cache)


def _silu_layers(params: parameters.Parameters) -> list[str]:
    return [name.removesuffix(".weight") for name in params if name.endswith("weight") and "output" not in name]


class MLP:
    """eps-network for points [N, D]: a callable eps = model(x, t).

    Parameters
    ----------
    dim : D, the number of coordinates of a point
    width : features of the hidden layers
    depth : hidden layers of width x width, behind the input layer
    residual : add each hidden layer's input to its output
    embedding : numbers that stand for t, an even number
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

    def __init__(
        self,
        dim: int,
        width: int = 128,
        depth: int = 3,
        *,
        residual: bool = True,
        embedding: int = 16,
        learn_variance: bool = False,
        seed: int = 0,
        dtype: Any = np.float32,
    ) -> None:
        dim, width, depth = (
            _checks.integer(name, value, low)
            for name, value, low in (("dim", dim, 1), ("width", width, 1), ("depth", depth, 0))
        )
        embedding = _checks.integer("embedding", embedding, 2)
        if embedding % 2:
            raise ValueError(f"embedding: expected an even number, got {embedding}")
        if dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype: expected float32 or float64, got {dtype}")
        self.shape = (dim,)
        self.residual = _checks.instance("residual", residual, bool)
        self.learn_variance = _checks.instance("learn_variance", learn_variance, bool)
        self.config = dict(dim=dim, width=width, depth=depth, residual=self.residual, embedding=embedding)
        if learn_variance:
            self.config["learn_variance"] = True
        self.shapes = _shapes(dim, width, depth, embedding, (1 + learn_variance) * dim)
        self.buffer = np.zeros(parameters.size(self.shapes), dtype)
        self.params = parameters.views(self.buffer, self.shapes)
        self.shift, self.scale = np.zeros(dim, np.float32), np.ones(dim, np.float32)
        _initialise(self.params, dim, _checks.seed(seed))

    def __call__(self, x: ArrayLike, t: ArrayLike, *, backend: Backend = "numba") -> np.ndarray:
        """eps [N, D], the noise that the network sees in x [N, D] at step t (an int, or ints [N])."""
        return self._outputs(x, t, backend)[:, : self.shape[0]]

    def eps_and_fraction(
        self, x: ArrayLike, t: ArrayLike, *, backend: Backend = "numba"
    ) -> tuple[np.ndarray, np.ndarray]:
        """eps and the fraction v of `variances.learned_variance`, [N, D] each; of a network with learn_variance.

        The head's output 0 is v = 1/2, half way between the two fixed variances.
        """
        if not self.learn_variance:
            raise ValueError("model: expected MLP(..., learn_variance=True), got one without the variance's head")
        outputs = self._outputs(x, t, backend)
        return outputs[:, : self.shape[0]], 0.5 * (outputs[:, self.shape[0] :] + 1.0)

    def jvp(self, x: ArrayLike, t: ArrayLike, tangent: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """eps [N, D], and its derivative J tangent by x along the tangent [N, D]; or [K, N, D], K of them at once.

        In float64 whatever the weights' dtype, by the NumPy definition.
        """
        x = _checks.array("x", x, ("N", *self.shape), np.float64)
        t = np.broadcast_to(_checks.steps("t", t, 0, 2**31 - 1, len(x)), len(x))
        tangent = _checks.array("tangent", tangent, x.shape if np.ndim(tangent) == 2 else ("K", *x.shape), np.float64)
        params = parameters.views(self.buffer.astype(np.float64, copy=False), self.shapes)
        outputs, along = jvp(params, x, t, tangent, self.residual)
        return outputs[:, : self.shape[0]], along[..., : self.shape[0]]

    def _outputs(self, x: ArrayLike, t: ArrayLike, backend: Backend) -> np.ndarray:
        """All outputs of the last layer [N, J]."""
        x = _checks.array("x", x, ("N", *self.shape), self.buffer.dtype)
        t = np.broadcast_to(_checks.steps("t", t, 0, 2**31 - 1, len(x)), len(x))
        if _checks.choice("backend", backend, BACKENDS) == "numba" and self.buffer.dtype == np.float32:
            steps, place = np.unique(t, return_inverse=True)
            return mlp_forward.forward(self.network(), self.residual, x, place, self.embed(steps))
        return forward(self.params, x, t, self.residual)[0]

    def embed(self, t: np.ndarray) -> np.ndarray:
        """The embedding of the steps t [K]: [K, embedding]."""
        return time_embedding.forward(t, self.config["embedding"], self.buffer.dtype)

    def network(self) -> mlp_plan.Network:
        """The weights as the kernels read them; a copy."""
        shapes = [shape for name, shape in self.shapes.items() if name.endswith("weight")]
        return mlp_plan.network(shapes, self.buffer)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy's parameters are views of its own buffer."""
        self.__dict__ |= state
        self.params = parameters.views(self.buffer, self.shapes)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value}" for name, value in self.config.items())
        return f"MLP({arguments}): {self.buffer.size:,} parameters"


def _shapes(dim: int, width: int, depth: int, embedding: int, outputs: int) -> parameters.Shapes:
    sizes = {"input": (width, dim + embedding)}
    sizes |= {f"hidden.{layer}": (width, width) for layer in range(depth)}
    sizes |= {"output": (outputs, width)}
    shapes: parameters.Shapes = {}
    for layer, (rows, columns) in sizes.items():
        shapes |= {f"{layer}.weight": (rows, columns), f"{layer}.bias": (rows,)}
    return shapes


def _initialise(params: parameters.Parameters, dim: int, seed: int) -> None:
    """Normal weights of variance 1 / inputs, zero biases, and a zero output layer: training starts at eps = 0.

    In the first layer x and the embedding count as two inputs of their own sizes: the few coordinates of x would
    otherwise drown in the many numbers that stand for t, and fine detail takes far longer to learn.
    """
    for number, (name, values) in enumerate(params.items()):
        if name.endswith("weight") and not name.startswith("output"):
            rows = np.arange(len(values))
            values[:] = normal(seed, STREAM_WEIGHTS, rows, number, values.shape[1])
            parts = (values[:, :dim], values[:, dim:]) if name == "input.weight" else (values,)
            for part in parts:
                part /= np.sqrt(part.shape[1])
