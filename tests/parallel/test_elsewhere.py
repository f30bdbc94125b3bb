"""What other programs do on a client: the study of the schedules, and scikit-learn's cross-validation."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numpy_diffusion as nd

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("client", [1], indirect=True)
def test_the_study_of_the_schedules_has_the_same_rows(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the seconds."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    study = importlib.import_module("_schedule_study")
    case = study.Case(0, 10, "tank", "cosine", 0, 3)
    here, there = (
        study.study([case], tmp_path / f"{name}.csv", of) for name, of in (("here", None), ("there", client))
    )
    assert set(here) == set(there) == {case}
    for name in set(study.COLUMNS) - {"seconds"}:
        assert here[case][name] == there[case][name]
    assert study.stored(tmp_path / "there.csv") == there


@pytest.mark.parametrize("client", [1], indirect=True)
def test_cross_validation_of_a_density_gives_the_same_scores(client: Any) -> None:
    joblib = pytest.importorskip("joblib", reason="scikit-learn is not installed")
    selection = pytest.importorskip("sklearn.model_selection", reason="scikit-learn is not installed")
    density = nd.DiffusionDensity(T=10, steps=10, width=8, depth=1, batch=32, random_state=0)
    X = np.random.default_rng(0).normal(size=(90, 2))
    here = selection.cross_val_score(density, X, cv=3)
    with joblib.parallel_config("dask", client=client):
        there = selection.cross_val_score(density, X, cv=3)
    np.testing.assert_array_equal(there, here)
