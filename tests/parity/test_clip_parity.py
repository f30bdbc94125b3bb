"""CLIP against transformers' own: both encoders with their projections, files, and the contrastive loss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

# After the packages that they are compared with.
from checks import peers  # noqa: E402

from numpy_diffusion.interop.diffusers import files, text_encoders  # noqa: E402
from numpy_diffusion.kernels.backend import Backend  # noqa: E402
from numpy_diffusion.networks.clip.clip import CLIP  # noqa: E402
from numpy_diffusion.networks.clip.clip_text_projection import CLIPTextWithProjection  # noqa: E402
from numpy_diffusion.networks.clip.clip_vision import CLIPVisionWithProjection  # noqa: E402

DRAWS = 6
WEIGHTS = files.TRANSFORMERS_LIBRARY.weights


def common(random: np.random.Generator) -> dict[str, Any]:
    """Options that both encoders have."""
    heads = int(random.integers(1, 5))
    return dict(
        hidden_size=heads * int(random.integers(2, 10)),
        intermediate_size=int(random.integers(5, 70)),
        projection_dim=int(random.integers(2, 40)),
        num_hidden_layers=int(random.integers(1, 4)),
        num_attention_heads=heads,
        hidden_act=["quick_gelu", "gelu", "gelu_new"][random.integers(3)],
        layer_norm_eps=[1e-5, 1e-6][random.integers(2)],
    )


def of_text(seed: int) -> dict[str, Any]:
    random = np.random.default_rng([9, seed])
    tokens = int(random.integers(10, 60))
    return common(random) | dict(
        vocab_size=tokens,
        max_position_embeddings=[77, 12][random.integers(2)],
        eos_token_id=[2, tokens - 1][random.integers(2)],
        bos_token_id=0,
        pad_token_id=1,
    )


def of_images(seed: int) -> dict[str, Any]:
    random = np.random.default_rng([10, seed])
    patch = int(random.integers(1, 6))
    return common(random) | dict(
        num_channels=int(random.integers(1, 4)), patch_size=patch, image_size=patch * int(random.integers(1, 5))
    )


def texts(options: dict[str, Any], n: int = 3) -> np.ndarray:
    """Ids that end at different places."""
    random, end = np.random.default_rng(1), options["vocab_size"] - 1
    ids = random.integers(3, end, (n, options["max_position_embeddings"]))
    ids[:, 0] = 0
    for row in ids:
        row[random.integers(1, 12) :] = end
    return ids


def pictures(options: dict[str, Any], n: int = 3) -> np.ndarray:
    shape = n, options["num_channels"], options["image_size"], options["image_size"]
    return np.random.default_rng(2).uniform(-1.0, 1.0, shape).astype(np.float32)


class Pair:
    """An encoder of transformers with random weights, the folder it is saved in, and what is opened from there."""

    def __init__(self, kind: str, config: Any, inputs: np.ndarray, folder: Path) -> None:
        self.kind, self.folder, self.inputs = kind, folder, inputs
        self.theirs = peers.saved(lambda: getattr(transformers, kind)(config), folder)
        self.ours: Any = text_encoders.read_any(folder)

    def outputs_of_theirs(self) -> Any:
        return self.theirs(torch.from_numpy(self.inputs))


def text_pair(seed: int, folder: Path) -> Pair:
    options = of_text(seed)
    return Pair("CLIPTextModelWithProjection", transformers.CLIPTextConfig(**options), texts(options), folder)


def vision_pair(seed: int, folder: Path) -> Pair:
    options = of_images(seed)
    return Pair("CLIPVisionModelWithProjection", transformers.CLIPVisionConfig(**options), pictures(options), folder)


@pytest.fixture(scope="module", params=range(DRAWS))
def text(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return text_pair(request.param, tmp_path_factory.mktemp("text_encoder"))


@pytest.fixture(scope="module", params=range(DRAWS))
def vision(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return vision_pair(request.param, tmp_path_factory.mktemp("image_encoder"))


def assert_same(found: np.ndarray, expected: Any) -> None:
    values = expected.detach().numpy()
    np.testing.assert_allclose(found, values, rtol=0, atol=1e-5 * np.abs(values).max())


def test_the_draws_cover_the_options() -> None:
    for drawn in (of_text, of_images):
        draws = [drawn(seed) for seed in range(DRAWS)]
        for name in ("hidden_act", "num_hidden_layers", "layer_norm_eps"):
            assert len({options[name] for options in draws}) >= 2
    assert {of_text(seed)["eos_token_id"] == 2 for seed in range(DRAWS)} == {False, True}


def test_the_same_embeddings_and_states_of_texts(text: Pair) -> None:
    assert isinstance(text.ours, CLIPTextWithProjection)
    found, expected = text.ours(text.inputs), text.outputs_of_theirs()
    assert_same(found.embedding, expected.text_embeds)
    assert_same(found.states, expected.last_hidden_state)


def test_the_same_embeddings_of_images(vision: Pair) -> None:
    assert isinstance(vision.ours, CLIPVisionWithProjection)
    assert_same(vision.ours(vision.inputs), vision.outputs_of_theirs().image_embeds)


def test_the_same_gradients_of_texts(text: Pair) -> None:
    """Of a random projection of states and embeddings."""
    random = np.random.default_rng(2)
    states, embedding, caches = text.ours.forward(text.ours.params, text.inputs)
    dstates, dembedding = (random.normal(size=values.shape).astype(np.float32) for values in (states, embedding))
    found = text.ours.backward(dstates, dembedding, caches)
    text.theirs.zero_grad()
    outputs = text.outputs_of_theirs()
    loss = (outputs.last_hidden_state * torch.from_numpy(dstates)).sum()
    (loss + (outputs.text_embeds * torch.from_numpy(dembedding)).sum()).backward()
    peers.assert_same_gradients(found, text.theirs)


def test_the_same_gradients_of_images(vision: Pair) -> None:
    embedding, caches = vision.ours.forward(vision.ours.params, vision.inputs)
    dembedding = np.random.default_rng(2).normal(size=embedding.shape).astype(np.float32)
    dx, found = vision.ours.backward(dembedding, caches)
    vision.theirs.zero_grad()
    x = torch.from_numpy(vision.inputs).requires_grad_()
    (vision.theirs(x).image_embeds * torch.from_numpy(dembedding)).sum().backward()
    peers.assert_same_gradients(found, vision.theirs)
    np.testing.assert_allclose(dx, x.grad.numpy(), rtol=0, atol=1e-4 * x.grad.abs().max().item())


@pytest.mark.parametrize("make", [text_pair, vision_pair])
def test_the_round_trip_is_bit_identical(make: Callable[[int, Path], Pair], tmp_path: Path) -> None:
    for seed in range(DRAWS):
        pair = make(seed, tmp_path / f"theirs{seed}")
        folder = tmp_path / f"ours{seed}"
        text_encoders.write(pair.ours, folder)
        assert (folder / WEIGHTS).read_bytes() == (pair.folder / WEIGHTS).read_bytes()
        again = getattr(transformers, pair.kind).from_pretrained(folder)
        peers.assert_same_parameters(again, pair.theirs)
        for name, value in pair.ours.options.items():
            assert getattr(again.config, name) == getattr(pair.theirs.config, name) == value, name


# The whole


def joint(seed: int) -> tuple[CLIP, Any]:
    """A CLIP of ours and a CLIPModel of theirs, of the same weights."""
    for_texts, for_images = of_text(seed), of_images(seed)
    D = for_texts["projection_dim"]
    for_images["projection_dim"] = D
    config = transformers.CLIPConfig(text_config=for_texts, vision_config=for_images, projection_dim=D)
    torch.manual_seed(seed)
    theirs = transformers.CLIPModel(config).eval()
    with torch.no_grad():
        for values in theirs.parameters():
            values.add_(0.1 * torch.randn_like(values))
    known = {name: value for name, value in for_texts.items() if name not in ("bos_token_id", "pad_token_id")}
    ours = CLIP(image_encoder=for_images, text_encoder=known)
    ours.fill({name: values.detach().numpy() for name, values in theirs.named_parameters()})
    return ours, theirs


@pytest.mark.parametrize("seed", range(DRAWS))
def test_the_same_loss_and_gradient(seed: int) -> None:
    ours, theirs = joint(seed)
    ids, x = texts(of_text(seed), 5), pictures(of_images(seed), 5)
    expected = theirs(input_ids=torch.from_numpy(ids), pixel_values=torch.from_numpy(x), return_loss=True)
    expected.loss.backward()
    forms: tuple[tuple[Backend, np.ndarray], ...] = (
        ("numpy", ids),
        ("numpy", ours.text_encoder.cut(ids)),
        ("numba", ids),
    )
    for backend, tokens in forms:
        losses, slope = ours.gradient(len(x), backend)(ours.buffer, x, tokens)
        assert losses.mean() == pytest.approx(expected.loss.item(), rel=1e-5)
        grads, first = {}, 0
        for name, values in ours.params.items():
            grads[name] = slope[first : first + values.size].reshape(values.shape)
            first += values.size
        peers.assert_same_gradients(grads, theirs)
    assert_same(ours.scale * ours.similarity(x, ids), expected.logits_per_image)


def test_the_first_temperature_is_theirs() -> None:
    config = transformers.CLIPConfig(
        text_config=of_text(0), vision_config=of_images(0) | dict(projection_dim=of_text(0)["projection_dim"])
    )
    assert CLIP(**joint(0)[0].options).scale == pytest.approx(np.exp(config.logit_scale_init_value), rel=1e-4)
