"""Functions number by number, and what is reckoned with them: the same bits on every processor."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from checks.processors import narrow_digest

from numpy_diffusion.layers import time_embedding
from numpy_diffusion.process.elementwise import each
from numpy_diffusion.process.predictions import PREDICTIONS
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.solvers import METHODS, coefficients
from numpy_diffusion.training import losses, optimizers


def test_each_is_the_function_of_each_number() -> None:
    x = np.linspace(-3.0, 3.0, 12).reshape(3, 4)
    found = each(math.exp, x)
    assert (found.dtype, found.shape) == (np.float64, (3, 4))
    for index, value in np.ndenumerate(x):
        assert found[index] == math.exp(value)
    assert each(math.exp, x[:0]).shape == (0, 4)
    one = each(math.log, 2)
    assert isinstance(one, np.float64)
    assert one == math.log(2.0)


def tables() -> Iterator[tuple[str, Any]]:
    """What decides a training's bits, and a chain's, beside data and weights."""
    for name in ("linear", "quadratic", "sigmoid", "cosine"):
        for T in (1, 10, 1000):
            schedule = getattr(Schedule, name)(T)
            for field in ("beta", "alpha", "alpha_bar", "snr", "log_snr", "beta_tilde"):
                yield f"{name} {T}: {field}", getattr(schedule, field)
            for weighting in losses.WEIGHTINGS:
                yield f"{name} {T}: {weighting}", losses.weights(schedule, weighting)
            for predicts in PREDICTIONS:
                yield f"{name} {T}: bound of {predicts}", losses.bound_table(schedule, predicts)
            for method in METHODS:
                for values in coefficients(schedule, method, steps=min(T, 50)):
                    yield f"{name} {T}: {method}", values
    for steps in (100, 10_000):
        yield f"rates of {steps}", optimizers.learning_rates(1e-3, steps, steps // 10)
        yield f"averages of {steps}", optimizers.average_decays(0.9999, 1, steps)
    for size in (16, 128, 320):
        yield f"embedding of {size}", time_embedding.forward(np.arange(1001), size, np.float64)


def digest() -> str:
    found: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of schedules that do not end in noise
        for name, values in tables():
            more = found.get(name, "") + repr(values.shape)
            found[name] = hashlib.sha256(more.encode() + values.tobytes()).hexdigest()
    return json.dumps(found)


def test_tables_have_the_same_bits_whatever_registers_numpy_finds() -> None:
    """NumPy's own exp and log round by them."""
    here, narrow = json.loads(digest()), json.loads(narrow_digest(__file__))
    assert [name for name in here | narrow if here.get(name) != narrow.get(name)] == []
