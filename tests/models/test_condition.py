"""The record of what a model is told: what it takes, its rows, and what is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numpy_diffusion.models.condition import AXES, Condition

ONE: dict[str, Any] = {  # of one sample
    "labels": 3,
    "embedding": [0.5, 1.5],
    "text_embedding": [1.0, -0.5],
    "tokens": [7, 1, 0],
    "states": [[0.5, 1.5], [2.0, 1.0], [0.0, 3.0]],
    "mask": [True, True, False],
    "low_resolution": np.full((1, 2, 2), 0.25),
}
DTYPES = {"labels": "int64", "tokens": "int64", "mask": "bool"} | dict.fromkeys(
    ("embedding", "text_embedding", "states", "low_resolution"), "float32"
)
RNG = np.random.default_rng(0)
EACH: dict[str, Any] = {  # of four samples
    "labels": np.array([3, 1, 4, 1]),
    "embedding": RNG.normal(size=(4, 2)).astype(np.float32),
    "text_embedding": RNG.normal(size=(4, 2)).astype(np.float32),
    "tokens": RNG.integers(0, 9, (4, 3)),
    "states": RNG.normal(size=(4, 3, 2)).astype(np.float32),
    "mask": RNG.random((4, 3)) < 0.5,
    "low_resolution": RNG.normal(size=(4, 1, 2, 2)).astype(np.float32),
}


@pytest.mark.parametrize("name", AXES)
def test_a_field_is_one_value_or_a_row_for_each_sample_in_its_dtype(name: str) -> None:
    for value in (ONE[name], EACH[name]):
        told = Condition(**{name: value}).arguments()
        assert list(told) == [name, *(["mask"] if name == "states" else [])]
        assert told[name].dtype == DTYPES[name]
        np.testing.assert_array_equal(told[name], value)


def test_no_field_is_needed_and_none_is_no_field() -> None:
    assert Condition().arguments() == Condition(labels=None).arguments() == {}
    assert Condition().each(3).arguments() == {}


def test_each_gives_every_sample_its_row() -> None:
    told = Condition(labels=EACH["labels"], embedding=ONE["embedding"]).each(4)
    assert told.labels.tolist() == [3, 1, 4, 1]
    assert told.embedding.tolist() == [ONE["embedding"]] * 4
    for name, what in (("labels", "an integer"), ("embedding", "one vector"), ("low_resolution", "one image")):
        for n in (3, 5):
            sentence = rf"^{name}: expected {what}, or one for each of {n} samples, got 4$"
            with pytest.raises(ValueError, match=sentence):
                Condition(**{name: EACH[name]}).each(n)


def test_how_many_rows_are_given() -> None:
    assert Condition(labels=EACH["labels"], embedding=ONE["embedding"]).rows_given == 4
    assert Condition(**ONE).rows_given is None


def test_rows_and_what_follows_them() -> None:
    told = Condition(**EACH)
    some, rest = told.rows(slice(0, 1)), told.rows(np.array([1, 2, 3]))
    for name, values in some.followed_by(rest).arguments().items():
        np.testing.assert_array_equal(values, told.arguments()[name])
    assert told.rows(np.array([2, 2])).labels.tolist() == [4, 4]


def test_doubled_repeats_the_rows_and_leaves_one_for_all() -> None:
    told = Condition(labels=EACH["labels"], embedding=ONE["embedding"]).doubled()
    assert told.labels.tolist() == [3, 1, 4, 1] * 2
    assert told.embedding.tolist() == ONE["embedding"]


@pytest.mark.parametrize("name", AXES)
def test_left_out_is_nothing_where_it_says_so_and_itself_elsewhere(name: str) -> None:
    nothing = Condition(**{name: np.zeros_like(ONE[name])})
    where = np.array([True, False, True, False])
    found = Condition(**{name: EACH[name]}).left_out(where, nothing).arguments()[name]
    assert found.dtype == DTYPES[name]
    np.testing.assert_array_equal(found[where], np.stack([nothing.arguments()[name]] * 2))
    np.testing.assert_array_equal(found[~where], EACH[name][~where])


def test_a_condition_is_not_to_be_changed() -> None:
    with pytest.raises(AttributeError):
        Condition(labels=3).labels = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("labels", value) for value in (-1, 0.5, [0, -1], [[0]], [], "cat", True, np.nan)],
        *[("embedding", value) for value in (1.0, [[[1.0]]], [np.nan], "text", [])],
        *[("tokens", value) for value in (3, [0.5], [[[1]]], ["a"], [])],
        *[("states", value) for value in ([1.0], [[[[1.0]]]], [[np.nan]], "text", [[]])],
        *[("mask", value) for value in (True, [0, 1], [[[True]]], [])],
        *[("low_resolution", value) for value in (np.zeros((2, 2)), np.zeros((1, 1, 1, 2, 2)), "image.png")],
    ],
    ids=lambda value: str(value)[:20].replace("\n", ""),
)
def test_a_bad_value_is_refused_in_a_sentence_that_names_the_field(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got ") as caught:
        Condition(**{name: value})
    assert "\n" not in str(caught.value)


def test_states_without_a_mask_are_all_there() -> None:
    assert Condition(states=ONE["states"]).mask.tolist() == [True, True, True]
    assert Condition(states=EACH["states"]).mask.shape == (4, 3)
    assert Condition(states=ONE["states"], mask=ONE["mask"]).mask.tolist() == ONE["mask"]
    assert (Condition(states=ONE["states"]).length, Condition(labels=3).length) == (3, 0)


@pytest.mark.parametrize(
    "fields", [{"tokens": [1, 2]}, {"states": np.zeros((2, 5))}, {"states": np.zeros((4, 2, 5))}]
)
def test_a_mask_of_another_length_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^condition: expected fields of the same length, got \{.*'mask': 3\}$"):
        Condition(**fields, mask=ONE["mask"])


def test_of_two_texts_the_shorter_gets_words_that_are_not_there() -> None:
    """In a batch of both, and where the shorter is what stands for nothing."""
    long, short = Condition(states=EACH["states"], labels=[5] * 4), Condition(states=np.ones((1, 2)), labels=9)
    both = long.followed_by(short.each(2))
    assert both.states.shape == (6, 3, 2)
    assert both.mask[4:].tolist() == [[True, False, False]] * 2
    assert both.states[4:].tolist() == [[[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]] * 2
    for one, other in ((long, short), (short.each(4), long.rows(np.array([0])))):
        found = one.each(4).left_out(np.array([True, False, False, False]), other)
        assert found.mask.shape == (4, 3)
        assert found.mask.all(axis=1).tolist() == [one is not long] + [one is long] * 3


@pytest.mark.parametrize("name", ["embedding", "tokens", "states", "low_resolution"])
def test_values_of_different_shapes_do_not_go_together(name: str) -> None:
    """Tokens without a mask are as many everywhere, as nothing would tell which of them are there."""
    one, other = Condition(**{name: EACH[name]}), Condition(**{name: np.array(EACH[name])[..., :1]})
    with pytest.raises(ValueError, match=rf"^{name}: expected values of one shape, got \[.+\] and \[.+\]$"):
        one.followed_by(other)
    with pytest.raises(ValueError, match=rf"^{name}: expected values of one shape, got \[.+\] and \[.+\]$"):
        one.left_out(np.zeros(4, bool), other.rows(np.array([0])))


def test_fields_of_different_numbers_of_samples_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^condition: expected as many samples in each field, got \{'labels': 4, "):
        Condition(labels=EACH["labels"], embedding=np.zeros((3, 2)))
    Condition(labels=EACH["labels"], embedding=np.zeros(2))


@pytest.mark.parametrize("name", ["labels", "tokens", "mask", "embedding"])
def test_a_masked_value_is_no_value(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: expected an array without masked values, got 1 masked"):
        Condition(**{name: np.ma.masked_array([1, 0, 3], mask=[0, 0, 1])})
