"""The judge of generated digits, on scikit-learn's digits made 32 x 32."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

from numpy_diffusion.data import image_datasets

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def quality():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        return importlib.import_module("_digit_quality")


@pytest.fixture(scope="module")
def real():
    small = image_datasets.digits()
    return small._replace(x0=np.kron(small.x0, np.ones((1, 1, 4, 4), np.float32)))


@pytest.fixture(scope="module")
def judge(quality, real):
    return quality.trained(real)


def test_judge_reads_digits(quality, judge, real):
    assert judge.accuracy > 0.9
    assert quality.agreement(judge, real.x0, real.labels) > 0.9
    assert quality.agreement(judge, real.x0, (real.labels + 1) % 10) < 0.1
    assert judge.accuracy == quality.agreement(judge, real.x0[::5], real.labels[::5])  # of those kept from training


def test_features_are_an_image_s_own(quality, judge, real):
    found = quality.features(judge, real.x0[:20])
    assert found.shape == (20, quality.COMPONENTS)
    np.testing.assert_allclose(quality.features(judge, real.x0[7:8])[0], found[7], atol=1e-12)
    louder = quality.features(judge, np.clip(real.x0[:20] * 0.5, -1, 1))  # half the contrast is nearly the same
    turned = quality.features(judge, np.rot90(real.x0[:20], axes=(2, 3)))
    assert np.abs(louder - found).max() < 0.3 * np.abs(turned - found).max()


def test_report_prints_each_distance_and_both_shares(quality, judge, real, capsys):
    x, labels = real.x0[::3], real.labels[::3]
    quality.report(judge, x[:, :, ::-1], x, labels, real)  # upside down, and as they are
    lines = capsys.readouterr().out.splitlines()
    assert f"{judge.accuracy:.1%} of real digits" in lines[0]
    assert f"and {quality.agreement(judge, x[:, :, ::-1], labels):.1%} of {len(x)} samples" in lines[1]
    assert f"without guidance {quality.agreement(judge, x, labels):.1%}" in lines[2]
    plain, guided, other = (float(line.rpartition(":")[2]) for line in lines[4:])
    assert guided > 3 * max(plain, other) > 0
