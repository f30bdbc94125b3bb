"""Files that appear whole or not at all, whatever stops the writing, and the sentence that says what did."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from numpy_diffusion import _files


@pytest.mark.parametrize("value", ["a/b", Path("a/b")])
def test_a_path_is_taken_as_text_or_as_a_path(value: Any) -> None:
    assert _files.as_path("out", value) == Path("a/b")


def test_the_home_is_where_the_user_is_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _files.as_path("out", "~/runs") == tmp_path / "runs"
    assert _files.as_path("out", Path("~/runs")) == tmp_path / "runs"
    for other in ("a/~", "~no such user/a"):
        assert _files.as_path("out", other) == Path(other)


@pytest.mark.parametrize("value", [None, 3, b"a/b", ["a"]])
def test_what_is_no_path_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^out: expected a path, got {type(value).__name__} "):
        _files.as_path("out", value)


def test_a_file_has_what_was_written_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"old", b"", b"new" * 10_000):
        _files.write(path, content)
        assert path.read_bytes() == content
        assert list(tmp_path.iterdir()) == [path]


def test_parts_are_written_as_they_come_and_show_when_all_are_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def parts(fail: bool) -> Iterator[bytes]:
        yield b"ne"
        assert path.read_bytes() == b"old"
        if fail:
            raise RuntimeError
        yield b"w"

    with pytest.raises(RuntimeError):
        _files.write_parts(path, parts(True))
    assert path.read_bytes() == b"old"
    _files.write_parts(path, parts(False))
    assert path.read_bytes() == b"new"


def test_a_file_has_the_time_that_is_asked_for_or_else_the_present(tmp_path: Path) -> None:
    path, before = tmp_path / "file", 1_000_000_000_123_456_700
    _files.write_parts(path, [b"old"], before)
    assert path.stat().st_mtime_ns == before
    _files.write_parts(path, [b"new"])
    assert path.stat().st_mtime_ns > before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_a_file_is_the_old_one_where_writing_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*_: Any) -> None:
        assert path.read_bytes() == b"old"
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        _files.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_on_the_disk_before_it_has_the_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def recorded_fsync(handle: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def recorded_replace(old: Any, new: Any) -> None:
        calls.append("name")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    _files.write(tmp_path / "file", b"new")
    assert calls == ["file", "name", "folder"]


def test_temporary_names_are_this_thread_s_own_and_those_of_dead_processes_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert _files.temporary(path) == tmp_path / f".run.{os.getpid()}.{threading.get_ident()}.tmp"
    assert _files.is_temporary(_files.temporary(path), path)
    (tmp_path / ".run.1.tmp").write_text("left")
    (tmp_path / ".run.2.tmp").mkdir()
    (tmp_path / ".run.2.tmp" / "weights").write_text("left")
    others = [tmp_path / name for name in ("run", ".other.1.tmp", ".run.1", "run.1.tmp")]
    for other in others:
        other.write_text("kept")
    _files.remove_temporaries(path)
    assert sorted(tmp_path.iterdir()) == sorted(others)
    _files.remove_temporaries(tmp_path / "no" / "folder")  # nothing to remove


def test_who_is_at_work_in_a_folder_keeps_others_out_until_it_is_done(tmp_path: Path) -> None:
    """flock counts handles and not processes: what holds for two of them here holds for two processes."""
    expected = rf"^out: expected a folder to work in alone, but another process or thread is at work in {tmp_path}$"
    with (
        _files.at_work_in("out", tmp_path),
        pytest.raises(BlockingIOError, match=expected),
        _files.at_work_in("out", tmp_path),
    ):
        pytest.fail("two at work at once")
    with _files.at_work_in("out", tmp_path), _files.at_work_in("out", tmp_path.parent):
        assert list(tmp_path.iterdir()) == []


def test_a_disk_without_locks_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unknown)
    with _files.at_work_in("out", tmp_path), _files.at_work_in("out", tmp_path):
        pass


def test_what_another_is_building_is_left_to_it(tmp_path: Path) -> None:
    building = tmp_path / ".run.2.tmp"
    building.mkdir()
    with _files.at_work_in("out", building):
        _files.remove_temporaries(tmp_path / "run")
        assert building.is_dir()
    _files.remove_temporaries(tmp_path / "run")
    assert not building.exists()


def test_a_file_that_a_living_process_builds_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, replace = tmp_path / "file", os.replace

    def parts() -> Iterator[bytes]:
        yield b"one "
        _files.remove_temporaries(path)  # as another process does
        yield b"two"

    def late(old: Any, new: Any) -> None:
        _files.remove_temporaries(path)
        replace(old, new)

    monkeypatch.setattr(os, "replace", late)
    _files.write_parts(path, parts())
    assert path.read_bytes() == b"one two"
    assert list(tmp_path.iterdir()) == [path]


def test_two_threads_that_write_a_file_at_once_leave_it_whole(tmp_path: Path) -> None:
    path, met = tmp_path / "file", threading.Barrier(2, timeout=20)

    def parts(content: bytes) -> Iterator[bytes]:
        yield content
        met.wait()
        yield content

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda content: _files.write_parts(path, parts(content)), [b"one", b"two"]))
    assert path.read_bytes() in (b"oneone", b"twotwo")
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_the_system_names_argument_path_and_reason(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with (
        pytest.raises(OSError, match=rf"^out: cannot write to {path}: Not a directory$") as error,
        _files.os_errors_about("out", path),
    ):
        raise NotADirectoryError(20, os.strerror(20), str(path))
    assert isinstance(error.value.__cause__, NotADirectoryError)


def test_a_sentence_and_what_is_no_error_of_the_system_pass(tmp_path: Path) -> None:
    for error in (OSError("run: expected a folder"), ValueError("seed: expected"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as raised, _files.os_errors_about("out", tmp_path):
            raise error
        assert raised.value is error
