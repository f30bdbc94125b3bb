"""The command line on images, end to end with a tiny U-Net and few steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.command_line import call, failure, interrupted
from PIL import Image

from numpy_diffusion.cli.commands import main
from numpy_diffusion.data import image_datasets
from numpy_diffusion.models.converted import clipped
from numpy_diffusion.models.guided import guided
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.training import checkpoints
from numpy_diffusion.training import loop as training
from numpy_diffusion.training import steps as stepping
from numpy_diffusion.training.run import load_run

TINY = "--channels 4,8 --layers-per-block 1 --steps 4 --batch 3 --T 10 --backend numpy --quiet"


@pytest.fixture(autouse=True)
def _definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks are so small that the NumPy definition has answered before a kernel is read from its cache."""
    called = UNet.__call__
    monkeypatch.setattr(
        UNet, "__call__", lambda model, *given, **named: called(model, *given, **named | {"backend": "numpy"})
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the digits of scikit-learn, with labels."""
    run = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", "--data", "digits", "--out", str(run), *TINY.split()]) == 0
    return run


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two classes of three pictures each, in colour."""
    place = tmp_path_factory.mktemp("pictures")
    for number in range(6):
        (place / "ab"[number % 2]).mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (10, 12, 3), np.uint8)
        Image.fromarray(pixels).save(place / "ab"[number % 2] / f"{number}.png")
    return place


def test_train_is_the_function_train(trained: Path) -> None:
    images = image_datasets.digits()
    model = UNet(
        sample_size=(8, 8),
        in_channels=1,
        out_channels=1,
        block_out_channels=(4, 8),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        attention_head_dim=4,
        num_class_embeds=11,
    )
    settings: dict[str, Any] = dict(steps=4, batch=3, progress=False, backend="numpy")
    run = training.train(model, Schedule.sigmoid(T=10), images.x0, images.labels, **settings)
    stored = load_run(trained)
    assert stored.model.config == run.model.config
    np.testing.assert_array_equal(stored.model.buffer, run.model.buffer)
    np.testing.assert_array_equal(stored.losses, run.losses)
    data = checkpoints.read(trained).config["data"]
    assert (data["name"], data["shape"]) == ("digits", [1797, 1, 8, 8])
    assert data["labels"] == np.bincount(images.labels).tolist()


def test_a_run_goes_on_in_the_precision_that_it_was_trained_in(capsys, tmp_path: Path) -> None:
    """And says so where another is asked for, or the definition is to train in it."""
    run, options = tmp_path / "run", TINY.replace("--backend numpy", "--precision bfloat16")
    assert call(capsys, f"train --data digits --out {{}} {options}", run)[0] == 0
    assert checkpoints.read(run).config["training"]["precision"] == "bfloat16"
    assert call(capsys, "train --out {} --resume --steps 6 --quiet", run)[0] == 0
    assert load_run(run).step == 6
    message = failure(capsys, "train --out {} --resume --steps 6 --precision float32 --quiet", run)
    assert message == "precision: expected bfloat16 as in the checkpoint, got float32"
    message = failure(capsys, f"train --data digits --out {{}} {TINY} --precision bfloat16", tmp_path / "other")
    assert message == "precision: expected 'float32', as the definition has no other, got 'bfloat16'"


def test_train_passes_every_option_on(capsys, tmp_path: Path, pictures: Path) -> None:
    options = "--size 8 --colour --channels 6,4,4 --layers-per-block 1 --attention 8,2 --dropout 0.1 --mirror"
    options += " --label-dropout 0.3 --learn-variance --model unet --steps 2 --batch 2 --T 10 --backend numpy --quiet"
    assert call(capsys, f"train --data {{}} --out {{}} {options}", pictures, tmp_path / "run")[0] == 0
    run = checkpoints.read(tmp_path / "run")
    expected = {
        "sample_size": [8, 8],
        "in_channels": 3,
        "out_channels": 6,
        "block_out_channels": [6, 4, 4],
        "layers_per_block": 1,
        "down_block_types": ["AttnDownBlock2D", "DownBlock2D", "AttnDownBlock2D"],
        "up_block_types": ["AttnUpBlock2D", "UpBlock2D", "AttnUpBlock2D"],
        "norm_num_groups": 2,
        "attention_head_dim": 2,
        "dropout": 0.1,
        "num_class_embeds": 3,
    }
    assert {name: run.config["network"]["config"][name] for name in expected} == expected
    training = {"mirror": True, "label_dropout": 0.3, "batch": 2, "learning_rate": 1e-3}
    assert {name: run.config["training"][name] for name in training} == training
    assert run.config["data"]["shape"] == [6, 3, 8, 8]
    assert run.config["data"]["name"] == str(pictures)


