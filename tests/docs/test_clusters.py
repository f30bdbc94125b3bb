"""docs/clusters.md: its links lead somewhere, and what it names is there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from checks import pages

import numpy_diffusion as nd
from numpy_diffusion.parallel import samples

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "clusters.md"


def test_its_links_lead_somewhere() -> None:
    written_beside = "Training by MPI: no mpi.md"
    assert set(pages.wrong_links(PAGE)) <= {written_beside}


def test_its_functions_are_those_of_the_package() -> None:
    names = set(re.findall(r"nd\.parallel\.(\w+)\(", PAGE.read_text()))
    assert names == set(nd.parallel.__all__)
    for name in names - {"to_npy"}:
        assert f"`{name}`" in PAGE.read_text()
        assert "client" in inspect.signature(getattr(nd.parallel, name)).parameters


def test_its_number_and_its_option_are_so() -> None:
    text = PAGE.read_text()
    assert f"{samples.NUMBERS:,} numbers" in text
    for source in ("numpy_diffusion/cli/epilogs.py", "examples/which_schedule.py"):
        assert "--client" in (ROOT / source).read_text()
