"""Tables as people and programs write them: what is read, and what is refused in words that name row and cause."""

from __future__ import annotations

import gzip
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numpy_diffusion.cli import sources, tables

VALUES = [[1.5, -2.0], [3.0, 4.25], [0.125, 7.5]]
COMMA = "1.5,-2\n3,4.25\n0.125,7.5\n"


def read(folder: Path, text: str, encoding: str = "utf-8", **form: str) -> tables.Table:
    (folder / "x.csv").write_bytes(text.encode(encoding))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return tables.read(folder / "x.csv", **form)


@pytest.mark.parametrize(
    ("text", "names", "form"),
    [
        (COMMA, None, {}),
        ("x,y\n" + COMMA, ["x", "y"], {}),
        ('"x, in m","y"\n"1.5","-2"\n3,4.25\n0.125,7.5', ["x, in m", "y"], {}),
        ("# made by hand\nx #1, y #2\n".replace(" #", "#") + COMMA, ["x#1", "y#2"], {}),
        (COMMA.replace(",", ", ").replace("\n", "\r\n"), None, {}),
        (COMMA.replace("\n", "\r"), None, {}),
        ("x;y\n" + COMMA.replace(",", ";"), ["x", "y"], {"separator": ";"}),
        ("x;y\n" + COMMA.replace(",", ";").replace(".", ","), ["x", "y"], {"separator": ";", "decimal": ","}),
        ("x\ty\n" + COMMA.replace(",", "\t"), ["x", "y"], {"separator": "tab"}),
        (COMMA.replace(",", "\t").replace(".", ","), None, {"separator": "\t", "decimal": ","}),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_are_read(tmp_path: Path, text: str, names: Any, form: dict[str, str], encoding: str) -> None:
    found = read(tmp_path, text, encoding, **form)
    assert found.values.tolist() == VALUES
    assert found.names == names


BLANK, TAB = COMMA.replace(",", "  "), COMMA.replace(",", "\t")


@pytest.mark.parametrize(
    ("name", "text", "names", "form"),
    [
        ("x.CSV", "a,b\n" + COMMA, ["a", "b"], {}),
        ("x.tsv", "a\tb\n" + TAB, ["a", "b"], {}),
        ("x.tsv", COMMA, None, {"separator": ","}),
        ("x.tsv", TAB.replace(".", ","), None, {"decimal": ","}),
        ("x.txt", COMMA, None, {}),
        ("x.txt", '# two\n\n "in m"\tb\n' + BLANK, ["in m", "b"], {}),
        ("x.txt", BLANK.replace("\n", " \n ").replace(".", ","), None, {"decimal": ","}),
        ("x.txt", COMMA.replace(",", ";"), None, {"separator": ";"}),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_ending_says_what_separates_unless_it_is_told(
    tmp_path: Path, name: str, text: str, names: Any, form: dict[str, str], packed: bool
) -> None:
    path = tmp_path / f"{name}{'.GZ' * packed}"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert tables.is_text(path)
    found = tables.read(path, **form)
    assert (found.values.tolist(), found.names) == (VALUES, names)


@pytest.mark.parametrize("name", ["x.npy", "x.NPZ", "x.csv.zip", "x.gz", "x.npz.gz", "csv", ""])
def test_no_other_name_is_that_of_a_text(name: str) -> None:
    assert not tables.is_text(name)


def test_arrays_of_numpy_are_taken_as_they_are(tmp_path: Path) -> None:
    values = np.array(VALUES, np.float16)
    np.save(tmp_path / "x.npy", values)
    np.savez(tmp_path / "x.npz", points=values)
    for name in ("x.npy", "x.npz"):
        found = tables.read(tmp_path / name)
        np.testing.assert_array_equal(found.values, values)
        assert (found.values.dtype, found.names) == (np.float16, None)


def test_what_the_ending_does_not_say_is_told(tmp_path: Path) -> None:
    for name, text, sentence in (
        ("x.txt", "x;y\n1;2\n", "row 2, column 1: expected a number, got '1;2'; --separator ';' splits there"),
        ("x.tsv", "x,y\n1,2\n", "row 2, column 1: expected a number, got '1,2': --decimal , reads a decimal comma"),
        ("x.csv", "x\n1\n" + "1" * 200_000, "row 3: field larger than field limit (131072)"),
        ("x.csv.gz", COMMA, "Not a gzipped file (b'1.')"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
            tables.read(tmp_path / name)


def test_numbers_are_float64_to_the_last_bit(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(50, 2)) * [1e-9, 1e200]
    found = read(tmp_path, "\n".join(",".join(map(repr, row)) for row in numbers.tolist()))
    np.testing.assert_array_equal(found.values, numbers)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1.0,NA\n2,3\n", "row 1, column 2: expected a number, got 'NA'"),
        ("x,y\n1,2\n#N/A,3\n", "row 3, column 1: expected a number, got '#N/A'"),
        ("x,y\n1,2\n3,#DIV/0!\n", "row 3, column 2: expected a number, got '#DIV/0!'"),
        ("# one\n\n\nx,y\n1,2\n3,four\n", "row 6, column 2: expected a number, got 'four'"),
        ("x,y\r\n\r\n1,2\r\n3,\r\n", "row 4, column 2: expected a number, got ''"),
        ("x\n1,5\n2,5\n", "row 1 has 1 cell, and row 2 has 2 cells: a comma for decimals or thousands splits"),
        ("x,y\n1,234,5\n2,345,6\n", "row 1 has 2 cells, and row 2 has 3 cells: a comma for decimals or thousands"),
        ("1,2\n3\n", "row 2 has 1 cell, and row 1 has 2 cells"),
        ("x;y\n1;2\n", "row 2, column 1: expected a number, got '1;2'; --separator ';' splits there"),
        ("x;y\n1,5;2,5\n", "row 1 has 1 cell, and row 2 has 3 cells; --separator ';' splits there"),
        ("x\ty\n1\t2\n", "row 2, column 1: expected a number, got '1\\t2'; --separator tab splits there"),
        ('x,y\n"1,5",2\n', "row 2, column 1: expected a number, got '1,5': --decimal , reads a decimal comma"),
        ('x,y\n"1,234,567",2\n', "row 2, column 1: .* got '1,234,567': a comma for thousands is to be taken out"),
        ('x,y\n"1,234",2\n', "row 2, column 1: .*: --decimal , reads .*; a comma for thousands is to be taken out"),
        ("x,y\n1_000,2\n", "row 2, column 1: expected a number, got '1_000'"),
        ("x,y\n", "no row has any"),
        ("", "no row has any"),
    ],
)
def test_what_cannot_be_told_is_said_with_its_row_as_an_editor_counts(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence).replace(r"\.\*", ".*")):
        read(tmp_path, text)


def test_a_first_row_of_decimal_commas_alone_is_no_header(tmp_path: Path) -> None:
    found = read(tmp_path, "1,5;2,5\n3,5;4,5\n", separator=";", decimal=",")
    assert found.names is None
    np.testing.assert_array_equal(found.values, [[1.5, 2.5], [3.5, 4.5]])


def test_a_decimal_point_is_none_where_the_comma_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"row 1, column 2: expected a number, got '2\.500'"):
        read(tmp_path, "1,5;2.500\n", separator=";", decimal=",")
    for form, sentence in {("|", "."): "--separator: ", (",", ","): "--decimal: ", (",", "x"): "--decimal: "}.items():
        with pytest.raises(ValueError, match=f"^{sentence}expected "):
            read(tmp_path, COMMA, separator=form[0], decimal=form[1])
    with pytest.raises(ValueError, match=r"^--separator: expected "):
        sources.points(str(tmp_path / "x.csv"), 1, 0, separator="|")


def test_other_bytes_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected text in UTF-8 or UTF-16, got other bytes at 6"):
        read(tmp_path, "x,Größe\n1,2\n".replace("ö", "o").replace("ß", "sß"), "latin-1")


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize("index", [(0, 1, 2), (1, 2, 3), (4, 7, 90)])
def test_an_index_as_pandas_and_r_write_it_is_left_out_with_a_word(
    tmp_path: Path, name: str, index: tuple[int, ...]
) -> None:
    rows = [f"{number},{row}" for number, row in zip(index, COMMA.split(), strict=True)]
    for names in ("x,y", "0,1") if name == "" else ("x,y",):
        (tmp_path / "x.csv").write_text("\n".join([f"{name},{names}", *rows]))
        with pytest.warns(UserWarning, match=r"x\.csv: the first column, without a name, counts the rows"):
            found = tables.read(tmp_path / "x.csv")
        assert (found.values.tolist(), found.names) == (VALUES, names.split(","))


@pytest.mark.parametrize("first", ["2,1,3", "0.5,1,2", "0,0,1"])
def test_what_does_not_count_rows_is_a_coordinate(tmp_path: Path, first: str) -> None:
    rows = [f"{number},{row}" for number, row in zip(first.split(","), COMMA.split(), strict=True)]
    assert read(tmp_path, "\n".join([",x,y", *rows])).values.shape == (3, 3)


def test_columns_that_pandas_numbers_are_no_point(tmp_path: Path) -> None:
    found = read(tmp_path, "0,1\n1.5,-2.0\n3.0,4.25\n0.125,7.5\n")
    assert (found.values.tolist(), found.names) == (VALUES, ["0", "1"])
    (tmp_path / "x.csv").write_text("0,1\n1,2\n")
    with pytest.warns(UserWarning, match=r"row 1: 0, 1 is taken for a point; where pandas' columns have no names"):
        assert tables.read(tmp_path / "x.csv").values.shape == (2, 2)
    assert read(tmp_path, "1,0\n1,2\n").values.shape == (2, 2)
