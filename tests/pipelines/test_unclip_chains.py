"""The chains of DALL-E 2: whose noise is whose, and that each sample is told its own."""

from __future__ import annotations

import numpy as np
import pytest
from checks.unclip import D, pipeline

from numpy_diffusion.pipelines import unclip_chains
from numpy_diffusion.pipelines.texts import encoded_nothing
from numpy_diffusion.pipelines.unclip_chains import Who

PIPE = pipeline()
Z = np.random.default_rng(3).normal(size=(3, D)).astype(np.float32)
TEXTS = ["a big red plane on the left", "a tiny green star", "a red tank"]


def test_each_chain_has_a_seed_of_its_own() -> None:
    who = Who(7, 3, False)
    found = [who.of_chain(number) for number in range(5)]
    assert len({options["seed"] for options in found} | {7}) == 6
    assert all(0 <= options["seed"] < 2**64 for options in found)
    assert {options["first"] for options in found} == {3}
    assert Who(8, 3, False).of_chain(0)["seed"] not in {options["seed"] for options in found}


def test_who_is_drawn_is_checked() -> None:
    assert Who(7, 2**31 - 2, True).checked(2) == (7, 2**31 - 2, True)
    for who, message in (
        (Who(7, 2**31 - 1, True), "first: expected an integer in 0..2147483646"),
        (Who(-1, 0, True), "seed: expected an integer"),
        (Who(7, -1, True), "first: expected an integer"),
    ):
        with pytest.raises(ValueError, match=message):
            who.checked(2)


def test_the_decoder_is_told_each_sample_s_own_to_the_bit() -> None:
    told = PIPE.encoded(TEXTS)
    nothing = encoded_nothing(PIPE.tokenizer, PIPE.text_encoder)
    x = np.random.default_rng(1).normal(size=(3, 3, 8, 8)).astype(np.float32)
    parts = PIPE.decoder, PIPE.decoder_stage, PIPE.text_projection
    whole = unclip_chains.denoiser(*parts, Z, told, nothing, 2.0)(x, 50)
    for row in range(3):
        own = type(told)(*(values[row : row + 1] for values in told))
        alone = unclip_chains.denoiser(*parts, Z[row : row + 1], own, nothing, 2.0)(x[row : row + 1], 50)
        np.testing.assert_array_equal(alone[0], whole[row])
    assert np.abs(whole[0] - unclip_chains.denoiser(*parts, Z, told, nothing, 0.0)(x, 50)[0]).max() > 1e-3
