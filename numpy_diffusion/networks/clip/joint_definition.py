"""CLIP as a whole in NumPy: both encoders, and the loss that teaches them (Radford et al. 2021, Figure 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from numpy_diffusion.models import parameters
from numpy_diffusion.networks.clip import contrastive, definition, vision_definition
from numpy_diffusion.networks.clip.config import CLIPTextProjectionConfig
from numpy_diffusion.networks.clip.vision_config import CLIPVisionConfig

SCALE: Final = "logit_scale"  # s of `contrastive`


@dataclass(frozen=True)
class CLIPConfig:
    """The structure of a `CLIP`, which says what each field is."""

    text_encoder: CLIPTextProjectionConfig
    image_encoder: CLIPVisionConfig


def losses_and_gradient(
    params: parameters.Parameters, config: CLIPConfig, x: np.ndarray, ids: np.ndarray
) -> tuple[np.ndarray, parameters.Parameters]:
    """The loss of each pair of an image of x [N, C, H, W] and a text of ids [N, L], and the gradient of their mean by
    every parameter.
    """
    images, image_caches = vision_definition.forward(params, config.image_encoder, x)
    _, texts, text_caches = definition.project(params, config.text_encoder, ids)
    losses, cache = contrastive.forward(images, texts, params[SCALE])

    dimages, dtexts, dscale = contrastive.backward(cache)
    _, grads = vision_definition.backward(config.image_encoder, dimages, image_caches)
    grads |= definition.project_backward(config.text_encoder, None, dtexts, text_caches)
    grads[SCALE] = np.asarray(dscale)
    return losses, {name: grads[name] for name in params}
