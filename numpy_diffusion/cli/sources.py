"""The data that a word on the command line stands for: a data set's name, a table of points, a picture, a folder."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from numpy_diffusion import _checks, _files
from numpy_diffusion.data import datasets, drawings, image_datasets

TEXTS: Final = (".csv", ".tsv", ".txt")  # tables
TABLES: Final = (".npy", ".npz", *TEXTS, *(f"{ending}.gz" for ending in TEXTS))
DRAWINGS: Final = {"airplane": drawings.airplane, "tank": drawings.tank, "spiral_image": drawings.spiral}
HELP: Final = f"""{", ".join(datasets.BY_NAME)}; or a file: .npy, .npz, .csv, .tsv or .txt, \
the last three packed as .gz too, with one point a row, or a picture (.png, .jpg, ...) that is dark where points are \
wanted; or images: {", ".join(image_datasets.BY_NAME)}, or a folder of pictures, with a subfolder for each class if \
there are any"""


class Data(NamedTuple):
    """What to train on."""

    x0: np.ndarray  # points [N, D] or images [N, C, H, W]
    labels: np.ndarray | None = None  # [N]
    classes: int = 0  # how many labels there are


def load(data: str | None, n: int, seed: int, size: int, colour: bool) -> Data:
    """The points or images: all of what is a whole (see `is_whole`), else n that are drawn.

    size and colour are for a folder of pictures: pixels a side, and whether it is three numbers a pixel or one.

    Raises
    ------
    OSError, ValueError : as for `points` and `image_datasets.folder`
    ImportError : a data set that needs a package
    """
    if data in image_datasets.BY_NAME:
        found = image_datasets.BY_NAME[data](n, seed)
    elif data is not None and is_folder(data):
        found = image_datasets.folder(data, size, 3 if colour else 1)
    else:
        return Data(points(data, n, seed))
    return Data(found.x0, found.labels, len(found.names)) if len(found.names) > 1 else Data(found.x0)


def points(source: str | None, n: int, seed: int) -> np.ndarray:
    """The points: float32 [N, D].  A table has as many as it has; of all else n are drawn.

    Raises
    ------
    OSError : a file that cannot be read
    ValueError : no such name, a file that holds something else
    """
    if source in datasets.BY_NAME:
        return datasets.BY_NAME[source](n, seed)
    if source is None or not Path(source).suffix:
        known = (*datasets.BY_NAME, *image_datasets.BY_NAME)
        raise ValueError(f"--data: expected {HELP}; got {source!r}{_checks.meant(source, known)}")
    return _table(Path(source)) if is_table(source) else _from_picture(source, n, seed)


def is_whole(source: str) -> bool:
    """Whether there is a given number of it, so that nothing is drawn."""
    return source in ("digits", "mnist") or is_folder(source) or is_table(source)


def is_folder(source: str | None) -> bool:
    """Whether it is a folder of pictures."""
    return source is not None and not _is_name(source) and Path(source).is_dir()


def is_table(source: str) -> bool:
    """Whether it is a file of points."""
    return _files.ending(source) in TABLES


def lasting(source: str) -> str:
    """The source in a form that stands for the same in any current folder."""
    return source if _is_name(source) else str(Path(source).resolve())


def picture(source: str) -> Any:
    """What the points were drawn from, as `datasets.from_image` takes it; None if from no picture."""
    if source in datasets.BY_NAME:
        return DRAWINGS[source]() if source in DRAWINGS else None
    return None if is_table(source) else source


def header(source: str) -> list[str] | None:
    """The names of the columns, of a CSV file that begins with them; None of all else, and where it is gone."""
    if _is_name(source) or not _is_text(source):
        return None
    try:
        rows = _rows(_text(Path(source)))
    except (OSError, EOFError, ValueError, zlib.error):
        return None
    separator = _separator(source, rows)
    if not rows or _is_numeric(rows[0], separator):
        return None
    return [name.strip().strip('"') for name in rows[0].split(separator)]


def _is_name(source: str) -> bool:
    return source in datasets.BY_NAME or source in image_datasets.BY_NAME


def _table(path: Path) -> np.ndarray:
    try:
        if _is_text(path):
            values = _numbers(_text(path), path)
        elif _files.ending(path) == ".npz":
            values = _only_array(path)
        else:
            with open(path, "rb") as file:
                values = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise OSError(f"--data: cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # NumPy lets out what Python's parser raises of a header that was altered
        raise ValueError(f"--data: expected numbers in {path}, one point a row: {error}") from None
    return _checks.array(f"--data {path}", values, ("N", "D"), np.float32)


def _from_picture(source: str, n: int, seed: int) -> np.ndarray:
    """n points of a picture, whatever its name ends in if it is one."""
    try:
        return datasets.from_image(source, n, seed)
    except OSError as error:
        from PIL import Image  # here, so that importing the package stays fast

        if not Path(source).is_file() or _files.ending(source) in Image.registered_extensions():
            raise
        raise ValueError(
            f"--data: expected a table ({', '.join(TABLES)}) or a picture, got {source}, which is neither"
        ) from error


def _only_array(path: Path) -> np.ndarray:
    """The array of an .npz file that holds one."""
    with np.load(path, allow_pickle=False) as arrays:
        if len(arrays.files) != 1:
            raise ValueError(f"a file of one array is expected, got {', '.join(arrays.files) or 'none'}")
        return arrays[arrays.files[0]]


def _is_text(path: _files.PathLike) -> bool:
    return _files.ending(path).removesuffix(".gz") in TEXTS


def _separator(path: _files.PathLike, rows: list[str]) -> str | None:
    """What stands between the columns; None for any white space, as `numpy.savetxt` writes it."""
    match _files.ending(path).removesuffix(".gz"):
        case ".tsv":
            return "\t"
        case ".txt" if rows and "," not in rows[0]:
            return None
    return ","


def _text(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix.lower() == ".gz" else content).decode("utf-8-sig")


def _rows(text: str) -> list[str]:
    """The lines with something on them, without comments."""
    return [row for line in text.splitlines() if (row := line.partition("#")[0].strip())]


def _numbers(text: str, path: Path) -> np.ndarray:
    """The rows of a table in a text, after a first one with the columns' names if there is one: float64 [N, D]."""
    rows = _rows(text)
    separator = _separator(path, rows)
    if rows and not _is_numeric(rows[0], separator):
        rows = rows[1:]
    if not rows:
        raise ValueError("no row has any")
    return np.loadtxt(rows, delimiter=separator, ndmin=2)


def _is_numeric(row: str, separator: str | None) -> bool:
    try:
        np.loadtxt([row], delimiter=separator)
    except ValueError:
        return False
    return True
