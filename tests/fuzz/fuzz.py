"""Files that were cut, altered or made up, by the thousand: no traceback, no hang, no wrong load.

    python tests/fuzz/fuzz.py                      10,000 files of all kinds, some minutes
    python tests/fuzz/fuzz.py -n 300 --kind csv    some of one kind
    python tests/fuzz/fuzz.py --only 4711          one again

File i of a seed is the same whatever else is tried.  The command line reads it; it must end within a minute with
status 0, or with status 2 and one line on standard error.  What it reads must be right: a run is the one that was
written, a table what a much plainer reader makes of it.  Files that fail are kept in --found.  No part of the suite:
pytest collects nothing here.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import signal
import sys
import tempfile
import traceback
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

import numpy_diffusion as nd
from numpy_diffusion.cli import sources
from numpy_diffusion.cli.commands import main
from numpy_diffusion.training import tensors

SECONDS: Final = 60  # that a file may take, on a disk that others use as well
TRAIN: Final = "--steps 1 --batch 2 --width 4 --depth 0 --octaves 0 --T 4 --backend numpy --quiet"
ODD: Final = (
    *(b"nan", b"inf", b"-1", b"0", b"1e999", b"1e-400", b"99999999999999999999", b"-9223372036854775808", b"0x1F"),
    *(b"null", b"true", b"[]", b"{}", b'""', b'"', b",", b";", b"\t", b"\n", b"\r\n", b"#", b"\0", b"\xff\xfe"),
    *(b"\xef\xbb\xbf", b"1,5", b"NA", b"#N/A", b"[" * 200, b"\\ud800", b"../", b"|O", b"<U9", b"'descr'"),
)
TABLES: Final = (
    b"x,y\n0.5,-1.25\n3,4\n1e-3,7\n2,2\n",
    b"1,2,3\n4,5,6\n7,8,9\n",
    b'"a b","c"\r\n1,2\r\n3,4\r\n5,5\r\n',
    b"# made by hand\n1.5\n2.5\n\n3.5\n",
)


class Wrong(Exception):
    """What must not happen."""


class Hang(BaseException):
    """Nothing that the command line catches."""


# --- the files --------------------------------------------------------------------------------------------------


def written(save: Callable[[io.BytesIO], Any]) -> bytes:
    content = io.BytesIO()
    save(content)
    return content.getvalue()


def pictures() -> Iterator[bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 4), np.uint8)
    for mode in ("RGBA", "RGB", "L", "P", "1", "LA", "I;16"):
        picture = (
            Image.fromarray(pixels[..., 0].astype(np.uint16) * 256)
            if mode == "I;16"
            else Image.fromarray(pixels).convert(mode)
        )
        yield written(lambda file, picture=picture: picture.save(file, format="png"))


def arrays() -> Iterator[bytes]:
    x = np.random.default_rng(0).normal(size=(6, 2))
    for values in (x, x.astype(np.float32), np.asfortranarray(x), (9 * x).astype(np.int16), x.astype(">f8")):
        yield written(lambda file, values=values: np.save(file, values))


def make_run(folder: Path) -> dict[str, bytes]:
    """The files of a run, made by the command line."""
    assert quietly(["train", "--data", "moons", "--n", "20", "--out", str(folder), *TRAIN.split()])[0] == 0
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def make_pipeline(folder: Path) -> dict[str, bytes]:
    """The configuration files of a small pipeline in the form of diffusers, and its weights."""
    blocks = {"down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"], "block_out_channels": (8,)}
    unet = nd.UNet(
        sample_size=4, in_channels=1, out_channels=1, layers_per_block=1, norm_num_groups=4, **blocks
    )  # fmt: skip
    nd.save_diffusers(nd.Pipeline(unet, nd.Schedule.linear(T=10)), folder)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- how they are altered ---------------------------------------------------------------------------------------


def altered(content: bytes, rng: np.random.Generator) -> bytes:
    """The content after a slip or a few, never as it was."""
    found = bytearray(content)
    for _ in range(int(rng.geometric(0.6))):
        begin, end = sorted(int(place) for place in rng.integers(0, len(found) + 1, 2))
        end = min(end, begin + int(rng.integers(1, 40)))
        match int(rng.integers(9)):
            case 0 if found:
                found[begin % len(found)] ^= 1 << int(rng.integers(8))
            case 1 if found:
                found[begin % len(found)] = int(rng.integers(256))
            case 2:
                del found[begin:end]
            case 3:
                found[begin:begin] = found[begin:end]
            case 4:
                found[begin:begin] = rng.bytes(int(rng.integers(1, 9)))
            case 5:
                del found[begin:]
            case 6:
                found[begin:end] = ODD[int(rng.integers(len(ODD)))]
            case _:  # another number or word in the place of one
                words = list(re.finditer(rb"[\w.+-]+", bytes(found)))
                if words:
                    word = words[int(rng.integers(len(words)))]
                    found[word.start() : word.end()] = ODD[int(rng.integers(len(ODD)))]
    return bytes(found) if bytes(found) != content else content + b"\0"


def with_right_checksums(png: bytes) -> bytes:
    """The picture with the checksum that each of its chunks should have, so that what is altered is looked at."""
    found, place = bytearray(png), 8
    while place + 12 <= len(found):
        end = place + 8 + int.from_bytes(found[place : place + 4])
        if end + 4 > len(found):
            break
        found[end : end + 4] = zlib.crc32(found[place + 4 : end]).to_bytes(4)
        place = end + 4
    return bytes(found)


def signed(files: dict[str, bytes], config: bytes) -> dict[str, bytes]:
    """The files of a run as if they had been written with this config.json."""
    whole, text = files["config.json"].decode(), config.decode(errors="replace")
    found = dict(files)
    with tempfile.TemporaryDirectory() as room:
        for name in ("model.safetensors", "training.safetensors"):
            path = Path(room, name)
            path.write_bytes(files[name])
            found[name] = tensors.pack(tensors.unpack(path, whole), text)
    return found | {"config.json": text.encode()}


# --- what reads them --------------------------------------------------------------------------------------------


def quietly(words: list[str]) -> tuple[int, str]:
    """Status and standard error of a command; whatever else it does is Wrong."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), nd.backend("numpy"):
        status = main(words)
    told = [line for line in err.getvalue().splitlines() if not line.startswith("numpy-diffusion: warning: ")]
    if status not in (0, 2) or len(told) != (status == 2) or not all(": error: " in line for line in told):
        raise Wrong(f"status {status} with {err.getvalue()!r}")
    return status, err.getvalue()


