"""The check against right samplers, slips that shipped, plain linear algebra, and its own claims."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path

import numpy as np
import pytest

from numpy_diffusion.evaluation.sampler_check import GAUSSIAN, check_sampler
from numpy_diffusion.process.schedules import Schedule

EXAMPLES = Path(__file__).parents[2] / "examples"
LINEAR = Schedule.linear(1000)
QUICK = {"steps": (8, 20), "n": 512}
LEARNED = {"kind": "ancestral", "variance": 0.5}


@pytest.fixture
def samplers(monkeypatch):
    """The example's samplers, right ones and slips: one text for the reader and for the test."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("check_your_sampler")


def ddim(eps_model, x, t, s, schedule, z):
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    eps = eps_model(x, t)
    return np.sqrt(then / now) * (x - np.sqrt(1.0 - now) * eps) + np.sqrt(1.0 - then) * eps


def ancestral(eps_model, x, t, s, schedule, z, small=False):
    """Ho et al. 2020, Algorithm 2."""
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    beta = 1.0 - now / then
    sigma = np.sqrt(beta * (1.0 - then) / (1.0 - now) if small else beta)
    return (x - beta / np.sqrt(1.0 - now) * eps_model(x, t)) / np.sqrt(now / then) + (sigma * z if s > 0 else 0.0)


def beta_tilde(*arguments):
    return ancestral(*arguments, small=True)


class AdamsBashforth:
    """Of second order on d(x / sqrt(alpha_bar)) / dk = eps, k = sqrt((1 - alpha_bar) / alpha_bar), with a history."""

    def __call__(self, eps_model, x, t, s, schedule, z):
        now, then = np.sqrt(schedule.alpha_bar[t]), np.sqrt(schedule.alpha_bar[s])
        k, k_next = np.sqrt(1.0 / now**2 - 1.0), np.sqrt(1.0 / then**2 - 1.0)
        eps = slope = eps_model(x, t)
        if hasattr(self, "before"):
            k_before, eps_before = self.before
            slope = eps + 0.5 * (k_next - k) / (k - k_before) * (eps - eps_before)
        self.before = k, eps
        return then * (x / now + (k_next - k) * slope)

    def step(self, *arguments):
        return self(*arguments)


# --- right samplers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "declared"),
    [
        (ddim, {"kind": "ddim"}),
        (ancestral, {"kind": "ancestral"}),
        (ancestral, {"kind": "ancestral", "variance": 1.0}),
        (beta_tilde, {"kind": "ancestral", "variance": "beta_tilde"}),
        (beta_tilde, {"kind": "ancestral", "variance": 0.0}),
    ],
)
@pytest.mark.parametrize("schedule", [None, Schedule.cosine(1000), Schedule.sigmoid(50)], ids=str)
def test_a_right_sampler_is_right(step, declared, schedule):
    report = check_sampler(step, schedule, **declared, **QUICK)
    assert report.right, report
    for row in report.rows:
        assert row.off.mean < 1e-9
        assert row.off.covariance < 1e-9
        assert row.off.mean_error < 1e-9  # the mixture's noise is shared with the reference
        assert (row.error.mean_error > 0.0) == (row.data == "mixture")


@pytest.mark.parametrize(
    ("name", "declared"), [("ddim", {"kind": "ddim"}), ("ancestral", {"kind": "ancestral"}), ("learned", LEARNED)]
)
def test_the_example_s_right_samplers_are_right(samplers, name, declared):
    assert check_sampler(getattr(samplers, name), **declared, **QUICK).right


def test_ddim_is_of_order_one():
    rows = check_sampler(ddim, kind="ddim", steps=(31, 62, 125, 250, 500), n=2).of("Gaussian")
    assert np.isnan(rows[0].order)
    assert all(abs(row.order - 1.0) < 0.1 for row in rows[1:])
    for row in rows:
        assert row.error.mean < 1e-12  # eps* is 0 at the mean of q(x_t): DDIM keeps it


def test_a_multistep_method_with_a_history_is_of_order_two():
    method = AdamsBashforth()
    report = check_sampler(method, kind=None, steps=(62, 125, 250, 500), n=2)
    assert all(abs(row.order - 2.0) < 0.2 for row in report.of("Gaussian")[1:])
    assert not vars(method)  # chains ran on copies, and left nothing behind
    assert check_sampler(method.step, kind=None, steps=(62, 125, 250, 500), n=2).rows == report.rows


