"""Submissions of importance_weighted(log_w), named by what is right or wrong in them."""

import math

import numpy as np


def right_1(log_w):
    return np.logaddexp.reduce(log_w, axis=0) - np.log(len(log_w))


def mean_of_logs_1(log_w):
    return np.mean(log_w, axis=0)


def mean_of_logs_2(log_w):
    return [math.fsum(column) / len(column) for column in log_w.T]
