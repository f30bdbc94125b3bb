"""Pixels in a row: a row of the image after the other, and back."""

from __future__ import annotations

import numpy as np

from numpy_diffusion.layers.pixels import image, rows


def test_a_pixel_s_channels_are_one_row() -> None:
    x = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    found = rows(x)
    assert found.shape == (2, 20, 3)
    for r, s in np.ndindex(4, 5):
        np.testing.assert_array_equal(found[:, 5 * r + s], x[:, :, r, s])
    np.testing.assert_array_equal(image(found, x.shape), x)


def test_an_image_has_as_many_channels_as_its_rows() -> None:
    assert image(np.zeros((2, 20, 7)), (2, 3, 4, 5)).shape == (2, 7, 4, 5)
