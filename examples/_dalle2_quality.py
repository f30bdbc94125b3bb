"""How good each part of DALL-E 2 is, on scenes that it was not trained on: every number that the examples print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import _dalle2
import _latents
import _scene_quality
import numpy as np

import numpy_diffusion as nd

CHOICES: Final = 100  # captions, or pictures, of different meanings among which the right one is to be found
POOL: Final = 4000  # scenes that the others are drawn from
EDGE: Final = 0.25  # of a step from pixel to pixel in -1..1: where the true picture has an edge


def found(clip: nd.CLIP, n: int, seed: int, part: nd.captions.Part = "seen") -> tuple[float, float]:
    """How often the right one of CHOICES captions is the most similar to a picture, and so of pictures to a caption.

    Their meanings, thing, colour, size and place, all differ.  Beside a combination that was held out stand others of
    all kinds, since there are fewer than CHOICES that were.
    """
    judged = nd.captions.scenes(n, _dalle2.SIZES[0], seed + _latents.JUDGED, part)
    others = nd.captions.scenes(
        POOL, _dalle2.SIZES[0], seed + _latents.JUDGED + 1, "seen" if part == "seen" else "all"
    )
    images, texts = _units(clip, judged)
    of_others = _units(clip, others)
    meaning, pool, random = _meaning(judged), _meaning(others), np.random.default_rng(seed)
    right = np.zeros(2)
    for k in range(n):
        order = random.permutation(POOL)
        _, firsts = np.unique(pool[order], return_index=True)
        rest = order[np.sort(firsts)]
        rest = rest[pool[rest] != meaning[k]][: CHOICES - 1]
        right[0] += images[k] @ texts[k] > (of_others[1][rest] @ images[k]).max(initial=-1.0)
        right[1] += texts[k] @ images[k] > (of_others[0][rest] @ texts[k]).max(initial=-1.0)
    return float(right[0] / n), float(right[1] / n)


def nearness(z: np.ndarray, pictures: np.ndarray) -> float:
    """The mean cosine of embeddings [N, D] and others, row by row."""
    return float(np.mean(np.sum(unit(z) * unit(pictures), axis=1)))


def two_pictures(clip: nd.CLIP, asked: nd.captions.Scenes, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The embeddings of the scenes, and of others of the same captions, which may differ in the ground."""
    told = nd.captions.parse(asked.captions)
    ground = np.random.default_rng(seed).integers(0, 3, len(asked.x0))
    told = told._replace(ground=np.where(told.ground < 0, ground, told.ground))
    other = nd.captions.draw(told, asked.x0.shape[2], seed + _latents.JUDGED + 2)
    return clip.image_encoder(asked.x0), clip.image_encoder(other)


def psnr(x: np.ndarray, true: np.ndarray) -> float:
    """In decibels, of pictures in -1..1 and what they should be: 10 log10 of 2^2 / squared error."""
    return float(10.0 * np.log10(4.0 / np.mean((x - true).astype(np.float64) ** 2)))


def sharpness(x: np.ndarray, true: np.ndarray) -> float:
    """How steep the true pictures' edges are in x, as a share of what they are in the true ones."""
    steep, asked = _steepness(x), _steepness(true)
    edges = asked > EDGE
    return float(steep[edges].sum() / asked[edges].sum())


def smaller(x: np.ndarray, size: int) -> np.ndarray:
    """Pictures averaged over squares of pixels: [N, 3, size, size]."""
    n, channels, side, _ = x.shape
    factor = side // size
    return x.reshape(n, channels, size, factor, size, factor).mean(axis=(3, 5))


def shares(judge: _scene_quality.Judge, x: Sequence[np.ndarray], captions: list[str]) -> list[dict[str, float]]:
    """Of pictures of each size, read at the size of the first, how many show what the captions say."""
    told = nd.captions.parse(captions)
    return [_scene_quality.agreement(judge, smaller(each, x[0].shape[2]), told) for each in x]


def _steepness(x: np.ndarray) -> np.ndarray:
    """The length of the differences to the pixels below and to the right, over all channels: [N, H - 1, W - 1]."""
    down, right = np.diff(x, axis=2)[:, :, :, :-1], np.diff(x, axis=3)[:, :, :-1]
    return np.sqrt((down**2 + right**2).sum(axis=1))


def _units(clip: nd.CLIP, scenes: nd.captions.Scenes) -> tuple[np.ndarray, np.ndarray]:
    known = _dalle2.encoded(clip, scenes)
    return unit(known.pictures), unit(known.texts.embedding)


def unit(z: np.ndarray) -> np.ndarray:
    """Embeddings of length 1, [N, D]."""
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def _meaning(scenes: nd.captions.Scenes) -> np.ndarray:
    """A number for each combination of what every caption tells."""
    told = scenes.attributes._asdict()
    return np.array([told[name] for name in _scene_quality.FOUR]).T @ np.array([1000, 100, 10, 1])
