"""Parameters packed for the kernels: each in its place, zeros where none is, and back again."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import conv, winograd
from numpy_diffusion.kernels.unet.packing import pack, unpack
from numpy_diffusion.kernels.vector.registers import WIDEST_LANES, WIDEST_VECTOR
from numpy_diffusion.networks.unet.layout import layout

SHAPES = {"norm.weight": (5,), "conv.weight": (2 * WIDEST_LANES, WIDEST_VECTOR, 3, 3), "linear.weight": (7, 5)}


def test_packed_parameters_are_panels_with_u_behind_them() -> None:
    where = layout(SHAPES)
    params = {name: np.random.default_rng(1).normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    flat = np.concatenate([values.ravel() for values in params.values()])
    packed = np.full(where.weights.size, np.nan, np.float32)
    pack(flat, where.weights, packed)
    wanted = {
        "norm.weight": params["norm.weight"],
        "conv.weight": conv.panels(params["conv.weight"]),
        "linear.weight": conv.panels(params["linear.weight"][:, :, None, None]),
    }
    for name, values in wanted.items():
        at = where.weights.at[name]
        np.testing.assert_array_equal(packed[at : at + values.size], values)
    J, C = SHAPES["conv.weight"][:2]
    alone = np.concatenate([wanted["conv.weight"], np.zeros(winograd.PATCH * J * C, np.float32)])
    winograd.transform(alone, 0, wanted["conv.weight"].size, C, J, 0, 1)
    np.testing.assert_array_equal(
        packed[where.weights.squares_at["conv.weight"] :], alone[wanted["conv.weight"].size :]
    )

    back = np.empty_like(flat)
    unpack(packed, where.weights, back)
    np.testing.assert_array_equal(back, flat)


@settings(max_examples=20, deadline=None)
@given(
    J=st.integers(1, 3 * WIDEST_LANES),
    C=st.integers(1, 3 * WIDEST_LANES),
    k=st.sampled_from((1, 3, 5)),
    before=st.integers(0, 3),
)
def test_panels_of_any_shape_there_and_back(J: int, C: int, k: int, before: int) -> None:
    where = layout({"norm.weight": (before,), "conv.weight": (J, C, k, k)})
    flat = np.random.default_rng(J).normal(size=before + J * C * k * k).astype(np.float32)
    weight = flat[before:].reshape(J, C, k, k)
    for packing, wanted in ((where.weights, conv.panels(weight)), (where.turned, conv.turned(weight))):
        packed = np.full(packing.size, np.nan, np.float32)
        pack(flat, packing, packed)
        at = packing.at["conv.weight"]
        np.testing.assert_array_equal(packed[at : at + wanted.size], wanted)
        assert packing.count == at + wanted.size
        if not packing.turned:
            back = np.full_like(flat, np.nan)
            unpack(packed, packing, back)
            np.testing.assert_array_equal(back, flat)
