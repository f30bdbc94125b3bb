"""Training of a U-Net that attends to states: it listens, and what it learnt is asked for by guidance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numpy_diffusion as nd

SCHEDULE, RNG = nd.Schedule.linear(T=50), np.random.default_rng(0)
# A word of each sample says whether its image is bright or dark; where it stands is drawn, and the rest is noise.
N, LENGTH = 64, 4
BRIGHT, PLACE = RNG.random(N) < 0.5, RNG.integers(0, LENGTH, N)
X0 = np.broadcast_to(np.where(BRIGHT, 0.8, -0.8)[:, None, None, None], (N, 1, 4, 4))
STATES = 0.1 * RNG.normal(size=(N, LENGTH, 2))
STATES[np.arange(N), PLACE] = np.where(BRIGHT[:, None], [2.0, 0.0], [0.0, 2.0])
MASK = RNG.random((N, LENGTH)) < 0.5
MASK[np.arange(N), PLACE] = True
TOLD = nd.Condition(states=STATES, mask=MASK)


def unet(**more: Any) -> nd.UNet:
    return nd.UNet(
        sample_size=4,
        in_channels=1,
        out_channels=1,
        block_out_channels=(8,),
        layers_per_block=1,
        norm_num_groups=2,
        attention_head_dim=2,
        cross_attention_dim=2,
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",),
        **more,
    )


def trained(**settings: Any) -> nd.Run:
    given = dict(steps=300, batch=32, learning_rate=1e-2, average_decay=0.98, progress=False) | settings
    return nd.train(unet(), SCHEDULE, X0, TOLD, **given)


@pytest.fixture(scope="module")
def run() -> nd.Run:
    return trained()


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_samples_are_those_that_are_asked_for(run: nd.Run, scale: float) -> None:
    """And where nothing is said, by a scale of -1, they are not."""

    def right(scale: float) -> float:
        model = nd.clipped(nd.guided(run.model, TOLD, scale), SCHEDULE)
        x = nd.sample(model, SCHEDULE, N, 1, method="ddim", steps=20)
        return float(((x.mean(axis=(1, 2, 3)) > 0) == BRIGHT).mean())

    assert right(scale) > 0.9
    assert 0.3 < right(-1.0) < 0.7


def test_one_text_for_all_and_its_words_in_any_number(run: nd.Run) -> None:
    bright = nd.Condition(states=[[2.0, 0.0]])
    model = nd.guided(run.model, bright, 1.0)
    x = nd.sample(model, SCHEDULE, 8, 2, method="ddim", steps=10)
    longer = nd.guided(run.model, bright.lengthened(7), 1.0)  # six words more, which are not there
    np.testing.assert_array_equal(nd.sample(longer, SCHEDULE, 8, 2, method="ddim", steps=10), x)
    rest = nd.inpaint(model, SCHEDULE, X0[0], mask=np.arange(4) < 2, n=3, steps=20)
    np.testing.assert_array_equal(rest[..., :2], np.broadcast_to(X0[0, ..., :2].astype(np.float32), (3, 1, 4, 2)))


def test_it_goes_on_after_ctrl_c_to_the_bit(tmp_path: Path) -> None:
    def stop(_: nd.Run) -> None:
        raise KeyboardInterrupt

    def short(name: str, **settings: Any) -> nd.Run:
        return trained(steps=6, checkpoint_every=2, out=tmp_path / name, **settings)

    whole = short("whole")
    assert short("run", after_checkpoint=stop).step == 2
    again = short("run", resume=True)
    np.testing.assert_array_equal(again.losses, whole.losses)
    np.testing.assert_array_equal(again.model.buffer, whole.model.buffer)
    assert again.model.config == nd.load(whole.path).config


def test_the_definition_trains_as_the_kernels_do() -> None:
    one, other = (trained(steps=4, backend=backend) for backend in ("numba", "numpy"))
    np.testing.assert_allclose(one.losses, other.losses, rtol=1e-4)
    np.testing.assert_allclose(one.model.buffer, other.model.buffer, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (None, r"^states: expected one for all, or one for each of 64 samples, got None$"),
        (
            nd.Condition(states=STATES[:9]),
            r"^states: expected one row of states, or one for each of 64 samples, got 9$",
        ),
        (nd.Condition(states=STATES[..., :1]), r"^states: expected 2 numbers each, got 1$"),
        (
            nd.Condition(states=STATES, mask=MASK & (PLACE > 0)[:, None]),
            r"^mask: expected at least one ",
        ),
        (nd.Condition(states=STATES, labels=3), r"^labels: expected None, as the network has no classes, got some$"),
    ],
)
def test_bad_states_are_refused_before_training(told: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        nd.train(unet(), SCHEDULE, X0, told, steps=1, progress=False)
