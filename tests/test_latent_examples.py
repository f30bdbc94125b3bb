"""The examples on latents, with small networks and few scenes: what they write, print, and go on with."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from checks.gallery import EXAMPLES, gallery
from PIL import Image

import numpy_diffusion as nd

GALLERY = gallery()
AGAIN = "run: python examples/_gallery.py {}"
PICTURES = ["", "_decoded_rows", "_latent_rows", "_latents", "_there_and_back"]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """The example of this name, of which all that is shared is small."""
    monkeypatch.syspath_prepend(EXAMPLES)
    with GALLERY.small():
        yield importlib.import_module(request.param)


def printed(example: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    name = example.__name__
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments), *GALLERY.SHORT[name]])
    with contextlib.redirect_stdout(io.StringIO()) as out:
        example.main()
    return out.getvalue()


def assert_pictures(folder: Path, names: list[str]) -> None:
    assert sorted(path.name for path in folder.glob("*.png")) == names
    for name in names:
        assert np.asarray(Image.open(folder / name).convert("L")).std() > 5.0


@pytest.mark.parametrize("example", ["latent_scenes"], indirect=True)
def test_latent_scenes_shows_each_stage_and_leaves_a_pipeline(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out, run = tmp_path / "out", tmp_path / "run"
    arguments = ["--out", out, "--run", run]
    said = printed(example, monkeypatch, *arguments)
    assert said.startswith("Trains an autoencoder for 2 steps and a network on its latents for 2; on two cores about")
    assert_pictures(out, [f"latent_scenes{ending}.png" for ending in PICTURES])
    for part in ("Seen combinations:", "Combinations that were held out:", "all four", "come back with", "Frechet"):
        assert part in said
    kept = GALLERY.record("latent_scenes")["short"]
    assert GALLERY.differ(GALLERY.numbers(said), kept) == [], AGAIN.format("latent_scenes")
    pipeline = nd.load_diffusers(run / "pipeline")
    assert isinstance(pipeline, nd.LatentPipeline)
    assert pipeline("a big red plane", steps=2, progress=False).shape == (1, 3, 32, 32)
    assert sorted(path.name for path in run.iterdir()) == ["autoencoder", "network", "pipeline"]
    again = printed(example, monkeypatch, *arguments)  # uses the runs as they are
    assert again == said


@pytest.mark.parametrize("example", ["pixel_or_latent"], indirect=True)
def test_pixel_or_latent_judges_both_and_goes_on(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = printed(example, monkeypatch, "--out", tmp_path)
    assert_pictures(tmp_path, ["pixel_or_latent.png"])
    rows = example.stored(tmp_path / "pixel_or_latent.csv")
    assert [(row.space, row.step) for row in rows] == [(space, k) for space in example.SPACES for k in (1, 2, 3)]
    assert all(np.isfinite(row[3:]).all() for row in rows)
    kept, again = GALLERY.record("pixel_or_latent")["short"], AGAIN.format("pixel_or_latent")
    assert GALLERY.differ([row.distance for row in rows], kept) == [], again
    for part in ("pixels ", "latents ", "times cheaper", "the claim is "):
        assert part in said

    monkeypatch.setattr(example, "judged", lambda *_: [])  # nothing is trained again, but for another setting
    assert printed(example, monkeypatch, "--out", tmp_path) == said
    options = argparse.Namespace(steps=0, minutes=1.0, autoencoder_steps=2, scenes=40, length=10, samples=12, seed=0)
    assert list(example.study(options, tmp_path / "pixel_or_latent.csv")) == []
    (tmp_path / "pixel_or_latent.csv").write_text("space,seed\n")
    with pytest.raises(ValueError, match=r"pixel_or_latent\.csv: expected the columns setting, space, seed"):
        printed(example, monkeypatch, "--out", tmp_path)


@pytest.mark.parametrize("example", ["pixel_or_latent"], indirect=True)
@pytest.mark.parametrize(
    ("distances", "shares", "cheaper", "verdict"),
    [
        ((2.0, 1.0), (0.5, 0.9), 10.0, "the claim is true, and more."),
        ((2.0, 1.0), (0.5, 0.9), 3.0, "the claim is true."),
        ((1.0, 2.0), (0.9, 0.5), 10.0, "the claim is not so."),
        ((1.0, 2.0), (0.5, 0.9), 10.0, "the claim is true of the cost, open of the quality."),
    ],
)
def test_the_verdict_follows_the_numbers(
    example: ModuleType,
    distances: tuple[float, float],
    shares: tuple[float, float],
    cheaper: float,
    verdict: str,
) -> None:
    pixels, latents = (np.array([[1.0, 1.0, distances[k], shares[k]]] * 3) for k in range(2))
    assert example.verdict(pixels, latents, cheaper).endswith(verdict)
