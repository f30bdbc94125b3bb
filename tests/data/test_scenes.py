"""Drawn scenes: what is on them, that it is all there, and that no number depends on another scene's."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.data import drawings, scenes
from numpy_diffusion.data.scenes import NAMES, Pose, draw, poses, render


def pose(label=0, side=1.0, angle=0.0, size=0.9, x=0.0, y=0.0, paper=1.0, ink=-1.0):
    one = np.float32([[side], [angle], [size], [x], [y], [paper], [ink]])
    return Pose(np.array([label]), *one)


def test_scene_depends_on_seed_and_number_alone(monkeypatch):
    x0, labels = draw(70, seed=5)
    assert x0.shape == (70, 1, 32, 32)
    assert x0.dtype == np.float32
    assert labels.dtype == np.int64
    few, few_labels = draw(33, seed=5)
    np.testing.assert_array_equal(few, x0[:33])
    np.testing.assert_array_equal(few_labels, labels[:33])
    monkeypatch.setattr(scenes, "BLOCK", 7)
    np.testing.assert_array_equal(draw(70, seed=5)[0], x0)
    assert (draw(70, seed=6)[0] != x0).any(axis=(1, 2, 3)).all()


def test_poses_have_their_ranges_and_classes_are_equally_frequent():
    n = 30_000
    found = poses(np.arange(n), seed=1)
    counts = np.bincount(found.label, minlength=3)
    assert (np.abs(counts / n - 1 / 3) < 5 * np.sqrt(2 / 9 / n)).all()  # five standard errors of a share
    assert abs(found.side.mean()) < 5 / np.sqrt(n)
    assert set(np.unique(found.side)) == {-1.0, 1.0}
    for name, (low, high) in {"size": scenes.SIZES, "paper": scenes.PAPER, "ink": scenes.INK}.items():
        values, width = getattr(found, name), high - low
        assert low <= values.min() < low + 0.01 * width
        assert high - 0.01 * width < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 5 * width / np.sqrt(12 * n)
    for centre in (found.x, found.y):
        assert (np.abs(centre) <= 1.0 - found.size + 1e-6).all()
        assert (np.abs(centre) > 0.9 * (1.0 - found.size)).any()
    for k, most in enumerate(scenes.TURN):
        turned = np.abs(found.angle[found.label == k])
        assert turned.max() <= most * (1 + 1e-6)
        assert turned.max() >= 0.99 * most
    assert NAMES[2] == "tank"
    assert scenes.TURN[2] == 0.0  # a tank stays upright


@pytest.mark.parametrize("label", range(3))
def test_scene_is_the_drawing_averaged_over_each_pixel(label):
    """With no turn, at size 1, a pixel is the mean of 16 x 16 of a drawing of 512."""
    exact = getattr(drawings, NAMES[label])(512).reshape(32, 16, 32, 16).mean(axis=(1, 3)) / 127.5 - 1.0
    apart = np.abs(render(pose(label, size=1.0))[0] - exact)
    assert apart.mean() < 0.02  # of a range of 2
    assert apart.max() < 0.25


@pytest.mark.parametrize("label", range(3))
@pytest.mark.parametrize(("size", "angle", "x", "y"), [(0.6, 0.5, 0.3, -0.2), (0.9, -0.6, -0.1, 0.05)])
def test_turned_and_moved_outlines_are_smooth(label, size, angle, x, y):
    """Against the drawing looked up at 16 x 16 places a pixel: what antialiasing should give."""
    z = drawings._pixels(512)
    place = (z - (x + 1j * y)) * np.exp(-1j * angle) / size
    ink = np.pad(1.0 - getattr(drawings, NAMES[label])(512) / 255.0, 1)
    row = np.clip(np.floor((1.0 - place.imag) * 256), -1, 512).astype(int) + 1  # of the nearest pixel
    column = np.clip(np.floor((1.0 + place.real) * 256), -1, 512).astype(int) + 1
    fine = ink[row, column]
    exact = 1.0 - 2.0 * fine.reshape(32, 16, 32, 16).mean(axis=(1, 3))
    apart = np.abs(render(pose(label, size=size, angle=angle, x=x, y=y))[0] - exact)
    assert apart.mean() < 0.02
    assert apart.max() < 0.3


def test_nothing_is_cut_off():
    """A scene has all of its drawing's ink, in proportion to its area."""
    found = poses(np.arange(600), seed=2)
    plain = found._replace(paper=np.zeros_like(found.paper), ink=np.ones_like(found.ink))
    whole = np.array([np.mean(1.0 - getattr(drawings, name)(256) / 255.0) for name in NAMES])
    share = render(plain).mean(axis=(1, 2)) / (whole[found.label] * found.size**2)
    assert np.abs(share - 1.0).max() < 0.03  # what two by two places a pixel miss or count twice
    near = pose(2, size=0.9, x=0.3, paper=0.0, ink=1.0)  # out of its room, where the gun leaves the picture
    assert render(near).mean() / (whole[2] * 0.81) < 0.97


@pytest.mark.parametrize("label", range(3))
def test_scenes_look_alike_with_left_and_right_exchanged(label):
    """A mirrored scene is the scene of another pose that is as likely: so training may mirror them."""
    one = render(pose(label, side=1.0, angle=0.4, size=0.7, x=0.2, y=0.1))
    other = render(pose(label, side=-1.0, angle=-0.4, size=0.7, x=-0.2, y=0.1))
    np.testing.assert_allclose(other, one[:, :, ::-1], atol=2e-4)  # rounding of the places, in float32


def test_angles_are_counter_clockwise_and_y_is_up():
    gun = render(pose(2, size=0.6))[0]
    assert gun[:16, 20:].min() < 0.5  # the gun at the right, above the middle
    upright = render(pose(2, size=0.6, angle=np.pi / 2))[0]
    np.testing.assert_allclose(upright, np.rot90(gun), atol=2e-4)
    higher = render(pose(2, size=0.6, y=0.25))[0]
    np.testing.assert_allclose(higher[:-4], gun[4:], atol=2e-4)  # 0.25 of 2 is 4 of 32 pixels
    to_the_right = render(pose(2, size=0.6, x=0.25))[0]
    np.testing.assert_allclose(to_the_right[:, 4:], gun[:, :-4], atol=2e-4)


def test_shades_are_paper_and_ink():
    plain = render(pose(0))[0]
    shaded = render(pose(0, paper=0.5, ink=-0.25))[0]
    np.testing.assert_allclose(shaded, 0.5 + (plain - 1.0) / 2.0 * 0.75, atol=1e-6)
    x0, _ = draw(200, seed=3)
    assert x0.min() >= -1.0
    assert x0.max() <= 1.0
    corners = x0[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (np.median(corners, axis=1) >= scenes.PAPER[0]).all()
    assert (x0.min(axis=(1, 2, 3)) < np.median(corners, axis=1) - 0.25).all()  # and what is on it can be seen


@pytest.mark.parametrize("n", [0, -1, 2**32 + 1, 1.5, "ten", True])
def test_bad_number(n):
    with pytest.raises(ValueError, match=r"^n: expected an integer in 1\.\."):
        draw(n)


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5])
def test_bad_seed(seed):
    with pytest.raises(ValueError, match=r"^seed: expected an integer"):
        draw(2, seed)
