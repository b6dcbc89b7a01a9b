"""The scikit-learn face, against scikit-learn's own checks, its MLPClassifier, and `train`."""

import copy
import pickle
from collections import Counter
from contextlib import nullcontext
from functools import partial
from typing import Any
from unittest import SkipTest

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    cross_val_score,
    train_test_split,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from mnist_nn import (
    SGD,
    Adam,
    MNISTClassifier,
    TrainingDiverged,
    cosine,
    init_params,
    load_model,
    plot_history,
    plot_weights,
    predict_proba,
    save_model,
    train,
)

VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))


def jitter(X: Any, rng: np.random.Generator) -> Any:
    """Augment numbers of any kind."""
    return X + rng.normal(0, 0.01, X.shape).astype(X.dtype)


OTHER: dict[str, Any] = {
    "hidden_layer_sizes": (32, 16),
    "activation": "logistic",
    "solver": "sgd",
    "alpha": 0.01,
    "batch_size": 16,
    "learning_rate_init": 0.3,
    "schedule": cosine,
    "momentum": 0.8,
    "max_iter": 50,
    "tol": 0,
    "early_stopping": True,
    "validation_fraction": 0.2,
    "n_iter_no_change": 20,
    "dropout": 0.05,
    "augment": jitter,
    "random_state": 7,
}
CHECKED = [MNISTClassifier(), MNISTClassifier(**OTHER)]
CHECKS = parametrize_with_checks(CHECKED).mark
ALL_CHECKS = list(CHECKS.args[1])
QUICK_AND_LONG = [
    pytest.param(*check, marks=[pytest.mark.long] * (repr(check[0]) != "MNISTClassifier()"))
    for check in ALL_CHECKS
]


@pytest.fixture(scope="module")
def digits() -> Any:
    """scikit-learn's own digits, 8 × 8 pixels: train X, test X, train y, test y."""
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, test_size=500, stratify=y, random_state=0)


# scikit-learn's checks.


@pytest.mark.parametrize(CHECKS.args[0], QUICK_AND_LONG, **CHECKS.kwargs)
def test_scikit_learn_finds_nothing_wrong(estimator: Any, check: Any) -> None:
    try:
        check(estimator)
    except SkipTest as reason:
        pytest.fail(f"not checked: {reason}")


def test_that_is_all_that_it_checks() -> None:
    counts = Counter(repr(estimator) for estimator, _ in ALL_CHECKS)
    lowest = 54 if VERSION < (1, 7) else 55
    assert [*counts] == [repr(estimator) for estimator in CHECKED]
    assert all(count >= lowest for count in counts.values())


def test_each_option_is_another_in_the_checks() -> None:
    defaults = MNISTClassifier().get_params()
    assert OTHER.keys() == defaults.keys()
    assert not [name for name in defaults if OTHER[name] == defaults[name]]


# The same as `train`, and as MLPClassifier.


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_fit_is_train(digits: Any, solver: str) -> None:
    X, _, y, _ = digits
    how = {**OTHER, "solver": solver, "learning_rate_init": 0.01, "max_iter": 4, "batch_size": 100}
    fitted = MNISTClassifier(**how | {"early_stopping": False}).fit(X, y)

    rng = np.random.default_rng(np.random.RandomState(7).randint(2**31))
    network = init_params([64, 32, 16, 10], "sigmoid", rng=rng)
    optimizer = (
        SGD(0.01, momentum=0.8, weight_decay=0.01 / 100 / 0.2, schedule=cosine)
        if solver == "sgd"
        else Adam(0.01, weight_decay=0.01 / 100, schedule=cosine)
    )
    run: dict[str, Any] = {"epochs": 4, "batch_size": 100, "optimizer": optimizer, "rng": rng}
    run |= {"dropout": 0.05, "augment": jitter, "progress": False}
    with pytest.warns() if solver == "sgd" else nullcontext():  # that this is a short training
        expected, history = train(network, X.astype(np.float32), y, **run)
    assert all(map(np.array_equal, fitted.network_.w, expected.w))
    assert all(map(np.array_equal, fitted.network_.b, expected.b))
    assert fitted.loss_curve_ == history["train_loss"].tolist()
    pd.testing.assert_frame_equal(fitted.history_, history.assign(seconds=fitted.history_.seconds))


