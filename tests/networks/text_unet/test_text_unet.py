"""A text encoder and a U-Net as one network: what every network must hold, and that both are the parts' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.networks import check_network

import numpy_diffusion as nd
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
PLAIN = dict(
    sample_size=4,
    block_out_channels=(4, 8),
    norm_num_groups=2,
    down_block_types=("DownBlock2D",) * 2,
    up_block_types=("UpBlock2D",) * 2,
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


def test_a_run_goes_on_with_the_same_text_that_is_left_out(tmp_path: Path) -> None:
    schedule, z = nd.Schedule.linear(T=20), np.random.default_rng(2).normal(size=(2, 4, 4, 4))
    options = dict(steps=1, batch=2, out=tmp_path / "run", progress=False)
    nd.train(network(), schedule, z, nd.Condition(tokens=TOKENS), **options)
    with pytest.raises(ValueError, match=r"model: expected TextUNet\(nothing=.* got TextUNet\(nothing="):
        nd.train(network(nothing=(7, 7, 8, 8)), schedule, z, nd.Condition(tokens=TOKENS), resume=True, **options)


def test_bad_arguments_are_named() -> None:
    for options, message in (
        (dict(text_encoder=ENCODER | dict(hidden_size=4)), "text_encoder: expected hidden_size"),
        (dict(unet=ATTENDING | dict(num_class_embeds=3)), "unet: expected one that is told states alone"),
        (dict(unet=PLAIN), "unet: expected one that is told states alone, got one that is told nothing"),
        (dict(unet=None), "unet: expected a Mapping, got NoneType"),
        (dict(text_encoder=[9]), "text_encoder: expected a Mapping, got list"),
        (dict(unet=ATTENDING | dict(seed=3)), "unet: expected no seed, which is an argument beside it, got 3"),
        (dict(nothing=[7, 8]), r"nothing: expected max_position_embeddings = 4 integers, got int64 of shape \[2\]"),
        (dict(nothing=None), "nothing: expected max_position_embeddings = 4 integers, got object"),
        (dict(nothing=[7, 8, 8, 9]), "nothing: expected numbers in 0..8"),
    ):
        with pytest.raises(ValueError, match=message):
            network(**options)
    model, x = network(), np.zeros((2, 4, 4, 4), np.float32)
    for tokens, message in (
        (TOKENS[:, :3], "tokens: expected 4 of each sample, got 3"),
        (TOKENS + 5, "tokens: expected numbers in 0..8"),
        (None, "tokens: expected one for all"),
    ):
        with pytest.raises(ValueError, match=message):
            model(x, 3, tokens=tokens)
