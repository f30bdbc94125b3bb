"""Transformer blocks over an image: gradients, and that linear layers are convolutions of 1 x 1."""

from __future__ import annotations

import numpy as np
from checks.layer_gradients import drawn
from checks.transformer import check_image, image_params
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import spatial_transformer

SMALL = st.integers(1, 2)


@settings(deadline=None, max_examples=3)
@given(N=SMALL, H=SMALL, W=SMALL, K=SMALL, blocks=SMALL, convolved=st.booleans())
def test_gradients(N: int, H: int, W: int, K: int, blocks: int, convolved: bool) -> None:
    check_image(N, H, W, K, blocks=blocks, convolved=convolved)


def test_a_linear_layer_is_a_convolution_of_one_pixel() -> None:
    given = drawn(0, x=(2, 4, 3, 2), states=(2, 2, 3))
    found = []
    for window in ((), (1, 1)):
        params = image_params(4, 3, 2, window)
        y, caches = spatial_transformer.forward(**given, mask=None, params=params, groups=2, heads=2)
        grads = spatial_transformer.backward(y, caches)[2]
        assert {name: values.shape for name, values in grads.items()} == {
            name: values.shape for name, values in params.items()
        }
        found.append(y)
    np.testing.assert_array_equal(*found)


def test_pixels_may_change_places() -> None:
    """Each sees all others, wherever they are."""
    given, params = drawn(0, x=(1, 4, 2, 3), states=(1, 2, 3)), image_params(4, 3, 1)
    shown = {"mask": None, "params": params, "groups": 2, "heads": 2}
    y, _ = spatial_transformer.forward(**given, **shown)
    flipped, _ = spatial_transformer.forward(given["x"][..., ::-1], given["states"], **shown)
    np.testing.assert_allclose(flipped, y[..., ::-1], atol=1e-12)
