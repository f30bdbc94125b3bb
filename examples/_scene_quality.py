"""Whether generated scenes are what was asked for: classifiers of real captioned scenes read their attributes.

What they see of a picture is where it differs from its ground.  The ground is the median colour of the rim; from the
difference come the thing's mean colour, its centre and spread, and the thing itself, cut out about its centre and
brought to one scale, as principal components.  One support vector machine reads each attribute, all scikit-learn's.
They train in seconds and read each attribute of more than 99 % of real scenes that they have not seen.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

import numpy_diffusion as nd
from numpy_diffusion.data.attributes import VALUES

SCENES: Final = 6000  # to train on
HELD_OUT: Final = 5  # every fifth scene is kept from training
CUT: Final = 16  # places a side of what is cut out
SPREADS: Final = 2.2  # from its middle to its edge
FAINT: Final = 0.4  # of a difference from the ground, in 0..3.5: what is taken off, so that grain is no thing
COMPONENTS: Final = 32
WEIGHT: Final = 7.0  # of what is cut out: its components then vary about as much as the other numbers do
FOUR: Final = ("thing", "colour", "size", "place")  # what every caption tells


class Judge(NamedTuple):
    """Classifiers of attributes, and how often each is right."""

    scale: Any  # sklearn.preprocessing.StandardScaler, of the numbers
    components: Any  # sklearn.decomposition.PCA, of what is cut out
    classifiers: dict[str, Any]  # sklearn.svm.SVC, by attribute
    accuracy: dict[str, float]  # on the scenes they were not trained on


def trained(size: int, seed: int = 0) -> Judge:
    """Classifiers of scenes [N, 3, size, size], of all combinations, trained on four fifths and tried on the rest."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    real = nd.captions.scenes(SCENES, size, seed, part="all")
    numbers, cut = _seen(real.x0)
    kept = np.arange(SCENES) % HELD_OUT == 0
    scale = StandardScaler().fit(numbers[~kept])
    components = PCA(COMPONENTS, random_state=0).fit(cut[~kept])
    judge = Judge(scale, components, {}, {})
    found = features(judge, real.x0)
    for name, values in real.attributes._asdict().items():
        judge.classifiers[name] = SVC(C=10.0, gamma="scale").fit(found[~kept], values[~kept])
    tried = nd.captions.Attributes(*(values[kept] for values in real.attributes))
    return judge._replace(accuracy=agreement(judge, real.x0[kept], tried))


def features(judge: Judge, x: np.ndarray) -> np.ndarray:
    """What the classifiers see of pictures [N, 3, S, S]: float64 [N, 43]."""
    numbers, cut = _seen(x)
    return np.concatenate([judge.scale.transform(numbers), judge.components.transform(cut)], axis=1)


def read(judge: Judge, x: np.ndarray) -> nd.captions.Attributes:
    """The attributes of pictures [N, 3, S, S], as they are read."""
    found = features(judge, x)
    return nd.captions.Attributes(*(judge.classifiers[name].predict(found) for name in VALUES))


def agreement(judge: Judge, x: np.ndarray, asked: nd.captions.Attributes) -> dict[str, float]:
    """The share of pictures of which an attribute is read as it was asked for, and of those with all four right.

    Four are told by every caption, and the ground by some: what was not told is right whatever it is.
    """
    found = read(judge, x)._asdict()
    right = {name: (found[name] == values) | (values < 0) for name, values in asked._asdict().items()}
    four = np.all([right[name] for name in FOUR], axis=0)
    return {name: float(np.mean(each)) for name, each in (right | {"all four": four}).items()}


def distance(judge: Judge, x: np.ndarray, real: np.ndarray) -> float:
    """The Frechet distance in the classifiers' features, of pictures [N, 3, S, S] and real ones [M, 3, S, S].

    A small set is farther away than a large one from the same source: compare sets of one size.
    """
    return nd.metrics.frechet_distance(features(judge, x), features(judge, real))