@pytest.mark.parametrize("labels", ["--no-labels", "--labels"])
def test_labels_are_an_option(capsys, tmp_path: Path, labels: str) -> None:
    line = f"train --data scenes --n 5 --out {{}} {labels} {TINY} --attention none --channels 4"
    assert call(capsys, line, tmp_path / "run")[0] == 0
    config = checkpoints.read(tmp_path / "run").config
    assert config["network"]["config"]["num_class_embeds"] == (4 if labels == "--labels" else None)
    assert config["network"]["config"]["down_block_types"] == ["DownBlock2D"]
    assert config["data"]["shape"] == [5, 1, 32, 32]


@pytest.mark.parametrize("data", ["digits", "scenes --n 6 --attention 32 --no-labels", "FOLDER --size 8 --colour"])
def test_resume_needs_nothing_but_the_folder(capsys, tmp_path: Path, monkeypatch, pictures: Path, data: str) -> None:
    monkeypatch.chdir(pictures)
    line = f"train --data {data.replace('FOLDER', '.')} --seed 3 {TINY} --mirror"
    assert call(capsys, f"{line} --out {{}}", tmp_path / "whole")[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr(stepping, "prepare", interrupted(stepping.prepare, after=2))
        assert call(capsys, f"{line} --out {{}}", tmp_path / "run")[0] == 130
    monkeypatch.chdir(tmp_path)
    assert call(capsys, "train --out run --resume --quiet")[0] == 0
    for name in checkpoints.FILES:
        assert Path("run", name).read_bytes() == Path("whole", name).read_bytes()


def test_resuming_with_a_setting_as_it_was_or_not(capsys, trained: Path) -> None:
    line = "train --out {} --resume --quiet"
    same = "--channels 4,8 --layers-per-block 1 --attention 4 --labels --label-dropout 0.1 --data digits --model unet"
    assert call(capsys, f"{line} {same}", trained)[0] == 0
    for option, argument in {
        "--channels 4,4": "model: expected UNet(",
        "--no-labels": "model: expected UNet(",
        "--mirror": "mirror: expected False as in the checkpoint, got True",
        "--label-dropout 0.2": "label_dropout: expected 0.1",
        "--data scenes --n 5": "x0: expected shape [N, 1, 8, 8], got [5, 1, 32, 32]",
        "--data moons": "x0: expected shape [N, 1, 8, 8], got [1797, 2]",
    }.items():
        assert failure(capsys, f"{line} {option}", trained).startswith(argument)


def test_previews_are_written_at_every_checkpoint(capsys, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("numpy_diffusion.cli.commands.PREVIEW", {"n": 20, "method": "ddim", "steps": 2})
    line = f"train --data digits --out {{}} {TINY} --checkpoint-every 3 --preview"
    assert call(capsys, line, tmp_path / "run")[0] == 0
    written = sorted(path.name for path in (tmp_path / "run").glob("preview*"))
    assert written == ["preview-3.png", "preview-4.png"]


# sample


def test_sample_takes_the_classes_in_turn_or_the_one_asked_for(capsys, trained: Path, tmp_path: Path) -> None:
    run = load_run(trained)
    for options, labels, scale, more in (
        ("", np.arange(4), 1.0, {}),
        ("--first 8", [8, 9, 0, 1], 1.0, {"first": 8}),
        ("--label 7", [7] * 4, 1.0, {}),
        ("--label 7 --guidance 3 --seed 2", [7] * 4, 3.0, {"seed": 2}),
        ("--label 10", [10] * 4, 1.0, {}),  # no class
    ):
        assert call(capsys, f"sample {{}} -n 4 -o {{}} --quiet {options}", trained, tmp_path / "x.npy")[0] == 0
        model = clipped(guided(run.model, labels, scale), run.schedule)
        expected = sample(model, run.schedule, 4, **more)
        np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), expected)


