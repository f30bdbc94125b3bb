"""The weighted noise-prediction loss and its gradient (article, lambda(t); Ho et al. 2020, eqs 12, 14)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.forward import column
from numpy_diffusion.reverse import reverse_variance
from numpy_diffusion.schedules import Schedule

WEIGHTINGS = ("simple", "vlb", "min_snr")
MIN_SNR_GAMMA = 5.0  # Hang et al. 2023, section 3.4


def weights(schedule: Schedule, weighting: str | ArrayLike = "simple") -> np.ndarray:
    """lambda(t), indexed by t: float64 [T + 1] with lambda(0) = 0.

    Parameters
    ----------
    weighting :
        "simple": 1 (Ho et al. eq 14);
        "vlb": beta_t^2 / (2 sigma_t^2 alpha_t (1 - alpha_bar_t)), the weight of the variational bound with
        sigma_t^2 = beta_t (Ho et al. eq 12): the loss is then a term of the bound, in nats a dimension;
        "min_snr": min(snr, 5) / snr (Hang et al. 2023, eq 8, for a network that predicts eps), 1 at snr = 0;
        or the user's own lambda(1)..lambda(T), not negative: array [T]

    Examples
    --------
    >>> weights(Schedule.linear(T=1000), "min_snr")[[1, 1000]].round(6).tolist()
    [0.0005, 1.0]
    """
    if isinstance(weighting, str):
        _checks.choice("weighting", weighting, WEIGHTINGS)
        t = np.arange(1, schedule.T + 1)
        if weighting == "simple":
            values = np.ones(schedule.T)
        elif weighting == "vlb":
            noise = 1.0 - schedule.alpha_bar[t]
            values = schedule.beta[t] ** 2 / (2.0 * reverse_variance(schedule, t) * schedule.alpha[t] * noise)
        else:
            values = MIN_SNR_GAMMA / np.maximum(schedule.snr[t], MIN_SNR_GAMMA)  # divides by no snr, which may be 0
    else:
        values = _checks.array("weighting", weighting, (schedule.T,), np.float64)
        if values.min() < 0.0:
            raise ValueError(f"weighting: expected values of at least 0, got {values.min():g}")
    return np.concatenate([[0.0], values])


def noise_prediction(eps_hat: np.ndarray, eps: np.ndarray, lambda_t: np.ndarray) -> tuple[float, np.ndarray]:
    """L = mean over samples and dimensions of lambda(t) (eps - eps_hat)^2, and dL / d eps_hat.

    Parameters
    ----------
    eps_hat, eps : [N, ...]
    lambda_t : the weight of each sample's step [N]

    Examples
    --------
    >>> noise_prediction(np.zeros((2, 2)), np.ones((2, 2)), np.array([1.0, 3.0]))
    (2.0, array([[-0.5, -0.5],
           [-1.5, -1.5]]))
    """
    error = eps_hat - eps
    weighted = column(lambda_t, error) * error
    return float((weighted * error).mean()), 2.0 / error.size * weighted
