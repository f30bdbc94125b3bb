"""The command line called inside the process, and by itself."""

from __future__ import annotations

import re

from numpy_diffusion.cli.commands import main


def call(capsys, line: str, *paths) -> tuple[int, str, str]:
    """Status, output and errors of a command; each {} of the line stands for a path."""
    rest = iter(paths)
    status = main([str(next(rest)) if word == "{}" else word for word in line.split()])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def failure(capsys, line: str, *paths) -> str:
    """The one line on standard error of a command that fails."""
    status, out, err = call(capsys, line, *paths)
    assert status == 2
    assert out == ""
    assert re.fullmatch(r"numpy-diffusion: error: [^\n]+\n", err), err
    return err.removeprefix("numpy-diffusion: error: ").rstrip("\n")


def interrupted(prepare, after):
    def prepared(*arguments, **settings):
        advance = prepare(*arguments, **settings)

        def step(state, losses):
            if state.step + len(losses) > after:
                raise KeyboardInterrupt
            advance(state, losses)

        return step

    return prepared
