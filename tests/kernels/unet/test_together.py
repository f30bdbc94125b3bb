"""A training step call by call: the bits of the step sample by sample, for any share of a batch and any threads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from checks.threads import digests
from checks.unet_kernel import TABLE, decoder, shown, small, told, wide, wide_told

from numpy_diffusion.kernels.precision import Precision
from numpy_diffusion.kernels.unet import together
from numpy_diffusion.kernels.unet.calls import CALL, CallKind
from numpy_diffusion.models.shares import Share, groups_of
from numpy_diffusion.networks.unet import compiled, embedding
from numpy_diffusion.networks.unet.unet import UNet


def gradient(model: UNet, share: Share, few: bool, precision: Precision = "float32") -> list[np.ndarray]:
    """Losses and gradients, of the second step of two; `few`: call by call."""
    batch, of = shown(model, share.batch), share.samples
    here = batch["told"].rows(of)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(together, "suits", lambda *_: few)
        step = compiled.gradients(
            model.config, share, here.length, of_told=here.states is not None, precision=precision
        )
    for number in (1, 2):
        t = batch["t"][of] // number
        x, embedded = batch["x"][of] / number, embedding.embed(model.config, t, np.float32)
        weighting = np.linspace(0.5, 2.0, len(of), dtype=np.float32)
        found = step(model.buffer, x, x[::-1], embedded, here, weighting, TABLE[t], seed=2**40 + 7, step=number)
    return [values.copy() for values in found]


@pytest.mark.parametrize("make", [small, told, decoder, wide])
def test_the_bits_are_those_of_the_other_order_of_calls(make: Callable[[], UNet]) -> None:
    for batch, low, high in ((1, 0, 1), (3, 0, 3), (11, 0, 4), (11, 1, 3), (50, 3, 4)):
        share = Share(batch, groups_of(batch), low, high)
        for one, other in zip(gradient(make(), share, True), gradient(make(), share, False), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("make", [wide, wide_told])
def test_the_bits_are_those_of_the_other_order_in_bfloat16_too(make: Callable[[], UNet]) -> None:
    for batch, low, high in ((1, 0, 1), (11, 0, 4), (11, 1, 3)):
        share = Share(batch, groups_of(batch), low, high)
        found = (gradient(make(), share, few, "bfloat16") for few in (True, False))
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(one, other)


def digest() -> str:
    """Of the gradients of networks that have something of everything."""
    total = hashlib.sha256()
    for model, precision in ((wide(), "float32"), (told(), "float32"), (wide_told(), "bfloat16")):
        for few in (True, False):
            for values in gradient(model, Share(7, 4, 0, 4), few, precision):
                total.update(values.tobytes())
    return total.hexdigest()


def test_threads_change_no_bit() -> None:
    assert len(set(digests(__file__))) == 1


def test_every_call_is_in_one_stage_and_weights_are_laid_out_before_they_are_used() -> None:
    plan, _ = compiled.planned(small().config, True)
    done, packed = [], []
    for stage in map(together.Stage._make, together.stages(plan.calls).tolist()):
        if stage.weights != together.NO_CALL:
            done.append(stage.weights)
        for k in range(stage.first, stage.last):
            done.append(k)
            if plan.calls[k]["kind"] == CallKind.CONV:
                assert k in packed[-2:]  # there is room for two
            assert plan.calls[k]["kind"] != CallKind.CONV_WEIGHTS
        if stage.following != together.NO_CALL:  # in the place of the last but one, which is done
            packed.append(stage.following)
            begun = [k for k in range(stage.first, stage.last) if plan.calls[k]["kind"] == CallKind.CONV]
            assert begun == packed[-2:-1]
    assert done == list(range(len(plan.calls)))
    assert packed == np.flatnonzero(plan.calls["kind"] == CallKind.CONV).tolist()


def test_calls_without_a_convolution_are_one_stage() -> None:
    assert together.stages(np.zeros(0, CALL)).tolist() == [[-1, 0, 0, -1]]


def test_it_suits_many_weights_beside_few_samples() -> None:
    plan, where = compiled.planned(small().config, True)
    large = where._replace(count=together.FEWEST)
    most = together.FEW * large.count // plan.arena
    assert together.suits(plan, large, most)
    assert not together.suits(plan, large, most + 1)
    assert not together.suits(plan, where._replace(count=together.FEWEST - 1), 1)
