"""What bound and trajectories share: the arguments, checked, and the densities of one step."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from checks.gaussians import covariance

from numpy_diffusion.evaluation import setting
from numpy_diffusion.evaluation.setting import checked, forward_noise, forward_steps
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.process.reverse import mu_from_eps
from numpy_diffusion.process.schedules import Schedule

SCHEDULE = Schedule.linear(12)
X0 = np.random.default_rng(0).normal(size=(5, 2))
PRIOR = Gaussian([1.0, -1.0], covariance(np.random.default_rng(1), 2))


def model(x: np.ndarray, t: int) -> np.ndarray:
    return 0.5 * x + 0.1


def density(x: np.ndarray, mean: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """log N(x; mean, cov) by plain linear algebra: [N]."""
    offset = x - mean
    distance = np.einsum("ni,ij,nj->n", offset, np.linalg.inv(cov), offset)
    return -0.5 * (distance + np.linalg.slogdet(2.0 * math.pi * cov)[1])


# The arguments.


def test_data_is_taken_to_the_model_s_units() -> None:
    network = MLP(dim=2, width=4, depth=0)
    network.shift[:], network.scale[:] = [8.0, -4.0], [4.0, 0.125]
    found = checked(network, SCHEDULE, X0, "beta", None)
    assert found.u.dtype == np.float64
    np.testing.assert_allclose(found.u * [4.0, 0.125] + [8.0, -4.0], X0, rtol=1e-12, atol=1e-12)
    assert found.units.log_scale == pytest.approx(math.log(0.5))
    assert not found.eight_bits


def test_8_bit_data_runs_from_minus_1_to_1_where_the_model_has_no_units() -> None:
    pixels = np.array([[0, 255], [51, 204]], np.uint8)
    found = checked(model, SCHEDULE, pixels, "beta", None)
    assert found.eight_bits
    np.testing.assert_allclose(found.u, [[-1.0, 1.0], [-0.6, 0.6]], atol=1e-15)
    assert not checked(model, SCHEDULE, pixels.astype(np.float64), "beta", None).eight_bits
    network = MLP(dim=2, width=4, depth=0)
    network.scale[:] = 2.0
    np.testing.assert_array_equal(checked(network, SCHEDULE, pixels, "beta", None).u, pixels / 2.0)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"schedule": 12}, "schedule: expected a Schedule"),
        ({"model": 1}, "model: expected a callable"),
        ({"x0": [1.0]}, "data: expected at least 2 axes"),
        (
            {"model": PRIOR.eps(SCHEDULE), "x0": [[1.0]]},
            r"data: expected shape \['N', 2\], as the model's, got \[1, 1\]",
        ),
        ({"variance": "small"}, "variance: expected one of 'beta', 'beta_tilde', 'learned'"),
        ({"variance": "learned"}, 'variance: expected "learned" with a model that learns'),
        ({"variance": np.arange(13.0) - 3.0}, "variance: expected values of at least 0"),
        ({"variance": np.arange(13.0) % 5}, r"variance: expected positive values for t = 1\.\.12, got 0 at 5"),
        ({"prior": Gaussian([0.0], [[1.0]])}, r"prior: expected 2 dimensions and a regular covariance, got Gaussian"),
        ({"prior": Gaussian([0.0, 0.0], np.ones((2, 2)))}, "prior: expected 2 dimensions and a regular covariance"),
    ],
)
def test_bad_arguments_are_refused_by_name(changed: dict[str, Any], complaint: str) -> None:
    arguments = dict(model=model, schedule=SCHEDULE, x0=X0, variance="beta", prior=None, name="data") | changed
    with pytest.raises(ValueError, match=f"^{complaint}"):
        checked(**arguments)


# The densities.


def test_a_step_of_the_forward_chain_has_both_chains_densities() -> None:
    found = checked(model, SCHEDULE, X0, "beta", None)
    steps = list(forward_steps(found, 3, 9, 2))
    assert [step.t for step in steps] == list(range(1, 13))
    np.testing.assert_array_equal(steps[0].x, np.repeat(X0, 2, axis=0))
    for step in steps:
        beta = SCHEDULE.beta[step.t]
        np.testing.assert_allclose(
            step.log_q, density(step.xt, math.sqrt(1.0 - beta) * step.x, beta * np.eye(2)), rtol=1e-11
        )
        mean = mu_from_eps(step.xt, model(step.xt, step.t), step.t, SCHEDULE)
        np.testing.assert_allclose(step.log_p, density(step.x, mean, beta * np.eye(2)), rtol=1e-11)
    for before, after in itertools.pairwise(steps):
        assert after.x is before.xt


def test_the_prior_is_a_gaussian_along_its_axes() -> None:
    rng = np.random.default_rng(2)
    x, prior = rng.normal(size=(5, 3)), Gaussian(rng.normal(size=3), covariance(rng, 3))
    np.testing.assert_allclose(setting.log_prior(prior, x), density(x, prior.mean, prior.covariance), rtol=1e-12)
    np.testing.assert_allclose(setting.log_prior(None, x), density(x, np.zeros(3), np.eye(3)), rtol=1e-12)
    along, variance = setting.along_axes(prior, x)
    np.testing.assert_allclose((along**2).sum(axis=1), ((x - prior.mean) ** 2).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(sorted(variance), np.linalg.eigvalsh(prior.covariance))


@pytest.mark.parametrize("t", [1, 2, 12])
def test_a_variance_that_is_the_same_for_every_x_is_the_one_that_was_named(t: int) -> None:
    own = np.random.default_rng(2).uniform(0.1, 1.0, (13, 2))
    expected = {"beta": SCHEDULE.beta[t], "beta_tilde": SCHEDULE.beta_tilde[max(t, 2)]}
    for name, variance in expected.items():
        found = setting.fixed_log_variance(checked(model, SCHEDULE, X0, name, None), t)
        assert found == pytest.approx(math.log(variance))
    found = setting.fixed_log_variance(checked(model, SCHEDULE, X0, own, None), t)
    np.testing.assert_array_equal(found, np.log(own[t]))


def test_a_learned_variance_is_not_the_same_for_every_x() -> None:
    network = MLP(dim=2, width=4, depth=0, learn_variance=True)
    learned = checked(network, SCHEDULE, X0, "learned", None)
    with pytest.raises(ValueError, match=r"^variance: expected one that is the same for every x_t, got 'learned'$"):
        setting.fixed_log_variance(learned, 3)
    assert setting.predicted(learned, learned.u, 3)[1].shape == (5, 2)


def test_draws_are_those_of_fewer_and_more_draws_and_no_two_alike() -> None:
    one, three = (forward_noise(0, 9, draws, 5, SCHEDULE, (4 * draws, 2)) for draws in (1, 3))
    np.testing.assert_array_equal(three[::3], one)
    np.testing.assert_array_equal(forward_noise(0, 9, 3, 5, SCHEDULE, (6, 2), first=2), three[6:])
    later = forward_noise(0, 9, 3, 6, SCHEDULE, (12, 2))
    assert len(np.unique(np.concatenate([three, later]))) == 48


def test_a_network_of_images_sees_8_bits_as_minus_1_to_1_as_a_function_does() -> None:
    """Its shift is 0 and its scale 1, which says that it was trained on -1..1, and not on 0..255."""
    pixels = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 1, 3, 4) * 10
    unet = UNet(
        sample_size=(3, 4),
        add_attention=False,
        in_channels=1,
        out_channels=1,
        block_out_channels=(4,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        norm_num_groups=2,
    )
    network, function = (
        checked(model, Schedule.linear(10), pixels, "beta", None) for model in (unet, lambda x, t: x)
    )
    np.testing.assert_array_equal(network.u, (pixels - 127.5) / 127.5)
    np.testing.assert_array_equal(network.u, function.u)
    unet.scale[:] = 2.0
    other = checked(unet, Schedule.linear(10), pixels, "beta", None)
    np.testing.assert_array_equal(other.u, pixels / 2.0)