def test_a_step_is_that_of_mlpclassifier(digits: Any) -> None:
    """From the same weights, on the same samples, with the same settings."""
    X, _, y, _ = digits
    X, y = X[:100], y[:100]
    how = {"hidden_layer_sizes": (12, 8), "batch_size": 100, "solver": "sgd", "random_state": 0}
    how |= {"momentum": 0, "alpha": 3.0, "learning_rate_init": 1e-12}
    ours = MNISTClassifier(**how).partial_fit(X, y, classes=np.arange(10))
    theirs = MLPClassifier(**how, nesterovs_momentum=False)
    theirs.partial_fit(X, y, classes=np.arange(10))
    theirs.coefs_ = [w.astype(float) for w in ours.network_.w]
    theirs.intercepts_ = [b.astype(float) for b in ours.network_.b]
    theirs._optimizer.learning_rate = theirs._optimizer.learning_rate_init = 0.05
    theirs._optimizer.params = [*theirs.coefs_, *theirs.intercepts_]
    before = ours.network_
    ours.set_params(learning_rate_init=0.05).partial_fit(X, y)
    theirs.partial_fit(X, y)
    for w, b, coefs, intercepts, w_before in zip(
        ours.network_.w,
        ours.network_.b,
        theirs.coefs_,
        theirs.intercepts_,
        before.w,
        strict=True,
    ):
        assert np.abs(coefs - w_before).max() > 1e-3
        assert w == pytest.approx(coefs, abs=2e-6)
        assert b == pytest.approx(intercepts, abs=2e-6)


def test_alpha_makes_weights_shrink_as_fast_as_in_mlpclassifier_with_momentum() -> None:
    X, y = np.zeros((50, 3)), np.arange(50) % 2  # only alpha moves the first layer
    how: dict[str, Any] = {"hidden_layer_sizes": (4,), "solver": "sgd", "alpha": 1.0, "tol": 0}
    how |= {"learning_rate_init": 0.01, "momentum": 0.9, "batch_size": 50, "random_state": 0}
    epochs = {"max_iter": 400, "n_iter_no_change": 400}
    shrunk = []
    for kind, weights in (
        (MNISTClassifier, lambda model: model.network_.w[0]),
        (MLPClassifier, lambda model: model.coefs_[0]),
    ):
        first = kind(**how).partial_fit(X, y, classes=[0, 1])
        start = weights(first).copy()
        with pytest.warns() if kind is MLPClassifier else nullcontext():
            last = kind(**how | epochs).fit(X, y)
        shrunk.append(np.mean(weights(last) / start))
    assert shrunk[0] == pytest.approx(np.exp(-399 * 0.01 / 50 / 0.1), rel=0.01)
    assert shrunk[0] == pytest.approx(shrunk[1], rel=0.02)


@pytest.mark.parametrize("how", [{"tol": 10.0}, {"tol": 1e-4, "learning_rate_init": 0.05}])
def test_training_stops_by_the_rule_of_mlpclassifier(digits: Any, how: dict[str, float]) -> None:
    X, _, y, _ = digits
    model = MNISTClassifier((20,), n_iter_no_change=3, random_state=0, **how).fit(X, y)
    lowest, count = np.inf, 0
    for epoch, loss in enumerate(model.loss_curve_, start=1):
        count = count + 1 if loss > lowest - how["tol"] else 0
        lowest = min(lowest, loss)
        assert (count > 3) == (epoch == model.n_iter_)
    if how["tol"] == 10:
        theirs = MLPClassifier((20,), n_iter_no_change=3, random_state=0, **how).fit(X, y)
        assert model.n_iter_ == theirs.n_iter_


def test_a_schedule_runs_to_its_end(digits: Any) -> None:
    X, _, y, _ = digits
    model = MNISTClassifier((8,), tol=10.0, n_iter_no_change=2, max_iter=9, random_state=0)
    assert model.fit(X, y).n_iter_ == 4
    assert model.set_params(schedule=cosine).fit(X, y).n_iter_ == 9


def test_early_stopping_returns_the_network_of_the_lowest_held_out_loss(digits: Any) -> None:
    X, _, y, _ = digits
    how: dict[str, Any] = {"early_stopping": True, "n_iter_no_change": 4, "learning_rate_init": 0.1}
    how |= {"validation_fraction": 0.3, "random_state": 0, "tol": 10.0}
    model = MNISTClassifier((20,), **how).fit(X, y)
    losses = model.history_["validation_loss"]
    assert model.n_iter_ == len(losses) == losses.idxmin() + 4 < 200
    random = np.random.RandomState(0)
    _, held_out_X, _, held_out_y = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=random
    )
    p = model.predict_proba(held_out_X)[np.arange(len(held_out_y)), held_out_y]
    assert -np.log(p).mean() == pytest.approx(losses.min(), rel=1e-4)


