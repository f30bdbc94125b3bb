"""transformers' CLIP under PyTorch: its training step."""

from __future__ import annotations

import torch
from peer_diffusers import NAMES, maybe_compiled, tensor, training
from transformers import CLIPConfig, CLIPModel

__all__ = ["NAMES", "train"]


def train(name, clip, data, ids, batch, rate):
    """run() takes one training step; and the loss's gradient by our flat parameters [P]."""
    texts, images = clip.options["text_encoder"], clip.options["image_encoder"]
    config = CLIPConfig(text_config=texts, vision_config=images, projection_dim=texts["projection_dim"])
    found = CLIPModel(config)
    weights = {key: torch.tensor(values.copy()) for key, values in clip.params.items()}
    found.load_state_dict(weights, strict=False)  # what there is besides is the numbers of the places
    called = maybe_compiled(name, lambda x, ids: found(input_ids=ids, pixel_values=x, return_loss=True).loss)
    data, ids = tensor(name, data), tensor(name, ids)

    def draw():
        rows = torch.randperm(len(data))[:batch]
        return data[rows], ids[rows]

    return training(name, found, clip, called, draw, rate)
