"""The drawings and the shapes they are made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from numpy_diffusion.data import drawings

DRAWINGS = [drawings.airplane, drawings.tank, drawings.spiral]


def runs_of_ink(line):
    """How many dark stretches a line of pixels crosses."""
    ink = np.concatenate([[False], line < 250, [False]])
    return int((np.diff(ink.astype(int)) == 1).sum())


@pytest.mark.parametrize("draw", DRAWINGS)
@pytest.mark.parametrize("size", [128, 255, 256])
def test_drawing_is_a_grayscale_image_with_a_white_border(draw, size):
    image = draw(size)
    assert image.shape == (size, size)
    assert image.dtype == np.uint8
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    assert (border == 255).all()  # nothing is cut off


@pytest.mark.parametrize("draw", DRAWINGS)
def test_drawing_has_shading_and_fills_its_frame(draw):
    image = draw()
    assert image.shape == (256, 256)
    ink = 1.0 - image / 255.0
    assert 0.05 < ink.mean() < 0.4
    assert len(np.unique(image)) > 100  # shades, not silhouettes
    columns = np.flatnonzero(ink.any(axis=0))
    assert columns[-1] - columns[0] > 0.8 * 256


@pytest.mark.parametrize("draw", DRAWINGS)
def test_outlines_are_smooth(draw):
    """Half the size is the same picture: every pixel the mean of four, up to the width of an outline."""
    fine, coarse = draw(256) / 255.0, draw(128) / 255.0
    mean_of_four = fine.reshape(128, 2, 128, 2).mean(axis=(1, 3))
    assert np.abs(mean_of_four - coarse).mean() < 0.005
    assert np.abs(mean_of_four - coarse).max() < 0.5


def test_airplane_has_a_light_fuselage_between_dark_wings_and_a_dark_fin():
    image = drawings.airplane()
    far_wing, fuselage, near_wing = image[70:100, 138], image[112:123, 138], image[141:154, 138]  # from top to bottom
    assert far_wing.max() < 130
    assert fuselage.min() > 160
    assert near_wing.max() < 130
    assert (image[118:142, 30] < 30).sum() > 15  # the fin, behind at the left
    assert runs_of_ink(image[:, 230]) == 1  # the nose alone at the right


def test_tank_has_wheels_on_a_track_and_a_gun_ahead():
    image = drawings.tank()
    hubs = image[round(128 + 0.36 * 128)]
    assert (np.diff((hubs > 150).astype(int)) == 1).sum() >= 10  # five wheels, light left and right of a dark hub
    gun = image[round(128 - 0.245 * 128), 200:]
    assert (gun[:50] < 150).all()
    assert runs_of_ink(image[:, 230]) == 2  # at the right the gun, then a gap, then the hull


def test_spiral_winds_three_times_and_fades_outwards():
    image = drawings.spiral()
    assert runs_of_ink(image[128, 128:]) == 3
    assert runs_of_ink(image[128, :128]) == 3
    assert runs_of_ink(image[:128, 128]) == 3
    assert runs_of_ink(image[128:, 128]) == 3
    right = np.array([image[128, 128 + round(0.9 / 6.5 * turn * 2 * 128)] for turn in (1, 2, 3)]).astype(int)
    assert (np.diff(right) > 30).all()


@pytest.mark.parametrize("draw", DRAWINGS)
@pytest.mark.parametrize("size", [15, 0, -1, 64.0, True, "64", None])
def test_bad_size(draw, size):
    with pytest.raises(ValueError, match=r"^size: expected an integer of at least 16, got"):
        draw(size)


def test_pixels_have_their_centres_with_y_up():
    z = drawings._pixels(16)
    assert z[0, 0] == -0.9375 + 0.9375j
    assert z[15, 0] == -0.9375 - 0.9375j
    assert z[0, 1] - z[0, 0] == 2 / 16


@settings(deadline=None)
@example(corners=[0.5, 1j, 1 + 2e-170j], point=0j)  # a product of two such heights would be zero
@given(
    corners=st.lists(st.complex_numbers(max_magnitude=1), min_size=3, max_size=6),
    point=st.complex_numbers(max_magnitude=2),
)
def test_polygon_is_the_signed_distance(corners, point):
    corners = np.array(corners)
    edges = np.roll(corners, -1) - corners
    assume((np.abs(edges) > 1e-3).all())
    outline = (corners[:, None] + np.linspace(0, 1, 2001)[:-1] * edges[:, None]).ravel()
    nearest = np.abs(outline - point).min()
    measured = drawings._polygon(np.array([point]), corners)[0]
    assert abs(abs(measured) - nearest) < 1e-3  # the sampled outline has steps of at most 1e-3
    if nearest > 1e-2:  # then one step turns by much less than half a turn
        turn = np.angle((np.roll(outline, -1) - point) / (outline - point)).sum() / (2 * np.pi)
        assert (measured < 0) == (round(turn) % 2 == 1)


@pytest.mark.parametrize("turned_round", [False, True])
def test_polygon_of_a_square(turned_round):
    square = [-0.5 - 0.5j, 0.5 - 0.5j, 0.5 + 0.5j, -0.5 + 0.5j][:: -1 if turned_round else 1]
    z = np.array([0.0, 0.4, 0.5 + 0.1j, 0.8 + 0.9j, -0.7j])
    np.testing.assert_allclose(drawings._polygon(z, square), [-0.5, -0.1, 0.0, 0.5, 0.2], atol=1e-15)


@pytest.mark.parametrize("turned_round", [False, True])
def test_tube_knows_its_distance_and_its_upper_edge(turned_round):
    centres = np.linspace(-0.5, 0.5, 11)[:: -1 if turned_round else 1]
    z = np.array([0.0, 0.1j, -0.05j, 0.3j, 0.8, -0.9])
    distance, across = drawings._tube(z, centres, 0.1)
    np.testing.assert_allclose(distance, [-0.1, 0.0, -0.05, 0.2, 0.2, 0.3], atol=1e-15)
    np.testing.assert_allclose(across, [0.0, 1.0, -0.5, 1.0, 0.0, 0.0], atol=1e-15)


def test_gradient_is_linear_between_its_ends():
    z = np.array([-1.0, 0.0, 0.25 + 3j, 1.0, 2.0])
    np.testing.assert_allclose(drawings._gradient(z, 0.0, 1.0, 0.8, 0.4), [0.8, 0.8, 0.7, 0.4, 0.4])


def test_paint_covers_and_blends_over_one_pixel():
    distance = np.full((16, 16), -1.0)
    distance[0, 0] = 0.0  # a pixel that the outline halves
    distance[0, 1] = 1.0
    image = drawings._paint([(distance, 1.0)])
    assert image[0, :3].tolist() == [128, 255, 0]
    over = drawings._paint([(distance, 1.0), (distance, 0.2)])
    assert over[0, :3].tolist() == [round(255 * (1 - 0.35)), 255, 204]


def test_axes_of_a_camera():
    """From the front on the ground, y is to the right and z up; x points at the camera.  From above, z does."""
    np.testing.assert_allclose(drawings._axes(0, 0, 0), [0, 1, 1j], atol=1e-15)
    np.testing.assert_allclose(drawings._axes(0, 90, 0), [-1j, 1, 0], atol=1e-15)
    np.testing.assert_allclose(drawings._axes(0, 0, 90), [0, 1j, -1], atol=1e-15)
    axes = drawings._axes(20, 30, 40)  # a rotation, seen without depth
    np.testing.assert_allclose(
        [(axes.real**2).sum(), (axes.imag**2).sum(), (axes.real @ axes.imag)], [1, 1, 0], atol=1e-15
    )
