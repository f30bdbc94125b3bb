"""The U-Net's kernels: outputs and gradients of the definition, in bits that no batch, split or thread changes."""

from __future__ import annotations

import hashlib
from typing import Any

import numba
import numpy as np
import pytest
from checks.threads import digests
from checks.unet_kernel import DOWN, UP, decoder, double, exact, gradient, outputs, row, shown, small, told
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.networks.unet import definition
from numpy_diffusion.networks.unet.unet import UNet

FLAT = settings(deadline=None, max_examples=12)
DOWN_TOLD = ("DownBlock2D", "CrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D")
UP_TOLD = ("UpBlock2D", "CrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D")
PROJECTED = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 3}


@st.composite
def networks(draw: st.DrawFn) -> UNet:
    """U-Nets of any structure: two or three sizes, channels of no round number, and all weights drawn."""
    blocks, groups, heads = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.sampled_from([None, 2]))
    attends = draw(st.booleans())  # with a layer norm, which a few equal channels upset as a few equal pixels do
    channels = [2 * groups * draw(st.integers(4 if attends else 1, 6)) for _ in range(blocks)]
    images = draw(st.integers(1, 5))
    side = st.integers(1, 3).map(lambda n: n * 2 ** (blocks - 1))
    attended = draw(st.lists(st.integers(0, 2), min_size=blocks, max_size=blocks))
    kinds = dict(
        down_block_types=[DOWN[kind] for kind in attended],
        up_block_types=[UP[kind] for kind in reversed(attended)],
        attention_head_dim=heads,
        add_attention=draw(st.booleans()),
        num_class_embeds=draw(st.sampled_from([None, 3])),
    )
    if attends:
        kinds = _told(draw, attended)
    model = UNet(
        sample_size=[draw(side), draw(side)],
        in_channels=images,
        out_channels=images * draw(st.integers(1, 2)),
        block_out_channels=channels,
        layers_per_block=draw(st.integers(1, 2)),
        norm_num_groups=groups,
        downsample_padding=draw(st.integers(0, 1)),
        dropout=draw(st.sampled_from([0.0, 0.3])),
        resnet_time_scale_shift=draw(st.sampled_from(["default", "scale_shift"])),
        **kinds,
        norm_eps=1e-2,  # a group of a few equal pixels would otherwise magnify rounding a thousandfold
    )
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    model.buffer[:] += 0.1 * rng.normal(size=model.buffer.size)
    return model


def _told(draw: st.DrawFn, attended: list[int]) -> dict[str, Any]:
    """The options of a U-Net that attends to states in these blocks, in either way, and in the middle."""
    known = draw(st.sampled_from([{}, {"num_class_embeds": 3}, {"class_embed_type": "identity"}, PROJECTED]))
    return known | dict(
        down_block_types=[DOWN_TOLD[here] for here in attended],
        up_block_types=[UP_TOLD[here] for here in reversed(attended)],
        cross_attention_dim=draw(st.integers(1, 9)),
        mid_block_type=draw(st.sampled_from(["UNetMidBlock2DCrossAttn", "UNetMidBlock2DSimpleCrossAttn"])),
        attention_head_dim=draw(st.sampled_from([1, 2])),
        transformer_layers_per_block=[draw(st.integers(1, 2)) for _ in attended],
        use_linear_projection=draw(st.booleans()),
    )


def rounding(model: UNet) -> float:
    """Of float32, which each of a transformer's many norms magnifies a little, and so it does the definition's."""
    return 2e-4 if model.config.cross_attention_dim else 2e-5


@FLAT
@given(networks(), st.integers(1, 5))
def test_the_outputs_are_the_definitions(model, n):
    batch = shown(model, n)
    params = {name: values.astype(np.float64) for name, values in model.params.items()}
    wanted = definition.forward(params, model.config, batch["x"].astype(float), batch["t"], double(batch["told"]))[0]
    assert np.abs(outputs(model, batch) - wanted).max() < rounding(model) * np.abs(wanted).max()


@FLAT
@given(networks(), st.integers(1, 11))
def test_the_gradient_is_the_definitions(model, n):
    batch, rng = shown(model, n), np.random.default_rng(n)
    eps = rng.normal(size=(n, *model.shape)).astype(np.float32)
    weighting = rng.uniform(0.5, 2.0, n).astype(np.float32)
    found, slopes, *dtold = gradient(model, batch, eps, weighting)
    wanted, wanted_slopes, *wanted_dtold = exact(model, batch, eps, weighting)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-8)
    assert np.linalg.norm(slopes - wanted_slopes) < rounding(model) * np.linalg.norm(wanted_slopes)
    if model.config.cross_attention_dim:
        for one, other in zip(dtold, wanted_dtold, strict=True):
            assert other is None or np.linalg.norm(one - other) < rounding(model) * np.linalg.norm(other)
        assert not dtold[1][~batch["told"].mask].any()


@pytest.mark.parametrize("make", [small, told, decoder])
def test_a_sample_is_the_same_in_any_batch(make):
    """Those that all workers share, too: more samples than workers by one are shared."""
    model = make()
    batch = shown(model, 2 * numba.get_num_threads() + 1)
    whole = outputs(model, batch)
    for n in range(len(whole)):
        assert (outputs(model, row(batch, n)) == whole[n : n + 1]).all()


def digest() -> str:
    """Of outputs and gradients."""
    total = hashlib.sha256()
    for model in (small(), told(), decoder()):
        batch = shown(model, 11)
        found = gradient(model, batch, batch["x"], np.ones(11, np.float32))
        for values in (outputs(model, batch), outputs(model, shown(model, 1)), *found):
            total.update(values.tobytes())
    return total.hexdigest()


def test_threads_change_no_bit():
    assert len(set(digests(__file__))) == 1
