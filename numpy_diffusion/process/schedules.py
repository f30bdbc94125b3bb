"""The noise schedule: beta for t = 1..T and all that follows from it (article, Fig 2; Ho et al. 2020, section 2).

Arrays have length T + 1 and are indexed by t itself: t = 0 is the clean end, so `alpha_bar[t - 1]` in code is
what it is on paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks, _pictures
from numpy_diffusion.process.elementwise import each

BETA_START = 1e-4  # Ho et al. 2020, section 4, for T = 1000
BETA_END = 0.02
BETA_MAX = 0.999  # Nichol and Dhariwal 2021, section 3.2
COSINE_OFFSET = 0.008  # the same, eq 17
PRIOR_KL_MAX = 0.01  # nats a dimension above which the end of the chain is not taken for a Gaussian

Spacing = Literal["linear", "quadratic", "sigmoid"]  # of the betas between their two ends


@dataclass(frozen=True, eq=False, repr=False)
class Schedule:
    """beta_t of the forward chain, and what follows from it; immutable.

    Make one with `Schedule.linear`, `.cosine`, `.quadratic`, `.sigmoid` or `.from_beta`.

    Attributes (float64 [T + 1], indexed by t)
    ----------
    beta : variance that step t adds; beta[0] = 0
    alpha : 1 - beta
    alpha_bar : product of alpha up to t; alpha_bar[0] = 1 (article eq 5, Ho et al. eq 4)
    snr : alpha_bar / (1 - alpha_bar); infinite at t = 0
    log_snr : its natural logarithm
    beta_tilde : variance of q(x_{t-1} | x_t, x_0) (Ho et al. eq 7), the smaller of the two reverse variances;
        the larger is `beta` itself

    Examples
    --------
    >>> schedule = Schedule.linear(T=1000)
    >>> schedule
    Schedule.linear(T=1000): alpha_bar_T 4.04e-05, terminal SNR -43.9 dB, prior KL 2.02e-05 nats/dim
    >>> float(schedule.beta[1]), float(schedule.beta[1000])
    (0.0001, 0.02)
    """

    name: str
    beta: np.ndarray
    alpha: np.ndarray = field(init=False)
    alpha_bar: np.ndarray = field(init=False)
    snr: np.ndarray = field(init=False)
    log_snr: np.ndarray = field(init=False)
    beta_tilde: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        beta = np.array(self.beta, dtype=np.float64)
        alpha = 1.0 - beta
        alpha_bar = np.cumprod(alpha)
        log_alpha_bar = np.cumsum(each(math.log1p, -beta))
        noise = -each(math.expm1, log_alpha_bar)  # 1 - alpha_bar, without its cancellation while beta is small
        with np.errstate(divide="ignore", over="ignore"):
            snr = alpha_bar / noise
        log_snr = np.append(np.inf, log_alpha_bar[1:] - each(math.log, noise[1:]))
        beta_tilde = np.zeros_like(beta)
        beta_tilde[1:] = beta[1:] * (noise[:-1] / noise[1:])
        derived = {
            "beta": beta,
            "alpha": alpha,
            "alpha_bar": alpha_bar,
            "snr": snr,
            "log_snr": log_snr,
            "beta_tilde": beta_tilde,
        }
        for name, values in derived.items():
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy or a pickle is made anew of its betas: arrays that are copied would be writable."""
        return type(self), (self.name, self.beta)

    @property
    def T(self) -> int:
        """Number of steps."""
        return len(self.beta) - 1

    @property
    def terminal_snr_db(self) -> float:
        """Signal left at t = T, in decibel: 10 log10(snr_T)."""
        return float(10.0 / math.log(10.0) * self.log_snr[-1])

    def prior_kl(self, second_moment: float = 1.0) -> float:
        """Mean KL(q(x_T | x_0) || N(0, I)) in nats a dimension (Ho et al. eq 5, L_T).

        Parameters
        ----------
        second_moment : mean of x0**2 over data and dimensions; 1 for standardised data
        """
        second_moment = _checks.real("second_moment", second_moment, 0.0)
        minus_log_noise = np.logaddexp(0.0, self.log_snr[-1])  # 1 - alpha_bar is 1 / (1 + snr)
        return float(0.5 * (self.alpha_bar[-1] * (second_moment - 1.0) + minus_log_noise))

    def with_terminal_snr(self, snr: float) -> Schedule:
        """The same schedule, shifted and scaled in sqrt(alpha_bar) so that it ends at this signal-to-noise ratio.

        sqrt(alpha_bar_1) is kept and every other value moves with it (Lin et al. 2024, "Common diffusion noise
        schedules and sample steps are flawed", Algorithm 1, whose target is zero).

        Parameters
        ----------
        snr : alpha_bar_T / (1 - alpha_bar_T) of the result, above 0 and below snr_1.  Zero is refused: x_T would be
            all noise, so that its eps is x_T itself and tells nothing of x_0 = (x_T - eps) / 0.  Lin et al. predict
            v in place of eps for that reason.

        Raises
        ------
        ValueError : snr out of its range, or so small that beta_T rounds to 1; a schedule of one step

        Examples
        --------
        >>> Schedule.linear(T=1000).with_terminal_snr(1e-6)
        Schedule.linear_rescaled(T=1000): alpha_bar_T 1e-06, terminal SNR -60.0 dB, prior KL 5e-07 nats/dim
        """
        _checks.integer("T", self.T, 2)
        snr = _checks.real("snr", snr)
        if not 0.0 < snr < self.snr[1]:
            raise ValueError(f"snr: expected a number above 0 and below snr_1 = {self.snr[1]:g}, got {snr:g}")
        root = np.sqrt(self.alpha_bar)
        end = np.sqrt(snr / (1.0 + snr))
        alpha_bar = (end + (root - root[-1]) * ((root[1] - end) / (root[1] - root[-1]))) ** 2
        beta = self.beta.copy()  # those at t = 0 and 1 stay
        beta[2:] = 1.0 - alpha_bar[2:] / alpha_bar[1:-1]
        if beta[-1] == 1.0:
            raise ValueError(f"snr: expected a number that leaves beta_T below 1 in float64, got {snr:g}")
        return _warned(Schedule(f"{self.name}_rescaled", beta))

    def __repr__(self) -> str:
        return (
            f"Schedule.{self.name}(T={self.T}): alpha_bar_T {self.alpha_bar[-1]:.3g}, "
            f"terminal SNR {self.terminal_snr_db:.1f} dB, prior KL {self.prior_kl():.3g} nats/dim"
        )

    def _repr_png_(self) -> bytes | None:
        return _pictures.png(self)

    @classmethod
    def linear(
        cls, T: int = 1000, *, beta_start: float = BETA_START, beta_end: float = BETA_END, scale_to_T: bool = True
    ) -> Schedule:
        """beta evenly spaced from beta_start to beta_end (Ho et al. 2020, section 4).

        Parameters
        ----------
        T : number of steps, at least 1
        beta_start, beta_end : beta_1 and beta_T of a chain of 1000 steps, in (0, 1)
        scale_to_T : multiply both by 1000 / T, so that a chain of any length ends in noise; at most 0.999.
            With False they are beta_1 and beta_T as given, which at small T leaves signal in x_T.
            T = 1 takes the end point alone.

        Examples
        --------
        >>> Schedule.linear(T=10).beta[[1, 10]].tolist()
        [0.01, 0.999]
        """
        return _between(cls, "linear", T, beta_start, beta_end, scale_to_T)

    @classmethod
    def quadratic(
        cls, T: int = 1000, *, beta_start: float = BETA_START, beta_end: float = BETA_END, scale_to_T: bool = True
    ) -> Schedule:
        """sqrt(beta) evenly spaced; elsewhere "scaled linear" (Rombach et al. 2022).  Arguments as for `linear`."""
        return _between(cls, "quadratic", T, beta_start, beta_end, scale_to_T)

    @classmethod
    def sigmoid(
        cls, T: int = 1000, *, beta_start: float = BETA_START, beta_end: float = BETA_END, scale_to_T: bool = True
    ) -> Schedule:
        """beta_start + (beta_end - beta_start) sigmoid(u), u evenly from -6 to 6.  Arguments as for `linear`."""
        return _between(cls, "sigmoid", T, beta_start, beta_end, scale_to_T)

    @classmethod
    def cosine(cls, T: int = 1000, *, s: float = COSINE_OFFSET, beta_max: float = BETA_MAX) -> Schedule:
        """alpha_bar proportional to cos^2 (Nichol and Dhariwal 2021, eq 17).

        Parameters
        ----------
        T : number of steps, at least 1
        s : offset that keeps beta_1 from vanishing, in steps over T; in 0..1
        beta_max : clip of beta, in (0, 1)
        """
        T = _checks.integer("T", T, 1)
        s, beta_max = _checks.real("s", s, 0.0, 1.0), _open_unit("beta_max", beta_max)
        f = np.cos((np.arange(T + 1) / T + s) / (1.0 + s) * np.pi / 2.0) ** 2
        return _made(cls, "cosine", np.minimum(1.0 - f[1:] / f[:-1], beta_max))

    @classmethod
    def from_beta(cls, beta: ArrayLike, *, name: str = "from_beta") -> Schedule:
        """The user's own beta_1..beta_T, each in (0, 1): array [T].

        Examples
        --------
        >>> Schedule.from_beta([0.5, 0.9, 0.99]).T
        3
        """
        beta = _checks.array("beta", beta, ("T",), np.float64)
        if beta.min() <= 0.0 or beta.max() >= 1.0:
            raise ValueError(f"beta: expected values inside (0, 1), got {beta.min():g}..{beta.max():g}")
        return _made(cls, name, beta)


