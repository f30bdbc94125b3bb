"""What the examples of DALL-E 2 measure, on pictures and encoders of which the answer is known."""

from __future__ import annotations

import importlib
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from checks.gallery import EXAMPLES

import numpy_diffusion as nd


@pytest.fixture(scope="module")
def quality() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        return importlib.import_module("_dalle2_quality")


@pytest.mark.parametrize(("knows", "expected"), [(True, 1.0), (False, 0.0)])
def test_the_right_one_is_found_by_who_knows_and_by_chance_otherwise(
    quality: ModuleType, monkeypatch: pytest.MonkeyPatch, knows: bool, expected: float
) -> None:
    """One who knows has a direction for each meaning; by chance one in CHOICES is found, here within 5 errors."""
    n = 200

    def units(clip: object, scenes: nd.captions.Scenes) -> tuple[np.ndarray, np.ndarray]:
        _, place = np.unique(quality._meaning(scenes), return_inverse=True)
        told = quality._meaning(scenes) if knows else np.arange(2 * len(place))
        keys = told if knows else told[: len(place)]
        pictures = np.stack([np.random.default_rng(key + 1).normal(size=64) for key in keys])
        texts = pictures if knows else np.stack([np.random.default_rng(10**6 + k).normal(size=64) for k in keys])
        return quality.unit(pictures), quality.unit(texts)

    monkeypatch.setattr(quality, "POOL", 1000)
    monkeypatch.setattr(quality, "_units", units)
    for part in ("seen", "held_out"):
        for share in quality.found(None, n, seed=0, part=part):
            assert abs(share - (expected or 1.0 / quality.CHOICES)) <= 5.0 * np.sqrt(0.01 * 0.99 / n) * (not knows)


def test_psnr_and_sharpness_are_those_of_what_is_known(quality: ModuleType) -> None:
    true = np.where(np.arange(16) < 8, -1.0, 1.0) * np.ones((2, 3, 16, 16))
    assert quality.psnr(true + 0.02, true) == pytest.approx(40.0)
    assert quality.sharpness(true, true) == pytest.approx(1.0)
    assert quality.sharpness(0.25 * true, true) == pytest.approx(0.25)
    assert quality.sharpness(np.roll(true, 3, axis=3), true) == 0.0


def test_smaller_pictures_are_means_of_squares(quality: ModuleType) -> None:
    scenes = [nd.captions.scenes(3, size, seed=1).x0 for size in (16, 32, 64)]
    for large in scenes:
        np.testing.assert_allclose(quality.smaller(large, 16), scenes[0], atol=1e-5)


def test_nearness_and_two_pictures(quality: ModuleType) -> None:
    z = np.array([[1.0, 0.0], [0.0, 2.0]])
    assert quality.nearness(z, 3.0 * z) == pytest.approx(1.0)
    assert quality.nearness(z, np.array([[1.0, 1.0], [1.0, 0.0]])) == pytest.approx(np.sqrt(0.125))
    asked = nd.captions.scenes(50, 16, seed=2)
    one, other = quality.two_pictures(SimpleNamespace(image_encoder=lambda x: x), asked, seed=0)
    np.testing.assert_array_equal(one, asked.x0)
    assert other.shape == one.shape
    assert (np.abs(other - one).max(axis=(1, 2, 3)) > 0.01).all()
