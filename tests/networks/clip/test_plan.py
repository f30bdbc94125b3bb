"""The kernel calls of CLIP's encoders, there and back."""

from __future__ import annotations

import numpy as np
import pytest
from checks.clip import PROJECTED, VISION

from numpy_diffusion.kernels.unet.calls import CallKind, Plan
from numpy_diffusion.networks.clip import config as text
from numpy_diffusion.networks.clip import plan, vision_config
from numpy_diffusion.networks.unet.layout import layout

OF_IMAGES = vision_config.CLIPVisionConfig(**VISION | dict(num_hidden_layers=3))
OF_TEXTS = text.CLIPTextProjectionConfig(**PROJECTED | dict(num_hidden_layers=3))


def planned(config: plan.Config, training: bool = True) -> Plan:
    of_images = isinstance(config, vision_config.CLIPVisionConfig)
    shapes = (
        vision_config.shapes(config) if isinstance(config, vision_config.CLIPVisionConfig) else text.shapes(config)
    )
    return plan.plan(config, layout(shapes), OF_IMAGES.places if of_images else 5, training)


@pytest.mark.parametrize(("config", "norms"), [(OF_IMAGES, 8), (OF_TEXTS, 7)])
def test_each_call_has_its_way_back(config: plan.Config, norms: int) -> None:
    found = planned(config)
    there, back = (part.tolist() for part in np.split(found.calls["kind"], [found.backward]))
    for kind, other, count in (
        (CallKind.LAYER_NORM, CallKind.LAYER_NORM_BACK, norms),
        (CallKind.ATTENTION, CallKind.ATTENTION_BACK, 3),
        (CallKind.QUICK_GELU, CallKind.QUICK_GELU_BACK, 3),
        (CallKind.LAST, CallKind.LAST_BACK, 2),
        (CallKind.CONV, CallKind.CONV_WEIGHTS, 3 * 6 + 1),
    ):
        assert there.count(kind) == back.count(other) == count
    alone = planned(config, training=False)
    assert alone.calls["kind"].tolist() == there
    assert alone.arena < found.arena


@pytest.mark.parametrize(("config", "causal"), [(OF_IMAGES, [0, 0, 0]), (OF_TEXTS, [1, 1, 0])])
def test_the_last_layer_asks_at_the_last_place_alone(config: plan.Config, causal: list[int]) -> None:
    found = planned(config)
    for kind, order in ((CallKind.ATTENTION, 1), (CallKind.ATTENTION_BACK, -1)):
        calls = found.calls[found.calls["kind"] == kind][::order]
        assert calls["causal"].tolist() == causal
        for names, widths in (("qo", [5, 5, 1]), ("kv", [5, 5, 5])):
            for name in names:
                assert found.images[calls[name]]["width"].tolist() == widths


def test_sequences_have_their_own_lengths_and_embeddings_have_none() -> None:
    found = planned(OF_TEXTS)
    rows = set(found.tokens[:, 0].tolist())
    assert len(rows) == len(found.tokens)
    assert {found.states, found.dstates} <= rows
    assert not {found.eps, found.deps} & rows
    wide = [number for number, image in enumerate(found.images) if image["height"] == 1 and image["width"] == 5]
    assert set(wide) == rows
