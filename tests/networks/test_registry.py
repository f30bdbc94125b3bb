"""The networks by name: what is registered is found, and nothing else is."""

from __future__ import annotations

import pytest

from numpy_diffusion.models.network import Network
from numpy_diffusion.networks import registry
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.networks.unet.unet import UNet


@pytest.fixture(autouse=True)
def _classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten."""
    monkeypatch.setattr(registry, "_CLASSES", dict(registry._CLASSES))


def made(name: str, module: str = __name__) -> type[Network]:
    return type(name, (MLP,), {"__module__": module})


def test_the_networks_are_found_by_their_names() -> None:
    assert (registry.named("MLP"), registry.named("UNet")) == (MLP, UNet)


def test_what_is_registered_is_found_and_handed_back() -> None:
    another = made("Another")
    assert registry.register(another) is another
    assert registry.named("Another") is another


@pytest.mark.parametrize("name", ["Another", "mlp", "", None, 3, ["MLP"]])
def test_an_unknown_name_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match=r"^network: expected one of '.*MLP.*', got .*$") as caught:
        registry.named(name)  # type: ignore[arg-type]
    assert "'UNet'" in str(caught.value)


def test_a_second_class_of_one_name_is_refused_and_the_first_stays() -> None:
    inside = made("MLP", MLP.__module__)
    inside.__qualname__ = "Another.MLP"
    for second in (made("MLP"), made("MLP", "elsewhere"), inside):
        with pytest.raises(ValueError, match=r"^network: expected a new name, got MLP, which is numpy_diffusion\."):
            registry.register(second)
        assert registry.named("MLP") is MLP


def test_a_class_that_is_defined_anew_takes_its_own_place() -> None:
    """As when its module is loaded again."""
    first, again = made("Another"), made("Another")
    registry.register(first)
    registry.register(again)
    assert registry.named("Another") is again
