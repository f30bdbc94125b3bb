"""Stable Diffusion 1.5 at its own size: a folder of drawn weights opened here and by diffusers, a process each.

    python benchmarks/full_size.py make FOLDER [--float16]          by diffusers and transformers, which it needs
    python benchmarks/full_size.py keep FOLDER                      nd.keep_layouts, to be timed with what it keeps
    python benchmarks/full_size.py answers FOLDER [--parts ...]     of each part, against PyTorch's
    python benchmarks/full_size.py time FOLDER [--parts ...] [--rounds 3] [--contestants ...]

The folder has the layout, the sizes and the names of StableDiffusionPipeline's version 1.5: a U-Net of 859.5 million
parameters, an autoencoder of 84, a text encoder of 123 with all rows of its table, and a tokenizer of few words.  Its
weights are drawn, so its pictures are noise; what is measured does not depend on them.  It takes 4.3 GB.

Whole models do not fit into memory side by side.  So each contestant works in a process of its own, which opens the
folder, makes the first call and repeats it; processes alternate, for `rounds` of them.  What is told of each:

    opening     the whole pipeline opened, a text encoded, and the first step of the U-Net
    imported    the same from the start of the process: with the imports
    unet1, 2    a step of the U-Net for one picture, and for two
    decoder     a latent 64 x 64 to a picture 512 x 512
    encoder     a picture to its latent's mean and variance
    peak        the highest resident size of the process, and of it what is its own and no page of a file

The first process of ours fills Numba's cache and is not counted.  For Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

OURS = "numpy_diffusion"
PEERS = ("PyTorch eager", "PyTorch channels_last")  # to compile this U-Net takes PyTorch many minutes
PARTS = ("opening", "unet1", "unet2", "decoder", "encoder")
TARGETS = {"opening": 2.0, "imported": 2.0, "unet1": 1.5, "unet2": 1.5, "decoder": 1.5, "encoder": 1.5}
TEXT, STEP = "a big red plane", 500
LATENT, PICTURE = (4, 64, 64), (3, 512, 512)
SEED, LONG = 0, 2.0  # seconds after which a call is not repeated more than twice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("make", "keep", "answers", "time", "measure"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--float16", action="store_true", help="files of float16, as many people have them")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--contestants", nargs="+", choices=(OURS, *PEERS), default=(OURS, *PEERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--answers", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    match given.command:
        case "make":
            make(given.folder, given.float16)
        case "keep":
            import numpy_diffusion as nd

            nd.keep_layouts(given.folder)
        case "answers":
            compare(given.folder, given.parts)
        case "time":
            report(given.folder, given.parts, given.contestants, given.rounds)
        case "measure":
            measure(given.folder, given.contestants[0], given.parts, given.rounds, given.answers)


# The folder ------------------------------------------------------------------------------------------------------


def make(folder: Path, half: bool) -> None:
    """Write the folder, part by part, as each is large."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    folder.mkdir(parents=True, exist_ok=True)
    last = _tokenizer(folder / "tokenizer")
    text = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                          vocab_size=49408, bos_token_id=last - 1, eos_token_id=last, projection_dim=768)  # fmt: skip
    parts: dict[str, Callable[[], Any]] = {
        "text_encoder": lambda: CLIPTextModel(text),
        "unet": lambda: UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8),
        "vae": lambda: AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            sample_size=512,
        ),
    }
    for name, part in parts.items():
        torch.manual_seed(SEED)
        model = part()
        with torch.no_grad():
            for values in model.parameters():
                if values.ndim == 1:
                    values.add_(0.05 * torch.randn_like(values))  # so that no norm's weight is 1 and no bias 0
        count = sum(values.numel() for values in model.parameters())
        (model.half() if half else model).save_pretrained(folder / name, max_shard_size="20GB")
        print(f"{name:<14}{count:>14,} parameters")
        del model
    DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
                  set_alpha_to_one=False, steps_offset=1).save_pretrained(folder / "scheduler")  # fmt: skip
    index: dict[str, Any] = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.35.0",
        "requires_safety_checker": False,
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    index |= {name: [None, None] for name in ("safety_checker", "feature_extractor", "image_encoder")}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))


