"""The command `numpy-diffusion`: train, sample, figure and info, over the functions of the same purpose."""

from __future__ import annotations

import argparse
import inspect
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from numpy_diffusion import __version__, _checks, _files, _sources, checkpoints
from numpy_diffusion.forward import BACKENDS
from numpy_diffusion.losses import WEIGHTINGS
from numpy_diffusion.networks.mlp import MLP
from numpy_diffusion.samplers import sample
from numpy_diffusion.schedules import Schedule
from numpy_diffusion.solvers import METHODS
from numpy_diffusion.step_sampling import SAMPLINGS
from numpy_diffusion.training import train
from numpy_diffusion.variances import VARIANCES

PROGRAM: Final = "numpy-diffusion"
SCHEDULES: Final = ("linear", "cosine", "quadratic", "sigmoid")
DEFAULTS: Final[dict[str, Any]] = {"data": None, "n": 8192, "seed": 0, "schedule": "linear", "T": 1000}
SAMPLES: Final = 4096
SHOWN: Final = 4000  # points in a figure

EXAMPLES: Final = """\
examples:
  numpy-diffusion train --data spiral --out runs/spiral
  numpy-diffusion sample runs/spiral -n 4096 -o x.npy
  numpy-diffusion figure runs/spiral -o spiral.png --gif spiral.gif
  numpy-diffusion info runs/spiral

Each command has its own --help.  Exit status: 0, 2 after an error, 130 after Ctrl-C."""

TRAIN_EXAMPLES: Final = """\
examples:
  numpy-diffusion train --data airplane --out runs/airplane
  numpy-diffusion train --data photo.png --n 20000 --out runs/photo
  numpy-diffusion train --data points.csv --steps 20000 --schedule cosine --out runs/points
  numpy-diffusion train --out runs/points --resume

Ctrl-C keeps what was trained.  --resume takes every setting from the run's folder and ends with the weights, to the
bit, that the run would have had without the interruption; a setting given along with it must be what it was."""

SAMPLE_EXAMPLES: Final = """\
examples:
  numpy-diffusion sample runs/spiral -n 4096 -o x.npy
  numpy-diffusion sample runs/spiral -o x.csv --method ddim --steps 50
  numpy-diffusion sample runs/spiral -n 4096 --first 4096 -o more.npy    (the next 4096 of the same seed)

Sample i of a seed is the same, to the bit, whatever -n is and on any number of threads."""

FIGURE_EXAMPLES: Final = """\
examples:
  numpy-diffusion figure runs/spiral                                      (writes runs/spiral/figure.png)
  numpy-diffusion figure runs/spiral --gif spiral.gif --html spiral.html  (the page has a slider over t)"""