@pytest.mark.long
def test_it_reads_as_well_as_mlpclassifier(digits: Any) -> None:
    train_X, test_X, train_y, test_y = digits
    how: dict[str, Any] = {"hidden_layer_sizes": (50,), "learning_rate_init": 0.01}
    ours, theirs = (
        np.mean(
            [
                kind(**how, random_state=seed).fit(train_X, train_y).score(test_X, test_y)
                for seed in range(3)
            ]
        )
        for kind in (MNISTClassifier, MLPClassifier)
    )
    assert ours > 0.96
    assert ours > theirs - 0.007  # of 500 digits, three and a half


# What it is given.


def test_strings_pandas_and_the_package(digits: Any, tmp_path: Any) -> None:
    X, test_X, y, test_y = digits
    names = np.array(["zero", "one", "two", "3", "4", "five", "six", "seven", "eight", "nine"])
    table = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    model = MNISTClassifier((16,), max_iter=20, learning_rate_init=0.01, random_state=0)
    model.fit(table, pd.Series(names[y]))
    assert [*model.classes_] == sorted(names)
    assert [*model.feature_names_in_] == [*table.columns]
    assert model.n_features_in_ == 64
    test = pd.DataFrame(test_X, columns=table.columns)
    assert model.score(test, names[test_y]) > 0.9
    assert set(model.predict(test)) == set(names)
    with pytest.raises(ValueError, match="The feature names should match"):
        model.predict(test[table.columns[::-1]])

    save_model(tmp_path / "model.npz", model.network_)
    network = load_model(tmp_path / "model.npz")
    single = test_X.astype(np.float32)
    assert np.exp(model.predict_log_proba(test)) == pytest.approx(model.predict_proba(test))
    plain = MNISTClassifier().set_params(**model.get_params()).fit(X, names[y])
    assert np.array_equal(plain.predict_proba(single), predict_proba(network, single))
    plot_weights(network.w[0])
    plot_history(model.history_)


def test_numbers_keep_their_type_in_the_answer(digits: Any) -> None:
    X, test_X, y, _ = digits
    model = MNISTClassifier((16,), max_iter=5, random_state=0).fit(X, y)
    assert model.network_.w[0].dtype == np.float32
    double, single = model.predict_proba(test_X), model.predict_proba(test_X.astype(np.float32))
    assert (double.dtype, single.dtype) == (np.float64, np.float32)
    assert single == pytest.approx(double, abs=1e-5)
    assert double[7:8] == pytest.approx(model.predict_proba(test_X[7:8]), abs=1e-12)
    whole = (16 * X).astype(np.uint8)
    as_bytes, as_floats = (clone(model).fit(kind, y).loss_curve_ for kind in (whole, 16 * X))
    assert as_bytes == as_floats