def test_without_a_kind_there_is_no_verdict():
    report = check_sampler(ddim, kind=None, **QUICK)
    assert [row.verdict for row in report.rows] == [""] * 4
    assert [row.off for row in report.rows] == [None] * 4
    assert not report.right
    with_kind = check_sampler(ddim, kind="ddim", **QUICK)
    assert [row.error for row in report.rows] == [row.error for row in with_kind.rows]


def test_a_sampler_may_overwrite_what_it_is_given_and_turn_its_noise_around():
    def overwriting(step):
        def wrapped(eps_model, x, t, s, schedule, z):
            result = step(eps_model, x, t, s, schedule, -z)
            x *= 0.0
            z += 100.0
            return result

        return wrapped

    assert check_sampler(overwriting(ddim), kind="ddim", **QUICK).right
    report = check_sampler(overwriting(ancestral), kind="ancestral", **QUICK)
    assert report.right, report  # on the mixture by its statistics alone
    assert all(row.off.covariance_error > 1e-3 for row in report.of("mixture"))


def test_float32_needs_its_own_tolerance():
    def step(eps_model, x, t, s, schedule, z):
        return ancestral(eps_model, x.astype(np.float32), t, s, schedule, z.astype(np.float32))

    assert not check_sampler(step, kind="ancestral", tolerance=1e-9, **QUICK).right
    assert check_sampler(step, kind="ancestral", tolerance=1e-4, **QUICK).right


# --- the slips that shipped --------------------------------------------------------------------------------------


def wrong_rows(step, declared, steps):
    """Numbers of steps that are not right on the Gaussian."""
    return [
        row.steps
        for row in check_sampler(step, steps=steps, n=2, **declared).of("Gaussian")
        if row.verdict != "right"
    ]


def test_the_sign_of_ddim_s_direction_is_caught(samplers):
    report = check_sampler(samplers.wrong_sign, kind="ddim", **QUICK)
    assert all("covariance" in row.verdict for row in report.rows)
    assert all(row.off.covariance > 0.5 for row in report.rows)


def test_variances_without_their_logarithms_are_caught(samplers):
    assert wrong_rows(samplers.without_logarithms, LEARNED, (8, 32, 128, 500)) == [8, 32, 128, 500]


def test_t_minus_1_for_the_next_chosen_step_is_caught(samplers):
    step, declared = samplers.previous_is_t_minus_1, {"kind": "ancestral"}
    assert wrong_rows(step, declared, (8, 32, 128, 500)) == [8, 32, 128, 500]
    assert wrong_rows(step, declared, (1000,)) == []  # where none is skipped it is right


def test_one_stride_for_all_steps_is_caught_where_it_does_not_divide_T(samplers):
    assert wrong_rows(samplers.FixedStride(), {"kind": "ancestral"}, (8, 16, 32, 64, 100, 128)) == [16, 32, 64, 128]


def test_beta_of_the_full_chain_for_a_skipped_step_is_caught(samplers):
    step, declared = samplers.beta_of_the_full_chain, {"kind": "ancestral"}
    assert wrong_rows(step, declared, (8, 32, 128, 500)) == [8, 32, 128, 500]
    assert all(np.isnan(row.order) or row.order < 0.3 for row in check_sampler(step, n=2, **declared).of("Gaussian"))


def test_noise_at_the_last_step_is_caught():
    def step(eps_model, x, t, s, schedule, z):
        return ancestral(eps_model, x, t, s, schedule, z) + (0.01 * z if s == 0 else 0.0)

    assert wrong_rows(step, {"kind": "ancestral"}, (8, 128)) == [8, 128]


def test_noise_left_out_at_step_1_is_caught_unless_told_otherwise():
    """Evenly spaced steps that skip some do not come by s = 1."""

    def step(eps_model, x, t, s, schedule, z):
        return ancestral(eps_model, x, t, s, schedule, z if s > 1 else 0.0 * z)

    report = check_sampler(step, kind="ancestral")
    assert [row.steps for row in report.of("Gaussian")] == [8, 16, 32, 64, 128]
    assert [row.steps for row in report.of("Gaussian") if row.verdict != "right"] == [128]
    assert report.sentence.startswith("The factor of z is 0 at the step from 2 to 1 of 20")
    assert wrong_rows(step, {"kind": "ancestral"}, (128, 1000)) == [1000]


def test_noise_at_the_end_unless_t_is_1_is_caught_beside_it():
    def step(eps_model, x, t, s, schedule, z):
        return ancestral(eps_model, x, t, s, schedule, z) + (0.01 * z if s == 0 and t > 1 else 0.0)

    rows = check_sampler(step, kind="ancestral").of("Gaussian")
    assert [row.steps for row in rows if row.verdict == "right"] == [128]


