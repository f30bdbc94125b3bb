"""Lab 6, guidance (Ho and Salimans 2022, eq 6) and likelihood by importance weights (Burda et al. 2016, eq 8)."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.evaluation.exercise import Case, Exercise, Slip, Sum


def _guided(eps_label: Any, eps_null: Any, w: float) -> Any:
    return (1.0 + w) * eps_label - w * eps_null


def _guided_cases() -> list[Case]:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    return [Case(f"w = {w:g}", (a, b, w)) for w in (0.0, 1.0, 6.5, -1.0)]


GUIDED = Exercise(
    "guided_eps(eps_label, eps_null, w)",
    ("eps",),
    _guided,
    (
        Slip("other_count", "w counts from no class, as guidance_scale does elsewhere: here w = 0 is the class as it "
             "is, and theirs is 1 + w.", lambda a, b, w: b + w * (a - b)),
        Slip("exchanged", "The two answers are exchanged: away from no class, towards the label.",
             lambda a, b, w: _guided(b, a, w)),
        Slip("added", "The answer without the class is added: it is taken away.",
             lambda a, b, w: (1.0 + w) * a + w * b),
        Slip("one_more", "The answer without the class weighs 1 + w too: the two weights add up to 1.",
             lambda a, b, w: (1.0 + w) * (a - b)),
        Slip("only_w", "The label weighs w: it is 1 + w, so that the two weights add up to 1.",
             lambda a, b, w: w * a - w * b),
        Slip("mixture", "This mixes the two, (1 - w) and w: guidance goes beyond the label.",
             lambda a, b, w: (1.0 - w) * a + w * b),
        Slip("no_guidance", "w has no effect.", lambda a, b, w: a),
    ),
    _guided_cases,
    lambda a, b, w: [Sum(f"w = {w:g}", ..., {"eps_label": a, "eps_null": b})],
)  # fmt: skip


# --- log p(x_0) of importance weights ----------------------------------------------------------------------------


def _log_mean_exp(log_w: np.ndarray, axis: int = 0) -> Any:
    largest = log_w.max(axis=axis)
    return largest + np.log(np.exp(log_w - np.expand_dims(largest, axis)).mean(axis=axis))


def _weight_cases() -> list[Case]:
    log_w = np.random.default_rng(0).normal(size=(6, 3))
    return [
        Case("small numbers", (log_w,)),
        Case("one trajectory", (log_w[:1],)),
        Case("of an image, about -2000", (log_w - 2000.0,)),
    ]


IMPORTANCE = Exercise(
    "importance_weighted(log_w)",
    ("log p",),
    _log_mean_exp,
    (
        Slip("mean_of_logs", "This is the mean of the logarithms, which is the bound: the logarithm is of the mean.",
             lambda log_w: log_w.mean(axis=0)),
        Slip("sum", "The weights are added up: it is their mean, log K less.",
             lambda log_w: _log_mean_exp(log_w) + np.log(len(log_w))),
        Slip("underflow", "exp(-2000) is 0, and its logarithm minus infinity: take the largest log weight out of the "
             "sum first, and add it at the end.", lambda log_w: np.log(np.exp(log_w).mean(axis=0))),
        Slip("largest_lost", "The largest log weight is taken out of the sum and not added again.",
             lambda log_w: _log_mean_exp(log_w) - log_w.max(axis=0)),
        Slip("largest", "This is the largest log weight alone: the logarithm is of the mean of all.",
             lambda log_w: log_w.max(axis=0)),
        Slip("over_samples", "The mean is over the samples, axis 1: it is over the K trajectories, axis 0.",
             lambda log_w: _log_mean_exp(log_w, axis=1)),
        Slip("no_logarithm", "The last logarithm is missing: this is p, not log p.",
             lambda log_w: np.exp(_log_mean_exp(log_w))),
    ),
    _weight_cases,
)  # fmt: skip