X3, Y3 = np.arange(12.0).reshape(6, 2) / 12, np.array(["a", "b", "c"] * 2)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (X3[:1], Y3[:1], r"Found array with 1 sample\(s\) .* minimum of 2 is required by MNISTCl"),
        (X3, ["a"] * 6, r"y must hold two classes or more, not one class, \['a'\]; look whether"),
        (X3, np.linspace(0, 1, 6), "Unknown label type: continuous"),
        (X3 + np.nan, Y3, "Input X contains NaN"),
        (X3, Y3[:5], "inconsistent numbers of samples"),
        (X3.reshape(6, 2, 1), Y3, "Found array with dim 3"),
        (X3 * 1e300, Y3, "value too large for dtype.'float32'"),
    ],
)
def test_samples_that_are_refused(X: Any, y: Any, message: str) -> None:
    model = MNISTClassifier()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X3)


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("hidden_layer_sizes", (10, 0), "each size in hidden_layer_sizes must be a whole number"),
        ("hidden_layer_sizes", 2.5, "each size in hidden_layer_sizes must be a whole number"),
        ("activation", "tanh", 'activation must be "relu", "logistic" or "sigmoid", not \'tanh\''),
        ("solver", "lbfgs", 'solver must be "adam" or "sgd", not \'lbfgs\''),
        ("alpha", -1, "alpha must be a finite number of at least 0"),
        ("alpha", 1e6, "alpha . learning_rate_init / batch_size must be below 1, not 166.667; low"),
        ("batch_size", 0, "batch_size must be a whole number of at least 1, not 0"),
        ("batch_size", "all", "batch_size must be a whole number of at least 1, not 'all'"),
        ("learning_rate_init", 0, "learning_rate_init must be a finite number above 0"),
        ("schedule", "cosine", "schedule must be a function, not 'cosine'"),
        ("momentum", 1, "momentum must be a finite number of at least 0 and below 1"),
        ("max_iter", 0, "max_iter must be a whole number of at least 1"),
        ("tol", -1, "tol must be a finite number of at least 0"),
        ("early_stopping", "yes", "early_stopping must be True or False"),
        ("validation_fraction", 1.0, "validation_fraction must be a finite number above 0 and bel"),
        ("n_iter_no_change", 0, "n_iter_no_change must be a whole number of at least 1"),
        ("dropout", 1.0, "dropout must be a finite number of at least 0 and below 1"),
        ("augment", 3, "augment must be a function, not 3"),
    ],
)
def test_parameters_that_are_refused(parameter: str, value: Any, message: str) -> None:
    model = MNISTClassifier(**{parameter: value})
    with pytest.raises((TypeError, ValueError), match=message):
        model.fit(X3, Y3)


def test_early_stopping_needs_some_of_each_class_on_both_sides() -> None:
    with pytest.raises(ValueError, match="early stopping must hold out and keep samples of each"):
        MNISTClassifier(early_stopping=True).fit(X3, Y3)


def test_any_sizes_at_all(digits: Any) -> None:
    X, _, y, _ = digits
    for sizes, layers in ((), [64, 10]), (7, [64, 7, 10]), (np.array([5, 4]), [64, 5, 4, 10]):
        model = MNISTClassifier(sizes, max_iter=1, learning_rate_init=0.01).fit(X, y)
        assert model.network_.neuron_layers == layers
    model = MNISTClassifier((8,), max_iter=60, learning_rate_init=0.05, random_state=0)
    two = model.fit(X[y < 2], y[y < 2])
    assert two.network_.neuron_layers == [64, 8, 2]
    assert two.score(X[y < 2], y[y < 2]) == 1


# One fit after another.


def same(a: MNISTClassifier, b: MNISTClassifier) -> bool:
    parameters = [[*model.network_.w, *model.network_.b] for model in (a, b)]
    return all(map(np.array_equal, *parameters))


def test_a_second_fit_starts_afresh(digits: Any) -> None:
    X, _, y, _ = digits
    model = MNISTClassifier((8,), max_iter=3, random_state=0)
    once = clone(model).fit(X, y)
    model.fit(X[y < 5, :10], y[y < 5]).partial_fit(X[y < 5, :10], y[y < 5])
    assert same(model.fit(X, y), once)
    assert len(model.loss_curve_) == model.n_iter_ == 3
    other = clone(model).set_params(random_state=1).fit(X, y)
    assert not same(model, other)
    unseeded = [clone(model).set_params(random_state=None).fit(X, y) for _ in range(2)]
    assert not same(*unseeded)


@pytest.mark.parametrize("how", [{}, {"solver": "sgd"}, {"solver": "sgd", "momentum": 0.0}])
@pytest.mark.parametrize("noise", [{}, {"dropout": 0.2, "augment": jitter}])
def test_partial_fit_goes_on_after_unpickling(digits: Any, how: Any, noise: Any) -> None:
    X, test_X, y, _ = digits
    model = MNISTClassifier((8,), random_state=0, learning_rate_init=0.01, **how, **noise)
    model.partial_fit(X[:300], y[:300], classes=np.arange(10)).partial_fit(X[300:350], y[300:350])
    restored = pickle.loads(pickle.dumps(model))
    assert np.array_equal(restored.predict_proba(test_X), model.predict_proba(test_X))
    for each in (model, restored):
        each.partial_fit(X[350:], y[350:])
    assert same(model, restored)
    assert model.loss_curve_ == restored.loss_curve_
    assert restored.n_iter_ == len(restored.loss_curve_) == 3
    assert [*restored.history_.index] == [1, 2, 3]
    assert restored.history_["seconds"].is_monotonic_increasing
    again = clone(model).partial_fit(X[350:], y[350:], classes=np.arange(10))
    assert not same(model, again)