def _tokenizer(folder: Path) -> int:
    """Write one whose tokens are the bytes, alone and at a word's end; the number of the end token."""
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    signs = [chr(b) for b in printable] + [chr(256 + n) for n in range(256 - len(printable))]
    words = [*signs, *(f"{sign}</w>" for sign in signs), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    CLIPTokenizer(*files, model_max_length=77).save_pretrained(folder)
    return len(words) - 1


# Contestants -----------------------------------------------------------------------------------------------------


def given() -> dict[str, np.ndarray]:
    """What all contestants are shown."""
    rng = np.random.default_rng(SEED)
    return {
        "latents": rng.standard_normal((2, *LATENT), dtype=np.float32),
        "picture": rng.uniform(-1.0, 1.0, (1, *PICTURE)).astype(np.float32),
    }


def ours(folder: Path) -> tuple[dict[str, Callable[[], Any]], Callable[[str], float]]:
    """The parts as calls, each of which gives arrays; and how many operations one takes."""
    import ours as own

    import numpy_diffusion as nd

    shown, opened = given(), {}

    def unet(n: int) -> np.ndarray:
        x, states = shown["latents"][:n], np.repeat(opened["states"], n, axis=0)
        return opened["pipeline"].unet(x, STEP + 1, states=states)  # t is 1..T here

    def opening() -> list[np.ndarray]:
        opened["pipeline"] = pipeline = nd.load_diffusers(folder)
        opened["states"] = pipeline.states(TEXT)
        return [opened["states"], unet(1)]

    def encoder() -> list[np.ndarray]:
        return [*opened["pipeline"].autoencoder.encode(shown["picture"])]

    def flops(part: str) -> float:
        pipeline = opened["pipeline"]
        if part in ("decoder", "encoder"):
            return float(own.autoencoder_flops(pipeline.autoencoder, part))
        return (2.0 if part == "unet2" else 1.0) * float(own.unet_flops(pipeline.unet, tokens=77))

    decoder = lambda: [opened["pipeline"].autoencoder.decode(shown["latents"][:1])]  # noqa: E731
    return {
        "opening": opening,
        "unet1": lambda: [unet(1)],
        "unet2": lambda: [unet(2)],
        "decoder": decoder,
        "encoder": encoder,
    }, flops


def theirs(name: str, folder: Path) -> dict[str, Callable[[], Any]]:
    """The same of PyTorch: the parts as calls that give arrays."""
    import torch
    from diffusers import StableDiffusionPipeline

    torch.set_grad_enabled(False)
    last = name == "PyTorch channels_last"
    shown = {key: torch.from_numpy(values) for key, values in given().items()}
    if last:
        shown = {key: values.contiguous(memory_format=torch.channels_last) for key, values in shown.items()}
    opened: dict[str, Any] = {}

    def unet(n: int) -> np.ndarray:
        states = opened["states"].expand(n, -1, -1)
        return opened["pipeline"].unet(shown["latents"][:n], STEP, states).sample.numpy()

    def opening() -> list[np.ndarray]:
        found = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32, local_files_only=True)
        if last:
            for part in (found.unet, found.vae):
                part.to(memory_format=torch.channels_last)
        opened["pipeline"], ids = found, found.tokenizer(TEXT, padding="max_length", max_length=77)["input_ids"]
        opened["states"] = found.text_encoder(torch.tensor([ids]))[0]
        return [opened["states"].numpy(), unet(1)]

    def encoder() -> list[np.ndarray]:
        found = opened["pipeline"].vae.encode(shown["picture"]).latent_dist
        return [found.mean.numpy(), found.logvar.numpy()]

    decoder = lambda: [opened["pipeline"].vae.decode(shown["latents"][:1]).sample.numpy()]  # noqa: E731
    return {
        "opening": opening,
        "unet1": lambda: [unet(1)],
        "unet2": lambda: [unet(2)],
        "decoder": decoder,
        "encoder": encoder,
    }


