"""Peak memory of a training step of the U-Net of `unet_works.py`: batch 32, Adam, a process for each contestant.

    python benchmarks/memory.py

Each contestant runs twice, the first time to fill the caches of compiled code; the second process is measured:

- process: the highest resident size of the whole process, Python and libraries included;
- above imports: the same without what was resident after the imports, before there were a model and data;
- training: the highest during STEPS steps after the first one, without what was resident after a step of a network of
  few channels, freed again.  Libraries load much of their code when first used, and that is not the training's.

A process imports its contestant alone: PyTorch's gets the weights and the schedule through a pipe.  For Linux.
"""

from __future__ import annotations

import ctypes
import gc
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy_diffusion as nd

OURS = "numpy_diffusion"
BATCH, RATE, T, STEPS = 32, 1e-4, 1000, 5


def main() -> None:
    import unet_works
    import works

    import numpy_diffusion as nd

    model, schedule = unet_works.small(), nd.Schedule.linear(T=T)
    few = nd.UNet(**model.options | {"block_out_channels": (8, 8, 8)})
    found = {}
    for name in [OURS, *(name for peer in works.installed_peers("peer_diffusers") for name in peer.NAMES)]:
        _process(name, few, model, schedule, 1)
        found[name] = _process(name, few, model, schedule, STEPS)
    columns = list(found[OURS])
    print(f"{'peak memory in MB':<24}" + "".join(f"{column:>20}" for column in columns))
    for name, sizes in found.items():
        cells = (f"{sizes[column]:.0f} ({sizes[column] / found[OURS][column]:.1f} x)" for column in columns)
        print(f"{name:<24}" + "".join(f"{cell:>20}" for cell in cells))


def _process(name: str, few: nd.UNet, model: nd.UNet, schedule: nd.Schedule, steps: int) -> dict[str, float]:
    """What `measure` finds in a process of its own, which gets all it needs as arrays and JSON."""
    networks = {"few": few, "model": model}
    arrays = {f"{which}/{key}": value for which, network in networks.items() for key, value in network.params.items()}
    options = json.dumps({which: network.options for which, network in networks.items()})
    np.savez(given := io.BytesIO(), alpha_bar=schedule.alpha_bar, steps=steps, options=options, **arrays)
    command = [sys.executable, __file__, name]
    done = subprocess.run(command, input=given.getvalue(), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _given() -> tuple[SimpleNamespace, SimpleNamespace, SimpleNamespace, int]:
    """The networks of few channels and of the measurement, the schedule and the steps that `_process` sends."""
    arrays = dict(np.load(io.BytesIO(sys.stdin.buffer.read())))
    few, model = (
        SimpleNamespace(
            options=options,
            params={key.split("/")[1]: value for key, value in arrays.items() if key.startswith(f"{which}/")},
        )
        for which, options in json.loads(str(arrays["options"])).items()
    )
    return few, model, SimpleNamespace(T=T, alpha_bar=arrays["alpha_bar"]), int(arrays["steps"])


def measure(name: str) -> None:
    """Train here, and print the three figures as a line of JSON."""
    few, model, schedule, steps = _given()
    start = _contestant(name)
    imported = _megabytes("VmRSS")
    data = np.random.default_rng(0).uniform(-1.0, 1.0, (256, 1, 32, 32)).astype(np.float32)
    start(few, schedule, data)()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # or the C library would keep what is free, and give it to the training
    loaded = _megabytes("VmRSS")
    run = start(model, schedule, data)
    run()
    highest = _megabytes("VmHWM")
    Path("/proc/self/clear_refs").write_text("5")  # the highest resident size starts anew: without the compiler's
    for _ in range(steps):
        run()
    steady = _megabytes("VmHWM")
    highest = max(highest, steady)
    print(json.dumps({"process": highest, "above imports": highest - imported, "training": steady - loaded}))


def _contestant(name: str) -> Callable[..., Callable[[], object]]:
    """Its imports; and a function that makes a network and all that training it needs, and gives a step."""
    if name == OURS:
        import ours

        import numpy_diffusion as nd

        return lambda model, schedule, data: ours.train(
            nd.UNet(**model.options), nd.Schedule.linear(T=schedule.T), data, BATCH, 1, RATE, most=STEPS + 1
        )
    import peer_diffusers

    return lambda model, schedule, data: peer_diffusers.train(name, model, schedule, data, BATCH, RATE)[0]


def _megabytes(field: str) -> float:
    """A size of this process as Linux counts it: VmRSS, resident now, or VmHWM, the highest so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        main()
