"""The examples of DALL-E 2, with small networks and few scenes: what they write, print, and go on with."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from checks.gallery import EXAMPLES, gallery
from PIL import Image

import numpy_diffusion as nd

GALLERY = gallery()
AGAIN = "run: python examples/_gallery.py {}"
PARTS = ["clip", "decoder", "prior", "upsampler_1", "upsampler_2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch, GALLERY.small():
        patch.syspath_prepend(EXAMPLES)
        yield tmp_path_factory.mktemp("dalle2")


def printed(name: str, folder: Path, *arguments: str) -> str:
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.setattr(sys, "argv", [name, "--out", str(folder / "out"), *GALLERY.SHORT[name], *arguments])
        importlib.import_module(name).main()
    return out.getvalue()


@pytest.fixture(scope="module")
def said(folder: Path) -> str:
    return printed("dalle2", folder, "--run", str(folder / "run"))


def assert_pictures(folder: Path, name: str) -> None:
    for picture in GALLERY.PICTURES[name]:
        assert np.asarray(Image.open(folder / picture).convert("L")).std() > 5.0


def test_dalle2_trains_each_part_shows_each_stage_and_leaves_a_pipeline(folder: Path, said: str) -> None:
    assert said.startswith("Trains clip, prior, decoder, upsampler_1, upsampler_2; on two cores about")
    for part in ("share", "captions is found in", "cosine of", "dB against", "A picture takes", "all four"):
        assert part in said
    assert_pictures(folder / "out", "dalle2")
    kept = GALLERY.record("dalle2")["short"]
    assert GALLERY.differ(GALLERY.numbers(said), kept) == [], AGAIN.format("dalle2")
    assert sorted(path.name for path in (folder / "run").iterdir()) == sorted([*PARTS, "pipeline"])
    pipeline = nd.load_diffusers(folder / "run" / "pipeline")
    assert isinstance(pipeline, nd.UnCLIP)
    assert pipeline("a big red plane", progress=False).shape == (1, 3, 32, 32)


def test_a_part_is_trained_alone_with_what_it_needs(folder: Path, tmp_path: Path) -> None:
    said = printed("dalle2", tmp_path, "--run", str(tmp_path / "run"), "--part", "prior")
    assert said.startswith("Trains clip, prior; on two cores about")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["clip", "prior"]
    assert not list((tmp_path / "out").iterdir())


def test_dalle2_tricks_shows_what_comes_of_pictures_and_of_the_prior(folder: Path, said: str) -> None:
    told = printed("dalle2_tricks", folder, str(folder / "run" / "pipeline"))
    for part in ("none ", "the caption's ", "the prior's ", "the real picture's ", "all four", "Frechet"):
        assert part in told
    assert_pictures(folder / "out", "dalle2_tricks")
    kept = GALLERY.record("dalle2_tricks")["short"]
    assert GALLERY.differ(GALLERY.numbers(told), kept) == [], AGAIN.format("dalle2_tricks")
