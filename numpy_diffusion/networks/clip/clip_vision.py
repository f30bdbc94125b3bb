"""CLIP's image encoder as what can be called: its structure, its weights, and which images it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels.backend import Backend, chosen
from numpy_diffusion.models import parameters
from numpy_diffusion.models.parameterised import Parameterised
from numpy_diffusion.networks.clip import encoder, vision_definition
from numpy_diffusion.networks.clip.vision_config import CLIPVisionConfig, shapes
from numpy_diffusion.noise import STREAM_WEIGHTS

if TYPE_CHECKING:
    from numpy_diffusion.models.stored import Weights


class CLIPVisionWithProjection(Parameterised):
    """Image encoder: embedding = encoder(x), one row of numbers for each image.

    Parameters
    ----------
    seed : of the initial weights, normal with the variances of transformers' `CLIPVisionModelWithProjection`
    dtype : float32, or float64 for gradient checks
    options : the options of transformers' `CLIPVisionConfig` by name, with its defaults:
        hidden_size : numbers of a state
        intermediate_size : numbers between a layer's two linear ones
        projection_dim : D, numbers of an embedding
        num_hidden_layers : how many layers
        num_attention_heads : of each, a divisor of hidden_size
        num_channels, image_size : of an image, which is square
        patch_size : pixels on a side of a patch, a divisor of image_size
        hidden_act : "quick_gelu", "gelu", or by a tanh "gelu_new"
        layer_norm_eps : of all norms

    Attributes
    ----------
    shape : (C, H, W), the shape of one image
    config : every option, a `CLIPVisionConfig`
    buffer : all parameters in one array [P]
    params : the named parameters, views of `buffer`; the names are those of transformers' state dict

    Raises
    ------
    ValueError : an option that does not exist or a value out of its range

    Examples
    --------
    >>> encoder = CLIPVisionWithProjection(hidden_size=8, intermediate_size=16, num_hidden_layers=2,
    ...                                    num_attention_heads=2, image_size=8, patch_size=4, projection_dim=3)
    >>> encoder(np.zeros((5, 3, 8, 8))).shape
    (5, 3)
    """

    config: CLIPVisionConfig
    _laid_out: Weights | None  # the weights as the kernels read them

    def __init__(self, *, seed: int = 0, dtype: Any = np.float32, **options: Any) -> None:
        config = encoder.configured(CLIPVisionConfig, options)
        self.shape = (config.num_channels, config.image_size, config.image_size)
        super().__init__(config, shapes(config), seed=seed, dtype=dtype)

    def initialise(self, seed: int) -> None:
        D = self.config.hidden_size
        others = {"class_embedding": D**-0.5, "patch_embedding": 0.02, "position_embedding": 0.02}
        others |= {"visual_projection": D**-0.5}
        encoder.draw(self.params, self.config, seed, STREAM_WEIGHTS, others)

    def forward(self, params: parameters.Parameters, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """The embeddings [N, D] at these parameters by the definition, and what `backward` needs."""
        return vision_definition.forward(params, self.config, x)

    def backward(self, dembedding: np.ndarray, caches: Any) -> tuple[np.ndarray, parameters.Parameters]:
        """dx [N, C, H, W] and the gradient of every parameter, from dembedding [N, D]."""
        return vision_definition.backward(self.config, dembedding, caches)

    def checked(self, x: ArrayLike, name: str = "x") -> np.ndarray:
        """x as an array of this dtype.

        Raises
        ------
        ValueError : images of another shape, values that are not finite; called by this name
        """
        return _checks.array(name, x, ("N", *self.shape), self.dtype)

    def __call__(self, x: ArrayLike, *, backend: Backend | None = None) -> np.ndarray:
        """The embeddings [N, D], of any length, of images x [N, C, H, W]; transformers' `image_embeds`.

        Raises
        ------
        ValueError : as for `checked`
        """
        compiles = chosen(backend) == "numba" and encoder.has_kernels(self.config, self.dtype)
        (embedding,) = encoder.in_parts(self._by_kernels if compiles else self._by_definition, self.checked(x))
        return embedding

    def _by_definition(self, x: np.ndarray) -> tuple[np.ndarray]:
        return self.forward(self.params, x)[:1]

    def _by_kernels(self, x: np.ndarray) -> tuple[np.ndarray]:
        from numpy_diffusion.networks.clip import compiled

        embedding, self._laid_out = compiled.embeddings(self.config, self.buffer, self._laid_out, x)
        return (embedding,)
