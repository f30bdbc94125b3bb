"""What scenes are of: the tenth that is held out, and that every combination of a part comes as often."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from numpy_diffusion.data.attributes import PARTS, VALUES, Attributes, checked, draw, held_out

FOUR = ("thing", "colour", "size", "place")
EVERY = Attributes(*np.array(list(itertools.product(*(range(len(VALUES[name])) for name in (*FOUR, "ground"))))).T)
N = 20_000


def combinations(attributes: Attributes, names: tuple[str, ...] = FOUR) -> np.ndarray:
    """A number for each combination of these attributes: int64 [N]."""
    columns = [getattr(attributes, name) for name in names]
    return np.ravel_multi_index(columns, [len(VALUES[name]) for name in names])


def of(attributes: Attributes, where: np.ndarray) -> Attributes:
    return Attributes(*(values[where] for values in attributes))


def test_the_values_are_those_of_the_captions():
    assert VALUES.keys() == set(Attributes._fields)
    assert [len(values) for values in VALUES.values()] == [8, 7, 2, 5, 3]
    names = [name for values in VALUES.values() for name in values]
    assert len(set(names)) == len(names)


def test_a_tenth_is_held_out_and_spread_over_all_values():
    held = of(EVERY, held_out(EVERY))
    assert len(np.unique(combinations(EVERY))) == 560
    assert len(np.unique(combinations(held))) == 56
    assert len(held.thing) == 3 * 56  # on every ground
    share = {name: np.bincount(getattr(held, name)) / 3 for name in FOUR}
    assert share["thing"].tolist() == [7] * 8
    assert share["colour"].tolist() == [8] * 7
    assert share["size"].tolist() == [28, 28]
    assert set(share["place"]) == {11, 12}
    assert len(np.unique(combinations(held, ("thing", "colour")))) == 56  # each thing in each colour, once


@pytest.mark.parametrize("pair", list(itertools.combinations(FOUR, 2)))
def test_any_two_values_are_seen_together(pair):
    seen = of(EVERY, ~held_out(EVERY))
    assert len(np.unique(combinations(seen, pair))) == len(np.unique(combinations(EVERY, pair)))


def test_the_rule_stays_as_it_is():
    """What a model was trained on yesterday is what it is asked for today."""
    rows = [(7 * thing + colour) % 10 for thing in range(8) for colour in range(7)]
    expected = [[k // 7, k % 7, row % 2, row % 5] for k, row in enumerate(rows)]
    held = of(EVERY, held_out(EVERY) & (EVERY.ground == 0))
    assert np.stack(held[:4], axis=1).tolist() == expected


def test_what_is_not_told_is_not_held_out_but_for_the_ground():
    rows = [
        [0, 0, 0, 0, -1],
        [0, 0, -1, 0, 0],
        [-1, 0, 1, 3, 0],
        [0, -1, 1, 4, 0],
    ]  # the last two as if -1 were a value
    assert held_out(Attributes(*np.array(rows).T)).tolist() == [True, False, False, False]


@pytest.mark.parametrize(("part", "count"), [("seen", 504), ("held_out", 56), ("all", 560)])
def test_a_part_has_its_combinations_and_each_as_often(part, count):
    drawn = draw(np.arange(N), 3, part)
    frequency = np.bincount(combinations(drawn), minlength=560)
    assert (frequency > 0).sum() == count
    expected = N / count
    assert ((frequency[frequency > 0] - expected) ** 2 / expected).sum() < count + 5 * np.sqrt(
        2 * count
    )  # chi square
    assert np.abs(np.bincount(drawn.ground) / N - 1 / 3).max() < 5 * np.sqrt(2 / 9 / N)
    kept = held_out(drawn)
    assert kept.all() if part == "held_out" else kept.any() == (part == "all")


@pytest.mark.parametrize("part", PARTS)
def test_a_scene_s_attributes_are_its_own(part):
    drawn = draw(np.arange(100), 3, part)
    for values, again in zip(drawn, draw(np.array([70, 3]), 3, part), strict=True):
        assert values.dtype == np.int64
        assert again.tolist() == values[[70, 3]].tolist()
    assert combinations(draw(np.arange(100), 4, part)).tolist() != combinations(drawn).tolist()


def test_checked_takes_numbers_and_lists():
    found = checked(Attributes(3, np.array([2], np.uint8), [1], 4, 0))
    assert [values.tolist() for values in found] == [[3], [2], [1], [4], [0]]
    assert {values.dtype for values in found} == {np.dtype(np.int64)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0, 0, 0, 0, 0), r"^attributes: expected a Attributes, got tuple"),
        (Attributes(8, 0, 0, 0, 0), r"^attributes\.thing: expected integers in 0\.\.7, got 8\.\.8$"),
        (Attributes(0, -1, 0, 0, 0), r"^attributes\.colour: expected integers in 0\.\.6, got -1\.\.-1$"),
        (Attributes(0, 0, 0, 0, -2), r"^attributes\.ground: expected integers in -1\.\.2, got -2\.\.-2$"),
        (Attributes(0, 0, 0.5, 0, 0), r"^attributes\.size: expected integers \[N\], got float64 of shape \[1\]$"),
        (Attributes(0, 0, 0, [], 0), r"^attributes\.place: expected integers \[N\], got float64 of shape \[0\]$"),
        (Attributes(0, 0, 0, [[1]], 0), r"^attributes\.place: expected integers \[N\], got int64 of shape \[1, 1\]$"),
        (Attributes([0, 1], 0, 0, 0, 0), r"^attributes: expected as many of each, got \{'thing': 2, 'colour': 1, "),
    ],
)
def test_bad_attributes(given, message):
    with pytest.raises(ValueError, match=message):
        checked(given, untold=("ground",))
