"""The schedules against the published definitions, computed here with 50 digits."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
import pickle
import warnings
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.process import schedules
from numpy_diffusion.process.schedules import Schedule

NAMES = ["linear", "quadratic", "sigmoid", "cosine"]
LENGTHS = [1, 2, 3, 10, 50, 1000, 1500]
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
BETAS = st.lists(st.floats(0.0, 1.0, exclude_min=True, exclude_max=True), min_size=1, max_size=10)
FLAT = settings(deadline=None, max_examples=60)


@pytest.fixture(autouse=True)
def fifty_digits() -> Any:
    with localcontext() as context:
        context.prec = 50
        yield


def spaced(start: Decimal, end: Decimal, T: int) -> list[Decimal]:
    return [end] if T == 1 else [start + (end - start) * i / (T - 1) for i in range(T)]


def cosine(angle: Decimal) -> Decimal:
    """Taylor's series; 25 terms leave 1e-50 for an angle below pi / 2."""
    terms = itertools.accumulate(
        range(1, 25), lambda term, k: -term * angle**2 / ((2 * k - 1) * 2 * k), initial=Decimal(1)
    )
    return sum(terms, Decimal(0))


def published_beta(name: str, T: int) -> list[Decimal]:
    """beta_1..beta_T by the definitions in the literature, their end points those of 1000 steps times 1000 / T."""
    if name == "cosine":
        s, clip = Decimal("0.008"), Decimal("0.999")
        f = [cosine((Decimal(t) / T + s) / (1 + s) * PI / 2) ** 2 for t in range(T + 1)]
        return [min(1 - after / before, clip) for before, after in itertools.pairwise(f)]
    start, end = (min(Decimal(beta) * 1000 / T, Decimal("0.999")) for beta in ("0.0001", "0.02"))
    if name == "linear":
        return spaced(start, end, T)
    if name == "quadratic":
        return [root**2 for root in spaced(start.sqrt(), end.sqrt(), T)]
    if T == 1:
        return [end]
    return [start + (end - start) / (1 + (-u).exp()) for u in spaced(Decimal(-6), Decimal(6), T)]


def as_floats(values: list[Decimal]) -> np.ndarray:
    return np.array([float(value) for value in values])


def assert_derived(schedule: Schedule) -> None:
    """All that follows from beta, against 50 digits, to a relative 1e-12."""
    alpha_bar, noise_before = Decimal(1), Decimal(0)
    for t in range(1, schedule.T + 1):
        beta = Decimal(float(schedule.beta[t]))
        alpha_bar *= 1 - beta
        noise = 1 - alpha_bar
        expected = {
            "alpha": float(1 - beta),
            "alpha_bar": float(alpha_bar),
            "log_snr": float((alpha_bar / noise).ln()),
            "beta_tilde": float(beta * noise_before / noise),
        }
        for name, value in expected.items():
            # Near 0 a logarithm has no digits to lose; below 1e-300 float64 has fewer than 16.
            allowed = 1e-12 if name == "log_snr" else 1e-300
            assert getattr(schedule, name)[t] == pytest.approx(value, rel=1e-12, abs=allowed), (name, t)
        if abs(expected["log_snr"]) < 690:
            assert schedule.snr[t] == pytest.approx(float(alpha_bar / noise), rel=1e-12)
        noise_before = noise


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("T", LENGTHS)
def test_beta_is_the_published_one(name: str, T: int) -> None:
    schedule = getattr(Schedule, name)(T)
    beta = published_beta(name, T)
    alpha_bar = list(itertools.accumulate((1 - b for b in beta), lambda product, a: product * a))
    np.testing.assert_allclose(schedule.beta[1:], as_floats(beta), rtol=0, atol=1e-12)
    np.testing.assert_allclose(schedule.alpha_bar[1:], as_floats(alpha_bar), rtol=0, atol=1e-12)
    assert schedule.T == T


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("T", LENGTHS)
def test_all_else_follows_from_beta(name: str, T: int) -> None:
    assert_derived(getattr(Schedule, name)(T))


