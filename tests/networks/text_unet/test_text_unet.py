"""A text encoder and a U-Net as one network: what every network must hold, and that both are the parts' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.networks import check_network

from numpy_diffusion.networks.text_unet.text_unet import TextUNet

ATTENDING = dict(
    sample_size=4,
    block_out_channels=(4, 8),
    layers_per_block=1,
    norm_num_groups=2,
    cross_attention_dim=6,
    attention_head_dim=2,
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
)
ENCODER = dict(
    vocab_size=9,
    hidden_size=6,
    intermediate_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    max_position_embeddings=4,
    eos_token_id=8,
)
NOTHING = (7, 8, 8, 8)
TOKENS = np.array([[7, 0, 3, 8], [7, 1, 8, 8]])


def network(**options: Any) -> TextUNet:
    return TextUNet(**dict(unet=ATTENDING, text_encoder=ENCODER, nothing=NOTHING) | options)


def test_it_is_a_network(tmp_path: Path) -> None:
    check_network(network(), tmp_path)


def test_its_parts_give_its_answer() -> None:
    model, x = network(), np.random.default_rng(0).normal(size=(2, 4, 4, 4)).astype(np.float32)
    model.buffer[:] = np.random.default_rng(1).normal(size=model.buffer.size, scale=0.5)
    encoder, unet = model.parts()
    answer = model(x, [3, 9], tokens=TOKENS)
    np.testing.assert_array_equal(unet(x, [3, 9], states=encoder(TOKENS)), answer)
    assert np.abs(answer - model(x, [3, 9], tokens=TOKENS[::-1])).max() > 1e-3  # the text is listened to
    unet.buffer[:] = 0.0
    np.testing.assert_array_equal(model(x, [3, 9], tokens=TOKENS), answer)  # they are copies


def test_bad_arguments_are_named() -> None:
    for options, message in (
        (dict(text_encoder=ENCODER | dict(hidden_size=4)), "text_encoder: expected hidden_size"),
        (dict(unet=ATTENDING | dict(num_class_embeds=3)), "unet: expected one that is told states alone"),
        (dict(nothing=[7, 8]), "nothing: expected max_position_embeddings = 4 tokens, got 2"),
        (dict(nothing=[7, 8, 8, 9]), "ids: expected numbers in 0..8"),
    ):
        with pytest.raises(ValueError, match=message):
            network(**options)
    model, x = network(), np.zeros((2, 4, 4, 4), np.float32)
    for tokens, message in (
        (TOKENS[:, :3], "tokens: expected 4 of each sample, got 3"),
        (TOKENS + 5, "ids: expected numbers in 0..8"),
        (None, "tokens: expected one for all"),
    ):
        with pytest.raises(ValueError, match=message):
            model(x, 3, tokens=tokens)
