"""The command line's options: each leaves no trace unless it is given, so that a resumed run's own setting stands."""

from __future__ import annotations

import argparse
import inspect
import os
from collections.abc import Callable
from typing import Any, Final

from numpy_diffusion._version import __version__
from numpy_diffusion.cli import sources
from numpy_diffusion.cli.epilogs import (
    CHECK_EXAMPLES,
    COMPILE_EXAMPLES,
    DALLE_EXAMPLES,
    EXAMPLES,
    FIGURE_EXAMPLES,
    SAMPLE_EXAMPLES,
    TEXT_EXAMPLES,
    TRAIN_EXAMPLES,
)
from numpy_diffusion.cli.labs import NAMES
from numpy_diffusion.cli.networks import FEW, MODELS, OCTAVES, UNET
from numpy_diffusion.cli.streams import PROGRAM
from numpy_diffusion.kernels.backend import BACKENDS
from numpy_diffusion.kernels.precision import PRECISIONS
from numpy_diffusion.models.network import LABEL_DROPOUT
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.pipelines.latent import LatentPipeline
from numpy_diffusion.pipelines.unclip import UnCLIP
from numpy_diffusion.process.variances import VARIANCES
from numpy_diffusion.sampling import samplers
from numpy_diffusion.sampling.solvers import METHODS
from numpy_diffusion.training import loop as training
from numpy_diffusion.training.losses import WEIGHTINGS
from numpy_diffusion.training.settings import WARMUP
from numpy_diffusion.training.step_sampling import SAMPLINGS

SCHEDULES: Final = ("linear", "cosine", "quadratic", "sigmoid")
DATA: Final[dict[str, Any]] = {"data": None, "n": 8192, "seed": 0, "size": 32, "colour": False}
FORM: Final[dict[str, Any]] = {"separator": None, "decimal": "."}  # of a table of text
DEFAULTS: Final[dict[str, Any]] = DATA | FORM | {"schedule": "sigmoid", "T": 1000}
SAMPLES: Final = (4096, 40)  # points, images
PICTURES: Final = 4  # of a text
GUIDANCE: Final = "classifier-free guidance: how strongly to ask for the text"

Options = dict[str, Any]
Command = Callable[[Options], int]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise ValueError(message)


