"""What is kept of a folder's weights for the kernels: the same to the bit, and left aside if it is not of today."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
import pytest
from checks.diffusers_folders import example

from numpy_diffusion.interop.diffusers import files, layouts, safetensors_files, unets
from numpy_diffusion.kernels.vector import registers
from numpy_diffusion.networks.unet.unet import UNet

X = np.random.default_rng(1).normal(size=(2, 1, 4, 4)).astype(np.float32)
EXPECTED = example()(X, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A network's, with what is kept of it."""
    unets.write(example(), tmp_path / "unet")
    unets.keep(tmp_path / "unet")
    return tmp_path / "unet"


def opened(folder: Path) -> UNet:
    """Without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return unets.read(folder)


def left_aside(folder: Path) -> None:
    """With one sentence that names the file, and the same answers."""
    with pytest.warns(
        UserWarning, match=r"expected the layout of today's .*nd\.keep_layouts makes it anew$"
    ) as found:
        model = unets.read(folder)
    assert str(folder / layouts.FILE) in str(found[0].message)
    assert model._laid_out is None
    np.testing.assert_array_equal(model(X, 3), EXPECTED)


def test_what_is_kept_gives_the_same_bits_and_is_not_made_again(folder: Path) -> None:
    model = opened(folder)
    kept = model._laid_out
    assert kept is not None
    assert kept.laid_out.ctypes.data % layouts.A_LINE == 0
    np.testing.assert_array_equal(model(X, 3), EXPECTED)
    assert model._laid_out is kept
    model.params["conv_out.bias"][:] += 1.0  # whoever writes to the weights has others, and the files do not change
    np.testing.assert_allclose(model(X, 3), EXPECTED + 1.0, atol=1e-5)
    np.testing.assert_array_equal(opened(folder)(X, 3), EXPECTED)


def test_what_was_found_finite_is_looked_through_again_only_if_somebody_wrote_to_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    real = layouts.all_finite

    def noted(file: BinaryIO, start: int, dtype: np.dtype) -> bool:
        looked.append(Path(file.name).name)
        return real(file, start, dtype)

    monkeypatch.setattr(layouts, "all_finite", noted)
    monkeypatch.setattr(safetensors_files, "all_finite", noted)
    opened(folder)
    assert looked == []
    (folder / layouts.FILE).touch()
    np.testing.assert_array_equal(opened(folder)(X, 3), EXPECTED)
    assert looked == [layouts.FILE]
    unets.keep(folder)
    assert looked == [layouts.FILE, files.WEIGHTS]
    opened(folder)
    assert looked == [layouts.FILE, files.WEIGHTS]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    shutil.copy(path.parent / files.WEIGHTS, path)


def not_a_number(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4] + np.float32(np.nan).tobytes())


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [cut, longer, empty, foreign, not_a_number, a_folder])
def test_what_was_cut_or_altered_is_left_aside(spoil: Callable[[Path], None], folder: Path) -> None:
    spoil(folder / layouts.FILE)
    left_aside(folder)


def test_what_is_of_other_weights_is_left_aside_until_it_is_made_anew(folder: Path) -> None:
    weights = folder / files.WEIGHTS
    time = weights.stat().st_mtime_ns
    os.utime(weights, ns=(time, time + 1))
    left_aside(folder)
    unets.keep(folder)
    np.testing.assert_array_equal(opened(folder)(X, 3), EXPECTED)


@pytest.mark.parametrize(
    ("where", "name", "other"), [(layouts, "__version__", "0.0.1"), (registers, "register_bits", lambda: 64)]
)
def test_what_is_of_another_version_or_processor_is_left_aside(
    where: ModuleType, name: str, other: object, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, other)
    left_aside(folder)


def test_other_weights_written_over_the_old_ones_have_nothing_kept(folder: Path) -> None:
    other = example()
    other.buffer[:] *= 0.5
    unets.write(other, folder)
    assert not (folder / layouts.FILE).exists()
    np.testing.assert_array_equal(opened(folder)(X, 3), other(X, 3))


def test_weights_that_come_while_others_are_laid_out_have_nothing_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, real = example(), layouts.write
    other.buffer[:] *= 0.5

    def late(*arguments: Any) -> None:
        unets.write(other, folder)
        real(*arguments)

    monkeypatch.setattr(layouts, "write", late)
    unets.keep(folder)
    with pytest.warns(UserWarning, match="expected the layout of today's"):
        model = unets.read(folder)
    np.testing.assert_array_equal(model(X, 3), other(X, 3))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever may do anything may write there")
def test_a_folder_that_cannot_be_written_to_is_one_sentence(folder: Path) -> None:
    layouts.remove(folder)
    folder.chmod(0o555)
    try:
        with pytest.raises(OSError, match=r"^folder: cannot write to .*Permission denied$"):
            unets.keep(folder)
        np.testing.assert_array_equal(opened(folder)(X, 3), EXPECTED)
    finally:
        folder.chmod(0o755)


def test_a_place_that_cannot_be_written_leaves_the_folder_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    before = sorted(folder.iterdir())
    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(OSError, match=r"^folder: cannot write to .*: Permission denied$"):
        unets.keep(folder)
    assert sorted(folder.iterdir()) == [path for path in before if path.name != layouts.FILE]
    np.testing.assert_array_equal(opened(folder)(X, 3), EXPECTED)
