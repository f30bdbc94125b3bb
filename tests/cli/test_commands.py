"""The command line, end to end with few steps: what it writes, what it prints, how it ends."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numba
import numpy as np
import pytest
from checks.bars import at_once
from checks.command_line import call, failure, interrupted
from PIL import Image

from numpy_diffusion import figures
from numpy_diffusion.cli import commands
from numpy_diffusion.cli.commands import main
from numpy_diffusion.data import datasets, drawings
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.training import checkpoints
from numpy_diffusion.training import loop as training
from numpy_diffusion.training import steps as stepping
from numpy_diffusion.training.run import load_run

FEW = "--steps 30 --batch 16 --learning-rate 0.002 --width 8 --depth 1 --n 64 --T 20 --quiet"


@pytest.fixture(autouse=True)
def _one_thread():
    """The networks are so small that threads would only wait for each other."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(threads)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", "--data", "moons", "--out", str(run), *FEW.split()]) == 0
    return run


# train


def test_train_is_the_function_train(trained, tmp_path):
    x0, model = datasets.moons(64, 0), MLP(dim=2, width=8, depth=1, octaves=7)
    run = training.train(model, Schedule.sigmoid(T=20), x0, steps=30, batch=16, learning_rate=0.002, progress=False)
    stored = load_run(trained)
    np.testing.assert_array_equal(stored.model.buffer, run.model.buffer)
    np.testing.assert_array_equal(stored.losses, run.losses)
    assert checkpoints.read(trained).config["data"]["name"] == "moons"


def test_train_passes_every_option_on(capsys, tmp_path):
    options = "--schedule cosine --T 15 --width 4 --depth 0 --steps 9 --batch 3 --learning-rate 0.01 --warmup 2"
    more = "--weight-decay 0.1 --average-decay 0.5 --weighting min_snr --sampling importance --learn-variance"
    more += " --octaves 2 --seed 5 --backend numpy --n 11 --quiet"
    status, out, err = call(capsys, f"train --data moons --out {{}} {options} {more}", tmp_path / "run")
    assert (status, err) == (0, "")
    run = load_run(tmp_path / "run")
    assert out == f"{tmp_path / 'run'}: 9 of 9 steps, loss {run.losses.mean():.4f} (mean of the last 9)\n"
    config = checkpoints.read(tmp_path / "run").config
    assert config["network"]["config"] == dict(
        dim=2, width=4, depth=0, residual=True, embedding=16, octaves=2, learn_variance=True
    )
    assert config["data"]["shape"] == [11, 2]
    assert config["training"] == {
        "steps": 9,
        "batch": 3,
        "learning_rate": 0.01,
        "warmup": 2,
        "weight_decay": 0.1,
        "average_decay": 0.5,
        "weighting": "min_snr",
        "sampling": "importance",
        "seed": 5,
        "backend": "numpy",
    }
    np.testing.assert_array_equal(run.schedule.beta, Schedule.cosine(T=15).beta)
    expected = datasets.moons(11, 5).mean(axis=0)
    np.testing.assert_allclose(run.model.shift, expected, rtol=1e-5)


def test_train_shows_a_bar_unless_quiet(capsys, tmp_path, monkeypatch):
    at_once(monkeypatch)
    status, _, err = call(capsys, f"train --data moons --out {{}} {FEW.removesuffix('--quiet')}", tmp_path / "run")
    assert status == 0
    assert "30/30" in err
    assert "loss=" in err


