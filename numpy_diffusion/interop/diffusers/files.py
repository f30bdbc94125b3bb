"""The folders that diffusers keeps its networks and schedulers in: options as JSON, weights as safetensors.

    config.json, diffusion_pytorch_model.safetensors     a network
    config.json, model.safetensors                       a network of transformers, as a pipeline has them
    scheduler_config.json                                a scheduler, see `schedulers`
    model_index.json, unet/, scheduler/                  a pipeline of both, see `numpy_diffusion.pipelines`

A folder may come from anyone.  Nothing in it is unpickled; no number in a file decides how much memory is taken
before it has been held against the file's size; each refusal is one sentence with the file and the option or tensor.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import numpy as np
from safetensors import numpy as safetensors

from numpy_diffusion import _checks, _files
from numpy_diffusion.interop.diffusers import layouts
from numpy_diffusion.interop.diffusers.safetensors_files import (
    Options,
    Tensors,
    check_entries,
    header,
    naming,
    parsed,
    stored,
)
from numpy_diffusion.models.parameters import Shapes
from numpy_diffusion.models.stored import Stored

if TYPE_CHECKING:  # what needs no kernel needs no Numba
    from numpy_diffusion.kernels.unet.calls import Packing

Config = TypeVar("Config")


CONFIG: Final = "config.json"
WEIGHTS: Final = "diffusion_pytorch_model.safetensors"
DIFFUSERS: Final = "0.42.1"  # the version whose options and names these are
LARGEST_JSON: Final = 10**7  # bytes; the longest in use, with 1,000 betas, have 30,000
LARGEST_SIDE: Final = 4096  # of an image, in pixels: nothing in the files bounds it


class Library(NamedTuple):
    """Where a library keeps what."""

    name: str
    weights: str  # the file of a network's weights
    pickle: str  # the file that older versions wrote in its place
    layers: str  # the option that says how often layers are repeated


DIFFUSERS_LIBRARY: Final = Library("diffusers", WEIGHTS, "diffusion_pytorch_model.bin", "layers_per_block")
TRANSFORMERS_LIBRARY: Final = Library("transformers", "model.safetensors", "pytorch_model.bin", "num_hidden_layers")


def check_sides(sides: Iterable[int]) -> None:
    """ValueError where an image would be larger than any file of weights bounds."""
    for side in sides:
        _checks.integer("sample_size", side, 1, LARGEST_SIDE)


def read_network(
    folder: _files.PathLike,
    kinds: tuple[str, ...],
    checked: Callable[[Options], Config],
    shapes: Callable[[Config], Shapes],
    library: Library = DIFFUSERS_LIBRARY,
    left_out: Callable[[Config], Shapes] = lambda config: {},
    packing: Callable[[Config], Packing] | None = None,
) -> tuple[Config, Stored, np.ndarray | None]:
    """A network's options; its weights, finite, where they are stored; and what is kept of them for its kernels.

    Parameters
    ----------
    kinds : the classes of which config.json must name one
    checked : options as they are in the file -> the network's configuration; ValueError where one is not supported
    shapes : the configuration -> what each tensor must have
    library : the one that wrote the folder
    left_out : the configuration -> tensors of integers that may be there as well, and are not read
    packing : the configuration -> how its kernels' layout is packed, of a network for which one may be kept

    Raises
    ------
    OSError : a folder or file that is missing or cannot be read
    ValueError : a file that is foreign, cut, altered or hostile, or an option that is not supported
    """
    folder = _files.as_path("folder", folder)
    given = read_options(folder, CONFIG)
    with naming(folder / CONFIG):
        kind = _kind(given, library, kinds)
        config = checked(given)
    path = _weights(folder, library, kind)
    with _reading(path), open(path, "rb") as file:
        entries, start = header(path, file)
        with naming(folder / CONFIG):  # a layer has several tensors
            _checks.integer(library.layers, given.get(library.layers, 1), 1, max(len(entries), 1))
        expected = shapes(config)
        found = os.fstat(file.fileno())
        check_entries(path, entries, expected, left_out(config), found.st_size - start)
        laid_out = None if packing is None else layouts.read(path, found, lambda: packing(config))
        return config, stored(path, file, start, entries, expected, finite=laid_out is not None), laid_out


def check_weights(tensors: Tensors) -> None:
    """ValueError where `write_network` would refuse the weights: what is not float32 or not finite."""
    for name, values in tensors.items():
        if values.dtype != np.float32:
            raise ValueError(f"model: expected float32 weights, got {name} of {values.dtype}")
        _checks.array(f"model: {name}", values)


def write_network(
    folder: _files.PathLike, kind: str, config: Options, tensors: Tensors, library: Library = DIFFUSERS_LIBRARY
) -> None:
    """Write what `read_network` reads, and the library's from_pretrained; each file whole or not at all.

    Raises
    ------
    OSError : a place that cannot be written
    ValueError : weights that are not float32 or not finite
    """
    folder = _files.as_path("folder", folder)
    check_weights(tensors)
    with _files.os_errors_about("folder", folder):
        folder.mkdir(parents=True, exist_ok=True)
        layouts.remove(folder)  # of other weights
        _files.write(folder / library.weights, safetensors.save(tensors, metadata={"format": "pt"}))
    if library.name == DIFFUSERS_LIBRARY.name:
        write_json(folder, CONFIG, kind, config)
    else:
        write_options(folder, CONFIG, {"architectures": [kind], **config})


def read_json(folder: Path, name: str, kinds: tuple[str, ...]) -> Options:
    """The options in a file, of which `_class_name` is one of `kinds`; errors as for `read_network`."""
    options = read_options(folder, name)
    with naming(folder / name):
        _kind(options, DIFFUSERS_LIBRARY, kinds)
    return options


def read_options(folder: Path, name: str) -> Options:
    """The options in a file of any kind; errors as for `read_network`."""
    return parsed(folder / name, read_bytes(folder, name), "JSON")


def read_bytes(folder: Path, name: str) -> bytes:
    """What is in a file of text, as bytes; errors as for `read_network`."""
    path = _file(folder, name)
    with _reading(path), open(path, "rb") as file:
        content = file.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise ValueError(f"{path}: expected at most {LARGEST_JSON:,} bytes, got more")
    return content


def write_json(folder: Path, name: str, kind: str, options: Options) -> None:
    """Write the options as a file that diffusers reads; OSError where the place cannot be written."""
    write_options(folder, name, {"_class_name": kind, "_diffusers_version": DIFFUSERS, **options})


def write_options(folder: Path, name: str, options: Options) -> None:
    """Write the options as JSON; OSError where the place cannot be written."""
    with _files.os_errors_about("folder", folder):
        folder.mkdir(parents=True, exist_ok=True)
        _files.write(folder / name, (json.dumps(options, indent=2, allow_nan=False) + "\n").encode())


def _kind(options: Options, library: Library, kinds: tuple[str, ...]) -> str:
    """Which of `kinds` the options say they are of."""
    if library.name == DIFFUSERS_LIBRARY.name:
        return _checks.choice("_class_name", options.get("_class_name"), kinds)
    given = options.get("architectures")
    return _checks.choice("architectures", given[0] if isinstance(given, list) and len(given) == 1 else given, kinds)


# Files -----------------------------------------------------------------------------------------------------------


def _file(folder: Path, name: str) -> Path:
    """The file of this name, or a FileNotFoundError that says what there is."""
    if not folder.is_dir():
        found = "a file" if folder.exists() else "no such folder"
        raise FileNotFoundError(f"{folder}: expected a folder in diffusers' layout, found {found}")
    if not (folder / name).is_file():
        raise FileNotFoundError(f"{folder}: expected a folder in diffusers' layout, found no {name} in it")
    return folder / name


def _weights(folder: Path, library: Library, kind: str) -> Path:
    """The path of the weights; where there is a pickle in their place, a sentence on what to do."""
    pickle, weights = folder / library.pickle, library.weights
    if pickle.exists() and not (folder / weights).exists():
        raise ValueError(
            f"{pickle}: expected {weights}, got a pickle, which can run any program when it is read; if you "
            f"trust it, convert it with {library.name}: {kind}.from_pretrained(folder).save_pretrained(folder)"
        )
    return _file(folder, weights)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn the system's OSError into a sentence."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{path}: cannot read this file: {error.strerror}") from error
