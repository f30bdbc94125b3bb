"""What a scheduler of diffusers asks of the solver: which one, at which steps, and where the chain ends.

`schedulers` reads the forward chain of the same file.  What the classes are here:

    DDPMScheduler                 "ancestral"
    DDIMScheduler                 "ddim"
    PNDMScheduler                 "heun", in place of its linear multistep method of order 4 (Liu et al. 2022)
    DPMSolverMultistepScheduler   "dpm++2m" or "dpm++3m", by solver_order
    EulerDiscreteScheduler        "euler"

Of all methods here Heun's comes closest to where PNDM's leads with the same steps, on mixtures of Gaussians with the
chain of Stable Diffusion: after 50 steps x is 0.001 to 0.005 away from PNDM's, by DDIM or DPM-Solver++ 0.01 to 0.03.
It takes twice the evaluations; whoever has no time for them gives another method with the same steps.

Where ours is not theirs, number for number:

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
from typing import Any, Final, Literal, NamedTuple, assert_never, get_args

import numpy as np

from numpy_diffusion import _checks, _files
from numpy_diffusion.interop.diffusers import files, schedulers
from numpy_diffusion.interop.diffusers.files import Options, naming
from numpy_diffusion.interop.diffusers.schedulers import Kind
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import karras_steps
from numpy_diffusion.sampling.solvers import METHODS, Method

Spacing = Literal["leading", "linspace", "trailing", "karras"]
SPACINGS: Final[tuple[Spacing, ...]] = get_args(Spacing)
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


class Solver(NamedTuple):
    """How a scheduler goes down the chain: the arguments `method`, `steps` and `end` of `sampling.samplers.sample`.

    Attributes
    ----------
    method : of `sample`
    spacing : of the timesteps (Lin et al. 2024, table 2): "leading", from 0 up by T // n; "linspace", from 0 to
        T - 1; "trailing", from T - 1 down by T / n.  Of DPM-Solver++ the first two space one more, and leave out 0.
        Or "karras", of sigma^(1 / 7): `process.steps.karras_steps`
    offset : what "leading" adds to each timestep: steps_offset
    end : the step at which the chain ends: 0, x_0 itself, or 1, their timestep 0, as set_alpha_to_one False and
        final_sigmas_type "sigma_min" have it

    Examples
    --------
    That of the first Stable Diffusion, by DDIM; and the steps of Euler's defaults:

    >>> Solver("ddim", "leading", offset=1, end=1).steps(5, Schedule.linear(T=1000)).tolist()
    [802, 602, 402, 202, 2]
    >>> Solver("euler", "linspace").steps(5, Schedule.linear(T=1000)).tolist()
    [1000, 750, 501, 251, 1]
    """

    method: Method
    spacing: Spacing
    offset: int = 0
    end: int = 0

    def steps(self, n: int, schedule: Schedule) -> np.ndarray:
        """The steps that set_timesteps(n) gives, timestep + 1 each: int64 [n], falling.

        A step at `end` or below, which `sample` does not take, is one at which their chain stands still.

        Raises
        ------
        ValueError : n outside 1..T, or so large that the timesteps are not distinct or leave the chain
        """
        T = _checks.instance("schedule", schedule, Schedule).T
        n = _checks.integer("n", n, 1, T)
        if self.spacing == "karras":
            return karras_steps(schedule, n)
        steps = self._timesteps(n, T) + 1
        if steps[0] > T or steps[-1] < 1 or (np.diff(steps) >= 0).any():
            spaced = f"{self.spacing!r} with offset {self.offset}"
            raise ValueError(f"n: expected a number of steps that are distinct and at most T by {spaced}, got {n}")
        return steps

    def _timesteps(self, n: int, T: int) -> np.ndarray:
        """In 0..T - 1, unchecked: int64 [n], falling."""
        points = n + 1 if self.method in ORDERS.values() else n
        match self.spacing:
            case "leading":
                return (np.arange(points) * (T // points))[::-1][:n] + self.offset
            case "linspace":
                return np.linspace(0, T - 1, points).round().astype(np.int64)[::-1][:n]
            case "trailing":
                # By a difference, as they have it: products round other halves.  Rounding may give one more, at 0.
                return np.arange(T, 0, -(T / n)).round().astype(np.int64)[:n] - 1
            case "karras":
                raise AssertionError("by sigma, see `steps`")
            case _:
                assert_never(self.spacing)


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


def to_options(solver: Solver, schedule: Schedule) -> tuple[Kind, Options]:
    """The class of a scheduler and its options, from which `read` and `schedulers.read_schedule` give both again.

    What the network predicts is for the caller to add.  A chain that keeps x_0 in a range is too: clip_sample is
    False here.

    Raises
    ------
    ValueError : a solver that none of their classes has

    Examples
    --------
    >>> kind, options = to_options(Solver("ddim", "leading", offset=1, end=1), Schedule.linear(T=1000))
    >>> kind, options["set_alpha_to_one"], options["steps_offset"]
    ('DDIMScheduler', False, 1)
    """
    _checks.instance("solver", solver, Solver)
    kind = KIND[_checks.choice("solver: method", solver.method, METHODS)]
    _checks.choice("solver: spacing", solver.spacing, SPACINGS)
    options = schedulers.to_options(_checks.instance("schedule", schedule, Schedule)) | {
        "timestep_spacing": "linspace" if solver.spacing == "karras" else solver.spacing,
        "steps_offset": solver.offset,
    }
    at_x0 = solver.end == 0
    match kind:
        case "DDPMScheduler":
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
        raise ValueError(f"solver: expected one that a scheduler of diffusers' has, got {solver}")
    return kind, options


def write(folder: _files.PathLike, solver: Solver, schedule: Schedule, **others: Any) -> None:
    """Write scheduler_config.json; `others` are options beside those of `to_options`, such as prediction_type.

    Raises
    ------
    OSError : a place that cannot be written
    ValueError : a solver that none of their classes has
    """
    kind, options = to_options(solver, schedule)
    files.write_json(_files.as_path("folder", folder), schedulers.FILE, kind, options | others)