def test_epochs_by_partial_fit_are_those_of_fit(digits: Any) -> None:
    X, _, y, _ = digits
    whole = MNISTClassifier((8,), max_iter=5, random_state=0).fit(X, y)
    parts = clone(whole)
    for _ in range(5):
        parts.partial_fit(X, y, classes=whole.classes_)
    assert same(whole, parts)
    assert whole.loss_curve_ == parts.loss_curve_
    network = whole.network_
    weights = network.w[0].copy()
    whole.partial_fit(X, y)
    assert same(whole, parts.partial_fit(X, y))
    assert np.array_equal(network.w[0], weights), "what was handed out does not change"


def test_after_early_stopping_partial_fit_goes_on_from_the_best_network(digits: Any) -> None:
    X, _, y, _ = digits
    how: dict[str, Any] = {"learning_rate_init": 0.1, "early_stopping": True, "random_state": 0}
    model = MNISTClassifier((20,), n_iter_no_change=4, **how).fit(X, y)
    best = model.network_.w[0].copy()
    model.set_params(learning_rate_init=1e-12, solver="sgd").partial_fit(X, y)
    assert model.network_.w[0] == pytest.approx(best, abs=1e-9)
    assert model._run.steps == -(-len(y) // 200), "Adam's steps do not count for another solver"


def test_a_copy_has_a_life_of_its_own(digits: Any) -> None:
    X, _, y, _ = digits
    model = MNISTClassifier((8,), max_iter=3, random_state=0).fit(X, y)
    copy.copy(model).partial_fit(X, y)
    assert len(model.loss_curve_) == model.n_iter_ == 3


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_numbers_of_numpy_give_the_same_network(digits: Any, solver: str) -> None:
    X, _, y, _ = digits
    how = {"learning_rate_init": 0.01, "alpha": 1.3, "momentum": 0.9}
    model = MNISTClassifier((8,), solver=solver, max_iter=3, random_state=0, **how)
    of_numpy = clone(model).set_params(**{name: np.float64(how[name]) for name in how})
    assert same(model.fit(X, y), of_numpy.fit(X, y))


def test_partial_fit_refuses_what_does_not_fit_the_first_call() -> None:
    model = MNISTClassifier((4,), random_state=0)
    with pytest.raises(ValueError, match="classes must be all the labels that will ever come"):
        model.partial_fit(X3, Y3)
    with pytest.raises(ValueError, match="y must hold two classes or more, not one class"):
        model.partial_fit(X3, ["a"] * 6, classes=["a"])
    model.partial_fit(X3[:1], Y3[:1], classes=["a", "b", "c"])
    before = pickle.dumps(model)
    for X, y, classes, message in (
        (X3, ["d"] * 6, None, r"y must hold labels that are among the classes, .*, not 'd'"),
        (X3, Y3, ["a", "b"], r"classes must be those of the first call, .*, not \['a' 'b'\]"),
        (X3[:, :1], Y3, None, "X has 1 features, but MNISTClassifier is expecting 2"),
    ):
        with pytest.raises(ValueError, match=message):
            model.partial_fit(X, y, classes)
    numbers = MNISTClassifier((4,)).partial_fit(X3, [1, 2, 3] * 2, classes=[1, 2, 3])
    with pytest.raises(ValueError, match=r"among the classes, .*, not '1'"):
        numbers.partial_fit(X3, ["1", "2", "3"] * 2)
    model.set_params(learning_rate_init=1e30, solver="sgd", alpha=0)
    with pytest.raises(TrainingDiverged):
        model.partial_fit(X3 * 1e30, Y3)
    model.set_params(**MNISTClassifier((4,), random_state=0).get_params())
    assert pickle.dumps(model) == before, "it stays as it was"


def test_a_fit_that_fails_is_no_fit() -> None:
    model = MNISTClassifier((4,), max_iter=2).fit(X3, Y3)
    with pytest.raises(ValueError, match="alpha must be"):
        model.set_params(alpha=-1).fit(X3, Y3)
    model.predict(X3)  # no other fit has begun
    model.set_params(learning_rate_init=1e30, solver="sgd", alpha=0)
    with pytest.raises(TrainingDiverged):
        model.fit(X3 * 1e30, Y3)
    for ask in (
        partial(model.predict, X3),
        partial(model.predict_proba, X3),
        partial(model.score, X3, Y3),
        lambda: model.network_,
        lambda: model.loss_curve_,
        lambda: model.n_iter_,
        lambda: model.history_,
    ):
        with pytest.raises(NotFittedError):
            ask()


# Its machinery.


@pytest.mark.long
def test_it_goes_through_scikit_learn(digits: Any) -> None:
    X, test_X, y, test_y = digits
    model = MNISTClassifier((16,), max_iter=10, learning_rate_init=0.01, random_state=0)
    scaled = make_pipeline(StandardScaler(), model)
    assert cross_val_score(scaled, X, y, cv=3).min() > 0.85
    grid = GridSearchCV(model, {"learning_rate_init": [0.01, 1e-7], "dropout": [0.0, 0.1]}, cv=2)
    grid.fit(X, y)
    assert grid.best_params_["learning_rate_init"] == 0.01
    space = {"learning_rate_init": np.logspace(-6, -2, 9), "hidden_layer_sizes": [8, (12, 8)]}
    search = HalvingRandomSearchCV(
        model, space, resource="max_iter", max_resources=9, random_state=0, cv=2
    )
    search.fit(X, y)
    assert search.best_params_["max_iter"] == 9
    assert search.score(test_X, test_y) > 0.75
    calibrated = CalibratedClassifierCV(model, cv=2).fit(X, y)
    assert calibrated.score(test_X, test_y) > 0.85


@pytest.mark.skipif(VERSION < (1, 9), reason="before scikit-learn 1.9 there were no callbacks")
def test_callbacks_see_each_epoch_and_may_stop(digits: Any) -> None:
    from sklearn.callback import ScoringMonitor

    X, _, y, _ = digits

    class Recorder:
        def __init__(self, stop_after: int) -> None:
            self.stop_after, self.begun, self.ended = stop_after, [], []  # type: ignore[var-annotated]
            self.max_subtasks = 0

        def setup(self, estimator: Any, context: Any) -> None:
            assert estimator is model
            self.max_subtasks = context.max_subtasks

        def teardown(self, estimator: Any, context: Any) -> None:
            assert (estimator, context.task_name) == (model, "fit")

        def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
            assert estimator is model
            self.begun.append((context.task_name, context.task_id))

        def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
            assert estimator is model
            self.ended.append((context.task_name, context.task_id))
            return len(self.ended) == self.stop_after

    epochs = [("epoch", i) for i in range(5)]
    recorder, monitor = Recorder(0), ScoringMonitor(scoring="accuracy")
    model = MNISTClassifier((8,), max_iter=5, random_state=0).set_callbacks(recorder, monitor)
    model.fit(X, y)
    assert recorder.max_subtasks == 5
    assert recorder.begun == [("fit", 0), *epochs]
    assert recorder.ended == [*epochs, ("fit", 0)]
    scores = monitor.get_logs(select="most_recent").data_as_pandas["accuracy"]
    alone = partial(MNISTClassifier, (8,), random_state=0)
    apart = [alone(max_iter=n).fit(X, y).score(X, y) for n in range(1, 6)]
    assert scores.tolist() == pytest.approx([apart[-1], *apart])

    class Keeper(Recorder):
        def on_fit_task_end(  # type: ignore[override]
            self, estimator: Any, context: Any, *, y: Any, fitted_estimator: Any
        ) -> bool:
            kept.append(fitted_estimator)
            assert set(y) == set(model.classes_)
            return super().on_fit_task_end(estimator, context)

    kept: list[Any] = []
    model.set_callbacks(Keeper(0)).fit(X, y)
    assert [len(each.loss_curve_) for each in kept] == [1, 2, 3, 4, 5, 5]
    kept[1].partial_fit(X, y)
    assert kept[1].loss_curve_ == kept[2].loss_curve_
    assert same(kept[1], kept[2])

    stopper = Recorder(3)
    model.set_callbacks(stopper).fit(X, y)
    assert model.n_iter_ == 3
    assert stopper.begun == [("fit", 0), *epochs[:3]]
    assert stopper.ended == [*epochs[:3], ("fit", 0)]


def test_its_parameters_are_those_of_mlpclassifier() -> None:
    ours, theirs = MNISTClassifier().get_params(), MLPClassifier().get_params()
    assert {n for n in ours if n not in theirs} == {"dropout", "augment", "schedule"}
    assert all(ours[name] == theirs[name] for name in ours.keys() & theirs.keys())
    assert isinstance(MNISTClassifier(), BaseEstimator)
