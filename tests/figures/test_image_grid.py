"""Images beside each other: each at its place, with its title, in its own grays."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion import figures
from numpy_diffusion.figures.chains import FORWARD_TITLE, REVERSE_TITLE


def titles(axis):
    return dict(zip(axis.get_ticklocs(), (label.get_text() for label in axis.get_ticklabels()), strict=True))


@pytest.mark.parametrize(("side", "gap"), [(8, 1), (32, 2)])
def test_images_stand_row_by_row_and_the_rest_is_white(side, gap):
    x = np.linspace(-1.0, 0.8, 5)[:, None, None, None] * np.ones((5, 1, side, side))
    (axes,) = figures.image_grid(x, columns=3, row_titles=["up", "down"], column_titles=["a", "b", "c"]).axes
    picture = np.asarray(axes.images[0].get_array())
    assert picture.shape == (2 * side + gap, 3 * side + 2 * gap, 3)
    expected = np.ones_like(picture)
    for i in range(5):
        top, left = (side + gap) * (i // 3), (side + gap) * (i % 3)
        expected[top : top + side, left : left + side] = (x[i, 0, 0, 0] + 1) / 2
    np.testing.assert_allclose(picture, expected, atol=1e-15)
    middle = (side - 1) / 2
    assert titles(axes.yaxis) == {middle: "up", middle + side + gap: "down"}
    assert titles(axes.xaxis) == {middle: "a", middle + side + gap: "b", middle + 2 * (side + gap): "c"}
    (axes,) = figures.image_grid(x).axes
    assert titles(axes.xaxis) == titles(axes.yaxis) == {}


def test_colours_and_orientation_are_kept_and_what_is_beyond_is_cut_off():
    x = np.zeros((1, 3, 4, 6))
    x[0, :, 0, 5] = [3.0, -3.0, 0.5]
    (axes,) = figures.image_grid(x, columns=1).axes
    picture = np.asarray(axes.images[0].get_array())
    assert picture.shape == (4, 6, 3)
    assert picture[0, 5].tolist() == [1.0, 0.0, 0.75]
    assert (np.delete(picture.reshape(-1, 3), 5, axis=0) == 0.5).all()


@pytest.mark.parametrize(("side", "columns"), [(16, 8), (32, 8), (64, 3)])
def test_a_caption_stands_below_its_image_and_beside_no_other(side, columns):
    n = columns + 2
    x = np.linspace(-1.0, 0.8, n)[:, None, None, None] * np.ones((n, 3, side, side))
    words = [f"number {k} is a picture of one shade, {'and more, ' * (k % 4)}no more" for k in range(n)]
    figure = figures.captioned_images(x, words, columns=columns)
    (axes,) = figure.axes
    picture = np.asarray(axes.images[0].get_array())
    figure.canvas.draw()
    boxes = []
    for k, text in enumerate(axes.texts):
        assert text.get_text().split() == words[k].split()
        shade = (x[k, 0, 0, 0] + 1) / 2
        middle, foot = text.get_position()
        column, row = int(middle), int(foot)
        np.testing.assert_allclose(picture[row - side : row, column], shade, atol=1e-12)
        assert (picture[row:][:1, column] == 1.0).all()
        box = axes.transData.inverted().transform(text.get_window_extent())
        (left, _), (right, _) = box
        boxes.append((left, right, box[:, 1].min(), box[:, 1].max()))
        assert abs((left + right) / 2 - middle) < 0.5
    step = axes.texts[1].get_position()[0] - axes.texts[0].get_position()[0]
    assert all(right - left < step for left, right, _, _ in boxes)  # between one column and the next
    second_row = axes.texts[columns].get_position()[1] - side
    assert all(high < second_row + 1 for *_, high in boxes[:columns])
    assert boxes[-1][3] < len(picture) + 1


def test_rows_are_images_and_columns_are_steps():
    shade = np.array([0.0, 0.01])[:, None, None, None]
    forward = {t: np.full((2, 1, 8, 8), t / 100.0) + shade for t in (50, 0, 10)}
    reverse = {t: -x[:1] for t, x in forward.items()}
    above, below = figures.image_rows(forward, reverse).axes
    for axes, way in ((above, forward), (below, reverse)):
        assert list(titles(axes.xaxis).values()) == ["$t = 0$", "$t = 10$", "$t = 50$"]
        picture = np.asarray(axes.images[0].get_array())
        for column, (place, t) in enumerate(zip(axes.get_xticks(), (0, 10, 50), strict=True)):
            assert place == 9 * column + 3.5
            for row, image in enumerate(way[t]):
                part = picture[9 * row : 9 * row + 8, 9 * column : 9 * column + 8]
                np.testing.assert_allclose(part, (image[0, 0, 0] + 1) / 2, atol=1e-15)
    assert [part.get_suptitle() for part in (above.figure, below.figure)] == [
        FORWARD_TITLE,
        REVERSE_TITLE,
    ]
