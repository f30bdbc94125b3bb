"""CLIP as a whole in NumPy: its loss's gradient by all parameters."""

from __future__ import annotations

import numpy as np
from checks.clip import IDS, images, joint
from checks.gradcheck import projected_errors, wrong

from numpy_diffusion.networks.clip import contrastive
from numpy_diffusion.networks.clip.joint_definition import SCALE, losses_and_gradient


def test_the_gradient() -> None:
    model, x = joint(np.float64), images(dtype=np.float64)
    loss = lambda: float(losses_and_gradient(model.params, model.config, x, IDS)[0].mean())  # noqa: E731
    found = losses_and_gradient(model.params, model.config, x, IDS)[1]
    assert list(found) == list(model.params)
    assert wrong(projected_errors(loss, model.params, found)) == []


def test_the_losses_are_those_of_the_two_embeddings() -> None:
    model, x = joint(np.float64), images(dtype=np.float64)
    losses, _ = losses_and_gradient(model.params, model.config, x, IDS)
    embeddings = model.image_encoder(x), model.text_encoder(IDS).embedding
    np.testing.assert_allclose(losses, contrastive.forward(*embeddings, model.params[SCALE])[0], rtol=1e-12)
