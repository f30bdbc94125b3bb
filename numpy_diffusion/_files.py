"""Files that appear whole or not at all, and are durable once they do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PathLike = str | os.PathLike[str]


def as_path(name: str, value: Any) -> Path:
    """`value` as a path, or a ValueError that says what it is."""
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"{name}: expected a path, got {type(value).__name__} {value!r}")
    return Path(value)


def temporary(path: Path) -> Path:
    """The name beside `path` under which this process builds it."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def is_temporary(other: Path, path: Path) -> bool:
    """Whether some process builds `path` under this name."""
    return other.name.startswith(f".{path.name}.") and other.suffix == ".tmp"


def remove_temporaries(path: Path) -> None:
    """Delete what killed processes left of building `path`, as far as this may be seen and deleted."""
    with suppress(OSError):
        for other in path.parent.iterdir() if path.parent.is_dir() else ():
            if is_temporary(other, path):
                shutil.rmtree(other) if other.is_dir() else other.unlink()


def write(path: Path, content: bytes) -> None:
    """Give the file this content: at every moment, and after a loss of power, it is the old one or the new."""
    building = temporary(path)
    try:
        with open(building, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(building, path)
    except BaseException:
        building.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    if os.name == "nt":  # Windows opens no folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def os_errors_about(name: str, path: PathLike) -> Iterator[None]:
    """Turn an OSError of the system into a sentence: the argument `name`, the path, the reason."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # a sentence already
            raise
        raise OSError(f"{name}: cannot write to {os.fspath(path)}: {error.strerror}") from error
