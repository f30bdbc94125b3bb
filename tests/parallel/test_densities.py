"""Likelihoods by Dask: whatever chunks, workers and threads there are, the bits of one process."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.dask_arrays import SCHEDULE, UNET, digest, images, network
from checks.gaussians import mixture

import numpy_diffusion as nd
from numpy_diffusion.evaluation import likelihood

arrays = pytest.importorskip("dask.array", reason="Dask is not installed")

X = np.random.default_rng(0).normal([3.0, -1.0], [0.5, 2.0], (700, 2))
CHUNKS = [700, 90, (1, 400, 299)]


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 64 points, so that a few hundred points are many, and chunks do not fit them."""
    monkeypatch.setattr(likelihood, "BLOCK", 64 * 2 * likelihood.WIDTH)


def lazy(chunks: Any, x: np.ndarray = X) -> Any:
    return arrays.from_array(x, chunks=(chunks, *x.shape[1:]))


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("probes", [None, 1])
@pytest.mark.usefixtures("_small_blocks")
def test_log_prob_is_that_of_one_process(chunks: Any, probes: int | None) -> None:
    """Also of an oracle, whose products of matrices NumPy's BLAS may round by how many rows there are."""
    data = mixture(2, 3, 2)
    for model in (network(), data.eps(SCHEDULE)):
        options: dict[str, Any] = {"probes": probes, "seed": 5, "steps": 6, "first": 300}
        found = nd.parallel.log_prob(model, SCHEDULE, lazy(chunks), **options)
        assert all(length % 64 == 0 for length in found.chunks[0][:-1])
        expected = nd.log_prob(model, SCHEDULE, X, **options)
        assert digest(found.compute(scheduler="threads", num_workers=2)) == digest(expected)


def test_what_a_model_is_told_of_each_sample_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "KEPT", 2 * 64 * likelihood.LAYERS)  # two images at once
    model, x = nd.guided(images(), np.arange(7) % 3, 1.5), np.random.default_rng(2).uniform(-1.0, 1.0, (7, 1, 8, 8))
    found = nd.parallel.bound(model, SCHEDULE, lazy(3, x), draws=2)
    assert digest(found) == digest(nd.bound(model, SCHEDULE, x, draws=2).totals)
    found = nd.parallel.log_prob(model, SCHEDULE, lazy(3, x), probes=1, steps=2)
    assert found.chunks == ((2, 2, 2, 1),)
    assert digest(found) == digest(nd.log_prob(model, SCHEDULE, x, probes=1, steps=2))


def test_the_precision_goes_with_the_call_and_is_not_that_of_the_worker() -> None:
    unet, rng = nd.UNet(**UNET | {"block_out_channels": (32, 32)}), np.random.default_rng(2)
    unet.params["conv_out.weight"][:] = rng.normal(size=unet.shapes["conv_out.weight"])  # not zero: all is seen
    model, x = nd.guided(unet, 1, 1.5), rng.uniform(-1.0, 1.0, (5, 1, 8, 8))
    found = nd.parallel.bound(model, SCHEDULE, lazy(3, x))
    exact_totals = nd.bound(model, SCHEDULE, x).totals
    with nd.precision("bfloat16"):
        rounded, expected = nd.parallel.bound(model, SCHEDULE, lazy(3, x)), nd.bound(model, SCHEDULE, x).totals
        assert digest(found.compute(scheduler="sync")) == digest(exact_totals)
    assert digest(rounded) == digest(expected) != digest(exact_totals)


@pytest.mark.parametrize("labels", [np.arange(6) % 4, np.arange(8) % 4])
def test_labels_of_other_samples_are_refused_at_the_call(labels: np.ndarray) -> None:
    model, x = nd.guided(images(), labels, 1.5), lazy(3, np.zeros((7, 1, 8, 8)))
    sentence = f"^labels: .*, or one for each of 7 samples, got {len(labels)}$"
    with pytest.raises(ValueError, match=sentence):
        nd.parallel.bound(model, SCHEDULE, x, draws=2)
    with pytest.raises(ValueError, match=sentence):
        nd.parallel.log_prob(model, SCHEDULE, x, probes=1, steps=2)


def test_log_prob_on_workers_is_that_of_one_process(client: Any) -> None:
    x = np.concatenate([X] * 7)  # three blocks of 2048, and a part of one
    found = nd.parallel.log_prob(network(), SCHEDULE, lazy(1000, x), client=client, steps=4)
    assert found.chunks == ((2048, 2048, 804),)
    assert digest(found) == digest(nd.log_prob(network(), SCHEDULE, x, steps=4))


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("form", ["posterior", "article"])
def test_bound_is_that_of_one_process(chunks: Any, form: Any) -> None:
    options: dict[str, Any] = {"form": form, "draws": 2, "first": 9, "variance": "beta_tilde"}
    found = nd.parallel.bound(network(), SCHEDULE, lazy(chunks), 3, **options)
    assert found.chunks == lazy(chunks).chunks[:1]
    assert digest(found) == digest(nd.bound(network(), SCHEDULE, X, 3, **options).totals)