def report(judge: Judge, x: np.ndarray, asked: nd.captions.Attributes, seed: int = 1) -> None:
    """Print how samples [N, 3, S, S] compare with real scenes of the attributes that they were asked for."""
    told = asked._replace(ground=np.where(asked.ground < 0, np.arange(len(x)) % len(VALUES["ground"]), asked.ground))
    one, other = (nd.captions.draw(told, x.shape[2], seed + k) for k in range(2))
    print(f"Of {len(x):,} pictures read as what was asked for:")
    print(f"  {'':<10}{'samples':>9}{'real':>9}")
    of_samples, of_real = agreement(judge, x, asked), agreement(judge, one, asked)
    for name, share in of_samples.items():
        print(f"  {name:<10}{share:>9.1%}{of_real[name]:>9.1%}")
    print(f"Frechet distance of the samples to as many real scenes: {distance(judge, x, other):.4f}")
    print(f"Frechet distance of other real scenes to the same:      {distance(judge, one, other):.4f}")


def _seen(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eleven numbers of each picture, float64 [N, 11], and its thing at one scale, [N, CUT * CUT], length WEIGHT."""
    x = np.clip(x, -1.0, 1.0).astype(np.float64)
    n, _, size, _ = x.shape
    rim = np.concatenate([x[:, :, 0], x[:, :, -1], x[:, :, :, 0], x[:, :, :, -1]], axis=2)
    ground = np.median(rim, axis=2)  # [N, 3]
    apart = np.maximum(np.linalg.norm(x - ground[:, :, None, None], axis=1) - FAINT, 0.0)
    total = np.maximum(apart.sum(axis=(1, 2)), 1e-9)
    # Where a thing covers half a pixel, the colour is half the ground's: the cube makes little of such places.
    cubed = apart**3
    colour = np.einsum("nchw,nhw->nc", x, cubed) / np.maximum(cubed.sum(axis=(1, 2)), 1e-9)[:, None]
    place = (np.arange(size) + 0.5) * (2.0 / size) - 1.0  # of a row or column, from -1 to 1
    down, right = (_moments(apart.sum(axis=axis) / total[:, None], place) for axis in (2, 1))
    area = total * (2.0 / size) ** 2 / np.maximum(apart.max(axis=(1, 2)), 1e-9)
    numbers = np.concatenate([ground, colour, down, right, area[:, None]], axis=1)
    reach = SPREADS * np.sqrt((down[:, 1] ** 2 + right[:, 1] ** 2) / 2.0)
    cut = _cut(apart, down[:, 0], right[:, 0], reach).reshape(n, -1)
    return numbers, WEIGHT * cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-9)


def _moments(shares: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of the place, by the shares [N, S] of each: [N, 2]."""
    mean = shares @ place
    return np.stack([mean, np.sqrt(np.maximum(shares @ place**2 - mean**2, 0.0))], axis=1)


def _cut(values: np.ndarray, down: np.ndarray, right: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Squares about centres [N] that reach so far [N], between the four nearest of [N, S, S]: [N, CUT, CUT]."""
    size = values.shape[1]
    grid = np.linspace(-1.0, 1.0, CUT)
    framed = np.pad(values, ((0, 0), (1, 1), (1, 1)))  # nothing lies outside

    def at(centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place = (centre[:, None] + reach[:, None] * grid + 1.0) * (size / 2.0) + 0.5
        place = np.clip(place, 0.0, size + 0.999)
        first = place.astype(np.int64)
        return first, place - first

    (top, below), (left, beside) = at(down), at(right)
    each, top, left = np.arange(len(values))[:, None, None], top[:, :, None], left[:, None, :]
    below, beside = below[:, :, None], beside[:, None, :]
    upper = framed[each, top, left] * (1.0 - beside) + framed[each, top, left + 1] * beside
    lower = framed[each, top + 1, left] * (1.0 - beside) + framed[each, top + 1, left + 1] * beside
    return upper * (1.0 - below) + lower * below
