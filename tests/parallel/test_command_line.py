"""`numpy-diffusion sample --client`: the file of one process, drawn by workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.command_line import call, failure

from numpy_diffusion.cli.commands import main
from numpy_diffusion.parallel import samples

FEW = {
    "moons": "--steps 3 --batch 16 --width 8 --depth 1 --n 64 --T 20 --backend numpy",
    "digits": "--channels 4,8 --layers-per-block 1 --steps 1 --batch 3 --T 5 --backend numpy",
}


@pytest.mark.parametrize("client", [1], indirect=True)
@pytest.mark.parametrize("data", FEW)
def test_the_file_is_that_of_one_process(
    client: Any, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of points, and of images whose classes come in turn."""
    monkeypatch.setattr(samples, "NUMBERS", 300)  # so that there are chunks
    assert main(["train", "--data", data, "--out", str(tmp_path / "run"), "--quiet", *FEW[data].split()]) == 0
    capsys.readouterr()
    address, options = client.scheduler.address, "-n 23 --seed 4 --first 3 --quiet"
    for name, where in (("one", ""), ("many", f" --client {address}")):
        done = call(capsys, f"sample {{}} {options} -o {{}}{where}", tmp_path / "run", tmp_path / f"{name}.npy")
        assert done == (0, "", "")
    assert (tmp_path / "many.npy").read_bytes() == (tmp_path / "one.npy").read_bytes()
    assert len(np.load(tmp_path / "many.npy")) == 23


def test_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dask = pytest.importorskip("dask", reason="Dask is not installed")
    pytest.importorskip("distributed", reason="Dask is not installed")
    run = tmp_path / "run"
    assert main(["train", "--data", "moons", "--out", str(run), "--quiet", *FEW["moons"].split()]) == 0
    capsys.readouterr()
    expected = f"--output: expected a file name that ends in .npy, got '{tmp_path / 'x.csv'}'"
    assert failure(capsys, "sample {} -o {} --client tcp://host:1", run, tmp_path / "x.csv") == expected
    with dask.config.set({"distributed.comm.timeouts.connect": "0.1s"}):
        for address in ("tcp://127.0.0.1:1", "nowhere://host"):
            said = failure(capsys, f"sample {{}} -o {{}} --client {address}", run, tmp_path / "x.npy")
            assert said.startswith(f"client: expected the address of a Dask scheduler, got {address!r}: ")
