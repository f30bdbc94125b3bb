"""The command `numpy-diffusion`: a word for each of the functions of the same purpose."""

from __future__ import annotations

import inspect
import io
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from numpy_diffusion import _checks, _files, parallel
from numpy_diffusion._compile import compile_kernels
from numpy_diffusion.cli import labs, launched, networks, sources, streams, tables
from numpy_diffusion.cli.options import DATA, DEFAULTS, FORM, SAMPLES, SCHEDULES, Options, parser
from numpy_diffusion.cli.signals import INTERRUPTED, as_ctrl_c
from numpy_diffusion.cli.streams import say, tell
from numpy_diffusion.kernels.precision import precision
from numpy_diffusion.models.converted import clipped
from numpy_diffusion.models.guided import guided
from numpy_diffusion.models.network import Network
from numpy_diffusion.parallel.engine import connected
from numpy_diffusion.pipelines.latent import LatentPipeline
from numpy_diffusion.pipelines.unclip import UnCLIP
from numpy_diffusion.process.forward import q_trajectory
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import evenly
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.training import checkpoints
from numpy_diffusion.training.loop import train
from numpy_diffusion.training.ranks import over, together
from numpy_diffusion.training.run import Run

Stored = TypeVar("Stored", bound=checkpoints.Trained)

