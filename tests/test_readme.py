"""The README's code runs as it stands, and what it points to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checks import pages
from checks.gallery import gallery

import numpy_diffusion as nd

ROOT = Path(__file__).parents[1]
APART = ("  samples", "  other real digits")  # what stands before the distances
PAGE = ROOT / "README.md"


def test_the_python_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = "".join(pages.blocks(PAGE, "python"))
    for long, short in {
        "steps=10_000": "steps=50, progress=False",
        "n=4096": "n=200",
        "size=(5000, 3)": "size=(300, 3)",
    }.items():
        assert long in source
        source = source.replace(long, short)
    names: dict[str, object] = {}
    exec(source, names)
    assert (tmp_path / "runs" / "spiral" / "model.safetensors").exists()
    assert names["late"].shape == (100, 2)  # type: ignore[attr-defined]
    assert names["x"].shape == (1000, 3)  # type: ignore[attr-defined]
    assert names["log_p"].shape == (10,)  # type: ignore[attr-defined]
    assert names["table"].shape == (1000, 3)  # type: ignore[attr-defined]
    assert names["digits"].shape == (8, 1, 8, 8)  # type: ignore[attr-defined]
    assert (names["pipeline"].unet.buffer == names["unet"].buffer).all()  # type: ignore[attr-defined]
    assert names["pictures"].shape == names["others"].shape == (2, 3, 32, 32)  # type: ignore[attr-defined]
    assert names["eps"].shape == (2, 4, 16, 16)  # type: ignore[attr-defined]
    assert names["drawn"].shape == (3, 3, 64, 64)  # type: ignore[attr-defined]
    assert (names["half"][..., :4] == names["images"].x0[0][..., :4]).all()  # type: ignore[attr-defined]


def test_the_shell_commands_are_ones_that_the_program_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from numpy_diffusion.cli.commands import main

    monkeypatch.chdir(tmp_path)
    lines = [line.split("#")[0].split() for block in pages.blocks(PAGE, "sh") for line in block.splitlines()]
    commands = [line[1:] for line in lines if line[0] == "numpy-diffusion"]
    assert len(commands) == 7
    for command in commands:
        short = {"train": ["--steps", "6", "--T", "20"], "sample": ["--steps", "6"]}.get(command[0], [])
        few = (
            [] if "--resume" in command else short + ["--n", "300"] * (command[:3] == ["train", "--data", "airplane"])
        )
        assert main([*command, *few]) == 0


def test_every_link_leads_to_what_it_names() -> None:
    assert len(pages.links(PAGE)) > 60
    assert pages.wrong_links(PAGE) == []


def test_the_tree_of_folders_is_the_one_that_there_is() -> None:
    [tree] = pages.blocks(PAGE, "text")
    named = re.findall(r"([a-z]+)(?:/|\.py)  ", tree)
    there = {path.stem for path in (ROOT / "numpy_diffusion").iterdir() if not path.name.startswith(("_", "py"))}
    assert sorted(named) == sorted(there)


def test_the_two_commands_stand_first() -> None:
    first, second = pages.blocks(PAGE, "sh")[:2]
    assert first.strip() == "python -m pip install . && python examples/spiral.py"
    assert second.strip() == "python -m pip install '.[test]' && python -m pytest"


def test_the_figures_told_of_the_pictures_are_those_of_their_records() -> None:
    told = " ".join(PAGE.read_text().split())
    digits, drawings = (
        gallery().record("digits"),
        [gallery().record(name) for name in ("spiral", "airplane_and_tank")],
    )
    [right] = re.findall(r"and ([\d.]+%) of 1,000 samples", " ".join(digits["printed"]))
    minutes = round(digits["seconds"] / 60)
    assert (
        f"draws 1,000 of its own, in {minutes} minutes on two cores; a classifier of real digits reads {right}"
        in told
    )

    distance, of_real = (line.split()[-1] for line in digits["printed"] if line.split(":")[0] in APART)
    assert f"in the classifier's features, is {distance}; that of other real digits is {of_real}." in told

    lines = [line for record in drawings for line in record["printed"]]

    def measured(what: str) -> list[float]:
        return [float(line.split()[-2]) for line in lines if what in line]

    accuracy, stray = measured("1-nearest-neighbour accuracy"), measured("share that strays")
    assert len(accuracy) == len(stray) == 3
    assert f"in {sum(accuracy) / 3:.1%} of cases" in told
    assert f"{sum(stray) / 3:.1%} of the points stray" in told
    assert f"at least {min(measured('contrast of wheel')):.0%} of the contrast" in told
    assert f"row of windows {min(measured('contrast of the row of windows')):.0%}" in told


def test_the_figures_told_of_scenes_by_captions_are_those_of_their_record() -> None:
    told, lines = " ".join(PAGE.read_text().split()), gallery().record("latent_scenes")["printed"]
    [decibels] = re.findall(r"come back with ([\d.]+ dB)", " ".join(lines))
    assert f"come back from their latents with {decibels}." in told
    names = "thing", "colour", "size", "place", "all four"
    shares = [line.split()[-2] for name in names for line in lines if line.strip().startswith(name)]
    for part in (shares[::2], shares[1::2]):  # of combinations seen in training, and of others
        assert f"in {', '.join(part[:3])} and {part[3]}, all four in {part[4]}" in told
    distance, of_real, *_ = (float(line.split()[-1]) for line in lines if "Frechet" in line)
    assert f"Frechet distance is {distance:.2f}, that of other real scenes {of_real:.3f}." in told


def test_the_figures_told_of_pixels_and_latents_are_those_of_their_record() -> None:
    told, lines = " ".join(PAGE.read_text().split()), gallery().record("pixel_or_latent")["printed"]
    for space in ("pixels", "latents"):
        [line] = [line for line in lines if line.startswith(space)]
        step, sample, distance, _, right, _ = re.findall(r"[\d.]+", line)
        assert f"| {space} | {step} ms | {sample} ms | {float(distance):.1f} | {float(right):.0%} |" in told
    [(step, sample)] = re.findall(r"step is ([\d.]+) times cheaper, a sample ([\d.]+) times", " ".join(lines))
    assert f"A step is {step} times cheaper in the latent space and a sample {sample} times" in told
    assert any("in 3 of 3 seeds, righter in 3;" in line and line.endswith("the claim is true.") for line in lines)


def test_the_changelog_tells_of_this_version() -> None:
    assert nd.__version__ in (ROOT / "CHANGELOG.md").read_text()
