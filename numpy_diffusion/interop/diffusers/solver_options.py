"""What a scheduler of diffusers asks of the solver: which one, at which steps, and where the chain ends.

`schedulers` reads the forward chain of the same file.  What the classes are here:

    DDPMScheduler                 "ancestral"
    DDIMScheduler                 "ddim"
    PNDMScheduler                 "heun", in place of its linear multistep method of order 4 (Liu et al. 2022)
    DPMSolverMultistepScheduler   "dpm++2m" or "dpm++3m", by solver_order
    EulerDiscreteScheduler        "euler"
    UnCLIPScheduler               "ancestral", by "linspace"

Of all methods here Heun's comes closest to where PNDM's leads with the same steps, on mixtures of Gaussians with the
chain of Stable Diffusion: after 50 steps x is 0.001 to 0.005 away from PNDM's, by DDIM or DPM-Solver++ 0.01 to 0.03.
It takes twice the evaluations; whoever has no time for them gives another method with the same steps.

Where ours is not theirs, number for number:

- Where the lowest of the steps is the end, theirs stand still there once, and here it is not taken.
- Theirs go down by a stride of T // n in DDIM and DDPM, wherever the next step is; ours go to the next step.  That is
  the same for "leading", and for "trailing" where n divides T.
- Euler's "linspace" has timesteps between the integers, and Karras' steps have sigmas between those of the chain; the
  nearest step is taken for each of them here.
- Euler starts from sigma_T z with "linspace" and "trailing", which is sqrt(1 - alpha_bar_T) z in x_t, and from z with
  "leading"; here it is z always.
- DPM-Solver++ takes a step of first order into a noisy end where there are fewer than 15 steps; here it has its full
  order.  For "dpm++3m" itself see `sampling.solvers.dpm_3m`.
"""

from __future__ import annotations

import math
from typing import Any, Final, assert_never

from numpy_diffusion import _checks, _files
from numpy_diffusion.interop.diffusers import files, schedulers
from numpy_diffusion.interop.diffusers.files import Options, naming
from numpy_diffusion.interop.diffusers.schedulers import Kind
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.solvers import Method
from numpy_diffusion.sampling.spacing import SPACINGS, Solver, Spacing, check_solver

IN_FILES: Final = SPACINGS[:3]  # values of timestep_spacing; "karras" is an option of its own
NOISY_END: Final = 1  # t of their timestep 0, where a chain ends that does not end at x_0

KIND: Final[dict[Method, Kind]] = {
    "ancestral": "DDPMScheduler",
    "ddim": "DDIMScheduler",
    "euler": "EulerDiscreteScheduler",
    "heun": "PNDMScheduler",
    "dpm++2m": "DPMSolverMultistepScheduler",
    "dpm++3m": "DPMSolverMultistepScheduler",
}
ORDERS: Final[dict[int, Method]] = {2: "dpm++2m", 3: "dpm++3m"}
SPACED: Final[dict[Kind, Spacing]] = {  # the default of timestep_spacing
    "DDPMScheduler": "leading",
    "DDIMScheduler": "leading",
    "PNDMScheduler": "leading",
    "DPMSolverMultistepScheduler": "linspace",
    "EulerDiscreteScheduler": "linspace",
    "UnCLIPScheduler": "linspace",
}
SIGMAS: Final = "its steps are by sigmas that no spacing here has"
REFUSED: Final[dict[Kind, dict[str, tuple[Any, str]]]] = {  # of a class: the only value that is read, and why
    "DPMSolverMultistepScheduler": {
        "algorithm_type": ("dpmsolver++", "the others are of eps, or add noise"),
        "solver_type": ("midpoint", "there is no other two-step formula here"),
        "lambda_min_clipped": (-math.inf, "a chain here starts at its highest step"),
        "use_lu_lambdas": (False, SIGMAS),
        "use_exponential_sigmas": (False, SIGMAS),
        "use_beta_sigmas": (False, SIGMAS),
    },
    "EulerDiscreteScheduler": {
        "interpolation_type": ("linear", SIGMAS),
        "timestep_type": ("discrete", "a network here is told a step and not log sigma"),
        "sigma_min": (None, SIGMAS),
        "sigma_max": (None, SIGMAS),
        "use_exponential_sigmas": (False, SIGMAS),
        "use_beta_sigmas": (False, SIGMAS),
    },
}


def read(folder: _files.PathLike) -> Solver:
    """What the folder's scheduler_config.json asks of the solver.

    Raises
    ------
    OSError : a folder or file that is missing or cannot be read
    ValueError : a file that is foreign or altered, or an option that is not supported
    """
    folder = _files.as_path("folder", folder)
    kind, options = schedulers.given(folder)
    with naming(folder / schedulers.FILE):
        return of_options(kind, options)


