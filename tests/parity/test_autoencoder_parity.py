"""The autoencoder against diffusers' AutoencoderKL: moments, images, gradients and files, over options drawn."""

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

from numpy_diffusion.interop.diffusers import autoencoders, files  # noqa: E402
from numpy_diffusion.models import parameters  # noqa: E402

DRAWS, N = 8, 3


def drawn(seed: int) -> dict[str, Any]:
    """Options among those that are supported."""
    random = np.random.default_rng([3, seed])
    blocks = int(random.integers(1, 4))
    channels = int(random.choice([1, 3]))
    height, width = (2 ** (blocks - 1) * random.integers(2, 5, 2)).tolist()
    return dict(
        sample_size=[height, width],
        in_channels=channels,
        out_channels=channels,
        down_block_types=["DownEncoderBlock2D"] * blocks,
        up_block_types=["UpDecoderBlock2D"] * blocks,
        block_out_channels=(8 * random.integers(1, 4, blocks)).tolist(),
        layers_per_block=int(random.integers(1, 3)),
        act_fn=["silu", "swish"][random.integers(2)],
        latent_channels=int(random.choice([1, 3, 4])),
        norm_num_groups=int(random.choice([1, 2, 4, 8])),
        scaling_factor=float(random.choice([0.18215, 0.5])),
        use_quant_conv=bool(random.integers(2)),
        use_post_quant_conv=bool(random.integers(2)),
        mid_block_add_attention=bool(random.integers(2)),
    )


CONFIGS = {f"draw {seed}": drawn(seed) for seed in range(DRAWS)}


