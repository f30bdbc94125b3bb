"""Grayscale pictures: from a file or an array to the darkness of every pixel."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from numpy_diffusion import _checks, _files

if TYPE_CHECKING:
    from PIL import Image

GRAY_MAX = 65535.0  # white, where gray has 16 bits
LUMA = np.array([0.299, 0.587, 0.114])  # lightness of red, green, blue (ITU-R BT.601)


def darkness(image: Any) -> np.ndarray:
    """Darkness of every pixel: float64 [height, width], 0 is white and 1 is black."""
    given = _read(image) if isinstance(image, str | os.PathLike) else image
    light = _checks.array("image", given, dtype=np.float64, min_ndim=2)
    if light.ndim > 3 or (light.ndim == 3 and light.shape[2] not in (3, 4)):
        raise ValueError(
            f"image: expected shape [height, width], [.., .., 3] or [.., .., 4], got {list(light.shape)}"
        )
    dtype = np.asarray(given).dtype
    if dtype == np.uint8:
        light = light / 255.0
    elif dtype.kind != "f":
        raise ValueError(f"image: expected uint8 in 0..255 or float in 0..1, got dtype {dtype}")
    if light.min() < 0.0 or light.max() > 1.0:
        raise ValueError(f"image: expected floats in 0..1, got {light.min():g}..{light.max():g}")
    if light.ndim == 2:
        return 1.0 - light
    opaque = light[:, :, 3] if light.shape[2] == 4 else 1.0
    # Summed in this form white is exactly white: the three weights need not add up to 1 in floating point.
    return ((1.0 - light[:, :, :3]) * LUMA).sum(axis=2) * opaque


def opened(path: str | os.PathLike[str]) -> Image.Image:
    """A picture file, the right way up: of mode RGBA, or I or I;16 where gray has 16 bits, or F of floats in 0..1.

    Raises
    ------
    OSError : a file that is missing or is no readable picture, floats out of 0..1, integers beyond 16 bits
    """
    from PIL import Image, ImageOps  # here, so that importing the package stays fast

    try:
        with Image.open(_files.as_path("image", path)) as picture:
            upright = ImageOps.exif_transpose(picture)  # a camera writes down which way is up
            if upright.mode in ("F", "I"):  # to RGBA floats would be cut off at 0 and 255
                values, white = np.asarray(upright), 1.0 if upright.mode == "F" else GRAY_MAX
                if not (values.min() >= 0.0 and values.max() <= white):  # nor NaN
                    got = f"{values.min():g}..{values.max():g}"
                    raise ValueError(f"expected gray in 0..{white:g}, black to white, got {got}")
                return upright
            return upright if upright.mode.startswith("I") else upright.convert("RGBA")
    except (
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ) as error:  # what pillow raises on bad files
        raise OSError(f"image: cannot read a picture from {os.fspath(path)!r}: {error}") from error


def _read(path: str | os.PathLike[str]) -> np.ndarray:
    """A picture file as uint8 [height, width, 4], or as float [height, width] where gray has 16 bits or is float."""
    picture = opened(path)
    if picture.mode == "RGBA":
        return np.asarray(picture)
    values = np.asarray(picture, dtype=np.float64)
    return values if picture.mode == "F" else values / GRAY_MAX
