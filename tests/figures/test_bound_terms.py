"""The bound step by step: the terms and deviations of both forms, at the step that they judge."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from numpy_diffusion.evaluation.bound import FORMS, Bound, bound
from numpy_diffusion.figures.bound_terms import bound_terms
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.process.schedules import Schedule

SCHEDULE = Schedule.linear(12)
DATA = Gaussian([1.0, -2.0], [[2.0, 0.5], [0.5, 0.3]])
WRONG = Gaussian([1.2, -1.7], [[2.5, 0.2], [0.2, 0.5]]).eps(SCHEDULE)  # a model that has learnt something else
X0 = DATA.sample(4000, seed=3)


def linear_model(x: np.ndarray, t: int) -> np.ndarray:
    return 0.9 * x


@pytest.fixture(scope="module")
def both() -> list[Bound]:
    return [bound(WRONG, SCHEDULE, X0[:300], form=form) for form in FORMS]


def test_figure_shows_the_terms_and_deviations_of_both_forms(both, tmp_path) -> None:
    path = tmp_path / "folder" / "terms.png"
    figure = bound_terms(*both, path)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width == 1080
        assert np.asarray(picture.convert("L"), dtype=np.float64).std() > 10.0
    terms, spreads = figure.axes
    for found, index, line, spread in zip(both, ([2, 12], [1, 11]), terms.lines, spreads.lines, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(2, 13))
        np.testing.assert_array_equal(line.get_ydata(), found.consistency[index[0] : index[1] + 1])
        deviation = found.consistency_error[index[0] : index[1] + 1] * math.sqrt(300.0)
        np.testing.assert_allclose(spread.get_ydata(), deviation)
    assert "posterior" in terms.lines[0].get_label()
    assert "article" in terms.lines[1].get_label()


def test_figure_refuses_what_it_cannot_show(both, tmp_path) -> None:
    posterior, article = both
    one = bound(WRONG, SCHEDULE, X0[:1])
    short = bound(linear_model, Schedule.linear(1), X0[:9])
    longer = bound(linear_model, Schedule.linear(20), X0[:9], form="article")
    shorter = bound(linear_model, Schedule.linear(4), X0[:9], form="article")
    for complaint, arguments in {
        "posterior: expected a Bound": (1.0, article),
        "article: expected a Bound": (posterior, None),
        r"posterior: expected the result of bound\(..., form=\"posterior\"\)": (article, posterior),
        r"article: expected the result of bound\(..., form=\"article\"\)": (posterior, posterior),
        "posterior: expected at least 2 steps and 2 samples, got 12 and 1": (one, article),
        "posterior: expected at least 2 steps and 2 samples, got 1 and 9": (short, article),
        r"article: expected the result of .* of one schedule": (posterior, longer),
        r"article: expected the result of bound\(.*one schedule": (posterior, shorter),
    }.items():
        with pytest.raises(ValueError, match=f"^{complaint}"):
            bound_terms(*arguments, tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"^path: expected a name that ends in \.png"):
        bound_terms(posterior, article, tmp_path / "a.svg")
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match=r"^path: cannot write to"):
        bound_terms(posterior, article, tmp_path / "file" / "a.png")
    assert [place.name for place in tmp_path.iterdir()] == ["file"]
