"""docs/latent_diffusion.md: its code runs, and its figures are those of the pictures' records."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checks import pages
from checks.gallery import gallery

PAGE = Path(__file__).parents[2] / "docs" / "latent_diffusion.md"


def test_the_python_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = pages.run(PAGE, {})
    assert names["pictures"].shape == names["others"].shape == (2, 3, 32, 32)
    assert names["eps"].shape == (2, 4, 16, 16)
    assert (tmp_path / "scenes" / "model_index.json").exists()


def test_the_figures_told_of_scenes_by_captions_are_those_of_their_record() -> None:
    told, lines = pages.told(PAGE), gallery().record("latent_scenes")["printed"]
    [decibels] = re.findall(r"come back with ([\d.]+ dB)", " ".join(lines))
    assert f"come back from their latents with {decibels}." in told
    names = "thing", "colour", "size", "place", "all four"
    shares = [line.split()[-2] for name in names for line in lines if line.strip().startswith(name)]
    for part in (shares[::2], shares[1::2]):  # of combinations seen in training, and of others
        assert f"in {', '.join(part[:3])} and {part[3]}, all four in {part[4]}" in told
    distance, of_real, *_ = (float(line.split()[-1]) for line in lines if "Frechet" in line)
    assert f"Frechet distance is {distance:.2f}, that of other real scenes {of_real:.3f}." in told


def test_the_figures_told_of_pixels_and_latents_are_those_of_their_record() -> None:
    told, lines = pages.told(PAGE), gallery().record("pixel_or_latent")["printed"]
    for space in ("pixels", "latents"):
        [line] = [line for line in lines if line.startswith(space)]
        step, sample, distance, _, right, _ = re.findall(r"[\d.]+", line)
        assert f"| {space} | {step} ms | {sample} ms | {float(distance):.1f} | {float(right):.0%} |" in told
    [(step, sample)] = re.findall(r"step is ([\d.]+) times cheaper, a sample ([\d.]+) times", " ".join(lines))
    assert f"A step is {step} times cheaper in the latent space and a sample {sample} times" in told
    assert any("in 3 of 3 seeds, righter in 3;" in line and line.endswith("the claim is true.") for line in lines)
