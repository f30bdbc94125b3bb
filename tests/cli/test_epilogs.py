"""What stands below a help: its commands are ones that the parser takes."""

from __future__ import annotations

import shlex

import pytest

from numpy_diffusion.cli import epilogs
from numpy_diffusion.cli.options import parser

EPILOGS = {name: text for name, text in vars(epilogs).items() if name.endswith("EXAMPLES")}


def command(_):
    return 0


@pytest.mark.parametrize("name", EPILOGS)
def test_the_commands_are_ones_that_the_program_takes(name):
    lines = [line.split("  (")[0] for line in EPILOGS[name].splitlines() if line.startswith("  numpy-diffusion ")]
    assert lines
    for line in lines:
        found = parser(*[command] * 8).parse_args(shlex.split(line)[1:])
        assert found.command is command


@pytest.mark.parametrize("name", EPILOGS)
def test_they_fit_a_terminal(name):
    assert max(map(len, EPILOGS[name].splitlines())) <= 120