@pytest.mark.parametrize("client", [1], indirect=True)
def test_bound_on_workers_is_that_of_one_process(client: Any) -> None:
    found = nd.parallel.bound(network(), SCHEDULE, lazy(90), 3, client=client)
    expected = nd.bound(network(), SCHEDULE, X, 3)
    assert digest(found) == digest(expected.totals)
    assert float(found.mean()) == pytest.approx(expected.total, rel=1e-12)


def test_bound_of_pictures_is_that_of_8_bits() -> None:
    """Chunks that cut through the pictures are joined: a sample stays whole."""
    pixels = np.random.default_rng(1).integers(0, 256, (6, 1, 4, 4), np.uint8)

    def model(x: np.ndarray, t: int) -> np.ndarray:
        return 0.5 * x

    found = nd.parallel.bound(model, SCHEDULE, arrays.from_array(pixels, chunks=(4, 1, 2, 3)))
    assert found.chunks == ((4, 2),)
    assert digest(found) == digest(nd.bound(model, SCHEDULE, pixels).totals)


def fitted(conditional: bool, seed: int = 0) -> nd.DiffusionDensity:
    density = nd.DiffusionDensity(T=10, steps=20, width=8, depth=1, batch=32, random_state=0, conditional=conditional)
    rows = np.random.default_rng(seed).normal(size=(200, 2))
    return density.fit(rows, np.arange(200) % 2)


@pytest.mark.parametrize("client", [1], indirect=True)
@pytest.mark.parametrize("conditional", [False, True])
def test_score_samples_is_that_of_one_process(client: Any, conditional: bool) -> None:
    density, x = fitted(conditional), np.concatenate([X] * 4)
    found = nd.parallel.score_samples(density, lazy(300, x), client=client)
    assert found.chunks == ((2048, 752),)
    assert digest(found) == digest(density.score_samples(x))


def test_densities_of_other_fits_are_not_taken_for_each_other() -> None:
    """Dask's own checksum of a dataclass sees its fields alone."""
    one, other = (nd.parallel.score_samples(fitted(False, seed), lazy(700)) for seed in (0, 1))
    assert one.name != other.name
    assert digest(one) != digest(other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: nd.parallel.log_prob(network(), SCHEDULE, X),
            r"^x: expected a dask array, got ndarray: dask\.array",
        ),
        (lambda: nd.parallel.bound(network(), SCHEDULE, X), r"^x0: expected a dask array, got ndarray: dask\.array"),
        (lambda: nd.parallel.score_samples(fitted(False), X), "^x: expected a dask array, got ndarray"),
        (lambda: nd.parallel.log_prob(network(), SCHEDULE, lazy(9)[:, 0]), r"^x: .* of known lengths, got \[700\]$"),
        (
            lambda: nd.parallel.log_prob(network(), SCHEDULE, lazy(9)[lazy(9)[:, 0] > 0]),
            r"^x: expected a dask array \[N, \.\.\.\] of known lengths, got \[nan, 2\]$",
        ),
        (lambda: nd.parallel.log_prob(lambda x, t: x, SCHEDULE, lazy(9)), "^model: expected one with a method jvp"),
        (lambda: nd.parallel.log_prob(network(), SCHEDULE, lazy(9), probes=0), "^probes: expected an integer"),
        (lambda: nd.parallel.log_prob(network(), SCHEDULE, lazy(9), steps=[3]), "^steps: expected T = 20 among them"),
        (lambda: nd.parallel.log_prob(network(), SCHEDULE, lazy(9), first=2**32), "^first: expected an integer"),
        (lambda: nd.parallel.bound(network(), SCHEDULE, lazy(9), first=2**32), "^first: expected an integer"),
        (lambda: nd.parallel.bound(network(), SCHEDULE, lazy(9), form="poster"), "^form: expected one of"),
        (lambda: nd.parallel.bound(network(), SCHEDULE, lazy(9), draws=0), "^draws: expected an integer"),
        (lambda: nd.parallel.bound(network(), SCHEDULE, lazy(9, X[:, :1])), "^x0: expected shape"),
        (lambda: nd.parallel.score_samples(nd.DiffusionDensity(), lazy(9)), "expected a fitted density"),
        (lambda: nd.parallel.score_samples(fitted(False), lazy(9, X[:, :1])), "^X has 1 features"),
    ],
)
def test_what_is_wrong_is_said_at_the_call(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
