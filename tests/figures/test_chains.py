"""Points on their way through the chain: noise of the seed, in the units of the model."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from checks.pictures import MODEL, SCHEDULE, X0, pixels

import numpy_diffusion as nd
from numpy_diffusion import figures
from numpy_diffusion.figures import style


def test_pictures_depend_on_the_seed_alone():
    first, again, other = (
        io.BytesIO(figures.forward_reverse(MODEL, SCHEDULE, X0, steps=[0, 40], seed=seed)._repr_png_())
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(pixels(again), pixels(first))
    assert (pixels(other) != pixels(first)).any()


def test_forward_and_reverse_rows_share_the_model_s_units(monkeypatch):
    """The data is noised where the model works, (x - shift) / scale, and shown in its own units."""
    shown = {}

    def panel(axes, x, colour, box, **options):
        shown.setdefault(colour, []).append(x)
        return original(axes, x, colour, box, **options)

    original = figures.chains.panel
    monkeypatch.setattr(figures.chains, "panel", panel)
    model = nd.MLP(dim=2, width=4, depth=0)
    model.shift[:], model.scale[:] = [5.0, 6.0], [0.01, 0.1]
    data = model.shift + model.scale * nd.datasets.gaussian(2000, np.zeros(2), np.eye(2))
    figures.forward_reverse(model, nd.Schedule.linear(T=40), data, steps=[0, 5, 40])
    for forward in shown[style.BLUE]:  # variance-preserving: five standard errors of mean and deviation
        assert (np.abs(forward.mean(axis=0) - model.shift) < 5 * model.scale / np.sqrt(2000)).all()
        assert (np.abs(forward.std(axis=0) / model.scale - 1.0) < 5 / np.sqrt(4000)).all()
    np.testing.assert_array_equal(shown[style.BLUE][1], data)  # the column t = 0 is the data itself
    noise = shown[style.ORANGE][-1]  # and t = T of the reverse row is pure noise in the same units
    assert (np.abs(noise.std(axis=0) / model.scale - 1.0) < 5 / np.sqrt(4000)).all()


def test_an_earlier_picture_stays_when_the_new_one_fails(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=r"^model: .*finite"):
        figures.forward_reverse(lambda x, t: x * np.nan, SCHEDULE, X0, path)
    assert path.read_bytes() == b"old"


def test_image_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(OSError, match=r"^image: cannot read"):
        figures.forward_reverse(MODEL, SCHEDULE, X0, tmp_path / "a.png", image=tmp_path / "missing.png")


def test_under_each_picture_stands_the_noise_of_the_road_it_came_by():
    """Chain above, jump below: the deviations found in x_t, next to the exact one."""
    figure = figures.chain_against_jump(X0, SCHEDULE, steps=[5, 40])
    chain = nd.q_trajectory(X0, SCHEDULE, keep=[5, 40])
    jump = {t: nd.q_sample(X0, t, SCHEDULE)[0] for t in (5, 40)}
    labels = [axes.get_xlabel() for axes in figure.axes[1:]]
    for label, (clouds, t) in zip(labels, ((clouds, t) for clouds in (chain, jump) for t in (5, 40)), strict=True):
        found = (clouds[t] - np.sqrt(SCHEDULE.alpha_bar[t]) * X0).std()
        exact = np.sqrt(1.0 - SCHEDULE.alpha_bar[t])
        assert float(re.search(r"noise ([\d.]+)", label)[1]) == pytest.approx(found, rel=0.01)  # about their mean
        assert re.search(r"exact ([\d.]+)", label)[1] == f"{exact:.3f}"


def test_coordinates_have_their_names_and_noise_that_is_no_circle_is_explained():
    model = nd.MLP(dim=2, width=4, depth=0)
    figure = figures.forward_reverse(model, SCHEDULE, X0, steps=[0, 40], names=["height", "weight"])
    named = [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes]
    both = ("height", "weight")
    assert named == [both, ("height", ""), both, ("", ""), both, ("", "")]
    there = figure.subfigs[1]
    assert there.get_suptitle() == figures.chains.FORWARD_TITLE
    model.scale[:] = [1.0, 0.5]
    there = figures.forward_reverse(model, SCHEDULE, X0, steps=[0, 40]).subfigs[1]
    assert there.get_suptitle().splitlines()[1:] == ["noise is as wide and as high as the data"]
