"""The data that a word on the command line stands for: a data set's name, a table of points, a picture, a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from numpy_diffusion import _checks, _files
from numpy_diffusion.cli import tables
from numpy_diffusion.data import datasets, drawings, image_datasets

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


def load(data: str | None, n: int, seed: int, size: int, colour: bool, **form: Any) -> Data:
    """The points or images: all of what is a whole (see `is_whole`), else n that are drawn.

    size and colour are for a folder of pictures: pixels a side, and whether it is three numbers a pixel or one;
    `form` is for tables of text: separator and decimal, see `tables.read`.

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
        return Data(points(data, n, seed, **form))
    return Data(found.x0, found.labels, len(found.names)) if len(found.names) > 1 else Data(found.x0)


def points(source: str | None, n: int, seed: int, **form: Any) -> np.ndarray:
    """The points: float32 [N, D], see `_checks.table`.  A table has as many as it has; of all else n are drawn.

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
    return _table(Path(source), form) if is_table(source) else _from_picture(source, n, seed)


def is_whole(source: str) -> bool:
    """Whether there is a given number of it, so that nothing is drawn."""
    return source in ("digits", "mnist") or is_folder(source) or is_table(source)


def is_folder(source: str | None) -> bool:
    """Whether it is a folder of pictures."""
    return source is not None and not _is_name(source) and Path(source).is_dir()


def is_table(source: str) -> bool:
    """Whether it is a file of points."""
    return _files.ending(source) in tables.ENDINGS


def lasting(source: str) -> str:
    """The source in a form that stands for the same in any current folder."""
    return source if _is_name(source) else str(Path(source).resolve())


def picture(source: str) -> Any:
    """What the points were drawn from, as `datasets.from_image` takes it; None if from no picture."""
    if source in datasets.BY_NAME:
        return DRAWINGS[source]() if source in DRAWINGS else None
    return None if is_table(source) else source


def header(source: str, **form: Any) -> list[str] | None:
    """The names of the columns, of a table of text that begins with them; None of all else, and where it is gone."""
    if _is_name(source) or not tables.is_text(source):
        return None
    try:
        return tables.read(Path(source), **form).names
    except (OSError, ValueError):
        return None


def _is_name(source: str) -> bool:
    return source in datasets.BY_NAME or source in image_datasets.BY_NAME


def _table(path: Path, form: dict[str, Any]) -> np.ndarray:
    try:
        values = tables.read(path, **form).values
    except OSError as error:
        raise OSError(f"--data: cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        if str(error).startswith("--"):
            raise
        raise ValueError(f"--data: expected numbers in {path}, one point a row: {error}") from None
    return _checks.table(f"--data {path}", values, ("N", "D"))


def _from_picture(source: str, n: int, seed: int) -> np.ndarray:
    """n points of a picture, whatever its name ends in if it is one."""
    try:
        return datasets.from_image(source, n, seed)
    except OSError as error:
        from PIL import Image  # here, so that importing the package stays fast

        if not Path(source).is_file() or _files.ending(source) in Image.registered_extensions():
            raise
        raise ValueError(
            f"--data: expected a table ({', '.join(tables.ENDINGS)}) or a picture, got {source}, which is neither"
        ) from error
