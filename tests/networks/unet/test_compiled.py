"""The U-Net in its kernels: plans are made once a structure, weights are packed when they have changed."""

from __future__ import annotations

import numpy as np
from checks.unet_kernel import gradient, outputs, shown, small

from numpy_diffusion.networks.unet import compiled
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
    zeros = batch | {"labels": np.zeros(3, np.int64)}
    assert (outputs(model, batch | {"labels": None}) == outputs(model, zeros)).all()
    assert (outputs(model, batch | {"labels": np.ones(3, np.int64)}) != outputs(model, zeros)).any()
    ones = np.ones(3, np.float32)
    none, of_zeros = (gradient(model, given, batch["x"], ones) for given in (batch | {"labels": None}, zeros))
    assert all((one == other).all() for one, other in zip(none, of_zeros, strict=True))
