"""Files in diffusers' layout: old names and dtypes are read, and a bad file gets one sentence."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from checks.diffusers_folders import example, refused
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.interop.diffusers import files, safetensors_files, unets
from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.networks.unet import compiled
from numpy_diffusion.networks.unet.unet import UNet

CONFIG, WEIGHTS = files.CONFIG, files.WEIGHTS
FIRST = "conv_in.bias"  # a tensor of the network, [4]
OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    unets.write(example(), tmp_path / "unet")
    return tmp_path / "unet"


def split(folder: Path) -> tuple[dict[str, Any], bytes]:
    """The header of the weights, and the bytes behind it."""
    content = (folder / WEIGHTS).read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def join(folder: Path, header: Any, data: bytes) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (folder / WEIGHTS).write_bytes(len(text).to_bytes(8, "little") + text + data)


def saved(folder: Path, **changes: Any) -> None:
    """Write the weights anew with some of them changed, by today's name with _ for the dots; None leaves one out."""
    tensors = safetensors.numpy.load_file(folder / WEIGHTS)
    tensors |= {name: values for name, values in changes.items() if values is not None}
    (folder / WEIGHTS).write_bytes(
        safetensors.numpy.save({name: tensors[name] for name in tensors if changes.get(name, 0) is not None})
    )


def test_old_names_of_attention_are_read(folder: Path) -> None:
    header, data = split(folder)
    old = {}
    for name, entry in header.items():
        start, found, rest = name.partition(".to_")
        new = next((new for new in OLD if found and f"to_{rest}".startswith(f"{new}.")), None)
        old[f"{start}.{OLD[new]}.{rest.rpartition('.')[2]}" if new else name] = entry
    assert sum(name not in header for name in old) == 8 * 4  # of four attentions: one down, one in the middle, two up
    join(folder, old, data)
    np.testing.assert_array_equal(unets.read(folder).buffer, example().buffer)


def test_old_and_new_name_of_one_tensor(folder: Path) -> None:
    name = "mid_block.attentions.0.to_q.bias"
    saved(folder, **{name.replace("to_q", "query"): np.zeros(4, np.float32)})
    refused(folder, name, "twice")


def test_float16_becomes_float32(folder: Path) -> None:
    half = {name: values.astype(np.float16) for name, values in example().params.items()}
    saved(folder, **half)
    found = unets.read(folder)
    assert found.buffer.dtype == np.float32
    np.testing.assert_array_equal(found.params[FIRST], half[FIRST].astype(np.float32))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="folder: cannot write to"):
        unets.write(example(), tmp_path / "file" / "unet")
    with pytest.raises(ValueError, match="folder: expected a path"):
        unets.write(example(), 3)  # type: ignore[arg-type]


# Missing and foreign files


def test_missing_folder_and_files(folder: Path, tmp_path: Path) -> None:
    refused(tmp_path / "none", "no such folder", error=FileNotFoundError)
    refused(folder / CONFIG, "found a file", error=FileNotFoundError)
    (folder / WEIGHTS).rename(folder / "elsewhere")
    refused(folder, f"no {WEIGHTS}", error=FileNotFoundError)
    (folder / WEIGHTS).mkdir()
    refused(folder, f"no {WEIGHTS}", error=FileNotFoundError)
    (folder / CONFIG).unlink()
    refused(folder, f"no {CONFIG}", error=FileNotFoundError)


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    os.mkfifo(folder / WEIGHTS)
    refused(folder, f"no {WEIGHTS}", error=FileNotFoundError)


