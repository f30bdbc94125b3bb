"""Tables of points in files: NumPy's, and text as people and programs write it; a sentence for what cannot be told.

A text may be packed by gzip.  Its cells are split at the separator, may be quoted, and have the decimal sign that is
given.  `#` at the beginning of a line or behind a blank starts a comment, but for the errors that spreadsheets write,
as #N/A.  Rows are counted as an editor counts lines.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import re
import zlib
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from numpy_diffusion import _checks, _files

ARRAYS: Final = (".npy", ".npz")
TEXTS: Final = (".csv", ".tsv", ".txt")
ENDINGS: Final = (*ARRAYS, *TEXTS, *(f"{ending}.gz" for ending in TEXTS))
SEPARATORS: Final = (",", ";", "\t")
DECIMALS: Final = (".", ",")
SPACE: Final = " "  # as a separator any white space
WORDS: Final = {"tab": "\t", "\\t": "\t"}  # what stands for a separator that is hard to type
COMMENT: Final = re.compile(r"(?:^|(?<=\s))#(?!(N/A|DIV/0!|VALUE!|REF!|NAME\?|NUM!|NULL!|SPILL!|CALC!|ERROR!))")
THOUSANDS: Final = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
DECIMAL_COMMA: Final = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
INTEGER: Final = re.compile(r"[+-]?\d+")
UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UNNAMED: Final = ("", "Unnamed: 0")  # how pandas and R call the column of the rows' own numbers


class Table(NamedTuple):
    """Points, and the names of their coordinates where the file has some."""

    values: np.ndarray  # float64 [N, D] of text; of a file of NumPy's whatever it holds
    names: list[str] | None


class _Row(NamedTuple):
    line: int  # from 1 on
    cells: list[str]


def is_text(path: _files.PathLike) -> bool:
    """Whether it is a table of text, by its name."""
    return _files.ending(path).removesuffix(".gz") in TEXTS


def read(path: Path, separator: str | None = None, decimal: str = ".") -> Table:
    """The table in a file with one of `ENDINGS`: one array of NumPy's, or text of UTF-8 or UTF-16.

    A first row without a number in it has the names.  So has one of the numbers 0, 1, 2, ..., as pandas names columns
    without names, where no number behind it is whole.  A column without a name that counts the rows is left out, with
    a warning.

    Parameters
    ----------
    separator : of a text's cells, "tab" stands for a tabulator; None for what the ending says: a tabulator of .tsv,
        any white space of .txt whose first row has no comma, as `numpy.savetxt` writes it, else a comma
    decimal : of a text's numbers, "." or ","

    Raises
    ------
    OSError : a file that cannot be read
    ValueError : a separator or decimal sign that is none, a file that holds something else, in words that name the
        row and the likely cause
    """
    if not is_text(path):
        return Table(_array(path), None)
    if separator is not None:
        separator = _checks.choice("--separator", WORDS.get(separator, separator), SEPARATORS)
    decimal = _checks.choice("--decimal", decimal, DECIMALS)
    lines = _lines(_text(path))
    if separator is None:
        separator = _usual_separator(path, lines, decimal)
    if decimal == separator:
        raise ValueError(f"--decimal: expected another sign than the separator, got {decimal!r} for both")
    rows = [_row(number, line, separator) for number, line in lines]
    names = _names(rows)
    points = rows if names is None else rows[1:]
    if not points:
        raise ValueError("no row has any")
    for row in (*rows[:1], *points):
        if len(row.cells) != len(points[0].cells):
            at, (first, cells) = f"row {row.line} has {_count(row.cells)}", points[0]
            raise ValueError(f"{at}, and row {first} has {_count(cells)}{_cause(row, points[0], separator)}")
    values = np.array([[_number(row, k, separator, decimal) for k in range(len(row.cells))] for row in points])
    if names is not None and names[0] in UNNAMED and len(names) > 1 and _counts(values[:, 0]):
        _checks.warn(f"{path}: the first column, without a name, counts the rows as an index does: it is left out")
        return Table(values[:, 1:], names[1:])
    return Table(values, names)


def _array(path: Path) -> np.ndarray:
    """The array of an .npy file, or of an .npz file that holds one."""
    try:
        if _files.ending(path) == ".npy":
            with open(path, "rb") as file:
                return np.lib.format.read_array(file, allow_pickle=False)
        with np.load(path, allow_pickle=False) as arrays:
            if len(arrays.files) != 1:
                raise ValueError(f"a file of one array is expected, got {', '.join(arrays.files) or 'none'}")
            return arrays[arrays.files[0]]
    except OSError:
        raise
    except Exception as error:  # NumPy lets out what Python's parser raises of a header that was altered
        raise ValueError(str(error)) from None


def _text(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(str(error)) from None
    if content.startswith(UTF_16):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"expected text in UTF-8 or UTF-16, got other bytes at {error.start}") from None


def _lines(text: str) -> list[tuple[int, str]]:
    """The lines with something on them, without comments, and their numbers from 1 on."""
    lines = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        kept = line if (found := COMMENT.search(line)) is None else line[: found.start()]
        if kept.strip():
            lines.append((number, kept))
    return lines


def _usual_separator(path: Path, lines: list[tuple[int, str]], decimal: str) -> str:
    """What stands between the cells of such a file."""
    match _files.ending(path).removesuffix(".gz"):
        case ".tsv":
            return "\t"
        case ".txt" if decimal == "," or not any("," in line for _, line in lines[:1]):
            return SPACE
    return ","


def _row(number: int, line: str, separator: str) -> _Row:
    if separator == SPACE:
        line = SPACE.join(line.split())
    try:
        [cells] = csv.reader([line], delimiter=separator, skipinitialspace=separator != SPACE)
    except csv.Error as error:  # a cell of more letters than it takes
        raise ValueError(f"row {number}: {error}") from None
    return _Row(number, [cell.strip() for cell in cells])


def _names(rows: list[_Row]) -> list[str] | None:
    """The first row, if it has the names of columns."""
    if not rows:
        return None
    cells = rows[0].cells
    if not any(map(_looks_like_a_number, cells)):
        return cells
    unnamed = cells[1:] if cells[0] == "" else cells
    if unnamed != [str(number) for number in range(len(unnamed))]:
        return None
    others = [cell for row in rows[1:] for cell in row.cells[len(cells) - len(unnamed) :]]
    if cells[0] == "" or (others and not any(INTEGER.fullmatch(cell) for cell in others)):
        return cells
    if len(cells) > 1:
        _checks.warn(
            f"row {rows[0].line}: {', '.join(cells)} is taken for a point; where pandas' columns have no names, "
            "header=False writes none"
        )
    return None


def _looks_like_a_number(cell: str) -> bool:
    return _as_float(cell) is not None or any(each.fullmatch(cell) for each in (THOUSANDS, DECIMAL_COMMA))


def _as_float(cell: str, decimal: str = ".") -> float | None:
    if "_" in cell or (decimal != "." and "." in cell):
        return None
    try:
        return float(cell.replace(decimal, "."))
    except ValueError:
        return None


def _number(row: _Row, k: int, separator: str, decimal: str) -> float:
    cell = row.cells[k]
    if (number := _as_float(cell, decimal)) is not None:
        return number
    got = f"row {row.line}, column {k + 1}: expected a number, got {cell!r:.60}"
    if THOUSANDS.fullmatch(cell) and DECIMAL_COMMA.fullmatch(cell):
        raise ValueError(f"{got}: --decimal , reads a decimal comma; a comma for thousands is to be taken out")
    if THOUSANDS.fullmatch(cell):
        raise ValueError(f"{got}: a comma for thousands is to be taken out")
    if DECIMAL_COMMA.fullmatch(cell):
        raise ValueError(f"{got}: --decimal , reads a decimal comma")
    raise ValueError(got + _other_separator(cell, separator))


def _other_separator(cell: str, separator: str) -> str:
    for sign, name in (("\t", "tab"), (";", "';'"), (",", "','")):
        if sign in cell and sign != separator:
            return f"; --separator {name} splits there"
    return ""


def _cause(one: _Row, other: _Row, separator: str) -> str:
    """The end of a sentence about rows of different lengths."""
    for row in (one, other):
        if said := next(filter(None, (_other_separator(cell, separator) for cell in row.cells)), ""):
            return said
    return ": a comma for decimals or thousands splits a number in two" if separator == "," else ""


def _count(cells: list[str]) -> str:
    return f"{len(cells)} cell{'s'[: len(cells) != 1]}"


def _counts(column: np.ndarray) -> bool:
    """Whether they are whole numbers that rise, from 0 on or more."""
    return bool((column == np.floor(column)).all() and column[0] >= 0.0 and (np.diff(column) > 0.0).all())