SHOWN, SHOWN_IMAGES = 4000, 4  # in a figure
PREVIEW: Final[Options] = {"n": 40, "method": "ddim", "steps": 50}  # the images of a preview
COLUMNS: Final = 10  # of images side by side, at most


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`, that of the process unless given, and return the exit status."""
    streams.set_up()
    with as_ctrl_c() as status, warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: say(f"warning: {message}")
        try:
            commands = _train, _sample, _figure, _info, _text2image, _dalle2, labs.check, _compile
            options = vars(parser(*commands).parse_args(argv))
            done = options.pop("command")(options)
            return status.interrupted if done == INTERRUPTED else done
        except KeyboardInterrupt as asked:
            streams.say_interrupted(asked)
            return status.interrupted
        except BrokenPipeError:  # of the reader of --help
            streams.to_nowhere()
            return 0
        except (ValueError, OSError, ImportError, ArithmeticError, MemoryError) as error:
            say(f"error: {error}")
            return 2


def _train(options: Options) -> int:
    return launched.on_ranks(lambda comm: _trained_on(comm, options))


def _trained_on(comm: Any, options: Options) -> int:
    """Train on the processes of the communicator, or on this one where there is none; the first tells."""
    ranks = over(comm)
    return launched.told(train(**together(ranks, lambda: _asked_to_train(options)), comm=comm), ranks)


def _asked_to_train(options: Options) -> Options:
    """The arguments of `train` that the options ask for."""
    out, stored, known = options["out"], None, DEFAULTS
    if options["resume"]:
        stored = _told(out, checkpoints.read(out))
        known = _settings(stored.config)
    known = known | options
    source = known["data"]
    if "n" in options and source is not None and sources.is_whole(source):
        raise ValueError(f"--n: expected none for {source}, which is used as a whole, got {options['n']}")
    if options.keys() & {"size", "colour"} and not sources.is_folder(source):
        raise ValueError(f"--size, --colour: expected none for {source}, which is no folder of pictures")
    if options.keys() & FORM.keys() and not tables.is_text(source or ""):
        raise ValueError(f"--separator, --decimal: expected none for {source}, which is no table of text")
    data = sources.load(**{name: known[name] for name in DATA | FORM})
    model = networks.network(options, known, data, None if stored is None else stored.model)
    if stored is None or options.keys() & {"schedule", "T"}:
        _checks.choice("--schedule", known["schedule"], SCHEDULES)
        schedule = getattr(Schedule, known["schedule"])(T=known["T"])
    else:
        schedule = stored.schedule
    form = {name: known[name] for name in FORM if known[name] != FORM[name]}
    known |= {"model": model, "schedule": schedule, "data_name": {"name": sources.lasting(source)} | form}
    known |= {"x0": data.x0, "labels": data.labels}
    if model.null_label is None:  # of a resumed run there may be what another network was trained with
        known |= {"labels": None, "label_dropout": options.get("label_dropout")}
    return _for(train, known) | {"after_checkpoint": _preview if "preview" in options else None}


def _preview(run: Run) -> None:
    """Write what the network draws so far beside its checkpoint."""
    from numpy_diffusion import figures  # here, since matplotlib takes long to import

    x = sample(_asked_for(run.model, run.schedule, {}, PREVIEW["n"]), run.schedule, **PREVIEW)
    figures.image_grid(x, Path(run.path or "", f"preview-{run.step}.png"), columns=_columns(run.model))


def _sample(options: Options) -> int:
    run, path = _trained(options["run"]), Path(options["output"])
    forms = (".npy", ".png") if run.model.takes_images else (".npy", ".csv")
    _check_output(path, forms[:1] if "client" in options else forms)
    options["n"] = n = _checks.integer("n", options.get("n", SAMPLES[run.model.takes_images]), 1)
    model = _asked_for(run.model, run.schedule, options, n)
    if "start" in options:
        start = _checks.integer("--start", options["start"], 1, run.schedule.T)
        options["steps"] = evenly(_checks.integer("--steps", options.get("steps", start), 1, start), start)
    options["schedule"] = run.schedule
    if "client" in options:
        with connected(options["client"]) as client:
            x = parallel.sample(model, **_for(parallel.sample, options | {"client": client}))
            parallel.to_npy(x, path, client=client)
        return 0
    _write(path, sample(model, **_for(sample, options)), _columns(run.model))
    return 0


def _text2image(options: Options) -> int:
    return _drawn(options, LatentPipeline.from_diffusers, LatentPipeline.__call__)


def _dalle2(options: Options) -> int:
    def opened(folder: _files.PathLike) -> UnCLIP:
        pipeline = UnCLIP.from_diffusers(folder)
        stage = _checks.integer(
            "--stage", options.get("stage", len(pipeline.upsamplers)), 0, len(pipeline.upsamplers)
        )
        last = pipeline.last_upsampler if stage else None
        return replace(pipeline, upsamplers=pipeline.upsamplers[:stage], last_upsampler=last)

    return _drawn(options, opened, UnCLIP.stages)


def _drawn(options: Options, opened: Callable[..., Any], call: Callable[..., Any]) -> int:
    """Pictures of a text by the pipeline in a folder, with the options that its call takes."""
    _check_output(path := Path(options["output"]), (".npy", ".png"))
    with precision(options.get("precision", "float32")):
        x = opened(options["run"])(options["text"], **_for(call, options))
    _write(path, x, min(COLUMNS, len(x)))
    return 0


def _check_output(path: Path, suffixes: tuple[str, ...]) -> None:
    """ValueError or OSError where samples cannot be written to the path, before they are drawn."""
    if _files.ending(path) not in suffixes:
        raise ValueError(f"--output: expected a file name that ends in {' or '.join(suffixes)}, got {str(path)!r}")
    if path.is_dir():
        raise OSError(f"--output: cannot write to {path}: Is a directory")
    if not os.access(path.parent, os.W_OK):
        raise OSError(f"--output: cannot write to {path}: its folder is missing or not writable")


def _write(path: Path, x: np.ndarray, columns: int) -> None:
    """Write samples in the form that the path's ending says; images side by side in so many columns."""
    if _files.ending(path) == ".png":
        from numpy_diffusion import figures  # here, since matplotlib takes long to import

        figures.image_grid(x, path, columns=columns)
        return
    content = io.BytesIO()
    if _files.ending(path) == ".npy":
        np.save(content, x)
    else:
        np.savetxt(content, x, fmt="%.9g" if x.dtype == np.float32 else "%.17g", delimiter=",")
    with _files.os_errors_about("--output", path):
        _files.write(path, content.getvalue())


def _columns(model: Network) -> int:
    """So many images side by side that each column has one class, where they come in turn."""
    classes = model.null_label or 1
    return COLUMNS - COLUMNS % classes or COLUMNS


def _asked_for(model: Network, schedule: Schedule, options: Options, n: int) -> Any:
    """The model to draw n samples from: an image stays in -1..1, and is of the label that is asked for."""
    null = model.null_label
    if null is None:
        for name in ("label", "guidance"):
            if name in options:
                raise ValueError(f"--{name}: expected none, as the network has no classes, got {options[name]}")
        return clipped(model, schedule) if model.takes_images else model
    if "label" in options:
        labels = np.full(n, _checks.integer("--label", options["label"], 0, null))
    else:
        labels = (options.get("first", 0) + np.arange(n)) % null
    return clipped(guided(model, labels, options.get("guidance", 1.0)), schedule)


def _figure(options: Options) -> int:
    from numpy_diffusion import figures  # here, since matplotlib takes long to import

    run, seed, output = _trained(options["run"]), options["seed"], options["output"]
    images = run.model.takes_images
    animations = [path for path in (options["gif"], options["html"]) if path is not None]
    for path in (figures.style.png_target(output), *(figures.style.target(p, ".gif", ".html") for p in animations)):
        if path is not None and path.is_dir():
            raise OSError(f"path: cannot write to {path}: Is a directory")
    if images and animations:
        raise ValueError(f"--gif, --html: expected none for a run with images, got {animations[0]}")
    if output is None and not animations:
        output = Path(options["run"]) / "figure.png"
    known = _settings(run.config) | {"n": SHOWN_IMAGES if images else SHOWN, "seed": seed}
    if options["data"] is not None:
        known |= FORM | {"data": options["data"]}
    form = {name: options.get(name, known[name]) for name in FORM}
    header = None if images or known["data"] is None else sources.header(known["data"], **form)
    names: Options = {"names": header} if header is not None and len(header) == 2 else {}
    if output is not None and images:
        _image_rows(run, sources.load(**{name: known[name] for name in DATA}).x0, output, seed)
    elif output is not None:
        x0, image = sources.points(known["data"], known["n"], seed, **form), sources.picture(known["data"])
        figures.forward_reverse(run.model, run.schedule, x0, output, image=image, seed=seed, **names)
    if output is not None:
        tell(output)
    for path in animations:
        tell(figures.animation(run.model, run.schedule, path, seed=seed, **names))
    return 0


def _image_rows(run: checkpoints.Trained, x0: np.ndarray, output: Any, seed: int) -> None:
    """Some images of the data on their way to noise, and as many samples on their way back."""
    from numpy_diffusion import figures
    from numpy_diffusion.figures.steps import telling_steps

    x0 = x0[:: max(len(x0) // SHOWN_IMAGES, 1)][:SHOWN_IMAGES]
    if x0.shape[1:] != run.model.shape:
        raise ValueError(f"--data: expected images {list(run.model.shape)}, got {list(x0.shape[1:])}")
    keep = telling_steps(run.schedule, COLUMNS)
    forward = q_trajectory(x0, run.schedule, seed=seed, keep=keep)
    model = _asked_for(run.model, run.schedule, {}, len(x0))
    figures.image_rows(forward, sample(model, run.schedule, len(x0), seed, keep=keep), output)


def _info(options: Options) -> int:
    run = checkpoints.read_what_is_there(options["run"])
    data, training = run.config["data"], run.config["training"]
    tell(f"network   {run.model}")
    tell(f"schedule  {run.schedule}")
    details = ", ".join(f"{name} {value}" for name, value in data.items() if name != "name")
    tell(f"data      {data['name'] or 'without a name'}, {details}")
    tell("training  " + ", ".join(f"{name} {value}" for name, value in training.items()))
    if isinstance(run, checkpoints.Checkpoint):
        tell(f"progress  {checkpoints.progress(run.training['losses'], training['steps'])}")
    else:
        tell(f"progress  not known, as there is no {checkpoints.TRAINING}")
    for path in sorted(Path(options["run"]).iterdir()):
        tell(f"file      {path}, {path.stat().st_size:,} bytes")
    return 0


def _compile(options: Options) -> int:
    compile_kernels()
    return 0


def _trained(folder: _files.PathLike) -> checkpoints.Trained:
    return _told(folder, checkpoints.read_trained(folder))


def _told(folder: _files.PathLike, run: Stored) -> Stored:
    """The run in the folder, if it is of a network that the command line can tell all that it asks for."""
    told = {} if run.model.nothing is None else run.model.nothing.arguments()
    if others := ", ".join(name for name in told if name != "labels"):
        raise ValueError(
            f"{folder}: expected a run whose network is told a class or nothing, got one that is told {others}; "
            "numpy_diffusion.load_run opens it"
        )
    return run


def _settings(config: Options) -> Options:
    """The settings in a run's config.json by the names of the options."""
    data, schedule = config["data"], config["schedule"]
    known = {"data": data["name"], "n": data["shape"][0], "schedule": schedule["name"], "T": schedule["T"]}
    known |= {name: data[name] for name in FORM if name in data}
    if len(data["shape"]) == 4:
        known |= {"colour": data["shape"][1] == 3, "size": data["shape"][3]}
    training = {name: value for name, value in config["training"].items() if name != "warmup"}  # `train` knows it
    return DEFAULTS | known | networks.described(config["network"]["config"]) | training


def _for(function: Callable[..., Any], options: Options) -> Options:
    """Those of the options that are arguments of the function."""
    names = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if name in names}
