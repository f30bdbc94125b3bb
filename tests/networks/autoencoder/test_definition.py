"""The autoencoder's definition: its loss's gradient in float64, and what the loss is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.autoencoders import KL_WEIGHT, autoencoder, options, shown
from checks.gradcheck import projected_errors, wrong

from numpy_diffusion.layers import diagonal_gaussian
from numpy_diffusion.networks.autoencoder import definition

CASES: dict[str, dict[str, Any]] = {
    "two blocks": options(),
    "three blocks, 8 x 4": options(3, sample_size=(8, 4), layers_per_block=2, in_channels=1, out_channels=1),
    "one block, nothing that may be left out": options(
        1, sample_size=(3, 5), use_quant_conv=False, use_post_quant_conv=False, mid_block_add_attention=False
    ),
}


def flat(grads: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([values.ravel() for values in grads.values()])


def check_gradient(case: str) -> None:
    """Along three directions of all parameters, and of those around the sampling one by one."""
    model = autoencoder(CASES[case], np.float64)
    x, noise = shown(model, 2)
    _, grads = definition.losses_and_gradient(model.params, model.config, x, noise, KL_WEIGHT)
    assert list(grads) == list(model.params)

    def loss() -> float:
        moments = definition.encode(model.params, model.config, x)
        z, divergence, _ = diagonal_gaussian.forward(moments, noise)
        error = definition.decode(model.params, model.config, z) - x
        return float((error**2).mean() + KL_WEIGHT * divergence.mean())

    for seed in range(3):
        assert wrong(projected_errors(loss, {"all": model.buffer}, {"all": flat(grads)}, seed)) == []
    names = [name for name in model.params if name.startswith(("encoder.conv_", "quant_conv", "decoder.conv_in"))]
    alone = {name: model.params[name] for name in names}
    assert wrong(projected_errors(loss, alone, {name: grads[name] for name in names})) == []


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_of_the_parameters(case: str) -> None:
    check_gradient(case)


def test_a_fault_in_the_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    backward = diagonal_gaussian.backward
    monkeypatch.setattr(diagonal_gaussian, "backward", lambda dz, ddivergence, cache: backward(dz, 0.0, cache))
    with pytest.raises(AssertionError):
        check_gradient("two blocks")


def test_the_loss_is_the_mean_squared_error_and_the_weighted_divergence() -> None:
    model = autoencoder(dtype=np.float64)
    x, noise = shown(model)
    moments = definition.encode(model.params, model.config, x)
    z, divergence, _ = diagonal_gaussian.forward(moments, noise)
    error = ((definition.decode(model.params, model.config, z) - x) ** 2).mean(axis=(1, 2, 3))
    for weight in (0.0, 1.0):
        losses, _ = definition.losses_and_gradient(model.params, model.config, x, noise, weight)
        np.testing.assert_allclose(losses, error + weight * divergence, rtol=1e-12)


def test_the_last_row_and_column_are_seen_by_a_latent_as_the_first_are() -> None:
    """The halving has zeros behind the last pixel and none before the first."""
    model = autoencoder(dtype=np.float64)
    x, _ = shown(model, 1)
    before = definition.encode(model.params, model.config, x)
    for place in (0, 7):
        moved = x.copy()
        moved[0, :, place, place] += 1.0
        assert (definition.encode(model.params, model.config, moved) != before).any()
