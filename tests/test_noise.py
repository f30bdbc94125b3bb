"""The counter-based generator: published answers, purity, and the statistics that a sampler leans on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion import noise

WORD = st.integers(0, 2**32 - 1)
SEED = st.integers(0, 2**64 - 1)
STREAMS = {name: value for name, value in vars(noise).items() if name.startswith("STREAM_")}
FLAT = settings(deadline=None, max_examples=50)


def philox_of_integers(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 as section 3.3 of the paper has it, in Python's own integers."""
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * counter[0], 2**32)
        high1, low1 = divmod(0xCD9E8D57 * counter[2], 2**32)
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    return counter


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_gives_the_published_known_answers(counter: str, key: str, expected: str) -> None:
    def parse(text: str) -> tuple[int, ...]:
        return tuple(int(word, 16) for word in text.split())

    drawn = noise.philox4x32(parse(counter), parse(key))  # Random123, kat_vectors
    assert tuple(int(word) for word in drawn) == parse(expected)
    assert all(word.dtype == np.uint32 for word in drawn)


@FLAT
@given(counter=st.tuples(WORD, WORD, WORD, WORD), key=st.tuples(WORD, WORD))
def test_philox_is_that_of_the_paper_for_any_counter_and_key(counter: tuple, key: tuple) -> None:
    assert [int(word) for word in noise.philox4x32(counter, key)] == philox_of_integers(list(counter), list(key))