class Pair:
    """An autoencoder of diffusers with random weights, the folder it is saved in, and what is opened from there."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        self.theirs, self.folder = peers.saved(lambda: diffusers.AutoencoderKL(**config), folder), folder
        self.ours = autoencoders.read(folder)
        random = np.random.default_rng(1)
        self.x = random.normal(size=(N, *self.ours.shape)).astype(np.float32)
        self.noise = random.normal(size=(N, *self.ours.latent_shape)).astype(np.float32)


@pytest.fixture(scope="module", params=CONFIGS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(CONFIGS[request.param], tmp_path_factory.mktemp("vae"))


def close(found: np.ndarray, expected: Any, relative: float = 1e-5, name: str = "") -> None:
    expected = expected.detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=relative * np.abs(expected).max(), err_msg=name)


def test_the_draws_cover_the_options() -> None:
    for name, values in {
        "in_channels": {1, 3},
        "layers_per_block": {1, 2},
        "latent_channels": {1, 3, 4},
        "norm_num_groups": {1, 2, 4, 8},
        "use_quant_conv": {False, True},
        "use_post_quant_conv": {False, True},
        "mid_block_add_attention": {False, True},
    }.items():
        assert {drawn(seed)[name] for seed in range(DRAWS)} == values
    assert {len(drawn(seed)["block_out_channels"]) for seed in range(DRAWS)} == {1, 2, 3}


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_the_same_moments_and_images(pair: Pair, backend: Any) -> None:
    expected = pair.theirs.encode(torch.from_numpy(pair.x)).latent_dist
    found = pair.ours.encode(pair.x, backend=backend)
    close(found.mean, expected.mean)
    close(found.logvar, expected.logvar)
    z = expected.mean.detach()
    close(pair.ours.decode(z.numpy(), backend=backend), pair.theirs.decode(z).sample)


def test_the_variance_is_clipped_alike(pair: Pair) -> None:
    scaled = 40.0 * pair.x  # moments of some hundreds
    names = [name for name in pair.ours.params if name.startswith(("quant_conv", "encoder.conv_out"))]
    last = "quant_conv.weight" if "quant_conv.weight" in names else "encoder.conv_out.weight"
    before = pair.ours.params[last].copy()
    try:
        pair.ours.params[last][:] *= 100.0
        with torch.no_grad():
            dict(pair.theirs.named_parameters())[last].mul_(100.0)
        expected = pair.theirs.encode(torch.from_numpy(scaled)).latent_dist.logvar
        found = pair.ours.encode(scaled).logvar
        assert found.min() == -30.0 or found.max() == 20.0
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=0, atol=2e-2)
    finally:
        pair.ours.params[last][:] = before
        with torch.no_grad():
            dict(pair.theirs.named_parameters())[last].copy_(torch.from_numpy(before))


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_the_same_loss_and_gradients(pair: Pair, backend: Any) -> None:
    weight = 1e-3
    losses, slopes = pair.ours.gradient(N, weight, backend)(pair.ours.buffer, pair.x, pair.noise)
    pair.theirs.zero_grad()
    posterior = pair.theirs.encode(torch.from_numpy(pair.x)).latent_dist
    z = posterior.mean + posterior.std * torch.from_numpy(pair.noise)
    error = (pair.theirs.decode(z).sample - torch.from_numpy(pair.x)) ** 2
    expected_losses = error.mean(dim=(1, 2, 3)) + weight * posterior.kl()
    expected_losses.mean().backward()
    close(losses, expected_losses)
    found = parameters.views(slopes, pair.ours.shapes)
    peers.assert_same_gradients(found, pair.theirs)


def test_the_round_trip_is_bit_identical(pair: Pair, tmp_path: Path) -> None:
    autoencoders.write(pair.ours, tmp_path)
    assert (tmp_path / files.WEIGHTS).read_bytes() == (pair.folder / files.WEIGHTS).read_bytes()
    again = diffusers.AutoencoderKL.from_pretrained(tmp_path)
    peers.assert_same_parameters(again, pair.theirs)
    for name, value in json.loads(json.dumps(pair.ours.options)).items():
        assert again.config[name] == pair.theirs.config[name] == value, name


SMALL: dict[str, Any] = dict(sample_size=8, block_out_channels=[8], norm_num_groups=4, layers_per_block=1)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("act_fn", "gelu"),
        ("shift_factor", 0.1),
        ("latents_mean", [0.0] * 4),
        ("latents_std", [1.0] * 4),
        ("down_block_types", ["DownBlock2D"]),
    ],
)
def test_an_option_that_is_not_supported_is_named(option: str, value: Any, tmp_path: Path) -> None:
    diffusers.AutoencoderKL(**SMALL).save_pretrained(tmp_path)
    config = json.loads((tmp_path / files.CONFIG).read_text()) | {option: value}
    (tmp_path / files.CONFIG).write_text(json.dumps(config))
    with pytest.raises(ValueError, match=rf"config\.json: {option}: expected"):
        autoencoders.read(tmp_path)


def test_old_attention_names_are_read_as_diffusers_reads_them(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    model = diffusers.AutoencoderKL(**SMALL)
    model.save_pretrained(tmp_path)
    old = {}
    for name, values in load_file(tmp_path / files.WEIGHTS).items():
        for new, before in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
            name = name.replace(new, before)
        old[name] = values
    assert any("query" in name for name in old)
    save_file(old, tmp_path / files.WEIGHTS, metadata={"format": "pt"})
    found = autoencoders.read(tmp_path)
    for name, values in diffusers.AutoencoderKL.from_pretrained(tmp_path).named_parameters():
        np.testing.assert_array_equal(found.params[name], values.detach().numpy())


def test_a_trained_scaling_factor_is_in_the_folder(tmp_path: Path) -> None:
    diffusers.AutoencoderKL(**SMALL).save_pretrained(tmp_path / "theirs")
    found = autoencoders.read(tmp_path / "theirs")
    found.measured = {"scaling_factor": np.array([0.25], np.float32)}
    autoencoders.write(found, tmp_path / "ours")
    assert diffusers.AutoencoderKL.from_pretrained(tmp_path / "ours").config.scaling_factor == 0.25
