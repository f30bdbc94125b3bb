"""Three grayscale drawings made of formulas: an airplane, a tank and a spiral (article, Figs 3-5).

A shape is its signed distance at every pixel: negative inside, zero on the outline.  A drawing is a list of
strokes (distance, tone) painted one over the other; the tone runs from 0, paper, to 1, black ink, and may vary over
the picture: that is the shading.  Points of the picture are complex numbers x + iy, x and y in [-1, 1], y up.

Parts that touch differ in tone, tones change smoothly inside a part, and nothing is thinner than about 0.03: so a
few thousand points sampled by darkness still show the thing, and a small network can learn them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks

__all__ = ["airplane", "spiral", "tank", "window_row"]

SIZE_MIN = 16  # pixels a side below which nothing can be told apart

# The finest of what the tank and the airplane show, for measures of how much of it is learned: a wheel is light from
# its hub, dark again, to its rim; the windows are a dark row on the light fuselage.
WHEELS = tuple(x - 0.36j for x in np.linspace(-0.57, 0.55, 5))
WHEEL_RADIUS, HUB = 0.118, 0.4  # the hub's radius in wheels
WINDOW_RADIUS = 0.017
BODY = 0.92  # of the airplane in the picture
_TAIL_WINDOW, _NOSE_WINDOW = (-0.60, -0.115, 0.03), (0.70, -0.125, 0.03)  # in body coordinates

Stroke = tuple[np.ndarray, float | np.ndarray]  # signed distance [size, size]; tone, one number or [size, size]


def airplane(size: int = 256) -> np.ndarray:
    """An airliner that climbs to the right, seen from its right side, in front and above.

    Parameters
    ----------
    size : pixels a side, at least 16

    Returns
    -------
    uint8 [size, size], row 0 at the top: 0 is black ink, 255 is white paper

    Raises
    ------
    ValueError : size is not an integer of at least 16

    Examples
    --------
    >>> image = airplane(128)
    >>> image.shape, image.dtype.name, int(image[0, 0])
    ((128, 128), 'uint8', 255)
    """
    z, scale, project = _pixels(size), BODY, _projected

    def wing(side: int) -> Stroke:
        root, tip = project((0.05, side * 0.10, -0.05), (-0.39, side * 1.05, 0.06))
        outline = project(
            (0.28, side * 0.08, -0.05), (-0.33, side * 1.05, 0.06), (-0.46, side * 1.05, 0.06),
            (-0.20, side * 0.38, -0.02), (-0.20, side * 0.08, -0.05),
        )  # fmt: skip
        return _polygon(z, outline), _gradient(z, root, tip, 0.85, 0.5)

    def tailplane(side: int) -> Stroke:
        outline = project(
            (-0.70, side * 0.03, 0.06), (-0.95, side * 0.42, 0.09), (-1.08, side * 0.42, 0.09),
            (-0.95, side * 0.03, 0.06),
        )  # fmt: skip
        return _polygon(z, outline), 0.6

    def engine(side: int) -> list[Stroke]:
        back, front = project((-0.10, side * 0.36, -0.14), (0.25, side * 0.36, -0.14))
        distance, across = _tube(z, np.linspace(back, front, 16), np.linspace(0.045, 0.065, 16))
        return [(distance, 0.7 - 0.3 * across), (_disc(z, front, 0.045), 1.0)]

    x = -np.cos(np.linspace(0.0, np.pi, 96))  # denser towards nose and tail, where the radius changes
    radius = _fuselage_radius(x)
    height = np.where(x < 0.0, 0.8, -0.35) * (radius.max() - radius)
    distance, across = _tube(z, project(*zip(x, 0.0 * x, height, strict=True)), scale * radius)
    fuselage = (distance, np.where(across < 0.0, 0.2 + 0.6 * np.abs(across) ** 1.3, 0.2 + 0.2 * across**2))
    fin = project((-0.60, 0.0, 0.10), (-0.93, 0.0, 0.48), (-1.08, 0.0, 0.48), (-0.96, 0.0, 0.08))
    windows = (_tube(z, np.linspace(*window_row(), 48), WINDOW_RADIUS)[0], 0.95)
    cockpit = project(
        (0.79, -0.085, 0.045), (0.89, -0.06, 0.02), (0.94, 0.0, 0.02), (0.92, 0.04, 0.035), (0.87, 0.0, 0.085),
        (0.79, -0.045, 0.095),
    )  # fmt: skip
    left, right = 1, -1
    return _paint(
        [
            tailplane(left), *engine(left), wing(left),
            fuselage, windows, (_polygon(z, cockpit), 1.0),
            (_polygon(z, fin), 0.95), tailplane(right), wing(right), *engine(right),
        ]
    )  # fmt: skip


def window_row() -> tuple[complex, complex]:
    """The two ends of the airplane's row of windows, in the picture."""
    last, first = _projected(_TAIL_WINDOW, _NOSE_WINDOW)
    return complex(last), complex(first)