def of_options(kind: Kind, options: Options) -> Solver:
    """The solver that a scheduler's class and the options in its file describe."""
    for name, (value, why) in REFUSED.get(kind, {}).items():
        if (given := options.get(name, value)) != value and not (value is False and given is None):
            raise ValueError(f"{name}: expected {value!r}, got {given!r:.80}: {why}")
    spacing = _checks.choice("timestep_spacing", options.get("timestep_spacing", SPACED[kind]), IN_FILES)
    offset = _checks.integer("steps_offset", options.get("steps_offset", 0), 0, schedulers.LONGEST)
    match kind:
        case "DDPMScheduler":
            return Solver("ancestral", spacing, offset)
        case "DDIMScheduler":
            return Solver("ddim", spacing, offset, _end_by_alpha(options, True))
        case "PNDMScheduler":
            return Solver("heun", spacing, offset, _end_by_alpha(options, False))
        case "DPMSolverMultistepScheduler":
            order = _checks.integer("solver_order", options.get("solver_order", 2), 2, 3)
            spacing = "karras" if _karras(options) else spacing
            return Solver(ORDERS[order], spacing, offset, _end_by_sigma(options))
        case "EulerDiscreteScheduler":
            if _karras(options):
                if spacing != "linspace":
                    raise ValueError(
                        f"timestep_spacing: expected 'linspace' with use_karras_sigmas, got {spacing!r}: theirs are "
                        "from the highest step to the lowest here"
                    )
                spacing = "karras"
            return Solver("euler", spacing, offset, _end_by_sigma(options))
        case "UnCLIPScheduler":  # with no option of any of these
            return Solver("ancestral", SPACED[kind])
        case _:
            assert_never(kind)


def _karras(options: Options) -> bool:
    given = options.get("use_karras_sigmas")
    return False if given is None else _checks.instance("use_karras_sigmas", given, bool)


def _end_by_alpha(options: Options, default: bool) -> int:
    given = _checks.instance("set_alpha_to_one", options.get("set_alpha_to_one", default), bool)
    return 0 if given else NOISY_END


def _end_by_sigma(options: Options) -> int:
    given = options.get("final_sigmas_type", "zero")
    return 0 if _checks.choice("final_sigmas_type", given, ("zero", "sigma_min")) == "zero" else NOISY_END


def to_options(solver: Solver, schedule: Schedule, kind: Kind | None = None) -> tuple[Kind, Options]:
    """The class of a scheduler and its options, from which `read` and `schedulers.read_schedule` give both again.

    What the network predicts is for the caller to add.  A chain that keeps x_0 in a range is too: clip_sample is
    False here.

    Parameters
    ----------
    kind : the class; that of KIND unless given

    Raises
    ------
    ValueError : a solver or schedule that the class, or any of theirs, does not have

    Examples
    --------
    >>> kind, options = to_options(Solver("ddim", "leading", offset=1, end=1), Schedule.linear(T=1000))
    >>> kind, options["set_alpha_to_one"], options["steps_offset"]
    ('DDIMScheduler', False, 1)
    """
    check_solver(solver)
    kind = KIND[solver.method] if kind is None else _checks.choice("kind", kind, schedulers.SCHEDULERS)
    options = schedulers.to_options(_checks.instance("schedule", schedule, Schedule)) | {
        "timestep_spacing": "linspace" if solver.spacing == "karras" else solver.spacing,
        "steps_offset": solver.offset,
    }
    at_x0 = solver.end == 0
    match kind:
        case "DDPMScheduler":
            options |= {"clip_sample": False}
        case "UnCLIPScheduler":
            if options["beta_schedule"] != "squaredcos_cap_v2":
                raise ValueError(f"schedule: expected Schedule.cosine, as {kind} has it, got {schedule}")
            options = {name: options[name] for name in ("num_train_timesteps", "beta_schedule")}
            options |= {"clip_sample": False}
        case "DDIMScheduler":
            options |= {"clip_sample": False, "set_alpha_to_one": at_x0}
        case "PNDMScheduler":
            options |= {"skip_prk_steps": True, "set_alpha_to_one": at_x0}
        case "DPMSolverMultistepScheduler" | "EulerDiscreteScheduler":
            options |= {"final_sigmas_type": "zero" if at_x0 else "sigma_min"}
            options |= {"use_karras_sigmas": solver.spacing == "karras"}
            if kind == "DPMSolverMultistepScheduler":
                options |= {"algorithm_type": "dpmsolver++", "solver_order": 2 if solver.method == "dpm++2m" else 3}
        case _:
            assert_never(kind)
    if of_options(kind, options) != solver:
        asked = "a scheduler of diffusers'" if kind == KIND[solver.method] else kind
        raise ValueError(f"solver: expected one that {asked} has, got {solver}")
    return kind, options


def write(
    folder: _files.PathLike, solver: Solver, schedule: Schedule, kind: Kind | None = None, **others: Any
) -> None:
    """Write scheduler_config.json; `others` are options beside those of `to_options`, such as prediction_type.

    Raises
    ------
    OSError : a place that cannot be written
    ValueError : a solver or schedule that the class, or any of theirs, does not have, or an option like that
    """
    kind, options = to_options(solver, schedule, kind)
    schedulers.checked(kind, options | others)
    files.write_json(_files.as_path("folder", folder), schedulers.FILE, kind, options | others)
