"""The networks by the name that config.json has for them: what opening a checkpoint needs to know."""

from __future__ import annotations

from typing import TypeVar

from numpy_diffusion import _checks
from numpy_diffusion.models.trainable import Trainable

Class = TypeVar("Class", bound=type[Trainable])

_CLASSES: dict[str, type[Trainable]] = {}


def register(network: Class) -> Class:
    """Make a class of networks known by its name; a decorator.

    Raises
    ------
    ValueError : another class of this name is known
    """
    known = _CLASSES.setdefault(network.__name__, network)
    if (known.__module__, known.__qualname__) != (network.__module__, network.__qualname__):
        raise ValueError(f"network: expected a new name, got {network.__name__}, which is {known.__module__}'s")
    _CLASSES[network.__name__] = network
    return network


def named(name: str) -> type[Trainable]:
    """The class of this name.

    Raises
    ------
    ValueError : a name that no registered class has
    """
    return _CLASSES[_checks.choice("network", name, _CLASSES)]
