"""What is printed, whoever listens: letters that the terminal lacks, a reader who has gone, nobody at all."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from numpy_diffusion.cli import commands, streams
from numpy_diffusion.cli.commands import main

NAME = "läuft-\udcff"  # letters that ASCII lacks, and a byte that is no letter of UTF-8


@pytest.fixture
def gone() -> Iterator[io.TextIOWrapper]:
    """A stream into a pipe whose reader has seen enough."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        yield stream


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_name_can_be_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encoding: str) -> None:
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding=encoding))
    np.save(tmp_path / f"{NAME}.npy", np.eye(2))
    run = str(tmp_path / NAME)
    line = ["train", "--data", f"{run}.npy", "--out", run, "--steps", "1", "--quiet", "--backend", "numpy"]
    assert main([*line, "--width", "4", "--depth", "0"]) == 0
    assert main(["info", run]) == 0
    assert "1 of 1 steps" in printed.getvalue().decode(encoding)


def test_a_reader_who_has_gone_is_no_error(capsys: pytest.CaptureFixture[str], gone: io.TextIOWrapper) -> None:
    """Nor is the work after the first line left undone."""
    done = []

    def told(_: object) -> int:
        for k in range(3):
            streams.tell(k)
            done.append(k)
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "_info", told)
        patch.setattr(sys, "stdout", gone)  # here, since pytest sets its own before it calls a test
        assert main(["info", "x"]) == 0
    assert done == [0, 1, 2]
    gone.flush()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_a_reader_of_the_help_who_has_gone_is_no_error(option: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "numpy_diffusion", option]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=600)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("number", [1, 2])
def test_without_standard_error_or_output_nothing_goes_astray(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(sys, "stdout" if number == 1 else "stderr", None)
    assert main(["info", "no/run"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("no such folder" in printed.err) == (number == 1)


def test_a_closed_standard_error_changes_no_status(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    assert main(["info", "no/run"]) == 2
