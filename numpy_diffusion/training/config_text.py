"""The text of a run's config.json: network, schedule, data and training settings, to the letter.

The other files of the run carry a checksum over it.  A run that was given more steps when it was done lists under
"finished_at" how many it had, so that the text of before can be made again, and with it the checksum of a file that
was written with that.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from numpy_diffusion.models.trainable import Trainable
from numpy_diffusion.process.schedules import Schedule

NAME: Final = "config.json"
FORMAT: Final = "numpy_diffusion run"
VERSION: Final = 1
FIELDS: Final[dict[str, dict[str, Any]]] = {
    "data": {"name": str | None, "shape": list, "sha256": str},
    "training": {"steps": int, "learning_rate": int | float, "warmup": int},
}
WORDS: Final = ("separator", "decimal")  # of a table of text, in "data", where they are not the usual ones


def describe(model: Trainable, schedule: Schedule | None, data: dict[str, Any], training: dict[str, Any]) -> str:
    """The text of a new run."""
    return _as_text(
        {
            "format": FORMAT,
            "version": VERSION,
            "network": {"class": type(model).__name__, "config": model.options},
            "schedule": None if schedule is None else {"name": schedule.name, "T": schedule.T},
            "data": data,
            "training": training,
        }
    )


def prolonged(text: str, steps: int) -> str:
    """The text of a finished run that is given so many steps in all.

    Examples
    --------
    >>> text = prolonged('{"training": {"steps": 60}}', 100)
    >>> json.loads(text)
    {'training': {'steps': 100, 'finished_at': [60]}}
    >>> json.loads(before(text))
    {'training': {'steps': 60}}
    """
    config = json.loads(text)
    settings = config["training"]
    settings |= {"steps": steps, "finished_at": [*settings.get("finished_at", []), settings["steps"]]}
    return _as_text(config)


def before(text: str) -> str | None:
    """The text before the run was last given more steps; None where it never was."""
    config = json.loads(text)
    match config.get("training"):
        case {"finished_at": [*earlier, int(steps)]} as settings:
            settings |= {"steps": steps, "finished_at": earlier}
            if not earlier:
                del settings["finished_at"]
            return _as_text(config)
        case _:
            return None


def read(folder: Path) -> str:
    """The text in a folder, if it is that of a run.

    Raises
    ------
    OSError : a folder or file that is missing or cannot be read
    ValueError : a file that was cut, altered or written by something else
    """
    path = folder / NAME
    if not path.exists():
        found = f"no {NAME} in it" if folder.is_dir() else "a file" if folder.exists() else "no such folder"
        raise FileNotFoundError(f"{folder}: expected a folder with a checkpoint, found {found}")
    try:
        text = path.read_bytes().decode()
        config = json.loads(text)
    except OSError as error:
        raise OSError(f"{path}: cannot read this file of the checkpoint: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON, got a file that was cut or altered: {error}") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ValueError(f'{path}: expected the settings of a run, with "format": "{FORMAT}"')
    if config.get("version") != VERSION:
        raise ValueError(f"{path}: expected format version {VERSION}, got {config.get('version')!r}")
    _check(path, config)
    return text


def _check(path: Path, config: dict[str, Any]) -> None:
    """ValueError where something is missing, or of another kind, that is asked for without looking again."""
    for part, fields in FIELDS.items():
        found = config.get(part)
        if not isinstance(found, dict):
            raise ValueError(f"{path}: {part}: expected an object, got {found!r:.80}")
        for name, kind in fields.items():
            if name not in found or not isinstance(found[name], kind) or isinstance(found[name], bool):
                raise ValueError(f"{path}: {part}: expected {name} as a run has it, got {found.get(name)!r:.80}")
    for name in WORDS:
        if not isinstance(word := config["data"].get(name, ""), str):
            raise ValueError(f"{path}: data: expected {name} as a word, got {word!r:.80}")
    lists = {"shape": config["data"]["shape"], "finished_at": config["training"].get("finished_at", [])}
    for name, numbers in lists.items():
        if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
            raise ValueError(f"{path}: {name}: expected integers, got {numbers!r:.80}")
    if not lists["shape"]:
        raise ValueError(f"{path}: shape: expected that of an array, got []")


def _as_text(config: dict[str, Any]) -> str:
    return json.dumps(config, indent=2, allow_nan=False) + "\n"
