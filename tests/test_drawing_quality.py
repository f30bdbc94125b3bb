"""The measures of examples/_drawing_quality.py: fresh points have all the contrast, blurred ones lose it."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from checks.gallery import EXAMPLES

from numpy_diffusion.data import datasets, drawings


@pytest.fixture
def quality(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("_drawing_quality")


@pytest.mark.parametrize(("name", "least"), [("tank", 0.75), ("airplane", 0.8)])
def test_fresh_points_show_the_detail_and_blurred_ones_do_not(quality, name, least):
    points = datasets.from_image(getattr(drawings, name)(), 200_000, seed=0)
    details = {"tank": quality.of_the_tank, "airplane": quality.of_the_airplane}[name]
    sharp = details(points)
    assert len(sharp) == {"tank": 5, "airplane": 1}[name]
    assert min(sharp.values()) > least
    blurred = details(points + np.random.default_rng(0).normal(size=points.shape) * 0.06)
    assert max(blurred.values()) < 0.5 * least


def test_the_report_sets_samples_beside_fresh_points(quality, capsys):
    draw = lambda n, seed: datasets.from_image(drawings.tank(), n, seed)  # noqa: E731
    quality.report(draw(quality.POINTS, 77), draw, 0, quality.of_the_tank)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    found = {" ".join(line[:-2]): (float(line[-2]), float(line[-1])) for line in lines[1:]}
    assert abs(found["1-nearest-neighbour accuracy"][0] - 0.5) < 5 * 0.45 / np.sqrt(quality.PAIRS)
    assert found["share that strays"][0] < 0.003
    wheels = [value for name, value in found.items() if "wheel" in name]
    assert len(wheels) == 5
    assert all(0.9 < sample < 1.1 and fresh == 1.0 for sample, fresh in wheels)


@pytest.mark.filterwarnings("error")
def test_where_no_point_is_there_is_no_contrast_to_tell(quality):
    far = np.full((10, 2), 9.0)
    for found in (quality.of_the_tank(far), quality.of_the_airplane(far)):
        assert np.isnan(list(found.values())).all()
