"""What the command line takes for data: names, tables, pictures and folders, and one sentence for all else."""

from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from numpy_diffusion.cli import sources
from numpy_diffusion.data import datasets, image_datasets

TABLE_TEXT = "a,b\n0.5,-1.25\n3,4\n1e-3,7\n"
TABLE = np.array([[0.5, -1.25], [3.0, 4.0], [1e-3, 7.0]], np.float32)


@pytest.mark.parametrize("name", datasets.BY_NAME)
def test_a_name_is_a_data_set(name, tmp_path, monkeypatch):
    np.testing.assert_array_equal(sources.points(name, 20, 3), datasets.BY_NAME[name](20, 3))
    monkeypatch.chdir(tmp_path)
    assert sources.lasting(name) == name
    if (image := sources.picture(name)) is not None:
        np.testing.assert_array_equal(datasets.from_image(image, 20, 3), sources.points(name, 20, 3))
    assert (image is not None) == (name in ("airplane", "tank", "spiral_image"))


@pytest.mark.parametrize(
    "content",
    [
        "0.5,-1.25\n3,4\n1e-3,7\n",
        "x,y\n0.5,-1.25\n3,4\n1e-3,7",
        "\ufeff0.5,-1.25\r\n3,4\r\n1e-3,7\r\n",
        "# x, y\n\n0.5, -1.25\n3, 4\n1e-3, 7 # last\n",
    ],
)
def test_a_csv_file_has_one_point_a_row_and_maybe_a_header(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content.encode())
    np.testing.assert_array_equal(sources.points(str(tmp_path / "x.csv"), 1, 0), TABLE)


def test_one_column_is_one_coordinate(tmp_path):
    (tmp_path / "x.csv").write_text("x\n1\n2\n")
    assert sources.points(str(tmp_path / "x.csv"), 1, 0).tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_a_npy_file_holds_the_points(tmp_path, dtype):
    np.save(tmp_path / "x.npy", TABLE.astype(dtype))
    found = sources.points(str(tmp_path / "x.npy"), 1, 0)
    np.testing.assert_array_equal(found, TABLE.astype(dtype).astype(np.float32))
    assert found.dtype == np.float32
    assert sources.picture(str(tmp_path / "x.npy")) is None


