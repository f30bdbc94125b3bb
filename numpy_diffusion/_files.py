"""Files that appear whole or not at all, and are durable once they do."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PathLike = str | os.PathLike[str]


def as_path(name: str, value: Any) -> Path:
    """`value` as a path, in which ~ is the home as it is in a shell, or a ValueError that says what it is."""
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"{name}: expected a path, got {type(value).__name__} {value!r}")
    return Path(os.path.expanduser(value))


def ending(path: PathLike) -> str:
    """The end of a file's name that says what is in it, in small letters; of a packed file both.

    Examples
    --------
    >>> [ending(name) for name in ("x.CSV", "x.old.csv.gz", "x.gz", "x", "a.b/x")]
    ['.csv', '.csv.gz', '.gz', '', '']
    """
    path = Path(path)
    last = path.suffix.lower()
    return Path(path.stem).suffix.lower() + last if last == ".gz" else last


def temporary(path: Path) -> Path:
    """The name beside `path` under which this thread builds it."""
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")


def is_temporary(other: Path, path: Path) -> bool:
    """Whether some process builds `path` under this name."""
    return other.name.startswith(f".{path.name}.") and other.suffix == ".tmp"


def remove_temporaries(path: Path) -> None:
    """Delete what killed processes left of building `path`, as far as this may be seen and deleted; what a living one
    is `at_work_in` stays."""
    with suppress(OSError):
        for other in path.parent.iterdir() if path.parent.is_dir() else ():
            if is_temporary(other, path):
                with suppress(BlockingIOError, FileNotFoundError), at_work_in("out", other):
                    shutil.rmtree(other) if other.is_dir() else other.unlink()


@contextmanager
def at_work_in(name: str, folder: PathLike) -> Iterator[None]:
    """Keep others, processes and threads, from working in the folder, or on the file, meanwhile; they must ask in the
    same way.

    The system lets go of the folder when this process ends, however it ends.  On Windows, and on network disks that
    know no locks, nobody is kept out.

    Raises
    ------
    BlockingIOError : another is at work there
    """
    if os.name == "nt":
        yield
        return
    import fcntl  # here, since Windows has none

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            where = f"another process or thread is at work in {os.fspath(folder)}"
            raise BlockingIOError(f"{name}: expected a folder to work in alone, but {where}") from None
        except OSError:
            pass  # no locks there
        yield
    finally:
        os.close(handle)


def write(path: Path, content: bytes) -> None:
    """Give the file this content: at every moment, and after a loss of power, it is the old one or the new."""
    write_parts(path, [content])


def write_parts(path: Path, content: Iterable[bytes], time: int | None = None) -> None:
    """`write` with content that comes in parts, as it may not fit into memory.

    time : nanoseconds since 1970 at which the file is to have been changed; now, unless given
    """
    building = temporary(path)
    try:
        building.touch()
        with at_work_in("out", building):
            with open(building, "wb") as file:
                file.writelines(content)
                file.flush()
                os.fsync(file.fileno())
            if time is not None:
                os.utime(building, ns=(time, time))
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
