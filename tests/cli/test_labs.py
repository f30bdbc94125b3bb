"""`numpy-diffusion check`: what it prints, and its exit status."""

from __future__ import annotations

import pytest
from checks.command_line import call, failure

from numpy_diffusion.cli.labs import NAMES

RIGHT = """
import numpy as np

def guided_eps(eps_label, eps_null, w):
    return (1 + w) * eps_label - w * eps_null

def importance_weighted(log_w):
    return np.logaddexp.reduce(log_w, axis=0) - np.log(len(log_w))

if __name__ == "__main__":
    raise SystemExit("not to be run")
"""


def test_a_right_file_ends_with_0(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(RIGHT)
    status, out, err = call(capsys, "check lab6 {}", tmp_path / "mine.py")
    assert (status, err) == (0, "")
    assert out.startswith("guided_eps(eps_label, eps_null, w): right\n  case ")
    assert out.endswith("\n\nlab 6: 2 of 2 right\n")


def test_a_file_that_is_not_right_ends_with_1_and_the_slip(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(RIGHT.replace("- w * eps_null", "+ w * eps_null").replace("def imp", "def mp"))
    status, out, err = call(capsys, "check lab6 {}", tmp_path / "mine.py")
    assert (status, err) == (1, "")
    assert "\n  The answer without the class is added: it is taken away.\n" in out
    assert out.endswith("importance_weighted(log_w): not right yet\n  not found: importance_weighted\n\nlab 6: 0 of 2 right\n")  # fmt: skip  # noqa: E501


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = 1\ny = (\n", "{}, line 2: '(' was never closed"),
        ("x = 1\n\n1 / 0\n", "{}, line 3: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit('no')\n", "{}, line 2: SystemExit: no"),
    ],
)
def test_an_error_in_the_file_is_one_line(tmp_path, capsys, text, complaint):
    path = tmp_path / "mine.py"
    path.write_text(text)
    assert failure(capsys, "check lab1 {}", path) == complaint.format(path)


def test_what_cannot_be_checked_is_refused(tmp_path, capsys):
    assert failure(capsys, "check lab1 {}", tmp_path).startswith("file: expected a Python file, got ")
    assert "invalid choice: 'lab7' (choose from" in failure(capsys, "check lab7 mine.py")
    assert NAMES == ("lab1", "lab2", "lab3", "lab4", "lab5", "lab6")
