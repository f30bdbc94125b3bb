"""The folders that diffusers keeps its networks and schedulers in: options as JSON, weights as safetensors.

    config.json, diffusion_pytorch_model.safetensors     a network
    scheduler_config.json                                a scheduler, see `schedulers`
    model_index.json, unet/, scheduler/                  a pipeline of both, see `pipelines`

A folder may come from anyone.  Nothing in it is unpickled; no number in a file decides how much memory is taken
before it has been held against the file's size; each refusal is one sentence with the file and the option or tensor.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import numpy as np
from safetensors import numpy as safetensors

from numpy_diffusion import _checks, _files

Options = dict[str, Any]
Shapes = dict[str, tuple[int, ...]]
Tensors = dict[str, np.ndarray]
Config = TypeVar("Config")


CONFIG: Final = "config.json"
WEIGHTS: Final = "diffusion_pytorch_model.safetensors"
PICKLE: Final = "diffusion_pytorch_model.bin"
DIFFUSERS: Final = "0.42.1"  # the version whose options and names these are
DTYPES: Final[dict[str, np.dtype]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}
OLD_NAMES: Final = {
    "query": "to_q",
    "key": "to_k",
    "value": "to_v",
    "proj_attn": "to_out.0",
}  # attention's, until 2023
LARGEST_JSON: Final = 10**7  # bytes; the longest in use, with 1,000 betas, have 30,000
LARGEST_HEADER: Final = 10**8  # bytes, as in the safetensors library
LARGEST_SIDE: Final = 4096  # of an image, in pixels: nothing in the files bounds it


def read_network(
    folder: _files.PathLike,
    kinds: tuple[str, ...],
    checked: Callable[[Options], Config],
    shapes: Callable[[Config], Shapes],
) -> tuple[Config, Tensors]:
    """A network's options and its weights, float32 and finite, by name.

    Parameters
    ----------
    kinds : the classes of which config.json must name one
    checked : options as they are in the file -> the network's configuration; ValueError where one is not supported
    shapes : the configuration -> what each tensor must have

    Raises
    ------
    OSError : a folder or file that is missing or cannot be read
    ValueError : a file that is foreign, cut, altered or hostile, or an option that is not supported
    """
    folder = _files.as_path("folder", folder)
    given = read_json(folder, CONFIG, kinds)
    with naming(folder / CONFIG):
        config = checked(given)
    path = _weights(folder, given["_class_name"])
    with _reading(path), open(path, "rb") as file:
        entries, start = _header(path, file)
        with naming(folder / CONFIG):  # a layer has several tensors
            _checks.integer("layers_per_block", given.get("layers_per_block", 1), 1, max(len(entries), 1))
        expected = shapes(config)
        _check_entries(path, entries, expected, os.fstat(file.fileno()).st_size - start)
        tensors = {name: _tensor(file, start, entries[name]) for name in expected}
    return config, {name: _checks.array(f"{path}: {name}", values) for name, values in tensors.items()}


def write_network(folder: _files.PathLike, kind: str, config: Options, tensors: Tensors) -> None:
    """Write what `read_network` reads, and diffusers' from_pretrained; each file whole or not at all.

    Raises
    ------
    OSError : a place that cannot be written
    ValueError : weights that are not float32 or not finite
    """
    folder = _files.as_path("folder", folder)
    for name, values in tensors.items():
        if values.dtype != np.float32:
            raise ValueError(f"model: expected float32 weights, got {name} of {values.dtype}")
        _checks.array(f"model: {name}", values)
    with _files.os_errors_about("folder", folder):
        folder.mkdir(parents=True, exist_ok=True)
        _files.write(folder / WEIGHTS, safetensors.save(tensors, metadata={"format": "pt"}))
    write_json(folder, CONFIG, kind, config)


def read_json(folder: Path, name: str, kinds: tuple[str, ...]) -> Options:
    """The options in a file, of which `_class_name` is one of `kinds`; errors as for `read_network`."""
    path = _file(folder, name)
    with _reading(path), open(path, "rb") as file:
        content = file.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise ValueError(f"{path}: expected at most {LARGEST_JSON:,} bytes of JSON, got more")
    options = _parsed(path, content, "JSON")
    with naming(path):
        _checks.choice("_class_name", options.get("_class_name"), kinds)
    return options


def write_json(folder: Path, name: str, kind: str, options: Options) -> None:
    """Write the options as a file that diffusers reads; OSError where the place cannot be written."""
    content = {"_class_name": kind, "_diffusers_version": DIFFUSERS, **options}
    with _files.os_errors_about("folder", folder):
        folder.mkdir(parents=True, exist_ok=True)
        _files.write(folder / name, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before a ValueError's sentence."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


# Files -----------------------------------------------------------------------------------------------------------


def _file(folder: Path, name: str) -> Path:
    """The file of this name, or a FileNotFoundError that says what there is."""
    if not folder.is_dir():
        found = "a file" if folder.exists() else "no such folder"
        raise FileNotFoundError(f"{folder}: expected a folder in diffusers' layout, found {found}")
    if not (folder / name).is_file():
        raise FileNotFoundError(f"{folder}: expected a folder in diffusers' layout, found no {name} in it")
    return folder / name


def _weights(folder: Path, kind: str) -> Path:
    """The path of the weights; where there is a pickle in their place, a sentence on what to do."""
    if (folder / PICKLE).exists() and not (folder / WEIGHTS).exists():
        raise ValueError(
            f"{folder / PICKLE}: expected {WEIGHTS}, got a pickle, which can run any program when it is read; if you "
            f"trust it, convert it with diffusers: {kind}.from_pretrained(folder).save_pretrained(folder)"
        )
    return _file(folder, WEIGHTS)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn the system's OSError into a sentence."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{path}: cannot read this file: {error.strerror}") from error


def _parsed(path: Path, content: bytes, what: str) -> Options:
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


# Safetensors: 8 bytes with the header's length, the header as JSON, and the tensors one behind the other ----------


def _header(path: Path, file: BinaryIO) -> tuple[dict[str, Any], int]:
    """The entries by today's names, and where the tensors begin."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if length > min(size - 8, LARGEST_HEADER):
        got = f"a file of {size:,} bytes whose first eight ask for a header of {length:,}"
        raise ValueError(f"{path}: expected a safetensors file, got {got}")
    header = _parsed(path, file.read(length), "a safetensors header")
    header.pop("__metadata__", None)
    pairs = [(_today(name), entry) for name, entry in header.items()]
    with naming(path):
        return _distinct(pairs), 8 + length


