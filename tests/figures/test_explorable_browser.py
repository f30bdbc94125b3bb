"""The page as readers have it, in a real browser: on a telephone and on a wide screen, by pointer and by keys."""

from __future__ import annotations

import numpy as np
import pytest
from checks.browser import Browser, needs_chromium
from checks.explorable import SCHEDULE, X0, network, samples
from checks.pictures import pixels

import numpy_diffusion as nd
from numpy_diffusion import figures
from numpy_diffusion.models.protocol import members

pytestmark = needs_chromium

SIZES = [(390, 844), (1280, 900)]
READY = "explorable.run !== null && explorable.run.done"
PLACE = "explorable.player.position"
TEXT = "document.querySelector('{}').textContent"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return figures.explorable(network(), SCHEDULE, tmp_path_factory.mktemp("page") / "a.html", data=X0)


@pytest.fixture(scope="module")
def browser():
    with Browser() as found:
        yield found


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}px")
def opened(request, browser, page):
    """The page in a window of this size, its first chain complete; nothing may go wrong in it."""
    browser.open(page, *request.param)
    browser.wait_for(READY)
    yield browser
    assert browser.errors == []
    assert browser.requests == [page.as_uri()]


def choose(browser, selector, value):
    """As a hand would: the control has another value, and says so."""
    browser.evaluate(f"""(() => {{
        const control = document.querySelector("{selector}");
        if (control.type === "radio") control.checked = true; else control.value = "{value}";
        control.dispatchEvent(new Event("input", {{ bubbles: true }}));
    }})()""")
    browser.wait_for("explorable.run === null || explorable.run.done")


def found_samples(browser):
    return np.reshape(browser.evaluate("Array.from(explorable.samples())"), (-1, 2))


def test_the_samples_are_those_of_python(opened):
    np.testing.assert_allclose(found_samples(opened), samples(1000, 0, method="ddim", steps=50), rtol=0, atol=1e-4)
    choose(opened, "#seed", "12345678901234567890")
    choose(opened, "#solver", "dpm++2m")
    expected = samples(1000, 12345678901234567890, method="dpm++2m", steps=50)
    np.testing.assert_allclose(found_samples(opened), expected, rtol=0, atol=1e-4)


def test_nothing_is_wider_than_the_window_and_the_picture_is_drawn(opened, tmp_path):
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    opened.evaluate("scrollTo(0, 0)")
    left, top, width, height = opened.box("#plane")
    assert left >= 0
    assert width == pytest.approx(height)
    opened.picture(tmp_path / "page.png")
    whole = pixels(tmp_path / "page.png")
    drawn = whole[int(top) : int(top + height), int(left) : int(left + width)]
    orange = (drawn[..., 0] > drawn[..., 2] + 80).mean()
    blue = (drawn[..., 2] > drawn[..., 0] + 20).mean()
    assert min(orange, blue) > 0.005


def test_the_slider_is_moved_by_its_keys(opened):
    opened.evaluate("document.querySelector('#time').focus()")
    opened.press("Home")
    assert opened.evaluate(PLACE) == 0
    opened.press("ArrowRight")
    opened.press("ArrowRight")
    assert opened.evaluate(PLACE) == 2
    opened.wait_for(f"{TEXT.format('#fact-t')} === '96'")
    assert opened.evaluate("document.querySelector('#time').ariaValueText").startswith("t = 96, step 2 of 50")
    opened.press("End")
    opened.wait_for(f"{TEXT.format('#fact-t')} === '0'")
    opened.wait_for(f"{TEXT.format('#said')}.startsWith('t = 0, step 50 of 50. 1,000 points')")


def test_space_plays_both_ways_and_pauses(opened):
    opened.evaluate("document.activeElement.blur(), explorable.player.goTo(10)")
    opened.press("Space")
    opened.wait_for(f"{PLACE} > 12")
    assert "pause" in opened.evaluate(TEXT.format("#to-data"))
    opened.press("Space")
    paused = opened.evaluate(PLACE)
    assert paused == round(paused)
    opened.press("Space", shift=True)
    opened.wait_for(f"{PLACE} < {paused}")
    opened.press("Space", shift=True)
    opened.press("ArrowLeft")
    assert opened.evaluate("explorable.player.direction") == 0


def test_buttons_play_from_end_to_end(opened):
    opened.evaluate("explorable.player.goTo(48)")
    opened.click("#to-data")
    opened.wait_for(f"{PLACE} === 50 && explorable.player.direction === 0")
    assert opened.evaluate(TEXT.format("#to-data")) == "to data ▶"
    opened.click("#to-data")  # from the end it starts over
    opened.wait_for(f"0 < {PLACE} && {PLACE} < 20")