def plain_table(content: bytes) -> np.ndarray | str | None:
    """What a text with nothing but numbers, commas and perhaps a line of names says; None of any other text.

    "wrong" where there is no table in it.
    """
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return None
    if re.search(r"[^\w.,+\-\n ]|_", text):
        return None
    rows = [[cell.strip() for cell in line.split(",")] for line in text.split("\n") if line.strip()]

    def numbers(row: list[str]) -> list[float] | None:
        try:
            return [float(cell) for cell in row]
        except ValueError:
            return None

    def has_number(row: list[str]) -> bool:
        return any(numbers([cell]) is not None for cell in row)

    if rows and (rows[0][0] == "" or rows[0] == [str(k) for k in range(len(rows[0]))]):
        return None  # these may be an index and columns that pandas has numbered
    if rows and not has_number(rows[0]):
        rows = rows[1:]
    values = [numbers(row) for row in rows]
    if not values or None in values or len({len(row) for row in rows}) > 1:
        return "wrong"
    table = np.array(values)
    return table if np.isfinite(table).all() else "wrong"


def read_points(path: Path, content: bytes, folder: Path) -> bool:
    status, _ = quietly(["train", "--data", str(path), "--out", str(folder / "run"), *TRAIN.split()])
    if path.suffix == ".csv" and (expected := plain_table(content)) is not None:
        if isinstance(expected, str) and status == 0:
            raise Wrong(f"read {sources.points(str(path), 1, 0)!r} where there is no table")
        if isinstance(expected, np.ndarray) and status == 0:
            found = sources.points(str(path), 1, 0)
            np.testing.assert_array_equal(found, expected.astype(found.dtype))
    return status == 0


def read_picture(path: Path, content: bytes, folder: Path) -> bool:
    words = ["train", "--data", str(path), "--n", "8", "--out", str(folder / "run"), *TRAIN.split()]
    return quietly(words)[0] == 0


