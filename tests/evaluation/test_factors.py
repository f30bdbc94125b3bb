"""The factors of an answer that should be a sum of terms: which is wrong, and how."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.evaluation.factors import Place, told

RNG = np.random.default_rng(0)
X, E = RNG.normal(size=(2, 4, 2))
RIGHT = {"t = 1": (0.8, 0.6), "t = 2": (0.5, -0.2), "t = 3": (0.3, 0.0)}


def places(change):
    return [
        Place(name, change(a, b)[0] * X + change(a, b)[1] * E, a * X + b * E, {"x": X, "eps": E})
        for name, (a, b) in RIGHT.items()
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a, b: (a, b), ""),
        (lambda a, b: (a, -b), "The factor of eps has the other sign."),
        (lambda a, b: (a, 0.0), "The factor of eps is missing."),
        (lambda a, b: (a**2, b), "The factor of x is the square of the right one: a root is missing."),
        (lambda a, b: (a**0.5, b), "The factor of x is the root of the right one: one root too many."),
        (lambda a, b: (1 / a, b), "The factor of x is the inverse of the right one."),
        (
            lambda a, b: (a, 3.0 * b),
            "The factor of eps is 1.8 at t = 1, where 0.6 is right.  It is right at some others.",
        ),
        (
            lambda a, b: (a, 0.1 if b == 0.0 else b),
            "The factor of eps is 0.1 at t = 3, where 0 is right.  It is right elsewhere.",
        ),
        (
            lambda a, b: (a + 1.0, 0.0),
            "The factor of x is 1.3 at t = 3, where 0.3 is right.  The factor of eps is missing.",
        ),
    ],
)
def test_the_wrong_factor_is_told(change, sentence):
    assert told(places(change)) == sentence


def test_what_is_no_sum_is_told():
    [place, *_] = places(lambda a, b: (a, b))
    assert told([place._replace(answer=np.sin(X))]) == "t = 1: the answer is not made of x, eps alone."
    assert told([place._replace(answer=X * np.nan)]) == ""  # of which nothing can be said
    assert told([place._replace(terms={"x": X, "eps": X})]) == ""  # terms that cannot be told apart
    assert told([]) == ""
