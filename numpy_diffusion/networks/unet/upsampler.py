"""A U-Net that enlarges: it is told a low-resolution image and says what the large one is."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.networks.registry import register
from numpy_diffusion.networks.unet.unet import UNet


@register
class Upsampler(UNet):
    """x_0 = model(x, t, low_resolution=[N, C, h, w]): a `UNet` with twice the channels in, that predicts x_0 itself.

    What it is told leaves little open, and that little is learned sooner than the noise.  At the first steps of a
    chain x_0 is eps divided by next to nothing, so that a small error of eps is a wrong colour of the whole image
    (Salimans and Ho 2022, arXiv 2202.00512, section 4).  For samplers `nd.as_eps(model, schedule, "x0")` is the model
    of eps.  A `UNet` with twice the channels in predicts eps, as DALL-E 2's upsamplers do.

    Parameters
    ----------
    options, seed, dtype : as for `UNet`, in_channels twice out_channels

    Raises
    ------
    ValueError : as for `UNet`, and other channels

    Examples
    --------
    >>> model = Upsampler(sample_size=8, in_channels=2, out_channels=1, block_out_channels=(8, 16), norm_num_groups=4,
    ...                   down_block_types=("ResnetDownsampleBlock2D",) * 2, add_attention=False,
    ...                   up_block_types=("ResnetUpsampleBlock2D",) * 2)
    >>> model(np.zeros((5, 1, 8, 8)), 3, low_resolution=np.zeros((5, 1, 4, 4))).shape, model.predicts
    ((5, 1, 8, 8), 'x0')
    """

    predicts = "x0"

    def __init__(self, *, seed: int = 0, dtype: Any = np.float32, **options: Any) -> None:
        super().__init__(seed=seed, dtype=dtype, **options)
        if not self.upsamples:
            count = self.config.out_channels
            raise ValueError(f"in_channels: expected twice out_channels, {2 * count}, got {self.config.in_channels}")
