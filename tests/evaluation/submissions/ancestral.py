"""Submissions of ancestral(eps_model, x, t, s, schedule, z), named by what is right or wrong in them."""

import numpy as np


def right_1(eps_model, x, t, s, schedule, z):
    alpha = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    mean = (x - (1 - alpha) / np.sqrt(1 - schedule.alpha_bar[t]) * eps_model(x, t)) / np.sqrt(alpha)
    return mean + np.sqrt(1 - alpha) * z if s > 0 else mean


def right_2(eps_model, x, t, s, schedule, z):
    """By x_0, and with the z turned around."""
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    beta = (then - now) / then
    x0 = x / now**0.5 - (1 / now - 1) ** 0.5 * eps_model(x, t)
    mean = then**0.5 * beta / (1 - now) * x0 + (now / then) ** 0.5 * (1 - then) / (1 - now) * x
    return mean - (s > 0) * beta**0.5 * z


def noise_at_the_end_1(eps_model, x, t, s, schedule, z):
    alpha = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    mean = (x - (1 - alpha) / np.sqrt(1 - schedule.alpha_bar[t]) * eps_model(x, t)) / np.sqrt(alpha)
    return mean + np.sqrt(1 - alpha) * z


def noise_at_the_end_2(eps_model, x, t, s, schedule, z):
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    x0 = (x - (1 - now) ** 0.5 * eps_model(x, t)) / now**0.5
    mean = (then**0.5 * (1 - now / then) * x0 + (now / then) ** 0.5 * (1 - then) * x) / (1 - now)
    return mean + (1 - now / then) ** 0.5 * z


def full_beta_1(eps_model, x, t, s, schedule, z):
    alpha = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    mean = (x - (1 - alpha) / np.sqrt(1 - schedule.alpha_bar[t]) * eps_model(x, t)) / np.sqrt(alpha)
    return mean + np.sqrt(schedule.beta[t]) * z if s > 0 else mean


def full_beta_2(eps_model, x, t, s, schedule, z):
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    x0 = (x - (1 - now) ** 0.5 * eps_model(x, t)) / now**0.5
    mean = (then**0.5 * (1 - now / then) * x0 + (now / then) ** 0.5 * (1 - then) * x) / (1 - now)
    sigma = (1 - now / schedule.alpha_bar[t - 1]) ** 0.5
    return mean + sigma * z * (s != 0)


def t_minus_1_1(eps_model, x, t, s, schedule, z):
    return right_1(eps_model, x, t, t - 1, schedule, z)


def t_minus_1_2(eps_model, x, t, s, schedule, z):
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[t - 1]
    x0 = (x - (1 - now) ** 0.5 * eps_model(x, t)) / now**0.5
    mean = (then**0.5 * schedule.beta[t] * x0 + schedule.alpha[t] ** 0.5 * (1 - then) * x) / (1 - now)
    return mean + schedule.beta[t] ** 0.5 * z if t > 1 else mean