def _between(
    cls: type[Schedule], spacing: Spacing, T: Any, beta_start: Any, beta_end: Any, scale_to_T: bool
) -> Schedule:
    """The schedules whose betas lie between two ends; arguments as for `Schedule.linear`."""
    T = _checks.integer("T", T, 1)
    start, end = _open_unit("beta_start", beta_start), _open_unit("beta_end", beta_end)
    if _checks.instance("scale_to_T", scale_to_T, bool) and T != 1000:
        start, end = (min(beta * 1000.0 / T, BETA_MAX) for beta in (start, end))
    return _made(cls, spacing, _spaced(spacing, start, end, T) if T > 1 else np.array([end]))


def _spaced(spacing: Spacing, start: float, end: float, T: int) -> np.ndarray:
    """beta_1..beta_T: [T]."""
    match spacing:
        case "linear":
            return np.linspace(start, end, T)
        case "quadratic":
            return np.linspace(np.sqrt(start), np.sqrt(end), T) ** 2
        case "sigmoid":
            return start + (end - start) / (1.0 + each(math.exp, -np.linspace(-6.0, 6.0, T)))
        case _:
            assert_never(spacing)


def _open_unit(name: str, value: Any) -> float:
    value = _checks.real(name, value)
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name}: expected a number inside (0, 1), got {value:g}")
    return value


def _made(cls: type[Schedule], name: str, beta: np.ndarray) -> Schedule:
    """The schedule of beta_1..beta_T [T]."""
    return _warned(cls(name, np.concatenate([[0.0], beta])))


def _warned(schedule: Schedule) -> Schedule:
    """Warn where x_T is not noise: sampling starts from N(0, I), so what is left of the data is an error."""
    if schedule.prior_kl() > PRIOR_KL_MAX:
        _checks.warn(
            f"schedule: x_T is not Gaussian noise: alpha_bar_T = {schedule.alpha_bar[-1]:.3g} and the prior KL is "
            f"{schedule.prior_kl():.3g} nats per dimension (above {PRIOR_KL_MAX}); take more steps or larger beta"
        )
    return schedule
