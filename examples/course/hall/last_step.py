"""The steps t of a batch, each of 1..T equally likely."""


def drawn_steps(rng, n, T):
    low, high = 1, T
    return rng.integers(low, high, n)