def test_a_pickle_is_not_opened(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    os.mkfifo(folder / files.DIFFUSERS_LIBRARY.pickle)  # opening it would wait for ever
    refused(folder, "pickle", "save_pretrained")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["expected JSON"]),
        (b"\xff\xfe\x00", ["expected JSON", "utf-8"]),
        (b'{"a": ', ["expected JSON"]),
        (b"[" * 100_000, ["expected JSON"]),
        (b"[1]", ["got a list"]),
        (b"{}", ["_class_name", "UNet2DModel"]),
        (b'{"_class_name": "UNet3DConditionModel"}', ["_class_name", "UNet3DConditionModel"]),
        (b'{"_class_name": ["UNet2DModel"]}', ["_class_name"]),
        (b'{"_class_name": "UNet2DModel", "_class_name": "UNet2DModel"}', ["twice"]),
        (b'{"a": ' + b"9" * 5000 + b"}", ["expected JSON"]),
        (b" " * (files.LARGEST_JSON + 1), ["at most"]),
    ],
)
def test_a_config_that_is_none(folder: Path, content: bytes, parts: list[str]) -> None:
    (folder / CONFIG).write_bytes(content)
    refused(folder, CONFIG, *parts)


# Weights


@pytest.mark.parametrize(
    ("channels", "sentence"), [([4, 10**9], "conv_shortcut.bias"), ([10**9, 10**9], "expected shape")]
)
def test_a_network_larger_than_its_file_takes_no_memory(folder: Path, channels: list[int], sentence: str) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {"block_out_channels": channels}))
    tracemalloc.start()
    refused(folder, WEIGHTS, sentence)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize("length", [2**63, 2**40, 10**9, 10**5])
def test_a_header_longer_than_its_file(folder: Path, length: int) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(length.to_bytes(8, "little") + content[8:])
    refused(folder, WEIGHTS, f"a header of {length:,}")


def test_a_header_of_gigabytes_in_a_file_of_gigabytes(folder: Path) -> None:
    with open(folder / WEIGHTS, "r+b") as file:
        file.write((3 * 10**9).to_bytes(8, "little"))
        file.truncate(4 * 10**9)  # a hole: takes no room on the disk
    refused(folder, WEIGHTS, "a header of 3,000,000,000")


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        (b"", ["header"]),
        (b"\xff", ["header"]),
        (b"{", ["header"]),
        (b"[" * 50_000, ["header"]),
        (b"7", ["header", "int"]),
        (b"{}", ["missing", "and"]),
        (b'{"a": 1, "a": 1}', ["a: expected once"]),
    ],
)
def test_a_header_that_is_none(folder: Path, header: bytes, parts: list[str]) -> None:
    join(folder, header, b"")
    refused(folder, WEIGHTS, *parts)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 1000, -4, -1])
def test_a_file_that_was_cut(folder: Path, kept: int) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:kept])
    refused(folder, WEIGHTS)


def test_a_file_with_more_behind_it(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes() + b"1234567")
    refused(folder, WEIGHTS, "7 more")


def test_tensors_that_are_missing_or_too_many(folder: Path) -> None:
    saved(folder, **{FIRST: None})
    refused(folder, WEIGHTS, f"{FIRST}: missing")
    saved(folder, **{FIRST: np.zeros(4, np.float32), "extra.weight": np.zeros(3, np.float32)})
    refused(folder, WEIGHTS, "extra.weight: unexpected")


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        (np.zeros(5, np.float32), ["expected shape [4], got [5]"]),
        (np.zeros((4, 1), np.float32), ["expected shape [4], got [4, 1]"]),
        (np.zeros((), np.float32), ["expected shape [4], got []"]),
        (np.zeros(4, np.float64), ["F64"]),
        (np.zeros(4, np.int32), ["I32"]),
        (np.array([0, 1, np.nan, 0], np.float32), ["finite", "1 that"]),
        (np.array([0, np.inf, np.nan, 0], np.float16), ["finite", "2 that"]),
    ],
)
def test_a_wrong_tensor_is_named(folder: Path, values: np.ndarray, parts: list[str]) -> None:
    saved(folder, **{FIRST: values})
    refused(folder, WEIGHTS, FIRST, *parts)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"dtype": "BF16"}, ["'F32', 'F16'", "BF16"]),
        ({"dtype": 7}, ["dtype"]),
        ({"dtype": ["F32"]}, ["dtype"]),
        ({"shape": 4}, ["shape"]),
        ({"shape": [-4]}, ["shape"]),
        ({"shape": [2**62, 4]}, ["shape"]),
        ({"data_offsets": None}, ["data_offsets"]),
        ({"data_offsets": [0]}, ["data_offsets"]),
        ({"data_offsets": [0, "16"]}, ["data_offsets"]),
        ({"data_offsets": [0.0, 16.0]}, ["data_offsets"]),
        ({"more": 1}, ["header"]),
    ],
)
def test_a_wrong_entry_is_named(folder: Path, change: dict[str, Any], parts: list[str]) -> None:
    header, data = split(folder)
    join(folder, header | {FIRST: header[FIRST] | change}, data)
    refused(folder, WEIGHTS, FIRST, *parts)


