"""Submissions of loss(eps_model, x0, t, eps, alpha_bar), named by what is right or wrong in them."""

import numpy as np


def right_1(eps_model, x0, t, eps, alpha_bar):
    ab = alpha_bar[t][:, None]
    return np.mean((eps - eps_model(np.sqrt(ab) * x0 + np.sqrt(1 - ab) * eps, t)) ** 2)


def right_2(eps_model, x0, t, eps, alpha_bar):
    total = 0.0
    for n in range(len(x0)):
        ab = alpha_bar[t[n]]
        xt = ab**0.5 * x0[n : n + 1] + (1 - ab) ** 0.5 * eps[n : n + 1]
        total += float(((eps_model(xt, t[n : n + 1]) - eps[n]) ** 2).sum())
    return total / x0.size


def sees_x0_1(eps_model, x0, t, eps, alpha_bar):
    return np.mean((eps - eps_model(x0, t)) ** 2)


def sees_x0_2(eps_model, x0, t, eps, alpha_bar):
    ab = alpha_bar[t][:, None]
    xt = np.sqrt(ab) * x0 + np.sqrt(1 - ab) * eps
    clean = (xt - np.sqrt(1 - ab) * eps) / np.sqrt(ab)
    wrong = eps_model(clean, t) - eps
    return np.vdot(wrong, wrong) / wrong.size
