"""What diffusers' schedulers have as options, and which of them there are here.

A scheduler there is three things: the forward chain, the step down it (what the network predicts, where x_0 is kept
and the variance), and the solver with its steps.  The first is read here, and of all which options there are;
`reverse_options` says what the second is here, and `solver_options` which arguments of `sampling.samplers.sample` the
third.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from numpy_diffusion import _checks, _files
from numpy_diffusion.interop.diffusers.files import Options, naming, read_json
from numpy_diffusion.process.schedules import Schedule

FILE: Final = "scheduler_config.json"
CHAIN: Final[Options] = {
    "num_train_timesteps": 1000,
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "trained_betas": None,
    "prediction_type": "epsilon",
}
CLIP: Final[Options] = {"clip_sample": True, "clip_sample_range": 1.0}
Kind = Literal[
    "DDPMScheduler",
    "DDIMScheduler",
    "PNDMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerDiscreteScheduler",
    "UnCLIPScheduler",
]
SCHEDULERS: Final[dict[Kind, Options]] = {  # what is read of each, with its defaults
    "DDPMScheduler": CHAIN | CLIP | {"variance_type": "fixed_small"},
    "DDIMScheduler": CHAIN | CLIP,
    "PNDMScheduler": CHAIN,
    "DPMSolverMultistepScheduler": CHAIN,
    "EulerDiscreteScheduler": CHAIN,
    "UnCLIPScheduler": {
        "num_train_timesteps": 1000,
        "beta_schedule": "squaredcos_cap_v2",
        "prediction_type": "epsilon",
        "variance_type": "fixed_small_log",
    }
    | CLIP,
}
Choices = dict[str, tuple[str, ...]]
CHOICES: Final[Choices] = {
    "beta_schedule": ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"),
    "prediction_type": ("epsilon", "sample", "v_prediction"),
    "variance_type": ("fixed_small", "fixed_small_log", "fixed_large", "learned_range"),
}
FEWER: Final[dict[Kind, Choices]] = {  # of a class that has not all of them
    "UnCLIPScheduler": {
        "beta_schedule": ("squaredcos_cap_v2",),
        "prediction_type": ("epsilon", "sample"),
        "variance_type": ("fixed_small_log", "learned_range"),
    }
}
REFUSED: Final = {  # the only value that is read, and why
    "thresholding": (False, "there is no dynamic thresholding here"),
    "rescale_betas_zero_snr": (False, "with no signal left at T, eps there is x_T itself and tells nothing of x_0"),
    "use_flow_sigmas": (False, "its x_t is not that of a chain with betas"),
}
SOLVER: Final = (  # options of the solver and its steps, see `solver_options`
    *("algorithm_type", "solver_order", "solver_type", "lower_order_final", "euler_at_final", "final_sigmas_type"),
    *("timestep_spacing", "steps_offset", "lambda_min_clipped", "dynamic_thresholding_ratio", "sample_max_value"),
    *("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "flow_shift"),
    *("use_dynamic_shifting", "time_shift_type", "set_alpha_to_one", "skip_prk_steps"),
    *("interpolation_type", "timestep_type", "sigma_min", "sigma_max"),
)
LONGEST: Final = 10**6  # steps of a chain: nothing in the file bounds them


def read_schedule(folder: _files.PathLike) -> Schedule:
    """The forward chain of a scheduler of diffusers: of the folder's scheduler_config.json.

    Each class of SCHEDULERS, with each beta_schedule that it has.  Step t here is timestep t - 1 there.  Betas are
    float32 there and float64 here.

    Raises
    ------
    OSError : a folder or file that is missing or cannot be read
    ValueError : a file that is foreign or altered, or an option that is not supported

    Examples
    --------
    >>> read_schedule("no/such/folder")
    Traceback (most recent call last):
        ...
    FileNotFoundError: no/such/folder: expected a folder in diffusers' layout, found no such folder
    """
    folder = _files.as_path("folder", folder)
    options = read(folder)
    with naming(folder / FILE):
        return of_options(options)


def of_options(options: Options) -> Schedule:
    """The schedule that the options of a scheduler describe, as `read` gives them."""
    options = CHAIN | options  # what a class does not have
    T, ends = options["num_train_timesteps"], (options["beta_start"], options["beta_end"])
    between = {"beta_start": ends[0], "beta_end": ends[1], "scale_to_T": False}
    if options["trained_betas"] is not None:
        return Schedule.from_beta(options["trained_betas"])
    match options["beta_schedule"]:
        case "linear":
            return Schedule.linear(T, **between)
        case "scaled_linear":
            return Schedule.quadratic(T, **between)
        case "squaredcos_cap_v2":
            return Schedule.cosine(T)
        case "sigmoid":
            return Schedule.sigmoid(T, **between)
        case other:
            raise ValueError(f"beta_schedule: expected one of {CHOICES['beta_schedule']}, got {other!r}")


def to_options(schedule: Schedule) -> Options:
    """The options of a scheduler with these betas: a formula where it gives the same to the bit, else the betas.

    The ends of a sigmoid's options are not those of its betas, so that it is always written as betas.
    """
    _checks.integer("schedule: T", schedule.T, 2)
    betas = schedule.beta[1:]
    options: Options = {"num_train_timesteps": schedule.T, "trained_betas": None, "beta_schedule": "linear"}
    options |= {"beta_start": float(betas[0]), "beta_end": float(betas[-1])}
    for kind in CHOICES["beta_schedule"]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a chain that is only compared
            tried = of_options(options | {"beta_schedule": kind})
        if np.array_equal(tried.beta, schedule.beta):
            return options | {"beta_schedule": kind}
    return options | {"trained_betas": betas.tolist()}


def read(folder: _files.PathLike) -> Options:
    """The options of the file's scheduler that SCHEDULERS has, checked.

    Raises
    ------
    OSError : a folder or file that is missing or cannot be read
    ValueError : a file that is foreign or altered, or an option that is not supported
    """
    folder = _files.as_path("folder", folder)
    kind, options = given(folder)
    with naming(folder / FILE):
        return checked(kind, options)


def given(folder: Path) -> tuple[Kind, Options]:
    """The class that the file names and its options as they stand there, none of them foreign or refused."""
    found = read_json(folder, FILE, tuple(SCHEDULERS))
    kind: Kind = found["_class_name"]
    options = {name: value for name, value in found.items() if not name.startswith("_")}
    known = {*SOLVER, *REFUSED, *(name for own in SCHEDULERS.values() for name in own)}
    with naming(folder / FILE):
        if unknown := options.keys() - known:
            raise ValueError(f"{min(unknown)[:200]}: expected an option of {kind}, got one that it does not have")
        for name, (value, why) in REFUSED.items():
            if options.get(name, value) is not value:
                raise ValueError(f"{name}: expected {value}, got {options[name]!r:.80}: {why}")
    return kind, options


def checked(kind: Kind, given: Options) -> Options:
    """Those of the options that SCHEDULERS has of the class, checked, and its defaults."""
    options = {name: given.get(name, default) for name, default in SCHEDULERS[kind].items()}
    T = _checks.integer("num_train_timesteps", options["num_train_timesteps"], 2, LONGEST)
    betas = options.get("trained_betas")
    found: dict[str, Any] = {"num_train_timesteps": T}
    if betas is not None:
        found["trained_betas"] = _checks.array("trained_betas", betas, (T,), np.float64)
    choices = CHOICES | FEWER.get(kind, {})
    for name in choices.keys() & options.keys():
        _checks.choice(name, options[name], choices[name])
    if options.get("clip_sample"):
        _checks.instance("clip_sample", options["clip_sample"], bool)
        found["clip_sample_range"] = _checks.real("clip_sample_range", options["clip_sample_range"], 1e-6)
    return options | found
