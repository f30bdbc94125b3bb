"""Every figure: a whole file of the right kind and size with something on it, or a sentence where that cannot be."""

from __future__ import annotations

import io

import numpy as np
import pytest
from checks.pictures import CHAIN, IMAGES, LOSSES, MODEL, SCHEDULE, X0, pixels
from matplotlib.figure import Figure

import numpy_diffusion as nd
from numpy_diffusion import figures
from numpy_diffusion.data import drawings

PICTURES = {
    "chain_against_jump": lambda path: figures.chain_against_jump(X0, SCHEDULE, path, steps=[1, 20, 40]),
    "schedules": lambda path: figures.schedules([SCHEDULE, nd.Schedule.cosine(T=100)], path),
    "forward_reverse": lambda path: figures.forward_reverse(MODEL, SCHEDULE, X0, path),
    "forward_reverse_image": lambda path: figures.forward_reverse(
        MODEL, SCHEDULE, X0, path, image=drawings.tank(64), steps=[0, 5, 40]
    ),
    "loss_curve": lambda path: figures.loss_curve(LOSSES, path),
    "image_grid": lambda path: figures.image_grid(IMAGES, path, columns=4, row_titles=["one", "two", "three"]),
    "captioned_images": lambda path: figures.captioned_images(IMAGES, ["what it is"] * len(IMAGES), path, columns=4),
    "image_rows": lambda path: figures.image_rows(CHAIN, CHAIN, path),
}
ANIMATIONS = {
    suffix: lambda path: figures.animation(MODEL, SCHEDULE, path, n=50, frames=8) for suffix in (".gif", ".html")
}
ALL = {**PICTURES, **ANIMATIONS}


def ending(name):
    return name if name in ANIMATIONS else ".png"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Every picture once, each in a folder that its function made: {name: path}."""
    folder = tmp_path_factory.mktemp("figures")
    places = {name: folder / name / f"picture{ending(name)}" for name in ALL}
    for name, draw in ALL.items():
        draw(places[name])
    return places


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_a_png_of_readme_width_with_ink_in_every_quarter(drawn, name):
    picture = pixels(drawn[name])
    height, width, _ = picture.shape
    assert width == 1080
    assert 300 < height < 1400
    for quarter in np.split(picture, [width // 4, width // 2, 3 * width // 4], axis=1):
        assert quarter.std() > 10.0
    assert (picture[[0, -1]] == 255.0).all()  # nothing runs over the upper or lower edge
    assert (picture[:, [0, -1]] == 255.0).all()


@pytest.mark.parametrize("name", ALL)
def test_the_file_is_there_and_nothing_else_is_left_beside_it(drawn, name):
    assert drawn[name].is_file()
    assert list(drawn[name].parent.iterdir()) == [drawn[name]]


@pytest.mark.parametrize("name", PICTURES)
def test_without_a_path_the_figure_shows_itself_and_no_file_is_written(drawn, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figure = PICTURES[name](None)
    assert isinstance(figure, Figure)
    assert not list(tmp_path.iterdir())
    np.testing.assert_array_equal(pixels(io.BytesIO(figure._repr_png_())), pixels(drawn[name]))


@pytest.mark.parametrize("name", ["loss_curve", "image_grid"])
def test_on_the_user_s_axes_nothing_else_is_drawn(name, tmp_path):
    """Two axes of a part of a figure, of which one is drawn on; the figure is the user's, whole."""
    own = Figure()
    first, second = own.subfigures(1, 2)[1].subplots(2, 1)
    draw = {
        "loss_curve": lambda **where: figures.loss_curve(LOSSES, tmp_path / "a.png", **where),
        "image_grid": lambda **where: figures.image_grid(IMAGES, tmp_path / "a.png", **where),
    }[name]
    assert draw(ax=second) is own
    assert second.has_data()
    assert not first.has_data()
    assert own.axes == [first, second]
    assert pixels(tmp_path / "a.png").std() > 5.0
    with pytest.raises(ValueError, match=r"^ax: expected a Axes, got Figure"):
        draw(ax=own)


@pytest.mark.parametrize("ending", ANIMATIONS)
def test_an_animation_returns_its_path(ending, tmp_path):
    assert ANIMATIONS[ending](tmp_path / f"a{ending}") == tmp_path / f"a{ending}"


