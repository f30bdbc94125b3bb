"""The probability-flow ODE's nodes, and the weights of f at them in its integrals, with no model.

With u = arsinh(sigma), sigma^2 = (1 - alpha_bar) / alpha_bar, so that sqrt(alpha_bar) = sech(u) and
sqrt(1 - alpha_bar) = tanh(u), the ODE (Song et al. 2021, arXiv 2011.13456, eq 13) reads

    dx / du = f(x, t) = eps(x, t) - tanh(u) x

In y = cosh(u) x and sigma = sinh(u) it is DDIM's dy / dsigma = eps (arXiv 2010.02502, eq 14), by
dy / du = cosh(u) dx / du + sinh(u) x and dsigma / du = cosh(u).

The integrals are those of polynomials in phi = arctan(sigma), the angle of x_t = cos(phi) x_0 + sin(phi) eps.  The
exact f = cos(phi) E[cos(phi) eps - sin(phi) x_0 | x_t] is smooth in it to the end, and no schedule's steps are long.
As eps and -eps are equally likely, f is odd in phi: f and div f are 0 at the data, where no model is asked.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import check_start, chosen_steps

NODES = 5  # values of f that each polynomial goes through
SWEEPS = 6  # over the first nodes: each multiplies the error by about u^2 / 2 and the Jacobian of f over u
GAUSS = 32  # points of the quadrature that integrates the polynomials in phi over a step of u


class Plan(NamedTuple):
    """The path's nodes 0 = u_0 < u_1 < ... < u_n, and the weights of f at nodes in an integral of f over u."""

    t: np.ndarray  # [n + 1]
    tanh: np.ndarray  # [n + 1], of u
    start: np.ndarray  # [m, m], m = NODES - 1: row j is the integral from 0 to u_{j+1}, by nodes 1..m
    predict: np.ndarray  # [n - m, NODES]: row j is that from u_{m+j} to u_{m+j+1}, by the nodes up to m + j
    correct: np.ndarray  # [n - m, NODES]: the same, by the nodes up to m + j + 1


def plan(schedule: Schedule, steps: int | ArrayLike | None = None) -> Plan:
    """Polynomials through the nodes as they are: Adams and Bashforth predict, Adams and Moulton correct.

    Through the first nodes goes one odd polynomial, as f is odd.  Its weights are smaller than those of one that goes
    through 0 and these nodes only, so that it is the better choice for a network too.

    Parameters
    ----------
    steps : how many steps of the schedule to take, evenly spaced, or which, T among them; all unless given

    Examples
    --------
    >>> found = plan(Schedule.linear(T=1000), steps=10)
    >>> found.t.tolist()
    [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]
    >>> [len(weights) for weights in (found.start, found.predict, found.correct)]
    [4, 6, 6]
    """
    chosen = chosen_steps(schedule, steps)
    check_start("T", schedule.T, chosen)
    t = np.append(0, chosen[::-1])
    u = np.arcsinh(np.exp(-0.5 * schedule.log_snr[t]))
    first, last = np.arange(1, min(NODES, len(u))), np.arange(NODES, len(u))
    predict, correct = (
        _weights(u[last[:, None] + np.arange(NODES) - back], u[last - 1], u[last], np.arange(NODES))
        for back in (NODES, NODES - 1)
    )
    start = _weights(np.tile(u[first], (len(first), 1)), np.zeros(len(first)), u[first], 2 * first - 1)
    return Plan(t, np.tanh(u), start, predict, correct)


def _weights(nodes: np.ndarray, low: np.ndarray, high: np.ndarray, powers: np.ndarray) -> np.ndarray:
    """w [M, K] with sum of w f(nodes) = the integral of f over u from low to high [M], nodes [M, K],
    for f = (phi(u) - phi(low))^power, powers [K]."""

    def power(u: np.ndarray) -> np.ndarray:
        phi, start, end = (np.arctan(np.sinh(at)) for at in (u, low[:, None], high[:, None]))
        return ((phi - start) / (end - start))[:, None, :] ** powers[:, None]

    place, weight = np.polynomial.legendre.leggauss(GAUSS)
    half = 0.5 * (high - low)[:, None]
    moments = half * (power(low[:, None] + half * (1.0 + place)) @ weight)
    return np.linalg.solve(power(nodes), moments[..., None])[..., 0]