def test_train_on_tables_and_pictures(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    points = datasets.gaussian(50, np.zeros(3), np.eye(3))
    np.save("x.npy", points)
    np.savetxt("x.csv", points, delimiter=",", header="a,b,c", comments="")
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save("x.png")
    options = FEW.replace("--n 64 ", "")
    for name in ("x.npy", "x.csv"):
        assert call(capsys, f"train --data {name} --out {name}-run {options}")[0] == 0
    a, b = (checkpoints.read(f"{name}-run") for name in ("x.npy", "x.csv"))
    np.testing.assert_array_equal(a.model.buffer, b.model.buffer)
    assert a.config["data"]["shape"] == [50, 3]
    assert a.config["data"]["name"] == str(tmp_path / "x.npy")
    assert call(capsys, f"train --data x.png --out picture {FEW}")[0] == 0
    assert checkpoints.read("picture").config["data"]["shape"] == [64, 2]


@pytest.mark.parametrize("source", ["spiral", "x.npy", "x.png"])
def test_resume_needs_nothing_but_the_folder(capsys, tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", datasets.spiral(64, 3))
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save("x.png")
    options = FEW.replace("--n 64 ", "") if source == "x.npy" else FEW
    line = f"train --data {source} --schedule sigmoid --seed 3 --weighting vlb {options}"
    assert call(capsys, f"{line} --out whole")[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr(stepping, "prepare", interrupted(stepping.prepare, after=12))
        status, out, err = call(capsys, f"{line} --out run")
    assert status == 130
    assert re.match(r"run: ([1-9]|1[0-2]) of 30 steps, loss ", out)
    assert err == "numpy-diffusion: interrupted; to go on: numpy-diffusion train --out run --resume\n"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    status, out, err = call(capsys, "train --out ../run --resume --quiet")
    assert (status, err) == (0, "")
    assert out.startswith("../run: 30 of 30 steps")
    for name in checkpoints.FILES:
        assert Path("../run", name).read_bytes() == Path("../whole", name).read_bytes()


def test_a_finished_run_is_given_more_steps(capsys, tmp_path):
    run = tmp_path / "run"
    assert call(capsys, f"train --data moons --out {{}} {FEW}", run)[0] == 0
    before = load_run(run)
    status, out, err = call(capsys, "train --out {} --resume --steps 45 --quiet", run)
    assert (status, err) == (0, "")
    assert out.startswith(f"{run}: 45 of 45 steps")
    np.testing.assert_array_equal(load_run(run).losses[:30], before.losses)
    assert "steps 45, batch 16, " in call(capsys, "info {}", run)[1]
    assert call(capsys, "train --out {} --resume --quiet", run) == (0, out, "")


def test_resuming_with_a_setting_as_it_was_or_not(capsys, trained):
    line = "train --out {} --resume --quiet"
    assert (
        call(capsys, f"{line} --batch 16 --T 20 --data moons --seed 0 --schedule sigmoid --octaves 7", trained)[0]
        == 0
    )
    for option, argument in {
        "--steps 1": "steps: expected 30 as in the checkpoint, got 1",
        "--steps 1 --warmup 2": "warmup: expected an integer in 0..1, got 2",
        "--batch 17": "batch: expected 16 as in the checkpoint, got 17",
        "--learning-rate 1": "learning_rate: expected 0.002",
        "--seed 1": "seed: expected 0",
        "--T 30": "schedule: expected Schedule.sigmoid(T=20)",
        "--schedule cosine": "schedule: expected Schedule.sigmoid(T=20)",
        "--width 9": "model: expected MLP(dim=2, width=8",
        "--octaves 0": "model: expected MLP(dim=2, width=8",
        "--data spiral": "x0: expected shape [64, 2]",
        "--n 65": "x0: expected shape [64, 2]",
    }.items():
        assert failure(capsys, f"{line} {option}", trained).startswith(argument)


def test_resuming_a_run_that_does_not_name_its_data(capsys, tmp_path):
    x0 = datasets.spiral(64, 0)
    settings = dict(steps=5, batch=4, progress=False, out=tmp_path / "run")
    training.train(MLP(dim=2, width=8, depth=0), Schedule.from_beta([0.5, 0.99]), x0, **settings)
    assert failure(capsys, "train --out {} --resume", tmp_path / "run").startswith("--data: expected spiral, ")
    assert call(capsys, "train --out {} --resume --data spiral --quiet", tmp_path / "run")[0] == 0
    assert failure(capsys, "train --out {} --resume --data spiral --T 9", tmp_path / "run").startswith("--schedule: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["INT", "TERM", "HUP"])
def test_a_real_signal_ends_with_its_status_and_a_checkpoint(tmp_path, number):
    command = [sys.executable, "-m", "numpy_diffusion", "train", "--data", "spiral", "--out", "run", "--quiet"]
    settings = ["--steps", "1000000", "--batch", "16", "--width", "8", "--depth", "1", "--checkpoint-every", "50"]
    environment = os.environ | {"NUMBA_NUM_THREADS": "1"}
    standard = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, standard)  # a child of who ignores it would ignore it too
    process = subprocess.Popen(
        command + settings, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    signal.signal(number, before)
    table, began = tmp_path / "run" / "loss.csv", time.monotonic()
    try:
        while not (table.exists() and table.stat().st_size > 100) and process.poll() is None:
            time.sleep(0.01)
            assert time.monotonic() - began < 300.0  # it may have to compile, beside others
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()  # nothing where it has ended
    assert process.returncode == 128 + number, err
    assert err == "numpy-diffusion: interrupted; to go on: numpy-diffusion train --out run --resume\n"
    run = load_run(tmp_path / "run")
    assert out.startswith(f"run: {run.step} of 1000000 steps, loss ")
    assert run.step >= 50


def test_ctrl_c_elsewhere_is_status_130(capsys, monkeypatch, trained, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "read_trained", interrupted)
    assert call(capsys, "sample {} -o {}", trained, tmp_path / "x.npy") == (130, "", "numpy-diffusion: interrupted\n")
    assert os.listdir(tmp_path) == []


def test_what_failed_while_ctrl_c_waited_is_said_too(capsys, monkeypatch, trained, tmp_path):
    def failed(*_, **__):
        raise KeyboardInterrupt from FloatingPointError("loss: expected finite numbers")

    monkeypatch.setattr(checkpoints, "read_trained", failed)
    err = "numpy-diffusion: error: loss: expected finite numbers\nnumpy-diffusion: interrupted\n"
    assert call(capsys, "sample {} -o {}", trained, tmp_path / "x.npy") == (130, "", err)


# sample


def test_sample_is_the_function_sample(capsys, trained, tmp_path):
    run = load_run(trained)
    assert call(capsys, "sample {} -n 10 -o {} --quiet", trained, tmp_path / "x.npy") == (0, "", "")
    expected = sample(run.model, run.schedule, 10)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), expected)
    assert call(capsys, "sample {} -n 10 -o {} --quiet", trained, tmp_path / "x.csv")[0] == 0
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "x.csv", delimiter=",", dtype=np.float32), expected)
    options = "--seed 2 --method ddim --steps 7 --eta 0.5 --first 3"
    assert call(capsys, f"sample {{}} -n 4 -o {{}} --quiet {options}", trained, tmp_path / "x.npy")[0] == 0
    given = dict(seed=2, method="ddim", steps=7, eta=0.5, first=3)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), sample(run.model, run.schedule, 4, **given))
    assert sorted(os.listdir(tmp_path)) == ["x.csv", "x.npy"]


