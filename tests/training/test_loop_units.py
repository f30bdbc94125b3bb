"""Points come back in their own units, also where float32 is too coarse for them or they do not vary."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import numpy_diffusion as nd


def test_seconds_since_1970_and_a_constant_come_back_as_they_are(tmp_path: Path) -> None:
    """float32 has 14 numbers in the range of the first, and rounds the second."""
    rng = np.random.default_rng(0)
    x0 = np.column_stack([1.7e9 + rng.uniform(0.0, 1000.0, 500), np.full(500, 0.1), np.full(500, -7.0)])
    model, schedule = nd.MLP(3, 32, 1), nd.Schedule.linear(T=20)
    nd.train(model, schedule, x0, steps=150, batch=128, out=tmp_path / "run", progress=False)
    run = nd.load_run(tmp_path / "run")
    for each in (model, run.model):
        x = nd.sample(each, schedule, 400, progress=False)
        assert x.dtype == np.float64
        assert len(np.unique(x[:, 0])) > 390
        assert abs(np.median(x[:, 0]) - 1.7e9 - 500.0) < 300.0
        assert (x[:, 1:] == [0.1, -7.0]).all()
    assert nd.sample_from(model, schedule, x, 5, progress=False).dtype == np.float64
    known = nd.inpaint(model, schedule, x0[:5], [1, 0, 0], 5, resample=1, jump=1, progress=False)
    np.testing.assert_array_equal(known[:, 0], x0[:5, 0])
    assert np.isfinite(nd.log_prob(model, schedule, x0[:5], progress=False)).all()


def test_a_constant_changes_no_bit_of_the_others_and_stays_in_float32() -> None:
    x0, schedule = np.column_stack([nd.datasets.spiral(300), np.full(300, 2.5)]), nd.Schedule.linear(T=10)
    model = nd.MLP(3, 16, 1)
    nd.train(model, schedule, x0, steps=30, progress=False)
    x = nd.sample(model, schedule, 50, progress=False)
    assert x.dtype == np.float32
    assert (x[:, 2] == 2.5).all()
    density = nd.log_prob(model, schedule, x0[:5], progress=False)
    model.scale = np.where(model.scale == 0.0, np.float32(1.0), model.scale)  # as it was
    np.testing.assert_array_equal(nd.sample(model, schedule, 50, progress=False)[:, :2], x[:, :2])
    np.testing.assert_array_equal(nd.log_prob(model, schedule, x0[:5], progress=False), density)