@pytest.mark.parametrize("name", ALL)
def test_path_that_cannot_be_written_is_an_error_in_one_sentence(name, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match=r"^path: cannot write to .*file.*picture"):
        ALL[name](tmp_path / "file" / f"picture{ending(name)}")
    folder = tmp_path / f"folder{ending(name)}"
    folder.mkdir()
    with pytest.raises(OSError, match=r"^path: cannot write to .*folder"):
        ALL[name](folder)
    assert sorted(tmp_path.iterdir()) == sorted([folder, tmp_path / "file"])  # and no temporary file stays


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("path", ["picture", "picture.tiff", 3])
def test_path_of_another_kind_is_an_error(name, path):
    with pytest.raises(ValueError, match=r"^path: expected a "):
        ALL[name](path)


BAD = {
    "x0 of three coordinates": ("x0", lambda p: figures.forward_reverse(MODEL, SCHEDULE, np.ones((3, 3)), p)),
    "x0 empty": ("x0", lambda p: figures.forward_reverse(MODEL, SCHEDULE, np.ones((0, 2)), p)),
    "x0 NaN": ("x0", lambda p: figures.chain_against_jump(np.full((3, 2), np.nan), SCHEDULE, p)),
    "x0 flat": ("x0", lambda p: figures.chain_against_jump(np.ones(3), SCHEDULE, p)),
    "chain at t = 0": ("steps", lambda p: figures.chain_against_jump(X0, SCHEDULE, p, steps=[0, 1])),
    "chain at T + 1": ("steps", lambda p: figures.chain_against_jump(X0, SCHEDULE, p, steps=[41])),
    "reverse at T + 1": ("steps", lambda p: figures.forward_reverse(MODEL, SCHEDULE, X0, p, steps=[0, 41])),
    "no steps": ("steps", lambda p: figures.forward_reverse(MODEL, SCHEDULE, X0, p, steps=[])),
    "a name for a schedule": ("schedule", lambda p: figures.forward_reverse(MODEL, "linear", X0, p)),
    "no schedules": ("schedules", lambda p: figures.schedules([], p)),
    "five schedules": ("schedules", lambda p: figures.schedules([SCHEDULE] * 5, p)),
    "names for schedules": ("schedules", lambda p: figures.schedules(["linear"], p)),
    "losses NaN": ("losses", lambda p: figures.loss_curve([1.0, np.nan], p)),
    "losses empty": ("losses", lambda p: figures.loss_curve([], p)),
    "flat images": ("x", lambda p: figures.image_grid(IMAGES[:, 0], p)),
    "images of two channels": ("x", lambda p: figures.image_grid(np.zeros((2, 2, 4, 4)), p)),
    "images NaN": ("x", lambda p: figures.image_grid(IMAGES * np.nan, p)),
    "no columns": ("columns", lambda p: figures.image_grid(IMAGES, p, columns=0)),
    "too few titles": ("row_titles", lambda p: figures.image_grid(IMAGES, p, row_titles=["one"])),
    "too few captions": ("captions", lambda p: figures.captioned_images(IMAGES, ["one"], p)),
    "no images": ("forward", lambda p: figures.image_rows({}, {}, p)),
    "other steps": ("reverse", lambda p: figures.image_rows(CHAIN, {0: IMAGES}, p)),
    "images of a step flat": ("forward", lambda p: figures.image_rows({0: X0}, {0: IMAGES}, p)),
    "fewer images at a step": ("reverse", lambda p: figures.image_rows(CHAIN, CHAIN | {20: IMAGES}, p)),
    "too many titles": ("column_titles", lambda p: figures.image_grid(IMAGES, p, columns=2, column_titles=["a"] * 3)),
    "names": ("names", lambda p: figures.forward_reverse(MODEL, SCHEDULE, X0, p, names=["one"])),
    "a word for names": ("names", lambda p: figures.forward_reverse(MODEL, SCHEDULE, X0, p, names="xy")),
    "seed": ("seed", lambda p: figures.forward_reverse(MODEL, SCHEDULE, X0, p, seed=-1)),
    "image": ("image", lambda p: figures.forward_reverse(MODEL, SCHEDULE, X0, p, image=np.full((4, 4), 2.0))),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_argument_is_an_error_that_names_it_and_leaves_no_file(name, tmp_path):
    argument, call = BAD[name]
    with pytest.raises(ValueError, match=rf"^{argument}\b"):
        call(tmp_path / "picture.png")
    assert not list(tmp_path.iterdir())
