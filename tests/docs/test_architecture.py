"""docs/architecture.md: its code runs and does what it says, its links lead somewhere, and no room is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks import gradcheck, pages

from numpy_diffusion.models.condition import Condition

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page's code leaves, run from top to bottom in an empty folder."""
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec("".join(pages.blocks(PAGE, "python")), found)
    return found


def test_the_network_of_the_page_learns_what_it_is_shown(names: dict[str, Any]) -> None:
    x, x0 = names["x"], names["x0"]
    error = x0.std(axis=0) * np.sqrt(2.0 / len(x))  # of the difference of two means
    assert (np.abs(x.mean(axis=0) - x0.mean(axis=0)) < 5.0 * error).all()
    np.testing.assert_allclose(x.std(axis=0), x0.std(axis=0), rtol=0.1)
    assert Path("runs", "slopes", "config.json").exists()


def test_its_gradient_is_right(names: dict[str, Any]) -> None:
    draw = np.random.default_rng(0)
    model = names["Slopes"](3, T=4, dtype=np.float64)
    model.buffer[:] = draw.normal(size=model.buffer.size)
    x, weight = draw.normal(size=(2, 6, 3))
    t = np.array([1, 2, 2, 4, 1, 3])  # some steps twice: their gradients add up

    def loss() -> float:
        return float((weight * model.forward(model.params, x, t, Condition())[0]).sum())

    dx, grads = model.backward(model.params, weight, model.forward(model.params, x, t, Condition())[1])
    errors = gradcheck.errors(loss, {"x": x, **model.params}, {"x": dx, **grads})
    assert max(errors.values()) < gradcheck.BOUND


def test_it_leads_to_the_code() -> None:
    assert len(pages.links(PAGE)) > 50


def test_every_room_is_named() -> None:
    text = PAGE.read_text()
    for path in (ROOT / "numpy_diffusion").iterdir():
        if path.name not in ("__init__.py", "__main__.py", "__pycache__", "py.typed"):
            assert f"[`{path.name}{'/' * path.is_dir()}`]" in text, path.name
