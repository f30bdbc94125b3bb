"""Each example runs from an empty folder, says what it wrote, and writes it."""

from __future__ import annotations

import functools
import importlib
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from checks.gallery import gallery
from PIL import Image

from numpy_diffusion import figures
from numpy_diffusion.data import datasets, image_datasets

EXAMPLES = Path(__file__).parent.parent / "examples"
OF_A_MODEL = [".png", "_loss.png", ".gif", ".html"]
LATENT_ENDINGS = ["", "_decoded_rows", "_latent_rows", "_latents", "_there_and_back"]
WRITTEN = {
    "nano": ["nano.png"],
    "spiral": [f"spiral{ending}" for ending in OF_A_MODEL],
    "airplane_and_tank": [f"{name}{ending}" for name in ("airplane", "tank") for ending in OF_A_MODEL],
    "own_image": [f"own_image{ending}" for ending in OF_A_MODEL],
    "forward_chain": ["forward_chain.png"],
    "schedules": ["schedules.png"],
    "explorable": ["explorable_spiral.html"],
    "bound": ["bound_terms.png", "bound_theory.png"],
    "density": ["density.png"],
    "check_your_sampler": ["check_your_sampler.png"],
    "which_schedule": ["which_schedule.csv", "which_schedule.png"],
    "digits": ["digits.png", "digits_loss.png", "digits_rows.png", "digits_training.png"],
    "shapes32": [f"shapes32{ending}.png" for ending in ("", "_between", "_loss", "_rows", "_training")],
    "inpaint": ["inpaint.png", "inpaint_training.png"],
    "from_diffusers": ["digits-8x8", "from_diffusers.png"],
    "latent_scenes": [f"latent_scenes{ending}.png" for ending in LATENT_ENDINGS],
    "pixel_or_latent": ["pixel_or_latent.csv", "pixel_or_latent.png"],
    "dalle2": [f"dalle2{ending}.png" for ending in ("", "_clip", "_prior", "_stages")],
    "dalle2_tricks": [f"dalle2_{ending}.png" for ending in ("difference", "interpolation", "variations")],
}
GALLERY = gallery()
OF_POINTS = ["spiral", "airplane_and_tank"]
WITHOUT_OPTIONS = ["nano"]  # in a hundred lines; run in test_nano.py
OF_TEXTS = ["latent_scenes", "pixel_or_latent", "dalle2", "dalle2_tricks"]  # run in files of their own
OF_IMAGES = {  # with what makes them short
    "digits": GALLERY.SHORT["digits"][2:],
    "shapes32": ["--length", "10", "--scenes", "200"],
    "inpaint": ["--length", "5", "--chain", "5"],
    "from_diffusers": ["--chain", "5"],
}


