"""The density of a spiral, not only its samples: a diffusion model, a kernel estimate and a mixture beside it.

Prints how likely fresh points of the spiral are under each of them, and what each density sums up to on a grid.
Writes the densities as images.  scikit-learn brings the kernel estimate and the mixture (pip install scikit-learn),
each with the parameter that cross-validation likes best; without it the diffusion model stands alone.
"""

from __future__ import annotations

from typing import Any

import _common
import numpy as np
from matplotlib.figure import Figure

import numpy_diffusion as nd
from numpy_diffusion.figures import style

FRESH = 4000  # points that no density was fitted to
EDGE = 1.2  # of the grid
LOWEST = -8.0  # nats; what is less likely looks alike


def main() -> None:
    parser = _common.parser(__doc__, steps=15_000, meaning="training steps")
    parser.add_argument("--points", type=int, default=4096, help="points to fit to (default 4,096)")
    parser.add_argument(
        "--pixel", type=float, default=0.024, help="of the grid; the arm's spread is 0.02 (default 0.024)"
    )
    options = parser.parse_args()
    x, fresh = (
        nd.datasets.spiral(n, seed=options.seed + k)
        for k, n in enumerate((options.points, min(options.points, FRESH)))
    )
    diffusion = nd.DiffusionDensity(depth=4, steps=options.steps, random_state=options.seed, verbose=True).fit(x)
    densities = {"diffusion": diffusion} | best_of_scikit_learn(x, options.seed)

    side = np.arange(-EDGE, EDGE + options.pixel / 2.0, options.pixel)
    grid = np.stack(np.meshgrid(side, side), axis=-1)
    images, scores = {}, {}
    print(f"\n{len(fresh)} fresh points:        NLL / nats   diffusion's advantage   sum over the grid")
    for name, density in densities.items():
        scores[name] = density.score_samples(fresh)
        images[name] = density.score_samples(grid.reshape(-1, 2)).reshape(len(side), len(side))
        ahead = scores["diffusion"] - scores[name]  # point by point: what makes a point unlikely cancels
        error = ahead.std() / np.sqrt(len(fresh))
        total = np.exp(images[name]).sum() * options.pixel**2
        print(f"{name:24}{-scores[name].mean():12.4f}{ahead.mean():14.4f} ± {error:.4f}{total:20.4f}")
    print()
    _common.save(picture(images, options.pixel), options.out / "density.png")


def best_of_scikit_learn(x: np.ndarray, seed: int) -> dict[str, Any]:
    """Its two density estimators, fitted to x with the best parameter of five-fold cross-validation."""
    try:
        from sklearn.mixture import GaussianMixture
        from sklearn.model_selection import GridSearchCV
        from sklearn.neighbors import KernelDensity
    except ImportError:
        print("scikit-learn is not installed: its kernel estimate and its mixture are left out")
        return {}
    found = {}
    for name, estimator, grid in (
        ("kernel estimate", KernelDensity(), {"bandwidth": np.geomspace(0.005, 0.02, 7)}),
        ("Gaussian mixture", GaussianMixture(random_state=seed), {"n_components": [20, 40, 60, 80, 120]}),
    ):
        search = GridSearchCV(estimator, grid).fit(x)
        [(parameter, value)] = search.best_params_.items()
        found[name] = search.best_estimator_
        print(f"{name}: best {parameter} {value:.4g} of {', '.join(f'{v:.4g}' for v in grid[parameter])}")
    return found


def picture(images: dict[str, np.ndarray], pixel: float) -> Figure:
    """log p(x) on the grid, one panel a density, with one scale of colours."""
    highest = max(float(image.max()) for image in images.values())
    with style.context():
        figure = style.page(style.WIDTH, 0.36 * style.WIDTH if len(images) > 1 else 0.8 * style.WIDTH)
        panels = figure.subplots(1, len(images), squeeze=False)[0]
        for axes, (name, image), labels in zip(panels, images.items(), ("xy", "x", "x"), strict=False):
            extent = (-EDGE - pixel / 2.0, EDGE + pixel / 2.0) * 2
            shown = axes.imshow(
                image,
                origin="lower",
                extent=extent,
                vmin=LOWEST,
                vmax=highest,
                cmap="viridis",
                interpolation="nearest",
            )
            axes.set_title(name.capitalize())
            style.frame(axes, extent, labels)
        figure.colorbar(shown, ax=panels, label="log density / nats", extend="min", aspect=14)
        return figure


if __name__ == "__main__":
    _common.run(main)
