"""The density estimator: scikit-learn's own checks, its likelihoods and units, its classes, and its sentences."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from checks.bars import at_once
from checks.data_frames import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.validation import check_is_fitted

import numpy_diffusion as nd
from numpy_diffusion.evaluation.likelihood import log_prob
from numpy_diffusion.interop import scikit_learn as density
from numpy_diffusion.interop.scikit_learn import DiffusionDensity

QUICK = dict(T=10, width=8, depth=1, steps=20, batch=32)
X = nd.datasets.spiral(60, seed=0)
Y = np.array(["sun", "moon", "sun"])[np.arange(60) % 3]


def quick(**params):
    return DiffusionDensity(**QUICK | dict(random_state=0) | params)


@pytest.fixture(scope="module")
def fitted():
    return quick().fit(X)


@pytest.fixture(scope="module")
def conditional():
    return quick(conditional=True).fit(X, Y)


def checks():
    for conditional in (False, True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it does not inherit from BaseEstimator
            for estimator, check in estimator_checks_generator(DiffusionDensity(**QUICK, conditional=conditional)):
                name = getattr(check, "func", check).__name__
                yield pytest.param(estimator, check, id=f"{name}-conditional={conditional}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)  # which skips the one that needs SCIPY_ARRAY_API


def test_it_works_without_scikit_learn():
    lines = (
        "import sys; sys.modules['sklearn'] = None",
        "import numpy as np",
        "from numpy_diffusion.interop.scikit_learn import DiffusionDensity",
        f"density = DiffusionDensity(**{QUICK!r}).fit(np.eye(4))",
        "assert density.sample(3).shape == (3, 4) and np.isfinite(density.score(np.eye(4)))",
        "DiffusionDensity().sample()",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    sentence = "ValueError: DiffusionDensity: expected a fitted density, got one whose fit was not called"
    assert done.stderr.splitlines()[-1] == sentence


def test_scikit_learn_searches_its_parameters_in_a_pipeline():
    search = GridSearchCV(make_pipeline(StandardScaler(), quick()), {"diffusiondensity__steps": [1, 100]}, cv=2)
    best = search.fit(X, Y).best_estimator_[-1]
    assert best.steps == 100
    assert search.score(X) == best.score(StandardScaler().fit_transform(X))


def test_clone_and_pickle(fitted):
    assert repr(clone(fitted)) == repr(fitted)
    with pytest.raises(NotFittedError):
        check_is_fitted(clone(fitted))
    assert (pickle.loads(pickle.dumps(fitted)).score_samples(X) == fitted.score_samples(X)).all()


def test_score_samples_is_the_density_of_gaussian_data():
    gaussian = nd.oracles.Gaussian([3.0, -100.0], [[4.0, 1.2], [1.2, 1.0]])
    x, fresh = (gaussian.sample(n, seed=seed) for n, seed in ((4000, 0), (500, 1)))
    exact = gaussian.log_density(fresh, 0, nd.Schedule.linear(T=1))
    found = quick(T=100, width=32, steps=1000, batch=256).fit(x)
    off = found.score_samples(fresh) - exact  # what 1000 steps of training leave; the scale's Jacobian is 0.69 nats
    assert abs(off.mean()) < 0.06
    assert np.abs(off).mean() < 0.25


@settings(deadline=None, max_examples=5)
@given(powers=st.lists(st.integers(-8, 8), min_size=2, max_size=2))
def test_density_is_in_the_units_of_the_data(fitted, powers):
    scale = 2.0 ** np.array(powers)  # powers of two leave every rounding as it was
    other = quick().fit(X * scale)
    expected = fitted.score_samples(X) - np.log(scale).sum()
    np.testing.assert_allclose(other.score_samples(X * scale), expected, rtol=1e-12, atol=1e-12)
    assert (other.sample(9) == fitted.sample(9) * scale).all()


def test_the_steps_of_the_ode_are_enough_for_fine_detail():
    schedule = nd.Schedule.linear(T=1000)
    fine = nd.oracles.GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [[[0.03**2]], [[0.3**2]]])
    x = fine.sample(300, seed=0)
    found = log_prob(fine.eps(schedule), schedule, x, steps=density._ode_steps(1000))
    assert len(density._ode_steps(1000)) < 100
    assert (found - fine.log_density(x, 0, schedule)).std() < 1e-3  # 0.07 with as many steps evenly spaced


def test_few_steps_in_the_chain_are_all_taken():
    assert (density._ode_steps(10) == np.arange(1, 11)).all()
    assert density._ode_steps(1).tolist() == [1]


def test_score_is_the_mean_and_ignores_y(fitted):
    assert fitted.score(X, Y) == fitted.score(X) == fitted.score_samples(X).mean()


def test_fit_is_a_run_of_train_and_sample_is_algorithm_1(fitted):
    schedule = nd.Schedule.linear(T=10)
    settings = dict(steps=20, batch=32, learning_rate=5e-3, weighting="vlb", sampling="importance", progress=False)
    run = nd.train(nd.MLP(2, 8, 1, seed=0), schedule, X, **settings)
    [model], [losses] = fitted.models_, fitted.losses_
    assert (model.buffer == run.model.buffer).all()
    assert (losses == run.losses).all()
    assert (fitted.sample(7) == nd.sample(run.model, schedule, 7, seed=0)).all()
    assert fitted.classes_ is None
    assert fitted.class_prior_.tolist() == [1.0]


def test_random_state_decides_everything(fitted):
    again, other = quick().fit(X), quick(random_state=1).fit(X)
    assert (again.score_samples(X) == fitted.score_samples(X)).all()
    assert (other.score_samples(X) != fitted.score_samples(X)).any()
    assert (fitted.sample(4) == fitted.sample(4, random_state=0)).all()
    assert (fitted.sample(4) != fitted.sample(4, random_state=1)).all()
    free = quick(random_state=None).fit(X)
    assert (free.sample(4) != free.sample(4)).all()


def test_each_class_is_what_a_fit_to_its_rows_gives(conditional):
    assert conditional.classes_.tolist() == ["moon", "sun"]
    np.testing.assert_allclose(conditional.class_prior_, [1 / 3, 2 / 3], rtol=1e-15)
    alone = [quick().fit(X[label == Y]).score_samples(X) for label in ("moon", "sun")]
    assert (conditional.score_samples(X, "moon") == alone[0]).all()
    np.testing.assert_allclose(conditional.score_samples(X, Y), np.where(Y == "moon", *alone), rtol=1e-12)
    assert conditional.score(X, Y) == conditional.score_samples(X, Y).mean()


def test_without_labels_the_density_is_the_mixture_of_the_classes(conditional):
    moon, sun = (np.exp(conditional.score_samples(X, label)) for label in ("moon", "sun"))
    np.testing.assert_allclose(np.exp(conditional.score_samples(X)), moon / 3 + 2 * sun / 3, rtol=1e-12)


def test_classes_are_drawn_by_their_frequencies(conditional):
    x, labels = conditional.sample(4000)
    assert x.shape == (4000, 2)
    assert abs((labels == "sun").mean() - 2 / 3) < 5 * np.sqrt(2 / 9 / 4000)  # five standard errors
    few, few_labels = conditional.sample(50)
    assert (few == x[:50]).all()
    assert (few_labels == labels[:50]).all()


def test_samples_of_given_classes(conditional):
    x, labels = conditional.sample(4, y=["sun", "moon", "moon", "sun"])
    assert labels.tolist() == ["sun", "moon", "moon", "sun"]
    for label in ("sun", "moon"):
        same, named = conditional.sample(2, y=label)
        assert (same == x[labels == label]).all()
        assert set(named) == {label}


def test_classes_have_noise_of_their_own():
    both = quick(conditional=True).fit(np.vstack([X, X]), np.repeat([0, 1], len(X)))  # the same network twice
    (one, _), (two, _) = (both.sample(500, y=label) for label in (0, 1))
    correlation = np.corrcoef(one[:, 0], two[:, 0])[0, 1]
    assert abs(correlation) < 5 / np.sqrt(500)


@pytest.mark.parametrize("labels", [[5, -1], [1.0, 2.0], [True, False], ["b", "a"], np.array(["b", "a"], object)])
def test_labels_of_any_kind(labels):
    y = np.asarray(labels)[np.arange(20) % 2]
    found = quick(conditional=True).fit(X[:20], y)
    assert found.classes_.tolist() == sorted(labels)
    assert np.isfinite(found.score(X[:20], y))


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        (None, "y: conditional=True requires y to be passed, but the target y is None"),
        (
            np.linspace(0.0, 1.0, 60),
            "y: expected class labels, strings or whole numbers, got others of dtype float64",
        ),
        (np.full(60, np.nan), "y: expected class labels, strings or whole numbers, got others of dtype float64"),
        (np.full(60, 1j), "y: expected class labels, strings or whole numbers, got others of dtype complex128"),
        (Y[:9], r"y: expected a label for each row of X, shape \[60\], got shape \[9\]"),
        ("sun", r"y: expected a label for each row of X, shape \[60\], got shape \[\]"),
        (np.array([1, "a"] * 30, object), "y: expected class labels that can be sorted"),
        (np.arange(60) // 59, "X: expected at least 2 rows of each class of y, for .*1.*, got n_samples = 1"),
    ],
)
def test_wrong_labels_in_fit(y, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        quick(conditional=True).fit(X, y)


def test_wrong_labels_after_fit(fitted, conditional):
    for call in (conditional.score_samples, lambda x, y: conditional.sample(60, y=y)):
        with pytest.raises(ValueError, match=r"^y: expected labels that fit has seen, got 'star'$"):
            call(X, "star")
        with pytest.raises(ValueError, match=r"^y: expected one label or shape \[60\], got shape \[3\]$"):
            call(X, Y[:3])
    for call in (fitted.score_samples, lambda x, y: fitted.sample(60, y=y)):
        with pytest.raises(ValueError, match=r"^y: expected None, since the density was fitted without classes$"):
            call(X, Y)


class Sparse:
    def toarray(self):
        return X


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (X[:, 0], r"X: expected shape \[N, D\], got \[60\]"),
        (
            np.where(np.arange(60)[:, None] == 3, np.nan, X),
            "X: expected finite values, got 2 that are NaN or infinite in float",
        ),
        (X + 1j, "X: expected real numbers, got dtype complex.*. Complex data not supported"),
        (Sparse(), r"X: expected a dense array, got sparse Sparse; X.toarray\(\) is dense"),
        (np.empty((0, 2)), r"X: expected at least one value, got an empty array of shape \[0, 2\]"),
        (np.empty((5, 0)), r"X: got 0 feature\(s\) \(shape=\(5, 0\)\) while a minimum of 1 is required."),
        ([[1.0], [1.0, 2.0]], "X: expected an array of real numbers, and NumPy says: .*inhomogeneous"),
        (np.array([["a"], ["b"]], object), "X: expected an array of real numbers, and NumPy says: could not convert"),
        (np.array([["a"], ["b"]]), "X: expected real numbers, got dtype <U1"),
    ],
)
def test_wrong_points(fitted, points, sentence):
    for call in (quick().fit, fitted.score_samples, fitted.score):
        with pytest.raises(ValueError, match=f"^{sentence}"):
            call(points)


def test_an_entry_that_is_no_number():
    with pytest.raises(TypeError, match=r"^X: expected an array of real numbers, and NumPy says: .*'dict'"):
        quick().fit([[1.0], [{}]])


def test_a_missing_value_of_pandas_is_told_by_its_column():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"x": [0.5, 1.5], "age": pandas.array([1, None], dtype="Int64")})
    with pytest.raises(ValueError, match=r"^X: expected real numbers, got NAType <NA> in row 1 of the column 'age'$"):
        DiffusionDensity().fit(table)


def test_too_few_rows_and_another_number_of_features(fitted):
    with pytest.raises(ValueError, match=r"^X: expected at least 2 rows, got n_samples = 1$"):
        quick().fit(X[:1])
    with pytest.raises(
        ValueError, match=r"^X has 1 features, but DiffusionDensity is expecting 2 features as input$"
    ):
        fitted.score_samples(X[:, :1])


@pytest.mark.parametrize("name", ["T", "width", "steps", "batch", "learning_rate", "random_state", "depth"])
def test_fit_checks_the_parameters(name):
    with pytest.raises(ValueError, match=f"^{name}: expected .*-1"):
        quick(**{name: -1}).fit(X)


@pytest.mark.parametrize("name", ["conditional", "verbose"])
def test_fit_checks_the_switches(name):
    with pytest.raises(ValueError, match=f"^{name}: expected a bool, got int 1$"):
        quick(**{name: 1}).fit(X, Y)


def test_sample_checks_its_arguments(fitted):
    with pytest.raises(ValueError, match=r"^n_samples: expected an integer in 1"):
        fitted.sample(0)
    with pytest.raises(ValueError, match=r"^random_state: expected an integer in 0"):
        fitted.sample(1, random_state=-1)


def test_set_params_sets_all_or_nothing():
    density = quick()
    assert density.set_params(width=9, steps=7) is density
    assert density.get_params() == QUICK | dict(width=9, steps=7, random_state=0) | dict(
        learning_rate=5e-3, conditional=False, verbose=False
    )
    with pytest.raises(
        ValueError, match=r"^parameter: expected one of 'T', .*, got str 'bandwidth'; did you mean 'width'\?$"
    ):
        density.set_params(width=10, bandwidth=1.0)
    assert density.width == 9


@pytest.mark.parametrize("call", ["sample", "score", "score_samples"])
def test_before_fit(call):
    arguments = () if call == "sample" else (X,)
    with pytest.raises(
        NotFittedError, match=r"^DiffusionDensity: expected a fitted density, got one whose fit was not"
    ):
        getattr(quick(), call)(*arguments)


def test_a_fit_that_fails_or_is_interrupted_leaves_the_one_before(monkeypatch):
    density = quick().fit(X)
    before = density.score_samples(X)
    with pytest.raises(ValueError, match=r"^steps"):
        density.set_params(steps=0).fit(X[:30])
    interrupted = nd.Run(density.models_[0], density.schedule_, density.losses_[0], steps=21, path=None)
    monkeypatch.setattr("numpy_diffusion.interop.scikit_learn.train", lambda *args, **kwargs: interrupted)
    with pytest.raises(KeyboardInterrupt):
        density.set_params(steps=21).fit(X[:30, :1])
    assert (density.score_samples(X) == before).all()


def test_bars_only_where_asked_for(capsys, monkeypatch):
    at_once(monkeypatch)
    for verbose in (False, True):
        density = quick(verbose=verbose).fit(X)
        density.sample(2)
        density.score_samples(X)
        shown = capsys.readouterr().err
        assert all((bar in shown) == verbose for bar in ("training", "sampling", "likelihood"))


def test_a_masked_table_or_label_is_refused(conditional):
    table = np.ma.masked_array(X, mask=np.arange(len(X))[:, None] % 2 == [0, 0])
    with pytest.raises(ValueError, match=r"^X: expected an array without masked values, got 60 masked"):
        quick().fit(table)
    with pytest.raises(ValueError, match=r"^X: expected an array without masked values"):
        conditional.score_samples(table)
    labels = np.ma.masked_array(np.arange(60) % 2, mask=np.arange(60) == 3)
    for call in (quick(conditional=True).fit, conditional.score_samples):
        with pytest.raises(ValueError, match=r"^y: expected an array without masked values, got 1 masked"):
            call(X, labels)


def test_columns_in_another_order_are_refused():
    found = quick().fit(Table(X, ["x", "y"]))
    assert found.feature_names_in_.tolist() == ["x", "y"]
    assert found.feature_names_in_.dtype == object
    expected = quick().fit(X).score_samples(X)
    np.testing.assert_array_equal(found.score_samples(Table(X, ["x", "y"])), expected)
    for call in (found.score_samples, found.score):
        with pytest.raises(ValueError, match=r"must be in the same order as they were in fit"):
            call(Table(X[:, ::-1], ["y", "x"]))
    assert not hasattr(found.fit(X), "feature_names_in_")
    assert list(clone(found).get_params()) == list(quick().get_params())
