"""The network that enlarges and predicts x_0: what it is judged by, and what a chain of it leads to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.networks import check_network
from checks.unet import CASES

import numpy_diffusion as nd
from numpy_diffusion.layers import bicubic
from numpy_diffusion.networks.unet.upsampler import Upsampler

SCHEDULE = nd.Schedule.cosine(T=20)


def upsampler(**options: Any) -> Upsampler:
    return Upsampler(**CASES["an upsampler"] | options)


def test_it_is_a_network(tmp_path: Path) -> None:
    check_network(upsampler(), tmp_path)


def test_it_is_judged_by_x0() -> None:
    """Its last layer starts at zero, so that the first loss is the mean square of what it should say."""
    rng = np.random.default_rng(0)
    x0 = rng.choice([-0.5, 0.5], (6, 2, 8, 8))
    low = nd.Condition(low_resolution=rng.uniform(-1.0, 1.0, (6, 2, 4, 4)))
    run = nd.train(upsampler(), SCHEDULE, x0, low, steps=1, progress=False)
    np.testing.assert_allclose(run.losses, [0.25], rtol=1e-6)


def test_a_chain_leads_to_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that takes the enlarged image for x_0 gives it back, whatever x_T is."""
    low = np.random.default_rng(1).uniform(-1.0, 1.0, (3, 2, 4, 4)).astype(np.float32)
    told, model = nd.Condition(low_resolution=low), upsampler()
    monkeypatch.setattr(Upsampler, "own_outputs", lambda self, x, t, told: bicubic.forward(told.low_resolution, 8, 8))
    eps = nd.as_eps(nd.guided(model, told, 0.0), SCHEDULE, model.predicts)
    x = nd.sample(eps, SCHEDULE, 3, seed=2, progress=False)
    np.testing.assert_allclose(x, bicubic.forward(low, 8, 8), atol=1e-5)
    with pytest.raises(ValueError, match="expected one that predicts eps, got one that predicts x0"):
        nd.sample(nd.guided(model, told, 0.0), SCHEDULE, 3)


def test_it_has_twice_the_channels_in() -> None:
    with pytest.raises(ValueError, match=r"^in_channels: expected twice out_channels, 4, got 2$"):
        upsampler(in_channels=2)