def _projected(*points: Sequence[float]) -> np.ndarray:
    """Body coordinates (x to the nose, y to the left, z up; the fuselage is 2 long) to the picture."""
    return np.array(points) @ (BODY * _axes(azimuth=-58.0, elevation=30.0, roll=36.0)) + (0.12 + 0.055j)


def tank(size: int = 256) -> np.ndarray:
    """A battle tank that faces right, seen from its side.  Argument, result and errors as for `airplane`.

    Examples
    --------
    >>> int(tank(128).min()) < 20
    True
    """
    z = _pixels(size)

    def wheel(centre: complex, radius: float) -> list[Stroke]:
        face = _gradient(z, centre + 1j * radius, centre - 1j * radius, 0.05, 0.3)
        return [(_disc(z, centre, radius), face), (_disc(z, centre, HUB * radius), 0.95)]

    def tube(start: float, end: float, radius: float) -> Stroke:
        distance, across = _tube(z, np.linspace(start, end, 40) + 0.245j, radius)
        return distance, 0.8 - 0.2 * across

    track = [-0.66 - 0.41j, 0.64 - 0.41j, 0.83 - 0.19j, -0.83 - 0.19j]
    hull = [-0.93 - 0.10j, -0.92 + 0.05j, -0.62 + 0.12j, 0.48 + 0.12j, 0.95 - 0.04j, 0.88 - 0.15j, -0.90 - 0.15j]
    glacis = [0.48 + 0.12j, 0.95 - 0.04j, 0.88 - 0.15j, 0.62 - 0.04j]
    turret = [-0.42 + 0.14j, -0.52 + 0.24j, -0.36 + 0.39j, 0.10 + 0.40j, 0.38 + 0.27j, 0.32 + 0.14j]
    cheek = [0.10 + 0.40j, 0.38 + 0.27j, 0.32 + 0.14j, -0.02 + 0.14j]
    basket = [-0.74 + 0.19j, -0.74 + 0.33j, -0.40 + 0.33j, -0.40 + 0.19j]
    cupola = [-0.27 + 0.40j, -0.24 + 0.48j, -0.04 + 0.48j, -0.01 + 0.40j]
    wheels = [stroke for centre in WHEELS for stroke in wheel(centre, WHEEL_RADIUS)]
    return _paint(
        [
            (_polygon(z, track) - 0.11, 1.0), *wheels, *wheel(-0.83 - 0.22j, 0.075), *wheel(0.83 - 0.22j, 0.075),
            (_polygon(z, hull), _gradient(z, 0.12j, -0.15j, 0.25, 0.5)), (_polygon(z, glacis), 0.25),
            tube(0.3, 0.95, 0.03), tube(0.60, 0.74, 0.05), tube(0.87, 0.93, 0.05),
            (_polygon(z, basket) - 0.01, 0.95), (_polygon(z, cupola) - 0.01, 0.95),
            (_polygon(z, turret) - 0.02, _gradient(z, 0.42j, 0.12j, 0.65, 1.0)),
            (_polygon(z, cheek) - 0.02, _gradient(z, 0.42j, 0.12j, 0.5, 0.8)),
        ]
    )  # fmt: skip


def spiral(size: int = 256) -> np.ndarray:
    """A brush stroke along the spiral of Archimedes.  Argument, result and errors as for `airplane`.

    Examples
    --------
    >>> image = spiral(128)
    >>> image.shape, int(image[0, 0])
    ((128, 128), 255)
    """
    z = _pixels(size)
    first, last = np.pi, 6.5 * np.pi  # the angles between which the radius 0.9 angle / last grows
    distance, tone = np.full(z.shape, np.inf), np.zeros(z.shape)
    for turn in range(4):  # of all points of the curve in a pixel's direction, the nearest
        angle = np.clip(np.angle(z) % (2.0 * np.pi) + 2.0 * np.pi * turn, first, last)
        along = (angle - first) / (last - first)
        to_curve = np.abs(z - 0.9 * angle / last * np.exp(1j * angle)) - (0.03 + 0.05 * along)
        tone = np.where(to_curve < distance, 0.95 - 0.6 * along, tone)
        distance = np.minimum(distance, to_curve)
    return _paint([(distance, tone)])


