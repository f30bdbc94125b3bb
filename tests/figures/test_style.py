"""What all figures share: text that can be read, boxes, numbers, and files that are whole or absent."""

from __future__ import annotations

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from checks.pictures import LOSSES, pixels

from numpy_diffusion import figures
from numpy_diffusion.figures import style


def test_the_text_can_be_read():
    """At README size, 900 of 1080 pixels, a capital letter of the smallest text is at least 11 pixels high."""
    smallest = min(value for key, value in style.STYLE.items() if key.endswith("size"))
    assert smallest / 72.0 * style.DPI * 900.0 / (style.WIDTH * style.DPI) * 0.73 >= 11.0


def test_user_s_settings_neither_change_the_pictures_nor_are_changed(tmp_path):
    figure = figures.loss_curve(LOSSES, tmp_path / "before.png")
    with matplotlib.rc_context({"font.size": 30.0, "axes.facecolor": "black", "savefig.dpi": 30.0}):
        before = dict(matplotlib.rcParams)
        figures.loss_curve(LOSSES, tmp_path / "again.png")
        figure.savefig(tmp_path / "saved.png")
        assert dict(matplotlib.rcParams) == before
    for name in ("again", "saved"):
        np.testing.assert_array_equal(pixels(tmp_path / f"{name}.png"), pixels(tmp_path / "before.png"))


def test_matplotlib_is_imported_with_figures_and_not_before():
    code = (
        "import sys, numpy_diffusion; assert 'matplotlib' not in sys.modules\n"
        "from numpy_diffusion import figures; assert 'matplotlib' in sys.modules\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_box_holds_the_middle_of_every_cloud_and_a_margin():
    """The longer side is 4, from 0 to 4 along x and from -1 to 3 along y; a margin of a twentieth is on each side."""
    one, two = np.array([[0.0, 0.0], [4.0, 1.0]]), np.array([[1.0, -1.0], [2.0, 3.0]])
    assert style.bounding_box(one, two, share=1.0) == pytest.approx((-0.2, 4.2, -1.2, 3.2))
    far = np.concatenate([np.random.default_rng(0).normal(size=(1000, 2)), [[1e6, 1e6]]])
    assert max(map(abs, style.bounding_box(far))) < 4.0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.000"), (0.9984, "0.998"), (-0.25, "-0.250"), (4.04e-5, r"4.0\times 10^{-5}"), (1e-3, "0.001")],
)
def test_numbers_are_mathematics_of_three_digits_or_a_power_of_ten(value, text):
    assert style.number(value) == text


def test_a_panel_shows_no_more_points_than_can_be_told_apart():
    x = np.random.default_rng(0).normal(size=(style.DOTS + 5, 2))
    axes = style.panel(style.page(2.0, 2.0).subplots(), x, style.BLUE, (-1.0, 1.0, -2.0, 2.0), labels="x")
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), x[: style.DOTS])
    assert (*axes.get_xlim(), *axes.get_ylim()) == (-1.0, 1.0, -2.0, 2.0)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$x$", "")


def test_a_target_lies_in_a_folder_that_is_made(tmp_path):
    place = style.target(tmp_path / "a" / "b" / "picture.gif", ".png", ".gif")
    assert place.parent.is_dir()
    assert not place.exists()
    with pytest.raises(ValueError, match=r"^path: expected a name that ends in \.png or \.gif, got .*picture\.svg"):
        style.target(tmp_path / "picture.svg", ".png", ".gif")