def test_sample_writes_a_picture_of_the_images(capsys, trained: Path, tmp_path: Path) -> None:
    assert call(capsys, "sample {} -n 12 -o {} --quiet", trained, tmp_path / "x.png") == (0, "", "")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.width > 2 * picture.height  # two rows, of ten and two


def test_number_of_images_is_their_own_default(capsys, trained: Path, tmp_path: Path, monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(
        "numpy_diffusion.cli.commands.sample", lambda model, schedule, n, **_: seen.append(n) or np.zeros(n)
    )
    assert call(capsys, "sample {} -o {} --quiet", trained, tmp_path / "x.npy")[0] == 0
    assert seen == [40]


# figure and info


def test_figure_shows_the_data_on_its_way_and_samples(capsys, trained: Path, tmp_path: Path) -> None:
    assert call(capsys, "figure {}", trained) == (0, f"{trained / 'figure.png'}\n", "")
    with Image.open(trained / "figure.png") as picture:
        assert min(picture.size) > 300
    (trained / "figure.png").unlink()
    assert failure(capsys, "figure {} --gif x.gif", trained).startswith("--gif, --html: expected none for a run with")
    message = failure(capsys, "figure {} --data scenes -o {}", trained, tmp_path / "x.png")
    assert message == "--data: expected images [1, 8, 8], got [1, 32, 32]"
    assert failure(capsys, "figure {} --data moons -o {}", trained, tmp_path / "x.png").startswith("--data: expected")


def test_info_says_what_the_folder_holds(capsys, trained: Path) -> None:
    status, out, err = call(capsys, "info {}", trained)
    run = load_run(trained)
    assert (status, err) == (0, "")
    labels = np.bincount(image_datasets.digits().labels).tolist()
    for part in (
        repr(run.model),
        f"digits, shape [1797, 1, 8, 8], labels {labels}, sha256 ",
        "mirror False, label_d",
    ):
        assert part in out


# errors


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("train --out x --data digits --model mlp", "--model: expected unet for images, got mlp"),
        ("train --out x --data digits --n 5", "--n: expected none for digits, which is used as a whole, got 5"),
        ("train --out x --data digits --size 8", "--size, --colour: expected none for digits"),
        (
            "train --out x --data digits --no-labels --label-dropout 0.1",
            "label_dropout: expected None, as the network",
        ),
        ("train --out x --data flat --labels", "--labels: expected images with labels"),
        ("train --out x --data empty", "path: expected pictures"),
        ("sample RUN -o x.csv", "--output: expected a file name that ends in .npy or .png, got 'x.csv'"),
        ("sample RUN -o no/x.png", "--output: cannot write to no/x.png"),
        ("sample RUN -o x.png --label 11", "--label: expected an integer in 0..10, got 11"),
        ("sample RUN -o x.png --guidance nan", "scale: expected a finite number"),
    ],
)
def test_errors_are_one_line_and_status_2(capsys, monkeypatch, tmp_path, trained, line: str, sentence: str) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("flat", "empty"):
        Path(folder).mkdir()
    Image.new("L", (8, 8)).save("flat/black.png")
    before = sorted(tmp_path.rglob("*"))
    assert failure(capsys, line.replace("RUN", "{}"), trained).startswith(sentence)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("option", ["--label 1", "--guidance 2"])
def test_a_network_without_classes_takes_no_label(capsys, tmp_path: Path, option: str) -> None:
    assert call(capsys, f"train --data digits --no-labels --out {{}} {TINY}", tmp_path / "run")[0] == 0
    message = failure(capsys, f"sample {{}} -o x.npy {option}", tmp_path / "run")
    assert message.startswith(f"{option.split()[0]}: expected none, as the network has no classes, got ")
