"""Pictures: whole files of the right kind and size, with something on them, and sentences where that cannot be."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from PIL import Image

import numpy_diffusion as nd
from numpy_diffusion import figures
from numpy_diffusion.data import drawings
from numpy_diffusion.figures import _style
from numpy_diffusion.figures.steps import telling_steps

SCHEDULE = nd.Schedule.linear(T=40)
X0 = nd.datasets.spiral(300, seed=0)
MODEL = nd.oracles.GaussianMixture(np.full(3, 1 / 3), X0[:3], np.tile(0.05 * np.eye(2), (3, 1, 1))).eps(SCHEDULE)
IMAGES = nd.image_datasets.scenes(11, seed=0).x0
CHAIN = {t: IMAGES[:2] * (1 - t / 40) for t in (0, 10, 20, 40)}
LOSSES = np.linspace(1.0, 0.2, 250)

PICTURES = {
    "chain_against_jump": lambda path: figures.chain_against_jump(X0, SCHEDULE, path, steps=[1, 20, 40]),
    "schedules": lambda path: figures.schedules([SCHEDULE, nd.Schedule.cosine(T=100)], path),
    "forward_reverse": lambda path: figures.forward_reverse(MODEL, SCHEDULE, X0, path),
    "forward_reverse_image": lambda path: figures.forward_reverse(
        MODEL, SCHEDULE, X0, path, image=drawings.tank(64), steps=[0, 5, 40]
    ),
    "loss_curve": lambda path: figures.loss_curve(LOSSES, path),
    "image_grid": lambda path: figures.image_grid(IMAGES, path, columns=4, row_titles=["one", "two", "three"]),
    "image_rows": lambda path: figures.image_rows(CHAIN, CHAIN, path),
}
ANIMATIONS = {
    suffix: lambda path: figures.animation(MODEL, SCHEDULE, path, n=50, frames=8) for suffix in (".gif", ".html")
}
ALL = {**PICTURES, **ANIMATIONS}


def ending(name):
    return name if name in ANIMATIONS else ".png"


def pixels(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"), dtype=np.float64)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Every picture once, each in a folder that its function made: {name: path}."""
    folder = tmp_path_factory.mktemp("figures")
    return {name: draw(folder / name / f"picture{ending(name)}") for name, draw in ALL.items()}


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
def test_path_is_returned_and_nothing_else_is_left_beside_it(drawn, name):
    assert drawn[name].is_file()
    assert list(drawn[name].parent.iterdir()) == [drawn[name]]


def test_the_text_can_be_read():
    """At README size, 900 of 1080 pixels, a capital letter of the smallest text is at least 11 pixels high."""
    smallest = min(value for key, value in _style.STYLE.items() if key.endswith("size"))
    assert smallest / 72.0 * _style.DPI * 900.0 / (_style.WIDTH * _style.DPI) * 0.73 >= 11.0


def test_pictures_depend_on_the_seed_alone(drawn, tmp_path):
    again = figures.forward_reverse(MODEL, SCHEDULE, X0, tmp_path / "again.png")
    other = figures.forward_reverse(MODEL, SCHEDULE, X0, tmp_path / "other.png", seed=1)
    np.testing.assert_array_equal(pixels(again), pixels(drawn["forward_reverse"]))
    assert (pixels(other) != pixels(again)).any()


def test_forward_and_reverse_rows_share_the_model_s_units(monkeypatch, tmp_path):
    """The data is noised where the model works, (x - shift) / scale, and shown in its own units."""
    shown = {}

    def panel(axes, x, colour, box, **options):
        shown.setdefault(colour, []).append(x)
        return original(axes, x, colour, box, **options)

    original = figures.chains.panel
    monkeypatch.setattr(figures.chains, "panel", panel)
    model = nd.MLP(dim=2, width=4, depth=0)
    model.shift[:], model.scale[:] = [5.0, 6.0], [0.01, 0.1]
    data = model.shift + model.scale * nd.datasets.gaussian(2000, np.zeros(2), np.eye(2))
    figures.forward_reverse(model, nd.Schedule.linear(T=40), data, tmp_path / "a.png", steps=[0, 5, 40])
    for forward in shown[_style.BLUE]:  # variance-preserving: five standard errors of mean and deviation
        assert (np.abs(forward.mean(axis=0) - model.shift) < 5 * model.scale / np.sqrt(2000)).all()
        assert (np.abs(forward.std(axis=0) / model.scale - 1.0) < 5 / np.sqrt(4000)).all()
    np.testing.assert_array_equal(shown[_style.BLUE][1], data)  # the column t = 0 is the data itself
    noise = shown[_style.ORANGE][-1]  # and t = T of the reverse row is pure noise in the same units
    assert (np.abs(noise.std(axis=0) / model.scale - 1.0) < 5 / np.sqrt(4000)).all()


@pytest.mark.parametrize("kind", [".gif", ".html"])
def test_animation_is_small(drawn, kind):
    assert drawn[kind].stat().st_size < 500_000  # 8 frames; of 60 they may be 2 and 10 megabytes


