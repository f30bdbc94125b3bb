"""Each example runs from an empty folder, says what it wrote, and writes it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from numpy_diffusion import datasets

EXAMPLES = Path(__file__).parent.parent / "examples"
OF_A_MODEL = [".png", "_loss.png", ".gif", ".html"]
WRITTEN = {
    "spiral": [f"spiral{ending}" for ending in OF_A_MODEL],
    "airplane_and_tank": [f"{name}{ending}" for name in ("airplane", "tank") for ending in OF_A_MODEL],
    "own_image": [f"own_image{ending}" for ending in OF_A_MODEL],
    "forward_chain": ["forward_chain.png"],
    "schedules": ["schedules.png"],
}


def run(folder, name, *arguments):
    """The example as a reader would start it, from `folder`."""
    command = [sys.executable, "-W", "error::RuntimeWarning", EXAMPLES / f"{name}.py", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_every_example_is_listed():
    assert {path.stem for path in EXAMPLES.glob("[!_]*.py")} == set(WRITTEN)


@pytest.mark.parametrize("name", sorted(set(WRITTEN) - {"own_image"}))  # which runs with a path, below
def test_example_writes_what_it_says_under_out(tmp_path, name):
    done = run(tmp_path, name, "--steps", "20", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(WRITTEN[name])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    for picture in WRITTEN[name]:
        assert str(Path("out", picture)) in done.stdout
        if not picture.endswith(".html"):
            assert np.asarray(Image.open(tmp_path / "out" / picture).convert("L")).std() > 5.0


@pytest.mark.parametrize("name", WRITTEN)
def test_help_tells_the_options(tmp_path, name):
    done = run(tmp_path, name, "--help")
    assert done.returncode == 0
    for option in ("--steps", "--seed", "--out"):
        assert option in done.stdout
    assert not list(tmp_path.iterdir())


def test_own_image_takes_a_path_and_quality_stands_beside_that_of_fresh_data(tmp_path):
    Image.fromarray(np.tile(np.arange(0, 250, 10, np.uint8), (12, 1))).save(tmp_path / "wedge.png")
    done = run(tmp_path, "own_image", "wedge.png", "--steps", "20", "--out", "elsewhere")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == sorted(WRITTEN["own_image"])
    distance, fresh_distance = numbers_of(done.stdout, "energy distance")
    accuracy, fresh_accuracy = numbers_of(done.stdout, "1-nearest-neighbour accuracy")
    assert 0.0 < fresh_distance < 0.005 < distance  # 20 steps teach little
    assert abs(fresh_accuracy - 0.5) < 5 * 0.45 / np.sqrt(4000)  # five of its standard errors
    assert accuracy > 0.55


def test_without_a_path_own_image_draws_a_heart(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    x, y = datasets.from_image(importlib.import_module("own_image").heart(), 4000, 0).T / np.float32(1 / 1.4)
    inside = (x**2 + y**2 - 1.0) ** 3 < x**2 * y**3 + 0.05  # and a pixel's width
    assert inside.mean() > 0.99
    assert (x < 0.0).mean() > 0.55  # darker to the left


def numbers_of(text, row):
    """The numbers in the line that starts with `row`."""
    [line] = [line for line in text.splitlines() if line.startswith(row)]
    return map(float, line.removeprefix(row).split())


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("spiral", ["--steps", "0"], "error: steps: expected an integer"),
        ("forward_chain", ["--seed", "-1"], "error: seed: expected an integer"),
        ("own_image", ["missing.png", "--steps", "1"], "error: image: cannot read a picture from 'missing.png'"),
        ("spiral", ["--out", "file/out"], "spiral.py: error: argument --out: cannot write to file/out: Not a dir"),
    ],
)
def test_error_takes_one_line(tmp_path, name, arguments, sentence):
    (tmp_path / "file").write_text("kept")
    done = run(tmp_path, name, *arguments)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith(sentence)
    assert "Traceback" not in done.stderr
    assert (tmp_path / "file").read_text() == "kept"