Options = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`, that of the process unless given, and return the exit status."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}")
        try:
            options = vars(_parser().parse_args(argv))
            return options.pop("command")(options)
        except KeyboardInterrupt:
            _say("interrupted")
            return 130
        except (ValueError, OSError, ArithmeticError, MemoryError) as error:
            _say(f"error: {error}")
            return 2


def _train(options: Options) -> int:
    out, stored, schedule, known = options["out"], None, None, dict(DEFAULTS)
    if options["resume"]:
        stored = checkpoints.read(out)
        known = _settings(stored.config)
    known |= options
    if "n" in options and known["data"] is not None and _sources.is_table(known["data"]):
        raise ValueError(f"--n: expected none for {known['data']}, which is used as a whole, got {options['n']}")
    x0 = _sources.points(known["data"], known["n"], known["seed"])
    if stored is None or options.keys() & {"schedule", "T"}:
        _checks.choice("--schedule", known["schedule"], SCHEDULES)
        schedule = getattr(Schedule, known["schedule"])(T=known["T"])
    else:
        schedule = stored.schedule
    known |= {"dim": x0.shape[1], "schedule": schedule, "data_name": _sources.lasting(known["data"])}
    run = train(MLP(**_for(MLP, known)), x0=x0, **_for(train, known))
    print(f"{out}: {_progress(run.losses, run.steps)}")
    if run.interrupted:
        _say(f"interrupted; to go on: {PROGRAM} train --out {out} --resume")
    return 130 if run.interrupted else 0


def _sample(options: Options) -> int:
    path = Path(options["output"])
    if path.suffix not in (".npy", ".csv"):
        raise ValueError(f"--output: expected a file name that ends in .npy or .csv, got {str(path)!r}")
    if not os.access(path.parent, os.W_OK):
        raise OSError(f"--output: cannot write to {path}: its folder is missing or not writable")
    run = checkpoints.read(options["run"])
    x = sample(run.model, **_for(sample, options | {"schedule": run.schedule}))
    content = io.BytesIO()
    if path.suffix == ".npy":
        np.save(content, x)
    else:
        np.savetxt(content, x, fmt="%.9g", delimiter=",")
    with _files.told("--output", path):
        _files.write(path, content.getvalue())
    return 0


def _figure(options: Options) -> int:
    from numpy_diffusion import figures  # here, since matplotlib takes long to import

    run, seed, output = checkpoints.read(options["run"]), options["seed"], options["output"]
    animations = [path for path in (options["gif"], options["html"]) if path is not None]
    if output is None and not animations:
        output = Path(options["run"]) / "figure.png"
    if output is not None:
        source = options["data"] or run.config["data"]["name"]
        x0 = _sources.points(source, SHOWN, seed)
        image = _sources.picture(source)
        print(figures.forward_reverse(run.model, run.schedule, x0, output, image=image, seed=seed))
    for path in animations:
        print(figures.animation(run.model, run.schedule, path, seed=seed))
    return 0


def _info(options: Options) -> int:
    run = checkpoints.read(options["run"])
    data, training = run.config["data"], run.config["training"]
    print(f"network   {run.model}")
    print(f"schedule  {run.schedule}")
    print(f"data      {data['name'] or 'without a name'}, shape {data['shape']}, sha256 {data['sha256']}")
    print("training  " + ", ".join(f"{name} {value}" for name, value in training.items()))
    print(f"progress  {_progress(run.training['losses'], training['steps'])}")
    for path in sorted(Path(options["run"]).iterdir()):
        print(f"file      {path}, {path.stat().st_size:,} bytes")
    return 0


def _settings(config: Options) -> Options:
    """The settings in a run's config.json by the names of the options."""
    data, schedule = config["data"], config["schedule"]
    known = {"data": data["name"], "n": data["shape"][0], "schedule": schedule["name"], "T": schedule["T"]}
    return known | config["network"]["config"] | config["training"]


def _progress(losses: np.ndarray, steps: int) -> str:
    last = losses[-100:]
    loss = f", loss {last.mean():.4f} (mean of the last {len(last)})" if len(last) else ""
    return f"{len(losses)} of {steps} steps{loss}"


def _for(function: Callable[..., Any], options: Options) -> Options:
    """Those of the options that are arguments of the function."""
    names = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if name in names}


def _say(message: str) -> None:
    print(f"{PROGRAM}: {' '.join(message.split())}", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise ValueError(message)


def _parser() -> _Parser:
    parser = _Parser(
        prog=PROGRAM,
        description="Train a diffusion model on points, draw samples from it, and see how it does it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="COMMAND", required=True)
    _train_options(_command(commands, "train", _train, "train a network on data, into a folder", TRAIN_EXAMPLES))
    _sample_options(_command(commands, "sample", _sample, "draw samples from a trained network", SAMPLE_EXAMPLES))
    figure = _command(commands, "figure", _figure, "draw the way to noise and back, or animate it", FIGURE_EXAMPLES)
    figure.add_argument("run", metavar="RUN", help="the run's folder")
    figure.add_argument("-o", "--output", metavar="FILE.png", help="image, data and samples; both rows of the chain")
    figure.add_argument("--gif", metavar="FILE.gif", help="the reverse chain, animated")
    figure.add_argument("--html", metavar="FILE.html", help="the reverse chain as a page with a slider over t")
    figure.add_argument("--data", metavar="DATA", help="the data to show (default: what the run was trained on)")
    figure.add_argument("--seed", type=int, default=0, help="of data, noise and samples (default: 0)")
    info = _command(commands, "info", _info, "say what a run's folder holds", "")
    info.add_argument("run", metavar="RUN", help="the run's folder")
    return parser


def _train_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DATA", default=argparse.SUPPRESS, help=_sources.HELP)
    parser.add_argument("--out", metavar="RUN", required=True, help="folder for the run, new or empty")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out; --data is not needed")
    parser.add_argument("--quiet", dest="progress", action="store_false", help="no progress bar")
    _option(parser, DEFAULTS, "n", int, "points to draw from a data set or picture")
    _option(parser, DEFAULTS, "schedule", str, "course of the noise", choices=SCHEDULES)
    _option(parser, DEFAULTS, "T", int, "steps of the chain")
    network, training = _defaults(MLP), _defaults(train) | {"warmup": "a tenth of the steps, at most 500"}
    _option(parser, network, "width", int, "features of the network's hidden layers")
    _option(parser, network, "depth", int, "hidden layers behind the first")
    purpose = "a second head for the variance of the reverse kernel"
    parser.add_argument("--learn-variance", action="store_true", default=argparse.SUPPRESS, help=purpose)
    _option(parser, training, "steps", int, "training steps")
    _option(parser, training, "batch", int, "points a training step")
    _option(parser, training, "learning_rate", float, "Adam's, at the end of the warm-up")
    _option(parser, training, "warmup", int, "steps over which the learning rate rises")
    _option(parser, training, "weight_decay", float, "AdamW's")
    _option(parser, training, "average_decay", float, "of the moving average of the weights")
    _option(parser, training, "weighting", str, "lambda(t) of the loss", choices=WEIGHTINGS)
    _option(parser, training, "sampling", str, "how steps t are drawn", choices=SAMPLINGS)
    _option(parser, training, "seed", int, "of the data, the first weights and the training")
    _option(parser, training, "checkpoint_every", int, "steps between two writes to the folder")
    _option(parser, training, "backend", str, "compiled kernels, or the definitions", choices=BACKENDS)


def _sample_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the run's folder")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help=".npy or .csv, one sample a row")
    parser.add_argument("-n", type=int, default=SAMPLES, help=f"samples to draw (default: {SAMPLES})")
    parser.add_argument("--quiet", dest="progress", action="store_false", help="no progress bar")
    defaults = _defaults(sample) | {"steps": "all"}
    _option(parser, defaults, "seed", int, "of the samples")
    _option(parser, defaults, "method", str, "Algorithm 1, DDIM, or a solver of the ODE", choices=METHODS)
    _option(parser, defaults, "steps", int, "steps of the chain to take, evenly spaced")
    _option(parser, defaults, "variance", str, "of Algorithm 1", choices=VARIANCES)
    _option(parser, defaults, "eta", float, "DDIM's noise, 0..1")
    _option(parser, defaults, "churn", float, "noise that euler and heun put back")
    _option(parser, defaults, "first", int, "number of the first sample")


def _command(commands: Any, name: str, run: Callable[[Options], int], purpose: str, epilog: str) -> _Parser:
    parser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=run)
    return parser


def _option(
    parser: argparse.ArgumentParser, defaults: Options, name: str, kind: type, purpose: str, **more: Any
) -> None:
    """An option that leaves no trace unless it is given, so that a resumed run's own setting stands."""
    text = f"{purpose} (default: {defaults[name]})"
    parser.add_argument(
        f"--{name.replace('_', '-')}", dest=name, type=kind, default=argparse.SUPPRESS, help=text, **more
    )


def _defaults(function: Callable[..., Any]) -> Options:
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}
