"""A small vocabulary of CLIP's kind: every byte, within a word and at its end, and a few pairs."""

from __future__ import annotations

import json
from pathlib import Path

MERGES = [("r", "e"), ("re", "d</w>"), ("p", "l"), ("pl", "a"), ("'", "s</w>"), ("Ã", "©</w>")]


def vocabulary() -> dict[str, int]:
    """Numbers by token, those of the start and the end the highest."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    signs = {byte: chr(byte) for byte in printable}
    signs |= {byte: chr(256 + n) for n, byte in enumerate(b for b in range(256) if b not in printable)}
    one = [signs[byte] for byte in range(256)]
    words = [*one, *(f"{sign}</w>" for sign in one), *("".join(pair) for pair in MERGES)]
    return {word: n for n, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}


def write(folder: Path, pad: str | None = None) -> Path:
    """The folder with the vocabulary in it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary()))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *(" ".join(pair) for pair in MERGES)]) + "\n")
    if pad is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": pad}))
    return folder