@FLAT
@given(beta=BETAS)
@pytest.mark.filterwarnings("ignore:schedule")
def test_all_else_follows_from_any_beta_however_small_or_large(beta: list[float]) -> None:
    schedule = Schedule.from_beta(beta)
    np.testing.assert_array_equal(schedule.beta[1:], beta)
    with localcontext() as context:
        context.prec = 400  # 1 - beta must hold a beta of 1e-308 beside 1
        assert_derived(schedule)
    assert math.isfinite(schedule.terminal_snr_db)
    assert math.isfinite(schedule.prior_kl())


@FLAT
@given(name=st.sampled_from(NAMES), T=st.integers(1, 3000))
def test_every_length_gives_a_chain_that_ends_in_noise(name: str, T: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule = getattr(Schedule, name)(T)
    for values in (getattr(schedule, f.name) for f in dataclasses.fields(schedule) if f.name != "name"):
        assert values.shape == (T + 1,)
        assert values.dtype == np.float64
        assert not np.isnan(values).any()
    assert (schedule.beta[1:] > 0).all()
    assert (schedule.beta[1:] < 1).all()
    assert (np.diff(schedule.alpha_bar) < 0).all()
    assert (schedule.beta_tilde <= schedule.beta).all()
    assert schedule.prior_kl() < 0.01


@pytest.mark.parametrize("name", NAMES)
def test_the_clean_end_is_index_zero(name: str) -> None:
    schedule = getattr(Schedule, name)(10)
    assert schedule.beta[0] == 0.0
    assert schedule.alpha[0] == 1.0
    assert schedule.alpha_bar[0] == 1.0
    assert schedule.snr[0] == math.inf
    assert schedule.log_snr[0] == math.inf
    assert schedule.beta_tilde[1] == 0.0  # nothing is left uncertain once x_0 is known


def test_cosine_without_its_clip_is_the_cosine() -> None:
    schedule = Schedule.cosine(100)
    f = [math.cos((t / 100 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(101)]
    np.testing.assert_allclose(schedule.alpha_bar[:100], np.array(f[:100]) / f[0], atol=1e-12)
    assert schedule.beta[100] == 0.999
    assert Schedule.cosine(100, beta_max=0.5).beta.max() == 0.5
    assert Schedule.cosine(100, s=0.1).beta[1] > schedule.beta[1]


@pytest.mark.parametrize("name", ["linear", "quadratic", "sigmoid"])
@pytest.mark.filterwarnings("ignore:schedule")
def test_end_points_are_scaled_capped_or_kept(name: str) -> None:
    make = getattr(Schedule, name)
    edge = 0.0 if name != "sigmoid" else 0.0025  # sigmoid(-6): the curve stops that part of the range short
    scaled = {
        100: (1e-3, 0.2),
        10: (0.01, 0.999),
        1: (0.999, 0.999),
        1001: (0.1 / 1001, 20 / 1001),
        4000: (2.5e-5, 5e-3),
    }
    for T, (start, end) in scaled.items():
        beta = make(T).beta
        assert beta[1] == pytest.approx(start, abs=edge * (end - start) + 1e-12)
        assert beta[T] == pytest.approx(end, abs=edge * (end - start) + 1e-12)
        kept = make(T, scale_to_T=False).beta
        assert kept[1] == pytest.approx(1e-4 if T > 1 else 0.02, abs=edge * 0.02 + 1e-12)
        assert kept[T] == pytest.approx(0.02, abs=edge * 0.02 + 1e-12)
    assert make(1000).beta.tolist() == make(1000, scale_to_T=False).beta.tolist()
    assert make(500, beta_start=0.001, beta_end=0.004).beta[500] == pytest.approx(0.008, abs=edge * 0.006 + 1e-12)


def test_a_schedule_cannot_be_changed() -> None:
    own = np.array([0.5, 0.9, 0.99])
    schedule = Schedule.from_beta(own)
    for name in [f.name for f in dataclasses.fields(schedule)] + ["T", "anything"]:
        with pytest.raises(AttributeError):
            setattr(schedule, name, 1)
    for name in ("beta", "alpha", "alpha_bar", "snr", "log_snr", "beta_tilde"):
        with pytest.raises(ValueError, match=r"read-only"):
            getattr(schedule, name)[1] = 0.5
    own[0] = 0.1  # the user's array stays theirs
    assert schedule.beta[1] == 0.5
    whole = np.array([0.0, 0.5, 0.9])
    direct = Schedule("own", whole)
    whole[1] = 0.1
    assert direct.beta[1] == 0.5


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_no_copy_of_a_schedule_can_be_changed(copied: Any) -> None:
    given = Schedule.cosine(T=20)
    twin = copied(given)
    assert (type(twin), twin.name, repr(twin)) == (Schedule, "cosine", repr(given))
    for name, values in vars(given).items():
        if name != "name":
            np.testing.assert_array_equal(getattr(twin, name), values)
            with pytest.raises(ValueError, match=r"read-only"):
                getattr(twin, name)[1] = 0.5
    with pytest.raises(dataclasses.FrozenInstanceError):
        twin.beta = given.beta  # type: ignore[misc]


def test_a_schedule_is_float64_whatever_its_betas_were() -> None:
    schedule = Schedule("own", np.array([0.0, 0.5, 0.75], np.float32))
    assert {getattr(schedule, f.name).dtype for f in dataclasses.fields(schedule) if f.name != "name"} == {
        np.dtype(np.float64)
    }
    longest = np.array([0.9, 0.95], np.longdouble)
    np.testing.assert_array_equal(Schedule.from_beta(longest).beta[1:], longest.astype(np.float64))


@pytest.mark.parametrize("x0", [0.0, 0.7, -2.0])
@pytest.mark.parametrize("beta", [[0.5, 0.9], [0.3], [1e-3, 0.02, 0.9999]])
@pytest.mark.filterwarnings("ignore:schedule")
def test_prior_kl_is_the_integral(x0: float, beta: list[float]) -> None:
    schedule = Schedule.from_beta(beta)
    alpha_bar = math.prod(1 - b for b in beta)
    mean, variance = math.sqrt(alpha_bar) * x0, 1 - alpha_bar
    x, dx = np.linspace(-14, 14, 20_001, retstep=True)
    log_q = -0.5 * ((x - mean) ** 2 / variance + math.log(2 * math.pi * variance))
    log_p = -0.5 * (x**2 + math.log(2 * math.pi))
    integral = (np.exp(log_q) * (log_q - log_p)).sum() * dx
    assert schedule.prior_kl(second_moment=x0**2) == pytest.approx(integral, abs=1e-10)


def test_numbers_that_a_schedule_reports() -> None:
    schedule = Schedule.from_beta([0.9, 0.9])  # alpha_bar_T = 0.01
    assert schedule.terminal_snr_db == pytest.approx(10 * math.log10(0.01 / 0.99))
    assert schedule.prior_kl() == pytest.approx(-0.5 * math.log(0.99))
    assert (
        repr(schedule)
        == "Schedule.from_beta(T=2): alpha_bar_T 0.01, terminal SNR -20.0 dB, prior KL 0.00503 nats/dim"
    )


@pytest.mark.parametrize("name", ["linear", "quadratic", "sigmoid"])
def test_warns_with_the_number_where_the_betas_of_1000_steps_meet_50(name: str) -> None:
    beta = {
        "linear": [1e-4 + (0.02 - 1e-4) * i / 49 for i in range(50)],
        "quadratic": [(0.01 + (math.sqrt(0.02) - 0.01) * i / 49) ** 2 for i in range(50)],
        "sigmoid": [1e-4 + (0.02 - 1e-4) / (1 + math.exp(6 - 12 * i / 49)) for i in range(50)],
    }[name]
    alpha_bar = math.prod(1 - b for b in beta)
    expected = rf"alpha_bar_T = {alpha_bar:.3g} and the prior KL is {-0.5 * math.log(1 - alpha_bar):.3g} nats"
    with pytest.warns(UserWarning, match=expected):
        getattr(Schedule, name)(50, scale_to_T=False)


@pytest.mark.parametrize(
    "make", [lambda: Schedule.from_beta([0.5]), lambda: Schedule.cosine(3, beta_max=0.3)], ids=["from_beta", "cosine"]
)
def test_warns_for_the_others_too(make: Any) -> None:
    with pytest.warns(UserWarning, match="x_T is not Gaussian"):
        make()


def test_the_warning_points_at_the_line_that_called() -> None:
    makers = [
        lambda: Schedule.linear(50, scale_to_T=False),
        lambda: Schedule.quadratic(50, scale_to_T=False),
        lambda: Schedule.sigmoid(50, scale_to_T=False),
        lambda: Schedule.cosine(3, beta_max=0.3),
        lambda: Schedule.from_beta([0.5]),
        lambda: Schedule.linear(10).with_terminal_snr(0.1),
    ]
    for make in makers:
        with pytest.warns(UserWarning, match="x_T is not Gaussian") as caught:
            make()
        assert [(warning.filename, warning.lineno) for warning in caught] == [
            (__file__, make.__code__.co_firstlineno)
        ]


def test_the_warning_begins_where_the_prior_kl_passes_a_hundredth() -> None:
    for terminal, count in ((0.0197, 0), (0.0200, 1)):  # -log(1 - alpha_bar) / 2 is 0.00995 and 0.0101
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Schedule.from_beta([1.0 - terminal])
        assert len(caught) == count


def test_a_prior_kl_at_the_limit_itself_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "PRIOR_KL_MAX", Schedule.linear(10).prior_kl())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Schedule.linear(10)


@pytest.mark.parametrize("name", NAMES)
def test_a_schedule_bears_its_name_and_is_of_1000_steps_unless_told(name: str) -> None:
    schedule = getattr(Schedule, name)()
    assert (schedule.name, schedule.T) == (name, 1000)
    np.testing.assert_array_equal(schedule.beta, getattr(Schedule, name)(1000).beta)
    assert repr(schedule).startswith(f"Schedule.{name}(T=1000): alpha_bar_T {schedule.alpha_bar[1000]:.3g}, ")
    assert not any(values.flags.writeable for values in (schedule.beta, schedule.alpha_bar, schedule.log_snr))


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: Schedule.linear(10).prior_kl(-1.0), "second_moment: expected a finite number of at least 0"),
        (lambda: Schedule.linear(10).prior_kl("x"), "second_moment: expected a number of at least 0"),  # type: ignore[arg-type]
        (lambda: Schedule.linear(10, scale_to_T=1), "scale_to_T: expected a bool, got"),  # type: ignore[arg-type]
    ],
)
def test_refuses_other_arguments_that_are_none(call: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        call()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("T", [10, 50, 1000])
def test_does_not_warn_by_default(name: str, T: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        getattr(Schedule, name)(T)


@pytest.mark.filterwarnings("ignore:schedule")
def test_rescaling_by_hand() -> None:
    roots = np.array([0.9, 0.5, 0.3])  # sqrt(alpha_bar)
    schedule = Schedule.from_beta(1.0 - (roots / [1.0, *roots[:-1]]) ** 2)
    found = schedule.with_terminal_snr(0.01 / 0.99)  # sqrt(alpha_bar_T) = 0.1
    # 0.3 .. 0.9 is stretched to 0.1 .. 0.9, so that 0.5 goes to 0.1 + 0.2 * 0.8 / 0.6.
    np.testing.assert_allclose(np.sqrt(found.alpha_bar), [1.0, 0.9, 0.1 + 0.16 / 0.6, 0.1], rtol=1e-14)
    assert found.name == "from_beta_rescaled"
    nearly_zero = schedule.with_terminal_snr(1e-14)  # Lin et al.: (0.5 - 0.3) * 0.9 / (0.9 - 0.3)
    np.testing.assert_allclose(np.sqrt(nearly_zero.alpha_bar), [1.0, 0.9, 0.3, 0.0], atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("T", [2, 3, 10, 1000])
@pytest.mark.parametrize("snr", ["1e-2", "1e-6", "1e-9"])
def test_rescaling_is_the_published_one(name: str, T: int, snr: str) -> None:
    schedule = getattr(Schedule, name)(T)
    found = schedule.with_terminal_snr(float(snr))
    products = itertools.accumulate((1 - beta for beta in published_beta(name, T)), lambda product, a: product * a)
    root = [product.sqrt() for product in products]
    end = (Decimal(snr) / (1 + Decimal(snr))).sqrt()
    alpha_bar = [(end + (r - root[-1]) * (root[0] - end) / (root[0] - root[-1])) ** 2 for r in root]
    np.testing.assert_allclose(found.alpha_bar[1:], as_floats(alpha_bar), rtol=0, atol=1e-12)
    rounding = 1e-15 / found.alpha[T]  # beta_T is stored, and with it no more of alpha_T than it leaves of 1
    assert found.snr[T] == pytest.approx(float(snr), rel=1e-11 + rounding)
    assert found.beta[1] == schedule.beta[1]
    assert (found.beta[1:] > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_rescaling_to_its_own_end_changes_nothing(name: str) -> None:
    schedule = getattr(Schedule, name)(200)
    np.testing.assert_allclose(schedule.with_terminal_snr(schedule.snr[200]).beta, schedule.beta, atol=1e-12)


def test_rescaling_warns_where_it_leaves_signal() -> None:
    with pytest.warns(UserWarning, match="x_T is not Gaussian"):
        Schedule.linear(10).with_terminal_snr(0.1)


@pytest.mark.parametrize(
    ("snr", "complaint"),
    [
        (0.0, "above 0 and below snr_1 = 99, got 0"),
        (-1e-6, "above 0 and below"),
        (99.0, "above 0 and below snr_1 = 99, got 99"),
        (1e-20, "leaves beta_T below 1 in float64, got 1e-20"),
        (math.nan, "finite number"),
        ("x", "a number"),
        (None, "a number"),
    ],
    ids=repr,
)
def test_rescaling_refuses_an_end_that_it_cannot_reach(snr: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=rf"^snr: expected .*{complaint}"):
        Schedule.linear(10).with_terminal_snr(snr)


def test_rescaling_refuses_a_chain_of_one_step() -> None:
    with pytest.raises(ValueError, match=r"^T: expected an integer of at least 2, got 1"):
        Schedule.linear(1).with_terminal_snr(1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("T", [0, -1, 1.5, 10.0, True, "x", None, math.nan, [10]], ids=repr)
def test_refuses_a_length_that_is_none(name: str, T: Any) -> None:
    with pytest.raises(ValueError, match=r"^T: expected an integer of at least 1, got "):
        getattr(Schedule, name)(T)


@pytest.mark.parametrize("name", ["linear", "quadratic", "sigmoid"])
@pytest.mark.parametrize("argument", ["beta_start", "beta_end"])
@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 2, math.nan, math.inf, "x", None, True, [0.1, 0.2]], ids=repr)
def test_refuses_end_points_outside_the_unit_interval(name: str, argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{argument}: expected a "):
        getattr(Schedule, name)(10, **{argument: value})


@pytest.mark.parametrize(
    "argument",
    [{"s": -0.1}, {"s": math.nan}, {"s": "x"}, {"s": 1.1}, {"beta_max": 0}, {"beta_max": 1.0}, {"beta_max": None}],
    ids=repr,
)
def test_cosine_refuses_what_gives_no_schedule(argument: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"^{next(iter(argument))}: expected a "):
        Schedule.cosine(10, **argument)


@pytest.mark.parametrize(
    ("beta", "complaint"),
    [
        ([], "at least one value"),
        ([[0.5, 0.9]], r"shape \[T\], got \[1, 2\]"),
        (0.5, "shape"),
        ([0.5, math.nan], "finite"),
        ([0.5, math.inf], "finite"),
        ([0.0, 0.5], r"inside \(0, 1\), got 0"),
        ([0.5, 1.0], r"inside \(0, 1\), got 0\.5\.\.1"),
        ([-0.1, 0.5], r"inside \(0, 1\)"),
        (["a", "b"], "real numbers"),
        ([0.5 + 1j], "real numbers"),
        ([[0.1], [0.2, 0.3]], "real numbers"),
        (None, "real numbers"),
        ([True, False], "real numbers"),
    ],
)
def test_from_beta_refuses_what_is_no_beta(beta: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=rf"^beta: expected .*{complaint}"):
        Schedule.from_beta(beta)
