"""The losses and their gradients: of the noise (article, lambda(t); Ho et al. 2020, eqs 12, 14), and of the variance
(Nichol and Dhariwal 2021, eq 16)."""

from __future__ import annotations

import math
from typing import Literal, assert_never, cast, get_args

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.process.columns import column
from numpy_diffusion.process.elementwise import each
from numpy_diffusion.process.predictions import Prediction, eps_slope
from numpy_diffusion.process.reverse import error_weight, reverse_variance
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import log_bounds

Weighting = Literal["simple", "vlb", "min_snr"]
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)
MIN_SNR_GAMMA = 5.0  # Hang et al. 2023, section 3.4
BOUND_WEIGHT = 0.001  # of the bound beside the noise's loss: Nichol and Dhariwal 2021, section 3.1
# Columns of `bound_table`.
CONSTANT, TILDE, ON_ERROR, LOW, SPAN, WEIGHT = range(6)


def weights(schedule: Schedule, weighting: Weighting | ArrayLike = "simple") -> np.ndarray:
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
        t = np.arange(1, schedule.T + 1)
        match kind := cast(Weighting, _checks.choice("weighting", weighting, WEIGHTINGS)):
            case "simple":
                values = np.ones(schedule.T)
            case "vlb":
                values = error_weight(schedule, t, t - 1) / (2.0 * reverse_variance(schedule, t))
            case "min_snr":  # divides by no snr, which may be 0
                values = MIN_SNR_GAMMA / np.maximum(schedule.snr[t], MIN_SNR_GAMMA)
            case _:
                assert_never(kind)
    else:
        values = _checks.array("weighting", weighting, (schedule.T,), np.float64)
        if values.min() < 0.0:
            raise ValueError(f"weighting: expected values of at least 0, got {values.min():g}")
    return np.concatenate([[0.0], values])


def of_prediction(predicted: np.ndarray, target: np.ndarray, lambda_t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each sample's mean over dimensions of lambda(t) (target - predicted)^2, and the gradient of the batch's mean.

    Parameters
    ----------
    predicted : [N, ...]
    target : [N, ...], eps or what else is predicted
    lambda_t : the weight of each sample's step [N]

    Returns
    -------
    losses [N], and d (mean of losses) / d predicted [N, ...]

    Examples
    --------
    >>> of_prediction(np.zeros((2, 2)), np.ones((2, 2)), np.array([1.0, 3.0]))
    (array([1., 3.]), array([[-0.5, -0.5],
           [-1.5, -1.5]]))
    """
    error = predicted - target
    weighted = column(lambda_t, error) * error
    return _by_sample(weighted * error), 2.0 / error.size * weighted


def bound_table(schedule: Schedule, predicts: Prediction = "eps") -> np.ndarray:
    """What `variance_loss` needs of each step: float64 [T + 1, 6], the columns named above; row 0 is not used.

    A term of the bound, a dimension, with log sigma^2 = LOW + SPAN v and the squared error e^2 of what is predicted:

        1/2 (CONSTANT + log sigma^2 + (TILDE + ON_ERROR e^2) / sigma^2)

    For t > 1 it is KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) (Ho et al. eq 5), whose means
    lie sqrt(ON_ERROR) e apart (see `reverse.error_weight`, for eps); for t = 1 it is -log p(x_0 | x_1).

    WEIGHT is the same of all steps, but where an error of what is predicted is more than sqrt(5) times as large in
    eps it falls, as min-SNR's weight does: x_0 is not predicted to within the sigma of the last steps, and they would
    be all of the loss.
    """
    t = np.arange(1, schedule.T + 1)
    table = np.zeros((schedule.T + 1, 6))
    low, high = log_bounds(schedule, t)
    table[1:, LOW], table[1:, SPAN] = low, high - low
    table[1:, TILDE] = schedule.beta_tilde[t]
    slope = eps_slope(predicts, t, schedule) ** 2
    table[1:, ON_ERROR] = error_weight(schedule, t, t - 1) * slope
    table[1, CONSTANT], table[2:, CONSTANT] = math.log(2.0 * math.pi), -each(math.log, schedule.beta_tilde[2:]) - 1.0
    # The bound is a sum over T steps, of which one is drawn.
    table[1:, WEIGHT] = BOUND_WEIGHT * schedule.T * np.minimum(1.0, MIN_SNR_GAMMA / slope)
    return table


def weighted(table: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The table with the weight of each step [T + 1] multiplied by its factor."""
    table = table.copy()
    table[:, WEIGHT] *= factors
    return table


def variance_loss(
    head: np.ndarray, predicted: np.ndarray, target: np.ndarray, table: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """WEIGHT times each sample's term of the bound, in nats a dimension, and the gradient of the batch's mean.

    The mean of the reverse kernel is held fixed, so `predicted` gets no gradient from it (Nichol and Dhariwal 2021,
    section 3.1).

    Parameters
    ----------
    head : the network's second half of outputs [N, D]; v = (head + 1) / 2
    predicted, target : [N, D], eps or what else the table is for
    table : rows of `bound_table`, each sample's step [N, 6]

    Returns
    -------
    losses [N], and d (mean of losses) / d head [N, D]

    Examples
    --------
    >>> table = bound_table(Schedule.linear(T=1000))[[500]]
    >>> losses, dhead = variance_loss(np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1)), table)
    >>> losses.round(6).tolist(), dhead.round(9).tolist()
    ([0.005506], [[-2.289e-06]])
    """
    constant, tilde, on_error, low, span, weight = (column(values, target) for values in table.T)
    log_variance = low + span * 0.5 * (head + 1.0)
    ratio = (tilde + on_error * (target - predicted) ** 2) * np.exp(-log_variance)
    terms = weight * 0.5 * (constant + log_variance + ratio)
    return _by_sample(terms), weight * 0.25 * span * (1.0 - ratio) / head.size


def _by_sample(terms: np.ndarray) -> np.ndarray:
    """The mean over a sample's dimensions: [N] from [N, ...]."""
    return terms.reshape(len(terms), -1).mean(axis=1)