def test_any_other_file_is_a_picture(tmp_path, monkeypatch):
    Image.fromarray(np.array([[0, 255], [128, 255]], np.uint8)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(
        sources.points("photo.png", 50, 2), datasets.from_image(tmp_path / "photo.png", 50, 2)
    )
    assert sources.picture("photo.png") == "photo.png"
    assert sources.lasting("photo.png") == str(tmp_path / "photo.png")


def header(text: str) -> bytes:
    """A .npy file of nothing but a header."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def archive(**arrays: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def test_any_table_is_read_whatever_its_name_ends_in(tmp_path):
    texts = {separator: TABLE_TEXT.replace(",", separator).encode() for separator in (",", "\t", " ")}
    for name, content in {
        "x.CSV": texts[","],
        "x.tsv": texts["\t"],
        "a.txt": texts[","],
        "b.txt": texts["\t"],
        "c.txt": texts[" "],
        "x.csv.gz": gzip.compress(texts[","]),
        "X.TSV.GZ": gzip.compress(texts["\t"]),
        "x.npz": archive(points=TABLE),
    }.items():
        (tmp_path / name).write_bytes(content)
        np.testing.assert_array_equal(sources.points(str(tmp_path / name), 1, 0), TABLE, name)
        assert sources.is_whole(str(tmp_path / name))
        assert sources.header(str(tmp_path / name)) == (None if name == "x.npz" else ["a", "b"])


def test_a_picture_is_one_whatever_its_name_ends_in(tmp_path):
    Image.fromarray(np.array([[0, 255], [128, 255]], np.uint8)).save(tmp_path / "x.png")
    expected = sources.points(str(tmp_path / "x.png"), 50, 2)
    (tmp_path / "x.png").rename(tmp_path / "x.scan")
    np.testing.assert_array_equal(sources.points(str(tmp_path / "x.scan"), 50, 2), expected)


class Planted:
    """Writes a file when it is unpickled."""

    def __reduce__(self):
        return open, ("unpickled", "w")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("x.npy", b"", "expected numbers in"),
        ("x.npy", b"\x93NUMPY", "expected numbers in"),
        ("x.npy", b"hello, world", "expected numbers in"),
        ("x.npy", header("{'descr':"), "expected numbers in"),
        ("x.npy", header("[" * 400), "expected numbers in"),
        ("x.npy", header("{'descr': '<f4', 'fortran_order': False, 'shape': (3, -2)}"), "expected"),
        ("x.npy", header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000, 2)}"), "expected"),
        ("x.npy", TABLE, r"expected numbers in .*x\.npy, one point a row: "),
        ("x.npy", np.array([Planted()]), "expected numbers in .*pickle"),
        ("x.npy", np.array(["a", "b"]), "expected real numbers, got dtype"),
        ("x.npy", np.zeros(3), r"expected shape \[.*\], got \[3\]"),
        ("x.npy", np.zeros((0, 2)), "expected at least one value"),
        ("x.npy", np.full((3, 2), np.nan), "expected finite values"),
        ("x.csv", b"", "expected numbers in"),
        ("x.csv", b"x,y\n", "expected numbers in .*: no row has any$"),
        ("x.csv", b"\n# empty\n", "expected numbers in .*: no row has any$"),
        ("x.csv", b"1,2\n3\n", "expected numbers in"),
        ("x.csv", b"1,2\n3,four\n", "expected numbers in"),
        ("x.csv", b"x,y\n1,nan\n", "expected finite values"),
        ("x.csv", bytes(range(128, 256)), "expected numbers in"),
        ("x.png", b"", "image: cannot read a picture"),
        ("x.jpeg", b"PK", "image: cannot read a picture"),
        ("x.docx", b"PK", r"--data: expected a table \(\.npy, .*\) or a picture, got .*, which is neither"),
        ("x.parquet", b"PAR1", "which is neither"),
        ("x.tsv", b"1\t2\n3\n", "expected numbers in"),
        ("x.csv.gz", b"1,2\n", r"expected numbers in|cannot read .*Not a gzipped file"),
        ("x.csv.gz", gzip.compress(b"1,2\n3,4\n" * 9)[:-9], r"expected numbers in .*ended before"),
        ("x.csv.gz", gzip.compress(b"")[:4] + b"\xff" * 30, "expected numbers in|cannot read"),
        ("x.npz", b"PK", "expected numbers in"),
        ("x.npz", archive(), "expected numbers in .*expected, got none"),
        ("x.npz", archive(a=TABLE, b=TABLE), "expected numbers in .*expected, got a, b"),
        ("x.npz", archive(a=TABLE)[:-30], "expected numbers in"),
        ("x.npz", archive(a=np.array([{}])), "expected numbers in .*pickle"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, monkeypatch, name, content, sentence):
    monkeypatch.chdir(tmp_path)
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        np.save(tmp_path / name, content, allow_pickle=True)
        if content is TABLE:
            (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-4])
    with pytest.raises((ValueError, OSError), match=sentence) as caught:
        sources.points(str(tmp_path / name), 10, 0)
    assert name in str(caught.value)
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("source", ["no/such.npy", "no/such.csv", "no/such.png"])
def test_missing_files_are_an_os_error_that_names_them(source):
    with pytest.raises(OSError, match=r"cannot read .*such.*No such file or directory"):
        sources.points(source, 10, 0)


@pytest.mark.parametrize("source", [None, "spirale", "", "runs/spiral"])
def test_unknown_names_are_told_the_known_ones(source):
    with pytest.raises(ValueError, match=r"^--data: expected spiral, .*\.npy, \.npz, \.csv, .*; got "):
        sources.points(source, 10, 0)


def load(data: Any, **changes: Any) -> sources.Data:
    return sources.load(**dict(data=data, n=20, seed=3, size=8, colour=False) | changes)


@pytest.mark.parametrize("name", ["spiral", "x.npy", "x.png"])
def test_points_are_loaded_as_they_are_drawn(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", TABLE)
    Image.fromarray(np.array([[0, 255], [128, 255]], np.uint8)).save("x.png")
    found = load(name)
    np.testing.assert_array_equal(found.x0, sources.points(name, 20, 3))
    assert (found.labels, found.classes) == (None, 0)
    assert sources.is_whole(name) == (name == "x.npy")


def test_a_name_is_a_set_of_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenes").mkdir()  # the name wins
    found, expected = load("scenes"), image_datasets.scenes(20, 3)
    np.testing.assert_array_equal(found.x0, expected.x0)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.classes == 3
    digits = load("digits")
    assert (digits.x0.shape, digits.classes) == ((1797, 1, 8, 8), 10)
    assert [sources.lasting(name) for name in image_datasets.BY_NAME] == list(image_datasets.BY_NAME)
    assert [name for name in image_datasets.BY_NAME if not sources.is_whole(name)] == ["scenes"]


def test_a_folder_is_a_set_of_images_and_its_subfolders_are_classes(tmp_path, monkeypatch):
    for number, name in enumerate(("cats", "dogs", "dogs")):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.new("RGB", (9, 9), (100 * number, 0, 0)).save(tmp_path / name / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    found = load(".", size=4, colour=True)
    assert found.x0.shape == (3, 3, 4, 4)
    assert found.labels.tolist() == [0, 1, 1]
    assert found.classes == 2
    one = load("dogs")
    assert one.x0.shape == (2, 1, 8, 8)
    assert (one.labels, one.classes) == (None, 0)
    assert sources.lasting("dogs") == str(tmp_path / "dogs")
    assert sources.is_whole("dogs")


@pytest.mark.parametrize("source", [None, "spirale", "no/such/"])
def test_what_is_neither_is_told_both(source):
    with pytest.raises(
        ValueError, match=r"^--data: expected spiral, .* or images: digits, mnist, scenes, or a folder"
    ):
        load(source)


def test_the_header_of_a_table_is_told_if_there_is_one(tmp_path):
    table = tmp_path / "x.csv"
    for text, names in {
        '# of 1883\nheight, "weight"\n1,2\n': ["height", "weight"],
        "1,2\n3,4\n": None,
        "": None,
    }.items():
        table.write_text(text)
        assert sources.header(str(table)) == names
    assert sources.header("spiral") is None
    assert sources.header("x.npy") is None
    assert sources.header("missing.csv") is None
    table.write_bytes(b"\xff,b\n1,2\n")
    assert sources.header(str(table)) is None


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"; got 'spirall'; did you mean 'spiral'\?$"):
        sources.load("spirall", 10, 0, 32, False)