def test_points_drawn_by_pointer_have_their_exact_chain(opened):
    choose(opened, "input[value=own]", None)
    opened.wait_for("explorable.run === null")
    opened.evaluate("scrollTo(0, 0)")
    left, top, side, _ = opened.box("#plane")
    opened.drag([(left + side * part, top + 0.4 * side) for part in (0.3, 0.4, 0.5, 0.7)])
    opened.wait_for(READY)
    points = np.reshape(opened.evaluate("Array.from(explorable.drawing.points)"), (-1, 2))
    assert len(points) == 1 + int(0.4 * side / 7)
    ends = [(part - 0.5) * 2 * 3.2 for part in (0.3, 0.7)]  # the picture reaches to 3.2
    scale = network().scale
    np.testing.assert_allclose(points[[0, -1], 0] * scale[0] / scale.max(), ends, atol=0.2)
    np.testing.assert_allclose(points[:, 1] * scale[1] / scale.max(), 0.64, atol=0.05)  # above the middle
    model = nd.oracles.FiniteData(points).eps(SCHEDULE)
    expected = nd.sample(model, SCHEDULE, 1000, 0, method="ddim", steps=50, progress=False)
    np.testing.assert_allclose(found_samples(opened), members(network()).units.to_data(expected), rtol=0, atol=1e-4)


def test_points_are_set_by_keys(opened):
    opened.evaluate("explorable.set({ source: 'own' })")
    opened.click("#clear")
    opened.evaluate("document.querySelector('#plane').focus()")
    for key in ("Enter", "ArrowUp", "ArrowUp", "ArrowRight", "Enter", "Enter", "Backspace"):
        opened.press(key)
    opened.wait_for(READY)
    points = opened.evaluate("Array.from(explorable.drawing.points)")
    np.testing.assert_allclose(points, [0.0, 0.0, 0.15, 0.3], atol=1e-6)


@pytest.mark.filterwarnings("ignore:schedule")
def test_other_schedules_are_drawn_and_doubts_are_told(opened):
    hidden = "document.querySelector('#warning').hidden"
    assert opened.evaluate(hidden)
    choose(opened, "#family", "cosine")
    choose(opened, "#steps", "5")
    assert "multiplies an error of the network" in opened.evaluate(TEXT.format("#warning"))
    choose(opened, "#family", "linear")
    choose(opened, "#beta-end", "-3")
    assert "does not end in noise" in opened.evaluate(TEXT.format("#warning"))
    schedule = nd.Schedule.linear(T=100, beta_end=1e-3)
    found = opened.evaluate("Array.from(explorable.chosen.alphaBar)")
    np.testing.assert_allclose(found, schedule.alpha_bar, rtol=1e-12)


@pytest.mark.parametrize("number", range(7))
def test_what_there_is_to_try_ends_at_data(browser, page, number):
    browser.open(page, *SIZES[1])
    browser.wait_for(READY)
    browser.evaluate(f"document.querySelectorAll('[data-set]')[{number}].click()")
    browser.wait_for(READY)
    assert browser.evaluate("explorable.player.direction") == 1
    browser.evaluate("explorable.player.goTo(Infinity)")
    browser.wait_for(f"{TEXT.format('#fact-t')} === '0'")
    assert np.isfinite(found_samples(browser)).all()
    assert browser.errors == []


def test_everything_can_be_reached_by_tab_and_has_a_name(opened):
    choose(opened, "input[value=own]", None)
    choose(opened, "#family", "linear")
    named = opened.focusable()
    assert len(named) > 25
    assert [role for role, name in named if not name] == []
    opened.evaluate("document.activeElement.blur()")
    seen = set()
    for _ in range(60):
        opened.press("Tab")
        seen.add(opened.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    wanted = {"plane", "time", "to-noise", "to-data", "show-data", "solver", "steps", "points", "seed", "next-seed"}
    wanted |= {"family", "beta-start", "beta-end", "two-points", "ring", "undo", "clear", "Two points"}
    assert wanted <= seen


def test_dark_is_dark(browser, page, tmp_path):
    brightness = []
    for dark in (False, True):
        browser.open(page, *SIZES[0], dark=dark)
        browser.wait_for(READY)
        browser.picture(tmp_path / "page.png")
        brightness.append(pixels(tmp_path / "page.png").mean())
    assert brightness[0] > 200
    assert brightness[1] < 60


def test_without_data_the_page_has_the_network_alone(browser, tmp_path):
    browser.open(figures.explorable(network(), SCHEDULE, tmp_path / "a.html"), *SIZES[1])
    browser.wait_for(READY)
    hidden = "['exact-shown', 'data-shown', 'drivers', 'error'].map((id) => document.getElementById(id).hidden)"
    assert browser.evaluate(hidden) == [True] * 4
    choose(browser, "input[value=own]", None)
    assert browser.evaluate(hidden) == [False, False, True, True]
    assert browser.errors == []