def read_run(path: Path, content: bytes, folder: Path) -> bool:
    known = nd.load_run(path.parent.parent / "whole")
    informed, _ = quietly(["info", str(path.parent)])
    output = folder / "x.npy"
    status, _ = quietly(["sample", str(path.parent), "-n", "2", "-o", str(output), "--quiet"])
    if status == 0:
        with nd.backend("numpy"):
            np.testing.assert_array_equal(np.load(output), nd.sample(known.model, known.schedule, 2))
    resumed, _ = quietly(["train", "--out", str(path.parent), "--resume", "--quiet"])
    if resumed == 0:
        np.testing.assert_array_equal(nd.load_run(path.parent).losses, known.losses)
    return 0 in (status, informed, resumed)


def read_forged(path: Path, content: bytes, folder: Path) -> bool:
    commands = ["info {}", "sample {} -n 2 -o {}/x.npy --quiet", "figure {} -o {}/x.png", "train --out {} --resume"]
    return 0 in [quietly(line.replace("{}", str(folder)).split())[0] for line in commands]


def read_pipeline(path: Path, content: bytes, folder: Path) -> bool:
    try:
        nd.load_diffusers(folder / "pipeline")
    except (ValueError, OSError, ImportError):
        return False
    return True


# --- the loop ---------------------------------------------------------------------------------------------------

KINDS: Final = ("csv", "npy", "png", "run", "forged", "pipeline")


def case(kind: str, rng: np.random.Generator, stock: dict[str, Any], folder: Path) -> tuple[Path, bytes, Any]:
    """The path and content of an altered file, in a fresh folder with what belongs to it, and what reads it."""

    def one(contents: tuple[bytes, ...]) -> bytes:
        return altered(contents[int(rng.integers(len(contents)))], rng)

    if kind in ("csv", "npy", "png"):
        content, path = one(stock[kind]), folder / f"x.{kind}"
        if kind == "png" and rng.integers(2):
            content = with_right_checksums(content)
        path.write_bytes(content)
        return path, content, read_picture if kind == "png" else read_points
    if kind == "forged":
        files = signed(stock["run"], altered(stock["run"]["config.json"], rng))
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder / "config.json", files["config.json"], read_forged
    files = stock[kind]
    names = sorted(name for name in files if name != "loss.csv")
    name = names[int(rng.integers(len(names)))]
    content = altered(files[name], rng)
    for other, whole in files.items():
        for place in ("whole", kind):
            path = folder / place / other
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if (place, other) == (kind, name) else whole)
    return folder / kind / name, content, read_run if kind == "run" else read_pipeline


def too_long(*_: Any) -> None:
    raise Hang(f"not done after {SECONDS} s")


def attempt(number: int, seed: int, kind: str, stock: dict[str, Any], found: Path) -> bool | None:
    """Whether file `number` was read; None where something happened that must not."""
    with tempfile.TemporaryDirectory() as room:
        path, content, read = case(kind, np.random.default_rng([seed, number]), stock, Path(room))
        signal.alarm(SECONDS)
        try:
            return read(path, content, Path(room))
        except (Exception, Hang):
            signal.alarm(0)
            found.mkdir(parents=True, exist_ok=True)
            kept = found / f"{number}-{path.name}"
            kept.write_bytes(content)
            print(f"file {number}, of kind {kind}, kept as {kept}:\n{traceback.format_exc()}", flush=True)
            return None
        finally:
            signal.alarm(0)


def fuzz(argv: list[str] | None = None) -> int:
    """Try the files that the command line asks for; the number of those that fail is told, and makes the status 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=10_000, help="files (default: 10000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, help="of the files (default: each in turn)")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="try one file alone")
    parser.add_argument("--found", type=Path, default=Path(tempfile.gettempdir(), "fuzz-found"), metavar="FOLDER")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGALRM, too_long)
    with tempfile.TemporaryDirectory() as room:
        stock = {
            "csv": TABLES,
            "npy": tuple(arrays()),
            "png": tuple(pictures()),
            "run": make_run(Path(room, "run")),
            "pipeline": make_pipeline(Path(room, "pipeline")),
        }
    numbers = range(options.n) if options.only is None else [options.only]
    counts = {True: 0, False: 0, None: 0}
    for number in numbers:
        kind = options.kind or KINDS[number % len(KINDS)]
        counts[attempt(number, options.seed, kind, stock, options.found)] += 1
    print(f"{len(numbers)} files: {counts[True]} read, {counts[False]} refused, {counts[None]} failed")
    return 1 if counts[None] else 0


if __name__ == "__main__":
    sys.exit(fuzz())