def measure(folder: Path, name: str, parts: list[str], rounds: int, answers: Path | None) -> None:
    """Open the folder, make the calls of the parts, and print their seconds and this process's memory as JSON."""
    runs, flops = ours(folder) if name == OURS else (theirs(name, folder), lambda part: 0.0)
    found: dict[str, Any] = {"seconds": {}, "flops": {}}
    arrays = {}
    for part in ("opening", *(part for part in parts if part != "opening")):
        start = time.perf_counter()
        arrays[part] = runs[part]()
        times = [time.perf_counter() - start]
        if part != "opening" and answers is None:
            for _ in range(rounds if times[0] < LONG else min(rounds, 2)):
                start = time.perf_counter()
                runs[part]()
                times.append(time.perf_counter() - start)
        found["seconds"][part] = times
        if part == "opening":
            found["seconds"]["imported"] = [age()]
        found["flops"][part] = 0.0 if part == "opening" else flops(part)
        print(f"  {name}: {part} " + " ".join(f"{t:.2f}" for t in times) + " s", file=sys.stderr, flush=True)
    if answers is not None:
        np.savez(answers, **{f"{part}{k}": values for part, some in arrays.items() for k, values in enumerate(some)})
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


def age() -> float:
    """Seconds since this process began.

    By one clock: /proc/stat has when the system began in whole seconds, and no later setting of the clock in it.
    """
    began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began


# The parent ------------------------------------------------------------------------------------------------------


def child(folder: Path, name: str, parts: list[str], rounds: int, answers: Path | None = None) -> dict[str, Any]:
    """What a process of this contestant tells, with the highest of its own pages that was seen meanwhile."""
    command = [sys.executable, __file__, "measure", str(folder), "--contestants", name, "--rounds", str(rounds)]
    command += ["--parts", *parts] + ([] if answers is None else ["--answers", str(answers)])
    # Python keeps what it compiles of the package's sources, as it does of those that are installed.
    own, shell = 0.0, {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=shell) as process:
        while process.poll() is None:
            own = max(own, _own_pages(process.pid))
            time.sleep(0.02)
        told = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{name}: ended with {process.returncode}")
    return json.loads(told.splitlines()[-1]) | {"own": own}


def _own_pages(pid: int) -> float:
    """Megabytes that are resident and of no file."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def compare(folder: Path, parts: list[str]) -> None:
    """The largest difference of each part's answer from PyTorch's, relative to the largest number there."""
    with tempfile.TemporaryDirectory() as where:
        for name in (PEERS[0], OURS):
            child(folder, name, parts, 1, Path(where, name).with_suffix(".npz"))
        expected, found = (dict(np.load(Path(where, name).with_suffix(".npz"))) for name in (PEERS[0], OURS))
    for key, values in expected.items():
        error = np.abs(found[key] - values).max() / np.abs(values).max()
        what = {"opening0": "text encoder", "opening1": "unet, first step"}.get(key, key)
        print(f"{what:<20}{error:10.1e} of {np.abs(values).max():.3g}   {'' if error < 1e-4 else 'TOO FAR'}")


def report(folder: Path, parts: list[str], contestants: list[str], rounds: int) -> None:
    """Alternate processes of the contestants, and print each part's figures."""
    for path in sorted(folder.rglob("*.safetensors")):  # for all to find it in memory
        with open(path, "rb") as file:
            while file.read(1 << 24):
                pass
    if OURS in contestants:
        child(folder, OURS, parts, 1)
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in contestants}
    for turn in range(rounds):
        for name in contestants[turn % len(contestants) :] + contestants[: turn % len(contestants)]:
            told[name].append(child(folder, name, parts, 2))
    _print(told, parts)


def _print(told: dict[str, list[dict[str, Any]]], parts: list[str]) -> None:
    import report as table
    import timing

    peak = timing.peak_gflops() if OURS in told else 0.0
    for part in (*(("opening", "imported") if "opening" in parts else ()), *(p for p in parts if p != "opening")):
        seconds = {}
        for name, runs in told.items():
            times = [t for run in runs for t in (run["seconds"][part][1:] or run["seconds"][part])]
            seconds[name] = statistics.median(times)
        row = {"title": part, "seconds": seconds, "first call": {}, "target": TARGETS[part]}
        if OURS in told and (flops := told[OURS][0]["flops"].get(part)):
            row["share of peak"] = flops / seconds[OURS] / 1e9 / peak
        table.print_row(row)
    print(f"\n{'peak memory in MB':<24}{'resident':>12}{'its own':>12}")
    for name, runs in told.items():
        highest = (max(run[which] for run in runs) for which in ("peak", "own"))
        print(f"{name:<24}" + "".join(f"{size:>12,.0f}" for size in highest))
    print(f"{os.cpu_count()} processors; peak of the tile {peak:.0f} GFLOP/s")


if __name__ == "__main__":
    main()
