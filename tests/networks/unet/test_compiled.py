"""The U-Net in its kernels: plans are made once a structure, weights are packed when they have changed."""

from __future__ import annotations

import numpy as np
from checks.unet_kernel import TOKENS, gradient, outputs, shown, small, told

from numpy_diffusion.models.condition import Condition
from numpy_diffusion.networks.unet import compiled
from numpy_diffusion.networks.unet import embedding as unet_embedding
from numpy_diffusion.networks.unet.unet import UNet


def test_the_kernels_follow_the_weights():
    """Laid out again when they have changed, and only then."""
    model = small()
    first = compiled.laid_out(model.config, model.buffer, None)
    assert compiled.laid_out(model.config, model.buffer, first) is first
    model.params["conv_in.bias"][3] += 1.0
    second = compiled.laid_out(model.config, model.buffer, first)
    place = compiled.planned(model.config)[1].weights.at["conv_in.bias"] + 3
    assert np.flatnonzero(second.laid_out != first.laid_out).tolist() == [place]


def test_a_structure_is_planned_once():
    one, other = small(), UNet(**small().options)
    assert compiled.planned(one.config) is compiled.planned(other.config)
    assert compiled.planned(one.config) is not compiled.planned(one.config, training=True)
    other = UNet(**small().options | {"dropout": 0.0})
    assert compiled.planned(one.config) is not compiled.planned(other.config)


def test_without_labels_all_are_of_class_0():
    model = small()
    batch = shown(model, 3)
    none, zeros, others = (
        batch | {"told": Condition(labels)} for labels in (None, np.zeros(3, np.int64), np.ones(3, np.int64))
    )
    assert (outputs(model, none) == outputs(model, zeros)).all()
    assert (outputs(model, others) != outputs(model, zeros)).any()
    ones = np.ones(3, np.float32)
    found, of_zeros = (gradient(model, given, batch["x"], ones) for given in (none, zeros))
    assert all((one == other).all() for one, other in zip(found, of_zeros, strict=True))


def test_a_state_that_is_not_there_changes_no_bit():
    """Neither its numbers, nor how many such there are, nor where they stand."""
    model = told()
    batch = shown(model, 3)
    known = batch["told"]
    other = np.where(known.mask[:, :, None], known.states, 1e30)
    wider = {"states": np.pad(other, ((0, 0), (2, 1), (0, 0))), "mask": np.pad(known.mask, ((0, 0), (2, 1)))}
    changed = batch | {"told": Condition(embedding=known.embedding, **wider)}
    assert (outputs(model, batch) == outputs(model, changed)).all()
    ones = np.ones(3, np.float32)
    *found, dstates = gradient(model, batch, batch["x"], ones)
    *again, wide = gradient(model, changed, batch["x"], ones)
    assert all((one == two).all() for one, two in zip(found, again, strict=True))
    assert (wide[:, 2:-1] == dstates).all()
    assert not wide[:, [0, 1, -1]].any()


def test_the_gradients_by_what_is_told_are_there_for_who_asks():
    model = told()
    batch = shown(model, 3)
    embedding = unet_embedding.embed(model.config, batch["t"], np.float32)
    rest = batch["x"], embedding, batch["told"], np.ones(3, np.float32), np.zeros((3, 6), np.float32), 0, 1
    losses, slopes, *none = compiled.gradients(model.config, model.share(3), TOKENS)(model.buffer, batch["x"], *rest)
    asked = compiled.gradients(model.config, model.share(3), TOKENS, of_told=True)(model.buffer, batch["x"], *rest)
    assert [values.size for values in none] == [0, 0]
    assert (asked[0] == losses).all()
    assert (asked[1] == slopes).all()
    assert asked[2].all()
    assert (np.abs(asked[3]).sum(axis=2) > 0).tolist() == batch["told"].mask.tolist()
