"""A density estimator with the habits of scikit-learn: fit, sample, score_samples, score.

scikit-learn need not be installed: what it asks of an estimator is the form of these methods, not a base class.
"""

from __future__ import annotations

import importlib
import secrets
import sys
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.evaluation.likelihood import log_prob
from numpy_diffusion.interop import feature_names
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.noise import STREAM_START, WORD_RANGE, uniform
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.training.loop import train

ODE_STEPS: Final = 100  # on a trained spiral 1e-3 nats from all 1000 steps in the mean, 1e-2 a point (rms)


@dataclass(kw_only=True, eq=False)
class DiffusionDensity:
    """The density of a table's rows by a diffusion model, with exact likelihoods (Song et al. 2021, section 4.3).

    With `conditional=True` the y given to `fit` are class labels.  Each class gets a network of its own, the same
    that a fit to its rows alone would give, and the class's frequency: p(x) = sum over c of P(c) p(x | c).

    Parameters
    ----------
    T : steps of the linear schedule
    width, depth : of the network, see `MLP`
    steps, batch, learning_rate : of the training, see `train`.  Of a few hundred rows a long training learns the rows
        themselves: take fewer steps then, as many as cross-validation likes best
    conditional : whether y are class labels; without, every y is ignored, as scikit-learn passes it everywhere
    random_state : seed of all that is random, 64 bits; None takes a new one in each call
    verbose : show bars of progress on standard error

    Attributes (after `fit`)
    ----------
    n_features_in_ : D
    feature_names_in_ : the columns' names, [D], of a table that has strings for all of them; else there is none
    schedule_ : Schedule
    models_ : list of MLP, one a class; one in all without classes
    losses_ : list of float32 [steps], likewise
    classes_ : the labels, sorted, [C]; None without classes
    class_prior_ : the classes' frequencies, float64 [C]

    Examples
    --------
    >>> import numpy_diffusion as nd
    >>> density = DiffusionDensity(steps=50, width=32, random_state=0).fit(nd.datasets.spiral(1000))
    >>> density.sample(5).shape
    (5, 2)
    >>> density.score_samples([[0.0, 0.0], [0.5, 0.0]]).shape
    (2,)
    """

    T: int = 1000
    width: int = 128
    depth: int = 4
    steps: int = 10_000
    batch: int = 1024
    learning_rate: float = 5e-3
    conditional: bool = False
    random_state: int | None = None
    verbose: bool = False

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> DiffusionDensity:
        """Train on the rows of X [N, D], any units; y [N] are their labels if `conditional`.  Returns itself.

        Raises
        ------
        ValueError : a parameter out of its range; X not real, finite and [N, D], N >= 2; y no labels [N], or a label
            that stands only once
        TypeError : an entry of X that is no number
        KeyboardInterrupt : Ctrl-C, which leaves what was fitted before
        """
        x = _points(X)
        seed = _seed(self.random_state)
        classes, place = None, np.zeros(len(x), np.int64)
        if _checks.instance("conditional", self.conditional, bool):
            classes, place = _classes(y, len(x))
        counts = np.bincount(place)
        if counts.min() < 2:
            where = "" if classes is None else f" of each class of y, for {classes[counts.argmin()]!r}"
            raise ValueError(f"X: expected at least 2 rows{where}, got n_samples = {counts.min()}")
        schedule = Schedule.linear(self.T)
        runs = [self._trained(schedule, x[place == c], seed) for c in range(len(counts))]

        self.n_features_in_ = x.shape[1]
        self.__dict__.pop("feature_names_in_", None)  # of an earlier fit
        if (names := feature_names.of(X)) is not None:
            self.feature_names_in_ = names
        self.schedule_ = schedule
        self.models_ = [model for model, _ in runs]
        self.losses_ = [losses for _, losses in runs]
        self.classes_, self.class_prior_ = classes, counts / len(x)
        return self

    def _trained(self, schedule: Schedule, x: np.ndarray, seed: int) -> tuple[MLP, np.ndarray]:
        """A network trained on x, and its losses."""
        model = MLP(x.shape[1], self.width, self.depth, seed=seed)
        run = train(
            model,
            schedule,
            x,
            steps=self.steps,
            batch=self.batch,
            learning_rate=self.learning_rate,
            weighting="vlb",  # the loss is then the bound on -log p (Song, Durkan et al. 2021, section 4)
            sampling="importance",  # without which the bound's loss is too noisy
            seed=seed,
            progress=_checks.instance("verbose", self.verbose, bool),
        )
        if run.interrupted:
            raise KeyboardInterrupt
        return model, run.losses

    def sample(self, n_samples: int = 1, random_state: int | None = None, y: Any = None) -> Any:
        """Draw rows by Algorithm 1 (Ho et al. 2020, Algorithm 2).

        Parameters
        ----------
        n_samples : how many
        random_state : seed, by default the estimator's own; sample i of a seed does not depend on n_samples
        y : with classes: one label, or one for each sample; drawn by the classes' frequencies unless given

        Returns
        -------
        float32 [n_samples, D] in the units of the data, float64 where float32 cannot tell them apart; with classes,
        this and the labels [n_samples]

        Raises
        ------
        ValueError : not fitted; a label that `fit` has not seen; an argument out of its range
        """
        self._check_fitted()
        n = _checks.integer("n_samples", n_samples, 1, WORD_RANGE // len(self.models_))
        seed = _seed(self.random_state if random_state is None else random_state)
        if y is not None:
            place = self._places(y, n)
        else:
            u = uniform(seed, STREAM_START, np.arange(n), 1, 1)[:, 0]  # where x_T of sample i has step 0
            place = np.searchsorted(np.cumsum(self.class_prior_)[:-1], u, side="right")
        dtype = np.result_type(*(model.shift.dtype for model in self.models_))
        x = np.empty((n, self.n_features_in_), dtype)
        for c, model in enumerate(self.models_):
            rows = np.flatnonzero(place == c)
            if len(rows):
                first = c * (WORD_RANGE // len(self.models_))  # noise of its own for each class
                x[rows] = sample(model, self.schedule_, len(rows), seed, first=first, progress=self.verbose)
        return x if self.classes_ is None else (x, self.classes_[place])

    def score_samples(self, X: ArrayLike, y: Any = None) -> np.ndarray:
        """log p(x) of each row of X [N, D]; with classes, log p(x | y) where y is given, one label or [N].

        Returns
        -------
        float64 [N], in nats, in the units of the data

        Raises
        ------
        ValueError : not fitted; X of another D; a label that `fit` has not seen
        """
        self._check_fitted()
        feature_names.check(X, getattr(self, "feature_names_in_", None), type(self).__name__)
        x = _points(X)
        if x.shape[1] != self.n_features_in_:
            name = type(self).__name__
            raise ValueError(
                f"X has {x.shape[1]} features, but {name} is expecting {self.n_features_in_} features as input"
            )
        if y is None:
            joint = [np.log(P) + self._log_prob(c, x) for c, P in enumerate(self.class_prior_)]
            return np.logaddexp.reduce(joint, axis=0)
        place, found = self._places(y, len(x)), np.empty(len(x))
        for c in np.unique(place):
            found[place == c] = self._log_prob(c, x[place == c])
        return found

    def _log_prob(self, c: int, x: np.ndarray) -> np.ndarray:
        return log_prob(self.models_[c], self.schedule_, x, steps=_ode_steps(self.schedule_.T), progress=self.verbose)

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """The mean of `score_samples`, nats a row.

        A mean as GaussianMixture's, not a sum as KernelDensity's: folds of unequal size then compare.  Without
        classes y is ignored.
        """
        self._check_fitted()
        return float(self.score_samples(X, None if self.classes_ is None else y).mean())

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments of the constructor; `deep` changes nothing, as none of them is an estimator."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def set_params(self, **params: Any) -> DiffusionDensity:
        """Set arguments of the constructor; `fit` checks their values.  Returns itself."""
        known = self.get_params()
        for name in params:
            _checks.choice("parameter", name, known)
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks of an estimator; nobody else calls this."""
        utils = importlib.import_module("sklearn.utils")
        target = utils.TargetTags(required=self.conditional)
        return utils.Tags(estimator_type="density_estimator", target_tags=target)

    def _check_fitted(self) -> None:
        if hasattr(self, "models_"):
            return
        # Who catches scikit-learn's NotFittedError, which is a ValueError, has loaded it.
        error = getattr(sys.modules.get("sklearn.exceptions"), "NotFittedError", ValueError)
        raise error(f"{type(self).__name__}: expected a fitted density, got one whose fit was not called")

    def _places(self, y: Any, n: int) -> np.ndarray:
        """The place in `classes_` of each of n labels, or of one for all: int64 [n]."""
        if self.classes_ is None:
            raise ValueError("y: expected None, since the density was fitted without classes")
        labels = np.asarray(_checks.unmasked("y", y))
        if labels.shape not in ((), (n,)):
            raise ValueError(f"y: expected one label or shape [{n}], got shape {list(labels.shape)}")
        known = {label: place for place, label in enumerate(self.classes_.tolist())}
        for label in set(labels.ravel().tolist()) - set(known):
            raise ValueError(f"y: expected labels that fit has seen, got {label!r}")
        return np.broadcast_to([known[label] for label in labels.ravel().tolist()], n)


def _ode_steps(T: int) -> np.ndarray:
    """Steps of the schedule for the ODE, denser towards the data, where the density has its detail; all of a small T.

    >>> _ode_steps(1000)[[0, 1, 2, -2, -1]].tolist()
    [1, 2, 3, 981, 1000]
    """
    return np.unique(np.ceil(T * np.linspace(0.0, 1.0, ODE_STEPS + 1)[1:] ** 2).astype(np.int64))


def _seed(random_state: int | None) -> int:
    if random_state is None:
        return secrets.randbits(64)
    return _checks.integer("random_state", random_state, 0, 2**64 - 1)


def _points(X: ArrayLike) -> np.ndarray:
    """X: float64 [N, D]; the words of the errors are those that scikit-learn's checks look for."""
    if hasattr(X, "toarray"):
        raise ValueError(f"X: expected a dense array, got sparse {type(X).__name__}; X.toarray() is dense")
    _checks.unmasked("X", X)
    try:
        given = np.asarray(X)
        if given.dtype == object and not hasattr(X, "columns"):
            given = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(f"X: expected an array of real numbers, and NumPy says: {error}") from None
    given = _checks.of_columns("X", X, given)
    if given.dtype.kind == "c":
        raise ValueError(f"X: expected real numbers, got dtype {given.dtype}. Complex data not supported")
    if given.ndim == 2 and given.shape[1] == 0:
        raise ValueError(f"X: got 0 feature(s) (shape={given.shape}) while a minimum of 1 is required.")
    return _checks.array("X", given, ("N", "D"), np.float64)


def _classes(y: ArrayLike | None, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels that stand in y, sorted [C], and which of them each of the n rows has [n]."""
    if y is None:
        raise ValueError("y: conditional=True requires y to be passed, but the target y is None")
    labels = np.asarray(_checks.unmasked("y", y))
    if labels.shape != (n,):
        raise ValueError(f"y: expected a label for each row of X, shape [{n}], got shape {list(labels.shape)}")
    if labels.dtype.kind not in "biufUSO" or (labels.dtype.kind == "f" and (labels != np.floor(labels)).any()):
        raise ValueError(f"y: expected class labels, strings or whole numbers, got others of dtype {labels.dtype}")
    try:
        return np.unique(labels, return_inverse=True)
    except TypeError as error:
        raise ValueError(f"y: expected class labels that can be sorted, and NumPy says: {error}") from None
