"""Pictures of attributes: the same at every resolution, within their frame, and as the attributes say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from numpy_diffusion.data import captioned_scenes, drawings
from numpy_diffusion.data.attributes import COLOURS, GROUNDS, PLACES, THINGS, VALUES, Attributes, draw
from numpy_diffusion.data.captioned_scenes import Pose, poses, render

SOME = draw(np.arange(400), 5, "all")
POSE = poses(SOME, np.arange(400), 5)


def rows(records, index):
    return type(records)(*(values[index] for values in records))


def one(thing="square", colour="red", ground="black", side=0.5, x=0.0, y=0.0, paint=1.0):
    """A thing without variation, and its pose."""
    what = Attributes(
        *(np.array([k]) for k in (THINGS.index(thing), COLOURS.index(colour), 0, 0, GROUNDS.index(ground)))
    )
    lightness = captioned_scenes.GROUND[what.ground]
    return what, Pose(np.array([side]), np.array([x]), np.array([y]), np.array([paint]), lightness)


def cover(size, **options):
    """How far each pixel is the thing's: the red of a red thing without shading, over a black ground."""
    what, pose = one(**options)
    return captioned_scenes._shares(what.thing, pose, size)[0][0]


@pytest.mark.parametrize(("small", "large"), [(32, 64), (32, 128), (24, 96), (1, 32)])
def test_a_smaller_picture_is_the_larger_one_averaged(small, large):
    k = large // small
    part, pose = rows(SOME, slice(60)), rows(POSE, slice(60))
    means = render(part, pose, large).astype(np.float64).reshape(60, 3, small, k, small, k).mean(axis=(3, 5))
    np.testing.assert_allclose(render(part, pose, small), means, atol=2e-7)


def test_a_picture_does_not_depend_on_those_beside_it(monkeypatch):
    whole = render(SOME, POSE, 32)
    assert whole.shape == (400, 3, 32, 32)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(render(rows(SOME, slice(7, 9)), rows(POSE, slice(7, 9)), 32), whole[7:9])
    monkeypatch.setattr(captioned_scenes, "BLOCK_PIXELS", 5 * 32**2)
    np.testing.assert_array_equal(render(SOME, POSE, 32), whole)
    monkeypatch.setattr(captioned_scenes, "BLOCK_PIXELS", 1)
    np.testing.assert_array_equal(render(SOME, POSE, 32), whole)


def test_values_stay_in_range_and_things_in_the_picture():
    n = 20_000
    what = draw(np.arange(n), 1, "all")
    pose = poses(what, np.arange(n), 1)
    assert (np.abs(pose.x) + pose.side).max() <= 1.0
    assert (np.abs(pose.y) + pose.side).max() <= 1.0
    x0 = render(SOME, POSE, 32)
    assert x0.min() >= -1.0
    assert x0.max() <= 1.0


def test_poses_are_what_the_attributes_say_and_vary():
    for size, place in itertools.product(range(2), range(len(PLACES))):
        which = Attributes(*(np.full(500, k) for k in (0, 0, size, place, 1)))
        pose = poses(which, np.arange(500), 2)
        side = captioned_scenes.SIDES[size]
        assert np.abs(pose.side - side).max() <= captioned_scenes.SIDE_VARIES
        to_x, to_y = {"left": (-1, 0), "right": (1, 0), "top": (0, 1), "bottom": (0, -1), "middle": (0, 0)}[
            PLACES[place]
        ]
        for centre, to in ((pose.x, to_x), (pose.y, to_y)):
            assert np.abs(centre - to * (captioned_scenes.REACH - pose.side)).max() <= captioned_scenes.MOVED
        for values in pose:
            assert values.dtype == np.float64
            assert len(np.unique(values)) > 490
    # A side is not taken for the middle, nor small for big.
    least = captioned_scenes.REACH - captioned_scenes.SIDES.max() - captioned_scenes.SIDE_VARIES
    assert least - captioned_scenes.MOVED > 3 * captioned_scenes.MOVED
    assert captioned_scenes.SIDES[1] > 1.5 * captioned_scenes.SIDES[0]


