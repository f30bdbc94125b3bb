"""The judge of generated scenes: what it reads of real ones, of spoilt ones, and what it says of them."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

import numpy_diffusion as nd
from numpy_diffusion.data.attributes import VALUES

EXAMPLES = Path(__file__).parent.parent / "examples"
SIZE, N = 32, 500


@pytest.fixture(scope="module")
def quality():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        return importlib.import_module("_scene_quality")


@pytest.fixture(scope="module")
def judge(quality):
    return quality.trained(SIZE)


@pytest.fixture(scope="module")
def real():
    return nd.captions.scenes(N, SIZE, seed=11, part="all")


def rows(attributes, index):
    return nd.captions.Attributes(*(values[index] for values in attributes))


@pytest.mark.parametrize("part", ["seen", "held_out"])
def test_judge_reads_real_scenes(quality, judge, part):
    other = nd.captions.scenes(N, SIZE, seed=12, part=part)
    found = quality.agreement(judge, other.x0, other.attributes)
    assert list(found) == [*VALUES, "all four"] == list(judge.accuracy)
    assert min(found.values()) >= 0.99
    assert min(judge.accuracy.values()) >= 0.99


def test_judge_is_tried_on_scenes_that_it_has_not_seen(quality, judge):
    every = nd.captions.scenes(quality.SCENES, SIZE, part="all")
    kept = slice(None, None, quality.HELD_OUT)
    assert quality.agreement(judge, every.x0[kept], rows(every.attributes, kept)) == judge.accuracy


def test_judge_reads_a_picture_with_grain(quality, judge, real):
    grain = 0.1 * np.random.default_rng(0).standard_normal(real.x0.shape)
    assert quality.agreement(judge, real.x0 + grain, real.attributes)["all four"] > 0.97


def test_what_is_wrong_is_read_as_wrong(quality, judge, real):
    found = quality.agreement(judge, real.x0[:, :, :, ::-1], real.attributes)  # left is right
    beside = np.isin(real.attributes.place, (0, 1)).mean()
    assert abs(found["place"] - (1.0 - beside)) < 0.01
    assert found["colour"] > 0.99
    assert found["size"] > 0.99
    swapped = quality.agreement(judge, real.x0[:, [2, 1, 0]], real.attributes)  # red is blue
    assert swapped["colour"] < 0.5  # green, purple and pink stay much as they are
    assert swapped["place"] > 0.99
    one_on = rows(real.attributes, (np.arange(N) + 1) % N)
    for name, share in quality.agreement(judge, real.x0, one_on).items():
        chance = np.mean([len(values) for values in VALUES.values()]) if name == "all four" else len(VALUES[name])
        assert share < 1.6 / chance


def test_what_was_not_told_is_right(quality, judge, real):
    untold = nd.captions.parse(real.captions)._replace(ground=np.full(N, -1))
    upside_down = -real.x0  # black is white
    assert quality.agreement(judge, upside_down, untold)["ground"] == 1.0
    assert quality.agreement(judge, upside_down, real.attributes)["ground"] < 0.5


def test_features_are_a_picture_s_own(quality, judge, real):
    found = quality.features(judge, real.x0[:20])
    assert found.shape == (20, 11 + quality.COMPONENTS)
    np.testing.assert_allclose(quality.features(judge, real.x0[7:8])[0], found[7], atol=1e-9)
    blank = quality.features(judge, np.zeros((2, 3, SIZE, SIZE)))
    assert np.isfinite(blank).all()


def test_report_prints_shares_and_distances(quality, judge, real, capsys):
    asked = nd.captions.parse(real.captions)
    quality.report(judge, real.x0[:, :, ::-1], asked)  # upside down
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Of {N} pictures read as what was asked for:"
    assert [line.split()[0] for line in lines[2:8]] == [*VALUES, "all"]
    of_samples, of_real = (float(line.rpartition(":")[2]) for line in lines[8:])
    assert of_samples > 3 * of_real > 0
    assert float(lines[5].split()[1].rstrip("%")) < 75.0  # top is bottom
    assert float(lines[5].split()[2].rstrip("%")) > 99.0
