"""Names of columns: which there are, and what is said where they do not match."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
from checks.data_frames import Table

from numpy_diffusion.interop import feature_names

X = np.zeros((3, 2))
XY = np.array(["x", "y"], dtype=object)


@pytest.mark.parametrize("X", [X, X.tolist(), Table(X, [0, 1]), Table(X, [])])
def test_what_has_no_names_has_none(X: Any) -> None:
    assert feature_names.of(X) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        feature_names.check(X, None, "Density")
    with pytest.warns(UserWarning, match=r"^X does not have valid feature names, but Density was fitted with"):
        feature_names.check(X, XY, "Density")


def test_names_are_objects_and_all_strings() -> None:
    found = feature_names.of(Table(X, ["x", "y"]))
    assert found is not None
    assert (found.dtype, found.tolist()) == (object, ["x", "y"])
    with pytest.raises(TypeError, match=r"^X: Feature names are only supported if all input features have string"):
        feature_names.of(Table(X, ["x", 1]))


def test_other_names_and_another_order_are_refused_in_scikit_learns_words() -> None:
    feature_names.check(Table(X, ["x", "y"]), XY, "Density")
    with pytest.warns(UserWarning, match=r"^X has feature names, but Density was fitted without feature names$"):
        feature_names.check(Table(X, ["x", "y"]), None, "Density")
    first = "The feature names should match those that were passed during fit.\n"
    for names, rest in {
        ("y", "x"): "Feature names must be in the same order as they were in fit.\n",
        ("x", "z"): "Feature names unseen at fit time:\n- z\nFeature names seen at fit time, yet now missing:\n- y\n",
        tuple("abcdefgxy"): "Feature names unseen at fit time:\n- a\n- b\n- c\n- d\n- e\n- ...\n",
    }.items():
        with pytest.raises(ValueError, match=f"^{re.escape(first + rest)}$"):
            feature_names.check(Table(X, names), XY, "Density")
