"""The calls of a U-Net: the images of each, their places in the arena, and the way back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from checks.unet_kernel import small, wide

from numpy_diffusion.kernels.layers.images import size
from numpy_diffusion.kernels.unet.calls import IMAGES, NONE, CallKind
from numpy_diffusion.kernels.vector.registers import WIDEST_LANES, WIDEST_VECTOR
from numpy_diffusion.networks.unet import compiled
from numpy_diffusion.networks.unet.layout import layout
from numpy_diffusion.networks.unet.plan import plan
from numpy_diffusion.networks.unet.program import Op, program

CONFIG = small().config
BACK = [kind for kind in CallKind if kind.name.endswith("_BACK")] + [CallKind.CONV_WEIGHTS, CallKind.SLICE]


@pytest.mark.parametrize("training", [False, True])
def test_no_two_images_share_their_place_at_a_time(training):
    found, _ = compiled.planned(CONFIG, training)
    used: dict[int, list[int]] = {}
    for number, call in enumerate(found.calls):
        for image in (int(call[name]) for name in IMAGES):
            used.setdefault(image, [number, number])[1] = number
    del used[NONE]
    for image in (found.x, found.embedding, found.eps, found.deps):
        used[image] = [0, len(found.calls)]
    used.pop(NONE, None)
    for (one, (start, end)), (other, (low, high)) in itertools.combinations(used.items(), 2):
        if start <= high and low <= end:
            first, second = sorted((found.images[one].tolist(), found.images[other].tolist()))
            assert first[0] + size(*first[1:]) <= second[0]
            assert second[0] + size(*second[1:]) <= found.arena


def test_a_forward_pass_needs_less_memory():
    assert compiled.planned(CONFIG)[0].arena < compiled.planned(CONFIG, training=True)[0].arena


def test_a_forward_pass_has_no_call_of_the_way_back_and_a_training_step_begins_with_it():
    forward, step = compiled.planned(CONFIG)[0], compiled.planned(CONFIG, training=True)[0]
    assert forward.backward == len(forward.calls)
    assert not np.isin(forward.calls["kind"], [*BACK, CallKind.DROPOUT]).any()
    begun = step.calls["kind"][: step.backward]
    assert begun[begun != CallKind.DROPOUT].tolist() == forward.calls["kind"].tolist()
    assert (forward.deps, step.deps != NONE) == (NONE, True)


def test_each_call_forward_has_its_way_back():
    calls = compiled.planned(CONFIG, training=True)[0]
    kinds, back = calls.calls["kind"][: calls.backward].tolist(), calls.calls["kind"][calls.backward :].tolist()
    pairs = {
        CallKind.CONV: CallKind.CONV_WEIGHTS,
        CallKind.NORM: CallKind.NORM_BACK,
        CallKind.SILU: CallKind.SILU_BACK,
        CallKind.UPSAMPLE: CallKind.UPSAMPLE_BACK,
        CallKind.ATTENTION: CallKind.ATTENTION_BACK,
        CallKind.CLASS: CallKind.CLASS_BACK,
        CallKind.DROPOUT: CallKind.DROPOUT,
    }
    for one, other in pairs.items():
        assert kinds.count(one) == back.count(other) > 0
    # nobody asks for the gradients by the images and by the embedding of the step
    assert back.count(CallKind.CONV) == kinds.count(CallKind.CONV) - 2


def test_a_gradient_is_written_before_it_is_added_to_and_no_part_of_it_is_lost():
    step = compiled.planned(CONFIG, training=True)[0]
    back = step.calls[step.backward :]
    written: dict[int, int] = {}
    for number, call in enumerate(back):
        targets = {int(call[name]) for name in ("dx", "dst", "dq", "dk", "dv")} - {NONE}
        assert not call["add"] or targets <= {step.deps, *written}
        written |= dict.fromkeys(targets, number)
    for image, number in written.items():
        assert any(image in (call["src"], call["dy"], call["do"]) for call in back[number + 1 :])


def test_only_many_whole_squares_of_channels_that_fill_registers_go_by_winograd():
    found, _ = compiled.planned(wide().config, training=True)
    convs = found.calls[found.calls["kind"] == CallKind.CONV_WEIGHTS]
    src, dst = found.images[convs["src"]], found.images[convs["dy"]]
    filled = (src["channels"] % WIDEST_VECTOR == 0) & (dst["channels"] % WIDEST_LANES == 0)
    whole = (dst["height"] % 2 == 0) & (dst["width"] % 2 == 0) & (dst["height"] * dst["width"] >= 16)
    wanted = filled & whole & (convs["window"] == 3) & (convs["stride"] == 1)
    np.testing.assert_array_equal(convs["squares"] != 0, wanted)
    assert 0 < wanted.sum() < len(convs)


def test_an_unknown_operation_is_refused_in_one_sentence():
    ops = [*program(CONFIG)[:3], Op("reshape", "", 8, 8), *program(CONFIG)[3:]]
    with pytest.raises(ValueError, match=r"^kind: expected one of 'conv_in', .*, got 'reshape'$"):
        plan(ops, CONFIG, layout(small().shapes), training=False)
