"""The argument checks: what each lets through, and the exact sentence with which it refuses the rest."""

from __future__ import annotations

import re
import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion import _checks

FLAT = settings(deadline=None, max_examples=60)
ONE = np.ones((2, 2))


def refusal(sentence: str) -> Any:
    """The context in which ValueError must say this and nothing else."""
    return pytest.raises(ValueError, match=f"^{re.escape(sentence)}$")


class Raises:
    """What no array can be made of."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError

    def __repr__(self) -> str:
        return "Raises()"


@FLAT
@given(value=st.integers(-(2**70), 2**70))
def test_integer_returns_a_python_int(value: int) -> None:
    assert _checks.integer("n", value) == value
    number = _checks.integer("n", np.int16(value % 1000), 0, 1000)
    assert number == value % 1000
    assert type(number) is int


@pytest.mark.parametrize(
    ("value", "bounds", "sentence"),
    [
        (0, (1, None), "n: expected an integer of at least 1, got 0"),
        (9, (None, 8), "n: expected an integer of at most 8, got 9"),
        (9, (1, 8), "n: expected an integer in 1..8, got 9"),
        (0, (1, 8), "n: expected an integer in 1..8, got 0"),
        (True, (), "n: expected an integer, got True"),
        (np.True_, (0, 1), "n: expected an integer in 0..1, got np.True_"),
        (2.0, (), "n: expected an integer, got float 2.0"),
        ("2", (1, None), "n: expected an integer of at least 1, got str '2'"),
        (None, (1, 8), "n: expected an integer in 1..8, got NoneType None"),
        ([3], (), "n: expected an integer, got list [3]"),
        ("x" * 99, (), "n: expected an integer, got str '" + "x" * 72 + "..."),
    ],
)
def test_integer_refuses(value: Any, bounds: tuple[Any, ...], sentence: str) -> None:
    with refusal(sentence):
        _checks.integer("n", value, *bounds)


def test_integer_takes_its_bounds_in() -> None:
    assert [_checks.integer("n", n, 1, 3) for n in (1, 2, 3)] == [1, 2, 3]


@pytest.mark.parametrize("value", [0.25, np.float32(0.25), np.float64(0.25), Fraction(1, 4), np.array(0.25)])
def test_real_returns_a_python_float(value: Any) -> None:
    number = _checks.real("eta", value, 0.25, 0.25)
    assert number == 0.25
    assert type(number) is float
    assert _checks.real("eta", 3) == 3.0


@pytest.mark.parametrize(
    ("value", "bounds", "sentence"),
    [
        (2.0, (0.0, 1.0), "eta: expected a finite number in 0.0..1.0, got 2.0"),
        (-0.5, (0.0, 1.0), "eta: expected a finite number in 0.0..1.0, got -0.5"),
        (-0.5, (0.0, None), "eta: expected a finite number of at least 0.0, got -0.5"),
        (1.5, (None, 1.0), "eta: expected a finite number of at most 1.0, got 1.5"),
        (np.nan, (), "eta: expected a finite number, got nan"),
        (np.inf, (0.0, None), "eta: expected a finite number of at least 0.0, got inf"),
        (False, (), "eta: expected a number, got bool False"),
        (np.True_, (), "eta: expected a number, got bool np.True_"),
        ("0.5", (0.0, 1.0), "eta: expected a number in 0.0..1.0, got str '0.5'"),
        (b"1", (), "eta: expected a number, got bytes b'1'"),
        (None, (), "eta: expected a number, got NoneType None"),
        (1j, (), "eta: expected a number, got complex 1j"),
        ([0.5, 0.5], (), "eta: expected a number, got list [0.5, 0.5]"),
        (10**400, (), "eta: expected a number, got int 1" + "0" * 72 + "..."),
    ],
)
def test_real_refuses(value: Any, bounds: tuple[Any, ...], sentence: str) -> None:
    with refusal(sentence):
        _checks.real("eta", value, *bounds)


@pytest.mark.parametrize("value", [0, 2**64 - 1, np.uint64(2**64 - 1)])
def test_seed_lets_64_bits_through(value: Any) -> None:
    assert _checks.seed(value) == int(value)


@pytest.mark.parametrize(
    ("value", "got"), [(-1, "-1"), (2**64, str(2**64)), (0.5, "float 0.5"), (None, "NoneType None"), (True, "True")]
)
def test_seed_refuses(value: Any, got: str) -> None:
    with refusal(f"seed: expected an integer in 0..18446744073709551615, got {got}"):
        _checks.seed(value)


def test_instance() -> None:
    assert _checks.instance("shape", (2,), tuple) == (2,)
    with refusal("shape: expected a tuple, got list [2]"):
        _checks.instance("shape", [2], tuple)


def test_choice() -> None:
    assert _checks.choice("method", "ddim", ("ancestral", "ddim")) == "ddim"
    assert _checks.choice("method", "a", iter(["a"])) == "a"
    for value, got in (("euler", "str 'euler'"), (None, "NoneType None"), (["ddim"], "list ['ddim']")):
        with refusal(f"method: expected one of 'ancestral', 'ddim', got {got}"):
            _checks.choice("method", value, ("ancestral", "ddim"))


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (ONE.astype(np.float32), None, np.float32),
        (ONE, None, np.float64),
        (ONE.astype(np.float16), None, np.float32),
        (ONE.astype(int), None, np.float32),
        (ONE.tolist(), None, np.float64),
        (np.ones((2, 2), np.uint8), np.float64, np.float64),
        (ONE, np.float32, np.float32),
    ],
)
def test_array_converts(value: Any, dtype: Any, expected: Any) -> None:
    x = _checks.array("x", value, (2, "D"), dtype)
    assert x.dtype == expected
    np.testing.assert_array_equal(x, ONE)


@pytest.mark.parametrize("value", [np.arange(12.0).reshape(3, 4).T, np.arange(12.0)[::-1], np.array(5.0)])
def test_array_is_contiguous_and_keeps_its_axes(value: np.ndarray) -> None:
    x = _checks.array("x", value)
    assert x.flags.c_contiguous
    assert x.shape == value.shape
    np.testing.assert_array_equal(x, value)


@pytest.mark.parametrize(
    ("value", "options", "sentence"),
    [
        (ONE, {"shape": (2, 3)}, "x: expected shape [2, 3], got [2, 2]"),
        (ONE, {"shape": ("N",)}, "x: expected shape [N], got [2, 2]"),
        (ONE, {"shape": ("N", None, 1)}, "x: expected shape [N, any, 1], got [2, 2]"),
        (1.0, {"shape": ("N",)}, "x: expected shape [N], got []"),
        (ONE, {"min_ndim": 3}, "x: expected at least 3 axes, got shape [2, 2]"),
        (np.ones((0, 2)), {}, "x: expected at least one value, got an empty array of shape [0, 2]"),
        ([1.0, np.nan, np.inf], {}, "x: expected finite values, got 2 that are NaN or infinite in float64"),
        ([1e39], {"dtype": np.float32}, "x: expected finite values, got 1 that are NaN or infinite in float32"),
        (ONE.astype(complex), {}, "x: expected real numbers, got dtype complex128"),
        ([True], {}, "x: expected real numbers, got dtype bool"),
        ("points", {}, "x: expected real numbers, got dtype <U6"),
        (None, {}, "x: expected real numbers, got dtype object"),
        ([[1.0], [1.0, 2.0]], {}, "x: expected an array of real numbers, got list [[1.0], [1.0, 2.0]]"),
        (Raises(), {}, "x: expected an array of real numbers, got Raises Raises()"),
    ],
)
def test_array_refuses(value: Any, options: dict[str, Any], sentence: str) -> None:
    with refusal(sentence):
        _checks.array("x", value, **options)


def test_steps_become_int64_within_their_bounds() -> None:
    for value in (3, np.uint8(3), [1, 3], np.array([1, 3], np.int16), range(1, 4)):
        steps = _checks.steps("t", value, 1, 3)
        assert steps.dtype == np.int64
        np.testing.assert_array_equal(steps, value)
    assert _checks.steps("t", 3, 1, 3, n=5).shape == ()
    assert _checks.steps("t", [1, 2], 1, 3, n=2).shape == (2,)


@pytest.mark.parametrize(
    ("value", "n", "sentence"),
    [
        (0, None, "t: expected a step in 1..9, got 0"),
        (10, 3, "t: expected a step in 1..9, got 10"),
        ([0, 4], None, "t: expected steps in 1..9, got 0..4"),
        ([4, 10], 2, "t: expected steps in 1..9, got 4..10"),
        (1.0, None, "t: expected integer steps in 1..9, got float 1.0"),
        (True, None, "t: expected integer steps in 1..9, got bool True"),
        ("1", None, "t: expected integer steps in 1..9, got str '1'"),
        (None, None, "t: expected integer steps in 1..9, got NoneType None"),
        ([], None, "t: expected integer steps in 1..9, got list []"),
        ([[1], [1, 2]], None, "t: expected integer steps in 1..9, got list [[1], [1, 2]]"),
        (Raises(), None, "t: expected integer steps in 1..9, got Raises Raises()"),
        (np.zeros(0, int), None, "t: expected at least one step, got an empty array"),
        ([1, 2], 3, "t: expected one step or an array of shape [3], got shape [2]"),
        ([[1, 2]], None, "t: expected one step or an array of shape [any], got shape [1, 2]"),
        ([[1, 2]], 2, "t: expected one step or an array of shape [2], got shape [1, 2]"),
    ],
)
def test_steps_refuse(value: Any, n: int | None, sentence: str) -> None:
    with refusal(sentence):
        _checks.steps("t", value, 1, 9, n)


def test_masked_values_are_refused_and_an_array_without_any_is_not() -> None:
    masked = np.ma.masked_array([[1.0, 2.0], [3.0, -999.0]], mask=[[0, 0], [0, 1]])
    with refusal(
        "x: expected an array without masked values, got 1 masked: fill them in or leave their rows out",
    ):
        _checks.array("x", masked)
    with pytest.raises(ValueError, match=r"^t: expected an array without masked values, got 2 masked"):
        _checks.steps("t", np.ma.masked_greater([1, 5, 7], 4), 1, 9)
    np.testing.assert_array_equal(_checks.array("x", np.ma.masked_array([1.0, 2.0], mask=False)), [1.0, 2.0])
    assert _checks.unmasked("x", masked[0]) is not None


def test_probabilities_sum_to_one_to_the_last_bit_that_is_left() -> None:
    values = _checks.probabilities("weights", np.full(10, 0.1) + 1e-11, 10)
    assert values.dtype == np.float64
    assert abs(values.sum() - 1.0) < 1e-15


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([0.5, 0.6], "weights: expected positive numbers with sum 1, got numbers from 0.5 on with sum 1.1"),
        ([1.0, 0.0], "weights: expected positive numbers with sum 1, got numbers from 0 on with sum 1"),
        ([1.5, -0.5], "weights: expected positive numbers with sum 1, got numbers from -0.5 on with sum 1"),
        ([1.0], "weights: expected shape [2], got [1]"),
        ([0.5, np.nan], "weights: expected finite values, got 1 that are NaN or infinite in float64"),
    ],
)
def test_probabilities_refuse(value: Any, sentence: str) -> None:
    with refusal(sentence):
        _checks.probabilities("weights", value, 2)


def test_covariance_is_symmetric_to_the_bit() -> None:
    matrix = _checks.covariance("covariance", [[1.0, 0.5 + 1e-12], [0.5, 1.0]], 2)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(matrix, [[1.0, 0.5], [0.5, 1.0]], rtol=1e-11)
    for singular in (np.zeros((2, 2)), [[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0 + 1e-12], [1.0 + 1e-12, 1.0]]):
        np.testing.assert_array_equal(_checks.covariance("covariance", singular, 2), singular)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([[1.0, 0.1], [0.0, 1.0]], "expected a symmetric matrix, got entries that differ from the transposed"),
        ([[1.0, 2.0], [2.0, 1.0]], "expected a positive semi-definite matrix, got an eigenvalue of -1"),
        ([[-0.25, 0.0], [0.0, 1.0]], "expected a positive semi-definite matrix, got an eigenvalue of -0.25"),
        (np.ones((2, 3)), "expected shape [2, 2], got [2, 3]"),
        ([[np.inf, 0.0], [0.0, 1.0]], "expected finite values, got 1 that are NaN or infinite in float64"),
    ],
)
def test_covariance_refuses(value: Any, sentence: str) -> None:
    with refusal(f"covariance: {sentence}"):
        _checks.covariance("covariance", value, 2)


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ("unifrom", ", got str 'unifrom'; did you mean 'uniform'?"),
        ("Importance", ", got str 'Importance'; did you mean 'importance'?"),
        ("zzz", ", got str 'zzz'"),
        (3, ", got int 3"),
    ],
)
def test_a_misspelt_choice_is_answered_with_the_nearest(value: object, end: str) -> None:
    with pytest.raises(ValueError, match="sampling") as raised:
        _checks.choice("sampling", value, ("uniform", "importance"))
    assert str(raised.value) == "sampling: expected one of 'uniform', 'importance'" + end


def test_in_range_lets_rounding_through_and_refuses_pixels() -> None:
    images = np.array([-1.0, 1.0 + 1e-6])
    assert _checks.in_range("x0", images) is images
    with refusal("x0: expected images with values in -1..1, black to white, got 0..255"):
        _checks.in_range("x0", np.array([0, 255]))


def test_images_in_0_to_1_are_doubted() -> None:
    with pytest.warns(UserWarning, match=r"^x0: expected images .* got 0\.\.1; .* in 0\.\.1, .* give 2 \* x0 - 1$"):
        _checks.in_range("x0", np.linspace(0.0, 1.0, 8))
    with pytest.warns(UserWarning, match=r"^x: "):
        _checks.in_range("x", np.array([0.1, 0.8]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for images in ([-1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [-0.1, 1.0], [0.4, 1.0], [0.0, 0.7]):
            _checks.in_range("x0", np.array(images))


# Tables with names


def test_a_table_is_told_by_its_columns() -> None:
    pandas = pytest.importorskip("pandas")
    whole, missing = pandas.array([1, 2, 3], dtype="Int64"), pandas.array([1, None, 3], dtype="Int64")
    x = np.array([0.5, 1.5, 2.5])
    table = pandas.DataFrame({"age": whole, "x": x})
    np.testing.assert_array_equal(_checks.array("x0", table), np.column_stack([[1.0, 2.0, 3.0], x]))
    for column, got in {
        "age": (missing, "NAType <NA> in row 1"),
        "b": ([True, False, True], "bool True in row 0"),
        "c": (["1", "2", "3"], "str '1' in row 0"),
        "d": (pandas.to_datetime(["2026-01-01"] * 3), "Timestamp Timestamp('2026-01-01 00:00:00') in row 0"),
        7: ([1.0, {}, None], "dict {} in row 1"),
    }.items():
        with refusal(f"x0: expected real numbers, got {got[1]} of the column {column!r}"):
            _checks.array("x0", pandas.DataFrame({"x": x, column: got[0]}))


def test_what_is_not_finite_is_told_by_its_columns() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": [1.0, np.nan], "b": [1.0, 2.0], "c": [np.inf, np.nan]})
    with refusal("x0: expected finite values, got 3 that are NaN or infinite in float64 in 'a', 'c'"):
        _checks.array("x0", table)
    with refusal("x0: expected finite values, got 1 that are NaN or infinite in float64"):
        _checks.array("x0", table[["a"]].to_numpy())
