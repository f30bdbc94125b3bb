"""A network's weights as its kernels read them, kept beside the file of the weights: opened, it is mapped as it is.

    numpy_diffusion_layout.safetensors      float32, with what they were made of in its header

The header says which version and which registers they are for, and size and time of the weights' file.  A file whose
header is not to the letter what would be written today is of no use: it is left aside with one sentence.  The file
itself has the time of the weights': as long as it has, nobody has written to it, and its numbers are the finite ones
that were kept.  One with another time, as a copy may have, is looked through.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from numpy_diffusion import _checks, _files
from numpy_diffusion._version import __version__
from numpy_diffusion.interop.diffusers.safetensors_files import MAPPABLE, all_finite
from numpy_diffusion.kernels.backend import chosen

if TYPE_CHECKING:  # what needs no kernel needs no Numba
    from numpy_diffusion.kernels.unet.calls import Packing

FILE: Final = "numpy_diffusion_layout.safetensors"
A_LINE: Final = 64  # bytes of a cache line, on which the numbers begin
AT_ONCE: Final = 2**22  # numbers that are written


def keep(weights: Path, lay_out: Callable[[], tuple[Packing, np.ndarray]]) -> None:
    """Keep what `lay_out` makes of this file, and by which packing, in the place of what was kept; errors as for
    `write`."""
    remove(weights.parent)
    made_of = weights.stat()  # before they are read: others may come to their place meanwhile
    write(weights, made_of, *lay_out())


def write(weights: Path, made_of: os.stat_result, packing: Packing, laid_out: np.ndarray) -> None:
    """Keep what was laid out of this file by this packing; whole or not at all.

    made_of : what the system said of the file before it was read, as another may have come to its place since

    Raises
    ------
    OSError : a place that cannot be written
    """
    with _files.os_errors_about("folder", weights.parent):
        content = _content(_head(made_of, packing), laid_out)
        _files.write_parts(weights.with_name(FILE), content, made_of.st_mtime_ns)


def remove(folder: Path) -> None:
    """Remove what is kept there, of weights that are about to be others; OSError where that cannot be."""
    with _files.os_errors_about("folder", folder):
        (folder / FILE).unlink(missing_ok=True)


def read(weights: Path, made_of: os.stat_result, packing: Callable[[], Packing]) -> np.ndarray | None:
    """What was kept of this file, of which the system says `made_of`, in the file's pages, if it is what `packing()`
    would make of it today; else None, with a warning where there is something."""
    path = weights.with_name(FILE)
    if not (path.exists() and MAPPABLE and chosen() == "numba"):
        return None
    from numpy_diffusion.kernels.vector.registers import register_bits

    found = _mapped(path, made_of.st_mtime_ns, _head(made_of, where := packing()), where.size)
    if found is None:
        _checks.warn(
            f"{path}: expected the layout of today's {weights.name} for version {__version__} and registers of "
            f"{register_bits()} bits, got another or one that was cut: it is left aside until nd.keep_layouts makes "
            "it anew"
        )
    return found


def _mapped(path: Path, time: int, head: bytes, size: int) -> np.ndarray | None:
    """The numbers [size] behind this head, looked through unless the file has this time; None where there is
    something else."""
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            if file.read(len(head)) != head or found.st_size != len(head) + 4 * size:
                return None
            if found.st_mtime_ns != time and not all_finite(file, len(head), np.dtype(np.float32)):
                return None
            # Written to by nobody, but as if it could be: kernels are compiled for arrays that can.
            pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError:
        return None
    return np.frombuffer(pages, np.float32, size, len(head))


def _head(found: os.stat_result, packing: Packing) -> bytes:
    """What the file begins with."""
    from numpy_diffusion.kernels.vector.registers import register_bits

    made_of = {
        "version": __version__,
        "register_bits": str(register_bits()),
        "weights": f"{found.st_size} bytes of {found.st_mtime_ns}",
        "packing": hashlib.sha256(packing.pieces.tobytes()).hexdigest(),
    }
    tensor = {"dtype": "F32", "shape": [packing.size], "data_offsets": [0, 4 * packing.size]}
    text = json.dumps({"__metadata__": made_of, "laid_out": tensor}).encode()
    text += b" " * (-(8 + len(text)) % A_LINE)
    return len(text).to_bytes(8, "little") + text


def _content(head: bytes, laid_out: np.ndarray) -> Iterator[bytes]:
    yield head
    for first in range(0, len(laid_out), AT_ONCE):
        yield laid_out[first : first + AT_ONCE].tobytes()
