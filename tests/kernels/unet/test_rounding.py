"""Rounded weights: of each convolution in a table, by however many threads."""

from __future__ import annotations

import numpy as np

from numpy_diffusion.kernels.layers import bfloat16_conv, conv
from numpy_diffusion.kernels.unet.rounding import round_weights
from numpy_diffusion.kernels.vector.registers import WIDEST_LANES, WIDEST_VECTOR


def test_each_convolution_of_the_table_is_rounded_in_its_place() -> None:
    rng, weights, table, wanted = np.random.default_rng(0), [], [], []
    for J, k in ((WIDEST_LANES, 3), (WIDEST_LANES + 3, 1), (2 * WIDEST_LANES, 3)):
        C = WIDEST_VECTOR
        panels = conv.panels(rng.normal(size=(J, C, k, k)).astype(np.float32))
        own = np.empty(bfloat16_conv.words_size(C, J, k), np.float32)
        bfloat16_conv.round_weights(panels, 0, own, 0, C, J, k, 0, 1)
        table.append((sum(map(len, weights)), sum(map(len, wanted)), C, J, k, k == 1))
        weights.append(panels)
        wanted.append(own)
    found = np.zeros(sum(map(len, wanted)), np.float32)
    straight, turned = (np.concatenate([w * ((w is weights[1]) == back) for w in weights]) for back in (False, True))
    round_weights(straight, np.array(table, np.int64), found, turned)
    assert (found.view(np.uint32) == np.concatenate(wanted).view(np.uint32)).all()
