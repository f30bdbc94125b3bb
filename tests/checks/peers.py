"""A network of diffusers or transformers beside ours: its drawn weights, its gradients, its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def saved(make: Callable[[], Any], folder: Path) -> Any:
    """A network of theirs with random weights, also in the folder."""
    import torch  # only where tests compare with it

    torch.manual_seed(0)
    theirs = make().eval()
    with torch.no_grad():
        for values in theirs.parameters():
            values.add_(0.1 * torch.randn_like(values))  # so that no bias is 0 and no norm's weight 1
    theirs.save_pretrained(folder)
    return theirs


def assert_same_gradients(found: Mapping[str, np.ndarray], theirs: Any) -> None:
    """Relative to each parameter's largest, by name.

    Some are 0 but for rounding, such as that of a key's bias, which moves all of a softmax's logits: for those a
    hundredth of the largest of all stands in.
    """
    expected = {name: values.grad.numpy() for name, values in theirs.named_parameters()}
    assert found.keys() == expected.keys()
    largest = max(np.abs(values).max() for values in expected.values())
    for name, values in expected.items():
        scale = max(np.abs(values).max(), 0.01 * largest)
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-4 * scale, err_msg=name)


def assert_same_parameters(found: Any, expected: Any) -> None:
    """To the bit, of two networks of theirs."""
    for (name, values), (_, others) in zip(found.named_parameters(), expected.named_parameters(), strict=True):
        assert values.equal(others), name
