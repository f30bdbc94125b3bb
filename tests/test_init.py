"""The names of the package: tab completion shows those that are meant to be used, and no others."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

import numpy_diffusion as nd

MODULES = ["captions", "datasets", "drawings", "figures", "image_datasets", "metrics", "oracles"]


@pytest.mark.parametrize("module", [nd, *(getattr(nd, name) for name in MODULES), nd.figures.style])
def test_completion_shows_what_is_documented(module: types.ModuleType) -> None:
    names = dir(module)
    assert names == sorted(module.__all__)
    for name in names:
        value = getattr(module, name)
        assert not name.startswith("_")
        home = getattr(value, "__name__" if isinstance(value, types.ModuleType) else "__module__", module.__name__)
        assert home.startswith("numpy_diffusion")
    # Nothing of its own is left out, constants apart, which are for the other modules.
    made_here = {name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    left_out = {name for name in made_here if name[0] != "_" and name not in names}
    assert left_out <= {"Names", "Box", "axes_of", "png_target", "target"}


def test_all_names_can_be_imported_at_once() -> None:
    names: dict[str, object] = {}
    exec("from numpy_diffusion import *", names)
    assert set(nd.__all__) <= set(names)


def test_figures_come_when_they_are_asked_for() -> None:
    code = (
        "import sys, numpy_diffusion as nd; assert 'matplotlib' not in sys.modules\n"
        "assert 'figures' in dir(nd) and 'matplotlib' not in sys.modules\n"
        "assert nd.figures.loss_curve and 'matplotlib' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import numpy_diffusion as nd; nd.sampel"], capture_output=True, text=True, check=False
    )
    expected = "AttributeError: module 'numpy_diffusion' has no attribute 'sampel'. Did you mean: 'sample'?"
    assert done.stderr.splitlines()[-1] == expected
