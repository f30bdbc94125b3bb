"""A U-Net in bfloat16: near float32, and the same bits whatever the batch, and the threads."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from checks.unet_kernel import TABLE, shown, wide, wide_told
from numba import get_num_threads, set_num_threads

from numpy_diffusion.kernels.precision import precision
from numpy_diffusion.networks.unet import compiled, compiled_bfloat16, embedding
from numpy_diffusion.networks.unet.unet import UNet

MODELS = {"images": wide, "states": wide_told}


def outputs(model: UNet, batch: dict[str, object], name: str = "bfloat16") -> np.ndarray:
    with precision(name):
        return model(batch["x"], batch["t"], **batch["told"].arguments())


def drawn(name: str, n: int) -> tuple[UNet, dict[str, object]]:
    model = MODELS[name]()
    model.buffer[:] += 0.1 * np.random.default_rng(0).normal(size=model.buffer.size)
    return model, shown(model, n)


@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_float32_s_but_for_rounding(name: str) -> None:
    model, batch = drawn(name, 3)
    exact, found = (outputs(model, batch, kind) for kind in ("float32", "bfloat16"))
    error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    assert 2.0**-14 < error < 0.03


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_float32_s_but_for_rounding(name: str) -> None:
    """A product is off by two times 2^-9, by squares some times that, and by what the layers before it left."""
    model, batch = drawn(name, 5)
    weighting, told = np.ones(5, np.float32), batch["told"]
    embedded = embedding.embed(model.config, batch["t"], np.float32)
    found = []
    for kind in ("float32", "bfloat16"):
        run = compiled.gradients(model.config, model.share(5), told.length, told.states is not None, kind)
        given = batch["x"], batch["x"][::-1], embedded, told, weighting, TABLE[batch["t"]]
        found.append([values.copy() for values in run(model.buffer, *given, seed=1, step=1)])
    for exact, rounded in zip(*found, strict=True):
        error = np.linalg.norm(rounded - exact) / np.linalg.norm(exact) if exact.size else 2.0**-9
        assert 2.0**-14 < error < 32 * 2.0**-9


def test_float32_is_untouched_by_what_ran_in_bfloat16() -> None:
    model, batch = drawn("images", 2)
    before = outputs(model, batch, "float32")
    rounded = outputs(model, batch)
    assert (outputs(model, batch, "float32") == before).all()
    assert (outputs(model, batch) == rounded).all()


@pytest.mark.parametrize("name", MODELS)
def test_the_bits_are_those_of_each_sample_alone_by_any_number_of_threads(name: str) -> None:
    model, batch = drawn(name, 5)
    wanted, threads = outputs(model, batch), get_num_threads()
    alone = [
        outputs(model, {"x": batch["x"][[n]], "t": batch["t"][[n]], "told": batch["told"].rows(np.array([n]))})[0]
        for n in range(5)
    ]
    assert (np.array(alone) == wanted).all()
    try:
        for count in {1, threads}:
            set_num_threads(count)
            assert (outputs(model, batch) == wanted).all()
    finally:
        set_num_threads(threads)


def test_the_words_follow_the_weights() -> None:
    model, batch = drawn("images", 1)
    exact = compiled.laid_out(model.config, model.buffer, None)
    first = compiled_bfloat16.rounded(model.config, exact, None)
    assert compiled_bfloat16.rounded(model.config, exact, first) is first
    before = outputs(model, batch)
    model.params["mid_block.resnets.0.conv1.weight"][:] *= 2.0
    second = compiled_bfloat16.rounded(model.config, compiled.laid_out(model.config, model.buffer, exact), first)
    assert 0 < (second.words != first.words).sum() < second.words.size
    assert (outputs(model, batch) != before).any()


def test_weights_are_laid_out_once_for_both() -> None:
    """A folder's, which may be gigabytes and kept beside it, too."""
    model, batch = drawn("images", 1)
    outputs(model, batch, "float32")
    known = model._laid_out
    outputs(model, batch)
    assert model._laid_out is known
    assert model._rounded is not None
    assert model._rounded.exact is known


def test_a_copy_and_a_pickle_take_no_words_along() -> None:
    model, batch = drawn("images", 1)
    wanted = outputs(model, batch)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other._rounded is None
        assert (outputs(other, batch) == wanted).all()
