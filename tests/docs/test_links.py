"""The pages in docs/ and the one on contributing: every link leads to a file, and to what it names there."""

from __future__ import annotations

from pathlib import Path

import pytest
from checks import pages

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_to_what_it_names(page: Path) -> None:
    assert pages.wrong_links(page) == []
