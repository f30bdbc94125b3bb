"""The built site, where there is one (`make -C docs html`): its links, and its pages in a browser."""

from __future__ import annotations

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from checks.browser import Browser, needs_chromium

SITE = Path(__file__).parents[2] / "docs" / "_build" / "html"
PAGES = sorted(page for page in SITE.rglob("*.html") if "_static" not in page.parts)
SHOWN = ["index", "course/index", "course/lecture1", "auto_examples/index", "api/numpy_diffusion.sample", "notation"]
SIZES = [(390, 844), (1280, 900)]

pytestmark = pytest.mark.skipif(not PAGES, reason="the site is not built")


class Page(HTMLParser):
    """What a page points to, what it takes from elsewhere to be shown, and the places in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.parts: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value is not None}
        self.places |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag in ("script", "img", "iframe", "source") and "src" in found:
            self.parts.append(found["src"])
        elif tag == "link" and "href" in found:
            self.parts.append(found["href"])


@functools.cache
def parsed(page: Path) -> Page:
    return Page(page.read_text())


def wrong(page: Path, targets: list[str]) -> Iterator[str]:
    """The targets in the site that are not there, file or place in it."""
    for target in targets:
        found = urlsplit(target)
        if found.scheme:
            continue
        file = (page.parent / unquote(found.path)).resolve() if found.path else page
        place = unquote(found.fragment) if file.suffix == ".html" else ""
        if not file.exists() or (place and place not in parsed(file).places):
            yield f"{page.relative_to(SITE)}: {target}"


def test_every_link_inside_the_site_leads_somewhere() -> None:
    assert len(PAGES) > 100
    assert [found for page in PAGES for found in wrong(page, parsed(page).links + parsed(page).parts)] == []


def test_nothing_is_taken_from_elsewhere() -> None:
    parts = {part for page in PAGES for part in parsed(page).parts}
    assert [part for part in parts if urlsplit(part).scheme not in ("", "data") or part.startswith("//")] == []
    styles = [path.read_text() for path in SITE.rglob("*.css")]
    assert styles
    assert [found for text in styles for found in re.findall(r"url\(['\"]?(?:https?:)?//[^)]*", text)] == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as found:
        yield found


@needs_chromium
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}px")
@pytest.mark.parametrize("name", SHOWN)
def test_a_page_is_shown_without_error_and_fits_the_window(
    browser: Browser, name: str, size: tuple[int, int]
) -> None:
    browser.open(SITE / f"{name}.html", *size)
    if name in ("course/lecture1", "notation"):
        browser.wait_for("document.querySelectorAll('.math').length > 10")
        browser.wait_for(
            "document.querySelectorAll('mjx-container').length == document.querySelectorAll('.math').length"
        )
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.fixture
def served() -> Iterator[str]:
    """The address of the site on a server of its own: a search reads the pages that it finds."""
    handler = functools.partial(Silent, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@needs_chromium
def test_the_search_finds_a_page(browser: Browser, served: str) -> None:
    browser.open(SITE / "index.html", *SIZES[1])
    browser.requests = []
    browser.call("Page.navigate", url=f"{served}/search.html?q=posterior")
    browser.wait_for("document.querySelectorAll('#search-results li a').length > 2")
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith((served, "data:"))] == []
