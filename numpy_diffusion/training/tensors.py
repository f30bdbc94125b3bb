"""Named arrays as the bytes of a safetensors file, with a checksum over them and over the text they belong to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from numpy_diffusion import _checks

Tensors = dict[str, np.ndarray]
Shapes = dict[str, tuple[int | str | None, ...]]


def pack(tensors: Tensors, text: str) -> bytes:
    """The file's content."""
    return safetensors.save(tensors, metadata={"sha256": _checksum(tensors, text)})


def unpack(path: Path, *texts: str | None) -> Tensors:
    """The arrays of a file that `pack` made with one of the texts, or a ValueError or OSError that names the file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OSError(f"{path}: cannot read this file of the checkpoint: {error.strerror}") from error
    try:
        tensors = {name: values.copy() for name, values in safetensors.load(content).items()}  # writable
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected a safetensors file, got one that was cut or altered: {error}") from None
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    if header.get("__metadata__", {}).get("sha256") not in [_checksum(tensors, text) for text in texts if text]:
        raise ValueError(f"{path}: the checksum is wrong: this file or config.json was altered or is of another run")
    return tensors


def check(path: Path, tensors: Tensors, shapes: Shapes, double: Collection[str] = ()) -> None:
    """See that there is every array by its name, float32 and finite.

    Parameters
    ----------
    shapes : what each must have, as for `_checks.array`; with a free axis it may be empty
    double : those that are float64
    """
    if tensors.keys() != shapes.keys():
        raise ValueError(f"{path}: expected the arrays {', '.join(shapes)}, got {', '.join(tensors) or 'none'}")
    for name, shape in shapes.items():
        values, dtype = tensors[name], np.float64 if name in double else np.float32
        if values.dtype != dtype:
            raise ValueError(f"{path}: {name}: expected dtype {np.dtype(dtype)}, got {values.dtype}")
        if values.size or all(isinstance(length, int) for length in shape):
            _checks.array(f"{path}: {name}", values, shape)


def _checksum(tensors: Tensors, text: str) -> str:
    """sha256 over the text and the names, dtypes, shapes and bytes of the arrays."""
    total = hashlib.sha256(text.encode())
    for name, values in sorted(tensors.items()):
        total.update(json.dumps([name, values.dtype.name, values.shape]).encode())
        total.update(values.tobytes())
    return total.hexdigest()
