"""The reverse chain as a GIF and as a page: a frame a step, small, and in need of nothing else."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from checks.pictures import MODEL, SCHEDULE
from PIL import Image

import numpy_diffusion as nd
from numpy_diffusion import figures
from numpy_diffusion.figures import animations
from numpy_diffusion.figures.steps import telling_steps


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The chain once in each kind of file: {ending: path}."""
    folder = tmp_path_factory.mktemp("animations")
    return {
        ending: figures.animation(MODEL, SCHEDULE, folder / f"chain{ending}", n=50, frames=8)
        for ending in (".gif", ".html")
    }


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


@pytest.mark.parametrize("options", [{"frames": 1}, {"frames": 2.5}, {"n": 0}, {"seed": -1}])
def test_bad_argument_of_an_animation_is_an_error_that_names_it(options, tmp_path):
    with pytest.raises(ValueError, match=rf"^{next(iter(options))}: expected an integer"):
        figures.animation(MODEL, SCHEDULE, tmp_path / "a.gif", **options)
    assert not list(tmp_path.iterdir())


def test_coordinates_have_their_names_and_noise_that_is_no_circle_is_explained(monkeypatch, tmp_path):
    titles = []
    monkeypatch.setattr(animations.PillowWriter, "grab_frame", lambda self: titles.append(look(self.fig.axes[0])))
    monkeypatch.setattr(animations.PillowWriter, "finish", lambda self: Path(self.outfile).write_bytes(b""))
    model = nd.MLP(dim=2, width=4, depth=0)
    model.scale[:] = [1.0, 0.5]
    figures.animation(model, SCHEDULE, tmp_path / "a.gif", n=3, frames=2, names=["height", "weight"])
    note = "noise is as wide and as high as the data"
    assert titles[0] == (f"Reverse chain, $t = 40$\n{note}", "height", "weight")


def look(axes):
    return axes.get_title(), axes.get_xlabel(), axes.get_ylabel()
