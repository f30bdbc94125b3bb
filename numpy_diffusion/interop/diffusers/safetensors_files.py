"""Safetensors from anyone: 8 bytes with the header's length, the header as JSON, the tensors one behind the other.

Each refusal is one sentence with the file and the tensor; nothing is read before it is known to be there.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.models import parameters
from numpy_diffusion.models.parameters import Shapes
from numpy_diffusion.models.stored import Stored

Options = dict[str, Any]
Tensors = dict[str, np.ndarray]

DTYPES: Final[dict[str, np.dtype]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}
NUMBERS: Final[dict[str, np.dtype]] = {"I64": np.dtype("<i8")}  # of tensors that are not read
OLD_NAMES: Final = {
    "query": "to_q",
    "key": "to_k",
    "value": "to_v",
    "proj_attn": "to_out.0",
}  # attention's, until 2023
AT_ONCE: Final = 2**21  # bytes that are looked through
MAPPABLE: Final = os.name != "nt" and sys.byteorder == "little"  # Windows replaces no file that is mapped
LARGEST_HEADER: Final = 10**8  # bytes, as in the safetensors library


@contextmanager
def naming(what: Path | str) -> Iterator[None]:
    """Put the name of a file, or of an argument, before a ValueError's sentence."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None


def parsed(path: Path, content: bytes, what: str) -> Options:
    """JSON as a dict without repeated names."""
    try:
        value = json.loads(content.decode(), object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}: expected {what}, got something that was cut, altered or foreign: {error}"
        ) from None
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected {what} with named entries, got a {type(value).__name__}")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> Options:
    """The pairs as a dict, or a ValueError with the name that is there twice."""
    found: Options = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:200]}: expected once, got it twice")
        found[name] = value
    return found


def header(path: Path, file: BinaryIO) -> tuple[dict[str, Any], int]:
    """The entries by today's names, and where the tensors begin."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if length > min(size - 8, LARGEST_HEADER):
        got = f"a file of {size:,} bytes whose first eight ask for a header of {length:,}"
        raise ValueError(f"{path}: expected a safetensors file, got {got}")
    named = parsed(path, file.read(length), "a safetensors header")
    named.pop("__metadata__", None)
    pairs = [(_today(name), entry) for name, entry in named.items()]
    with naming(path):
        return _distinct(pairs), 8 + length


def _today(name: str) -> str:
    """`down_blocks.0.attentions.0.query.weight` as it is called today: `.to_q.weight`."""
    parts = name.split(".")
    if len(parts) > 2 and "attentions" in parts:
        parts[-2] = OLD_NAMES.get(parts[-2], parts[-2])
    return ".".join(parts)


def check_entries(path: Path, entries: dict[str, Any], shapes: Shapes, left_out: Shapes, size: int) -> None:
    """See that there is every tensor, of a dtype and shape that fits, and that they fill `size` bytes in a row."""
    unexpected = entries.keys() - shapes.keys() - left_out.keys()
    for what, names in (("missing", shapes.keys() - entries.keys()), ("unexpected", unexpected)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ValueError(
                f"{path}: {min(names)[:200]}{more}: {what}: expected the tensors of config.json's network"
            )
    for name, entry in entries.items():
        known = (shapes[name], DTYPES) if name in shapes else (left_out[name], NUMBERS)
        _check_entry(f"{path}: {name}", entry, *known)
    end = 0
    for name in sorted(entries, key=lambda name: entries[name]["data_offsets"]):
        width = (DTYPES | NUMBERS)[entries[name]["dtype"]].itemsize
        begin, end = end, end + width * math.prod(entries[name]["shape"])
        if entries[name]["data_offsets"] != [begin, end]:
            got = entries[name]["data_offsets"]
            raise ValueError(
                f"{path}: {name}: expected data_offsets {[begin, end]}, no gap and no overlap, got {got}"
            )
        if end > size:
            raise ValueError(f"{path}: {name}: expected bytes up to {end:,}, got a file cut at {size:,}")
    if end < size:
        raise ValueError(f"{path}: expected {end:,} bytes of tensors, got {size - end:,} more behind the last")


def _check_entry(what: str, entry: Any, shape: tuple[int, ...], dtypes: dict[str, np.dtype]) -> None:
    """See that an entry of the header is one, of this shape and one of these dtypes."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{what}: expected dtype, shape and data_offsets in the header, got something else")
    _checks.choice(f"{what}: dtype", entry["dtype"], dtypes)
    if entry["shape"] != list(shape):
        raise ValueError(f"{what}: expected shape {list(shape)}, got {str(entry['shape'])[:80]}")
    offsets = entry["data_offsets"]
    if not isinstance(offsets, list) or [type(number) for number in offsets] != [int, int]:
        raise ValueError(f"{what}: expected two integers as data_offsets, got {str(offsets)[:80]}")


def stored(path: Path, file: BinaryIO, start: int, entries: dict[str, Any], shapes: Shapes, finite: bool) -> Stored:
    """The tensors of these shapes as they are in the file's pages; of several dtypes, or where a file cannot be
    mapped so that they are numbers, copied as float32.

    finite : whether their numbers are known to be finite

    Raises
    ------
    ValueError : a number that is not finite
    """
    begins = {name: entries[name]["data_offsets"][0] for name in shapes}
    dtype, *others = {DTYPES[entries[name]["dtype"]] for name in shapes}
    width = dtype.itemsize
    if others or start % width or any(begin % width for begin in begins.values()) or not MAPPABLE:
        flat = [np.asarray(tensor(file, start, entries[name]), np.float32).ravel() for name in shapes]
        found = Stored(np.concatenate(flat), parameters.starts(shapes))
    else:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        numbers = np.frombuffer(pages, dtype, (len(pages) - start) // width, start)
        found = Stored(numbers, {name: begin // width for name, begin in begins.items()}, pages)
        finite = finite or all_finite(file, start, dtype)
    if not finite:  # or some that is not read
        for name, values in found.views(shapes).items():
            _checks.array(f"{path}: {name}", values)
        found.let_go()
    return found


def all_finite(file: BinaryIO, start: int, dtype: np.dtype) -> bool:
    """Whether all numbers from there to the file's end are finite, looked through by several threads.

    They are read and not mapped: what the system does for each page that is mapped takes longer than to copy it.
    """
    handle = file.fileno()

    def look(first: int) -> bool:
        return bool(np.isfinite(np.frombuffer(os.pread(handle, AT_ONCE, first), dtype)).all())

    with ThreadPoolExecutor() as threads:
        return all(threads.map(look, range(start, os.fstat(handle).st_size, AT_ONCE)))


def tensor(file: BinaryIO, start: int, entry: dict[str, Any]) -> np.ndarray:
    """The values of a checked entry."""
    begin, end = entry["data_offsets"]
    file.seek(start + begin)
    return np.frombuffer(file.read(end - begin), DTYPES[entry["dtype"]]).reshape(entry["shape"])
