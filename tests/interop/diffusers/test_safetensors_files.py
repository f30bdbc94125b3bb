"""Safetensors read by hand: what is there, and what only says so; see `test_files` for whole folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from numpy_diffusion.interop.diffusers import safetensors_files as st
from numpy_diffusion.models.stored import Stored

SHAPES = {"a.weight": (2, 3), "b.bias": (3,)}
LEFT_OUT = {"ids": (1, 4)}
TENSORS = {
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b.bias": np.arange(3, dtype=np.float16),
    "ids": np.arange(4)[None],
}


def read(path: Path) -> dict[str, np.ndarray]:
    with open(path, "rb") as file:
        entries, start = st.header(path, file)
        st.check_entries(path, entries, SHAPES, LEFT_OUT, path.stat().st_size - start)
        return {name: st.tensor(file, start, entries[name]) for name in SHAPES}


@pytest.mark.parametrize("ids", [False, True])
def test_what_the_library_writes_is_read(ids: bool, tmp_path: Path) -> None:
    kept = {name: values for name, values in TENSORS.items() if ids or name != "ids"}
    safetensors.numpy.save_file(kept, tmp_path / "file", metadata={"format": "pt"})
    found = read(tmp_path / "file")
    assert list(found) == list(SHAPES)
    for name, values in found.items():
        np.testing.assert_array_equal(values, TENSORS[name])
        assert values.dtype == TENSORS[name].dtype


def entries(**changes: Any) -> dict[str, Any]:
    """A header with some entries otherwise; None leaves one out."""
    found = {
        "a.weight": dict(dtype="F32", shape=[2, 3], data_offsets=[0, 24]),
        "b.bias": dict(dtype="F16", shape=[3], data_offsets=[24, 30]),
        "ids": dict(dtype="I64", shape=[1, 4], data_offsets=[30, 62]),
    }
    for name, change in changes.items():
        found[name] = found.get(name, {}) | change if change is not None else {}
    return {name: entry for name, entry in found.items() if entry}


@pytest.mark.parametrize(
    ("changes", "data", "sentence"),
    [
        ({}, 61, r"ids: expected bytes up to 62, got a file cut at 61"),
        ({}, 63, r"expected 62 bytes of tensors, got 1 more behind the last"),
        ({"b.bias": None}, 62, r"b\.bias: missing: expected the tensors of config\.json's network"),
        ({"more": dict(dtype="F32")}, 62, r"more: unexpected: expected the tensors of config\.json's network"),
        ({"b.bias": dict(shape=[4])}, 62, r"b\.bias: expected shape \[3\], got \[4\]"),
        ({"b.bias": dict(dtype="I64")}, 62, r"b\.bias: dtype: expected one of 'F32', 'F16', got str 'I64'"),
        ({"ids": dict(dtype="F16")}, 62, r"ids: dtype: expected one of 'I64', got str 'F16'"),
        ({"ids": dict(shape=[2, 2])}, 62, r"ids: expected shape \[1, 4\], got \[2, 2\]"),
        (
            {"ids": dict(data_offsets=[24, 56])},
            62,
            r": expected data_offsets .*, no gap and no overlap, got ",
        ),
        ({"b.bias": dict(data_offsets=[24.0, 30])}, 62, r"b\.bias: expected two integers as data_offsets"),
        ({"b.bias": dict(also=1)}, 62, r"b\.bias: expected dtype, shape and data_offsets in the header"),
    ],
)
def test_what_does_not_fit_is_one_sentence(changes: Any, data: int, sentence: str, tmp_path: Path) -> None:
    head = json.dumps(entries(**changes)).encode()
    (tmp_path / "file").write_bytes(len(head).to_bytes(8, "little") + head + bytes(data))
    with pytest.raises(ValueError, match=sentence) as caught:
        read(tmp_path / "file")
    assert str(caught.value).startswith(str(tmp_path / "file"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x00", (2**62).to_bytes(8, "little"), (3).to_bytes(8, "little") + b"{}"])
def test_no_header_is_believed(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match="expected a safetensors"):
        read(tmp_path / "file")


def test_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^here: what$"), st.naming(Path("here")):
        raise ValueError("what")
    with pytest.raises(ValueError, match=r"^here: expected JSON, got .*: a: expected once, got it twice$"):
        st.parsed(Path("here"), b'{"a": 1, "a": 2}', "JSON")


def stored(path: Path, shapes: st.Shapes = SHAPES) -> Stored:
    with open(path, "rb") as file:
        found, start = st.header(path, file)
        return st.stored(path, file, start, found, shapes, finite=False)


@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("mapped", [True, False])
def test_a_file_of_one_dtype_is_mapped_or_else_copied_to_the_same_bits(
    kind: type, mapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(st, "MAPPABLE", mapped)
    kept = {name: values.astype(kind) for name, values in TENSORS.items() if name != "ids"} | {"ids": TENSORS["ids"]}
    safetensors.numpy.save_file(kept, tmp_path / "file")
    found = stored(tmp_path / "file")
    assert (found.pages is not None) == mapped
    assert found.numbers.dtype == (kind if mapped else np.float32)
    for name, values in found.views(SHAPES).items():
        np.testing.assert_array_equal(values, kept[name])


def test_numbers_of_two_dtypes_or_not_at_whole_places_are_copied(tmp_path: Path) -> None:
    safetensors.numpy.save_file(TENSORS, tmp_path / "mixed")
    content = json.dumps({"a.weight": entries()["a.weight"]}).encode()
    content += b" " * (-len(content) % 4 + 1)
    data = TENSORS["a.weight"].tobytes()
    (tmp_path / "odd").write_bytes(len(content).to_bytes(8, "little") + content + data)
    for name, shapes in (("mixed", SHAPES), ("odd", {"a.weight": (2, 3)})):
        found = stored(tmp_path / name, shapes)
        assert found.pages is None
        for key, values in found.views(shapes).items():
            np.testing.assert_array_equal(values, TENSORS[key])


@pytest.mark.parametrize("at", [0, 7, -1])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_a_number_that_is_not_finite_is_found_wherever_it_is(
    at: int, bad: float, kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(st, "AT_ONCE", 64)
    dtype, numbers = np.dtype(kind), np.zeros(64 + 5, kind)

    def finite() -> bool:
        """Of the numbers behind one that is not looked at."""
        (tmp_path / "file").write_bytes(np.array(np.nan, kind).tobytes() + numbers.tobytes())
        with open(tmp_path / "file", "rb") as file:
            return st.all_finite(file, dtype.itemsize, dtype)

    assert finite()
    numbers[at * 3] = bad
    assert not finite()


def test_a_tensor_with_such_a_number_is_named(tmp_path: Path) -> None:
    kept = {"a.weight": TENSORS["a.weight"], "b.bias": np.array([1.0, np.inf, 0.0], np.float32)}
    safetensors.numpy.save_file(kept, tmp_path / "file")
    with pytest.raises(ValueError, match=r"file: b\.bias: expected finite values, got 1 that are NaN or infinite"):
        stored(tmp_path / "file")