@FLAT
@given(seed=SEED, sample=st.integers(0, 2**31), step=st.integers(0, 2**20), stream=WORD, n=st.integers(1, 11))
def test_words_lie_where_the_docstring_says(seed: int, sample: int, step: int, stream: int, n: int) -> None:
    drawn = noise.words(seed, stream, sample, step, n)
    quads = math.ceil(n / 4)
    key = [seed % 2**32, seed // 2**32]
    for place in range(n):
        k, j = divmod(place, quads)
        assert int(drawn[0, place]) == philox_of_integers([j, sample, step, stream], key)[k]
    assert drawn.shape == (1, n)


@FLAT
@given(seed=SEED, n=st.integers(1, 9), data=st.data())
def test_any_subset_of_samples_gives_the_same_rows(seed: int, n: int, data: st.DataObject) -> None:
    step = np.array(data.draw(st.lists(st.integers(0, 1000), min_size=20, max_size=20)))
    chosen = data.draw(st.lists(st.integers(0, 19), min_size=1, max_size=20))
    for draw in (noise.words, noise.uniform, noise.normal):
        whole = draw(seed, noise.STREAM_JUMP, np.arange(20), step, n)
        part = draw(seed, noise.STREAM_JUMP, np.array(chosen), step[chosen], n)
        np.testing.assert_array_equal(part, whole[chosen])
    high = np.arange(1, n + 1)
    whole = noise.integers(seed, noise.STREAM_JUMP, np.arange(20), step, high)
    part = noise.integers(seed, noise.STREAM_JUMP, np.array(chosen), step[chosen], high)
    np.testing.assert_array_equal(part, whole[chosen])


def test_one_step_for_all_is_that_step_for_each() -> None:
    rows = np.arange(5)
    whole = noise.normal(3, noise.STREAM_CHAIN, rows, 7, 3)
    np.testing.assert_array_equal(whole, noise.normal(3, noise.STREAM_CHAIN, rows, np.full(5, 7), 3))


def test_each_part_of_the_address_changes_every_word() -> None:
    first = noise.words(5, noise.STREAM_JUMP, 6, 7, 8)
    others = [
        noise.words(6, noise.STREAM_JUMP, 6, 7, 8),
        noise.words(5 + 2**32, noise.STREAM_JUMP, 6, 7, 8),
        noise.words(5, noise.STREAM_CHAIN, 6, 7, 8),
        noise.words(5, noise.STREAM_JUMP, 7, 7, 8),
        noise.words(5, noise.STREAM_JUMP, 6, 8, 8),
        noise.words(5, noise.STREAM_JUMP, 7, 6, 8),
    ]
    assert all((other != first).all() for other in others)


def test_streams_are_numbered_apart() -> None:
    assert len(set(STREAMS.values())) == len(STREAMS) > 5


def test_seeds_are_words_of_their_own_stream() -> None:
    low, high = noise.words(5, noise.STREAM_STAGE, 3, 0, 2)[0]
    found = noise.seed_of(5, noise.STREAM_STAGE, 3)
    assert noise.split_seed(found) == (low, high)
    assert type(found) is int
    assert len({noise.seed_of(seed, noise.STREAM_STAGE, number) for seed in range(9) for number in range(9)}) == 81


@pytest.fixture(scope="module")
def million() -> np.ndarray:
    """10^6 normals, n = 5 a sample, so that every place of a counter and the cut at n is in it."""
    return noise.normal(11, noise.STREAM_JUMP, np.arange(200_000), 3, 5).astype(np.float64).ravel()


def test_normals_have_the_moments_of_a_normal(million: np.ndarray) -> None:
    root = math.sqrt(len(million))
    # Five standard errors: of z^k they are sqrt(var(z^k) / n), var 1, 2, 15, 96 for k = 1..4.
    assert abs(million.mean()) < 5 * 1 / root
    assert abs((million**2).mean() - 1) < 5 * math.sqrt(2) / root
    assert abs((million**3).mean()) < 5 * math.sqrt(15) / root
    assert abs((million**4).mean() - 3) < 5 * math.sqrt(96) / root


def test_normals_follow_the_normal_distribution(million: np.ndarray) -> None:
    cdf = np.array([0.5 * (1.0 + math.erf(z / math.sqrt(2.0))) for z in np.sort(million)])
    n = len(million)
    distance = max((np.arange(1, n + 1) / n - cdf).max(), (cdf - np.arange(n) / n).max())
    assert distance < math.sqrt(0.5 * math.log(2e6)) / math.sqrt(n)  # Kolmogorov: passed but once in 10^6 seeds


def test_normals_are_float32_and_never_infinite() -> None:
    zero, ones = np.zeros(1), np.full(1, 2.0**24 - 1)
    assert noise.normal(0, 1, 0, 0, 3).dtype == np.float32
    assert np.hypot(*noise._box_muller(zero, zero))[0] == pytest.approx(math.sqrt(48 * math.log(2)))
    assert np.hypot(*noise._box_muller(ones, ones))[0] == 0.0


def test_uniforms_are_uniform_below_one() -> None:
    u = noise.uniform(12, noise.STREAM_BATCH, np.arange(100_000), 1, 2)
    n = u.size
    assert u.dtype == np.float32
    assert u.min() >= 0.0
    assert u.max() < 1.0
    assert (u * 2**24 == np.floor(u * 2**24)).all()
    ordered = np.sort(u.ravel().astype(np.float64))
    distance = max((np.arange(1, n + 1) / n - ordered).max(), (ordered - np.arange(n) / n).max())
    assert distance < math.sqrt(0.5 * math.log(2e6)) / math.sqrt(n)


def normals(seed: int = 1, stream: int = noise.STREAM_CHAIN, first: int = 0, step: int = 1) -> np.ndarray:
    return noise.normal(seed, stream, np.arange(first, first + 50_000), step, 4).astype(np.float64)


@pytest.mark.parametrize(
    "other",
    [
        *({"stream": stream} for stream in STREAMS.values() if stream != noise.STREAM_CHAIN),
        {"first": 1},
        {"step": 2},
        {"step": 1000},
        {"seed": 2},
        {"seed": 1 + 2**32},
    ],
    ids=str,
)
def test_streams_samples_steps_and_seeds_are_uncorrelated(other: dict[str, int]) -> None:
    one, two = normals(), normals(**other)
    for power in (1, 2):  # squares too: a shared radius would show there alone
        for k in range(4):
            r = np.corrcoef(one[:, 0] ** power, two[:, k] ** power)[0, 1]
            assert abs(r) < 5 / math.sqrt(len(one))  # five standard errors


def test_the_numbers_of_one_sample_are_uncorrelated() -> None:
    z = normals()
    for power in (1, 2):
        r = np.corrcoef(z**power, rowvar=False) - np.eye(4)
        assert np.abs(r).max() < 5 / math.sqrt(len(z))


@pytest.mark.parametrize("high", [2, 7, 10, 1000])
def test_integers_are_uniform(high: int) -> None:
    drawn = noise.integers(13, noise.STREAM_BATCH, np.arange(100_000), 2, [high, 3])
    assert drawn.dtype == np.int64
    for column, choices in zip(drawn.T, (high, 3), strict=True):
        counts = np.bincount(column, minlength=choices)
        assert len(counts) == choices
        expected = len(column) / choices
        chi_square = ((counts - expected) ** 2 / expected).sum()
        df = choices - 1
        # Wilson and Hilferty: the cube root is close to normal; five standard errors
        z = ((chi_square / df) ** (1 / 3) - (1 - 2 / (9 * df))) / math.sqrt(2 / (9 * df))
        assert z < 5


@FLAT
@given(seed=SEED, high=st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=6))
def test_integers_are_the_upper_half_of_word_times_high(seed: int, high: list[int]) -> None:
    drawn = noise.integers(seed, noise.STREAM_BATCH, [4, 9], 5, high)
    word = noise.words(seed, noise.STREAM_BATCH, [4, 9], 5, len(high))
    assert [[int(v) for v in row] for row in drawn] == [
        [int(w) * h // 2**32 for w, h in zip(row, high, strict=True)] for row in word
    ]
    assert (drawn < np.array(high)).all()
