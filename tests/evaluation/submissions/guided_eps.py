"""Submissions of guided_eps(eps_label, eps_null, w), named by what is right or wrong in them."""


def right_1(eps_label, eps_null, w):
    return (1 + w) * eps_label - w * eps_null


def other_count_1(eps_label, eps_null, w):
    return eps_null + w * (eps_label - eps_null)


def other_count_2(eps_label, eps_null, w):
    eps_label *= w
    eps_label += (1 - w) * eps_null
    return eps_label
