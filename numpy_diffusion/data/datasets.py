"""Points to learn from: sets in the plane, Gaussians, and images read as densities (article, Figs 3-5).

Each function returns float32 [n, D].  Point i depends on the seed and on i alone, never on n: `spiral(100)` is
`spiral(1000)[:100]`, to the bit.  The sets in the plane lie about the origin and reach to about 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks, noise
from numpy_diffusion.data import drawings, pictures

__all__ = ["airplane", "from_image", "gaussian", "mixture", "moons", "spiral", "spiral_image", "swiss_roll", "tank"]

# What a point uses its numbers for: each use is a step of its own in the generator's counter.
_SHAPE, _NOISE = 0, 1


def spiral(n: int, seed: int = 0, *, turns: float = 2.5, sigma: float = 0.02) -> np.ndarray:
    """Points along the spiral of Archimedes, equally dense along its arm, with Gaussian noise.

    Parameters
    ----------
    n : number of points, 1..2**32
    seed : 64 bits
    turns : windings of the arm from the origin to radius 1, at least 0; they lie 1 / turns apart
    sigma : standard deviation of the noise in each coordinate, at least 0

    Returns
    -------
    float32 [n, 2]

    Raises
    ------
    ValueError : a number out of its range

    Examples
    --------
    >>> spiral(8192, seed=0).shape
    (8192, 2)
    >>> bool((spiral(8192, seed=0)[:10] == spiral(10, seed=0)).all())
    True
    """
    turns = _checks.real("turns", turns, 0.0)
    sigma = _checks.real("sigma", sigma, 0.0)
    u, z = _plane_noise(n, seed)
    radius = np.sqrt(u[:, 0])  # the length of the arm grows as the square of the radius
    return _points(radius, 2.0 * np.pi * turns * radius, sigma * z)


def swiss_roll(n: int, seed: int = 0, *, sigma: float = 0.02) -> np.ndarray:
    """The Swiss roll seen from its end: one and a half windings, ever thinner outwards, with Gaussian noise.

    The curve t (cos t, sin t), t uniform in 1.5 pi .. 4.5 pi (Marsland 2009, and scikit-learn), over 4.5 pi.
    Arguments, result and errors as for `spiral`.

    Examples
    --------
    >>> x = swiss_roll(1000, seed=0)
    >>> bool(0.2 < np.hypot(*x.T).min() and np.hypot(*x.T).max() < 1.1)
    True
    """
    sigma = _checks.real("sigma", sigma, 0.0)
    u, z = _plane_noise(n, seed)
    t = 1.5 * np.pi * (1.0 + 2.0 * u[:, 0])
    return _points(t / (4.5 * np.pi), t, sigma * z)


def moons(n: int, seed: int = 0, *, sigma: float = 0.05) -> np.ndarray:
    """Two half circles that reach into each other, with Gaussian noise.

    Half of the points, each by a fair coin, on (cos a, sin a) and half on (1 - cos a, 1/2 - sin a), a uniform in
    0 .. pi (scikit-learn's set), moved by (-1/2, -1/4) to lie about the origin.
    Arguments, result and errors as for `spiral`.

    Examples
    --------
    >>> moons(1000, seed=0).mean(axis=0).round(1).tolist()
    [-0.0, 0.0]
    """
    sigma = _checks.real("sigma", sigma, 0.0)
    u, z = _plane_noise(n, seed)
    sign = np.where(u[:, 1] < 0.5, 1.0, -1.0)  # the lower moon is the upper one turned by half a turn
    angle = np.pi * u[:, 0]
    centre = sign[:, None] * np.array([-0.5, -0.25])
    return _points(sign, angle, centre + sigma * z)


def gaussian(n: int, mean: ArrayLike, covariance: ArrayLike, seed: int = 0) -> np.ndarray:
    """Points from N(mean, covariance) in any dimension: the `mixture` of one.

    Parameters
    ----------
    mean : [D]
    covariance : [D, D], symmetric and positive semi-definite
    n, seed, result and errors as for `mixture`

    Examples
    --------
    >>> gaussian(3, mean=[1.0, 2.0], covariance=np.zeros((2, 2))).tolist()
    [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]
    """
    mean = _checks.array("mean", mean, ("D",), np.float64)
    covariance = _checks.covariance("covariance", covariance, len(mean))
    return _mixture(n, np.ones(1), mean[None], covariance[None], seed)


def mixture(n: int, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, seed: int = 0) -> np.ndarray:
    """Points from the mixture of N(means[k], covariances[k]), each k with probability weights[k].

    Parameters
    ----------
    n : number of points, 1..2**32
    weights : [K], positive, with sum 1
    means : [K, D]
    covariances : [K, D, D], each symmetric and positive semi-definite
    seed : 64 bits

    Returns
    -------
    float32 [n, D]

    Raises
    ------
    ValueError : a shape that does not fit, NaN, weights that are no probabilities, a matrix that is no covariance

    Examples
    --------
    >>> x = mixture(4, weights=[0.5, 0.5], means=[[-1.0], [1.0]], covariances=np.zeros((2, 1, 1)))
    >>> np.unique(np.abs(x)).tolist()
    [1.0]
    """
    means = _checks.array("means", means, ("K", "D"), np.float64)
    K, D = means.shape
    weights = _checks.probabilities("weights", weights, K)
    given = _checks.array("covariances", covariances, (K, D, D), np.float64)
    checked = np.stack([_checks.covariance(f"covariances[{k}]", given[k], D) for k in range(K)])
    return _mixture(n, weights, means, checked, seed)


def airplane(n: int, seed: int = 0) -> np.ndarray:
    """`n` points from the project's drawing of an airplane: float32 [n, 2].  See `from_image`."""
    return from_image(drawings.airplane(), n, seed)


def tank(n: int, seed: int = 0) -> np.ndarray:
    """`n` points from the project's drawing of a tank: float32 [n, 2].  See `from_image`."""
    return from_image(drawings.tank(), n, seed)


def spiral_image(n: int, seed: int = 0) -> np.ndarray:
    """`n` points from the project's drawing of a spiral: float32 [n, 2].  See `from_image`."""
    return from_image(drawings.spiral(), n, seed)


def from_image(image: Any, n: int, seed: int = 0) -> np.ndarray:
    """Points with a density proportional to the darkness of an image, uniform inside each pixel.

    Parameters
    ----------
    image : path of a picture that pillow can read (PNG, JPEG, ...), or an array: [height, width] of gray,
        [height, width, 3] of RGB or [height, width, 4] of RGBA, uint8 in 0..255 or float in 0..1;
        0 is black, and what is transparent is white
    n : number of points, 1..2**32
    seed : 64 bits

    Returns
    -------
    float32 [n, 2]: x to the right, y upwards, the picture centred on the origin, its longer side from -1 to 1

    Raises
    ------
    OSError : a file that is missing or is no readable picture
    ValueError : an array of another shape, type or range; a picture that is white all over; n or seed out of range

    Examples
    --------
    >>> picture = np.array([[1.0, 1.0], [0.0, 1.0]])  # black at the lower left
    >>> x = from_image(picture, 1000, seed=0)
    >>> bool((x >= -1.0).all() and (x <= 0.0).all())
    True
    """
    darkness = pictures.darkness(image)
    height, width = darkness.shape
    cumulative = np.cumsum(darkness.ravel())
    if cumulative[-1] == 0.0:
        raise ValueError("image: expected something darker than white, got a picture that is white all over")
    rows, seed = _rows(n), _checks.seed(seed)
    word = noise.words(seed, noise.STREAM_DATA, rows, _SHAPE, 4).astype(np.uint64)
    # 53 bits choose the pixel: with 24, the pixels of a large picture would have no more than a few values each.
    u = ((word[:, 0] << np.uint64(32) | word[:, 1]) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    pixel = np.searchsorted(cumulative, (1.0 - u) * cumulative[-1])  # 1 - u > 0, so that no white pixel is hit
    row, column = np.divmod(pixel, width)
    jitter = word[:, 2:].astype(np.float64) * 2.0**-32
    x = column + jitter[:, 0] - width / 2.0
    y = height / 2.0 - (row + jitter[:, 1])
    return (np.stack([x, y], axis=1) * (2.0 / max(height, width))).astype(np.float32)


BY_NAME: Final[dict[str, Callable[[int, int], np.ndarray]]] = {
    "spiral": spiral,
    "spiral_image": spiral_image,
    "swiss_roll": swiss_roll,
    "moons": moons,
    "airplane": airplane,
    "tank": tank,
}


def _rows(n: int) -> np.ndarray:
    return np.arange(_checks.integer("n", n, 1, noise.WORD_RANGE))


def _plane_noise(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two uniform and two normal numbers a point: float64 [n, 2] each."""
    rows, seed = _rows(n), _checks.seed(seed)
    u = noise.uniform(seed, noise.STREAM_DATA, rows, _SHAPE, 2)
    z = noise.normal(seed, noise.STREAM_DATA, rows, _NOISE, 2)
    return u.astype(np.float64), z.astype(np.float64)


def _points(radius: np.ndarray, angle: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Polar coordinates [n] and an offset [n, 2] as float32 [n, 2]."""
    return (np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1) + offset).astype(np.float32)


def _mixture(n: int, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray, seed: int) -> np.ndarray:
    rows, seed = _rows(n), _checks.seed(seed)
    u = noise.uniform(seed, noise.STREAM_DATA, rows, _SHAPE, 1)[:, 0]
    k = np.searchsorted(np.cumsum(weights)[:-1], u, side="right")
    z = noise.normal(seed, noise.STREAM_DATA, rows, _NOISE, means.shape[1])
    # The symmetric root, which no sign of an eigenvector changes; a zero eigenvalue may come out below zero.
    values, vectors = np.linalg.eigh(covariances)
    roots = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ vectors.transpose(0, 2, 1)
    x = means[k]
    for d in range(means.shape[1]):  # a matrix product may round a row otherwise in another batch
        x += roots[k, :, d] * z[:, d, None]
    return x.astype(np.float32)


def __dir__() -> list[str]:
    return __all__
