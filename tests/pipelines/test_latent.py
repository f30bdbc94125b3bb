"""The latent pipeline: a call is its parts one after the other, a picture is the same whatever else is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.latents import PLACES, autoencoder, pipeline, text_encoder, unet

import numpy_diffusion as nd
from numpy_diffusion.sampling.spacing import Solver

TEXTS = ["a big red plane on the left", "a tiny green star"]
FEW: dict[str, Any] = dict(steps=4, progress=False)
X0 = np.random.default_rng(3).uniform(-1.0, 1.0, (2, 3, 8, 8)).astype(np.float32)


def test_a_call_is_its_parts_one_after_the_other() -> None:
    pipe = pipeline()
    states = pipe.text_encoder(pipe.tokenizer(TEXTS)[:, :PLACES])
    nothing = pipe.text_encoder(pipe.tokenizer.nothing[None, :PLACES])[0]
    model = nd.guided(pipe.unet, nd.Condition(states=states), 2.0, nd.Condition(states=nothing))
    z = nd.sample(model, pipe.schedule, 2, 5, method="ddim", steps=pipe.steps(4), progress=False)
    expected = np.clip(pipe.autoencoder.decode(z / np.float32(0.7)), -1.0, 1.0)
    found = pipe(TEXTS, seed=5, guidance=2.0, **FEW)
    assert found.shape == (2, *pipe.shape) == (2, 3, 8, 8)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert np.abs(found).max() < 1.0  # and not all of it is cut off
    assert np.abs(found[0] - pipe(TEXTS[::-1], seed=5, guidance=2.0, **FEW)[0]).max() > 1e-3  # the text counts


def test_a_picture_is_the_same_whatever_else_is_drawn() -> None:
    pipe = pipeline()
    whole = pipe([TEXTS[0], TEXTS[0], TEXTS[1]], seed=7, **FEW)
    np.testing.assert_array_equal(pipe(TEXTS[0], n=2, seed=7, **FEW), whole[:2])
    np.testing.assert_array_equal(pipe(TEXTS[1], seed=7, first=2, **FEW), whole[2:])


@pytest.mark.parametrize("prediction", ["x0", "v"])
def test_other_predictions_and_solvers(prediction: Any) -> None:
    solver = Solver("dpm++2m", "linspace")
    one, other = (pipeline(prediction=kind, solver=solver)(TEXTS, **FEW) for kind in (prediction, "eps"))
    assert np.isfinite(one).all()
    assert np.abs(one - other).max() > 1e-3
    leading = pipeline(solver=Solver("ddim", "leading", 1, 1))
    assert leading.steps(4).tolist() == [77, 52, 27, 2]
    assert np.abs(leading(TEXTS, **FEW) - other).max() > 1e-3


def test_latents_are_of_the_scaling_factor_and_come_back() -> None:
    pipe = pipeline()
    z = pipe.encode(X0, seed=3, first=1)
    np.testing.assert_allclose(z, 0.7 * pipe.autoencoder.encode(X0).sample(3, first=1), rtol=1e-6)
    np.testing.assert_array_equal(pipe.encode(X0[1:], seed=3, first=2), z[1:])
    np.testing.assert_array_equal(pipe.decode(z), np.clip(pipe.autoencoder.decode(z / np.float32(0.7)), -1.0, 1.0))


def test_image_to_image_keeps_the_more_the_weaker_it_is() -> None:
    pipe = pipeline()
    options = FEW | dict(guidance=1.0)
    kept = pipe.decode(pipe.encode(X0))
    weak = pipe.image_to_image(X0, TEXTS, strength=0.0, **options)
    np.testing.assert_array_equal(weak, kept)
    one, all_ = (pipe.image_to_image(X0, TEXTS, strength=s, **options) for s in (0.25, 1.0))
    assert 0.0 < np.abs(one - kept).mean() < np.abs(all_ - kept).mean()
    np.testing.assert_array_equal(pipe.image_to_image(X0[1:], TEXTS[1:], strength=1.0, first=1, **options), all_[1:])


def test_image_to_image_by_hand() -> None:
    pipe, seed = pipeline(), 4
    steps = pipe.steps(4)[2:]  # strength 1/2
    zt, _ = nd.q_sample(pipe.encode(X0, seed), int(steps[0]), pipe.schedule, seed)
    model = nd.guided(pipe.unet, nd.Condition(states=pipe.states(TEXTS)), 0.0)
    z = nd.sample_from(model, pipe.schedule, zt, int(steps[0]), seed, method="ddim", steps=steps, progress=False)
    found = pipe.image_to_image(X0, TEXTS, seed, strength=0.5, guidance=0.0, **FEW)
    np.testing.assert_allclose(found, pipe.decode(z), rtol=0, atol=1e-6)


def test_inpainting_keeps_what_is_known_and_draws_the_rest() -> None:
    pipe = pipeline()
    mask = np.ones((8, 8), bool)
    mask[:, 3:] = False
    found = pipe.inpaint(X0, mask, TEXTS, steps=8, progress=False)
    np.testing.assert_array_equal(found[..., :3], X0[..., :3])
    assert np.abs(found[..., 3:] - X0[..., 3:]).mean() > 0.01
    other = pipe.inpaint(np.where(mask, X0, 0.0), mask, TEXTS, steps=8, seed=1, progress=False)
    assert np.abs(found[..., 3:] - other[..., 3:]).max() > 1e-3
    everything = pipe.inpaint(X0, np.ones((8, 8)), TEXTS, steps=8, progress=False)
    np.testing.assert_array_equal(everything, X0)


def test_what_is_hidden_does_not_shine_through() -> None:
    pipe = pipeline()
    mask = np.ones((8, 8))
    mask[:, 3:] = 0
    found = pipe.inpaint(X0, mask, TEXTS, steps=6, progress=False)
    for hidden in (0.5, np.nan):
        other = pipe.inpaint(np.where(mask == 1, X0, hidden), mask, TEXTS, steps=6, progress=False)
        np.testing.assert_array_equal(other, found)


def test_its_line_says_what_it_is_of() -> None:
    found = repr(pipeline())
    assert found.startswith("LatentPipeline\n  CLIPText(")
    for part in ("WordTokenizer: ", "UNet(", "Schedule", "AutoencoderKL(", "prediction 'eps'"):
        assert part in found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            dict(text_encoder=text_encoder(hidden_size=4)),
            "text_encoder: expected hidden_size = cross_attention_dim = 8, got 4",
        ),
        (
            dict(text_encoder=text_encoder(vocab_size=9, eos_token_id=8)),
            "tokenizer: expected at most the encoder's 9",
        ),
        (dict(unet=unet(in_channels=3, out_channels=3)), "unet: expected latents of 4 channels, got 3"),
        (dict(autoencoder=unet()), "autoencoder: expected a AutoencoderKL, got UNet"),
        (dict(prediction="noise"), "prediction: expected"),
        (dict(tokenizer=None), "tokenizer: expected a WordTokenizer or a CLIPTokenizer, got NoneType"),
        (dict(unet=unet(num_class_embeds=3)), "unet: expected one that is told states alone, got .* labels"),
        (dict(solver=Solver("ddim", "even")), "solver: spacing: expected one of"),  # type: ignore[arg-type]
        (dict(solver=Solver("ddim", "leading", offset=-1)), "solver: offset: expected an integer of at least 0"),
    ],
)
def test_parts_that_do_not_go_together_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pipeline(**changes)


@pytest.mark.parametrize(
    ("texts", "more", "message"),
    [
        ("", {}, "texts: expected at least one word"),
        ("a big purpel plane", {}, "texts: expected words of the vocabulary, got 'purpel'; did you mean 'purple'"),
        ("plane " * 10_000, {}, "texts: expected at most 75 words, got 10,000"),
        (["a plane", "a plane " * 15], {}, r"texts\[1\]: expected at most 18 words, got 30"),
        ([], {}, "texts: expected at least one text, got none"),
        (TEXTS, dict(n=3), "texts: expected one, or one for each of 3 pictures, got 2"),
        (TEXTS, dict(n=0), "n: expected an integer of at least 1"),
        (TEXTS, dict(guidance=-2.0), "guidance: expected"),
        (TEXTS, dict(steps=0), "steps: expected an integer in 1..100"),
    ],
)
def test_bad_arguments_are_named(texts: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pipeline()(texts, **FEW | more)


def test_bad_pictures_are_named() -> None:
    pipe = pipeline()
    for x0, message in (
        (X0[:, :, :4], "x0: expected"),
        (np.full_like(X0, np.nan), "x0: expected finite"),
        (np.full(X0.shape, 255, np.uint8), r"x0: expected images with values in -1\.\.1, .*got 255"),
    ):
        with pytest.raises(ValueError, match=message):
            pipe.image_to_image(x0, TEXTS, **FEW)
    for mask, message in (
        (np.ones((4, 4)), r"mask: expected an array that broadcasts to \[8, 8\]"),
        ([[1], [1, 0]], r"mask: expected an array that broadcasts to \[8, 8\]"),
        (np.full((8, 8), 0.5), "mask: expected 1 where x0 is known"),
        (np.full((8, 8), "a"), "mask: expected 1 where x0 is known"),
    ):
        with pytest.raises(ValueError, match=message):
            pipe.inpaint(X0, mask, TEXTS, **FEW)
    with pytest.raises(ValueError, match="texts: expected one, or one for each of 2 pictures, got 3"):
        pipe.image_to_image(X0, [*TEXTS, "a star"], **FEW)
    with pytest.raises(ValueError, match="strength: expected"):
        pipe.image_to_image(X0, TEXTS, strength=1.5, **FEW)


def test_the_definitions_do_it_too() -> None:
    pipe = pipeline(autoencoder=autoencoder())
    with nd.backend("numpy"):
        found = pipe(TEXTS, **FEW)
    np.testing.assert_allclose(found, pipe(TEXTS, **FEW), rtol=0, atol=1e-4)