def _today(name: str) -> str:
    """`down_blocks.0.attentions.0.query.weight` as it is called today: `.to_q.weight`."""
    parts = name.split(".")
    if len(parts) > 2 and "attentions" in parts:
        parts[-2] = OLD_NAMES.get(parts[-2], parts[-2])
    return ".".join(parts)


def _check_entries(path: Path, entries: dict[str, Any], shapes: Shapes, size: int) -> None:
    """See that there is every tensor, of a dtype and shape that fits, and that they fill `size` bytes in a row."""
    for what, names in (("missing", shapes.keys() - entries.keys()), ("unexpected", entries.keys() - shapes.keys())):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ValueError(f"{path}: {min(names)[:200]}{more}: {what}: expected the tensors of {CONFIG}'s network")
    for name, shape in shapes.items():
        _check_entry(f"{path}: {name}", entries[name], shape)
    end = 0
    for name in sorted(entries, key=lambda name: entries[name]["data_offsets"]):
        begin, end = end, end + DTYPES[entries[name]["dtype"]].itemsize * math.prod(shapes[name])
        if entries[name]["data_offsets"] != [begin, end]:
            got = entries[name]["data_offsets"]
            raise ValueError(
                f"{path}: {name}: expected data_offsets {[begin, end]}, no gap and no overlap, got {got}"
            )
        if end > size:
            raise ValueError(f"{path}: {name}: expected bytes up to {end:,}, got a file cut at {size:,}")
    if end < size:
        raise ValueError(f"{path}: expected {end:,} bytes of tensors, got {size - end:,} more behind the last")


def _check_entry(what: str, entry: Any, shape: tuple[int, ...]) -> None:
    """See that an entry of the header is one, of this shape."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{what}: expected dtype, shape and data_offsets in the header, got something else")
    _checks.choice(f"{what}: dtype", entry["dtype"], DTYPES)
    if entry["shape"] != list(shape):
        raise ValueError(f"{what}: expected shape {list(shape)}, got {str(entry['shape'])[:80]}")
    offsets = entry["data_offsets"]
    if not isinstance(offsets, list) or [type(number) for number in offsets] != [int, int]:
        raise ValueError(f"{what}: expected two integers as data_offsets, got {str(offsets)[:80]}")


def _tensor(file: BinaryIO, start: int, entry: dict[str, Any]) -> np.ndarray:
    """The values of a checked entry."""
    begin, end = entry["data_offsets"]
    file.seek(start + begin)
    return np.frombuffer(file.read(end - begin), DTYPES[entry["dtype"]]).reshape(entry["shape"])
