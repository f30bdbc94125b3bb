"""The command line's options: what is not given leaves no trace, and help says every default."""

from __future__ import annotations

import inspect
import shlex
from typing import Any

import pytest

from numpy_diffusion.cli import options
from numpy_diffusion.training.loop import train


def command(_: options.Options) -> int:
    return 0


def parsed(line: str) -> dict[str, Any]:
    found = vars(options.parser(*[command] * 8).parse_args(shlex.split(line)))
    assert found.pop("command") is command
    del found["COMMAND"]
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("train --out x", {"out": "x", "resume": False, "progress": True}),
        ("sample RUN -o x.npy", {"run": "RUN", "output": "x.npy", "progress": True}),
        ("figure RUN", {"run": "RUN", "output": None, "gif": None, "html": None, "data": None, "seed": 0}),
        ("info RUN", {"run": "RUN"}),
        ("check lab5 mine.py", {"lab": "lab5", "file": "mine.py"}),
        ("compile", {}),
    ],
)
def test_what_is_not_given_leaves_no_trace(line: str, expected: dict[str, Any]) -> None:
    assert parsed(line) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--batch 3", {"batch": 3}),
        ("--learning-rate 1e-3", {"learning_rate": 0.001}),
        ("--channels 4,8", {"channels": (4, 8)}),
        ("--attention none", {"attention": ()}),
        ("--attention 16,8", {"attention": (16, 8)}),
        ("--labels", {"classes": True}),
        ("--no-labels", {"classes": False}),
        ("--mirror --preview --colour", {"mirror": True, "preview": True, "colour": True}),
        ("--learn-variance", {"learn_variance": True}),
        ("--quiet", {"progress": False}),
        ("--resume", {"resume": True}),
        ("--seed -1", {"seed": -1}),  # it is said where it is used
    ],
)
def test_what_is_given_is_what_train_takes(words: str, expected: dict[str, Any]) -> None:
    assert parsed(f"train --out x {words}") == {"out": "x", "resume": False, "progress": True} | expected


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "the following arguments are required: COMMAND"),
        ("trian", "argument COMMAND: invalid choice: 'trian'"),
        ("train", "the following arguments are required: --out"),
        ("train --out x --steps ten", "argument --steps: invalid int value: 'ten'"),
        ("train --out x --schedule quartic", "argument --schedule: invalid choice: 'quartic'"),
        ("train --out x --weighting p2", "argument --weighting: invalid choice: 'p2'"),
        ("train --out x --tint red", "unrecognized arguments: --tint red"),
        ("train --out x --channels 4,x", "argument --channels: invalid list of integers value: '4,x'"),
        ("train --out x --stepss 3", "unrecognized arguments: --stepss 3"),
        ("train --out x --step 3", "unrecognized arguments: --step 3"),  # no name is cut short
        ("sample RUN", "the following arguments are required: -o/--output"),
        ("sample RUN -o x.npy --method ddpm", "argument --method: invalid choice: 'ddpm'"),
    ],
)
def test_a_line_that_will_not_do_is_one_sentence(line: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the sentence is compared below
        parsed(line)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("name", ["", "train", "sample", "figure", "info", "text2image", "dalle2", "compile"])
def test_help_has_examples_and_every_default(capsys: pytest.CaptureFixture, name: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        parsed(f"{name} --help")
    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "None" not in text
    if name != "info":
        assert f"examples: numpy-diffusion {name}" in text
    if name == "train":
        defaults = inspect.signature(train).parameters
        for option in ("steps", "average_decay", "weighting"):
            assert f"(default: {defaults[option].default})" in text
        assert "(default: 512 for points, 32 for images)" in text
        assert "(default: 0.005 for points, 0.001 for images)" in text
        assert "(default: 8192)" in text
        assert "at most 500)" in text


TEXTS = (
    options.EXAMPLES,
    options.TRAIN_EXAMPLES,
    options.SAMPLE_EXAMPLES,
    options.FIGURE_EXAMPLES,
    options.TEXT_EXAMPLES,
    options.DALLE_EXAMPLES,
    options.COMPILE_EXAMPLES,
)
EXAMPLES = [
    line.strip().split("  ")[0]  # what follows is a remark
    for text in TEXTS
    for line in text.splitlines()
    if line.strip().startswith("numpy-diffusion ")
]


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_can_be_read(line: str) -> None:
    assert len(EXAMPLES) > 10
    parsed(line.removeprefix("numpy-diffusion "))


def test_the_version_is_told(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        parsed("--version")
    assert capsys.readouterr().out.startswith("numpy-diffusion 0.")