def _pixels(size: int) -> np.ndarray:
    """Centres of the pixels: complex128 [size, size], row 0 at the top."""
    size = _checks.integer("size", size, SIZE_MIN)
    centre = (np.arange(size) + 0.5) * 2.0 / size - 1.0
    return centre[None, :] - 1j * centre[:, None]


def _paint(strokes: Sequence[Stroke]) -> np.ndarray:
    """The strokes one over the other, outlines blended over one pixel: uint8 [size, size], 255 where none is."""
    size = len(strokes[0][0])
    ink = np.zeros((size, size))
    for distance, tone in strokes:
        cover = np.clip(0.5 - distance * size / 2.0, 0.0, 1.0)
        ink += cover * (tone - ink)
    return np.rint(255.0 * (1.0 - np.clip(ink, 0.0, 1.0))).astype(np.uint8)


def _disc(z: np.ndarray, centre: complex, radius: float) -> np.ndarray:
    """Signed distance to a disc."""
    return np.abs(z - centre) - radius


def _polygon(z: np.ndarray, corners: ArrayLike) -> np.ndarray:
    """Signed distance to a polygon; take r from it and the corners become round with radius r."""
    corners = np.asarray(corners, dtype=np.complex128)
    distance = np.full(z.shape, np.inf)
    inside = np.zeros(z.shape, dtype=bool)
    for start, end in zip(corners, np.roll(corners, -1), strict=True):
        edge = end - start
        along = ((z - start) / edge).real  # 0 at the start of the edge, 1 at its end
        distance = np.minimum(distance, np.abs(z - start - np.clip(along, 0.0, 1.0) * edge))
        # A ray from the pixel to the right that crosses the edge swaps in and out.
        between = (start.imag > z.imag) != (end.imag > z.imag)
        left_of_edge = (((z - start) / edge).imag > 0.0) == (end.imag > start.imag)
        inside ^= between & left_of_edge
    return np.where(inside, -distance, distance)


def _tube(z: np.ndarray, centres: np.ndarray, radii: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """A ball that rolls along `centres`: its signed distance, and how far a pixel lies from the axis.

    The second array runs from -1 at the lower edge to 1 at the upper one: what the shading of a tube depends on.
    """
    direction = (centres[-1] - centres[0]) / np.abs(centres[-1] - centres[0])
    upwards = 1j * direction if direction.real > 0.0 else -1j * direction
    distance, across = np.full(z.shape, np.inf), np.zeros(z.shape)
    for centre, radius in zip(centres, np.broadcast_to(radii, centres.shape), strict=True):
        to_ball = _disc(z, centre, radius)
        nearer = to_ball < distance
        distance = np.where(nearer, to_ball, distance)
        across = np.where(nearer, ((z - centre) / upwards).real / radius, across)
    return distance, np.clip(across, -1.0, 1.0)


def _gradient(z: np.ndarray, start: complex, end: complex, tone_start: float, tone_end: float) -> np.ndarray:
    """A tone that changes linearly from point to point and stays constant beyond them."""
    along = np.clip(((z - start) / (end - start)).real, 0.0, 1.0)
    return tone_start + (tone_end - tone_start) * along


def _axes(azimuth: float, elevation: float, roll: float) -> np.ndarray:
    """Where the unit vectors x, y, z of space appear in a parallel projection: complex [3].  Angles in degrees.

    The camera stands at `azimuth` from x towards y and at `elevation` above the plane of x and y, looks at the
    origin, and the picture is then turned by `roll` counter-clockwise.
    """
    a, e, r = np.deg2rad([azimuth, elevation, roll])
    right = np.array([-np.sin(a), np.cos(a), 0.0])
    up = np.array([-np.sin(e) * np.cos(a), -np.sin(e) * np.sin(a), np.cos(e)])
    return (right + 1j * up) * np.exp(1j * r)


def _fuselage_radius(x: np.ndarray) -> np.ndarray:
    """A cylinder of radius 0.125 with an elliptic nose from x = 0.7 on and a long taper from x = -0.45 back."""
    nose = np.sqrt(1.0 - (np.maximum(x - 0.7, 0.0) / 0.31) ** 2)
    taper = 1.0 - 0.85 * (np.maximum(-0.45 - x, 0.0) / 0.55) ** 1.5
    return 0.125 * nose * taper


def __dir__() -> list[str]:
    return __all__
