"""Training an autoencoder: it learns, resumes to the bit, survives Ctrl-C, and keeps its scaling factor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from checks.autoencoders import options
from checks.runs import read_only

from numpy_diffusion.networks.autoencoder import compiled
from numpy_diffusion.networks.autoencoder.autoencoder import AutoencoderKL
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import checkpoints
from numpy_diffusion.training.autoencoder import train_autoencoder
from numpy_diffusion.training.loop import train
from numpy_diffusion.training.run import AutoencoderRun, load_run

SETTINGS: dict[str, Any] = dict(steps=6, batch=3, checkpoint_every=2, progress=False)


def images(n: int = 12) -> np.ndarray:
    """Stripes of two colours."""
    rng = np.random.default_rng(0)
    colours = rng.uniform(-1.0, 1.0, (2, n, 3, 1, 1))
    return np.where(np.arange(8) % 4 < 2, *colours) * np.ones((8, 1))


def short(**more: Any) -> AutoencoderRun:
    return train_autoencoder(AutoencoderKL(**options()), images(), **SETTINGS | more)


def stop(run: AutoencoderRun) -> None:
    raise KeyboardInterrupt


def assert_same(one: AutoencoderRun, two: AutoencoderRun) -> None:
    np.testing.assert_array_equal(one.autoencoder.buffer, two.autoencoder.buffer)
    np.testing.assert_array_equal(one.losses, two.losses)
    assert one.autoencoder.scaling_factor == two.autoencoder.scaling_factor


def test_it_learns_to_give_back_what_it_is_shown() -> None:
    run = short(steps=150, batch=6, learning_rate=1e-2, average_decay=0.9, checkpoint_every=1000)
    model = run.autoencoder
    error = ((model.decode(model.encode(images()).mean) - images()) ** 2).mean()
    assert error < 0.4 * images().var()
    assert run.losses[-10:].mean() < 0.4 * run.losses[:10].mean()


def test_the_two_forms_take_the_same_steps() -> None:
    one, two = short(backend="numba"), short(backend="numpy")
    np.testing.assert_allclose(one.losses, two.losses, rtol=1e-4)
    np.testing.assert_allclose(one.autoencoder.buffer, two.autoencoder.buffer, rtol=0, atol=2e-3)


def test_a_run_goes_on_to_the_bit_after_ctrl_c(tmp_path: Path) -> None:
    whole = short(out=tmp_path / "whole")
    begun = short(out=tmp_path / "begun", after_checkpoint=stop)
    assert (begun.step, begun.interrupted) == (2, True)
    assert (begun.autoencoder.buffer != whole.autoencoder.buffer).any()
    assert_same(short(out=tmp_path / "begun", resume=True), whole)
    assert_same(short(), whole)
    for folder in ("whole", "begun"):
        found = checkpoints.load(tmp_path / folder)
        assert type(found) is AutoencoderKL
        np.testing.assert_array_equal(found.buffer, whole.autoencoder.buffer)
        assert found.scaling_factor == whole.autoencoder.scaling_factor != found.config.scaling_factor
    assert "6 of 6 steps" in repr(whole)
    assert "AutoencoderKL" in repr(whole)


def test_a_finished_run_is_given_more_steps(tmp_path: Path) -> None:
    short(out=tmp_path / "run")
    more = short(out=tmp_path / "run", resume=True, steps=8)
    assert (more.step, more.steps) == (8, 8)


def test_the_same_bits_on_any_number_of_threads() -> None:
    found, before = [], numba.get_num_threads()
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            found.append(short())
    finally:
        numba.set_num_threads(before)
    assert_same(*found)


def test_the_scaling_factor_is_that_of_the_averaged_network_over_the_data() -> None:
    told: list[AutoencoderRun] = []
    run = short(after_checkpoint=told.append)
    assert [part.step for part in told] == [2, 4, 6]
    z = run.autoencoder.encode(images().astype(np.float32)).sample()
    assert run.autoencoder.scaling_factor == pytest.approx(1.0 / z.std(), rel=1e-5)
    assert_same(told[-1], run)
    assert told[0].autoencoder.scaling_factor != run.autoencoder.scaling_factor


def test_by_the_definitions_no_kernel_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in the steps, nor where the scaling factor is measured."""

    def refused(*given: Any) -> None:
        raise AssertionError("a kernel was called")

    monkeypatch.setattr(compiled, "through", refused)
    monkeypatch.setattr(compiled, "gradients", refused)
    short(backend="numpy", steps=2, checkpoint_every=1, after_checkpoint=lambda run: None)


def test_arguments_are_those_of_the_run_that_is_resumed(tmp_path: Path) -> None:
    short(out=tmp_path, after_checkpoint=stop)
    for name, value in {"kl_weight": 1.0, "batch": 4, "seed": 1, "learning_rate": 1.0}.items():
        with pytest.raises(ValueError, match=rf"^{name}: expected .* as in the checkpoint, got "):
            short(out=tmp_path, resume=True, **{name: value})
    with pytest.raises(ValueError, match=r"^x0: expected .* as in the checkpoint, got "):
        train_autoencoder(AutoencoderKL(**options()), images(9), out=tmp_path, resume=True, **SETTINGS)


def test_the_run_of_another_kind_of_network_is_refused(tmp_path: Path) -> None:
    short(out=tmp_path / "autoencoder")
    for open_run in (load_run, checkpoints.read):
        with pytest.raises(ValueError, match=r"expected the run of Network, got that of AutoencoderKL"):
            open_run(tmp_path / "autoencoder")
    points = np.zeros((4, 1))
    train(MLP(1, 4, 0), Schedule.linear(T=5), points, steps=2, out=tmp_path / "points", progress=False)
    with pytest.raises(ValueError, match=r"points: expected the run of AutoencoderKL, got that of MLP"):
        short(out=tmp_path / "points", resume=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("autoencoder", MLP(1, 4, 0)),
        ("autoencoder", AutoencoderKL(**options(), dtype=np.float64)),
        ("autoencoder", read_only(AutoencoderKL(**options()))),
        ("x0", images()[:, :2]),
        ("x0", 3.0 * images()),
        ("kl_weight", -1.0),
        ("steps", 0),
        ("batch", 0),
        ("learning_rate", -1.0),
        ("average_decay", 2.0),
        ("checkpoint_every", 0),
        ("seed", -1),
        ("backend", "torch"),
    ],
)
def test_bad_input_is_one_sentence(name: str, value: Any) -> None:
    given = dict(autoencoder=AutoencoderKL(**options()), x0=images()) | SETTINGS | {name: value}
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got ") as caught:
        train_autoencoder(**given)
    assert "\n" not in str(caught.value)


def test_a_loss_that_is_no_number_keeps_the_last_good_weights() -> None:
    model = AutoencoderKL(**options())
    with pytest.raises(FloatingPointError, match="expected finite numbers"):
        train_autoencoder(model, images(), **SETTINGS | dict(learning_rate=1e30, steps=50))
    assert np.isfinite(model.buffer).all()