def test_a_square_is_where_it_should_be():
    """Half a side of 0.78 of 0.5, its centre at the upper left: by the area of each pixel that lies inside."""
    edge = np.linspace(-1.0, 1.0, 33)

    def inside(low, high):
        return np.clip(np.minimum(edge[1:], high) - np.maximum(edge[:-1], low), 0.0, None) * 16

    # Row 0 is at the top, where y is 1.
    expected = np.outer(inside(-0.2 - 0.39, -0.2 + 0.39), inside(-0.3 - 0.39, -0.3 + 0.39))
    np.testing.assert_allclose(cover(32, thing="square", x=-0.3, y=0.2), expected, atol=0.02)


def star_area():
    """Ten triangles, each between the centre, a corner of the pentagon, and a tip."""
    corner, tip = (0.31 / np.cos(angle) for angle in (np.pi / 5, 2 * np.pi / 5))
    return 10 * corner * tip * np.sin(np.pi / 5) / 2


@pytest.mark.parametrize(
    ("thing", "area"),
    [
        ("circle", np.pi * 0.88**2),
        ("square", 4 * 0.78**2),
        ("triangle", 3 * np.sqrt(3) * 0.54**2),
        ("star", star_area()),
        ("ring", np.pi * (0.90**2 - 0.46**2)),
    ],
)
def test_shapes_have_their_area(thing, area):
    found = cover(64, thing=thing).sum() * (2 / 64) ** 2 / 0.5**2
    assert found == pytest.approx(area, rel=0.005)


@pytest.mark.parametrize("thing", ["spiral", "airplane", "tank"])
def test_drawings_are_the_article_s(thing):
    what, pose = one(thing=thing, side=1.0)
    shares, ink = (each[0] for each in captioned_scenes._shares(what.thing, pose, 64))
    drawn = 1.0 - getattr(drawings, thing)(256).reshape(64, 4, 64, 4).mean(axis=(1, 3)) / 255.0
    np.testing.assert_allclose(ink, drawn, atol=1e-9)
    assert (shares >= ink - 1e-9).all()
    assert shares.max() == pytest.approx(1.0)
    np.testing.assert_array_equal(shares > 1e-9, ink > 1e-9)


def test_things_stand_upright():
    star, triangle = cover(64, thing="star"), cover(64, thing="triangle")
    for shape in (star, triangle):
        np.testing.assert_allclose(shape, shape[:, ::-1], atol=1e-9)
        widths = (shape > 0.5).sum(axis=1)
        first = np.flatnonzero(widths)[0]
        assert widths[first] < 6  # one tip above, in the middle
        assert shape[first, 31:33].min() > 0.5
    assert (triangle > 0.5).sum(axis=1).argmax() > 40  # and the base below


def test_colours_are_paint_on_the_ground():
    for colour, ground in itertools.product(COLOURS, GROUNDS):
        picture = render(*one(thing="square", colour=colour, ground=ground, paint=0.9), 32)[0]
        light = 0.5 + 0.5 * picture
        flat = 1.0 - captioned_scenes.DARKENED * captioned_scenes.FLAT
        paint = captioned_scenes.PAINT[COLOURS.index(colour)] * 0.9 * flat
        np.testing.assert_allclose(light[:, 16, 16], paint, atol=1e-6)
        np.testing.assert_allclose(light[:, 0, 0], captioned_scenes.GROUND[GROUNDS.index(ground)], atol=1e-6)


def test_colours_and_grounds_are_far_apart():
    """In hue for the colours, in chroma between a colour and a ground, in lightness for the grounds."""
    paint = captioned_scenes.PAINT
    chroma = paint / np.linalg.norm(paint, axis=1, keepdims=True)
    apart = np.linalg.norm(chroma[:, None] - chroma[None], axis=2)[~np.eye(len(paint), dtype=bool)]
    assert apart.min() > 0.25
    assert (np.ptp(paint, axis=1) > 0.4).all()
    assert np.diff(captioned_scenes.GROUND).min() > 0.4
    assert [len(paint), len(captioned_scenes.GROUND)] == [len(VALUES["colour"]), len(VALUES["ground"])]
