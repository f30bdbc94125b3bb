"""Autoencoders as small as they get, with all weights drawn, and images and noise for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from numpy_diffusion.networks.autoencoder.autoencoder import AutoencoderKL

KL_WEIGHT = 1e-2


def options(blocks: int = 2, **more: Any) -> dict[str, Any]:
    """Those of an autoencoder that halves its images blocks - 1 times."""
    known = dict(
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        block_out_channels=(4, 8, 8)[:blocks],
        norm_num_groups=2,
        latent_channels=2,
        sample_size=8,
    )
    return known | more


@st.composite
def drawn_options(draw: st.DrawFn) -> dict[str, Any]:
    """Options among all that there are, images of at most 12 pixels a side."""
    blocks, channels = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    sides = [2 ** (blocks - 1) * draw(st.integers(1, 3)) for _ in range(2)]
    return options(
        blocks,
        in_channels=channels,
        out_channels=channels,
        sample_size=tuple(sides),
        block_out_channels=tuple(draw(st.sampled_from([4, 8, 36])) for _ in range(blocks)),
        norm_num_groups=draw(st.sampled_from([1, 2, 4])),
        layers_per_block=draw(st.integers(1, 2)),
        latent_channels=draw(st.integers(1, 3)),
        use_quant_conv=draw(st.booleans()),
        use_post_quant_conv=draw(st.booleans()),
        mid_block_add_attention=draw(st.booleans()),
    )


def autoencoder(given: dict[str, Any] | None = None, dtype: Any = np.float32) -> AutoencoderKL:
    """All weights and biases drawn, so that no gradient is zero but by the structure."""
    model, rng = AutoencoderKL(**(options() if given is None else given), dtype=dtype), np.random.default_rng(0)
    for values in model.params.values():
        values[:] = rng.normal(size=values.shape) / np.sqrt(max(values[0].size, 2))
    return model


def shown(model: AutoencoderKL, n: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Images, and noise for their latents."""
    rng, dtype = np.random.default_rng(1), model.buffer.dtype
    x = rng.uniform(-1.0, 1.0, (n, *model.shape))
    return x.astype(dtype), rng.normal(size=(n, *model.latent_shape)).astype(dtype)
