"""Pixels through transformer blocks: gradients of every array, in both layouts of the projections."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.layer_gradients import drawn
from checks.transformers import check_spatial, spatial_params
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import spatial_transformer

SMALL = st.integers(1, 2)


@settings(deadline=None, max_examples=4)
@given(N=SMALL, H=SMALL, heads=SMALL, depth=SMALL, linear=st.booleans(), masked=st.booleans())
def test_gradients(**sizes: Any) -> None:
    check_spatial(**sizes)


@pytest.mark.parametrize("depth", [1, 3])
def test_its_blocks_are_counted(depth: int) -> None:
    assert spatial_transformer.depth(spatial_params(4, 2, 4, depth, True)) == depth


def test_both_layouts_are_one() -> None:
    given, params = drawn(0, x=(2, 4, 2, 3), context=(2, 3, 2)), spatial_params(4, 2, 4, 2, linear=False)
    y, _ = spatial_transformer.forward(**given, params=params, groups=2, heads=2)
    flat = {name: values[:, :, 0, 0] if values.ndim == 4 else values for name, values in params.items()}
    np.testing.assert_array_equal(spatial_transformer.forward(**given, params=flat, groups=2, heads=2)[0], y)


def test_pixels_have_no_places() -> None:
    given, params = drawn(0, x=(2, 4, 2, 3), context=(2, 3, 2)), spatial_params(4, 2, 4, 1, linear=False)
    y, _ = spatial_transformer.forward(**given, params=params, groups=2, heads=2)
    given["x"] = given["x"][:, :, ::-1, ::-1]
    turned, _ = spatial_transformer.forward(**given, params=params, groups=2, heads=2)
    np.testing.assert_allclose(turned[:, :, ::-1, ::-1], y, atol=1e-12)


def test_it_is_a_skip_and_what_the_last_layer_adds() -> None:
    given, params = drawn(0, x=(2, 4, 2, 3), context=(2, 3, 2)), spatial_params(4, 2, 4, 1, False)
    params["proj_out.weight"][:] = 0.0
    y, _ = spatial_transformer.forward(**given, params=params, groups=2, heads=2)
    np.testing.assert_allclose(y, given["x"] + params["proj_out.bias"][:, None, None], rtol=1e-13)
