"""The autoencoder of latent diffusion: its weights, which form of it runs, what it makes of images and latents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels.backend import Backend, chosen
from numpy_diffusion.layers import diagonal_gaussian
from numpy_diffusion.models import parameters
from numpy_diffusion.models.shares import ALONE, Ranks, check_alone
from numpy_diffusion.models.trainable import Trainable
from numpy_diffusion.networks.autoencoder import definition
from numpy_diffusion.networks.autoencoder.config import AutoencoderConfig, checked
from numpy_diffusion.networks.autoencoder.program import shapes
from numpy_diffusion.networks.registry import register
from numpy_diffusion.networks.unet import initial
from numpy_diffusion.noise import STREAM_LATENT, WORD_RANGE, normal

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy_diffusion.models.stored import Weights

MEASURED: Final = 256  # images at most, whose latents' deviation is measured


class Posterior(NamedTuple):
    """The distribution of an image's latent, q(z | x): a Gaussian with independent numbers.

    Attributes
    ----------
    mean, logvar : [N, C, H / f, W / f]; the logarithm of the variance is within -30..20
    """

    mean: np.ndarray
    logvar: np.ndarray

    def sample(self, seed: int = 0, first: int = 0) -> np.ndarray:
        """A latent of each, like `mean`: image i's is a function of the seed and of first + i alone."""
        numbers = np.arange(len(self.mean)) + _checks.integer("first", first, 0, WORD_RANGE - len(self.mean))
        z = normal(_checks.seed(seed), STREAM_LATENT, numbers, 0, self.mean[0].size).reshape(self.mean.shape)
        return self.mean + np.exp(0.5 * self.logvar) * z.astype(self.mean.dtype, copy=False)


@register
class AutoencoderKL(Trainable):
    """Images [N, 3, H, W] to latents [N, C, H / f, W / f] and back (Rombach et al. 2022, arXiv 2112.10752).

    f is 2 for each block but the last.  H and W may be any multiple of f: `sample_size` is that of training alone.

    Parameters
    ----------
    seed : of the initial weights, normal with variance 1 / inputs; the last convolution starts at zero, and so does
        that of each residual block
    dtype : float32, or float64 for gradient checks
    options : the options of diffusers' `AutoencoderKL` by name, with its defaults; `config.SUPPORTED` says what there
        is

    Attributes
    ----------
    shape : (3, H, W), the shape of one image in training
    config : every option, an `AutoencoderConfig`
    params : the named parameters, views of `buffer`; the names are those of diffusers' state dict
    scaling_factor : what latents are multiplied by to be of deviation 1 over the training data, for a diffusion model
        of them; that of the options until training has measured it

    Raises
    ------
    ValueError : an option that does not exist or a value that is not supported, see `config.checked`

    Examples
    --------
    >>> autoencoder = AutoencoderKL(sample_size=16, block_out_channels=(8, 16), norm_num_groups=4, latent_channels=2,
    ...     down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2)
    >>> z = autoencoder.encode(np.zeros((5, 3, 16, 16), np.float32)).sample(seed=0)
    >>> z.shape, autoencoder.decode(z).shape
    ((5, 2, 8, 8), (5, 3, 16, 16))
    """

    batch = 16
    learning_rate = 1e-3
    config: AutoencoderConfig
    _laid_out: Weights | None  # the weights as the kernels read them

    def __init__(self, *, seed: int = 0, dtype: Any = np.float32, **options: Any) -> None:
        config = checked(options)
        self.scaling_factor = config.scaling_factor
        super().__init__(config, (config.in_channels, *config.image_size), shapes(config), seed=seed, dtype=dtype)

    def initialise(self, seed: int) -> None:
        # A block that begins as its shortcut learns sooner: measured, 2 dB more after the same short training.
        initial.draw(self.params, seed, "conv2.weight", "to_out.0.weight", "decoder.conv_out.weight")

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(C, H / f, W / f) of the latent of an image of `shape`."""
        _, height, width = self.shape
        f = self.config.shrinkage
        return self.config.latent_channels, height // f, width // f

    def encode(self, x: ArrayLike, *, backend: Backend | None = None) -> Posterior:
        """The distribution of the latents of images x [N, 3, H, W], within -1..1."""
        x = _checks.array("x", x, ("N", self.shape[0], "H", "W"), self.dtype)
        f = self.config.shrinkage
        if any(side % f for side in x.shape[2:]):
            raise ValueError(f"x: expected height and width that are multiples of {f}, got {list(x.shape[2:])}")
        return Posterior(*diagonal_gaussian.halves(self._through("encoder", x, backend)))

    def decode(self, z: ArrayLike, *, backend: Backend | None = None) -> np.ndarray:
        """Images [N, 3, f H, f W] of latents z [N, C, H, W], as they are and not scaled."""
        z = _checks.array("z", z, ("N", self.config.latent_channels, "H", "W"), self.dtype)
        return self._through("decoder", z, backend)

    def _through(self, part: Any, x: np.ndarray, backend: Backend | None) -> np.ndarray:
        if chosen(backend) == "numpy" or self.dtype != np.float32:
            run = definition.encode if part == "encoder" else definition.decode
            return np.ascontiguousarray(run(self.readable, self.config, x))
        from numpy_diffusion.networks.autoencoder import compiled

        self._laid_out = compiled.laid_out(self.config, self.numbers, self._laid_out)
        return compiled.through(self.config, part, self._laid_out, x)

    # What training asks ------------------------------------------------------------------------------------------

    def gradient(
        self, batch: int, kl_weight: float, backend: Backend, ranks: Ranks = ALONE
    ) -> Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """A function of weights [P], images x [N, *shape] and their latents' noise [N, *latent_shape], of this
        process's share of a batch.

        It gives the losses [N] of `definition.losses_and_gradient`, and what the share adds to the gradient [P] of
        the batch's mean.
        """
        if backend == "numba" and self.dtype == np.float32:
            from numpy_diffusion.networks.autoencoder import compiled

            return compiled.gradients(self.config, self.share(batch, ranks), kl_weight)

        check_alone("the definition of an AutoencoderKL", ranks)

        def by_definition(weights: np.ndarray, x: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            params = parameters.views(weights, self.shapes)
            losses, grads = definition.losses_and_gradient(params, self.config, x, noise, kl_weight)
            return losses, np.concatenate([values.ravel() for values in grads.values()])

        return by_definition

    @property
    def measured(self) -> dict[str, np.ndarray]:
        return {"scaling_factor": np.array([self.scaling_factor], np.float32)}

    @measured.setter
    def measured(self, arrays: dict[str, np.ndarray]) -> None:
        self.scaling_factor = float(arrays["scaling_factor"][0])

    def measure(self, data: np.ndarray, backend: Backend) -> None:
        """Make the scaling factor 1 / deviation of the latents of the first images (Rombach et al., appendix G)."""
        deviation = float(self.encode(data[:MEASURED], backend=backend).sample().astype(np.float64).std())
        self.scaling_factor = float(np.float32(1.0 / deviation))
