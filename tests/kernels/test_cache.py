"""Numba's cache is a help and no condition: nowhere to write, a full disk, files that were cut, kernels of others."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from numba import config
from numba.core import event
from numba.core.caching import IndexDataCacheFile

from numpy_diffusion.kernels import _cache

KERNEL = "from numpy_diffusion.kernels._jit import jit\n\n\n@jit\ndef doubled(x):\n    return 2 * x\n"
PACKAGE = Path(_cache.__file__).parents[1]


class Compilations(event.Listener):
    """How many there were."""

    count = 0

    def on_start(self, event: Any) -> None:
        self.count += 1

    def on_end(self, event: Any) -> None:
        pass


@pytest.fixture
def compilations() -> Iterator[Compilations]:
    with event.install_listener("numba:compile", Compilations()) as listener:
        yield listener


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """A kernel as a new process has it; its cache is in tmp_path / "cache", which `cache_of` looks into."""
    (tmp_path / "kernel.py").write_text(KERNEL)
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(_cache, "_told", set())

    def load() -> Any:
        spec = importlib.util.spec_from_file_location("kernel_of_a_test", tmp_path / "kernel.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.doubled

    return load


def only(folder: Path, ending: str) -> Path:
    (path,) = folder.glob(f"cache/*/*{ending}")
    return path


def full(*_: Any) -> None:
    raise OSError(28, os.strerror(28))


def not_writable(*_: Any, **__: Any) -> None:
    raise OSError(30, os.strerror(30))


def test_a_second_process_reads_what_the_first_has_compiled(
    fresh: Callable[[], Any], compilations: Compilations
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fresh()(3) == 6
        assert compilations.count == 1
        assert fresh()(3) == 6
    assert compilations.count == 1


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize(
    "content", [b"", b"0.1", b"\x80\x04cno\nsuch\n.", None], ids=["empty", "text", "name", "cut"]
)
def test_a_file_that_was_cut_is_named_and_made_anew(
    tmp_path: Path, fresh: Callable[[], Any], compilations: Compilations, ending: str, content: bytes | None
) -> None:
    fresh()(3)
    path = only(tmp_path, ending)
    path.write_bytes(path.read_bytes()[:-9] if content is None else content)
    with pytest.warns(UserWarning, match=rf"^{only(tmp_path, 'nbi')}: expected kernels in Numba's cache, got "):
        assert fresh()(3) == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fresh()(3) == 6
    assert compilations.count == 2


@pytest.mark.parametrize("step", ["_save_index", "_save_data"])
def test_a_full_disk_does_not_end_the_run(
    fresh: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(IndexDataCacheFile, step, full)
    kernel = fresh()
    with pytest.warns(UserWarning, match="compiled kernels cannot be kept here .No space left on device.: set "):
        assert kernel(3) == 6
    assert kernel(3) == 6


def test_where_nothing_can_be_written_it_runs_with_one_warning(
    fresh: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, compilations: Compilations
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", not_writable)
    monkeypatch.setattr(os, "makedirs", not_writable)
    with pytest.warns(UserWarning, match=r"no folder for them can be written: set NUMBA_CACHE_DIR") as told:
        assert [kernel(3) for kernel in (fresh(), fresh())] == [6, 6]
    assert len(told) == 1
    assert compilations.count == 2


def test_what_can_be_read_but_not_written_is_read(
    fresh: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, compilations: Compilations
) -> None:
    """Kernels in the image of a container, compiled by root and used by another."""
    fresh()(3)
    monkeypatch.setattr(tempfile, "TemporaryFile", not_writable)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fresh()(3) == 6
    assert compilations.count == 1


@pytest.mark.parametrize(
    "other", [{"_sources": lambda: "other"}, {"VECTOR": 1}, {"TILES": None}], ids=["sources", "registers", "tiles"]
)
def test_what_was_compiled_from_other_sources_is_not_taken(
    fresh: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, compilations: Compilations, other: dict[str, Any]
) -> None:
    fresh()(3)
    for name, value in other.items():
        monkeypatch.setattr(_cache, name, value)
    fresh()(3)
    assert compilations.count == 2


def test_the_sources_are_all_files_of_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(PACKAGE / "kernels", tmp_path / "kernels")
    monkeypatch.setattr(_cache, "__file__", str(tmp_path / "kernels" / "_cache.py"))
    digest = _cache._sources.__wrapped__
    before = digest()
    assert digest() == before
    with open(tmp_path / "kernels" / "layers" / "conv.py", "a") as file:
        file.write("# more\n")
    assert digest() != before


def test_the_package_of_another_user_without_a_home_works(tmp_path: Path) -> None:
    """Installed where nothing may be written; root may write everywhere, so that files stand in folders' places."""
    package = tmp_path / "site" / "numpy_diffusion"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").write_text("")
    (tmp_path / "home").write_text("")
    home = {name: str(tmp_path / "home") for name in ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    environment = os.environ | home | {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600
        )

    version = run("-m", "numpy_diffusion", "--version")
    assert (version.returncode, version.stderr) == (0, "")
    code = "from numpy_diffusion.kernels.threads import share; print(share(9, 1, 3), share(9.0, 1, 3))"
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(3, 6) (3.0, 6.0)")
    assert done.stderr.count("kernels are compiled anew in each process") == 1
