"""The command dalle2: a folder of a pipeline, a text, and pictures of whichever stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.command_line import call, failure
from checks.unclip import pipeline, upsampler

import numpy_diffusion as nd
from numpy_diffusion.pipelines import unclip_folder

TEXT = "a small green tank at the bottom"
OPTIONS: dict[str, Any] = dict(
    prior_guidance=1.0, decoder_guidance=2.0, prior_steps=3, decoder_steps=4, upsampler_steps=2
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pipelines") / "dalle2"
    made = pipeline(last_upsampler=upsampler(seed=7))
    made.prior.nothing = unclip_folder.empty_text(made.tokenizer, made.text_encoder)
    made.to_diffusers(path)
    return path


def test_it_is_the_pipeline_s_call_as_far_as_the_stage(capsys, folder: Path, tmp_path: Path) -> None:
    given = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in OPTIONS.items())
    line = f"dalle2 {{}} {{}} {given} --seed 5 --quiet -o {tmp_path}/"
    drawn = nd.UnCLIP.from_diffusers(folder).stages(TEXT, 2, 5, progress=False, **OPTIONS)
    expected = [drawn.x, *drawn.upsampled]
    for stage, x in enumerate(expected):
        call(capsys, f"{line}x.npy -n 2 --stage {stage}", folder, TEXT)
        np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), x)
    call(capsys, f"{line}second.npy -n 1 --first 1", folder, TEXT)
    np.testing.assert_array_equal(np.load(tmp_path / "second.npy"), expected[-1][1:])
    call(capsys, f"{line}x.png", folder, TEXT)
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_errors_are_one_line_and_status_2(capsys, folder: Path, tmp_path: Path) -> None:
    for place, text, more, sentence in (
        (folder, "a purpel tank", "x.png", "got 'purpel'; did you mean 'purple'?"),
        (folder, TEXT, "x.csv", "--output: expected a file name that ends in .npy or .png"),
        (tmp_path, TEXT, "x.png", "found no model_index.json in it"),
        (folder, TEXT, "x.png --stage 3", "--stage: expected an integer in 0..2, got 3"),
        (folder, TEXT, "x.png --decoder-guidance nan", "decoder_guidance: expected a finite number"),
    ):
        assert sentence in failure(capsys, f"dalle2 {{}} {{}} -o {tmp_path}/{more}", place, text)
    assert list(tmp_path.iterdir()) == []