def parser(
    train: Command,
    sample: Command,
    figure: Command,
    info: Command,
    text2image: Command,
    dalle2: Command,
    check: Command,
    compile_all: Command,
) -> argparse.ArgumentParser:
    """The parser of the whole command line; what it finds names one of the commands as `command`."""
    parser = _Parser(
        prog=PROGRAM,
        description="Train a diffusion model on points or images, draw samples from it, and see how it does it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="COMMAND", required=True)
    _train_options(_command(commands, "train", train, "train a network on data, into a folder", TRAIN_EXAMPLES))
    _sample_options(_command(commands, "sample", sample, "draw samples from a trained network", SAMPLE_EXAMPLES))
    purpose = "draw the way to noise and back, or animate it"
    _figure_options(_command(commands, "figure", figure, purpose, FIGURE_EXAMPLES))
    _command(commands, "info", info, "say what a run's folder holds", "")
    purpose = "draw pictures of a text by latent diffusion"
    _latent_options(_command(commands, "text2image", text2image, purpose, TEXT_EXAMPLES))
    purpose = "draw pictures of a text by DALL-E 2: prior, decoder, upsamplers"
    _dalle_options(_command(commands, "dalle2", dalle2, purpose, DALLE_EXAMPLES))
    _check_options(_command(commands, "check", check, "check the functions of a lab of the course", CHECK_EXAMPLES))
    _command(commands, "compile", compile_all, "compile float32's kernels, once for this machine", COMPILE_EXAMPLES)
    return parser


def _train_options(parser: argparse.ArgumentParser) -> None:
    _place(parser, "--data", metavar="DATA", default=argparse.SUPPRESS, help=sources.HELP)
    _place(parser, "--out", metavar="RUN", required=True, help="folder for the run, new or empty")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out; --data is not needed")
    parser.add_argument("--quiet", dest="progress", action="store_false", help="no progress bar")
    _option(parser, {"model": "mlp for points, unet for images"}, "model", str, "kind of network", choices=MODELS)
    _form_options(parser)
    _option(parser, DEFAULTS, "n", int, "points or scenes to draw from a data set or picture")
    _option(parser, DEFAULTS, "schedule", str, "course of the noise", choices=SCHEDULES)
    _option(parser, DEFAULTS, "T", int, "steps of the chain")
    _flag(parser, "--learn-variance", "a second head for the variance of the reverse kernel")
    defaults = _defaults(training.train) | {
        "warmup": f"a tenth of the steps, at most {WARMUP}",
        "backend": BACKENDS[0],
    }
    for name in ("batch", "learning_rate"):
        defaults[name] = f"{getattr(MLP, name)} for points, {getattr(UNet, name)} for images"
    _option(parser, defaults, "steps", int, "training steps")
    _option(parser, defaults, "batch", int, "points or images a training step")
    _option(parser, defaults, "learning_rate", float, "Adam's, at the end of the warm-up")
    _option(parser, defaults, "warmup", int, "steps over which the learning rate rises")
    _option(parser, defaults, "weight_decay", float, "AdamW's")
    _option(parser, defaults, "average_decay", float, "of the moving average of the weights")
    _option(parser, defaults, "weighting", str, "lambda(t) of the loss", choices=WEIGHTINGS)
    _option(parser, defaults, "sampling", str, "how steps t are drawn", choices=SAMPLINGS)
    _option(parser, defaults, "seed", int, "of the data, the first weights and the training")
    _option(parser, defaults, "checkpoint_every", int, "steps between two writes to the folder")
    _option(parser, defaults, "backend", str, "compiled kernels, or the definitions", choices=BACKENDS)
    _precision_option(parser)
    _points_options(parser.add_argument_group("options for points"))
    _images_options(parser.add_argument_group("options for images"))


def _form_options(parser: argparse.ArgumentParser) -> None:
    defaults = FORM | {"separator": "by the file's ending"}
    _option(parser, defaults, "separator", str, "between the cells of a table of text: , or ; or tab")
    _option(parser, defaults, "decimal", str, "sign of the numbers in a table of text: . or ,")


def _points_options(group: Any) -> None:
    network = _defaults(MLP) | {"octaves": f"{OCTAVES} for up to {FEW} columns, else 0"}
    _option(group, network, "width", int, "features of the network's hidden layers")
    _option(group, network, "depth", int, "hidden layers behind the first")
    _option(group, network, "octaves", int, "octaves of sines and cosines beside each coordinate, for fine detail")


def _images_options(group: Any) -> None:
    defaults = UNET | {"channels": "32,64,64", "attention": "the middle one", "label_dropout": LABEL_DROPOUT}
    _option(group, DEFAULTS, "size", int, "pixels a side to which pictures of a folder are brought")
    _flag(group, "--colour", "take pictures of a folder in colour")
    _option(group, defaults, "channels", _integers, "channels at each size of the image, halved each time")
    _option(group, defaults, "layers_per_block", int, "residual blocks at each size, and one more on the way up")
    _option(group, defaults, "attention", _integers, "heights of the image at which there is attention, as in 16,8")
    _option(group, defaults, "dropout", float, "of the network")
    purpose = "train the network on the labels too, if the images have any (default: yes)"
    _flag(group, "--labels", purpose, dest="classes", action=argparse.BooleanOptionalAction)
    _option(group, defaults, "label_dropout", float, "how often a label is left out, for guidance")
    _flag(group, "--mirror", "exchange left and right of every second image, by chance")
    _flag(group, "--preview", "write samples to RUN/preview-STEP.png at every checkpoint")


def _sample_options(parser: argparse.ArgumentParser) -> None:
    purpose = ".npy; .csv, one point a row; .png, images side by side"
    _place(parser, "-o", "--output", metavar="FILE", required=True, help=purpose)
    purpose = f"samples to draw (default: {SAMPLES[0]} points, {SAMPLES[1]} images)"
    parser.add_argument("-n", type=int, default=argparse.SUPPRESS, help=purpose)
    parser.add_argument("--quiet", dest="progress", action="store_false", help="no progress bar")
    defaults = _defaults(samplers.sample) | {"steps": "all", "start": "T", "label": "all in turn", "guidance": 1.0}
    _option(parser, {"client": "none"}, "client", str, "address of a Dask scheduler, whose workers draw an .npy file")
    _option(parser, defaults, "seed", int, "of the samples")
    _option(parser, defaults, "method", str, "Algorithm 1, DDIM, or a solver of the ODE", choices=METHODS)
    _option(parser, defaults, "steps", int, "steps of the chain to take, evenly spaced")
    _option(parser, defaults, "start", int, "the highest of them; below T where hardly any signal is left at T")
    _option(parser, defaults, "variance", str, "of Algorithm 1", choices=VARIANCES)
    _option(parser, defaults, "eta", float, "DDIM's noise, 0..1")
    _option(parser, defaults, "churn", float, "noise that euler and heun put back")
    _option(parser, defaults, "first", int, "number of the first sample")
    _precision_option(parser)
    _option(parser, defaults, "label", int, "number of the class, from 0 on; one more than there are: no class")
    _option(parser, defaults, "guidance", float, "classifier-free guidance: how strongly to ask for the class")


def _precision_option(parser: argparse.ArgumentParser) -> None:
    purpose = "numbers that U-Nets multiply"
    _option(parser, {"precision": PRECISIONS[0]}, "precision", str, purpose, choices=PRECISIONS)


def _text_options(parser: argparse.ArgumentParser, defaults: Options) -> None:
    parser.add_argument("text", metavar="TEXT", help="what is to be seen")
    _place(parser, "-o", "--output", metavar="FILE", required=True, help=".png, pictures side by side; .npy")
    parser.add_argument("-n", type=int, default=PICTURES, help=f"pictures to draw (default: {PICTURES})")
    parser.add_argument("--quiet", dest="progress", action="store_false", help="no progress bar")
    _option(parser, defaults, "seed", int, "of the pictures")
    _option(parser, defaults, "first", int, "number of the first picture")
    _precision_option(parser)


def _latent_options(parser: argparse.ArgumentParser) -> None:
    defaults = _defaults(LatentPipeline.__call__)
    _text_options(parser, defaults)
    _option(parser, defaults, "guidance", float, GUIDANCE)
    _option(parser, defaults, "steps", int, "steps of the chain to take, spaced as the folder says")


def _dalle_options(parser: argparse.ArgumentParser) -> None:
    defaults = _defaults(UnCLIP.stages) | {"stage": "the last"}
    _text_options(parser, defaults)
    defaults |= dict.fromkeys(("prior_steps", "decoder_steps", "upsampler_steps"), "the pipeline's")
    _option(parser, defaults, "prior_guidance", float, f"{GUIDANCE}, in its embedding")
    _option(parser, defaults, "decoder_guidance", float, f"{GUIDANCE} and its embedding")
    _option(parser, defaults, "prior_steps", int, "steps of the prior's chain")
    _option(parser, defaults, "decoder_steps", int, "steps of the decoder's chain")
    _option(parser, defaults, "upsampler_steps", int, "steps of each upsampler's chain")
    _option(parser, defaults, "stage", int, "whose pictures to write: 0 the decoder's, 1 the first upsampler's, ...")


def _figure_options(parser: argparse.ArgumentParser) -> None:
    _place(parser, "-o", "--output", metavar="FILE.png", help="image, data and samples; both rows of the chain")
    _place(parser, "--gif", metavar="FILE.gif", help="the reverse chain, animated")
    _place(parser, "--html", metavar="FILE.html", help="the reverse chain as a page with a slider over t")
    _place(parser, "--data", metavar="DATA", help="the data to show (default: what the run was trained on)")
    _form_options(parser)
    parser.add_argument("--seed", type=int, default=0, help="of data, noise and samples (default: 0)")


def _check_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", metavar="LAB", choices=NAMES, help=f"which: {', '.join(NAMES)}")
    _place(parser, "file", metavar="FILE", help="Python file with your functions; it is run")


def _command(commands: Any, name: str, run: Callable[[Options], int], purpose: str, epilog: str) -> _Parser:
    parser = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if name not in ("train", "check", "compile"):
        _place(parser, "run", metavar="RUN", help="the run's folder")
    parser.set_defaults(command=run)
    return parser


def _option(group: Any, defaults: Options, name: str, kind: Any, purpose: str, **more: Any) -> None:
    help_text = f"{purpose} (default: {defaults[name]})"
    _flag(group, f"--{name.replace('_', '-')}", help_text, action="store", dest=name, type=kind, **more)


def _flag(group: Any, option: str, purpose: str, action: Any = "store_true", **more: Any) -> None:
    group.add_argument(option, action=action, default=argparse.SUPPRESS, help=purpose, **more)


def _place(parser: argparse.ArgumentParser, *names: str, **more: Any) -> None:
    """An argument that is a path, with ~ for the home: a shell leaves it in quotes and behind an equals sign."""
    parser.add_argument(*names, type=os.path.expanduser, **more)


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(",")) if text != "none" else ()


_integers.__name__ = "list of integers"  # what argparse says of a value that is none


def _defaults(function: Callable[..., Any]) -> Options:
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}
