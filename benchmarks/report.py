"""The benchmark's results as lines, JSON, a Markdown table and a chart."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.figure import Figure

OURS = "numpy_diffusion"
COLOURS = {  # Okabe and Ito's, safe for colour-blind readers
    OURS: "#0072B2",
    "NumPy": "#999999",
    "PyTorch eager": "#E69F00",
    "PyTorch compiled": "#D55E00",
    "PyTorch channels_last": "#CC79A7",
    "JAX jit": "#009E73",
}


def best_peer(row: dict) -> str:
    """The fastest of the others."""
    return min((name for name in row["seconds"] if name != OURS), key=row["seconds"].get)


def ratio(row: dict) -> float:
    """How many times longer the best peer takes."""
    return row["seconds"][best_peer(row)] / row["seconds"][OURS]


def print_row(row: dict) -> None:
    """One work's figures, as soon as they are known."""
    print(f"\n{row['title']}")
    for name, seconds in row["seconds"].items():
        first = row["first call"].get(name)
        note = f"   first call {first:6.2f} s" if first is not None else ""
        print(f"  {name:<18}{_time(seconds):>12}{note}")
    if len(row["seconds"]) > 1:
        print(f"  best peer / ours  {ratio(row):11.2f}x   (wanted: {row['target']}x)")
    for name, quality in row.get("quality", {}).items():
        print(f"  {name:<18}" + ", ".join(f"{what} {value:.4g}" for what, value in quality.items()))
    for name, form in (("share of peak", "{:11.0%}"), ("times a copy", "{:11.2f}x")):
        if name in row:
            print(f"  {name:<18}{form.format(row[name])}")


def write(results: dict, folder: Path) -> None:
    """benchmark.json, benchmark.md and benchmark.png."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmark.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "benchmark.md").write_text(_markdown(results))
    _chart(results, folder / "benchmark.png")
    print(f"\nwritten: {folder}/benchmark.json, benchmark.md, benchmark.png")


def _markdown(results: dict) -> str:
    names = list(dict.fromkeys(name for row in results["works"] for name in row["seconds"]))
    lines = [
        "| work | " + " | ".join(names) + " | best peer / ours | share of peak |",
        "|---" * (len(names) + 3) + "|",
    ]
    for row in results["works"]:
        cells = [_time(row["seconds"][name]) if name in row["seconds"] else "" for name in names]
        share = f"{row['share of peak']:.0%}" if "share of peak" in row else ""
        share = f"{row['times a copy']:.2f} x a copy" if "times a copy" in row else share
        versus = f"**{ratio(row):.1f} x**" if len(row["seconds"]) > 1 else ""
        lines.append(f"| {row['title']} | " + " | ".join(cells) + f" | {versus} | {share} |")
    return "\n".join(lines) + "\n\n" + _described(results["machine"]) + "\n"


def _described(machine: dict) -> str:
    versions = ", ".join(
        f"{name} {machine[name]}" for name in ("python", "numpy", "numba", "torch", "jax") if name in machine
    )
    cores = f"{machine['threads']} threads, {machine['register bits']}-bit registers"
    return f"Machine: {machine['processor']}, {cores}; {versions}."


def _chart(results: dict, path: Path) -> None:
    """Bars of time over ours, on a logarithmic axis: one group a work."""
    works = results["works"]
    figure = Figure(figsize=(9, 0.9 * len(works) + 1.2), dpi=130, layout="constrained")
    axes = figure.subplots()
    names = list(dict.fromkeys(name for row in works for name in row["seconds"]))
    height = 0.8 / len(names)
    for place, name in enumerate(names):
        rows = [(y, row) for y, row in enumerate(works) if name in row["seconds"]]
        times = [row["seconds"][name] / row["seconds"][OURS] for _, row in rows]
        at = [y + (place - (len(names) - 1) / 2) * height for y, _ in rows]
        axes.barh(at, times, height * 0.92, color=COLOURS.get(name, "#000000"), label=name)
        for y, times_ours, (_, row) in zip(at, times, rows, strict=True):
            axes.annotate(
                f"{_time(row['seconds'][name])}",
                (times_ours, y),
                (3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
    axes.set(yticks=range(len(works)), yticklabels=[row["title"] for row in works], xscale="log")
    axes.set_xlabel("time, as a multiple of numpy_diffusion's (logarithmic; shorter is faster)")
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_ylim(len(works) - 0.4, -0.6)  # from the top, without empty room
    axes.set_xlim(0.5, axes.get_xlim()[1] * 1.4)
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100) if tick < axes.get_xlim()[1]]
    axes.set_xticks(ticks, [f"{tick} x" for tick in ticks])
    axes.minorticks_off()
    axes.legend(loc="lower right", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def _time(seconds: float) -> str:
    if seconds < 1.0:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s"
