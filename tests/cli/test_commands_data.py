"""The command line with files as people have them, and with a chain that starts below T."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from checks.command_line import call, failure

from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.training.run import load_run

FEW = "--steps 5 --batch 4 --width 4 --depth 0 --T 20 --quiet"


def test_a_table_with_semicolons_and_decimal_commas_is_trained_on(capsys: Any, tmp_path: Path) -> None:
    table, run = tmp_path / "x.csv", tmp_path / "run"
    table.write_text("x;y\n1,5;2\n-1,5;0,25\n0;1\n")
    message = failure(capsys, f"train --data {{}} --out {{}} {FEW}", table, run)
    assert message.endswith("row 1 has 1 cell, and row 2 has 2 cells; --separator ';' splits there")
    status, _, err = call(capsys, f"train --data {{}} --out {{}} {FEW} --separator ; --decimal ,", table, run)
    assert (status, err) == (0, "")
    np.testing.assert_allclose(load_run(run).model.shift, [0.0, 3.25 / 3.0], atol=1e-6)
    for line in ("train --out {} --resume --steps 9 --quiet", "figure {}"):  # neither is told again
        assert call(capsys, line, run)[::2] == (0, "")
    assert "x.csv" in (told := call(capsys, "info {}", run)[1])
    assert "separator ;, decimal ,, shape [3, 2]" in told
    other = tmp_path / "other.csv"
    other.write_text("1.5,2\n0,1\n")
    assert call(capsys, "figure {} --data {}", run, other)[::2] == (0, "")
    message = failure(capsys, f"train --data moons --out {{}} {FEW} --separator ;", tmp_path / "other")
    assert message == "--separator, --decimal: expected none for moons, which is no table of text"


def test_a_sample_may_start_below_T(capsys: Any, tmp_path: Path) -> None:
    run, output = tmp_path / "run", tmp_path / "x.npy"
    assert call(capsys, f"train --data moons --n 9 --schedule linear --out {{}} {FEW}", run)[0] == 0
    line = "sample {} -n 3 -o {} --quiet --method heun --steps 4"
    assert "warning: steps: the first, from t = 20 to 15" in call(capsys, line, run, output)[2]
    assert call(capsys, f"{line} --start 14", run, output) == (0, "", "")
    stored = load_run(run)
    expected = sample(stored.model, stored.schedule, 3, method="heun", steps=[14, 10, 7, 4], progress=False)
    np.testing.assert_array_equal(np.load(output), expected)
    assert failure(capsys, f"{line} --start 21", run, output).startswith("--start: expected an integer in 1..20")
