"""docs/article.md: its links lead to what they name, and its figures are those of the pictures' records."""

from __future__ import annotations

from pathlib import Path

from checks import pages
from checks.gallery import gallery

PAGE = Path(__file__).parents[2] / "docs" / "article.md"


def test_each_line_of_the_article_leads_to_code_and_a_test() -> None:
    assert len(pages.links(PAGE)) > 60


def test_the_figures_told_of_the_drawings_are_those_of_their_records() -> None:
    told = pages.told(PAGE)
    lines = [line for name in ("spiral", "airplane_and_tank") for line in gallery().record(name)["printed"]]

    def measured(what: str) -> list[float]:
        return [float(line.split()[-2]) for line in lines if what in line]

    accuracy, stray = measured("1-nearest-neighbour accuracy"), measured("share that strays")
    assert len(accuracy) == len(stray) == 3
    assert f"in {sum(accuracy) / 3:.1%} of cases" in told
    assert f"{sum(stray) / 3:.1%} of the points stray" in told
    assert f"at least {min(measured('contrast of wheel')):.0%} of the contrast" in told
    assert f"row of windows {min(measured('contrast of the row of windows')):.0%}" in told
