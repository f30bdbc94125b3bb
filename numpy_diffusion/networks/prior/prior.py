"""The prior as a network: its structure, its weights, and what it is told of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.models import parameters
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.tasks import Dropout, Gradient, Task
from numpy_diffusion.networks.prior import definition
from numpy_diffusion.networks.prior.config import ASKED, PLACES, PriorConfig, shapes
from numpy_diffusion.networks.registry import register
from numpy_diffusion.networks.unet import initial
from numpy_diffusion.noise import STREAM_WEIGHTS, normal

if TYPE_CHECKING:
    from numpy_diffusion.models.stored import Weights

DEVIATION = 0.02  # of the positions and of the learned token


@register
class PriorTransformer(Network):
    """The image embedding that a text means: z_0 = model(z, t, embedding, states=states, mask=mask), z [N, D] noised.

    It predicts z_0 itself and not its noise (Ramesh et al. 2022, section 2.2), and `nd.train` judges it by that; for
    samplers `nd.as_eps(model, schedule, "x0")` is the model of eps.

    Parameters
    ----------
    options : those of diffusers' `PriorTransformer` by name, with its defaults; `config.FIXED` says what there is.
        embedding_dim is D, of the picture's embedding and of the text's states; embedding_proj_dim, D unless given,
        of the text's embedding; num_embeddings L, the most states that a text has
    seed : of the initial weights, normal with variance 1 / inputs, positions and learned token with deviation 0.02;
        the last layer starts at zero
    dtype : float32, or float64 for gradient checks

    Attributes
    ----------
    shape : (D,), the shape of one sample
    config : every option, a `PriorConfig`
    params : the named parameters, views of `buffer`; the names are those of diffusers' state dict
    shift, scale : float32 [D]: the network works on (embedding - shift) / scale, so that no embedding is of a
        variance that noise drowns at once; `train` sets both.  In diffusers' files they are clip_mean and clip_std
    nothing : what stands for a text that is left out, in training and for guidance: an embedding of zeros and no
        state, unless it is set.  Diffusers' pipelines take what the encoder makes of an empty text

    Raises
    ------
    ValueError : an option that does not exist or a value that is not supported

    Examples
    --------
    >>> model = PriorTransformer(num_attention_heads=2, attention_head_dim=4, num_layers=1, embedding_dim=6,
    ...                          num_embeddings=5)
    >>> z, embedding, states = np.zeros((3, 6)), np.ones((3, 6)), np.ones((3, 4, 6))
    >>> model(z, 3, embedding, states=states, mask=np.arange(4) < 2).shape
    (3, 6)
    """

    batch = 256
    learning_rate = 1e-3
    predicts = "x0"
    config: PriorConfig
    _laid_out: Weights | None  # the weights as the kernels read them

    def __init__(self, *, seed: int = 0, dtype: Any = np.float32, **options: Any) -> None:
        for name in options.keys() - PriorConfig.__dataclass_fields__.keys():
            raise ValueError(f"{name}: expected an option of PriorTransformer, got one that it does not have")
        config = PriorConfig(**options)
        self._nothing = Condition(
            embedding=np.zeros(config.text_dim), states=np.zeros((1, config.embedding_dim)), mask=[False]
        )
        super().__init__(config, (config.embedding_dim,), shapes(config), seed=seed, dtype=dtype)

    def initialise(self, seed: int) -> None:
        initial.draw(self.params, seed, f"{definition.OUT}.weight")
        for number, values in enumerate((self.params[PLACES], self.params[ASKED])):  # first of all, and no weights
            values[0] = DEVIATION * normal(seed, STREAM_WEIGHTS, np.arange(values.shape[1]), number, values.shape[2])

    @property
    def nothing(self) -> Condition:
        return self._nothing

    @nothing.setter
    def nothing(self, told: Condition) -> None:
        _checks.instance("nothing", told, Condition)
        if told.arguments().keys() != self._nothing.arguments().keys():
            fields = ", ".join(told.arguments()) or "none"
            raise ValueError(f"nothing: expected a condition of embedding, states and mask, got {fields}")
        self.check_values(told)
        if told.embedding.ndim + told.states.ndim + told.mask.ndim != 4:
            raise ValueError("nothing: expected one text, got a row for each of some samples")
        self._nothing = told

    @property
    def measured(self) -> dict[str, np.ndarray]:
        """Shift and scale; and `nothing`, as what was left out in training is left out for guidance."""
        nothing = self._nothing.lengthened(self.config.num_embeddings)
        known = {"embedding": nothing.embedding, "states": nothing.states, "mask": nothing.mask.astype(np.float32)}
        return {"shift": self.shift, "scale": self.scale} | {f"nothing.{name}": v for name, v in known.items()}

    @measured.setter
    def measured(self, arrays: dict[str, np.ndarray]) -> None:
        self.shift, self.scale = arrays["shift"], arrays["scale"]
        mask = arrays["nothing.mask"] > 0.5
        length = max(1, int(mask.nonzero()[0].max(initial=0)) + 1)
        self._nothing = Condition(
            embedding=arrays["nothing.embedding"], states=arrays["nothing.states"][:length], mask=mask[:length]
        )

    def check_values(self, condition: Condition) -> None:
        sizes = {"embedding": self.config.text_dim, "states": self.config.embedding_dim}
        for name, size in sizes.items():
            if (found := getattr(condition, name).shape[-1]) != size:
                raise ValueError(f"{name}: expected {size} numbers each, got {found}")
        if condition.length > self.config.num_embeddings:
            raise ValueError(f"states: expected at most {self.config.num_embeddings} a text, got {condition.length}")

    def forward(
        self,
        params: parameters.Parameters,
        x: np.ndarray,
        t: np.ndarray,
        condition: Condition,
        dropout: Dropout | None = None,
    ) -> tuple[np.ndarray, Any]:
        embedding, states = (v.astype(x.dtype, copy=False) for v in (condition.embedding, condition.states))
        return definition.forward(params, self.config, x, t, definition.Told(embedding, states, condition.mask))

    def backward(
        self, params: parameters.Parameters, doutputs: np.ndarray, caches: Any
    ) -> tuple[np.ndarray, parameters.Parameters]:
        dx, grads = definition.backward(params, doutputs, caches)
        return dx, {name: grads[name] for name in params}

    def own_outputs(self, x: np.ndarray, t: np.ndarray, condition: Condition) -> np.ndarray:
        from numpy_diffusion.networks.prior import compiled
        from numpy_diffusion.networks.unet.compiled import packed

        self._laid_out = packed(compiled.kernels(self.config).layout, self.numbers, self._laid_out)
        return compiled.predict(self.config, self._laid_out.laid_out, x, t, condition)

    def own_gradient(self, task: Task) -> Gradient:
        from numpy_diffusion.networks.prior import compiled

        nothing = self.nothing.length
        own, length = self.share(task.batch, task.ranks), max(task.condition.length, nothing)
        return compiled.gradients(self.config, own, length, task.schedule.T)
