"""Checkpoints: what goes in comes out to the bit, no crash leaves half of one, and no damage goes unnoticed."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from numpy_diffusion import _files
from numpy_diffusion.models.network import Network
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import checkpoints, config_text, step_sampling, tensors
from numpy_diffusion.training.optimizers import learning_rates

SCHEDULE = Schedule.cosine(T=10)
TRAINING = {"steps": 100, "learning_rate": 0.01, "warmup": 3}
DATA = {"name": "spiral", "shape": [8, 2], "sha256": "ab" * 32}


def example(step: int, seed: int = 0, model: Network | None = None) -> checkpoints.Checkpoint:
    """A checkpoint of random numbers after `step` steps."""
    random = np.random.default_rng([seed, step])
    model = model or MLP(dim=2, width=8, depth=1, embedding=4)
    training = {name: random.normal(size=model.buffer.size).astype(np.float32) for name in checkpoints.STATE}
    training["history"] = random.random(step_sampling.start(SCHEDULE.T).shape).astype(np.float32)
    training["losses"] = random.normal(size=step).astype(np.float32)
    model.buffer[:] = training["average"]
    model.shift, model.scale = random.normal(size=(2, *model.shape)).astype(np.float32)
    return checkpoints.Checkpoint(config_text.describe(model, SCHEDULE, DATA, TRAINING), model, SCHEDULE, training)


def assert_same_model(found: Network, expected: Network) -> None:
    assert type(found) is type(expected)
    assert found.config == expected.config
    for name in ("buffer", "shift", "scale"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert getattr(found, name).dtype == np.float32


def assert_holds(folder, expected: checkpoints.Checkpoint) -> None:
    found = checkpoints.read(folder)
    assert found.text == expected.text
    assert_same_model(found.model, expected.model)
    np.testing.assert_array_equal(found.schedule.beta, expected.schedule.beta)
    assert found.schedule.name == expected.schedule.name
    assert found.training.keys() == expected.training.keys()
    for name, values in expected.training.items():
        np.testing.assert_array_equal(found.training[name], values)


@pytest.fixture
def folder(tmp_path):
    checkpoints.create(tmp_path / "run", example(5))
    return tmp_path / "run"


# What stands in the folder


@pytest.mark.parametrize("step", [0, 1, 100])
def test_what_is_written_is_read_to_the_bit(tmp_path, step):
    checkpoints.create(tmp_path / "a" / "run", example(step))
    assert_holds(tmp_path / "a" / "run", example(step))
    assert_same_model(checkpoints.load(str(tmp_path / "a" / "run")), example(step).model)
    assert sorted(os.listdir(tmp_path / "a")) == ["run"]
    assert sorted(os.listdir(tmp_path / "a" / "run")) == sorted(checkpoints.FILES)


def test_files_are_plain_safetensors_and_json(folder):
    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    assert set(weights) == {*example(5).model.params, "shift", "scale", "beta"}
    np.testing.assert_array_equal(weights["beta"], SCHEDULE.beta)
    np.testing.assert_array_equal(weights["hidden.0.weight"], example(5).model.params["hidden.0.weight"])
    training = safetensors.numpy.load_file(folder / "training.safetensors")
    assert set(training) == {*checkpoints.STATE, "losses"}
    config = json.loads((folder / "config.json").read_text())
    assert config["network"] == {"class": "MLP", "config": example(5).model.options}
    assert config["schedule"] == {"name": "cosine", "T": 10}
    assert config["data"] == DATA
    assert config["training"] == TRAINING


def test_loss_table_has_every_step_with_its_rate(folder):
    lines = (folder / "loss.csv").read_text().splitlines()
    assert lines[0] == "step,loss,learning_rate"
    step, loss, rate = np.loadtxt(lines[1:], delimiter=",").T
    np.testing.assert_array_equal(step, [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(loss.astype(np.float32), example(5).training["losses"])
    np.testing.assert_allclose(rate, learning_rates(0.01, 100, 3)[:5], rtol=1e-8)


def test_a_new_checkpoint_takes_the_place_of_the_old(folder):
    checkpoints.write(folder, example(9))
    assert_holds(folder, example(9))
    assert sorted(os.listdir(folder)) == sorted(checkpoints.FILES)


def test_files_have_the_rights_of_any_new_file(folder):
    (folder.parent / "plain").write_text("")
    plain = (folder.parent / "plain").stat().st_mode
    assert {(folder / name).stat().st_mode for name in checkpoints.FILES} == {plain}


# Crashes


class Crash(BaseException):
    """Nothing that an `except Exception` would catch."""


def crash_at(monkeypatch, function: str, call: int, error: BaseException) -> None:
    """Let the given call of a function of `os` raise."""
    real, calls = getattr(os, function), iter(range(10**6))

    def crashing(*arguments, **options):
        if next(calls) == call:
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr(os, function, crashing)


@pytest.mark.parametrize("call", [0, 1, 2])
def test_crash_before_a_rename_leaves_old_or_new(folder, monkeypatch, call):
    with monkeypatch.context() as patch:
        crash_at(patch, "replace", call, Crash())
        with pytest.raises(Crash):
            checkpoints.write(folder, example(9))
    training = checkpoints.read(folder).training
    expected = example(5 if call == 0 else 9)  # training.safetensors is written first
    np.testing.assert_array_equal(training["losses"], expected.training["losses"])
    assert_same_model(checkpoints.load(folder), example(9 if call == 2 else 5).model)
    assert sorted(os.listdir(folder)) == sorted(checkpoints.FILES)


def test_read_takes_the_average_that_belongs_to_the_losses(folder, monkeypatch):
    with monkeypatch.context() as patch:
        crash_at(patch, "replace", 1, Crash())
        with pytest.raises(Crash):
            checkpoints.write(folder, example(9))
    np.testing.assert_array_equal(checkpoints.read(folder).model.buffer, example(9).training["average"])


@pytest.mark.parametrize(("function", "calls"), [("replace", 5), ("fsync", 9)])
def test_crash_while_the_folder_is_made_leaves_nothing(tmp_path, monkeypatch, function, calls):
    for call in range(calls):
        with monkeypatch.context() as patch:
            crash_at(patch, function, call, Crash())
            with pytest.raises(Crash):
                checkpoints.create(tmp_path / "run", example(0))
        if function == "replace" or call < 8:  # the last fsync comes after the folder has its name
            assert os.listdir(tmp_path) == []
    checkpoints.remove_leftovers(tmp_path / "run")
    if os.listdir(tmp_path):
        assert_holds(tmp_path / "run", example(0))


@pytest.mark.parametrize("step", ["write", "fsync", "replace", "mkdir"])
def test_full_disk_is_one_sentence_and_no_folder(tmp_path, monkeypatch, step):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Full(io.FileIO):
        def write(self, content):
            super().write(content[: len(content) // 2])
            raise full

    if step == "write":
        monkeypatch.setattr(_files, "open", Full, raising=False)
    else:
        crash_at(monkeypatch, step, 0, full)
    with pytest.raises(OSError, match=r"^out: cannot write to .*run: No space left on device$"):
        checkpoints.create(tmp_path / "run", example(0))
    assert os.listdir(tmp_path) == []


def test_full_disk_keeps_the_old_checkpoint(folder, monkeypatch):
    with monkeypatch.context() as patch:
        crash_at(patch, "fsync", 0, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        with pytest.raises(OSError, match=r"^out: cannot write to .*run: No space left on device$"):
            checkpoints.write(folder, example(9))
    assert_holds(folder, example(5))


def test_leftovers_of_killed_processes_go_and_nothing_else_does(folder):
    other = [folder / ".model.safetensors", folder / "model.safetensors.tmp", folder.parent / ".runs.7.tmp"]
    for path in other:
        path.write_text("not ours")
    (folder.parent / ".run.123.tmp").mkdir()
    (folder.parent / ".run.123.tmp" / "config.json").write_text("half")
    (folder / ".loss.csv.99.tmp").write_text("half")
    checkpoints.remove_leftovers(folder)
    assert sorted(os.listdir(folder.parent)) == [".runs.7.tmp", "run"]
    assert sorted(os.listdir(folder)) == sorted([*checkpoints.FILES, *(path.name for path in other[:2])])


# Places that will not do


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "run").mkdir()
    checkpoints.create(tmp_path / "run", example(0))
    assert_holds(tmp_path / "run", example(0))
    assert os.listdir(tmp_path) == ["run"]


def test_a_mount_point_is_filled_and_not_replaced(tmp_path, monkeypatch):
    """Of a folder that others have made the place may be fixed, and what is beside it hidden."""
    mounted, iterdir = tmp_path / "run", Path.iterdir
    (mounted / "lost+found").mkdir(parents=True)
    (mounted / ".model.safetensors.1.tmp").write_text("half, of a run that was killed")

    def denied(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "iterdir", lambda path: denied() if path == tmp_path else iterdir(path))
    for name in ("mkdir", "rmdir"):
        monkeypatch.setattr(os, name, denied)
    checkpoints.create(mounted, example(0))
    assert_holds(mounted, example(0))
    assert sorted(os.listdir(mounted)) == sorted([*checkpoints.FILES, "lost+found"])
    checkpoints.remove_leftovers(mounted)  # as a run that goes on does first


@pytest.mark.parametrize("call", range(4))
def test_an_empty_folder_stays_empty_where_filling_it_fails(tmp_path, monkeypatch, call):
    crash_at(monkeypatch, "replace", call, Crash())
    with pytest.raises(Crash):
        checkpoints.create(tmp_path, example(0))
    assert os.listdir(tmp_path) == []


def test_a_folder_with_a_checkpoint_is_not_overwritten(folder):
    with pytest.raises(
        FileExistsError, match=r"^out: .* but .*run holds a checkpoint: resume it, or choose another$"
    ):
        checkpoints.create(folder, example(0))
    assert_holds(folder, example(5))


def test_a_folder_with_files_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(FileExistsError, match=f"^out: expected a new or empty folder, but {tmp_path} holds files$"):
        checkpoints.create(tmp_path, example(0))
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_the_current_folder_is_taken_if_it_is_empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoints.create(".", example(0))
    assert_holds(Path("."), example(0))


def test_a_file_is_no_place(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match=r"^out: expected a new folder, but .*file is a file$"):
        checkpoints.create(tmp_path / "file", example(0))
    with pytest.raises(OSError, match=r"^out: cannot write to .*: Not a directory$"):
        checkpoints.create(tmp_path / "file" / "run", example(0))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("given", [None, 3, b"run", ["run"]])
def test_a_path_must_be_one(given):
    with pytest.raises(ValueError, match=r"^folder: expected a path, got "):
        checkpoints.load(given)
    with pytest.raises(ValueError, match=r"^out: expected a path, got "):
        checkpoints.create(given, example(0))


# Damage


def rewrite(folder, name, change):
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


def swap_with_another_run(folder):
    checkpoints.create(folder.parent / "other", example(5, seed=1))
    config = (folder.parent / "other" / "config.json").read_text().replace('"steps": 100', '"steps": 200')
    other = checkpoints.Checkpoint(config, example(5).model, SCHEDULE, example(5).training)
    checkpoints.write(folder.parent / "other", other)
    shutil.copy(folder.parent / "other" / "model.safetensors", folder)


DAMAGE = {
    "no folder": (lambda f: shutil.rmtree(f), "run"),
    "an empty folder": (lambda f: [path.unlink() for path in f.iterdir()], "run"),
    "a file": (lambda f: (shutil.rmtree(f), f.write_text("")), "run"),
    "no config": (lambda f: (f / "config.json").unlink(), "run"),
    "no model": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors"),
    "empty config": (lambda f: rewrite(f, "config.json", lambda _: b""), "config.json"),
    "config cut": (lambda f: rewrite(f, "config.json", lambda b: b[:-9]), "config.json"),
    "config not text": (lambda f: rewrite(f, "config.json", lambda _: bytes(range(256))), "config.json"),
    "config nested": (lambda f: rewrite(f, "config.json", lambda _: b"[" * 10**5), "config.json"),
    "config a list": (lambda f: rewrite(f, "config.json", lambda _: b"[1, 2]"), "config.json"),
    "foreign config": (lambda f: rewrite(f, "config.json", lambda _: b'{"_class_name": "UNet"}'), "config.json"),
    "setting altered": (
        lambda f: rewrite(f, "config.json", lambda b: b.replace(b'"steps": 100', b'"steps": 101')),
        "config.json",
    ),
    "network altered": (
        lambda f: rewrite(f, "config.json", lambda b: b.replace(b'"residual": true', b'"residual": false')),
        "config.json",
    ),
    "empty model": (lambda f: rewrite(f, "model.safetensors", lambda _: b""), "model.safetensors"),
    "model cut in the header": (lambda f: rewrite(f, "model.safetensors", lambda b: b[:50]), "model.safetensors"),
    "model cut": (lambda f: rewrite(f, "model.safetensors", lambda b: b[:-1]), "model.safetensors"),
    "model longer": (lambda f: rewrite(f, "model.safetensors", lambda b: b + b"\0"), "model.safetensors"),
    "one bit": (
        lambda f: rewrite(f, "model.safetensors", lambda b: b[:-100] + bytes([b[-100] ^ 1]) + b[-99:]),
        "model.safetensors",
    ),
    "no checksum": (
        lambda f: rewrite(f, "model.safetensors", lambda b: safetensors.numpy.save(safetensors.numpy.load(b))),
        "model.safetensors",
    ),
    "a pickle": (lambda f: rewrite(f, "model.safetensors", lambda _: pickle.dumps({})), "model.safetensors"),
    "model of another run": (swap_with_another_run, "model.safetensors"),
    "model a folder": (
        lambda f: ((f / "model.safetensors").unlink(), (f / "model.safetensors").mkdir()),
        "model.safetensors",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_one_sentence_that_names_the_file(folder, kind):
    damage, name = DAMAGE[kind]
    damage(folder)
    for function in (checkpoints.load, checkpoints.read):
        with pytest.raises((ValueError, OSError)) as caught:
            function(folder)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)


def test_format_of_another_version_is_told(folder):
    rewrite(folder, "config.json", lambda b: b.replace(b'"version": 1', b'"version": 2'))
    with pytest.raises(ValueError, match=r"config\.json: expected format version 1, got 2$"):
        checkpoints.load(folder)


@pytest.mark.parametrize("damage", [lambda b: b[:-3], lambda b: b"", lambda b: b[:-1] + bytes([b[-1] ^ 64])])
def test_damage_to_what_only_training_needs(folder, damage):
    rewrite(folder, "training.safetensors", damage)
    with pytest.raises(ValueError, match=r"training\.safetensors: "):
        checkpoints.read(folder)
    assert_same_model(checkpoints.load(folder), example(5).model)
    (folder / "training.safetensors").unlink()
    with pytest.raises(OSError, match=r"training\.safetensors: cannot read .*: No such file or directory$"):
        checkpoints.read(folder)


def test_no_altered_byte_changes_what_is_read(folder):
    path, expected = folder / "model.safetensors", example(5).model
    content = path.read_bytes()
    refused, places = 0, range(0, len(content), 7)
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        try:
            model = checkpoints.load(folder)
        except ValueError:
            refused += 1
        else:
            assert_same_model(model, expected)  # the byte was in the padding of the header, which means nothing
    assert refused >= len(places) - 2


FORGED = {
    "another shape than the network's": (lambda t: t.update(shift=np.zeros(3, np.float32)), "shift: expected shape"),
    "beta in float32": (lambda t: t.update(beta=t["beta"].astype(np.float32)), "beta: expected dtype float64"),
    "beta": (lambda t: t["beta"].__setitem__(3, 1.5), r"beta: expected values inside \(0, 1\)"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_arrays_that_do_not_fit_are_refused_with_a_right_checksum_too(folder, kind):
    change, sentence = FORGED[kind]
    path, text = folder / "model.safetensors", example(5).text
    arrays = tensors.unpack(path, text)
    change(arrays)
    path.write_bytes(tensors.pack(arrays, text))
    with pytest.raises(ValueError, match=sentence) as caught:
        checkpoints.load(folder)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["network"].update({"class": "UNet"}),
        lambda c: c["network"].update({"class": "Transformer"}),
        lambda c: c["network"]["config"].update(width=-1),
        lambda c: c["network"]["config"].update(colour=3),
        lambda c: c.pop("network"),
        lambda c: c.update(schedule=None),
        lambda c: c["schedule"].update(T="20"),
        lambda c: c["schedule"].update(name=20),
        lambda c: c.update(data=[]),
        lambda c: c["data"].pop("name"),
        lambda c: c["data"].update(shape=[]),
        lambda c: c["data"].update(shape=[8, None]),
        lambda c: c.pop("training"),
        lambda c: c["training"].pop("warmup"),
        lambda c: c["training"].update(steps=True),
        lambda c: c["training"].update(finished_at="60"),
        lambda c: c["data"].update(separator=5),
        lambda c: c["data"].update(decimal=[]),
    ],
)
def test_a_config_that_is_not_that_of_a_run_is_refused_with_a_right_checksum_too(folder, change):
    config = example(5).config
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    arrays = tensors.unpack(folder / "model.safetensors", example(5).text)
    (folder / "model.safetensors").write_bytes(tensors.pack(arrays, json.dumps(config)))
    with pytest.raises(ValueError, match=r"config\.json: "):
        checkpoints.load(folder)
