"""The U-Net's structure: that of google/ddpm-cifar10-32 as published, and what holds for any."""

from __future__ import annotations

from typing import Any

from checks.unet_configs import CIFAR10, KARLO, STABLE_DIFFUSION
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.models import parameters
from numpy_diffusion.networks.unet.program import Op, checked, program, shapes, told_size

FLAT = settings(deadline=None, max_examples=50)


def _block(name: str, way: str) -> str:
    return f"{name}{way.title()}{'sample' if name == 'Resnet' else ''}Block2D"


@st.composite
def configs(draw: Any) -> dict[str, Any]:
    """Any structure of up to four blocks; groups of four channels."""
    blocks = draw(st.integers(1, 4))
    channels = draw(st.lists(st.sampled_from([4, 8, 12]), min_size=blocks, max_size=blocks))
    attending = draw(st.sampled_from(["Attn", "CrossAttn"]))
    names = ["", attending, "Resnet", *(["SimpleCrossAttn"] if attending == "CrossAttn" else [])]
    kinds = {
        f"{way}_block_types": [_block(draw(st.sampled_from(names)), way) for _ in range(blocks)]
        for way in ("down", "up")
    }
    more = dict(cross_attention_dim=6) if attending == "CrossAttn" else dict(add_attention=draw(st.booleans()))
    options = dict(
        sample_size=2 ** (blocks - 1) * draw(st.integers(1, 3)),
        in_channels=draw(st.integers(1, 3)),
        block_out_channels=channels,
        layers_per_block=draw(st.integers(1, 3)),
        norm_num_groups=4,
        attention_head_dim=draw(st.sampled_from([1, 2, 4] if attending == "CrossAttn" else [None, 1, 2, 4])),
        num_class_embeds=draw(st.sampled_from([None, 1, 11])),
        time_embedding_dim=draw(st.sampled_from([None, 10])),
        downsample_padding=draw(st.integers(0, 1)),
    )
    return checked(options | kinds | more | {"out_channels": options["in_channels"]})


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
    assert {op.heads for op in ops if op.kind == "attention"} == {1}


def test_the_parameters_of_stable_diffusion_are_those_published() -> None:
    """865.9 million in 686 tensors; 859.5 of version 1.4."""
    config = checked(STABLE_DIFFUSION)
    found, ops = shapes(config), program(config)
    assert parameters.size(found) == 865_910_724
    assert len(found) == 686
    transformers = [op for op in ops if op.kind == "transformer"]
    assert [op.heads for op in transformers] == [5, 5, 10, 10, 20, 20, 20, *[20] * 3, *[10] * 3, *[5] * 3]
    assert {op.depth for op in transformers} == {1}
    block = "mid_block.attentions.0.transformer_blocks.0"
    assert found[f"{block}.attn2.to_k.weight"] == (1280, 1024)
    assert found[f"{block}.ff.net.0.proj.weight"] == (8 * 1280, 1280)
    assert f"{block}.attn1.to_q.bias" not in found
    assert found["mid_block.attentions.0.proj_in.weight"] == (1280, 1280)
    older = STABLE_DIFFUSION | {"cross_attention_dim": 768, "attention_head_dim": 8, "use_linear_projection": False}
    found = shapes(checked(older))
    assert parameters.size(found) == 859_520_964
    assert found["mid_block.attentions.0.proj_in.weight"] == (1280, 1280, 1, 1)


def test_what_is_told_besides_is_added_to_the_step_as_it_is_or_through_two_layers() -> None:
    options = STABLE_DIFFUSION | {"class_embed_type": "identity"}
    assert told_size(checked(options)) == 1280
    assert not any(name.startswith("class_embedding") for name in shapes(checked(options)))
    options |= {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 7}
    assert told_size(checked(options)) == 7
    assert shapes(checked(options))["class_embedding.linear_1.weight"] == (1280, 7)
    assert told_size(checked(CIFAR10)) == 0


def test_the_program_of_karlos_decoder() -> None:
    """Layers for the states in each attention, residual blocks for halving and doubling, and a variance."""
    config = checked(KARLO)
    found, ops = shapes(config), program(config)
    assert [op.name for op in ops if op.kind == "resnet_down"] == [
        f"down_blocks.{block}.downsamplers.0" for block in range(3)
    ]
    assert [op.name for op in ops if op.kind == "resnet_up"] == [
        f"up_blocks.{block}.upsamplers.0" for block in range(3)
    ]
    assert {op.heads for op in ops if op.kind == "added_attention"} == {10, 15, 20}
    assert found["mid_block.attentions.0.add_k_proj.weight"] == (1280, 1536)
    assert found["mid_block.attentions.0.to_k.weight"] == (1280, 1280)
    assert found["down_blocks.0.downsamplers.0.time_emb_proj.weight"] == (640, 1280)
    assert found["conv_out.weight"] == (6, 320, 3, 3)
    assert told_size(config) == 1280


def test_beside_scales_and_shifts_the_middles_attention_has_no_norm() -> None:
    """Of UNet2DModel, as there; the attention in blocks has one."""
    options = CIFAR10 | {"resnet_time_scale_shift": "scale_shift"}
    for one, normed in ((CIFAR10, True), (options, False)):
        found = shapes(checked(one))
        assert ("mid_block.attentions.0.group_norm.weight" in found) == normed
        assert "down_blocks.1.attentions.0.group_norm.weight" in found


def test_a_scale_and_a_shift_are_twice_the_numbers() -> None:
    found = shapes(checked(CIFAR10 | {"resnet_time_scale_shift": "scale_shift"}))
    assert found["mid_block.resnets.0.time_emb_proj.weight"] == (512, 512)


@FLAT
@given(configs())
def test_channels_fit_from_one_operation_to_the_next_and_each_skip_is_used_once(config: dict[str, Any]) -> None:
    channels, size, skips = config.in_channels, 0, []
    for op in program(config):
        assert op.inputs == channels
        size += {"downsample": 1, "resnet_down": 1, "upsample": -1, "resnet_up": -1}.get(op.kind, 0)
        if op.kind == "save":
            skips.append((op.outputs, size))
        if op.kind == "concat":
            more, there = skips.pop()
            assert (op.outputs, size) == (op.inputs + more, there)
        elif op.kind in ("save", "attention", "transformer", "downsample", "upsample"):
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
    down, up = (sum("Attn" in kind for kind in getattr(config, f"{way}_block_types")) for way in ("down", "up"))
    assert count("resnet") == blocks * (2 * layers + 1) + 2
    assert (
        count("attention") + count("transformer") + count("added_attention")
        == down * layers + up * (layers + 1) + config.mid_attention
    )
    assert count("attention" if config.cross_attention_dim else "transformer") == 0
    assert count("added_attention") == 0 or config.cross_attention_dim
    for way in ("down", "up"):
        kinds = getattr(config, f"{way}_block_types")[:-1]
        assert count(f"resnet_{way}") == sum(kind.startswith(("Resnet", "Simple")) for kind in kinds)
        assert count(f"{way}sample") == blocks - 1 - count(f"resnet_{way}")
    assert ops[0] == Op("conv_in", "conv_in", config.in_channels, config.block_out_channels[0])
    assert ops[-1].kind == "conv_out"
