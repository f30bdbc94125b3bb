"""docs/troubles.md: its code runs, what it quotes is so, and whoever names it names a page that is there."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

from checks import pages

from numpy_diffusion.cli.signals import ENDING

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubles.md"
SOURCES = "".join(path.read_text() for path in (ROOT / "numpy_diffusion").rglob("*.py"))


def test_its_code_runs_and_a_signal_acts_as_ctrl_c() -> None:
    before, found = signal.getsignal(signal.SIGTERM), dict[str, Any]()
    try:
        exec("".join(pages.blocks(PAGE, "python")), found)
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert found["context"].get_start_method() == "forkserver"


def test_errors_that_name_a_page_name_one_that_is_there() -> None:
    named = set(re.findall(r"docs/\w+\.md(?=[^`])", SOURCES))
    assert "docs/troubles.md" in named
    assert all((ROOT / page).exists() for page in named)


def test_what_it_says_is_set_and_taken_is_so() -> None:
    text = PAGE.read_text()
    assert 'os.environ["GOMP_SPINCOUNT"] = "1000"' in SOURCES
    assert "GOMP_SPINCOUNT=1000" in text
    assert {f"SIG{name}" for name in re.findall(r"\bSIG([A-Z]+)\b", text)} <= set(ENDING)
