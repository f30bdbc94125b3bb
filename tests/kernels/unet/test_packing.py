"""Parameters packed for the kernels: each in its place, zeros where none is, and back again."""

from __future__ import annotations

import hashlib

import numpy as np
from checks.threads import digests
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import conv
from numpy_diffusion.kernels.unet.packing import pack, unpack
from numpy_diffusion.kernels.vector.registers import WIDEST_LANES, WIDEST_VECTOR
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.unet.layout import layout

SHAPES = {"norm.weight": (5,), "conv.weight": (2 * WIDEST_LANES, WIDEST_VECTOR, 3, 3), "linear.weight": (7, 5)}


def test_packed_matrices_are_panels() -> None:
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

    back = np.empty_like(flat)
    unpack(packed, where.weights, back)
    np.testing.assert_array_equal(back, flat)


def there_and_back() -> list[np.ndarray]:
    """Both packings of odd sizes, and what is unpacked of the first."""
    where, found = layout({"bias": (3,), "conv.weight": (WIDEST_LANES + 3, 19, 3, 3), "linear.weight": (5, 7)}), []
    flat = np.random.default_rng(2).normal(size=where.count).astype(np.float32)
    for packing in (where.weights, where.turned):
        pack(flat, packing, packed := np.full(packing.size, np.nan, np.float32))
        found.append(packed)
    unpack(found[0], where.weights, back := np.zeros_like(flat))
    np.testing.assert_array_equal(back, flat)
    return [*found, back]


def digest() -> str:
    return hashlib.sha256(b"".join(values.tobytes() for values in there_and_back())).hexdigest()


def test_any_number_of_threads_packs_the_same() -> None:
    assert set(digests(__file__)) == {digest()}


def test_parameters_that_start_elsewhere_and_are_float16() -> None:
    where = layout(SHAPES)
    rng = np.random.default_rng(3)
    params = {name: rng.normal(size=shape).astype(np.float16) for name, shape in SHAPES.items()}
    params["norm.weight"][:4] = 6e-8, -6e-8, 65504, -0.0  # the smallest of all, and the largest
    other = dict(reversed(params.items()))
    starts = parameters.starts({name: values.shape for name, values in other.items()})
    expected, found = (np.full(where.weights.size, np.nan, np.float32) for _ in range(2))
    pack(np.concatenate([v.ravel() for v in params.values()]).astype(np.float32), where.weights, expected)
    pack(np.concatenate([v.ravel() for v in other.values()]), where.weights.read_from(starts), found)
    np.testing.assert_array_equal(found, expected)


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