def test_what_has_no_kernels_in_bfloat16_says_so(capsys, trained, tmp_path):
    message = failure(capsys, "sample {} -n 4 -o {} --quiet --precision bfloat16", trained, tmp_path / "x.npy")
    assert message == "precision: expected 'float32', as a MLP has no other, got 'bfloat16'"
    assert os.listdir(tmp_path) == []


def test_a_sample_that_fails_leaves_the_old_file(capsys, monkeypatch, trained, tmp_path):
    (tmp_path / "x.npy").write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    message = failure(capsys, "sample {} -n 4 -o {} --quiet", trained, tmp_path / "x.npy")
    assert message == f"--output: cannot write to {tmp_path / 'x.npy'}: No space left on device"
    assert (tmp_path / "x.npy").read_text() == "old"
    assert os.listdir(tmp_path) == ["x.npy"]


# figure and info


def test_figure_of_a_run(capsys, trained):
    assert call(capsys, "figure {}", trained) == (0, f"{trained / 'figure.png'}\n", "")
    with Image.open(trained / "figure.png") as picture:
        assert min(picture.size) > 300
    (trained / "figure.png").unlink()


def test_figure_draws_what_is_asked_for(capsys, monkeypatch, trained, tmp_path):
    drawn = []
    monkeypatch.setattr(
        figures, "forward_reverse", lambda *args, **options: drawn.append((*args, options)) or args[3]
    )
    monkeypatch.setattr(figures, "animation", lambda *args, **options: drawn.append((*args, options)) or args[2])
    assert call(capsys, "figure {} --gif x.gif --html x.html --seed 4", trained) == (0, "x.gif\nx.html\n", "")
    assert [entry[2:] for entry in drawn] == [("x.gif", {"seed": 4}), ("x.html", {"seed": 4})]
    drawn.clear()
    assert call(capsys, "figure {} -o x.png --gif x.gif", trained) == (0, "x.png\nx.gif\n", "")
    np.testing.assert_array_equal(drawn[0][2], datasets.moons(4000, 0))
    assert drawn[0][3:] == ("x.png", {"image": None, "seed": 0})
    drawn.clear()
    assert call(capsys, "figure {} --data tank --seed 1", trained)[0] == 0
    np.testing.assert_array_equal(drawn[0][2], datasets.tank(4000, 1))
    np.testing.assert_array_equal(drawn[0][4]["image"], drawings.tank())
    drawn.clear()
    (tmp_path / "x.csv").write_text("height,weight\n1,2\n3,4\n")
    assert call(capsys, "figure {} --data {} -o x.png --gif x.gif", trained, tmp_path / "x.csv")[0] == 0
    assert [entry[-1]["names"] for entry in drawn] == [["height", "weight"]] * 2


