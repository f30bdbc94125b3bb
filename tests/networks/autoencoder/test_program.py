"""Encoder and decoder as operations: each takes up what the one before left, and every parameter has its shape."""

from __future__ import annotations

from typing import Any

from checks.autoencoders import drawn_options, options
from hypothesis import given, settings

from numpy_diffusion.networks.autoencoder.program import checked, decoder, encoder, shapes
from numpy_diffusion.networks.unet.program import Op

FACTORS = {"downsample": 0.5, "upsample": 2.0}


@settings(deadline=None, max_examples=30)
@given(drawn_options())
def test_channels_and_sizes_run_through(given_options: dict[str, Any]) -> None:
    config = checked(given_options)
    latent = config.latent_channels
    for ops, first, last, grown in (
        (encoder(config), config.in_channels, 2 * latent, 1 / config.shrinkage),
        (decoder(config), latent, config.out_channels, config.shrinkage),
    ):
        channels, size = first, 1.0
        for op in ops:
            assert op.inputs == channels
            channels, size = op.outputs, size * FACTORS.get(op.kind, 1.0)
        assert (channels, size) == (last, grown)
    found = shapes(config)
    assert not any("time_emb_proj" in name for name in found)
    assert ("quant_conv.weight" in found) == config.use_quant_conv
    assert ("post_quant_conv.weight" in found) == config.use_post_quant_conv
    assert any("attentions" in name for name in found) == config.mid_block_add_attention


def test_the_names_are_those_of_diffusers() -> None:
    found = shapes(checked(options()))
    layers = ("encoder.down_blocks.1.resnets.0.conv_shortcut", "encoder.down_blocks.0.downsamplers.0.conv")
    layers += ("encoder.mid_block.attentions.0.to_out.0", "encoder.conv_norm_out", "encoder.conv_out", "quant_conv")
    layers += ("post_quant_conv", "decoder.conv_in", "decoder.up_blocks.0.upsamplers.0.conv", "decoder.conv_norm_out")
    for layer in layers:
        assert {f"{layer}.weight", f"{layer}.bias"} <= found.keys()
    assert found["encoder.conv_out.weight"] == (4, 8, 3, 3)
    assert found["decoder.conv_in.weight"] == (8, 2, 3, 3)
    assert found["encoder.mid_block.attentions.0.to_q.weight"] == (8, 8)


def test_the_attention_has_one_head() -> None:
    found = [op for op in encoder(checked(options())) if op.kind == "attention"]
    assert found == [Op("attention", "encoder.mid_block.attentions.0", 8, 8, 1)]
