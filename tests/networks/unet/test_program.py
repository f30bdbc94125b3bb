"""The U-Net's structure: that of google/ddpm-cifar10-32 as published, and what holds for any."""

from __future__ import annotations

from typing import Any

from checks.unet_configs import CIFAR10
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.models import parameters
from numpy_diffusion.networks.unet.program import Op, checked, heads, program, shapes

FLAT = settings(deadline=None, max_examples=50)


@st.composite
def configs(draw: Any) -> dict[str, Any]:
    """Any structure of up to four blocks; groups of four channels."""
    blocks = draw(st.integers(1, 4))
    channels = draw(st.lists(st.sampled_from([4, 8, 12]), min_size=blocks, max_size=blocks))
    kinds = {
        f"{way}_block_types": [f"{draw(st.sampled_from(['', 'Attn']))}{way.title()}Block2D" for _ in range(blocks)]
        for way in ("down", "up")
    }
    options = dict(
        sample_size=2 ** (blocks - 1) * draw(st.integers(1, 3)),
        in_channels=draw(st.integers(1, 3)),
        block_out_channels=channels,
        layers_per_block=draw(st.integers(1, 3)),
        norm_num_groups=4,
        attention_head_dim=draw(st.sampled_from([None, 1, 2, 4])),
        add_attention=draw(st.booleans()),
        num_class_embeds=draw(st.sampled_from([None, 1, 11])),
        time_embedding_dim=draw(st.sampled_from([None, 10])),
        downsample_padding=draw(st.integers(0, 1)),
    )
    return checked(options | kinds | {"out_channels": options["in_channels"]})


def test_the_parameters_of_ddpm_cifar10_are_those_published() -> None:
    """35.7 million (Ho et al. 2020, appendix B), in 328 tensors, with attention at 16 x 16 and in the middle."""
    config = checked(CIFAR10)
    found, ops = shapes(config), program(config)
    assert parameters.size(found) == 35_746_307
    assert len(found) == 328
    attentions = [op.name for op in ops if op.kind == "attention"]
    assert attentions == [
        *[f"down_blocks.1.attentions.{layer}" for layer in range(2)],
        "mid_block.attentions.0",
        *[f"up_blocks.2.attentions.{layer}" for layer in range(3)],
    ]
    assert found["down_blocks.1.resnets.0.conv_shortcut.weight"] == (256, 128, 1, 1)
    assert found["up_blocks.3.resnets.0.conv1.weight"] == (128, 384, 3, 3)
    assert found["up_blocks.3.resnets.2.norm1.weight"] == (256,)
    assert found["mid_block.attentions.0.to_out.0.weight"] == (256, 256)
    assert "down_blocks.3.downsamplers.0.conv.weight" not in found
    assert "up_blocks.3.upsamplers.0.conv.weight" not in found
    assert heads(config, 256) == 1


@FLAT
@given(configs())
def test_channels_fit_from_one_operation_to_the_next_and_each_skip_is_used_once(config: dict[str, Any]) -> None:
    channels, size, skips = config.in_channels, 0, []
    for op in program(config):
        assert op.inputs == channels
        size += {"downsample": 1, "upsample": -1}.get(op.kind, 0)
        if op.kind == "save":
            skips.append((op.outputs, size))
        if op.kind == "concat":
            more, there = skips.pop()
            assert (op.outputs, size) == (op.inputs + more, there)
        elif op.kind in ("save", "attention", "downsample", "upsample"):
            assert op.outputs == op.inputs
        channels = op.outputs
    assert (channels, size, skips) == (config.out_channels, 0, [])


@FLAT
@given(configs())
def test_every_parameter_belongs_to_one_operation_in_their_order(config: dict[str, Any]) -> None:
    ops = program(config)
    names = [name for name in shapes(config) if not name.startswith(("time_embedding.", "class_embedding."))]
    owners = [
        next(k for k, op in enumerate(ops) if name.replace("conv_norm_out", "conv_out").startswith(f"{op.name}."))
        for name in names
    ]
    assert owners == sorted(owners)
    assert set(owners) == {k for k, op in enumerate(ops) if op.name}
    assert len({op.name for op in ops if op.name}) == sum(op.name != "" for op in ops)
    assert all(op.kind in ("save", "concat") for op in ops if op.name == "")


@FLAT
@given(configs())
def test_blocks_and_layers_are_as_many_as_asked_for(config: dict[str, Any]) -> None:
    ops = program(config)
    count = lambda kind: sum(op.kind == kind for op in ops)  # noqa: E731
    blocks, layers = len(config.block_out_channels), config.layers_per_block
    down, up = (
        sum(kind.startswith("Attn") for kind in getattr(config, f"{way}_block_types")) for way in ("down", "up")
    )
    assert count("resnet") == blocks * (2 * layers + 1) + 2
    assert count("attention") == down * layers + up * (layers + 1) + config.add_attention
    assert count("downsample") == count("upsample") == blocks - 1
    assert ops[0] == Op("conv_in", "conv_in", config.in_channels, config.block_out_channels[0])
    assert ops[-1].kind == "conv_out"