def test_info_says_what_the_folder_holds(capsys, trained):
    status, out, err = call(capsys, "info {}", trained)
    run = load_run(trained)
    assert (status, err) == (0, "")
    for part in (
        repr(run.model),
        repr(run.schedule),
        "moons, shape [64, 2], sha256 ",
        "steps 30, batch 16, learning_rate 0.002, warmup 3, ",
        f"30 of 30 steps, loss {run.losses.mean():.4f} (mean of the last 30)",
        *(f"{trained / name}, {(trained / name).stat().st_size:,} bytes" for name in checkpoints.FILES),
    ):
        assert part in out


def test_info_before_the_first_step_has_no_loss(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(stepping, "prepare", interrupted(stepping.prepare, after=0))
    assert call(capsys, f"train --data moons --out {{}} {FEW}", tmp_path / "run")[0] == 130
    assert "progress  0 of 30 steps\n" in call(capsys, "info {}", tmp_path / "run")[1]


def test_config_and_model_are_all_that_sampling_needs(capsys, trained, tmp_path):
    """What is needed to go on with is the larger part of a run, and stays behind where one is handed on."""
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in (checkpoints.CONFIG, checkpoints.MODEL):
        shutil.copy(trained / name, alone)
    for folder, output in ((trained, tmp_path / "a.npy"), (alone, tmp_path / "b.npy")):
        assert call(capsys, "sample {} -n 10 -o {} --quiet", folder, output) == (0, "", "")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))
    assert call(capsys, "figure {}", alone) == (0, f"{alone / 'figure.png'}\n", "")
    status, out, err = call(capsys, "info {}", alone)
    assert (status, err) == (0, "")
    assert "progress  not known, as there is no training.safetensors\n" in out
    assert "training.safetensors: cannot read " in failure(capsys, "train --out {} --resume", alone)


def test_a_path_may_begin_with_the_home_and_end_in_capitals(capsys, monkeypatch, trained, tmp_path):
    """The shell leaves ~ in --out=~/run and in a script's list of words."""
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(trained, tmp_path / "run")
    for output in ("~/x.NPY", "~/x.CSV"):
        assert call(capsys, f"sample ~/run -n 10 --quiet --output={output}") == (0, "", "")
    expected = np.load(tmp_path / "x.NPY")
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "x.CSV", delimiter=",", dtype=np.float32), expected)
    assert call(capsys, "figure ~/run -o ~/x.PNG --data ~/x.CSV") == (0, f"{tmp_path / 'x.PNG'}\n", "")
    few = FEW.replace("--n 64 ", "")
    assert call(capsys, f"train --data=~/x.CSV --out=~/other {few}")[0] == 0
    assert checkpoints.read("~/other").config["data"]["name"] == str(tmp_path / "x.CSV")
    x0, schedule = datasets.moons(64, 0), Schedule.linear(T=10)
    run = training.train(MLP(dim=2, width=8), schedule, x0, steps=2, progress=False, out="~/third")
    assert run.path == tmp_path / "third"
    np.testing.assert_array_equal(load_run("~/third").losses, run.losses)


