"""The U-Net that attends to states against diffusers' UNet2DConditionModel, over options drawn at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

# After the packages that it is compared with.
from checks import peers  # noqa: E402

from numpy_diffusion.interop.diffusers import files, unets  # noqa: E402
from numpy_diffusion.networks.unet import definition  # noqa: E402

DRAWS, N, TOKENS = 10, 3, 7


def drawn(seed: int) -> dict[str, Any]:
    """Options among those that are supported, at least one block with transformers among them."""
    random = np.random.default_rng([8, seed])
    blocks, inputs = int(random.integers(1, 4)), int(random.choice([1, 4]))
    height, width = (2 ** (blocks - 1) * random.integers(2, 4, 2)).tolist()
    known = [{}, {"num_class_embeds": 5}, {"class_embed_type": "identity"}, PROJECTED][random.integers(4)]
    return known | dict(
        sample_size=[height, width],
        in_channels=inputs,
        out_channels=inputs * int(random.choice([1, 2])),
        block_out_channels=(8 * random.integers(1, 4, blocks)).tolist(),
        layers_per_block=int(random.integers(1, 3)),
        down_block_types=random.choice(["DownBlock2D", "CrossAttnDownBlock2D"], blocks).tolist(),
        up_block_types=random.choice(["UpBlock2D", "CrossAttnUpBlock2D"], blocks).tolist(),
        norm_num_groups=int(random.choice([1, 2, 4, 8])),
        norm_eps=float(random.choice([1e-6, 1e-5])),
        cross_attention_dim=int(random.choice([5, 16])),
        attention_head_dim=[1, 4, random.choice([2, 4], blocks).tolist()][random.integers(3)],
        transformer_layers_per_block=[1, 2, random.choice([1, 2], blocks).tolist()][random.integers(3)],
        use_linear_projection=bool(random.integers(2)),
        resnet_time_scale_shift=["default", "scale_shift"][random.integers(2)],
        time_embedding_dim=[None, 20][random.integers(2)],
        downsample_padding=int(random.integers(2)),
        flip_sin_to_cos=bool(random.integers(2)),
        freq_shift=int(random.integers(2)),
    )


PROJECTED = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 6}
CONFIGS = {f"draw {seed}": drawn(seed) for seed in range(DRAWS)}


class Pair:
    """A network of diffusers with random weights, the folder it is saved in, and what is opened from there."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        self.theirs, self.folder = peers.saved(lambda: diffusers.UNet2DConditionModel(**config), folder), folder
        self.ours = unets.read(folder)
        random = np.random.default_rng(1)
        self.x = random.normal(size=(N, *self.ours.shape)).astype(np.float32)
        self.t = np.array([1, 40, 1000])  # theirs 0, 39, 999
        self.states = random.normal(size=(N, TOKENS, self.ours.config.cross_attention_dim)).astype(np.float32)
        self.mask = random.random((N, TOKENS)) < 0.6
        self.mask[:, 2] = True
        self.more: dict[str, np.ndarray] = {}
        if self.ours.null_label is not None:
            self.more["labels"] = random.integers(0, self.ours.null_label + 1, N)
        if "embedding" in self.ours.nothing.arguments():
            self.more["embedding"] = random.normal(size=(N, *self.ours.nothing.embedding.shape)).astype(np.float32)

    def outputs_of_theirs(self, states: Any, masked: bool = True) -> Any:
        known = [torch.from_numpy(values) for values in self.more.values()]
        return self.theirs(
            torch.from_numpy(self.x),
            torch.from_numpy(self.t - 1),
            states,
            class_labels=known[0] if known else None,
            encoder_attention_mask=torch.from_numpy(self.mask) if masked else None,
        ).sample


@pytest.fixture(scope="module", params=CONFIGS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(CONFIGS[request.param], tmp_path_factory.mktemp("unet"))


def test_the_draws_cover_the_options() -> None:
    for name, values in {
        "use_linear_projection": {False, True},
        "resnet_time_scale_shift": {"default", "scale_shift"},
        "layers_per_block": {1, 2},
        "downsample_padding": {0, 1},
        "cross_attention_dim": {5, 16},
        "time_embedding_dim": {None, 20},
    }.items():
        assert {config[name] for config in CONFIGS.values()} == values
    assert {config.get("class_embed_type") for config in CONFIGS.values()} == {None, "identity", "projection"}
    assert any("num_class_embeds" in config for config in CONFIGS.values())
    for name in ("attention_head_dim", "transformer_layers_per_block"):
        assert {type(config[name]) for config in CONFIGS.values()} == {int, list}
    kinds = {kind for config in CONFIGS.values() for kind in config["down_block_types"] + config["up_block_types"]}
    assert len(kinds) == 4
    assert {len(config["block_out_channels"]) for config in CONFIGS.values()} == {1, 2, 3}


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("masked", [False, True])
def test_the_same_outputs(pair: Pair, masked: bool, backend: Any) -> None:
    expected = pair.outputs_of_theirs(torch.from_numpy(pair.states), masked).detach().numpy()
    told = pair.more | {"states": pair.states, "mask": pair.mask if masked else None}
    eps = pair.ours(pair.x, pair.t, backend=backend, **told)
    np.testing.assert_allclose(eps, expected[:, : pair.ours.shape[0]], rtol=0, atol=1e-5 * np.abs(expected).max())


def test_the_same_gradients(pair: Pair) -> None:
    """Of a random projection of the outputs, by the states and by each parameter; relative to the largest of each."""
    told = definition.Told(pair.more.get("labels"), pair.more.get("embedding"), pair.states, pair.mask)
    outputs, caches = definition.forward(pair.ours.params, pair.ours.config, pair.x, pair.t, told)
    direction = np.random.default_rng(2).normal(size=outputs.shape).astype(np.float32)
    _, dtold, found = definition.backward(pair.ours.params, pair.ours.config, direction, caches)
    dstates = dtold.states
    assert dstates is not None
    states = torch.from_numpy(pair.states).requires_grad_(True)
    pair.theirs.zero_grad()
    (pair.outputs_of_theirs(states) * torch.from_numpy(direction)).sum().backward()
    np.testing.assert_allclose(dstates, states.grad, rtol=0, atol=1e-4 * np.abs(dstates).max())
    peers.assert_same_gradients(found, pair.theirs)


def test_the_round_trip_is_bit_identical(pair: Pair, tmp_path: Path) -> None:
    unets.write(pair.ours, tmp_path)
    assert (tmp_path / files.WEIGHTS).read_bytes() == (pair.folder / files.WEIGHTS).read_bytes()
    again = diffusers.UNet2DConditionModel.from_pretrained(tmp_path)
    given, kept = (
        {name: value for name, value in model.config.items() if not name.startswith("_")}
        for model in (pair.theirs, again)
    )
    assert kept == given
    peers.assert_same_parameters(again, pair.theirs)
