"""Parameters that stay in a file: read there, written nowhere, and the same in a copy and in another process."""

from __future__ import annotations

import mmap
import pickle
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

from numpy_diffusion.models.stored import Stored

SHAPES = {"a": (2,), "b": (2, 2)}


def stored(folder: Path) -> Stored:
    """b, a number of nobody, and a, in a file."""
    np.arange(7, dtype=np.float32).tofile(folder / "numbers")
    with open(folder / "numbers", "rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return Stored(np.frombuffer(pages, np.float32), {"a": 5, "b": 0}, pages)


def test_its_views_are_found_by_name_and_not_written_to(tmp_path: Path) -> None:
    in_file = stored(tmp_path)
    for one in (in_file, Stored(np.array(in_file.numbers), in_file.starts)):
        found = one.views(SHAPES)
        assert {name: values.tolist() for name, values in found.items()} == {"a": [5, 6], "b": [[0, 1], [2, 3]]}
        assert np.shares_memory(found["b"], one.numbers)
        with pytest.raises(ValueError, match="read-only"):
            found["a"][0] = 1.0


def test_what_was_let_go_is_there_again(tmp_path: Path) -> None:
    in_file = stored(tmp_path)
    in_file.let_go()
    assert in_file.numbers.tolist() == list(range(7))
    Stored(np.zeros(1, np.float32), {}).let_go()


def test_a_copy_reads_the_same_and_another_process_has_the_numbers(tmp_path: Path) -> None:
    in_file = stored(tmp_path)
    assert deepcopy(in_file) is in_file
    sent = pickle.loads(pickle.dumps(in_file))
    assert (sent.numbers.tolist(), sent.starts, sent.pages) == (list(range(7)), in_file.starts, None)