# errors and help


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("train --out x", "--data: expected spiral, "),
        ("train --out x --data spirale", "--data: expected spiral, "),
        ("train --out x --data no.csv", "--data: cannot read "),
        ("train --out x --data no.png", "image: cannot read "),
        ("train --out x --data moons --steps ten", "argument --steps: invalid int value: 'ten'"),
        ("train --out x --data moons --steps 0", "steps: expected an integer"),
        ("train --out x --data moons --n 0", "n: expected an integer"),
        ("train --out x --data moons --T 0", "T: expected an integer"),
        ("train --out x --data moons --width 0", "width: expected an integer"),
        ("train --out x --data moons --batch -4", "batch: expected an integer"),
        ("train --out x --data moons --seed -1", "seed: expected an integer"),
        ("train --out x --data moons --learning-rate nan", "learning_rate: expected a finite number"),
        ("train --out x --data table.csv --n 2", "--n: expected none for table.csv"),
        ("train --out taken --data moons", "out: expected a new or empty folder"),
        ("train --out table.csv --data moons", "out: expected a new folder, but "),
        ("train --out table.csv/run --data moons", "out: cannot write to "),
        ("train --out x --resume", "x: expected a folder with a checkpoint, found no such folder"),
        ("train --out taken --resume", "taken: expected a folder with a checkpoint, found no config.json in it"),
        ("sample x -o x.npy", "x: expected a folder with a checkpoint, found no such folder"),
        ("sample RUN -o x.txt", "--output: expected a file name that ends in .npy or .csv"),
        ("sample RUN -o no/x.npy", "--output: cannot write to no/x.npy"),
        ("sample RUN -o folder.npy -n 2 --quiet", "--output: cannot write to folder.npy: Is a directory"),
        ("sample RUN -o x.npy -n 0", "n: expected an integer"),
        ("sample RUN -o x.npy --steps 21", "steps: expected an integer"),
        ("sample RUN -o x.npy --eta 2", "eta: expected "),
        ("figure taken", "taken: expected a folder with a checkpoint"),
        ("figure RUN -o x.docx", "path: expected a "),
        ("figure RUN --gif x.png", "path: expected a "),
        ("info table.csv", "table.csv: expected a folder with a checkpoint, found a file"),
    ],
)
def test_errors_are_one_line_and_status_2(capsys, monkeypatch, tmp_path, trained, line, sentence):
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("1,2\n3,4\n5,7\n")
    for folder in ("taken", "folder.npy"):
        Path(folder).mkdir()
        Path(folder, "mine").write_text("")
    before = sorted(tmp_path.rglob("*"))
    assert failure(capsys, line.replace("RUN", "{}"), trained).startswith(sentence)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_place_that_will_not_do_is_said_before_samples_are_drawn(capsys, monkeypatch, tmp_path, trained):
    def drawn(*_, **__):
        raise AssertionError

    for name in ("x.npy", "x.png", "x.gif"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(commands, "sample", drawn)
    monkeypatch.setattr(figures, "forward_reverse", drawn)
    assert failure(capsys, "sample {} -o {}", trained, tmp_path / "x.npy").endswith("x.npy: Is a directory")
    assert failure(capsys, "figure {} -o {}", trained, tmp_path / "x.png").endswith("x.png: Is a directory")
    for name, sentence in {"x.gif": "Is a directory", "x.mov": "expected a name that ends in .gif or .html"}.items():
        line = "figure {} -o {} --gif {}"
        assert sentence in failure(capsys, line, trained, tmp_path / "new.png", tmp_path / name)


def test_a_name_of_two_lines_is_an_error_of_one(capsys):
    assert failure(capsys, "info {}", "no\nrun").startswith("no run: expected a folder")


def test_divergence_is_one_line(capsys, tmp_path):
    message = failure(
        capsys, f"train --data moons --out {{}} {FEW.replace('0.002', '1e38')} --warmup 0", tmp_path / "run"
    )
    assert "a smaller learning_rate may help" in message


def test_a_damaged_run_is_one_line(capsys, tmp_path):
    assert call(capsys, f"train --data moons --out {{}} {FEW}", tmp_path / "run")[0] == 0
    (tmp_path / "run" / "training.safetensors").write_bytes(b"\n\n")
    assert "training.safetensors: " in failure(capsys, "info {}", tmp_path / "run")


def test_warnings_are_one_line(capsys, tmp_path):
    x0 = datasets.spiral(64, 0)
    with pytest.warns(UserWarning, match="x_T is not Gaussian noise"):
        schedule = Schedule.from_beta([0.1])
    training.train(MLP(dim=2, width=8, depth=0), schedule, x0, steps=2, progress=False, out=tmp_path / "run")
    status, _, err = call(capsys, "info {}", tmp_path / "run")
    assert status == 0
    assert re.fullmatch(r"numpy-diffusion: warning: schedule: x_T is not Gaussian noise: [^\n]+\n", err)


def test_python_m_is_the_command(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "numpy_diffusion", "info", "no/run"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "numpy-diffusion: error: no/run: expected a folder with a checkpoint, found no such folder\n"


def test_what_is_printed_appears_at_once_in_a_pipe_too(tmp_path):
    """The line is there while the command still runs, waiting for someone to write to a named pipe."""
    os.mkfifo(tmp_path / "waits")
    code = (
        "import sys, numpy_diffusion.cli.commands as commands\n"
        "commands._info = lambda options: print('first') or len(open(options['run']).read())\n"
        "sys.exit(commands.main(['info', sys.argv[1]]))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", code, tmp_path / "waits"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        appeared = bool(select.select([process.stdout], [], [], 120.0)[0])
        (tmp_path / "waits").write_text("")
        assert process.wait(timeout=120) == 0
        assert appeared
        assert process.stdout.read() == b"first\n"
