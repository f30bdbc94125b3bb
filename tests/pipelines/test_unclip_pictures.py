"""What becomes of pictures: they come back, change as far as they are asked to, and each by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.unclip import D, GaussianDecoder, gaussian_pipeline, pipeline

from numpy_diffusion.layers import bicubic
from numpy_diffusion.pipelines import unclip_pictures
from numpy_diffusion.pipelines.unclip import UnCLIP
from numpy_diffusion.pipelines.unclip_chains import Who
from numpy_diffusion.sampling.slerp import slerp

RNG = np.random.default_rng(3)
ONE, OTHER = RNG.uniform(-0.5, 0.5, (2, 3, 8, 8)).astype(np.float32)
LARGE = RNG.uniform(-1.0, 1.0, (3, 3, 12, 10)).astype(np.float32)
QUIET: dict[str, Any] = dict(progress=False)
TEXTS = "a tiny green star", "a big red plane"
PIPE, EXACT = pipeline(), gaussian_pipeline()
NEAR: dict[str, Any] = dict(rtol=0, atol=0.003)


def means(pipe: UnCLIP, z: np.ndarray) -> np.ndarray:
    """Of the pictures that the exact decoder makes of embeddings [N, D]: [N, 1, 1, 1]."""
    assert isinstance(pipe.decoder, GaussianDecoder)
    ids = pipe.tokenizer.nothing[None, : pipe.text_encoder.config.max_position_embeddings]
    nothing = pipe.text_encoder(ids)
    told = pipe.text_projection(z, nothing.embedding[0], nothing.states[0], pipe.tokenizer.mask(ids)[0])
    return pipe.decoder.mean(told.embedding)


def test_embeddings_are_of_the_picture_at_the_encoder_s_size() -> None:
    assert PIPE.image_encoder is not None
    found = PIPE.image_embedding(LARGE)
    assert found.shape == (3, D)
    expected = PIPE.image_encoder(np.clip(bicubic.forward(LARGE, 4, 4), -1.0, 1.0))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(PIPE.image_embedding(LARGE[1:2]), found[1:2])


def test_without_noise_the_picture_itself_comes_back() -> None:
    found = EXACT.variations(ONE, 2, eta=0.0, **QUIET)
    np.testing.assert_allclose(found, [ONE, ONE], **NEAR)
    np.testing.assert_array_equal(found[0], found[1])
    rough = EXACT.variations(ONE, 1, eta=0.0, steps=10, **QUIET)[0]
    assert np.abs(found[0] - ONE).max() < 0.5 * np.abs(rough - ONE).max()


def test_with_noise_variations_share_the_embedding_alone() -> None:
    found = EXACT.variations(ONE, 50, seed=2, **QUIET)
    mean = means(EXACT, EXACT.image_embedding(ONE[None]))
    assert abs(found.mean() - mean.item()) < 0.01
    assert abs(found.std() - GaussianDecoder.deviation) < 0.04  # in 100 steps of first order
    assert np.abs(found - ONE).mean() > 0.2
    np.testing.assert_array_equal(EXACT.variations(ONE, 2, seed=2, first=3, **QUIET), found[3:5])
    assert np.abs(EXACT.variations(ONE, 1, seed=3, **QUIET) - found[:1]).max() > 0.1


def test_interpolation_goes_from_one_to_the_other() -> None:
    found = EXACT.interpolation(ONE, OTHER, 3, **QUIET)
    np.testing.assert_allclose(found[[0, 2]], [ONE, OTHER], **NEAR)
    z = EXACT.image_embedding(np.stack([ONE, OTHER]))
    # The exact decoder's x_T is (x_0 - m) / s, so that it is known where half way is.
    one, other = (np.stack([ONE, OTHER]) - means(EXACT, z)) / GaussianDecoder.deviation
    middle = means(EXACT, slerp(*z, [0.5]))[0] + GaussianDecoder.deviation * slerp(one, other, [0.5])[0]
    np.testing.assert_allclose(found[1], middle, **NEAR)


def test_a_text_difference_changes_what_is_shown_and_leaves_the_rest() -> None:
    found = EXACT.difference(ONE, *TEXTS, [0.0, 0.2, 0.5], **QUIET)
    z = EXACT.image_embedding(ONE[None])
    before, after = (row / np.linalg.norm(row) for row in EXACT.encoded(TEXTS).embedding)
    direction = np.linalg.norm(z) * (after - before) / np.linalg.norm(after - before)
    turned = slerp(z[0], direction, [0.0, 0.2, 0.5])
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(z), rtol=1e-5)
    expected = ONE - means(EXACT, z) + means(EXACT, turned)
    np.testing.assert_allclose(found, expected, **NEAR)
    assert np.abs(found[2] - found[0]).max() > 0.02


def test_guidance_turns_away_from_no_embedding() -> None:
    options: dict[str, Any] = dict(eta=0.0, **QUIET)
    guided = EXACT.variations(ONE, 1, guidance=2.0, **options) - EXACT.variations(ONE, 1, **options)
    z = EXACT.image_embedding(ONE[None])
    told, untold = (means(EXACT, row).item() for row in (z, np.zeros_like(z)))
    assert np.sign(guided.mean()) == np.sign(told - untold)
    assert abs(guided.mean()) > abs(told - untold)


def test_pictures_of_any_size_are_upsampled() -> None:
    for found in (
        PIPE.variations(LARGE[0], 2, **QUIET),
        PIPE.interpolation(LARGE[0], LARGE[1], 2, **QUIET),
        PIPE.difference(LARGE[0], *TEXTS, [0.1, 0.3], **QUIET),
    ):
        assert found.shape == (2, *PIPE.shape)
    small = unclip_pictures.resized(LARGE[:1], PIPE.decoder.shape)
    z, who = PIPE.image_embedding(LARGE[:1]), Who(4, 1, False)
    xT = unclip_pictures.noise(PIPE, small, z, None, False)
    expected = unclip_pictures.from_noise(PIPE, xT, z, 0.0, 1.0, None, who)
    np.testing.assert_array_equal(PIPE.variations(LARGE[0], 1, 4, first=1, **QUIET), expected)


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("variations", (ONE[None], 1), r"x0: expected shape \[3, H, W\], got \[1, 3, 8, 8\]"),
        ("variations", (255.0 * ONE, 1), r"x0: expected images with values in -1\.\.1"),
        ("variations", (ONE, 0), "n: expected an integer of at least 1, got 0"),
        ("interpolation", (ONE, OTHER[:2], 3), r"other: expected shape \[3, H, W\], got \[2, 8, 8\]"),
        ("interpolation", (ONE, OTHER, 1), "count: expected an integer of at least 2, got 1"),
        ("difference", (ONE, *TEXTS, [0.1, 1.2]), r"amounts: expected numbers in 0\.\.1, got 0\.1\.\.1\.2"),
        ("difference", (ONE, *TEXTS, 0.5), r"amounts: expected shape \[F\], got \[\]"),
        (
            "difference",
            (ONE, TEXTS[0], TEXTS[0], [0.5]),
            "to_text: expected another text than from_text, got one wit",
        ),
        ("difference", (ONE, TEXTS[0], "a purpel star", [0.5]), r"texts\[1\]: expected words of the vocabulary"),
        ("image_embedding", (ONE,), r"x0: expected shape \[N, 3, H, W\], got \[3, 8, 8\]"),
    ],
)
def test_bad_arguments_are_named(method: str, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(PIPE, method)(*arguments)


def test_options_out_of_range_are_named() -> None:
    for options, message in (
        (dict(eta=1.5), r"eta: expected a finite number in 0\.0\.\.1\.0"),
        (dict(guidance=np.nan), "scale: expected a finite number"),
        (dict(steps=0), r"steps: expected an integer in 2\.\.100"),
    ):
        with pytest.raises(ValueError, match=message):
            PIPE.variations(ONE, 1, **QUIET | options)


def test_without_an_image_encoder_there_is_nothing_to_look_with() -> None:
    blind = pipeline(image_encoder=None)
    for method, arguments in (
        ("variations", (ONE, 1)),
        ("interpolation", (ONE, OTHER, 3)),
        ("difference", (ONE, *TEXTS, [0.5])),
        ("image_embedding", (ONE[None],)),
    ):
        with pytest.raises(ValueError, match="image_encoder: expected one in a pipeline that is to look at pictures"):
            getattr(blind, method)(*arguments)
