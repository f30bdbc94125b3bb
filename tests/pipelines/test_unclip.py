"""DALL-E 2 as a whole: a call is its stages one after the other, a picture is the same whatever else is drawn."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from checks.unclip import PLACES, D, T, decoder, pipeline, upsampler

import numpy_diffusion as nd
from numpy_diffusion.noise import STREAM_STAGE, seed_of
from numpy_diffusion.pipelines.unclip_chains import DECODER, PRIOR, UPSAMPLERS
from numpy_diffusion.pipelines.unclip_stage import Stage
from numpy_diffusion.sampling.spacing import Solver

TEXTS = ["a big red plane on the left", "a tiny green star"]
QUIET: dict[str, Any] = dict(progress=False)
PIPE = pipeline()
RNG = np.random.default_rng(3)
Z = RNG.normal(size=(2, D)).astype(np.float32)
X = RNG.uniform(-1.0, 1.0, (2, 3, 8, 8)).astype(np.float32)


def test_a_call_is_its_stages_one_after_the_other() -> None:
    drawn = PIPE.stages(TEXTS, seed=5, prior_guidance=2.0, decoder_guidance=1.0, upsampler_steps=2, **QUIET)
    shapes = [drawn.embedding.shape, drawn.x.shape, *(x.shape for x in drawn.upsampled)]
    assert shapes == [(2, D), (2, 3, 8, 8), (2, 3, 16, 16), (2, *PIPE.shape)]
    z = PIPE.prior_embedding(TEXTS, seed=5, guidance=2.0, **QUIET)
    x = PIPE.decode(z, TEXTS, seed=5, guidance=1.0, **QUIET)
    upsampled = PIPE.upsample(x, seed=5, steps=2, **QUIET)
    for found, expected in zip((drawn.embedding, drawn.x, *drawn.upsampled), (z, x, *upsampled), strict=True):
        np.testing.assert_array_equal(found, expected)
    options = dict(prior_guidance=2.0, decoder_guidance=1.0, upsampler_steps=2, **QUIET)
    np.testing.assert_array_equal(PIPE(TEXTS, seed=5, **options), upsampled[-1])


def test_a_picture_is_the_same_whatever_else_is_drawn() -> None:
    whole = PIPE.stages([TEXTS[0], TEXTS[0], TEXTS[1]], seed=7, **QUIET)
    for part, rows in (
        (PIPE.stages(TEXTS[0], n=2, seed=7, **QUIET), slice(2)),
        (PIPE.stages(TEXTS[1], seed=7, first=2, **QUIET), slice(2, 3)),
    ):
        for found, expected in zip((*part[:2], *part.upsampled), (*whole[:2], *whole.upsampled), strict=True):
            np.testing.assert_array_equal(found, expected[rows])
    assert np.abs(whole.x[0] - whole.x[1]).max() > 0.1
    assert np.abs(PIPE.decode(Z, TEXTS, **QUIET) - PIPE.decode(Z, TEXTS[0], **QUIET))[1].max() > 0.01


def test_the_prior_s_stage_by_hand() -> None:
    """Of parts that can be called by themselves."""
    ids = PIPE.tokenizer(TEXTS)[:, :PLACES]
    texts, mask = PIPE.text_encoder(ids), PIPE.tokenizer.mask(ids)
    told = nd.Condition(embedding=texts.embedding, states=texts.states, mask=mask)
    stage, prior = PIPE.prior_stage, PIPE.prior
    assert prior(Z, 3, texts.embedding, states=texts.states, mask=mask).shape == (2, D)
    model = nd.as_eps(nd.guided(prior, told, 2.0), stage.schedule, "x0")
    model = nd.clipped(model, stage.schedule, prior.shift - 2.0 * prior.scale, prior.shift + 2.0 * prior.scale)
    options: dict[str, Any] = dict(variance="beta_tilde", steps=[100, 67, 34, 1], **QUIET)
    seed = seed_of(5, STREAM_STAGE, PRIOR)
    expected = nd.better_of_two(model, stage.schedule, texts.embedding, seed, **options)
    found = PIPE.prior_embedding(TEXTS, seed=5, guidance=2.0, **QUIET)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_the_prior_s_range_is_that_of_standardised_embeddings() -> None:
    prior = PIPE.prior.copy()
    prior.shift, prior.scale = np.full(D, 5.0, np.float32), np.linspace(0.01, 0.08, D, dtype=np.float32)
    found = pipeline(prior=prior).prior_embedding(TEXTS, n=2, **QUIET)
    assert (np.abs(found - prior.shift) <= 2.0 * prior.scale * (1.0 + 1e-5) + 1e-6).all()
    assert np.abs((found - prior.shift) / prior.scale).max() > 0.5


def test_the_decoder_s_and_the_upsamplers_stages_by_hand() -> None:
    ids = PIPE.tokenizer(TEXTS)[:, :PLACES]
    texts, mask = PIPE.text_encoder(ids), PIPE.tokenizer.mask(ids)
    nothing = PIPE.tokenizer.nothing[None, :PLACES]
    of_nothing = PIPE.text_encoder(nothing)
    told = PIPE.text_projection(Z, texts.embedding, texts.states, mask)
    untold = PIPE.text_projection(
        None, of_nothing.embedding[0], of_nothing.states[0], PIPE.tokenizer.mask(nothing)[0]
    )
    schedule = PIPE.decoder_stage.schedule
    model = nd.clipped(nd.guided(PIPE.decoder, told, 1.5, untold.rows(0)), schedule)
    options: dict[str, Any] = dict(variance="learned", steps=[100, 67, 34, 1], **QUIET)
    expected = nd.sample(model, schedule, 2, seed_of(5, STREAM_STAGE, DECODER), **options)
    found = PIPE.decode(Z, TEXTS, seed=5, guidance=1.5, **QUIET)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)  # clipped, of weights that are drawn

    x = found
    for number, (network, enlarged) in enumerate(
        zip(PIPE.upsamplers, PIPE.upsample(x, seed=5, **QUIET), strict=True)
    ):
        low = nd.Condition(low_resolution=x)
        model = nd.clipped(nd.guided(network, low, 0.0), schedule)
        seed = seed_of(5, STREAM_STAGE, UPSAMPLERS + number)
        expected = nd.sample(model, schedule, 2, seed, variance="beta_tilde", steps=[100, 51, 1], **QUIET)
        np.testing.assert_allclose(enlarged, expected, rtol=0, atol=1e-6)
        x = enlarged


def test_in_bfloat16_the_prior_stays_as_it_is_and_the_u_nets_round() -> None:
    wide = pipeline(decoder=decoder(block_out_channels=(8, 64)))
    exact = wide.stages(TEXTS, seed=5, **QUIET)
    with nd.precision("bfloat16"):
        rounded = wide.stages(TEXTS, seed=5, **QUIET)
    np.testing.assert_array_equal(rounded.embedding, exact.embedding)
    assert 0.0 < np.abs(rounded.x - exact.x).mean() < 0.1


def test_a_text_may_be_left_out() -> None:
    found = PIPE.decode(Z, **QUIET)
    assert found.shape == (2, 3, 8, 8)
    assert np.abs(found - PIPE.decode(Z, TEXTS, **QUIET)).max() > 0.01


def test_an_upsampler_takes_the_image_as_further_channels_too() -> None:
    network, x = PIPE.upsamplers[0], RNG.normal(size=(2, 3, 16, 16)).astype(np.float32)
    joined = np.concatenate([x, X.repeat(2, 2).repeat(2, 3)], axis=1)
    assert network(joined, 3).shape == network(x, 3, low_resolution=X).shape == (2, 3, 16, 16)


def test_the_last_upsampler_takes_the_last_step_of_the_first() -> None:
    same = pipeline(last_upsampler=upsampler())
    for found, expected in zip(same.upsample(X, 5, **QUIET), PIPE.upsample(X, 5, **QUIET), strict=True):
        np.testing.assert_array_equal(found, expected)
    last = upsampler(seed=7)
    other = pipeline(last_upsampler=last, upsamplers=(upsampler(),))
    schedule, seed = other.upsampler_stage.schedule, seed_of(5, STREAM_STAGE, UPSAMPLERS)
    one, two = (
        nd.clipped(nd.guided(network, nd.Condition(low_resolution=X), 0.0), schedule)
        for network in (other.upsamplers[0], last)
    )
    options: dict[str, Any] = dict(variance="beta_tilde", **QUIET)
    x1 = nd.sample(one, schedule, 2, seed, steps=[100, 51], end=1, **options)
    expected = nd.sample_from(two, schedule, x1, 1, seed, steps=[1], **options)
    np.testing.assert_array_equal(other.upsample(X, 5, **QUIET)[0], np.clip(expected, -1.0, 1.0))
    trailing = Stage(schedule, Solver("ancestral", "trailing"), 1)
    alone = nd.sample(two, schedule, 2, seed, steps=[100], **options)
    found = pipeline(last_upsampler=last, upsampler_stage=trailing).upsample(X, 5, **QUIET)[0]
    np.testing.assert_array_equal(found, np.clip(alone, -1.0, 1.0))


def test_other_solvers_and_no_upsampler() -> None:
    schedule = nd.Schedule.cosine(T=T)
    stage = Stage(schedule, Solver("dpm++2m", "linspace"), 4, "beta", None)
    pipe = pipeline(decoder_stage=stage, upsampler_stage=stage, upsamplers=(), decoder=decoder(out_channels=6))
    drawn = pipe.stages(TEXTS, **QUIET)
    assert drawn.upsampled == ()
    np.testing.assert_array_equal(pipe(TEXTS, **QUIET), drawn.x)


def test_its_lines_say_what_it_is_of() -> None:
    lines = repr(PIPE).splitlines()
    assert lines[0] == "UnCLIP"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        *("text_encoder", "tokenizer", "prior", "text_projection", "decoder", "upsamplers[0]", "upsamplers[1]"),
        *("prior_stage", "decoder_stage", "upsampler_stage", "image_encoder"),
    ]


@pytest.mark.parametrize(
    ("texts", "more", "message"),
    [
        ("", {}, "texts: expected at least one word"),
        ("a big purpel plane", {}, "texts: expected words of the vocabulary, got 'purpel'; did you mean 'purple'"),
        (["a plane", "a plane " * 15], {}, r"texts[1]: expected at most 18 words, got 30"),
        (TEXTS, dict(n=3), "texts: expected one, or one for each of 3 pictures, got 2"),
        (TEXTS[0], dict(n=0), "n: expected an integer of at least 1"),
        (TEXTS, dict(prior_guidance=np.nan), "prior_guidance: expected a finite number in -1.0..1000000.0, got nan"),
        (
            TEXTS,
            dict(decoder_guidance=-2.0),
            "decoder_guidance: expected a finite number in -1.0..1000000.0, got -2.0",
        ),
        (TEXTS, dict(prior_steps=0), "prior_steps: expected an integer in 2..100, got 0"),
        (TEXTS, dict(decoder_steps=101), "decoder_steps: expected an integer in 2..100, got 101"),
        (TEXTS, dict(upsampler_steps=0), "upsampler_steps: expected an integer in 2..100, got 0"),
        (TEXTS, dict(first=2**31 - 1), "first: expected an integer in 0..2147483646, got 2147483647"),
        (TEXTS, dict(seed=-1), "seed: expected an integer"),
    ],
)
def test_bad_arguments_are_named(texts: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        PIPE(texts, **QUIET | more)


def test_bad_embeddings_and_pictures_are_named() -> None:
    for embedding, message in (
        (Z[0], r"embedding: expected shape \[n, 8\], got \[8\]"),
        (Z[:, :4], r"embedding: expected shape \[n, 8\], got \[2, 4\]"),
        (np.full_like(Z, np.nan), "embedding: expected finite values"),
    ):
        with pytest.raises(ValueError, match=message):
            PIPE.decode(embedding, **QUIET)
    for draw in (PIPE.prior_embedding, PIPE.decode):
        with pytest.raises(ValueError, match=r"^guidance: expected a finite number in -1\.0\.\.1000000\.0, got nan"):
            draw(TEXTS if draw == PIPE.prior_embedding else Z, guidance=np.nan, **QUIET)
    with pytest.raises(ValueError, match="texts: expected one, or one for each of 2 pictures, got 3"):
        PIPE.decode(Z, [*TEXTS, "a star"], **QUIET)
    for x, message in (
        (X[:, :, :4], r"x: expected shape \[n, 3, 8, 8\], got \[2, 3, 4, 8\]"),
        (255.0 * X, r"x: expected images with values in -1\.\.1"),
    ):
        with pytest.raises(ValueError, match=message):
            PIPE.upsample(x, **QUIET)


def test_the_definitions_do_it_too() -> None:
    with nd.backend("numpy"):
        found = PIPE(TEXTS, **QUIET)
    np.testing.assert_allclose(found, PIPE(TEXTS, **QUIET), rtol=0, atol=1e-3)
