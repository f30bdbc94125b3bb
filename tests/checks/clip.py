"""Small encoders of texts and images, and both as one network."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.networks.clip.clip import CLIP
from numpy_diffusion.networks.clip.clip_text import CLIPText
from numpy_diffusion.networks.clip.clip_text_projection import CLIPTextWithProjection
from numpy_diffusion.networks.clip.clip_vision import CLIPVisionWithProjection

OPTIONS: dict[str, Any] = dict(
    vocab_size=7,
    hidden_size=4,
    intermediate_size=5,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=5,
    eos_token_id=6,
)
IDS = np.array([[5, 1, 6, 6], [5, 0, 1, 6], [5, 6, 3, 1]])
ENDS = [2, 3, 1]


VISION: dict[str, Any] = dict(
    hidden_size=6,
    intermediate_size=5,
    projection_dim=3,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_channels=2,
    image_size=4,
    patch_size=2,
)
PROJECTED: dict[str, Any] = OPTIONS | dict(projection_dim=3)


def encoder(dtype: Any = np.float32, **more: Any) -> CLIPText:
    """A text encoder none of whose biases is 0 and none of whose norms' weights is 1."""
    return _moved(CLIPText(dtype=dtype, **OPTIONS | more))


def projecting(dtype: Any = np.float32, **more: Any) -> CLIPTextWithProjection:
    """Likewise, with the projection."""
    return _moved(CLIPTextWithProjection(dtype=dtype, **PROJECTED | more))


def vision(dtype: Any = np.float32, **more: Any) -> CLIPVisionWithProjection:
    """An image encoder, likewise."""
    return _moved(CLIPVisionWithProjection(dtype=dtype, **VISION | more))


def joint(dtype: Any = np.float32, **of_images: Any) -> CLIP:
    """Both as one network, likewise; more options are the image encoder's."""
    return _moved(CLIP(image_encoder=VISION | of_images, text_encoder=PROJECTED, dtype=dtype))


def images(n: int = 3, dtype: Any = np.float32) -> np.ndarray:
    """For `vision`."""
    return np.random.default_rng(1).uniform(-1.0, 1.0, (n, 2, 4, 4)).astype(dtype)


def _moved(made: Any) -> Any:
    made.buffer += 0.3 * np.random.default_rng(0).normal(size=made.buffer.size).astype(made.buffer.dtype)
    return made


def options_of_both(width: int = 6, heads: int = 2, layers: int = 2, act: str = "quick_gelu", **more: Any) -> Any:
    """Options of a whole `CLIP` whose encoders are of these sizes."""
    sizes = dict(hidden_size=width, num_attention_heads=heads, num_hidden_layers=layers, hidden_act=act, **more)
    return dict(image_encoder=VISION | sizes, text_encoder=PROJECTED | sizes)
