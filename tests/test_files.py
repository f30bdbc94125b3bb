"""Files that appear whole or not at all, whatever stops the writing."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from numpy_diffusion import _files


def test_a_file_is_written_and_written_over(tmp_path: Path) -> None:
    for content in (b"one", b"", b"another"):
        _files.write(tmp_path / "x.bin", content)
        assert (tmp_path / "x.bin").read_bytes() == content
        assert os.listdir(tmp_path) == ["x.bin"]


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()], ids=repr)
def test_what_stops_the_writing_leaves_the_old_content(
    function: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _files.write(tmp_path / "x.bin", b"old")

    def stop(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, function, stop)
        with pytest.raises(type(error)):
            _files.write(tmp_path / "x.bin", b"new")
    assert (tmp_path / "x.bin").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x.bin"]


def test_content_is_on_the_disk_before_the_name_and_the_name_before_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a loss of power must not turn round."""
    order: list[str] = []
    fsync, replace = os.fsync, os.replace
    is_folder = lambda handle: os.path.isdir(f"/proc/self/fd/{handle}")  # noqa: E731
    monkeypatch.setattr(os, "fsync", lambda h: (order.append("folder" if is_folder(h) else "file"), fsync(h))[1])
    monkeypatch.setattr(os, "replace", lambda *paths: (order.append("name"), replace(*paths))[1])
    _files.write(tmp_path / "x.bin", b"new")
    assert order == ["file", "name", "folder"]


def test_a_temporary_name_is_hidden_stands_beside_and_is_this_process_own(tmp_path: Path) -> None:
    found = _files.temporary(tmp_path / "x.bin")
    assert found.parent == tmp_path
    assert found.name == f".x.bin.{os.getpid()}.tmp"


def test_leftovers_go_and_nothing_else_does(tmp_path: Path) -> None:
    kept = ["x.bin", ".x.bin", ".x.bin.tmpx", ".y.bin.7.tmp", "x.bin.7.tmp"]
    for name in (*kept, ".x.bin.7.tmp", ".x.bin.8.tmp"):
        (tmp_path / name).write_text("")
    (tmp_path / ".x.bin.9.tmp").mkdir()
    (tmp_path / ".x.bin.9.tmp" / "inside").write_text("")
    _files.remove_temporaries(tmp_path / "x.bin")
    assert sorted(os.listdir(tmp_path)) == sorted(kept)
    _files.remove_temporaries(tmp_path / "none" / "x.bin")


def test_a_system_error_is_told_with_argument_path_and_reason(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=r"^out: cannot write to there: No space left on device$"),
        _files.told("out", "there"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(FileExistsError, match=r"^a sentence already$"), _files.told("out", tmp_path):
        raise FileExistsError("a sentence already")
    with pytest.raises(KeyError), _files.told("out", tmp_path):
        raise KeyError("no matter of files")


@pytest.mark.parametrize("value", [None, 3, b"run", ["run"]])
def test_a_path_must_be_one(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^folder: expected a path, got "):
        _files.as_path("folder", value)
    assert _files.as_path("folder", "run") == _files.as_path("folder", Path("run")) == Path("run")