def test_the_other_variance_is_caught():
    assert wrong_rows(ancestral, {"kind": "ancestral", "variance": "beta_tilde"}, (8, 128)) == [8, 128]
    assert wrong_rows(beta_tilde, {"kind": "ancestral"}, (8, 128)) == [8, 128]
    assert wrong_rows(ddim, {"kind": "ancestral"}, (8, 128)) == [8, 128]


def test_a_wrong_mean_is_named_as_such():
    report = check_sampler(lambda *a: ddim(*a) + (1e-3 if a[3] == 0 else 0.0), kind="ddim", **QUICK)
    for row in report.of("Gaussian"):
        ratio = 1e-3 * np.sqrt(2.0) / np.sqrt(2.7 / 2.0) / 1e-6  # in standard deviations of the data, in tolerances
        assert row.verdict == f"mean {ratio:.3g} times the tolerance"


@pytest.mark.parametrize("slip", ["own noise", "clip"])
def test_what_is_not_affine_is_told_so(slip):
    rng = np.random.default_rng(0)

    def step(eps_model, x, t, s, schedule, z):
        if slip == "own noise":
            return ancestral(eps_model, x, t, s, schedule, rng.normal(size=x.shape))
        return np.clip(ancestral(eps_model, x, t, s, schedule, z), -1.0, 1.0)

    report = check_sampler(step, kind="ancestral", steps=(20,), n=2000)
    [row] = report.of("Gaussian")
    assert row.verdict == "not affine in x and z: noise of its own, or a clip?"
    assert not report.right
    assert row.off.covariance_error > 0.0  # by draws, since there is no exact answer
    within = row.off.covariance < 5.0 * row.off.covariance_error and row.off.mean < 5.0 * row.off.mean_error
    assert within == (slip == "own noise")  # which is otherwise right


# --- the numbers against plain linear algebra --------------------------------------------------------------------


def plain_moments(times, kind):
    """Mean and covariance of the chain along the eigenvectors of C, where every step multiplies by one number."""
    values, vectors = np.linalg.eigh(GAUSSIAN.covariance)
    variance = LINEAR.alpha_bar[1000] * values + 1.0 - LINEAR.alpha_bar[1000]
    for t, s in zip(times, [*times[1:], 0], strict=True):
        now, then = LINEAR.alpha_bar[t], LINEAR.alpha_bar[s]
        on_eps = np.sqrt(1.0 - now) / (now * values + 1.0 - now)  # eps* = on_eps (x - sqrt(alpha_bar) m)
        beta = 1.0 - now / then
        a = np.sqrt(then / now)
        if kind == "ddim":
            variance = (a + (np.sqrt(1.0 - then) - a * np.sqrt(1.0 - now)) * on_eps) ** 2 * variance
        else:
            variance = (a - a * beta / np.sqrt(1.0 - now) * on_eps) ** 2 * variance + (beta if s > 0 else 0.0)
    return vectors @ np.diag(variance) @ vectors.T


@pytest.mark.parametrize(("kind", "step"), [("ddim", ddim), ("ancestral", ancestral)])
def test_the_error_is_that_of_plain_linear_algebra(kind, step):
    [row] = check_sampler(step, kind=kind, steps=(10,), n=2).of("Gaussian")
    covariance = plain_moments(list(range(1000, 0, -100)), kind)
    size = np.linalg.norm(GAUSSIAN.covariance)
    assert row.error.covariance == pytest.approx(np.linalg.norm(covariance - GAUSSIAN.covariance) / size, rel=1e-9)
    assert row.error.mean < 1e-12


def test_the_distance_from_the_reference_is_that_of_plain_linear_algebra():
    [row] = check_sampler(ddim, kind="ancestral", steps=(10,), n=2).of("Gaussian")
    times = list(range(1000, 0, -100))
    gap = np.linalg.norm(plain_moments(times, "ddim") - plain_moments(times, "ancestral"))
    assert row.off.covariance == pytest.approx(gap / np.linalg.norm(GAUSSIAN.covariance), rel=1e-9)
    assert row.verdict == f"covariance {row.off.covariance / 1e-6:.3g} times the tolerance"


def test_many_steps_come_to_the_mixture_by_five_standard_errors():
    _, few, many = check_sampler(ddim, kind="ddim", steps=(2, 3, 500), n=2000).of("mixture")
    assert few.error.covariance > 5.0 * few.error.covariance_error
    assert many.error.mean < 5.0 * many.error.mean_error
    assert many.error.covariance < 5.0 * many.error.covariance_error
    assert 0.3 < few.order < 1.2
    assert np.isnan(many.order)  # there is none to measure under the noise


