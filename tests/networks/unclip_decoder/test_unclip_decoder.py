"""A projection and a U-Net as one network: what every network must hold, and that both are the parts' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.networks import check_network

import numpy_diffusion as nd
from numpy_diffusion.networks.unclip_decoder.unclip_decoder import UnCLIPDecoder

DECODER: dict[str, Any] = dict(
    sample_size=4,
    in_channels=2,
    out_channels=4,
    block_out_channels=(4, 8),
    layers_per_block=1,
    norm_num_groups=2,
    cross_attention_dim=6,
    class_embed_type="identity",
    resnet_time_scale_shift="scale_shift",
    down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
    mid_block_type="UNetMidBlock2DSimpleCrossAttn",
    up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
)
PROJECTION = dict(clip_extra_context_tokens=2, clip_embeddings_dim=5)
NOTHING = dict(text_embedding=np.arange(5.0) / 5, states=np.arange(10.0).reshape(2, 5) / 10)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 2, 4, 4)).astype(np.float32)
TOLD = {
    "embedding": RNG.normal(size=(3, 5)).astype(np.float32),
    "text_embedding": RNG.normal(size=(3, 5)).astype(np.float32),
    "states": RNG.normal(size=(3, 3, 5)).astype(np.float32),
    "mask": np.array([[True, True, False], [True, False, False], [True, True, True]]),
}


def network(**options: Any) -> UnCLIPDecoder:
    return UnCLIPDecoder(**dict(unet=DECODER, text_projection=PROJECTION, nothing=NOTHING) | options)


def drawn() -> UnCLIPDecoder:
    model = network()
    model.buffer[:] = np.random.default_rng(1).normal(size=model.buffer.size, scale=0.5)
    return model


def test_it_is_a_network(tmp_path: Path) -> None:
    check_network(network(), tmp_path)


def test_its_parts_give_its_answer() -> None:
    model = drawn()
    projection, unet = model.parts()
    answer = model(X, [3, 9, 4], **TOLD)
    np.testing.assert_array_equal(unet(X, [3, 9, 4], **projection(*TOLD.values()).arguments()), answer)
    unet.buffer[:] = 0.0
    np.testing.assert_array_equal(model(X, [3, 9, 4], **TOLD), answer)  # they are copies


def test_its_u_net_alone_predicts_x_0_too() -> None:
    """So that neither a sampler nor a stage takes it for eps."""
    projection, unet = drawn().parts()
    assert unet.predicts == network().predicts == "x0"
    with pytest.raises(ValueError, match="model: expected one that predicts eps, got one that predicts x0"):
        nd.sample(nd.guided(unet, projection(*TOLD.values()), 0.0), nd.Schedule.cosine(T=5), 3, progress=False)


def test_guidance_turns_away_from_no_picture_and_the_empty_text() -> None:
    model = drawn()
    projection, unet = model.parts()
    whole = nd.guided(model, nd.Condition(**TOLD), 1.5)
    null = projection(None, NOTHING["text_embedding"], NOTHING["states"])
    of_parts = nd.guided(
        unet,
        projection(*TOLD.values()),
        1.5,
        null=nd.Condition(embedding=null.embedding[0], states=null.states[0], mask=null.mask[0]),
    )
    np.testing.assert_allclose(whole(X, 5), of_parts(X, 5), rtol=1e-4, atol=1e-5)
    eps, fraction = whole.eps_and_fraction(X, 5)
    assert eps.shape == fraction.shape == X.shape


def test_training_leaves_out_the_picture_and_the_text_and_learns_what_stands_for_none() -> None:
    """The kernels' steps are the definition's, also where few words are told and the empty text has more."""
    schedule, found = nd.Schedule.linear(T=20), []
    told = nd.Condition(
        **{name: values[:, :1] if name in ("states", "mask") else values for name, values in TOLD.items()}
    )
    for backend in ("numba", "numpy"):
        model = network()
        assert model.label_dropout == {"embedding": 0.1, "text_embedding": 0.5, "states": 0.5}
        run = nd.train(
            model,
            schedule,
            X,
            told,
            steps=3,
            batch=8,
            learning_rate=1e-3,
            progress=False,
            backend=backend,
            label_dropout={"embedding": 0.5, "states": 0.0},
        )
        found.append((run.losses, model.buffer))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=0, atol=1e-3)
    learned = model.params["text_projection.learned_classifier_free_guidance_embeddings"]
    assert np.any(learned)


def test_a_run_goes_on_with_the_same_text_that_is_left_out(tmp_path: Path) -> None:
    schedule, told = nd.Schedule.linear(T=20), nd.Condition(**TOLD)
    options = dict(steps=1, batch=2, out=tmp_path / "run", progress=False)
    nd.train(network(), schedule, X, told, **options)
    found = nd.load(tmp_path / "run")
    np.testing.assert_array_equal(found.nothing.states, np.float32(NOTHING["states"]))
    other = NOTHING | {"text_embedding": np.ones(5)}
    with pytest.raises(ValueError, match=r"model: expected UnCLIPDecoder\(nothing: sha256 .* got UnCLIP"):
        nd.train(network(nothing=other), schedule, X, told, resume=True, **options)


def test_bad_arguments_are_named() -> None:
    for options, message in (
        (dict(unet=DECODER | dict(class_embed_type=None)), "unet: expected one that is told an embedding as it is"),
        (dict(unet=DECODER | dict(seed=3)), "unet: expected no seed, which is an argument beside it, got 3"),
        (dict(unet=None), "unet: expected a Mapping, got NoneType"),
        (dict(text_projection=PROJECTION | dict(time_embed_dim=4)), "text_projection: expected time_embed_dim = 16"),
        (dict(text_projection=PROJECTION | dict(cross_attention_dim=4)), "text_projection: expected cross_attention"),
        (dict(nothing={}), "nothing: expected text_embedding and states, got none"),
        (dict(nothing=NOTHING | dict(states=np.ones((2, 4)))), "nothing: states: expected"),
        (dict(nothing=NOTHING | dict(text_embedding=np.ones(4))), "nothing: text_embedding: expected"),
    ):
        with pytest.raises(ValueError, match=message):
            network(**options)
    with pytest.raises(ValueError, match="states: expected clip_embeddings_dim = 5 numbers each, got 4"):
        network()(X, 3, **TOLD | {"states": np.ones((3, 3, 4))})
