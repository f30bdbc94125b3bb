"""examples/nano.py beside the package: the same schedule, the same chains, and a gradient that is one."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import numpy as np
import pytest
from checks import gradcheck
from PIL import Image

from numpy_diffusion.data import datasets
from numpy_diffusion.oracles.gaussian_mixture import GaussianMixture
from numpy_diffusion.process.forward import q_sample
from numpy_diffusion.process.reverse import mu_from_eps, reverse_variance
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample

NANO = Path(__file__).parent.parent / "examples" / "nano.py"
SCHEDULE = Schedule.linear(T=1000)
SHAPES = ((40, 6), (6, 7), (7, 2))
SEEDS = (1, 2, 3)  # with 0 a difference reaches over the kink of a ReLU


@pytest.fixture
def nano(monkeypatch):
    monkeypatch.syspath_prepend(NANO.parent)
    return importlib.import_module("nano")


def within_errors(x, y, sigmas=5.0):
    """Whether two sets of samples [N, D] have the same moments, first and second, but for their standard errors."""
    a, b = (np.stack([z[:, 0], z[:, 1], z[:, 0] ** 2, z[:, 0] * z[:, 1], z[:, 1] ** 2]) for z in (x, y))
    error = np.sqrt(a.var(axis=1) / a.shape[1] + b.var(axis=1) / b.shape[1])
    return (np.abs(a.mean(axis=1) - b.mean(axis=1)) < sigmas * error).all()


def test_it_is_a_hundred_lines_of_numpy_alone():
    text = NANO.read_text()
    assert len(text.splitlines()) <= 100
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {ast.unparse(node) for node in imports} == {
        "import numpy as np",
        "import matplotlib.pyplot as plt",
        "from pathlib import Path",
    }


def test_its_schedule_is_the_packages(nano):
    for name in ("beta", "alpha", "alpha_bar"):
        np.testing.assert_allclose(getattr(nano, name), getattr(SCHEDULE, name), rtol=1e-14)
    np.testing.assert_allclose(nano.sigma**2, SCHEDULE.beta, rtol=1e-14)


def test_its_jump_is_the_packages(nano):
    t = np.array([1, 500, 1000])
    xt, eps = q_sample(np.arange(6.0).reshape(3, 2), t, SCHEDULE, seed=1)
    np.testing.assert_allclose(nano.q_sample(np.arange(6.0).reshape(3, 2), t[:, None], eps), xt, rtol=1e-12)


def test_its_spiral_is_the_packages_at_twice_the_size(nano):
    ours, theirs = nano.spiral(20_000, np.random.default_rng(0)), 2.0 * datasets.spiral(20_000)
    assert within_errors(ours, theirs)
    assert not within_errors(ours, 1.05 * theirs)


@pytest.mark.parametrize("seed", SEEDS)
def test_its_gradient_is_that_of_central_differences(nano, seed):
    rng = np.random.default_rng(seed)
    theta, t = nano.initial(rng, SHAPES), rng.integers(1, 1001, (3, 1))
    x, weight = rng.normal(size=(3, 2)), rng.normal(size=(3, 2))
    gradients = nano.backward(theta, nano.forward(theta, x, t)[1], weight)
    arrays, found = ({str(k): W for k, W in enumerate(each)} for each in (theta, gradients))
    errors = gradcheck.errors(lambda: float((weight * nano.forward(theta, x, t)[0]).sum()), arrays, found)
    assert gradcheck.wrong(errors) == []


def test_its_samples_have_the_moments_of_the_packages(nano):
    """With the exact network of a mixture, so that nothing but the chain can differ."""
    mixture = GaussianMixture([0.4, 0.6], [[-1.0, 0.5], [1.0, 0.0]], [0.1 * np.eye(2), [[0.2, 0.1], [0.1, 0.2]]])
    eps = mixture.eps(SCHEDULE)
    x = nano.sample(eps, 2000, np.random.default_rng(0))
    assert x.shape == (1001, 2000, 2)
    theirs = sample(eps, SCHEDULE, 2000, seed=1, shape=(2,), keep=[1000, 300, 0], progress=False)
    for t, points in theirs.items():
        assert within_errors(x[t], points)
    assert not within_errors(x[300], theirs[0])


def test_its_step_is_the_packages(nano):
    x, rng = nano.sample(lambda x, t: np.sin(x + t), 3, np.random.default_rng(0)), np.random.default_rng(0)
    np.testing.assert_array_equal(x[1000], rng.standard_normal((3, 2)))
    for t in range(1000, 0, -1):
        z = rng.standard_normal((3, 2)) if t > 1 else 0.0
        mean = mu_from_eps(x[t], np.sin(x[t] + t), t, SCHEDULE)
        np.testing.assert_allclose(x[t - 1], mean + np.sqrt(reverse_variance(SCHEDULE, t)) * z, rtol=1e-9, atol=1e-9)


def test_a_training_finds_the_noise_that_can_be_found(nano):
    """Of data in one point the noise in x_t is known, but for what the network has not learned yet."""
    rng = np.random.default_rng(0)
    losses = nano.train(nano.initial(rng, SHAPES), lambda n, rng: np.full((n, 2), 0.5), 400, rng)
    assert np.mean(losses[:20]) > 0.5
    assert np.mean(losses[-100:]) < 0.2


def test_it_draws_its_picture(nano, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    nano.plt.switch_backend("agg")
    nano.main(steps=20, n=50)
    panels = nano.plt.gcf().axes
    points = [axes.collections[0].get_offsets() for axes in panels]
    nano.plt.close("all")
    titles = [f"{name}, $t = {t}$" for name in ("forward", "reverse") for t in (0, 30, 100, 250, 1000)]
    assert [axes.get_title() for axes in panels] == titles
    assert [each.shape for each in points] == [(50, 2)] * 10
    assert all(0.5 < points[k].std() < 1.5 for k in (0, 4, 9))  # the data, and noise from both sides
    assert capsys.readouterr().out.startswith("out/nano.png: the loss fell from ")
    assert np.asarray(Image.open(tmp_path / "out" / "nano.png").convert("L")).std() > 5.0
