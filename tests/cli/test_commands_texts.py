"""The command text2image: a folder of a pipeline, a text, and pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from checks.command_line import call, failure
from checks.latents import WIDTH, pipeline, unet
from PIL import Image

import numpy_diffusion as nd

TEXT = "a big red plane on the left"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pipelines") / "scenes"
    pipeline().to_diffusers(path)
    return path


def test_it_is_the_pipeline_s_call(capsys, folder: Path, tmp_path: Path) -> None:
    line = f"text2image {{}} {{}} --steps 3 --seed 5 --guidance 1 --quiet -o {tmp_path}/"
    call(capsys, f"{line}x.npy -n 2", folder, TEXT)
    expected = pipeline()(TEXT, n=2, seed=5, guidance=1.0, steps=3, progress=False)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), expected)
    call(capsys, f"{line}second.npy -n 1 --first 1", folder, TEXT)
    np.testing.assert_array_equal(np.load(tmp_path / "second.npy"), expected[1:])
    call(capsys, f"{line}x.png", folder, TEXT)
    width, height = Image.open(tmp_path / "x.png").size
    assert width > 3 * height  # four pictures side by side


def test_pictures_in_bfloat16_are_the_pipeline_s(capsys, folder: Path, tmp_path: Path) -> None:
    line = f"text2image {{}} {{}} --steps 3 --quiet -n 1 --precision bfloat16 -o {tmp_path}/x.npy"
    call(capsys, line, folder, TEXT)
    with nd.precision("bfloat16"):
        expected = pipeline()(TEXT, n=1, steps=3, progress=False)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), expected)


def test_errors_are_one_line_and_status_2(capsys, folder: Path, tmp_path: Path) -> None:
    for place, text, more, sentence in (
        (folder, "a purpel plane", "x.png", "got 'purpel'; did you mean 'purple'?"),
        (folder, TEXT, "x.csv", "--output: expected a file name that ends in .npy or .png"),
        (tmp_path, TEXT, "x.png", "found no model_index.json in it"),
        (folder, TEXT, "x.png -n 0", "n: expected an integer of at least 1"),
    ):
        assert sentence in failure(capsys, f"text2image {{}} {{}} -o {tmp_path}/{more}", place, text)
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_texts_is_shown_and_left_to_python(capsys, tmp_path: Path) -> None:
    model, z = unet(), np.random.default_rng(0).normal(size=(2, 4, 4, 4))
    told = nd.Condition(states=np.ones((2, 3, WIDTH)))
    nd.train(model, nd.Schedule.linear(T=20), z, told, steps=1, batch=2, out=tmp_path / "run", progress=False)
    assert call(capsys, "info {}", tmp_path / "run")[0] == 0
    for line in (f"sample {{}} -o {tmp_path}/x.npy", "figure {}", "train --resume --out {}"):
        said = failure(capsys, line, tmp_path / "run")
        assert "expected a run whose network is told a class or nothing, got one that is told " in said