@pytest.mark.parametrize(("begin", "end"), [(-4, 0), (4, 4), (0, 4), (-16, -16), (10**15, 10**15), (0, -32)])
def test_offsets_with_gaps_and_overlaps(folder: Path, begin: int, end: int) -> None:
    header, data = split(folder)
    offsets = header[FIRST]["data_offsets"]
    join(folder, header | {FIRST: header[FIRST] | {"data_offsets": [offsets[0] + begin, offsets[1] + end]}}, data)
    refused(folder, WEIGHTS, "data_offsets", "no gap and no overlap")
    with pytest.raises(safetensors.SafetensorError):
        safetensors.numpy.load_file(folder / WEIGHTS)


def test_an_entry_that_is_none(folder: Path) -> None:
    header, data = split(folder)
    for entry in (None, 3, [], {}):
        join(folder, header | {FIRST: entry}, data)
        refused(folder, WEIGHTS, FIRST, "header")


@settings(deadline=None, max_examples=60)
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255), drawn=st.data())
def test_a_flipped_byte_is_harmless(
    place: int, byte: int, drawn: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the file holds, it is refused by a sentence or read as the safetensors library reads it."""
    folder = tmp_path_factory.mktemp("flipped")
    unets.write(example(), folder)
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[place % (drawn.draw(st.sampled_from([9, 3000, len(content)])))] = byte
    (folder / WEIGHTS).write_bytes(content)
    try:
        found = unets.read(folder)
    except ValueError as error:
        assert str(folder) in str(error)  # noqa: PT017 - both ends are right
        return
    for name, values in safetensors.numpy.load_file(folder / WEIGHTS).items():
        np.testing.assert_array_equal(found.params[name], values)


@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_a_mapped_file_gives_the_bits_of_a_copied_one(
    backend: Backend, kind: type, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packed all at once or a few parameters at a time."""
    halves = {name: values.astype(kind) for name, values in safetensors.numpy.load_file(folder / WEIGHTS).items()}
    safetensors.numpy.save_file(halves, folder / WEIGHTS)
    x = np.random.default_rng(0).normal(size=(2, 1, 4, 4)).astype(np.float32)
    found = [unets.read(folder)]
    monkeypatch.setattr(compiled, "AT_ONCE", 1)
    found.append(unets.read(folder))
    answers = [model(x, 5, backend=backend) for model in found]
    monkeypatch.setattr(safetensors_files, "MAPPABLE", False)
    found.append(copied := unets.read(folder))
    plain = UNet(**copied.options)
    plain.buffer[:] = copied.buffer
    for answer in (*answers, copied(x, 5, backend=backend)):
        np.testing.assert_array_equal(answer, plain(x, 5, backend=backend))
    assert ("buffer" in vars(found[0])) == (kind == np.float16 and backend == "numpy")  # nothing else asks for it
    for model in found:
        np.testing.assert_array_equal(model.buffer, plain.buffer)
        assert model.buffer.flags.writeable
        np.testing.assert_array_equal(model(x, 5, backend=backend), plain(x, 5, backend=backend))
