"""DALL-E 2's decoder, what stands before it, and upsamplers against diffusers' UNet2DConditionModel,
UnCLIPTextProjModel and UNet2DModel, over options drawn at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

# After the packages that it is compared with.
from checks import peers  # noqa: E402
from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel  # noqa: E402

from numpy_diffusion.interop.diffusers import files, text_projections, unets  # noqa: E402
from numpy_diffusion.layers import bicubic  # noqa: E402
from numpy_diffusion.networks.unet import definition  # noqa: E402

DRAWS, N, TOKENS = 6, 3, 7


def _both(random: np.random.Generator, blocks: int) -> dict[str, Any]:
    """What either class has."""
    return dict(
        sample_size=(2 ** (blocks - 1) * random.integers(2, 4, 2)).tolist(),
        block_out_channels=(8 * random.integers(1, 4, blocks)).tolist(),
        layers_per_block=int(random.integers(1, 3)),
        norm_num_groups=int(random.choice([1, 2, 4, 8])),
        norm_eps=float(random.choice([1e-6, 1e-5])),
        resnet_time_scale_shift=["default", "scale_shift"][random.integers(2)],
        time_embedding_dim=[None, 20][random.integers(2)],
        flip_sin_to_cos=bool(random.integers(2)),
        freq_shift=int(random.integers(2)),
    )


def decoder(seed: int) -> dict[str, Any]:
    """Options of a decoder: blocks with added attention, at least in the middle, and a learned variance."""
    random = np.random.default_rng([20, seed])
    blocks = int(random.integers(1, 4))
    known: dict[str, Any] = [{}, {"class_embed_type": "identity"}][min(random.integers(3), 1)]
    return (
        _both(random, blocks)
        | known
        | dict(
            in_channels=3,
            out_channels=int(random.choice([3, 6])),
            down_block_types=random.choice(
                ["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"], blocks
            ).tolist(),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            up_block_types=random.choice(["ResnetUpsampleBlock2D", "SimpleCrossAttnUpBlock2D"], blocks).tolist(),
            cross_attention_dim=int(random.choice([5, 16])),
            attention_head_dim=int(random.choice([2, 4, 8])),
        )
    )


def upsampler(seed: int) -> dict[str, Any]:
    """Options of an upsampler: twice the channels in, blocks that resample in a residual block."""
    random = np.random.default_rng([21, seed])
    blocks, images = int(random.integers(1, 4)), int(random.choice([1, 3]))
    kinds = ["Resnet", "", "Attn"][random.integers(2) :][:2]
    return _both(random, blocks) | dict(
        in_channels=2 * images,
        out_channels=images,
        down_block_types=[
            {"Resnet": "ResnetDownsampleBlock2D"}.get(k, f"{k}DownBlock2D") for k in random.choice(kinds, blocks)
        ],
        up_block_types=[
            {"Resnet": "ResnetUpsampleBlock2D"}.get(k, f"{k}UpBlock2D") for k in random.choice(kinds, blocks)
        ],
        attention_head_dim=[None, 2, 4][random.integers(3)],
        add_attention=bool(random.integers(2)),
    )


CONFIGS = {f"decoder {seed}": decoder(seed) for seed in range(DRAWS)}
CONFIGS |= {f"upsampler {seed}": upsampler(seed) for seed in range(DRAWS)}


class Pair:
    """A network of diffusers with random weights, the folder it is saved in, and what is opened from there."""

    def __init__(self, name: str, folder: Path) -> None:
        self.attends = name.startswith("decoder")
        kind = diffusers.UNet2DConditionModel if self.attends else diffusers.UNet2DModel
        self.theirs, self.folder = peers.saved(lambda: kind(**CONFIGS[name]), folder), folder
        self.ours = unets.read(folder)
        random, config = np.random.default_rng(1), self.ours.config
        self.x = random.normal(size=(N, config.in_channels, *config.image_size)).astype(np.float32)
        self.t = np.array([1, 40, 1000])  # theirs 0, 39, 999
        self.told: dict[str, np.ndarray] = {}
        if self.attends:
            self.told["states"] = random.normal(size=(N, TOKENS, config.cross_attention_dim)).astype(np.float32)
            self.told["mask"] = random.random((N, TOKENS)) < 0.6
            self.told["mask"][:, 2] = True
        if config.class_embed_type == "identity":
            size = self.ours.nothing.embedding.shape
            self.told["embedding"] = random.normal(size=(N, *size)).astype(np.float32)

    def outputs_of_theirs(self, x: Any, told: dict[str, Any], masked: bool = True) -> Any:
        known: dict[str, Any] = {}
        if self.attends:
            mask = torch.from_numpy(self.told["mask"]) if masked else None
            known = {"encoder_hidden_states": told["states"], "attention_mask": mask}
        return self.theirs(x, torch.from_numpy(self.t - 1), class_labels=told.get("embedding"), **known).sample

    def tensors(self) -> tuple[Any, dict[str, Any]]:
        """x and what is told of numbers, for gradients by them."""
        told = {name: torch.from_numpy(v).requires_grad_(True) for name, v in self.told.items() if name != "mask"}
        return torch.from_numpy(self.x).requires_grad_(True), told


@pytest.fixture(scope="module", params=CONFIGS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(request.param, tmp_path_factory.mktemp("unet"))


def test_the_draws_cover_the_options() -> None:
    for kind in ("decoder", "upsampler"):
        configs = [config for name, config in CONFIGS.items() if name.startswith(kind)]
        for name, values in {
            "resnet_time_scale_shift": {"default", "scale_shift"},
            "layers_per_block": {1, 2},
            "time_embedding_dim": {None, 20},
        }.items():
            assert {config[name] for config in configs} == values
        assert {len(config["block_out_channels"]) for config in configs} == {1, 2, 3}
    decoders, upsamplers = (
        [config for name, config in CONFIGS.items() if name.startswith(kind)] for kind in ("decoder", "upsampler")
    )
    assert {config["out_channels"] for config in decoders} == {3, 6}
    assert {config.get("class_embed_type") for config in decoders} == {None, "identity"}
    assert {config["add_attention"] for config in upsamplers} == {False, True}
    assert any(config["add_attention"] and config["resnet_time_scale_shift"] != "default" for config in upsamplers)
    for configs, count in ((decoders, 4), (upsamplers, 6)):
        kinds = {kind for config in configs for kind in config["down_block_types"] + config["up_block_types"]}
        assert len(kinds) == count


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("masked", [False, True])
def test_the_same_outputs(pair: Pair, masked: bool, backend: Any) -> None:
    if masked and not pair.attends:
        pytest.skip("nothing to mask")
    x, told = pair.tensors()
    expected = pair.outputs_of_theirs(x, told, masked).detach().numpy()
    given = {name: values for name, values in pair.told.items() if masked or name != "mask"}
    eps = pair.ours(pair.x, pair.t, backend=backend, **given)
    np.testing.assert_allclose(eps, expected[:, : eps.shape[1]], rtol=0, atol=1e-5 * np.abs(expected).max())


def test_the_same_gradients(pair: Pair) -> None:
    """Of a random projection of the outputs, by x, by what is told and by each parameter; relative to the largest."""
    known = definition.Told(None, pair.told.get("embedding"), pair.told.get("states"), pair.told.get("mask"))
    outputs, caches = definition.forward(pair.ours.params, pair.ours.config, pair.x, pair.t, known)
    direction = np.random.default_rng(2).normal(size=outputs.shape).astype(np.float32)
    dx, dtold, found = definition.backward(pair.ours.params, pair.ours.config, direction, caches)
    x, told = pair.tensors()
    pair.theirs.zero_grad()
    (pair.outputs_of_theirs(x, told) * torch.from_numpy(direction)).sum().backward()
    np.testing.assert_allclose(dx, x.grad, rtol=0, atol=1e-4 * np.abs(dx).max())
    for name, values in told.items():
        wanted = getattr(dtold, name)
        np.testing.assert_allclose(wanted, values.grad, rtol=0, atol=1e-4 * np.abs(wanted).max())
    peers.assert_same_gradients(found, pair.theirs)


def test_the_round_trip_is_bit_identical(pair: Pair, tmp_path: Path) -> None:
    unets.write(pair.ours, tmp_path)
    assert (tmp_path / files.WEIGHTS).read_bytes() == (pair.folder / files.WEIGHTS).read_bytes()
    again = type(pair.theirs).from_pretrained(tmp_path)
    given, kept = (
        {name: value for name, value in model.config.items() if not name.startswith("_")}
        for model in (pair.theirs, again)
    )
    assert kept == given
    peers.assert_same_parameters(again, pair.theirs)


@pytest.mark.parametrize("sizes", [(4, 6, 8, 12), (5, 5, 12, 7), (8, 8, 4, 3), (6, 6, 6, 6)])
def test_the_image_to_go_by_is_enlarged_as_their_pipeline_does(sizes: tuple[int, ...]) -> None:
    height, width, *size = sizes
    x = np.random.default_rng(3).normal(size=(2, 3, height, width)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(x), size=size, mode="bicubic", align_corners=False, antialias=True
    )
    np.testing.assert_allclose(bicubic.forward(x, *size), expected, rtol=0, atol=1e-5)


# The text projection


class Projections:
    """A projection of diffusers with random weights, the folder it is saved in, and what is opened from there."""

    def __init__(self, seed: int, folder: Path) -> None:
        random = np.random.default_rng([22, seed])
        names = ("clip_extra_context_tokens", "clip_embeddings_dim", "time_embed_dim", "cross_attention_dim")
        options = dict(zip(names, random.integers([1, 3, 3, 3], [6, 20, 20, 20]).tolist(), strict=True))
        self.theirs, self.folder = peers.saved(lambda: UnCLIPTextProjModel(**options), folder), folder
        self.ours = text_projections.read(folder)
        D = options["clip_embeddings_dim"]
        self.image, self.text = random.normal(size=(2, N, D)).astype(np.float32)
        self.states = random.normal(size=(N, TOKENS, D)).astype(np.float32)

    def outputs_of_theirs(self, guidance: bool) -> Any:
        """With guidance, of no picture and then of the picture."""
        twice = [torch.from_numpy(values) for values in (self.text, self.states)]
        text, states = (torch.cat([values, values]) for values in twice) if guidance else twice
        return self.theirs(
            image_embeddings=torch.from_numpy(self.image),
            prompt_embeds=text,
            text_encoder_hidden_states=states,
            do_classifier_free_guidance=guidance,
        )


@pytest.fixture(scope="module", params=range(4))
def projections(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Projections:
    return Projections(request.param, tmp_path_factory.mktemp("text_proj"))


def test_the_same_is_told(projections: Projections) -> None:
    pair = projections
    nothing, told = (pair.ours(image, pair.text, pair.states) for image in (None, pair.image))
    for guidance, found in ((False, told), (True, nothing.followed_by(told))):
        states, embedding = (values.detach().numpy() for values in pair.outputs_of_theirs(guidance))
        np.testing.assert_allclose(found.states, states, rtol=0, atol=1e-5 * np.abs(states).max())
        np.testing.assert_allclose(found.embedding, embedding, rtol=0, atol=1e-5 * np.abs(embedding).max())


def test_the_same_gradients_of_what_is_told(projections: Projections) -> None:
    """Of a random projection of states and embedding, half of them of no picture."""
    pair, random = projections, np.random.default_rng(2)
    image, text, states = (
        np.concatenate([first, second])
        for first, second in ((0 * pair.image, pair.image), (pair.text,) * 2, (pair.states,) * 2)
    )
    found, embedding, caches = pair.ours.forward(pair.ours.params, image, text, states)
    dstates, dembedding = (random.normal(size=values.shape).astype(np.float32) for values in (found, embedding))
    pair.theirs.zero_grad()
    theirs = pair.outputs_of_theirs(guidance=True)
    sum((one * torch.from_numpy(d)).sum() for one, d in zip(theirs, (dstates, dembedding), strict=True)).backward()
    peers.assert_same_gradients(pair.ours.backward(dstates, dembedding, caches), pair.theirs)


def test_a_projections_round_trip_is_bit_identical(projections: Projections, tmp_path: Path) -> None:
    text_projections.write(projections.ours, tmp_path)
    assert (tmp_path / files.WEIGHTS).read_bytes() == (projections.folder / files.WEIGHTS).read_bytes()
    again = UnCLIPTextProjModel.from_pretrained(tmp_path)
    peers.assert_same_parameters(again, projections.theirs)