def test_noise_is_fresh_at_every_step_and_that_of_the_seed():
    seen = {}

    def step(eps_model, x, t, s, schedule, z):
        if len(x) == 4000:  # the mixture's draws
            seen[seed, t] = z[:, 0], x[:, 0]
        return ddim(eps_model, x, t, s, schedule, z)

    for seed in (1, 2):
        check_sampler(step, kind=None, steps=(3,), n=4000, seed=seed)
    draws = [z for z, _ in seen.values()] + [x / x.std() for (_, t), (_, x) in seen.items() if t == 1000]
    assert len(draws) == 8
    covariance = np.cov(draws)
    np.testing.assert_allclose(covariance, np.eye(8), atol=5.0 * np.sqrt(2.0 / 4000))  # five standard errors


def test_standard_errors_fall_with_the_root_of_n():
    [few], [many] = (check_sampler(ddim, kind=None, steps=(8,), n=n).of("mixture") for n in (1000, 4000))
    assert few.error.mean_error / many.error.mean_error == pytest.approx(2.0, rel=0.1)
    assert few.error.covariance_error / many.error.covariance_error == pytest.approx(2.0, rel=0.1)


# --- the report and the door -------------------------------------------------------------------------------------


def test_the_table():
    lines = str(check_sampler(beta_tilde, kind="ancestral", **QUICK)).splitlines()
    assert " ".join(lines[0].split()) == "distance from the data from the exact ancestral, beta"
    names = "data steps mean std.err. covariance std.err. order mean covariance verdict"
    assert " ".join(lines[1].split()) == names
    assert [line.split()[:2] for line in lines[2:-1]] == [
        [name, number] for name in ("Gaussian", "mixture") for number in ("8", "20")
    ]
    assert all(line.endswith("times the tolerance") for line in lines[2:4])
    assert [line.split()[6] for line in lines[2:4]] == ["-", lines[3].split()[6]]
    assert float(lines[3].split()[6]) > 0.5
    assert lines[-1] == "The variance is beta_tilde: another one was asked for."
    bare = str(check_sampler(ddim, kind=None, **QUICK)).splitlines()
    assert "exact" not in bare[0]
    assert all(line.endswith("-           -") for line in bare[2:])


def test_numbers_of_steps_are_sorted_and_the_seed_is_used():
    one = check_sampler(ddim, kind="ddim", steps=(20, 8, 8), n=100, seed=1)
    assert [row.steps for row in one.rows] == [8, 20, 8, 20]
    assert one.rows == check_sampler(ddim, kind="ddim", steps=[8, 20], n=100, seed=1).rows
    assert one.of("mixture") != check_sampler(ddim, kind="ddim", steps=[8, 20], n=100, seed=2).of("mixture")


class Locked:
    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, *arguments):
        return ddim(*arguments)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"step": 3}, "step: expected a callable step"),
        ({"step": lambda *a: a[1][:1]}, r"step: x_s at t = 1000: expected shape"),
        ({"step": lambda *a: a[1] * np.nan}, r"step: x_s at t = 1000: expected finite values"),
        ({"step": lambda *a: None}, r"step: x_s at t = 1000: expected real numbers"),
        ({"step": Locked()}, "step: expected what copy.deepcopy can copy"),
        ({"schedule": "linear"}, "schedule: expected a Schedule"),
        ({"kind": "heun"}, "kind: expected one of 'ddim', 'ancestral'"),
        ({"kind": "ancestral", "variance": "learned"}, "variance: expected one of 'beta', 'beta_tilde'"),
        ({"kind": "ancestral", "variance": 1.5}, r"variance: expected a finite number in 0\.0\.\.1\.0"),
        ({"steps": (0, 8)}, r"steps: expected steps in 1\.\.1000"),
        ({"steps": (8, 1001)}, r"steps: expected steps in 1\.\.1000"),
        ({"steps": ()}, "steps: expected"),
        ({"tolerance": 0.0}, "tolerance: expected a finite number"),
        ({"n": 1}, "n: expected an integer"),
        ({"seed": -1}, "seed: expected an integer"),
    ],
)
def test_bad_arguments_are_named(changes, complaint):
    arguments = {"step": ddim, "kind": "ddim"} | QUICK | changes
    with pytest.raises(ValueError, match=f"^{complaint}"):
        check_sampler(**arguments)
