"""The network that options stand for, and the options that a config stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numpy_diffusion.cli import networks
from numpy_diffusion.cli.sources import Data
from numpy_diffusion.models.network import Network
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.networks.unet.unet import UNet

POINTS = Data(np.zeros((5, 3), np.float32))
IMAGES = Data(np.zeros((5, 2, 8, 16), np.float32), np.arange(5) % 3, 3)
FLAT = Data(np.zeros((5, 1, 8, 8), np.float32))


def network(data: Data, stored: Network | None = None, **given: Any) -> Network:
    return networks.network(given, {"seed": 0} | given, data, stored)


def test_points_have_an_mlp_of_their_size() -> None:
    assert network(POINTS).options == MLP(3, octaves=7).options
    assert network(POINTS._replace(x0=np.zeros((9, 4), np.float32))).options == MLP(4).options
    found = network(POINTS, width=8, depth=1, octaves=2, learn_variance=True, seed=4)
    assert found.options == MLP(3, 8, 1, octaves=2, learn_variance=True).options
    np.testing.assert_array_equal(found.buffer, MLP(3, 8, 1, octaves=2, learn_variance=True, seed=4).buffer)


def test_images_have_a_unet_of_their_size_and_classes() -> None:
    found = network(IMAGES, channels=(6, 4), layers_per_block=1, attention=(4,), dropout=0.1, seed=4)
    expected = UNet(
        sample_size=(8, 16),
        in_channels=2,
        out_channels=2,
        block_out_channels=(6, 4),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=2,
        attention_head_dim=2,
        dropout=0.1,
        num_class_embeds=4,  # and none
        seed=4,
    )
    assert found.options == expected.options
    np.testing.assert_array_equal(found.buffer, expected.buffer)


@pytest.mark.parametrize(
    ("attention", "levels"),
    [(None, [1]), ((), []), ((8,), [0]), ((2, 8), [0, 2])],
    ids=str,
)
def test_attention_is_at_heights_of_the_image_or_in_the_middle(attention: Any, levels: list[int]) -> None:
    found = network(IMAGES, channels=(4, 4, 4), attention=attention).options
    for name, order in (("down_block_types", 1), ("up_block_types", -1)):
        assert [i for i, kind in enumerate(found[name][::order]) if kind.startswith("Attn")] == levels


def test_labels_are_used_where_there_are_any_unless_they_are_not_wanted() -> None:
    for data, given, classes in (
        (IMAGES, {}, 4),
        (IMAGES, {"classes": True}, 4),
        (IMAGES, {"classes": False}, None),
        (FLAT, {}, None),
        (FLAT, {"classes": False}, None),
    ):
        assert network(data, **given).options["num_class_embeds"] == classes


def test_a_learned_variance_is_a_second_half_of_the_outputs() -> None:
    assert network(IMAGES, learn_variance=True).options["out_channels"] == 4


def test_the_network_of_a_run_stands_unless_something_is_said_of_it() -> None:
    stored = MLP(3, 5, 0)
    assert network(POINTS, stored) is stored
    assert network(POINTS, stored, n=7, seed=3) is stored
    found = network(POINTS, stored, width=5, depth=0, octaves=0)
    assert found is not stored
    assert found.options == stored.options


@pytest.mark.parametrize(
    ("data", "given", "sentence"),
    [
        (IMAGES, {"model": "mlp"}, "--model: expected unet for images, got mlp"),
        (POINTS, {"model": "unet"}, "--model: expected mlp for points, got unet"),
        (IMAGES, {"width": 8}, "--width: expected none for images, got 8"),
        (IMAGES, {"depth": 8}, "--depth: expected none for images, got 8"),
        (POINTS, {"channels": (4, 8)}, "--channels: expected none for points, got (4, 8)"),
        (POINTS, {"classes": False}, "--labels: expected none for points, got False"),
        (POINTS, {"label_dropout": 0.1}, "--label-dropout: expected none for points, got 0.1"),
        (POINTS, {"mirror": True}, "--mirror: expected none for points, got True"),
        (POINTS, {"preview": True}, "--preview: expected none for points, got True"),
        (
            FLAT,
            {"classes": True},
            "--labels: expected images with labels, got some without",
        ),
        (
            IMAGES,
            {"channels": (4, 4), "attention": (8, 5)},
            "--attention: expected heights of the image among 8, 4, got 5",
        ),
        (IMAGES, {"channels": (4,) * 5}, "sample_size: expected a multiple of 16"),
        (IMAGES, {"channels": (0,)}, "block_out_channels: expected an integer"),
        (IMAGES, {"dropout": 1.0}, "dropout: expected a number below 1"),
    ],
)
def test_an_option_that_will_not_do_is_named(data: Data, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the sentence is compared below
        network(data, **given)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"channels": (8, 4), "layers_per_block": 1, "attention": (8, 4), "dropout": 0.2, "learn_variance": True},
        {"channels": (4,), "attention": (), "classes": False},
    ],
    ids=str,
)
def test_what_a_config_says_makes_the_same_network_again(given: dict[str, Any]) -> None:
    """As it stands in config.json, with lists for tuples."""
    for data in (IMAGES, POINTS):
        options = {name: value for name, value in given.items() if data is IMAGES or name == "learn_variance"}
        model = network(data, **options)
        config = {name: list(value) if isinstance(value, tuple) else value for name, value in model.options.items()}
        said = networks.described(config)
        assert network(data, **said).options == model.options
        assert {name: said[name] for name in options} == options


def test_a_config_from_before_there_were_octaves_has_none() -> None:
    config = {name: value for name, value in MLP(3, 5, 0).options.items() if name != "octaves"}
    assert network(POINTS, **networks.described(config)).options == MLP(3, 5, 0).options
