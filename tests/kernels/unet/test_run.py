"""The U-Net's kernels: outputs and gradients of the definition, in bits that no batch, split or thread changes."""

from __future__ import annotations

import hashlib
import itertools

import numba
import numpy as np
import pytest
from checks.threads import digests
from checks.unet_kernel import exact, gradient, outputs, shown
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.unet import run as kernel
from numpy_diffusion.networks.unet import compiled as unet_compiled
from numpy_diffusion.networks.unet import definition
from numpy_diffusion.networks.unet import plan as unet_plan
from numpy_diffusion.networks.unet.unet import UNet

FLAT = settings(deadline=None, max_examples=12)
DOWN, UP = ("DownBlock2D", "AttnDownBlock2D"), ("UpBlock2D", "AttnUpBlock2D")


@st.composite
def networks(draw: st.DrawFn) -> UNet:
    """U-Nets of any structure: two or three sizes, channels of no round number, and all weights drawn."""
    blocks, groups, heads = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.sampled_from([None, 2]))
    channels = [2 * groups * draw(st.integers(1, 6)) for _ in range(blocks)]
    images = draw(st.integers(1, 5))
    side = st.integers(1, 3).map(lambda n: n * 2 ** (blocks - 1))
    attended = draw(st.lists(st.integers(0, 1), min_size=blocks, max_size=blocks))
    model = UNet(
        sample_size=[draw(side), draw(side)],
        in_channels=images,
        out_channels=images * draw(st.integers(1, 2)),
        block_out_channels=channels,
        layers_per_block=draw(st.integers(1, 2)),
        down_block_types=[DOWN[kind] for kind in attended],
        up_block_types=[UP[kind] for kind in reversed(attended)],
        norm_num_groups=groups,
        attention_head_dim=heads,
        add_attention=draw(st.booleans()),
        num_class_embeds=draw(st.sampled_from([None, 3])),
        downsample_padding=draw(st.integers(0, 1)),
        dropout=draw(st.sampled_from([0.0, 0.3])),
        norm_eps=1e-2,  # a group of a few equal pixels would otherwise magnify rounding a thousandfold
    )
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    model.buffer[:] += 0.1 * rng.normal(size=model.buffer.size)
    return model


@FLAT
@given(networks(), st.integers(1, 5))
def test_the_outputs_are_the_definitions(model, n):
    batch = shown(model, n)
    params = {name: values.astype(np.float64) for name, values in model.params.items()}
    wanted = definition.forward(params, model.config, batch["x"].astype(float), batch["t"], batch["labels"])[0]
    assert np.abs(outputs(model, batch) - wanted).max() < 2e-5 * np.abs(wanted).max()


@FLAT
@given(networks(), st.integers(1, 11))
def test_the_gradient_is_the_definitions(model, n):
    batch, rng = shown(model, n), np.random.default_rng(n)
    eps = rng.normal(size=batch["x"].shape).astype(np.float32)
    weighting = rng.uniform(0.5, 2.0, n).astype(np.float32)
    found, slopes = gradient(model, batch, eps, weighting)
    wanted, wanted_slopes = exact(model, batch, eps, weighting)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-8)
    assert np.linalg.norm(slopes - wanted_slopes) < 2e-5 * np.linalg.norm(wanted_slopes)


def small() -> UNet:
    model = UNet(
        sample_size=8,
        in_channels=2,
        out_channels=2,
        block_out_channels=[8, 40],
        norm_num_groups=4,
        down_block_types=DOWN,
        up_block_types=UP[::-1],
        layers_per_block=1,
        dropout=0.2,
        num_class_embeds=4,
    )
    model.buffer[:] += 0.1 * np.random.default_rng(0).normal(size=model.buffer.size)
    return model


def test_a_sample_is_the_same_in_any_batch():
    """Those that all workers share, too: more samples than workers by one are shared."""
    model = small()
    batch = shown(model, 2 * numba.get_num_threads() + 1)
    whole = outputs(model, batch)
    for n in range(len(whole)):
        alone = {name: values[n : n + 1] for name, values in batch.items()}
        assert (outputs(model, alone) == whole[n : n + 1]).all()


def digest() -> str:
    """Of outputs and gradients."""
    model = small()
    batch = shown(model, 11)
    found = gradient(model, batch, batch["x"], np.ones(11, np.float32))
    parts = outputs(model, batch), outputs(model, shown(model, 1)), *found
    return hashlib.sha256(b"".join(values.tobytes() for values in parts)).hexdigest()


def test_threads_change_no_bit():
    assert len(set(digests(__file__))) == 1


def test_the_kernels_follow_the_weights():
    """Laid out again when they have changed, and only then."""
    model = small()
    first = unet_compiled.laid_out(model.config, model.buffer, None)
    assert unet_compiled.laid_out(model.config, model.buffer, first) is first
    model.params["conv_in.bias"][3] += 1.0
    second = unet_compiled.laid_out(model.config, model.buffer, first)
    place = unet_compiled.planned(model.config)[1].weights.at["conv_in.bias"] + 3
    assert np.flatnonzero(second.laid_out != first.laid_out).tolist() == [place]


@pytest.mark.parametrize("training", [False, True])
def test_no_two_images_share_their_place_at_a_time(training):
    plan, _ = unet_compiled.planned(small().config, training)
    used: dict[int, list[int]] = {}
    for number, (_, *row) in enumerate(plan.calls.tolist()):
        for image in row[: unet_plan.IMAGES]:
            used.setdefault(image, [number, number])[1] = number
    del used[unet_plan.NONE]
    for image in (plan.x, plan.embedding, plan.eps, plan.deps):
        used[image] = [0, len(plan.calls)]
    used.pop(unet_plan.NONE, None)
    for (one, (start, end)), (other, (low, high)) in itertools.combinations(used.items(), 2):
        if start <= high and low <= end:
            first, second = sorted((plan.images[one], plan.images[other]), key=lambda image: image[0])
            assert first[0] + unet_plan.size(*first[1:]) <= second[0]
            assert second[0] + unet_plan.size(*second[1:]) <= plan.arena


def test_a_forward_pass_needs_less_room():
    config = small().config
    assert unet_compiled.planned(config)[0].arena < unet_compiled.planned(config, training=True)[0].arena
    assert min(kernel.GROUPS) >= 2
