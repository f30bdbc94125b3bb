"""A small network that knows its data a little, the data, and the page made of both."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

import numpy_diffusion as nd

SCHEDULE = nd.Schedule.sigmoid(T=100)
X0 = nd.datasets.moons(300, seed=0) * [1.0, 0.5] + [2.0, -1.0]


@functools.cache
def network() -> nd.MLP:
    """Trained for a moment by the definitions, so that nothing is compiled for it."""
    model = nd.MLP(2, 16, 2, octaves=3, seed=1)
    with nd.backend("numpy"):
        nd.train(model, SCHEDULE, X0, steps=500, batch=128, progress=False)
    return model


def contents(page: Path) -> Any:
    """What Python wrote into a page."""
    found = re.search(r'id="contents">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert found is not None
    return json.loads(found[1])


def samples(n: int, seed: int, **options: Any) -> np.ndarray:
    """The network's, by the definitions."""
    with nd.backend("numpy"):
        return np.asarray(nd.sample(network(), SCHEDULE, n, seed, progress=False, **options))
