"""The prior as what can be called, trained and guided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.networks import check_network
from checks.priors import OPTIONS, noised, prior, texts

import numpy_diffusion as nd
from numpy_diffusion.networks.prior.config import ASKED, PLACES
from numpy_diffusion.networks.prior.prior import PriorTransformer

SCHEDULE = nd.Schedule.cosine(T=20)


def test_it_holds_what_every_network_holds(tmp_path: Path) -> None:
    check_network(PriorTransformer(**OPTIONS), tmp_path)


def test_a_text_as_long_as_it_is_answers_as_one_with_room_to_spare() -> None:
    model, (z, t) = prior(), noised()
    short, long = (model(z, t, **texts().lengthened(length).arguments()) for length in (4, 5))
    np.testing.assert_allclose(short, long, rtol=0, atol=1e-6)


def test_what_is_not_there_does_not_matter() -> None:
    model, (z, t), told = prior(), noised(), texts()
    other = nd.Condition(
        embedding=told.embedding, states=np.where(told.mask[:, :, None], told.states, 9.0), mask=told.mask
    )
    np.testing.assert_array_equal(model(z, t, **told.arguments()), model(z, t, **other.arguments()))


def test_the_first_weights() -> None:
    model = PriorTransformer(**OPTIONS | dict(attention_head_dim=32, embedding_dim=48), seed=3)
    for name in ("proj_in", "embedding_proj", "transformer_blocks.1.attn1.to_q", "transformer_blocks.0.ff.net.2"):
        values = model.params[f"{name}.weight"]
        assert abs(values.std() * np.sqrt(values.shape[1]) - 1.0) < 5 / np.sqrt(2 * values.size), name
    for name in (PLACES, ASKED):
        values = model.params[name]
        assert abs(values.std() / 0.02 - 1.0) < 5 / np.sqrt(2 * values.size), name
    assert (model.params["norm_out.weight"] == 1.0).all()
    assert not model.params["proj_to_clip_embeddings.weight"].any()


# --- what it learns --------------------------------------------------------------------------------------------


def pairs(n: int) -> tuple[np.ndarray, nd.Condition]:
    """Embeddings, far from 0 and of a small deviation, that are decided by a text's first state and its own."""
    rng = np.random.default_rng(5)
    states, embedding = rng.normal(size=(n, 2, 4)), rng.normal(size=(n, 3))
    z = states[:, 0] + embedding @ rng.normal(size=(3, 4))
    return 3.0 + 0.1 * z, nd.Condition(embedding=embedding, states=states)


def test_it_learns_the_embedding_that_a_text_means() -> None:
    """And with no text their mean; in its own units, whatever those of the data are."""
    z, told = pairs(400)
    model = PriorTransformer(**OPTIONS | dict(attention_head_dim=8, num_layers=1))
    run = nd.train(model, SCHEDULE, z, told, steps=400, batch=64, learning_rate=5e-3, progress=False)
    assert run.losses[:10].mean() > 0.8
    np.testing.assert_allclose(model.scale, z.std(axis=0), rtol=1e-5)
    asked = told.rows(slice(0, 50))
    found = nd.sample(nd.as_eps(nd.guided(model, asked, 0.0), SCHEDULE, "x0"), SCHEDULE, 50, method="ddim", steps=5)
    error = (found - z[:50]) / model.scale
    assert np.sqrt((error**2).mean()) < 0.5  # those of a guess are 1
    noise = np.random.default_rng(6).normal(size=(50, 4))
    blind = model(noise, 20, **model.nothing.arguments())
    assert np.abs(blind).mean() < 0.3


def test_the_loss_is_that_of_the_embedding() -> None:
    """At first the answer is 0, so that the loss is the data's variance, which is 1, and not that of the noise."""
    z, told = pairs(50)
    short = PriorTransformer(**OPTIONS)
    z[:, 1:] = 3.0  # coordinates without any variance
    run = nd.train(short, SCHEDULE, z, told, steps=1, batch=2000, progress=False)
    assert run.losses[0] == pytest.approx(0.25, abs=0.05)


def test_guidance_goes_away_from_nothing() -> None:
    model, (z, _), told = prior(), noised(), texts()
    with_text, without = model(z, 3, **told.arguments()), model(z, 3, **model.nothing.arguments())
    np.testing.assert_allclose(nd.guided(model, told, 1.5)(z, 3), 2.5 * with_text - 1.5 * without, rtol=0, atol=1e-5)


def test_what_stands_for_nothing_can_be_set_and_is_kept(tmp_path: Path) -> None:
    model, (z, t) = prior(), noised()
    empty = nd.Condition(embedding=[1.0, 2.0, 3.0], states=np.ones((3, 4)), mask=[True, True, False])
    before = model(z, t, **model.nothing.arguments())
    model.nothing = empty
    assert np.abs(model(z, t, **model.nothing.arguments()) - before).max() > 0.01
    x0, told = pairs(9)
    nd.train(model, SCHEDULE, x0, told, steps=1, out=tmp_path / "run", progress=False)
    for found in (model, nd.load(tmp_path / "run"), model.copy()):
        assert found.nothing.length == 2
        for name, value in empty.rows(slice(None)).arguments().items():
            expected = value if name == "embedding" else value[:2]
            np.testing.assert_array_equal(found.nothing.arguments()[name], expected)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (3, "nothing: expected a Condition, got int"),
        (nd.Condition(labels=3), "nothing: expected a condition of embedding, states and mask, got labels"),
        (nd.Condition(embedding=np.ones(4), states=np.ones((1, 4))), "embedding: expected 3 numbers each, got 4"),
        (texts(), "nothing: expected one text, got a row for each of some samples"),
    ],
)
def test_what_is_no_nothing_is_one_sentence(told: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        prior().nothing = told


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (dict(embedding=np.ones(4)), "embedding: expected 3 numbers each, got 4"),
        (dict(states=np.ones((4, 5))), "states: expected 4 numbers each, got 5"),
        (dict(states=np.ones((6, 4)), mask=None), "states: expected at most 5 a text, got 6"),
        (dict(labels=[1, 1, 1]), "labels: expected None, as the network has no classes, got some"),
    ],
)
def test_what_it_cannot_be_told_is_one_sentence(fields: dict[str, Any], sentence: str) -> None:
    z, t = noised()
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        prior()(z, t, **texts().arguments() | fields)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(ValueError, match=r"^width: expected an option of PriorTransformer, got one that it does not"):
        PriorTransformer(width=3)


def test_it_is_no_model_of_eps() -> None:
    told = nd.guided(prior(), texts(), 0.0)
    for call in (
        lambda: nd.sample(told, SCHEDULE, 3, progress=False),
        lambda: nd.clipped(told, SCHEDULE),
        lambda: nd.bound(told, SCHEDULE, np.ones((3, 4))),
        lambda: nd.optimal_variance(told, SCHEDULE, np.ones((3, 4))),
    ):
        with pytest.raises(ValueError, match=r"^model: expected one that predicts eps, got one that predicts x0, of"):
            call()


def test_a_weight_of_eps_is_none_of_the_embedding() -> None:
    z, told = pairs(9)
    with pytest.raises(ValueError, match=r"^weighting: expected 'simple' or an array of a network that predicts x0"):
        nd.train(prior(), SCHEDULE, z, told, steps=1, weighting="min_snr", progress=False)
    nd.train(prior(), SCHEDULE, z, told, steps=1, weighting=np.ones(20), progress=False)