def test_gif_has_one_frame_a_step_and_rests_on_the_last(drawn):
    with Image.open(drawn[".gif"]) as gif:
        assert gif.format == "GIF"
        assert gif.n_frames == len(telling_steps(SCHEDULE, 8))
        assert gif.info["loop"] == 0  # for ever
        frames, durations = [], []
        for number in range(gif.n_frames):
            gif.seek(number)
            frames.append(np.asarray(gif.convert("RGB"), dtype=np.float64))
            durations.append(gif.info["duration"])
    assert all(frame.std() > 5.0 for frame in frames)
    assert all((frame != before).any() for before, frame in itertools.pairwise(frames))
    assert durations[-1] > 1500
    assert max(durations[:-1]) < 100


def test_html_needs_nothing_from_elsewhere_and_has_a_slider(drawn):
    page = drawn[".html"].read_text(encoding="utf-8")
    page, frames = re.subn(r"data:image/png;base64,[A-Za-z0-9+/=\s\\]+", "data", page)
    assert frames == len(telling_steps(SCHEDULE, 8))
    assert not re.search(r"https?:|//\w|<link|<script[^>]*\bsrc|@import|url\(", page)
    assert 'type="range"' in page
    assert page.startswith("<!DOCTYPE html>")
    for glyph in set(re.findall(r'class="fa (fa-[a-z-]+)', page)):
        assert f".{glyph}::before" in page  # every button has something written on it


def test_a_chain_of_few_steps_has_a_frame_for_each(tmp_path):
    schedule = nd.Schedule.linear(T=3)
    path = figures.animation(lambda x, t: x, schedule, tmp_path / "short.gif", n=20)
    with Image.open(path) as gif:
        assert gif.n_frames == 4


@pytest.mark.parametrize(
    "maker", [nd.Schedule.linear, nd.Schedule.cosine, nd.Schedule.quadratic, nd.Schedule.sigmoid]
)
@pytest.mark.parametrize("T", [1, 2, 10, 1000])
@pytest.mark.parametrize("count", [2, 6, 60])
def test_telling_steps_run_from_0_to_T_and_crowd_where_the_picture_changes(maker, T, count):
    schedule = maker(T=T)
    steps = telling_steps(schedule, count)
    assert steps[0] == 0
    assert steps[-1] == T
    assert len(steps) <= min(count, T + 1)
    assert (np.diff(steps) > 0).all()
    if T == 1000:
        assert len(steps) > 0.8 * count
        assert np.median(steps) <= 500


def test_losses_of_a_single_step_are_a_picture(tmp_path):
    assert pixels(figures.loss_curve([0.5], tmp_path / "loss.png")).std() > 10.0


def test_user_s_settings_neither_change_the_pictures_nor_are_changed(drawn, tmp_path):
    with matplotlib.rc_context({"font.size": 30.0, "axes.facecolor": "black", "figure.dpi": 30.0}):
        before = dict(matplotlib.rcParams)
        again = figures.loss_curve(LOSSES, tmp_path / "again.png")
        assert dict(matplotlib.rcParams) == before
    np.testing.assert_array_equal(pixels(again), pixels(drawn["loss_curve"]))


def test_matplotlib_is_imported_with_figures_and_not_before():
    code = (
        "import sys, numpy_diffusion; assert 'matplotlib' not in sys.modules\n"
        "from numpy_diffusion import figures; assert 'matplotlib' in sys.modules\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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


def test_an_earlier_picture_stays_when_the_new_one_fails(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=r"^model: .*finite"):
        figures.forward_reverse(lambda x, t: x * np.nan, SCHEDULE, X0, path)
    assert path.read_bytes() == b"old"


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
    "no images": ("forward", lambda p: figures.image_rows({}, {}, p)),
    "other steps": ("reverse", lambda p: figures.image_rows(CHAIN, {0: IMAGES}, p)),
    "images of a step flat": ("forward", lambda p: figures.image_rows({0: X0}, {0: IMAGES}, p)),
    "fewer images at a step": ("reverse", lambda p: figures.image_rows(CHAIN, CHAIN | {20: IMAGES}, p)),
    "seed": ("seed", lambda p: figures.forward_reverse(MODEL, SCHEDULE, X0, p, seed=-1)),
    "image": ("image", lambda p: figures.forward_reverse(MODEL, SCHEDULE, X0, p, image=np.full((4, 4), 2.0))),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_argument_is_an_error_that_names_it_and_leaves_no_file(name, tmp_path):
    argument, call = BAD[name]
    with pytest.raises(ValueError, match=rf"^{argument}\b"):
        call(tmp_path / "picture.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [{"frames": 1}, {"frames": 2.5}, {"n": 0}, {"seed": -1}])
def test_bad_argument_of_an_animation_is_an_error_that_names_it(options, tmp_path):
    with pytest.raises(ValueError, match=rf"^{next(iter(options))}: expected an integer"):
        figures.animation(MODEL, SCHEDULE, tmp_path / "a.gif", **options)
    assert not list(tmp_path.iterdir())


def test_image_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(OSError, match=r"^image: cannot read"):
        figures.forward_reverse(MODEL, SCHEDULE, X0, tmp_path / "a.png", image=tmp_path / "missing.png")
