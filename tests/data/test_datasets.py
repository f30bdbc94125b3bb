"""Data sets: every point a function of (seed, i), on the curve it should lie on, with the density it should have."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from numpy_diffusion import noise
from numpy_diffusion.data import datasets, drawings

N = 200_000
WEIGHTS = [0.2, 0.5, 0.3]
MEANS = np.array([[0.0, 1.0, 2.0], [-3.0, 0.0, 1.0], [4.0, -2.0, 0.0]])
COVARIANCES = np.array([np.diag([1.0, 0.0, 2.0]), [[2.0, 0.5, 0.0], [0.5, 1.0, -0.7], [0.0, -0.7, 1.5]], np.eye(3)])
BLACK_DOT = np.array([[0.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]])

ALL = {
    **datasets.BY_NAME,
    "gaussian": lambda n, seed: datasets.gaussian(n, MEANS[1], COVARIANCES[1], seed),
    "mixture": lambda n, seed: datasets.mixture(n, WEIGHTS, MEANS, COVARIANCES, seed),
    "from_image": lambda n, seed: datasets.from_image(BLACK_DOT, n, seed),
}


@pytest.mark.parametrize("name", ALL)
def test_point_i_depends_on_seed_and_i_alone(name):
    x = ALL[name](1000, 3)
    for n in (1, 2, 7, 100):
        np.testing.assert_array_equal(ALL[name](n, 3), x[:n])
    assert not (ALL[name](1000, 4) == x).all(axis=1).any()
    assert len(np.unique(x, axis=0)) == len(x)


@pytest.mark.parametrize("name", ALL)
def test_result_is_float32_and_contiguous(name):
    x = ALL[name](10, 2**64 - 1)
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
    assert x.shape == (10, 3 if name in ("gaussian", "mixture") else 2)


@pytest.mark.parametrize("name", datasets.BY_NAME)
def test_plane_sets_lie_about_the_origin_and_reach_about_one(name):
    x = datasets.BY_NAME[name](4000, 0)
    assert (np.abs(x.mean(axis=0)) < 0.2).all()
    assert 0.8 < np.abs(x).max() < 1.7


def assert_uniform(u):
    """Mean 1/2 and second moment 1/3 within five standard errors, sqrt(1/12 n) and sqrt(4/45 n)."""
    assert u.min() >= 0.0
    assert u.max() <= 1.0 + 1e-6
    assert abs(u.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / len(u))
    assert abs((u**2).mean() - 1 / 3) < 5 * np.sqrt(4 / 45 / len(u))


def assert_on_curve(x, radius, angle):
    np.testing.assert_allclose(x, np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), atol=1e-5)


@pytest.mark.parametrize("turns", [0.0, 1.0, 2.5])
def test_spiral_without_noise_is_the_curve(turns):
    x = datasets.spiral(N, seed=1, turns=turns, sigma=0.0).astype(np.float64)
    radius = np.hypot(*x.T)
    assert_on_curve(x, radius, 2 * np.pi * turns * radius)
    assert_uniform(radius**2)


def test_swiss_roll_without_noise_is_the_curve():
    x = datasets.swiss_roll(N, seed=1, sigma=0.0).astype(np.float64)
    t = np.hypot(*x.T) * 4.5 * np.pi
    assert_on_curve(x, t / (4.5 * np.pi), t)
    assert_uniform((t / np.pi - 1.5) / 3)


def test_moons_without_noise_are_two_half_circles():
    x = datasets.moons(N, seed=1, sigma=0.0).astype(np.float64) + np.array([0.5, 0.25])  # as scikit-learn has them
    upper = np.abs(np.hypot(*x.T) - 1) < 1e-5
    upper &= x[:, 1] > -1e-5
    other = [1.0, 0.5] - x[~upper]
    np.testing.assert_allclose(np.hypot(*other.T), 1.0, atol=1e-5)
    assert (other[:, 1] > -1e-5).all()
    assert abs(upper.mean() - 0.5) < 5 * 0.5 / np.sqrt(N)
    assert_uniform(np.arctan2(x[upper, 1], x[upper, 0]).clip(0) / np.pi)
    assert_uniform(np.arctan2(other[:, 1], other[:, 0]).clip(0) / np.pi)


@pytest.mark.parametrize("name", ["spiral", "swiss_roll", "moons"])
def test_noise_has_its_sigma_and_knows_nothing_of_the_place(name):
    make = datasets.BY_NAME[name]
    place = make(N, seed=2, sigma=0.0).astype(np.float64)
    z = (make(N, seed=2, sigma=0.3) - place) / 0.3
    assert (np.abs(z.mean(axis=0)) < 5 / np.sqrt(N)).all()
    assert (np.abs((z**2).mean(axis=0) - 1) < 5 * np.sqrt(2 / N)).all()
    columns = [*z.T, *(z**2).T, *place.T, np.hypot(*place.T)]
    correlation = np.corrcoef(columns)[:4]
    assert (np.abs(correlation - np.eye(4, 7)) < 5 / np.sqrt(N)).all()


def assert_moments(x, mean, covariance):
    """Within five standard errors: sqrt(C_ii / n), and sqrt((C_ii C_jj + C_ij^2) / n) for a Gaussian."""
    x, n = x.astype(np.float64), len(x)
    variance = np.diag(covariance)
    tiny = 1e-6  # float32 rounding, where a variance is zero
    assert (np.abs(x.mean(axis=0) - mean) <= 5 * np.sqrt(variance / n) + tiny).all()
    spread = 5 * np.sqrt((np.outer(variance, variance) + covariance**2) / n) + tiny
    assert (np.abs(np.cov(x.T, bias=True) - covariance) <= spread).all()


@pytest.mark.parametrize("k", range(3))
def test_gaussian_has_its_moments(k):
    assert_moments(datasets.gaussian(N, MEANS[k], COVARIANCES[k], seed=3), MEANS[k], COVARIANCES[k])


def test_mixture_has_its_weights_and_moments():
    far = MEANS + np.array([[0.0], [100.0], [200.0]])  # so far apart that each point tells its component
    x = datasets.mixture(N, WEIGHTS, far, COVARIANCES, seed=4)
    component = np.rint(x.mean(axis=1) / 100.0).astype(int)
    for k, weight in enumerate(WEIGHTS):
        assert abs((component == k).mean() - weight) < 5 * np.sqrt(weight * (1 - weight) / N)
        assert_moments(x[component == k], far[k], COVARIANCES[k])


def test_gaussian_is_the_mixture_of_one():
    x = datasets.mixture(50, [1.0], MEANS[1:2], COVARIANCES[1:2], seed=5)
    np.testing.assert_array_equal(datasets.gaussian(50, MEANS[1], COVARIANCES[1], seed=5), x)


def pixels(x, height, width):
    """Row, column and the place inside the pixel, for points of a picture of that size."""
    to_pixels = x.astype(np.float64) * max(height, width) / 2
    down, right = height / 2 - to_pixels[:, 1], width / 2 + to_pixels[:, 0]
    return np.floor(down).astype(int), np.floor(right).astype(int), down % 1, right % 1


def test_density_is_proportional_to_darkness():
    image = np.random.default_rng(0).uniform(size=(5, 8))
    image[1, 2] = image[4] = 1.0
    image[2, 2] = 0.0
    row, column, down, right = pixels(datasets.from_image(image, N, seed=6), 5, 8)
    p = (1 - image) / (1 - image).sum()
    counts = np.zeros((5, 8))
    np.add.at(counts, (row, column), 1)
    assert (np.abs(counts - N * p) <= 5 * np.sqrt(N * p * (1 - p))).all()  # zero where it is white
    assert_uniform(down)
    assert_uniform(right)
    assert abs(12 * ((down - 0.5) * (right - 0.5)).mean()) < 5 / np.sqrt(N)


@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (4, 4), (1, 5), (1, 1)])
def test_longer_side_spans_minus_one_to_one(shape):
    x = datasets.from_image(np.zeros(shape), 20_000, seed=7)
    half = np.array(shape[::-1]) / max(shape)
    assert (np.abs(x) <= half).all()
    assert (x.max(axis=0) > 0.99 * half).all()
    assert (x.min(axis=0) < -0.99 * half).all()


@pytest.mark.parametrize(
    ("row", "column", "signs"), [(0, 0, (-1, 1)), (0, 3, (1, 1)), (3, 0, (-1, -1)), (3, 3, (1, -1))]
)
def test_y_axis_points_up(row, column, signs):
    image = np.full((4, 4), 255, np.uint8)
    image[row, column] = 0
    x = datasets.from_image(image, 100, seed=8)
    assert (np.sign(x) == signs).all()
    assert (np.abs(x) >= 0.5).all()


@pytest.mark.parametrize(("word", "column"), [(0, 2), (2**32 - 1, 1)])
def test_extreme_random_words_never_hit_white(monkeypatch, word, column):
    monkeypatch.setattr(noise, "words", lambda *_: np.full((1, 4), word, np.uint32))
    x = datasets.from_image(np.array([[1.0, 0.9, 0.3, 1.0]]), 1)
    assert (column - 2) / 2 <= x[0, 0] <= (column - 1) / 2


def test_pixel_is_chosen_with_more_than_32_bits(monkeypatch):
    image = np.array([[1.0 - 2.0**-40, 0.0]])  # the first pixel has 2**-40 of the ink
    for low, hit in [(0xFFFFFFFF, True), (0, False)]:
        words = np.array([[0xFFFFFFFF, low, 0, 0]], dtype=np.uint32)
        monkeypatch.setattr(noise, "words", lambda *_, words=words: words)
        assert (datasets.from_image(image, 1)[0, 0] < 0) == hit


@pytest.mark.parametrize("name", ["airplane", "tank", "spiral"])
def test_drawings_become_points(tmp_path, name):
    image = getattr(drawings, name)()
    Image.fromarray(image).save(tmp_path / "drawing.png")
    x = datasets.BY_NAME["spiral_image" if name == "spiral" else name](4000, 11)
    np.testing.assert_array_equal(x, datasets.from_image(image, 4000, seed=11))
    np.testing.assert_array_equal(x, datasets.from_image(tmp_path / "drawing.png", 4000, seed=11))
    row, column, _, _ = pixels(x, *image.shape)
    assert (image[row, column] < 255).all()


@pytest.mark.parametrize("image", [np.ones((4, 4)), np.full((4, 4), 255, np.uint8), np.zeros((4, 4, 4))])
def test_a_picture_without_ink_is_refused(image):
    with pytest.raises(ValueError, match=r"^image: expected something darker than white, .* white all over"):
        datasets.from_image(image, 10)


def test_a_picture_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^image: expected at least 2 axes"):
        datasets.from_image(np.zeros(4), 10)
    with pytest.raises(OSError, match=r"^image: cannot read a picture from '.*missing\.png'"):
        datasets.from_image(tmp_path / "missing.png", 10)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("n", "seed", "message"),
    [
        *((n, 0, "n: ") for n in (0, -1, 2.5, True, 2**32 + 1, "5")),
        *((5, seed, "seed: ") for seed in (-1, 2**64, 0.5, None)),
    ],
)
def test_bad_n_and_seed(name, n, seed, message):
    with pytest.raises(ValueError, match=f"^{message}expected an integer"):
        ALL[name](n, seed)


@pytest.mark.parametrize("name", ["spiral", "swiss_roll", "moons"])
@pytest.mark.parametrize("sigma", [-0.1, np.nan, np.inf, "0.1", None])
def test_bad_sigma(name, sigma):
    with pytest.raises(ValueError, match=r"^sigma: expected"):
        datasets.BY_NAME[name](5, 0, sigma=sigma)


@pytest.mark.parametrize("turns", [-1.0, np.nan, "2"])
def test_bad_turns(turns):
    with pytest.raises(ValueError, match=r"^turns: expected"):
        datasets.spiral(5, turns=turns)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"weights": [0.5, 0.5]}, r"^weights: expected shape \[3\]"),
        ({"weights": [0.5, 0.5, 0.1]}, r"^weights: expected positive numbers with sum 1.* 1\.1"),
        ({"weights": [0.5, 0.5, 0.0]}, r"^weights: expected positive"),
        ({"weights": [0.7, 0.5, -0.2]}, r"^weights: expected positive"),
        ({"weights": [0.5, np.nan, 0.5]}, r"^weights: .*finite"),
        ({"means": MEANS[0]}, r"^means: expected shape"),
        ({"means": np.zeros((0, 3))}, r"^means: .*empty"),
        ({"means": np.full((3, 3), np.inf)}, r"^means: .*finite"),
        ({"covariances": COVARIANCES[:2]}, r"^covariances: expected shape \[3, 3, 3\]"),
        ({"covariances": COVARIANCES[:, :2]}, r"^covariances: expected shape"),
        ({"covariances": np.array([np.eye(3), np.eye(3), -np.eye(3)])}, r"^covariances\[2\]: .*semi-definite"),
        ({"covariances": np.array([np.eye(3), np.tri(3), np.eye(3)])}, r"^covariances\[1\]: .*symmetric"),
    ],
)
def test_bad_mixture(changed, message):
    arguments = {"weights": WEIGHTS, "means": MEANS, "covariances": COVARIANCES} | changed
    with pytest.raises(ValueError, match=message):
        datasets.mixture(5, **arguments)


@pytest.mark.parametrize(
    ("mean", "covariance", "message"),
    [
        (0.0, np.eye(1), r"^mean: expected shape"),
        ([], np.eye(1), r"^mean: .*empty"),
        ([0.0, np.nan], np.eye(2), r"^mean: .*finite"),
        ([0.0, 0.0], np.eye(3), r"^covariance: expected shape \[2, 2\]"),
        ([0.0, 0.0], [1.0, 1.0], r"^covariance: expected shape"),
        ([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]], r"^covariance: .*semi-definite.*-1"),
        ([0.0, 0.0], [[1.0, 0.5], [0.4, 1.0]], r"^covariance: .*symmetric"),
    ],
)
def test_bad_gaussian(mean, covariance, message):
    with pytest.raises(ValueError, match=message):
        datasets.gaussian(5, mean, covariance)


def test_pillow_is_imported_only_when_a_file_is_read():
    code = "import sys, numpy_diffusion.data.datasets as d; d.tank(5); sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
