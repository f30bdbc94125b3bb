"""Faults that others shipped, or nearly did, put into the source one by one: the test named beside each must fail.

A fault is a line of a function that is made wrong.  The function is compiled anew with that line and stands in for
the right one wherever it was imported.  A line that the source no longer holds is an error: the table follows it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from checks.exact import assert_gaussian_moments, kernel, posterior
from checks.faults import Fault, passes_without, with_fault
from checks.losses import NO_SIGNAL, check_min_snr, check_vlb
from checks.optimizers import check_adam
from checks.samplers import DATA, KINDS, check_chain_moments
from checks.solvers import TIMES, check_as_printed, check_order_on_a_gaussian
from checks.training_step import check_every_step_is_drawn, check_gradients, check_loss, check_no_noise_is_shared

from numpy_diffusion import noise
from numpy_diffusion.layers import linear, silu
from numpy_diffusion.networks.mlp import definition
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process import forward, reverse, schedules, steps
from numpy_diffusion.process.forward import q_posterior, q_sample, q_trajectory
from numpy_diffusion.process.schedules import PRIOR_KL_MAX, Schedule
from numpy_diffusion.sampling import chain, solvers, start
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.training import batch, losses, optimizers

SHORT = Schedule.from_beta([0.3, 0.6, 0.9, 0.97])  # few steps and each of weight: no fault hides in the statistics
N = 20_000


# --- checks that have no test file of their own ----------------------------------------------------------------


def check_jump_and_chain_moments() -> None:
    """x_t has the exact mean and covariance by either road, to five standard errors."""
    x0 = np.random.default_rng(1).multivariate_normal(DATA.mean, DATA.covariance, N)
    chain = q_trajectory(x0, SHORT, seed=2, backend="numpy")
    for t in range(1, 5):
        signal, variance = kernel(SHORT, t)
        covariance = signal**2 * DATA.covariance + variance * np.eye(2)
        for xt in (chain[t], q_sample(x0, t, SHORT, seed=3, backend="numpy")[0]):
            assert_gaussian_moments(xt, signal * DATA.mean, covariance)


def check_posterior() -> None:
    x0, xt = np.random.default_rng(4).normal(size=(2, 3, 2))
    for t in range(1, 5):
        mean, variance = q_posterior(x0, xt, t, SHORT)
        expected_mean, expected_variance = posterior(SHORT, x0, xt, t, t - 1)
        np.testing.assert_allclose(mean, expected_mean, atol=1e-12)
        np.testing.assert_allclose(variance, expected_variance, atol=1e-12)


def check_algorithm_1() -> None:
    for kind in ("beta", "beta_tilde"):
        check_chain_moments(SHORT, kind)


def check_ddim() -> None:
    for kind in ("ddim 0", "ddim 0.5", "ddim 1"):
        check_chain_moments(SHORT, kind)


def check_some_steps() -> None:
    for kind in KINDS:
        check_chain_moments(SHORT, kind, steps=2, times=[4, 2])


def check_samples_share_no_noise() -> None:
    """Samples 2 i and 2 i + 1 have no covariance: of the jump, of the chain, and of the chain that adds no noise."""
    results = [q_sample(np.zeros((N, 2)), 2, SHORT, backend="numpy")[0]]
    results += [sample(DATA.eps(SHORT), SHORT, N, **KINDS[kind]) for kind in ("beta", "ddim 0")]
    for x in results:
        joint = np.kron(np.eye(2), np.cov(x.T))
        assert_gaussian_moments(np.hstack([x[::2], x[1::2]]), np.tile(x.mean(axis=0), 2), joint)


def check_a_row_is_its_own() -> None:
    """The network's answer for (x, t) does not depend on where in the batch it stands."""
    model, rng = MLP(2, 6, 1, embedding=4, dtype=np.float64), np.random.default_rng(5)
    model.buffer[:] = rng.normal(size=model.buffer.size)
    x, t = rng.normal(size=(4, 2)), np.array([3, 900, 40, 1])
    whole = model(x, t)
    for n in range(4):
        np.testing.assert_allclose(model(x[n : n + 1], t[n])[0], whole[n], rtol=1e-12)


def check_short_chains_end_in_noise() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for make in (Schedule.linear, Schedule.quadratic, Schedule.sigmoid):
            assert make(T=50).prior_kl() < PRIOR_KL_MAX


def check_order(method: str) -> Callable[[], None]:
    return partial(check_order_on_a_gaussian, method)


def check_printed() -> None:
    check_as_printed(Schedule.linear(1000), TIMES)


# --- the faults ------------------------------------------------------------------------------------------------


VARIANCE = "np.sqrt(reverse_variance(schedule, t, variance, s))"