def run(folder, name, *arguments):
    """The example as a reader would start it, from `folder`."""
    command = [sys.executable, "-W", "error::RuntimeWarning", EXAMPLES / f"{name}.py", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def as_in_the_gallery(name, printed):
    """The short run prints what it printed when the committed picture was made."""
    if name in GALLERY.PICTURES:
        kept, again = GALLERY.record(name)["short"], f"run: python examples/_gallery.py {name}"
        assert GALLERY.differ(GALLERY.numbers(printed), kept) == [], again


def run_here(folder, monkeypatch, name, *arguments):
    """The example inside this process."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


def test_every_example_is_listed():
    assert {path.stem for path in EXAMPLES.glob("[!_]*.py")} == set(WRITTEN)


@pytest.mark.parametrize(
    "name",
    sorted(
        set(WRITTEN)
        - {"own_image", "which_schedule", "bound", "density", *OF_POINTS, *OF_IMAGES, *OF_TEXTS, *WITHOUT_OPTIONS}
    ),
)  # these run below
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_example_writes_what_it_says_under_out(tmp_path, monkeypatch, capsys, name):
    """In this process; `check_your_sampler` has one of its own, as a reader's."""
    arguments = "--steps", "20", "--seed", "3"
    if name == "check_your_sampler":
        done = run(tmp_path, name, *arguments)
        assert done.returncode == 0, done.stderr
        said = done.stdout
    else:
        run_here(tmp_path, monkeypatch, name, *arguments)
        said = capsys.readouterr().out
    as_in_the_gallery(name, said)
    assert_all_is_written(tmp_path, name, said)


def assert_all_is_written(folder, name, said):
    assert [path.name for path in folder.iterdir()] == ["out"]
    assert sorted(path.name for path in (folder / "out").iterdir()) == sorted(WRITTEN[name])
    for picture in WRITTEN[name]:
        assert str(Path("out", picture)) in said
        if not picture.endswith(".html"):
            assert np.asarray(Image.open(folder / "out" / picture).convert("L")).std() > 5.0


@pytest.mark.parametrize("name", OF_POINTS)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_example_on_points_writes_what_it_says_under_out(tmp_path, monkeypatch, name):
    """With a short chain, few frames and few points; at full length `own_image` draws the same pictures below."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    said = GALLERY.ran_short(name, Path("out"))
    assert_all_is_written(tmp_path, name, said)
    as_in_the_gallery(name, said)


@functools.cache
def mnist():
    """The digits, which take long to read, once for all examples; none may change them."""
    images = image_datasets.mnist()
    images.x0.flags.writeable = images.labels.flags.writeable = False
    return images


@pytest.mark.parametrize("name", OF_IMAGES)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_example_on_images_writes_what_it_says(tmp_path, monkeypatch, capsys, name):
    """In this process; `from_diffusers` has one of its own, as a reader's."""
    arguments = "--steps", "2", *OF_IMAGES[name]
    if name == "from_diffusers":
        done = run(tmp_path, name, *arguments)
        assert done.returncode == 0, done.stderr
        said = done.stdout
    else:
        read = mnist()
        monkeypatch.setattr(image_datasets, "mnist", lambda: read)
        run_here(tmp_path, monkeypatch, name, *arguments)
        said = capsys.readouterr().out
    as_in_the_gallery(name, said)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == WRITTEN[name]
    for picture in tmp_path.glob("out/*.png"):
        assert np.asarray(Image.open(picture).convert("L")).std() > 5.0
    last = {"digits": "bits per dimension", "from_diffusers": "samples as before it was written: True"}
    assert last.get(name, f"out/{name}.png") in said


@pytest.mark.parametrize("name", sorted(set(WRITTEN) - set(WITHOUT_OPTIONS)))
def test_help_tells_the_options(tmp_path, monkeypatch, capsys, name):
    with pytest.raises(SystemExit) as ended:
        run_here(tmp_path, monkeypatch, name, "--help")
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for option in ("--steps", "--seed", "--out"):
        assert option in out
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_own_image_takes_a_path_and_quality_stands_beside_that_of_fresh_data(tmp_path, monkeypatch, capsys):
    """With the whole chain, but as many points as the pairs below, few to stray from, and a third of the frames."""
    Image.fromarray(np.tile(np.arange(0, 250, 10, np.uint8), (12, 1))).save(tmp_path / "wedge.png")
    monkeypatch.setattr(figures, "animation", functools.partial(figures.animation, frames=20))
    monkeypatch.syspath_prepend(EXAMPLES)
    quality = importlib.import_module("_drawing_quality")
    monkeypatch.setattr(quality, "POINTS", quality.PAIRS)
    monkeypatch.setattr(quality, "DATA", 2000)
    run_here(tmp_path, monkeypatch, "own_image", "wedge.png", "--steps", "20", "--out", "elsewhere")
    said = capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == sorted(WRITTEN["own_image"])
    distance, fresh_distance = numbers_of(said, "energy distance")
    accuracy, fresh_accuracy = numbers_of(said, "1-nearest-neighbour accuracy")
    assert 0.0 < fresh_distance < 0.005 < distance  # 20 steps teach little
    assert abs(fresh_accuracy - 0.5) < 5 * 0.45 / np.sqrt(4000)  # five of its standard errors
    assert accuracy > 0.55


def test_without_a_path_own_image_draws_a_heart(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    x, y = datasets.from_image(importlib.import_module("own_image").heart(), 4000, 0).T / np.float32(1 / 1.4)
    inside = (x**2 + y**2 - 1.0) ** 3 < x**2 * y**3 + 0.05  # and a pixel's width
    assert inside.mean() > 0.99
    assert (x < 0.0).mean() > 0.55  # darker to the left


def test_check_your_sampler_tells_slips_from_right_samplers(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr(sys, "argv", ["check_your_sampler.py", "--steps", "48", "--out", str(tmp_path)])
    example = importlib.import_module("check_your_sampler")
    example.main()
    lines = capsys.readouterr().out.splitlines()
    for case in example.CASES:
        [verdict] = [line.split("/5  ")[1] for line in lines if line.startswith(case.name) and "/5  " in line]
        assert verdict.endswith("times the tolerance" if case.name.startswith("slip") else "right")


@pytest.fixture
def which_schedule(monkeypatch, tmp_path):
    """The example, cut down to a drawing and few points, and started in a folder of its own by `main()`."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["which_schedule.py", "--quick", "--steps", "20"])
    example = importlib.import_module("which_schedule")
    study = importlib.import_module("_schedule_study")
    study.points.cache_clear()
    monkeypatch.setattr(study, "SAMPLES", 300)
    for name in ("spiral", "airplane"):
        monkeypatch.delitem(example.IMAGES, name)
    yield example
    study.points.cache_clear()  # few points, which no other test should be given


def test_which_schedule_goes_on_where_it_stopped(which_schedule, tmp_path, capsys):
    which_schedule.main()
    first = capsys.readouterr()
    table = tmp_path / "out" / "which_schedule.csv"
    lines = table.read_text().splitlines()
    assert len(lines) == 1 + 2 * 4 * 2  # T, schedules, as they are and rescaled
    assert "Failed runs: 0 of 16" in first.out
    assert "nearer to 0 at T = 10, 50: true" in first.out
    assert "this says nothing yet" in first.out
    half = len(lines[-1]) // 2
    table.write_text("\n".join(lines)[:-half])  # as a kill would leave it
    (tmp_path / "out" / "which_schedule.png").unlink()
    which_schedule.main()
    again = capsys.readouterr()
    assert f"{15 / 16:4.0%}" in again.err.split("\r")[1]  # the bar starts there
    assert [line.rsplit(",", 1)[0] for line in table.read_text().splitlines()] == [
        line.rsplit(",", 1)[0] for line in lines
    ]  # but for the seconds
    costs = '"Sigmoid is difficult to compute"'
    assert again.out.split(costs)[0] == first.out.split(costs)[0]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == WRITTEN["which_schedule"]
    table.write_text("something,else\n")
    with pytest.raises(ValueError, match=r"which_schedule\.csv: expected the columns seed, T, "):
        which_schedule.main()


def test_which_schedule_records_what_fails_and_nothing_that_was_cut_short(which_schedule, tmp_path, monkeypatch):
    study = importlib.import_module("_schedule_study")

    def off(*_, **__):
        raise ValueError("model: expected a chain of finite numbers")

    def diverged(*_, **__):
        raise FloatingPointError("loss: expected finite numbers")

    case = study.Case(0, 10, "tank", "cosine", 0, 2)
    monkeypatch.setattr(study.nd, "sample", off)
    row = study.measured(case)
    assert (row["failed"], row["accuracy"], row["energy"]) == (
        "model: expected a chain of finite numbers",
        1.0,
        np.inf,
    )
    assert np.isfinite(row["bound"])
    monkeypatch.setattr(study.nd, "train", diverged)
    row = study.measured(case)
    assert (row["failed"], row["accuracy"], row["bound"]) == ("loss: expected finite numbers", 1.0, np.inf)
    monkeypatch.setattr(study.nd, "train", lambda *_, **__: SimpleNamespace(interrupted=True))
    with pytest.raises(SystemExit, match="interrupted; the same command goes on from out"):
        which_schedule.main()
    assert len((tmp_path / "out" / "which_schedule.csv").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("quadratic", "spread", "answer"),
    [
        (+0.5, 0.0, "linear is lowest in 12 of 12 comparisons and clearly beaten in 0: true"),
        (-0.5, 0.0, "linear is lowest in 0 of 12 comparisons and clearly beaten in 12: not so"),
        (
            -0.5,
            9.0,
            "linear is lowest in 0 of 12 comparisons and clearly beaten in 0: neither shown nor contradicted",
        ),
        (np.inf, 0.0, "linear is lowest in 12 of 12 comparisons and clearly beaten in 0: true"),
    ],
)
def test_the_verdict_on_linear_follows_the_numbers(which_schedule, capsys, quadratic, spread, answer):
    seed = np.arange(5.0)[:, None, None]
    grid = np.zeros((5, 4, 3, 4, 2))  # [seed, T, data, schedule, rescaled]
    grid += np.array([0.0, 1.0, quadratic, 1.0])[:, None]
    grid[..., 2, :] += spread * (seed[..., None] - 2.0)
    grid += 100.0 * seed[..., None, None]  # what all schedules share
    with np.errstate(invalid="ignore"):
        which_schedule.linear_is_best(dict.fromkeys(which_schedule.MEASURES, grid), (10, 50, 200, 1000))
    assert capsys.readouterr().out.splitlines()[-1].strip() == answer


def numbers_of(text, row):
    """The numbers in the line that starts with `row`."""
    [line] = [line for line in text.splitlines() if line.startswith(row)]
    return map(float, line.removeprefix(row).split())


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("spiral", ["--steps", "0"], "error: steps: expected an integer"),
        ("forward_chain", ["--seed", "-1"], "error: seed: expected an integer"),
        ("own_image", ["missing.png", "--steps", "1"], "error: image: cannot read a picture from 'missing.png'"),
        ("spiral", ["--out", "file/out"], "spiral.py: error: argument --out: cannot write to file/out: Not a dir"),
    ],
)
def test_error_takes_one_line(tmp_path, name, arguments, sentence):
    (tmp_path / "file").write_text("kept")
    done = run(tmp_path, name, *arguments)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith(sentence)
    assert "Traceback" not in done.stderr
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_the_bound_is_told_term_by_term(tmp_path, monkeypatch, capsys):
    run_here(tmp_path, monkeypatch, "bound", "--steps", "200", "--length", "20", "--seed", "1")
    said = capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == WRITTEN["bound"]
    rows = {line[:28].strip(): line[28:].split() for line in said.splitlines() if " +- " in line}
    assert {"beta", "beta_tilde", "learned", "optimal"} == set(rows)
    assert float(rows["optimal"][3]) > 0.0  # what it was made for, on points that it has not seen
    assert float(rows["beta_tilde"][3]) < 0.0  # far too small at the last steps
    estimates = [float(line.split()[-1]) for line in said.splitlines() if "trajectories" in line]
    assert estimates[0] < estimates[-1]  # tighter with more of them


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_the_density_stands_beside_those_of_scikit_learn(tmp_path, monkeypatch, capsys):
    run_here(tmp_path, monkeypatch, "density", "--steps", "50", "--points", "200", "--pixel", "0.3")
    said = capsys.readouterr().out
    assert [path.name for path in (tmp_path / "out").iterdir()] == WRITTEN["density"]
    ahead = {line[:24].strip(): float(line.split("±")[0].split()[-1]) for line in said.splitlines() if "±" in line}
    assert list(ahead) == ["diffusion", "kernel estimate", "Gaussian mixture"]
    assert ahead["diffusion"] == 0.0
    assert all(np.isfinite(value) for value in ahead.values())
