"""The U-Net against diffusers' UNet2DModel: outputs, gradients and files, over options drawn at random."""

from __future__ import annotations

import json
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
from numpy_diffusion.networks.unet.definition import Told  # noqa: E402
from numpy_diffusion.networks.unet.unet import UNet  # noqa: E402

DRAWS = 14
CIFAR10 = dict(  # the layout of google/ddpm-cifar10-32, an eighth as wide
    act_fn="silu",
    attention_head_dim=None,
    block_out_channels=[16, 32, 32, 32],
    down_block_types=["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
    downsample_padding=0,
    flip_sin_to_cos=False,
    freq_shift=1,
    norm_eps=1e-6,
    norm_num_groups=4,
    sample_size=32,
    up_block_types=["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
)


def drawn(seed: int) -> dict[str, Any]:
    """Options among those that are supported."""
    random = np.random.default_rng([6, seed])
    blocks, inputs = int(random.integers(1, 4)), int(random.choice([1, 3]))
    height, width = (2 ** (blocks - 1) * random.integers(2, 5, 2)).tolist()
    down = random.choice(["DownBlock2D", "AttnDownBlock2D"], blocks).tolist()
    up = random.choice(["UpBlock2D", "AttnUpBlock2D"], blocks).tolist()
    return dict(
        sample_size=[height, width] if random.random() < 0.5 else height,
        in_channels=inputs,
        out_channels=inputs * int(random.choice([1, 2])),
        block_out_channels=(8 * random.integers(1, 4, blocks)).tolist(),
        layers_per_block=int(random.integers(1, 3)),
        down_block_types=down,
        up_block_types=up,
        norm_num_groups=int(random.choice([1, 2, 4, 8])),
        norm_eps=float(random.choice([1e-6, 1e-5])),
        attention_head_dim=[None, 2, 4, 8][random.integers(4)],
        time_embedding_dim=[None, 20][random.integers(2)],
        downsample_padding=int(random.integers(2)),
        flip_sin_to_cos=bool(random.integers(2)),
        freq_shift=int(random.integers(2)),
        act_fn=["silu", "swish"][random.integers(2)],
        add_attention=bool(random.integers(2)),
        num_class_embeds=[None, 5][random.integers(2)],
        dropout=[0.0, 0.2][random.integers(2)],  # of no effect in what is not training
    )


CONFIGS = {f"draw {seed}": drawn(seed) for seed in range(DRAWS)} | {"ddpm-cifar10-32": CIFAR10}


class Pair:
    """A network of diffusers with random weights, the folder it is saved in, and what is opened from there."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        self.theirs, self.folder = peers.saved(lambda: diffusers.UNet2DModel(**config), folder), folder
        self.ours = unets.read(folder)
        random = np.random.default_rng(1)
        self.x = random.normal(size=(3, *self.ours.shape)).astype(np.float32)
        self.t = np.array([1, 40, 1000])  # theirs 0, 39, 999
        classes = config.get("num_class_embeds")
        self.labels = None if classes is None else random.integers(0, classes, 3)

    def outputs_of_theirs(self) -> Any:
        labels = None if self.labels is None else torch.from_numpy(self.labels)
        return self.theirs(torch.from_numpy(self.x), torch.from_numpy(self.t - 1), class_labels=labels).sample


@pytest.fixture(scope="module", params=CONFIGS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(CONFIGS[request.param], tmp_path_factory.mktemp("unet"))


def test_the_draws_cover_the_options() -> None:
    for name, values in {
        "layers_per_block": {1, 2},
        "norm_num_groups": {1, 2, 4, 8},
        "attention_head_dim": {None, 2, 4, 8},
        "downsample_padding": {0, 1},
        "flip_sin_to_cos": {False, True},
        "freq_shift": {0, 1},
        "add_attention": {False, True},
        "num_class_embeds": {None, 5},
    }.items():
        assert {drawn(seed)[name] for seed in range(DRAWS)} == values
    for name in ("down_block_types", "up_block_types"):
        assert len({kind for seed in range(DRAWS) for kind in drawn(seed)[name]}) == 2
    assert {len(drawn(seed)["block_out_channels"]) for seed in range(DRAWS)} == {1, 2, 3}


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_the_same_outputs(pair: Pair, backend: Any) -> None:
    expected = pair.outputs_of_theirs().detach().numpy()
    channels = pair.ours.shape[0]
    tolerance = dict(rtol=0, atol=1e-5 * np.abs(expected).max())
    eps = pair.ours(pair.x, pair.t, pair.labels, backend=backend)
    np.testing.assert_allclose(eps, expected[:, :channels], **tolerance)
    if pair.ours.learn_variance:
        _, fraction = pair.ours.eps_and_fraction(pair.x, pair.t, pair.labels, backend=backend)
        np.testing.assert_allclose(2.0 * fraction - 1.0, expected[:, channels:], **tolerance)


def test_the_same_gradients(pair: Pair) -> None:
    """Of a random projection of the outputs."""
    outputs, caches = definition.forward(pair.ours.params, pair.ours.config, pair.x, pair.t, Told(pair.labels))
    direction = np.random.default_rng(2).normal(size=outputs.shape).astype(np.float32)
    _, _, found = definition.backward(pair.ours.params, pair.ours.config, direction, caches)
    pair.theirs.zero_grad()
    (pair.outputs_of_theirs() * torch.from_numpy(direction)).sum().backward()
    peers.assert_same_gradients(found, pair.theirs)


def test_the_round_trip_is_bit_identical(pair: Pair, tmp_path: Path) -> None:
    unets.write(pair.ours, tmp_path)
    name = files.WEIGHTS
    assert (tmp_path / name).read_bytes() == (pair.folder / name).read_bytes()
    again = diffusers.UNet2DModel.from_pretrained(tmp_path)
    peers.assert_same_parameters(again, pair.theirs)
    for name, value in json.loads(json.dumps(pair.ours.options)).items():
        assert again.config[name] == pair.theirs.config[name] == value, name


SMALL: dict[str, Any] = dict(
    sample_size=8,
    block_out_channels=[8, 8],
    norm_num_groups=4,
    down_block_types=["DownBlock2D", "AttnDownBlock2D"],
    up_block_types=["AttnUpBlock2D", "UpBlock2D"],
)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("time_embedding_type", "fourier"),
        ("time_embedding_type", "learned"),
        ("downsample_type", "resnet"),
        ("upsample_type", "resnet"),
        ("class_embed_type", "timestep"),
        ("center_input_sample", True),
        ("act_fn", "gelu"),
        ("mid_block_scale_factor", 2),
        ("attn_norm_num_groups", 2),
        ("down_block_types", ["SkipDownBlock2D", "AttnDownBlock2D"]),
        ("mid_block_type", None),
    ],
)
def test_an_option_that_is_not_supported_is_named(option: str, value: Any, tmp_path: Path) -> None:
    more = {"num_train_timesteps": 10} if value == "learned" else {}
    diffusers.UNet2DModel(**SMALL | {option: value} | more).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=rf"config\.json: {option}: expected"):
        unets.read(tmp_path)


def test_half_precision(tmp_path: Path) -> None:
    model = diffusers.UNet2DModel(**SMALL)
    model.half().save_pretrained(tmp_path / "half")
    found = unets.read(tmp_path / "half")
    for name, values in model.named_parameters():
        np.testing.assert_array_equal(found.params[name], values.detach().float().numpy())
    model.bfloat16().save_pretrained(tmp_path / "bfloat16")
    with pytest.raises(ValueError, match="dtype: expected one of 'F32', 'F16', got str 'BF16'"):
        unets.read(tmp_path / "bfloat16")


def test_old_attention_names_are_read_as_diffusers_reads_them(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    model = diffusers.UNet2DModel(**SMALL)
    model.save_pretrained(tmp_path)
    old = {}
    for name, values in load_file(tmp_path / files.WEIGHTS).items():
        for new, before in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
            name = name.replace(new, before)
        old[name] = values
    save_file(old, tmp_path / files.WEIGHTS, metadata={"format": "pt"})
    found = unets.read(tmp_path)
    for name, values in diffusers.UNet2DModel.from_pretrained(tmp_path).named_parameters():
        np.testing.assert_array_equal(found.params[name], values.detach().numpy())


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    diffusers.UNet2DModel(**SMALL).save_pretrained(tmp_path, safe_serialization=False)
    with pytest.raises(ValueError, match=r"\.bin: .* a pickle"):
        unets.read(tmp_path)
    diffusers.UNet2DModel.from_pretrained(tmp_path).save_pretrained(tmp_path)  # what the sentence says to do
    assert isinstance(unets.read(tmp_path), UNet)
