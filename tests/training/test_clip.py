"""Training CLIP: it learns, resumes to the bit, survives Ctrl-C, and draws pairs that differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import threadpoolctl
from checks.clip import PROJECTED, VISION, joint
from checks.runs import read_only

from numpy_diffusion.networks.clip.clip import CLIP
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.training import checkpoints
from numpy_diffusion.training.clip import distinct, train_clip
from numpy_diffusion.training.run import CLIPRun, load_run

SETTINGS: dict[str, Any] = dict(steps=6, batch=4, checkpoint_every=2, progress=False)


def model(**more: Any) -> CLIP:
    return CLIP(image_encoder=VISION, text_encoder=PROJECTED, **more)


def pairs(n: int = 5) -> dict[str, np.ndarray]:
    """Images that are all different, and two words for each."""
    numbers = np.arange(n)
    return dict(
        x0=np.random.default_rng(0).uniform(-1.0, 1.0, (n, 2, 4, 4)),
        tokens=np.stack([numbers % 5, (numbers + 1) % 5, np.full(n, 6), np.full(n, 6)], axis=1),
    )


def short(**more: Any) -> CLIPRun:
    return train_clip(model(), **pairs() | SETTINGS | more)


def stop(run: CLIPRun) -> None:
    raise KeyboardInterrupt


def assert_same(one: CLIPRun, two: CLIPRun) -> None:
    np.testing.assert_array_equal(one.clip.buffer, two.clip.buffer)
    np.testing.assert_array_equal(one.losses, two.losses)


def test_it_learns_which_text_belongs_to_which_image() -> None:
    run = short(steps=150, batch=5, learning_rate=1e-2, average_decay=0.9, checkpoint_every=1000)
    found = run.clip.similarity(*pairs().values())
    assert found.argmax(axis=0).tolist() == found.argmax(axis=1).tolist() == [0, 1, 2, 3, 4]
    assert run.losses[-10:].mean() < 0.3 * run.losses[:10].mean()


def test_a_run_goes_on_to_the_bit_after_ctrl_c(tmp_path: Path) -> None:
    whole = short(out=tmp_path / "whole")
    begun = short(out=tmp_path / "begun", after_checkpoint=stop)
    assert (begun.step, begun.interrupted) == (2, True)
    assert (begun.clip.buffer != whole.clip.buffer).any()
    assert_same(short(out=tmp_path / "begun", resume=True), whole)
    assert_same(short(), whole)
    for folder in ("whole", "begun"):
        found = checkpoints.load(tmp_path / folder)
        assert type(found) is CLIP
        np.testing.assert_array_equal(found.buffer, whole.clip.buffer)
        np.testing.assert_array_equal(found.similarity(*pairs().values()), whole.clip.similarity(*pairs().values()))
    assert "6 of 6 steps" in repr(whole)
    assert "CLIP: " in repr(whole)


def test_the_two_forms_take_the_same_steps() -> None:
    one, two = short(backend="numba"), short(backend="numpy")
    np.testing.assert_allclose(one.losses, two.losses, rtol=1e-4)
    for name, values in one.clip.params.items():
        if not name.endswith("k_proj.bias"):  # whose gradient is 0 but for rounding, which Adam makes steps of
            np.testing.assert_allclose(values, two.clip.params[name], rtol=0, atol=1e-3, err_msg=name)


def test_numpy_s_threads_leave_a_step_its_cores_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]

    seen: list[int] = []

    def noting(self: CLIP, *shape: Any) -> Any:
        gradient = original(self, *shape)

        def noted(*given: Any) -> Any:
            seen.extend(threads())
            return gradient(*given)

        return noted

    original = CLIP.gradient
    monkeypatch.setattr(CLIP, "gradient", noting)
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        short(steps=2)
        assert set(threads()) == {2}
    assert set(seen) == {1}


def test_a_finished_run_is_given_more_steps(tmp_path: Path) -> None:
    short(out=tmp_path / "run")
    more = short(out=tmp_path / "run", resume=True, steps=8)
    assert (more.step, more.steps) == (8, 8)


def test_who_asks_is_told_of_the_averaged_network() -> None:
    told: list[CLIPRun] = []
    run = short(after_checkpoint=told.append)
    assert [part.step for part in told] == [2, 4, 6]
    assert_same(told[-1], run)
    assert not np.shares_memory(told[0].clip.image_encoder.buffer, run.clip.buffer)


def test_the_scale_goes_no_further_than_100() -> None:
    clip, rate = model(), 1e-3
    clip.params["logit_scale"][...] = 9.0
    train_clip(clip, **pairs() | SETTINGS | dict(steps=1, learning_rate=rate, warmup=0, average_decay=0.0))
    assert abs(float(clip.params["logit_scale"]) - np.log(100.0)) < 1.01 * rate  # one step's move from there


def test_arguments_are_those_of_the_run_that_is_resumed(tmp_path: Path) -> None:
    short(out=tmp_path, after_checkpoint=stop)
    for name, value in {"batch": 3, "seed": 1, "learning_rate": 1.0, "weight_decay": 0.1}.items():
        with pytest.raises(ValueError, match=rf"^{name}: expected .* as in the checkpoint, got "):
            short(out=tmp_path, resume=True, **{name: value})
    for name, value in {"x0": -pairs()["x0"], "tokens": pairs()["tokens"][::-1]}.items():
        with pytest.raises(ValueError, match=r"^x0 or tokens: expected .* as in the checkpoint, got "):
            short(out=tmp_path, resume=True, **{name: value})
    with pytest.raises(ValueError, match=r"expected the run of Network, got that of CLIP"):
        load_run(tmp_path)


def test_places_that_no_text_reaches_change_nothing() -> None:
    tokens = np.concatenate([pairs()["tokens"], np.full((5, 70), 6)], axis=1)
    assert_same(short(tokens=tokens), short())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clip", MLP(1, 4, 0)),
        ("clip", joint(np.float64)),
        ("clip", read_only(joint())),
        ("x0", pairs()["x0"][:, :1]),
        ("x0", 3.0 * pairs()["x0"]),
        ("tokens", pairs()["tokens"][:4]),
        ("tokens", pairs()["tokens"] + 1),
        ("tokens", ["a red plane"] * 5),
        ("steps", 0),
        ("batch", 0),
        ("batch", 6),
        ("learning_rate", -1.0),
        ("average_decay", 2.0),
        ("checkpoint_every", 0),
        ("seed", -1),
        ("backend", "torch"),
    ],
)
def test_bad_input_is_one_sentence(name: str, value: Any) -> None:
    given = dict(clip=model()) | pairs() | SETTINGS | {name: value}
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got ") as caught:
        train_clip(**given)
    assert "\n" not in str(caught.value)


def test_a_loss_that_is_no_number_keeps_the_last_good_weights() -> None:
    clip = model()
    with pytest.raises(FloatingPointError, match="expected finite numbers"), np.errstate(all="ignore"):
        train_clip(clip, **pairs() | SETTINGS | dict(learning_rate=1e30, steps=50))
    assert np.isfinite(clip.buffer).all()


def test_a_step_draws_different_numbers_each_as_often() -> None:
    counts = np.zeros(7)
    for step in range(600):
        found = distinct(seed=1, step=step, n=7, batch=3)
        assert len(set(found.tolist())) == 3
        counts[found] += 1
    expected = 600 * 3 / 7
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected * (1 - 3 / 7))
    np.testing.assert_array_equal(distinct(1, 5, 7, 3), distinct(1, 5, 7, 3))
    assert sorted(distinct(1, 5, 3, 3).tolist()) == [0, 1, 2]