FAULTS = {
    # the variance of the reverse step
    "sigma_t^2 swapped": Fault(
        reverse.step_variance,
        "match kind:",
        'match {"beta": "beta_tilde", "beta_tilde": "beta"}[kind]:',
        check_algorithm_1,
    ),
    "one sigma_t^2 for both": Fault(
        solvers.ancestral, VARIANCE, "np.sqrt(reverse_variance(schedule, t))", check_algorithm_1
    ),
    "sigma_t^2 for sigma_t": Fault(
        solvers.ancestral, VARIANCE, "reverse_variance(schedule, t, variance, s)", check_algorithm_1
    ),
    "noise at t = 1": Fault(solvers.ancestral, f"np.where(s > 0, {VARIANCE}, 0.0)", VARIANCE, check_algorithm_1),
    # roots
    "alpha_bar without its root in the jump": Fault(
        forward._noised, "noised(x, np.sqrt(kept)", "noised(x, kept", check_jump_and_chain_moments
    ),
    "1 - alpha_bar without its root in the jump": Fault(
        forward._noised, "np.sqrt(1.0 - kept), t,", "1.0 - kept, t,", check_jump_and_chain_moments
    ),
    "alpha_bar without its root in training": Fault(
        batch.losses_and_gradient, "column(np.sqrt(alpha_bar)", "column(alpha_bar", check_loss
    ),
    "alpha_bar without its root in the posterior": Fault(
        forward.q_posterior, "np.sqrt(schedule.alpha_bar[t - 1])", "schedule.alpha_bar[t - 1]", check_posterior
    ),
    "beta_t / (1 - alpha_bar_t) in the chain": Fault(
        solvers.ancestral,
        "beta / np.sqrt(1.0 - schedule.alpha_bar[t])",
        "beta / (1.0 - schedule.alpha_bar[t])",
        check_algorithm_1,
    ),
    "beta_t / (1 - alpha_bar_t) in mu": Fault(
        reverse.step_mean,
        "beta / np.sqrt(1.0 - schedule.alpha_bar[t])",
        "beta / (1.0 - schedule.alpha_bar[t])",
        lambda: check_vlb(SHORT),
    ),
    "alpha_t without its root": Fault(
        solvers.ancestral, "a = 1.0 / np.sqrt(alpha)", "a = 1.0 / alpha", check_algorithm_1
    ),
    # times
    "t off by one in the jump": Fault(
        forward.q_sample, "schedule.alpha_bar[t]", "schedule.alpha_bar[t - 1]", check_jump_and_chain_moments
    ),
    "t off by one in the step": Fault(
        forward._step, "schedule.alpha[t]", "schedule.alpha[t - 1]", check_jump_and_chain_moments
    ),
    "t off by one in the posterior": Fault(
        forward.q_posterior, "schedule.alpha_bar[t - 1]", "schedule.alpha_bar[t]", check_posterior
    ),
    "t off by one in training": Fault(
        batch.losses_and_gradient, "schedule.alpha_bar[t]", "schedule.alpha_bar[t - 1]", check_loss
    ),
    "t off by one in the chain": Fault(
        solvers.ddim, "= schedule.alpha_bar[t],", "= schedule.alpha_bar[np.maximum(t - 1, 1)],", check_ddim
    ),
    "t off by one for the model": Fault(
        chain._chain, "= model.model(asked, int(t))", "= model.model(asked, max(int(t) - 1, 1))", check_algorithm_1
    ),
    "lambda off by one": Fault(
        losses.weights, "np.concatenate([[0.0], values])", "np.append(values, 0.0)", lambda: check_vlb(SHORT)
    ),
    "t = 0 trained and T never": Fault(batch.picked, "steps[place]", "steps[place] - 1", check_every_step_is_drawn),
    "the last step never trained": Fault(
        batch.picked, "[n, len(steps)]", "[n, len(steps) - 1]", check_every_step_is_drawn
    ),
    "the embedding of the place in the batch": Fault(
        definition.forward,
        "time_embedding.forward(t,",
        "time_embedding.forward(np.arange(len(x)),",
        check_a_row_is_its_own,
    ),
    # DDIM and skipped steps
    "the minus of Algorithm 1 lost": Fault(solvers.ancestral, "b = -a * beta", "b = a * beta", check_algorithm_1),
    "the sign of DDIM's direction": Fault(
        solvers.ddim, "b = np.sqrt(np.maximum(1.0", "b = -np.sqrt(np.maximum(1.0", check_ddim
    ),
    "DDIM's direction without its root": Fault(
        solvers.ddim,
        "np.sqrt(np.maximum(1.0 - alpha_bar_s - c**2, 0.0))",
        "(1.0 - alpha_bar_s - c**2)",
        check_ddim,
    ),
    "the first k steps for every k-th": Fault(
        steps.evenly,
        "np.round(np.arange(number, 0, -1) * (start / number)).astype(np.int64)",
        "np.arange(number, 0, -1)",
        check_some_steps,
    ),
    "t - 1 for the next chosen step in alpha and beta": Fault(
        solvers.ancestral, "skipped(schedule, t, s)", "skipped(schedule, t, t - 1)", check_some_steps
    ),
    "t - 1 for the next chosen step in DDIM's alpha": Fault(
        solvers.ddim, "skipped(schedule, t, s)", "skipped(schedule, t, t - 1)", check_some_steps
    ),
    "beta_t of the full chain at skipped steps": Fault(
        solvers.ancestral, VARIANCE, "np.sqrt(reverse_variance(schedule, t, variance))", check_some_steps
    ),
    "t - 1 for the next chosen step in alpha_bar": Fault(
        solvers.ddim, "schedule.alpha_bar[s]", "schedule.alpha_bar[t - 1]", check_some_steps
    ),
    # solvers of the ODE
    "Heun corrects by the slope at the trial point alone": Fault(
        solvers.heun, "np.stack([half, half,", "np.stack([2.0 * half, 0.0 * half,", check_order("heun")
    ),
    "2M with the next step for the last": Fault(
        solvers.dpm_2m, "np.append(np.inf, h[:-1])", "np.append(np.inf, h[1:])", check_printed
    ),
    "3M with half of the parabola's square term": Fault(
        solvers.dpm_3m, "psi2 * r0 + psi3)", "psi2 * r0 + psi3 / 2.0)", check_order("dpm++3m")
    ),
    "3M that starts with Euler": Fault(
        solvers.dpm_3m, "[[psi2[0], psi1[0] - psi2[0], 0.0]]", "[[0.0, psi1[0], 0.0]]", check_order("dpm++3m")
    ),
    # noise
    "uniform noise": Fault(
        noise._box_muller,
        "radius * np.sin(angle), radius * np.cos(angle)",
        "a * 2.0**-24, b * 2.0**-24",
        check_jump_and_chain_moments,
    ),
    "one noise for all steps": Fault(
        chain._chain, "STREAM_REVERSE, samples, step,", "STREAM_REVERSE, samples, 0,", check_algorithm_1
    ),
    "two samples share the noise of the jump": Fault(
        forward.noised,
        "first + np.arange(len(x))",
        "first + np.arange(len(x)) // 2",
        check_samples_share_no_noise,
    ),
    "two samples share the noise of the chain": Fault(
        chain._chain,
        "first + np.arange(len(x))",
        "first + np.arange(len(x)) // 2",
        check_samples_share_no_noise,
    ),
    "two samples share their start": Fault(
        start.noise, "first + np.arange(n)", "first + np.arange(n) // 2", check_samples_share_no_noise
    ),
    "two samples share the noise of training": Fault(
        batch._noise, "samples, step, numbers", "samples // 2, step, numbers", check_no_noise_is_shared
    ),
    # gradients
    "wrong sign of the loss's gradient": Fault(
        losses.of_prediction, "2.0 / error.size", "-2.0 / error.size", check_gradients
    ),
    "wrong sign of a weight's gradient": Fault(
        linear.backward, "rows.T @ _rows(x)", "-rows.T @ _rows(x)", check_gradients
    ),
    "wrong sign of a bias's gradient": Fault(
        linear.backward, "rows.sum(axis=0)", "-rows.sum(axis=0)", check_gradients
    ),
    "wrong sign of an input's gradient": Fault(
        linear.backward, "(rows @ weight)", "(-rows @ weight)", check_gradients
    ),
    "wrong sign in the slope of SiLU": Fault(silu.backward, "1.0 + x *", "1.0 - x *", check_gradients),
    "wrong sign past a residual": Fault(definition.backward, "dinput + dh", "dinput - dh", check_gradients),
    # Adam and the weights of the loss
    "Adam without the correction of its mean": Fault(
        optimizers.adam_step, "m / (1.0 - settings.beta1**step)", "m", check_adam
    ),
    "Adam without the correction of its variance": Fault(
        optimizers.adam_step, "v / (1.0 - settings.beta2**step)", "v", check_adam
    ),
    "Adam's correction by another number than the step's": Fault(optimizers.adam_step, "**step", "**3", check_adam),
    "min-SNR divides by an SNR of zero": Fault(
        losses.weights,
        "MIN_SNR_GAMMA / np.maximum(schedule.snr[t], MIN_SNR_GAMMA)",
        "np.minimum(schedule.snr[t], MIN_SNR_GAMMA) / schedule.snr[t]",
        lambda: check_min_snr(NO_SIGNAL),
    ),
    "50 steps with the betas of 1000": Fault(
        schedules._between, "T != 1000", "False", check_short_chains_end_in_noise
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_makes_its_check_fail(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    passes_without(fault)
    wrong = with_fault(fault)
    ours = ("numpy_diffusion", "checks", "tests")
    for module in [module for key, module in sys.modules.items() if key.startswith(ours)]:
        for attribute in [key for key, value in vars(module).items() if value is fault.function]:
            monkeypatch.setattr(module, attribute, wrong)
    with pytest.raises((AssertionError, ValueError)):  # a chain that does not start at T is refused to be kept there
        fault.check()
