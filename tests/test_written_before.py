"""Folders that an older version wrote still open, and a run begun there still goes on.

`written_before/` holds a run of an MLP, stopped at step 7 of 12; one of a U-Net with classes, stopped at step 4 of 6;
and a pipeline in diffusers' layout.  They were written by commit b502c2f, before the package had its folders, with
the arguments that stand here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numpy_diffusion as nd
from numpy_diffusion.models.network import Network
from numpy_diffusion.training import checkpoints

FOLDER = Path(__file__).parent / "written_before"
SCHEDULE = nd.Schedule.linear(T=20)
# Small whole numbers and fractions of 8, so that no machine rounds them otherwise.
POINTS = np.stack([np.arange(16) % 5, np.arange(16) % 7], axis=1) * [3.0, 0.5] + [7.0, -1.0]
IMAGES = (np.arange(6 * 16) % 17 - 8.0).reshape(6, 1, 4, 4) / 8.0
UNET: dict[str, Any] = dict(
    sample_size=4,
    in_channels=1,
    out_channels=1,
    block_out_channels=(4,),
    layers_per_block=1,
    norm_num_groups=2,
    time_embedding_dim=4,
    down_block_types=("DownBlock2D",),
    up_block_types=("UpBlock2D",),
    add_attention=False,
)


def mlp(**settings: Any) -> nd.Run:
    model = nd.MLP(dim=2, width=4, depth=1, embedding=4)
    more: dict[str, Any] = dict(steps=12, batch=8, learning_rate=0.002, sampling="importance", checkpoint_every=7)
    return nd.train(model, SCHEDULE, POINTS, progress=False, **more | settings)


def unet(**settings: Any) -> nd.Run:
    model = nd.UNet(**UNET, num_class_embeds=3, dropout=0.1, seed=1)
    more: dict[str, Any] = dict(steps=6, batch=4, mirror=True, backend="numpy", checkpoint_every=4)
    return nd.train(model, SCHEDULE, IMAGES, np.arange(6) % 2, progress=False, **more | settings)


RUNS = {"mlp": (mlp, 7, 12), "unet": (unet, 4, 6)}
DIGESTS = {  # SHA-256 of the weights' bytes as the older version had them
    "mlp": "ce0739d7079eced89ec9046e86610c8fb564fb75f866ac7c98c73adc0a73175d",
    "unet": "93e5c37305410ab4fc8702757cfd2331cf233cd3db7d87dbf0dbd791477770f8",
    "pipeline": "689c0589daa5758c518b191b328433f5f3c73394a3e7c515dc5a8215d5f5f606",
}


def digest(model: Network) -> str:
    return hashlib.sha256(model.buffer.tobytes()).hexdigest()


@pytest.mark.parametrize("name", RUNS)
def test_a_run_opens_with_the_weights_that_it_had(name: str) -> None:
    make, step, steps = RUNS[name]
    run = nd.load_run(FOLDER / name)
    assert (digest(nd.load(FOLDER / name)), digest(run.model)) == (DIGESTS[name],) * 2
    assert (run.step, run.steps, run.interrupted) == (step, steps, True)
    np.testing.assert_array_equal(run.schedule.beta, SCHEDULE.beta)
    expected = make(steps=1).model
    assert run.model.config == expected.config
    np.testing.assert_array_equal(run.model.shift, expected.shift)
    np.testing.assert_array_equal(run.model.scale, expected.scale)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_goes_on_where_it_stopped(name: str, tmp_path: Path) -> None:
    """Its arguments are still known by the same names and checksum.

    To rounding, since kernels add in another order where the registers are wider; the steps done there are kept to
    the bit.
    """
    make, step, steps = RUNS[name]
    shutil.copytree(FOLDER / name, tmp_path / "run")
    with pytest.raises(ValueError, match=r"^seed: expected 0 as in the checkpoint, got 1$"):
        make(out=tmp_path / "run", resume=True, seed=1)
    run, whole = make(out=tmp_path / "run", resume=True), make(out=tmp_path / "whole")
    assert (run.step, run.interrupted) == (steps, False)
    np.testing.assert_array_equal(run.losses[:step], nd.load_run(FOLDER / name).losses)
    np.testing.assert_allclose(run.losses, whole.losses, rtol=1e-4)
    np.testing.assert_allclose(run.model.buffer, whole.model.buffer, rtol=0, atol=1e-5)
    assert np.abs(run.model.buffer - nd.load(FOLDER / name).buffer).max() > 1e-4
    assert (tmp_path / "run" / checkpoints.CONFIG).read_text() == (FOLDER / name / checkpoints.CONFIG).read_text()


def test_a_pipeline_opens_with_the_weights_that_it_had(tmp_path: Path) -> None:
    one, two = nd.Pipeline.from_diffusers(FOLDER / "pipeline"), nd.load_diffusers(FOLDER / "pipeline")
    assert isinstance(two, nd.Pipeline)
    for found in (one, two):
        assert digest(found.unet) == DIGESTS["pipeline"]
        assert found.unet.config == nd.UNet(**UNET).config
        assert (found.prediction, found.clip, found.variance) == ("v", 1.5, "beta_tilde")
        np.testing.assert_array_equal(found.schedule.beta, nd.Schedule.cosine(T=20).beta)
    nd.save_diffusers(one, tmp_path)
    files = [path.relative_to(FOLDER / "pipeline") for path in (FOLDER / "pipeline").rglob("*") if path.is_file()]
    assert len(files) == 4
    for path in files:
        before, now = (folder / path for folder in (FOLDER / "pipeline", tmp_path))
        if path.suffix == ".json":
            assert json.loads(before.read_text()) == json.loads(now.read_text())
        else:
            assert before.read_bytes() == now.read_bytes()
