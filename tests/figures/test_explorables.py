"""The page to play with: one file that needs nothing else, and what it is told of network and data."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest
from checks.explorable import SCHEDULE, X0, contents, network

import numpy_diffusion as nd
from numpy_diffusion import figures
from numpy_diffusion.figures import explorables


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return figures.explorable(network(), SCHEDULE, tmp_path_factory.mktemp("page") / "new" / "page.html", data=X0)


def numbers(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_the_page_is_one_small_file_that_asks_for_nothing(page):
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert page.stat().st_size < 100_000  # half of it the page's own
    assert not re.search(r"https?:|\bsrc=|@import|url\(|\bimport\b|fetch\(|XMLHttpRequest|WebSocket|\{\{", text)
    assert re.findall(r'\bhref="(.*?)"', text) == ["data:,"]  # its icon
    assert "default-src 'none'" in text  # and the browser holds it to that


def test_the_page_knows_schedule_units_network_and_data(page):
    told, model = contents(page), network()
    assert numbers(told["schedule"]["beta"], np.float64).tolist() == SCHEDULE.beta.tolist()
    assert told["units"] == {"shift": model.shift.tolist(), "scale": model.scale.tolist()}
    assert numbers(told["network"]["weights"], np.float32).tolist() == model.buffer.tolist()
    assert told["network"]["layers"] == [[16, 2 + 8 * 3 + 16], [16, 16], [16, 16], [2, 16]]
    cloud = numbers(told["data"], np.float32).reshape(-1, 2)
    np.testing.assert_allclose(model.shift + model.scale * cloud, X0, atol=1e-5)


def test_points_beyond_the_first_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(explorables, "POINTS", 20)
    for data, count in ((X0, 20), (X0[:7], 7)):
        told = contents(figures.explorable(network(), SCHEDULE, tmp_path / "a.html", data=data))
        assert len(numbers(told["data"], np.float32)) == 2 * count
    assert contents(figures.explorable(network(), SCHEDULE, tmp_path / "a.html"))["data"] is None


def test_a_head_for_the_variance_is_left_out(tmp_path):
    model = nd.MLP(2, 8, 1, learn_variance=True)
    told = contents(figures.explorable(model, SCHEDULE, tmp_path / "a.html"))
    assert told["network"]["layers"][-1] == [2, 8]


def test_a_title_and_a_name_are_text_and_nothing_else(tmp_path):
    schedule = nd.Schedule.from_beta(SCHEDULE.beta[1:], name="</script><b>")
    title = "<i>{{script}}</i>"
    path = figures.explorable(network(), schedule, tmp_path / "a.html", title=title)
    text = path.read_text(encoding="utf-8")
    assert text.count("&lt;i&gt;{{script}}&lt;/i&gt;") == 2
    assert contents(path)["schedule"]["name"] == "</script><b>"
    assert text.count("</script>") == 2


def test_bad_arguments_are_errors_that_name_them(tmp_path):
    path = tmp_path / "a.html"
    for model in (lambda x, t: x, nd.MLP(3, 8, 0), nd.clipped(network(), SCHEDULE)):
        with pytest.raises(ValueError, match=r"^model: expected a network of points in the plane, MLP"):
            figures.explorable(model, SCHEDULE, path)
    with pytest.raises(ValueError, match=r"^schedule: expected one of T = 100"):
        figures.explorable(network(), nd.Schedule.linear(T=50), path)
    with pytest.raises(ValueError, match=r"^path: expected a name that ends in \.html"):
        figures.explorable(network(), SCHEDULE, tmp_path / "a.gif")
    with pytest.raises(ValueError, match=r"^title: expected"):
        figures.explorable(network(), SCHEDULE, path, title=3)
    with pytest.raises(ValueError, match=r"^data: expected shape"):
        figures.explorable(network(), SCHEDULE, path, data=X0[:, :1])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("part", sorted(explorables.PARTS.iterdir()), ids=lambda part: part.name)
def test_a_part_of_the_page_can_be_read(part):
    lines = part.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 300
    assert max(map(len, lines)) <= 118
    assert part.suffix != ".js" or lines[0].startswith("// ")


def test_every_script_is_in_the_page():
    assert {*explorables.MATHEMATICS, *explorables.PICTURES} == {part.stem for part in explorables.PARTS.glob("*.js")}


TEXTS = [("ink", "paper"), ("soft", "paper"), ("soft", "panel"), ("on-accent", "accent"), ("ink", "warn")]
SHAPES = [(name, "paper") for name in ("network", "exact", "data", "accent", "edge")] + [("edge", "panel")]


def luminance(colour):
    """Of #rrggbb (WCAG 2.2)."""
    c = np.array([int(colour[k : k + 2], 16) / 255.0 for k in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_shapes_stand_out(scheme):
    """By 4.5 and by 3 (WCAG 2.2, 1.4.3 and 1.4.11)."""
    blocks = re.findall(r":root \{(.*?)\}", (explorables.PARTS / "style.css").read_text(), flags=re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", blocks[["light", "dark"].index(scheme)]))
    for pairs, least in ((TEXTS, 4.5), (SHAPES, 3.0)):
        for pair in pairs:
            low, high = sorted(luminance(colours[name]) for name in pair)
            assert (high + 0.05) / (low + 0.05) >= least, pair
