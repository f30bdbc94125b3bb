"""Whether samples of a drawing are good ones: set beside fresh points of it, and seen where its detail is fine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import numpy_diffusion as nd
from numpy_diffusion.data import drawings

POINTS = 10_000  # of each set
PAIRS = 4000  # of each set where all pairs are looked at within the sets too
DATA = 20_000  # points that samples should be near to
DETAIL = 400_000  # fresh points, which show how much contrast there is

GAP = 0.005  # of picture, left out on both sides of an outline
AROUND = 0.03  # of picture, what counts as around a detail

Draw = Callable[[int, int], np.ndarray]


def report(samples: np.ndarray, draw: Draw, seed: int, details: Callable[[np.ndarray], dict[str, float]]) -> None:
    """Print the measures of samples [POINTS, 2] beside those of other fresh points.

    draw : points of the data, (n, seed) -> [n, 2]
    details : the contrast of each fine detail in points [N, 2], by its name
    """
    fresh, other, data = draw(POINTS, seed + 1), draw(POINTS, seed + 2), draw(DATA, seed + 3)  # none was trained on
    measures = {
        "energy distance": lambda x: nd.metrics.energy_distance(x[:PAIRS], fresh[:PAIRS]),
        "1-nearest-neighbour accuracy": lambda x: nd.metrics.nearest_neighbour_accuracy(x[:PAIRS], fresh[:PAIRS]),
        "share that strays": lambda x: nd.metrics.stray_share(x, data, fresh),
    }
    print("\nAgainst fresh points of the data:            samples   other fresh points")
    for name, measure in measures.items():
        print(f"{name:40}{measure(samples):12.5f}{measure(other):21.5f}")
    there = details(draw(DETAIL, seed + 4))
    for name, contrast in details(samples).items():
        print(f"contrast of {name:28}{contrast / there[name]:12.2f}{1.0:21.2f}")


def nothing_fine(points: np.ndarray) -> dict[str, float]:
    """Of a drawing without fine detail."""
    return {}


def of_the_tank(points: np.ndarray) -> dict[str, float]:
    """How much lighter the ring of each wheel is than the track around it: 1 - density / density around."""
    rim, hub = drawings.WHEEL_RADIUS, drawings.HUB * drawings.WHEEL_RADIUS
    found = {}
    for number, centre in enumerate(drawings.WHEELS, start=1):
        radius = np.abs(_complex(points) - centre)
        ring, track = _density(radius, hub + GAP, rim - GAP), _density(radius, rim + GAP, rim + GAP + AROUND)
        found[f"wheel {number}"] = 1.0 - _ratio(ring, track)
    return found


def of_the_airplane(points: np.ndarray) -> dict[str, float]:
    """How much darker the row of windows is than the fuselage beside it: density / density around - 1."""
    start, end = drawings.window_row()
    along = np.clip(((_complex(points) - start) / (end - start)).real, 0.0, 1.0)
    distance = np.abs(_complex(points) - (start + along * (end - start)))
    row = float(np.mean(distance < drawings.WINDOW_RADIUS)) / drawings.WINDOW_RADIUS
    inner, outer = drawings.WINDOW_RADIUS + GAP, drawings.WINDOW_RADIUS + GAP + AROUND
    beside = float(np.mean((distance > inner) & (distance < outer))) / AROUND
    return {"the row of windows": _ratio(row, beside) - 1.0}


def _complex(points: np.ndarray) -> np.ndarray:
    return points[:, 0].astype(np.float64) + 1j * points[:, 1]


def _density(radius: np.ndarray, inner: float, outer: float) -> float:
    """Points between two circles, by area."""
    return float(np.mean((radius > inner) & (radius < outer)) / (outer**2 - inner**2))


def _ratio(density: float, around: float) -> float:
    """NaN where samples leave all around empty, as those of a network that has hardly been trained may."""
    return density / around if around else np.nan
