"""The darkness of pixels, from any kind of array and file, and what is no picture."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from numpy_diffusion.data import drawings, pictures


def test_darkness_is_0_where_it_is_white_and_1_where_it_is_black():
    np.testing.assert_array_equal(pictures.darkness([[1.0, 0.0, 0.25]]), [[0.0, 1.0, 0.75]])
    found = pictures.darkness(np.array([[255, 0, 51]], np.uint8))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [[0.0, 1.0, 0.8]], rtol=1e-15)


def test_kinds_of_array_that_show_the_same_picture_are_equally_dark():
    gray = np.arange(0, 255, 17, dtype=np.uint8).reshape(3, 5)
    dark = pictures.darkness(gray)
    np.testing.assert_array_equal(pictures.darkness(gray / 255.0), dark)
    rgb = np.stack([gray] * 3, axis=2)
    np.testing.assert_allclose(pictures.darkness(rgb), dark, rtol=1e-15)  # colour weights sum to 1 up to rounding
    opaque = np.full((3, 5, 1), 255, np.uint8)
    np.testing.assert_allclose(pictures.darkness(np.concatenate([rgb, opaque], axis=2)), dark, rtol=1e-15)


def test_white_of_any_colour_is_exactly_0():
    for channels in (3, 4):
        assert (pictures.darkness(np.ones((2, 2, channels))) == 0.0).all()


def test_transparent_is_white():
    image = np.zeros((1, 3, 4))
    image[0, 1:, 3] = 1.0, 0.25  # all black, the left one transparent, the right one nearly
    np.testing.assert_allclose(pictures.darkness(image), [[0.0, 1.0, 0.25]], rtol=1e-15)


def test_green_is_lighter_than_red_and_red_than_blue():
    image = np.eye(3)[None]
    np.testing.assert_allclose(pictures.darkness(image), [[1.0 - 0.299, 1.0 - 0.587, 1.0 - 0.114]], rtol=1e-15)


def half_black(mode):
    """Left half black, right half white."""
    image = Image.new("L", (8, 4), 255)
    image.paste(0, (0, 0, 4, 4))
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_png_of_any_mode(tmp_path, mode):
    image = half_black("RGB" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(half_black("L"), dtype=np.uint16) * 257)
    image.save(tmp_path / "x.png")
    dark = pictures.darkness(str(tmp_path / "x.png"))
    np.testing.assert_allclose(dark, pictures.darkness(np.asarray(half_black("L"))), atol=1e-15)


def test_photo_is_turned_as_the_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    half_black("L").save(tmp_path / "x.jpg", exif=exif, quality=100)
    dark = pictures.darkness(tmp_path / "x.jpg")  # JPEG grays the border between the halves a little
    np.testing.assert_allclose(dark, np.tile([0.0] * 4 + [1.0] * 4, (4, 1)), atol=0.1)


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "empty", "truncated", "altered"])
def test_unreadable_picture_is_one_sentence(tmp_path, kind):
    path = tmp_path / "picture.png"
    Image.fromarray(drawings.tank(64)).save(path)
    content = path.read_bytes()
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        altered = content[:60] + bytes([content[60] ^ 0xFF]) + content[61:]
        kinds = {"text": b"no picture", "empty": b"", "truncated": content[: len(content) // 2], "altered": altered}
        path.write_bytes(kinds[kind])
    with pytest.raises(OSError, match=r"^image: cannot read a picture from '.*picture\.png': .+") as error:
        pictures.darkness(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((0, 4)), "empty"),
        (np.zeros(4), "at least 2 axes"),
        (np.zeros((4, 4, 2)), "expected shape"),
        (np.zeros((4, 4, 3, 1)), "expected shape"),
        (np.full((4, 4), np.nan), "finite"),
        (np.full((4, 4), np.inf), "finite"),
        (np.full((4, 4), 1.5), r"0\.\.1"),
        (np.full((4, 4), -0.1), r"0\.\.1"),
        (np.zeros((4, 4), np.int64), "uint8"),
        (np.zeros((4, 4), bool), "bool"),
        (np.zeros((4, 4), complex), "complex"),
        ([[0.0], [0.0, 1.0]], "array of real numbers"),
        (None, "object"),
        (b"picture.png", "dtype"),
    ],
)
def test_bad_image(image, message):
    with pytest.raises(ValueError, match=rf"^image: .*{message}"):
        pictures.darkness(image)


def test_pillow_is_imported_only_when_a_file_is_read():
    code = "import sys, numpy_diffusion.data.pictures as p; p.darkness([[0.5]]); sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("values", [[[0.0, 0.25], [0.5, 1.0]], [[0.25, 0.5], [0.5, 0.75]]])
def test_a_tiff_of_floats_is_gray_from_0_to_1(tmp_path, values):
    Image.fromarray(np.array(values, np.float32)).save(tmp_path / "x.tif")
    np.testing.assert_allclose(pictures.darkness(tmp_path / "x.tif"), 1.0 - np.array(values), rtol=1e-7)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (np.float32([[0.0, 255.0]]), r"expected gray in 0\.\.1, black to white, got 0\.\.255"),
        (np.float32([[-1.0, 1.0]]), r"expected gray in 0\.\.1, black to white, got -1\.\.1"),
        (np.float32([[0.5, np.nan]]), r"expected gray in 0\.\.1, black to white, got nan"),
        (np.int32([[0, 70_000]]), r"expected gray in 0\.\.65535, black to white, got 0\.\.70000"),
    ],
)
def test_a_tiff_of_other_numbers_is_refused_and_not_cut_off(tmp_path, values, sentence):
    Image.fromarray(values).save(tmp_path / "x.tif")
    with pytest.raises(OSError, match=rf"cannot read a picture from .*x\.tif': {sentence}"):
        pictures.darkness(tmp_path / "x.tif")
