"""The network as a scikit-learn classifier: for its pipelines, cross-validation and searches."""

from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from mnist_nn import checks
from mnist_nn.checks import Activation, Array, Floats, Integers
from mnist_nn.evaluation import predict_proba
from mnist_nn.network import Network, init_params
from mnist_nn.optimizers import SGD, Adam, Optimizer, Schedule, constant
from mnist_nn.training import Augment, TrainingState, run_epochs

if TYPE_CHECKING:
    import pandas as pd

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before scikit-learn 1.9
    CallbackSupportMixin, with_callbacks = type("NoCallbacks", (), {}), lambda fit: fit

__all__ = ["MNISTClassifier"]

_ACTIVATIONS: dict[str, Activation] = {"relu": "relu", "logistic": "sigmoid", "sigmoid": "sigmoid"}


class MNISTClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A network that `train` trains, in the place of scikit-learn's ``MLPClassifier``.

    Parameters that exist there have the same names, meanings and defaults. It learns any classes
    from any numbers, best from numbers of about the size 1, such as pixels from 0 to 1 or what
    ``StandardScaler`` returns. It trains in float32, whatever it is given.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        The number of neurons in each hidden layer. Without any, ``()``, it is logistic regression.
    activation : {"relu", "logistic"}
        The hidden activation; "sigmoid" is another name for "logistic".
    solver : {"adam", "sgd"}
        How a gradient becomes a step: by `Adam` or by `SGD`.
    alpha : float
        The strength of weight decay: the optimizer's ``weight_decay`` is ``alpha / batch_size``
        (with "sgd" divided by ``1 - momentum``). With "sgd" that is the L2 penalty of
        ``MLPClassifier``; with "adam", where it stays apart from the gradient, it is much weaker.
    batch_size : int or "auto"
        Samples per step; "auto" means 200. At most all of them.
    learning_rate_init : float
        The learning rate, before the schedule.
    schedule : callable, optional
        Makes a factor of the learning rate out of the fraction of training that is done, such as
        `cosine`. Default: none.
    momentum : float
        The momentum of "sgd", in Nesterov's form, from 0 to below 1.
    max_iter : int
        The maximum number of epochs.
    tol : float
        By how much the training loss has to fall below its lowest to count as progress. Early
        stopping goes without it.
    early_stopping : bool
        Whether to hold out a fraction of the samples, stop when their loss has reached no new
        minimum for ``n_iter_no_change`` epochs, and return the network of the minimum. Otherwise
        training stops when the training loss has made no progress for more epochs than that; with
        a schedule it goes on to its end.
    validation_fraction : float
        The fraction to hold out, with as much of each class as there is in all.
    n_iter_no_change : int
        How many epochs without progress are accepted.
    dropout : float
        The fraction of hidden activations that each step sets to 0; see `forward_prop`.
    augment : callable, optional
        Changes the samples of each step, such as `deform` for digits; see `train`.
    random_state : int, RandomState or None
        The seed, or a source of one. With None, each fit is another.

    Attributes
    ----------
    classes_ : (classes,) array
        The labels, sorted. The network knows them by their position.
    n_features_in_, feature_names_in_ : int, array of str
        The number of features, and their names if they came in a DataFrame.

    Notes
    -----
    What differs from ``MLPClassifier``: ``alpha`` with "adam", as described, which ``loss_curve_``
    leaves out; early stopping goes by the loss, not the accuracy, and without ``tol``; an interrupt
    is raised, not turned into a warning; nothing warns that ``max_iter`` was reached; there are no
    sparse matrices, sample weights and multiple labels. From scikit-learn 1.9 on its
    callbacks are supported, such as ``set_callbacks(ProgressBar())``, which needs the package rich:
    a task is an epoch.
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: Literal["relu", "logistic", "sigmoid"] = "relu",
        *,
        solver: Literal["adam", "sgd"] = "adam",
        alpha: float = 0.0001,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate_init: float = 0.001,
        schedule: Schedule | None = None,
        momentum: float = 0.9,
        max_iter: int = 200,
        tol: float = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        dropout: float = 0.0,
        augment: Augment | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.momentum = momentum
        self.max_iter = max_iter
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.dropout = dropout
        self.augment = augment
        self.random_state = random_state

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any) -> Self:
        """Train a new network.

        Parameters
        ----------
        X : (N, features) array or DataFrame
            Numbers, one sample per row: two or more.
        y : (N,) array
            Their labels, numbers or strings, of two classes or more.

        Raises
        ------
        TypeError, ValueError
            If X, y or a parameter is not what is described here.
        TrainingDiverged
            When a loss or a parameter is no longer finite.
        TrainingInterrupted
            When interrupted from the keyboard.
        """
        self._check_parameters()
        if self.__sklearn_is_fitted__():
            del self._run  # if this fit fails, there is none
        X, y = self._validated(X, y, ensure_min_samples=2)
        Y: Integers
        self.classes_, Y = np.unique(y, return_inverse=True)
        random = check_random_state(self.random_state)
        validation = None
        if self.early_stopping:
            X, Y, validation = self._hold_out(X, Y, random)
        run = self._new_run(random)
        batch_size = self._prepare(run, len(Y), self.max_iter, self.schedule or constant)
        callbacks = _Callbacks(self, run, X, lambda: self.classes_[Y])
        lowest, epochs_without_progress = np.inf, 0

        def after_epoch() -> None:
            nonlocal lowest, epochs_without_progress
            loss = run.rows[-1]["train_loss"]
            epochs_without_progress = epochs_without_progress + 1 if loss > lowest - self.tol else 0
            lowest = min(loss, lowest)
            no_progress = epochs_without_progress > self.n_iter_no_change
            run.finished |= no_progress and not self.early_stopping and self.schedule is None
            run.finished |= callbacks.end_epoch()

        run_epochs(
            run,
            X,
            Y,
            batch_size=batch_size,
            dropout=self.dropout,
            augment=self.augment,
            validation=validation,
            patience=self.n_iter_no_change if self.early_stopping else None,
            after_epoch=after_epoch,
        )
        self._keep(run)
        callbacks.end()
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Go on training, for one epoch on these samples, at the constant learning rate.

        It goes on from the last call, or from ``fit``, with what the optimizer remembers. Of the
        parameters, max_iter, tol, early_stopping and schedule play no part; nor, but in the first
        call, do those that describe the network.

        Parameters
        ----------
        X : (N, features) array or DataFrame
            Numbers, one sample per row: one or more.
        y : (N,) array
            Their labels.
        classes : (classes,) array, optional
            All the labels that will ever come; the first call needs them.

        Raises
        ------
        TypeError, ValueError
            If X, y or a parameter is not what is described here, or a label is not among the
            classes.
        TrainingDiverged
            When a loss or a parameter is no longer finite; the estimator stays as it was.
        TrainingInterrupted
            When interrupted from the keyboard; likewise.
        """
        self._check_parameters()
        is_first = not self.__sklearn_is_fitted__()
        if is_first and classes is None:
            raise ValueError(
                "classes must be all the labels that will ever come, not None, in the first call "
                "of partial_fit; pass classes=np.unique(y) of all the data"
            )
        X, y = self._validated(X, y, reset=is_first)
        labels = self.classes_ if classes is None else np.unique(column_or_1d(classes))
        if not is_first and not np.array_equal(labels, self.classes_):
            raise ValueError(
                f"classes must be those of the first call, {self.classes_}, not {labels}; leave "
                "them out, or fit a new estimator"
            )
        position = {label: i for i, label in enumerate(labels.tolist())}
        try:
            Y = np.array([position[label] for label in y.tolist()])
        except KeyError as error:
            raise ValueError(
                f"y must hold labels that are among the classes, {labels}, not {error}; name all "
                "of them in the first call of partial_fit"
            ) from None
        if is_first:
            self.classes_ = labels
            run = self._new_run(check_random_state(self.random_state))
        else:
            run = copy(self._run)
            run.network, run.moments, run.rng = deepcopy((run.network, run.moments, run.rng))
        batch_size = self._prepare(run, len(Y), run.epoch + 1, constant)
        rows, run.rows = run.rows, run.rows[-1:]  # an interrupt tells how far it came
        run_epochs(
            run,
            X,
            Y,
            batch_size=batch_size,
            dropout=self.dropout,
            augment=self.augment,
            after_epoch=lambda: None,
        )
        run.rows = rows[:-1] + run.rows
        self._keep(run)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Compute the probability of each class: ``(N, features)`` to ``(N, classes)``.

        In float64, unless X is float32.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If X does not have the features of ``fit``.
        """
        network = self.network_
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return predict_proba(network, X)

    def predict(self, X: Any) -> Array:
        """Predict the most probable label of each sample: ``(N, features)`` to ``(N,)``.

        Raises
        ------
        NotFittedError, ValueError
            As in ``predict_proba``.
        """
        P = self.predict_proba(X)
        labels: Array = self.classes_[P.argmax(axis=1)]
        return labels

    def predict_log_proba(self, X: Any) -> Floats:
        """Compute the logarithms of what ``predict_proba`` returns, which also says what it raises.

        That of a probability of 0 is minus infinity.
        """
        with np.errstate(divide="ignore"):
            logarithms: Floats = np.log(self.predict_proba(X))
        return logarithms

    @property
    def network_(self) -> Network:
        """The trained network, for any function of this package."""
        check_is_fitted(self)
        return self._run.best

    @property
    def history_(self) -> "pd.DataFrame":
        """What `train` returns: a row for each epoch of ``fit``, and each call of ``partial_fit``.

        For `plot_history`.
        """
        check_is_fitted(self)
        return self._run.history()

    @property
    def loss_curve_(self) -> list[float]:
        """The training loss of each epoch."""
        check_is_fitted(self)
        return [row["train_loss"] for row in self._run.rows]

    @property
    def n_iter_(self) -> int:
        """The number of epochs."""
        check_is_fitted(self)
        return self._run.epoch

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_run")

    def _check_parameters(self) -> None:
        for size in self._hidden_layer_sizes():
            checks.check_count("each size in hidden_layer_sizes", size)
        checks.check_choice("activation", self.activation, [*_ACTIVATIONS])
        checks.check_choice("solver", self.solver, ["adam", "sgd"])
        checks.check_number("alpha", self.alpha, at_least=0)
        if self.batch_size != "auto":
            checks.check_count("batch_size", self.batch_size)
        checks.check_number("learning_rate_init", self.learning_rate_init, above=0)
        if self.schedule is not None:
            checks.check_function("schedule", self.schedule, "cosine")
        checks.check_number("momentum", self.momentum, at_least=0, below=1)
        checks.check_count("max_iter", self.max_iter)
        checks.check_number("tol", self.tol, at_least=0)
        checks.check_flag("early_stopping", self.early_stopping)
        checks.check_number("validation_fraction", self.validation_fraction, above=0, below=1)
        checks.check_count("n_iter_no_change", self.n_iter_no_change)
        checks.check_fraction_dropped(self.dropout)
        if self.augment is not None:
            checks.check_function("augment", self.augment, "deform")

    def _validated(self, X: Any, y: Any, **options: Any) -> tuple[Floats, Array]:
        """Check the samples and their labels, and turn the samples into float32."""
        with np.errstate(over="ignore"):  # scikit-learn says it better
            X, y = validate_data(self, X, y, dtype=np.float32, order="C", **options)
        check_classification_targets(y)
        return X, y

    def _hold_out(
        self, X: Floats, Y: Integers, random: np.random.RandomState
    ) -> tuple[Floats, Integers, tuple[Floats, Integers]]:
        fraction = self.validation_fraction
        try:
            X, held_out_X, Y, held_out_Y = train_test_split(
                X, Y, test_size=fraction, stratify=self.classes_[Y], random_state=random
            )
        except ValueError as error:
            raise ValueError(
                f"early stopping must hold out and keep samples of each class, and cannot: {error} "
                "Change validation_fraction, or pass early_stopping=False"
            ) from error
        return X, Y, (held_out_X, held_out_Y)

    def _hidden_layer_sizes(self) -> Sequence[int]:
        sizes = self.hidden_layer_sizes
        return sizes if checks.is_list(sizes) else [sizes]  # type: ignore[return-value, list-item]

    def _new_run(self, random: np.random.RandomState) -> TrainingState:
        """Start a run from a random network, for the features and classes that have come."""
        if len(self.classes_) < 2:
            raise ValueError(
                f"y must hold two classes or more, not one class, {self.classes_}; look whether "
                "the samples are sorted by class"
            )
        rng = np.random.default_rng(random.randint(2**31))
        layers = [self.n_features_in_, *self._hidden_layer_sizes(), len(self.classes_)]
        network = init_params(layers, _ACTIVATIONS[self.activation], rng=rng)
        return TrainingState("epoch", 0, network, rng=rng)

    def _prepare(self, run: TrainingState, samples: int, epochs: int, schedule: Schedule) -> int:
        """Give a run its optimizer and the number of epochs to end at; return the batch size."""
        batch_size = min(samples, 200 if self.batch_size == "auto" else int(self.batch_size))
        # A NumPy float64, as in a search, would round otherwise than the same number typed.
        rate, momentum = float(self.learning_rate_init), float(self.momentum)
        decay = float(self.alpha) / batch_size
        name = "alpha * learning_rate_init / batch_size"
        if self.solver == "sgd":
            decay /= 1 - momentum
            name += " / (1 - momentum)"
        if decay * rate >= 1:
            raise ValueError(
                f"{name} must be below 1, not {decay * rate:g}; lower alpha or learning_rate_init"
            )
        optimizer: Optimizer
        if self.solver == "adam":
            optimizer = Adam(rate, weight_decay=decay, schedule=schedule)
        else:
            optimizer = SGD(rate, momentum=momentum, weight_decay=decay, schedule=schedule)
        moments = optimizer.moments(run.network)
        if len(moments) != len(run.moments):  # at the start, or set_params has changed it
            run.moments, run.steps = moments, 0
        run.optimizer, run.total, run.finished = optimizer, epochs, False
        run.started = perf_counter() - (run.rows[-1]["seconds"] if run.rows else 0)
        return batch_size

    def _keep(self, run: TrainingState) -> None:
        # One network instead of three: it may be pickled many times.
        run.network = run.last_finite = run.best
        self._run = run


class _Callbacks:
    """What scikit-learn's callbacks are told of a fit: it is a task, and so is each epoch."""

    def __init__(
        self, estimator: MNISTClassifier, run: TrainingState, X: Floats, y: Callable[[], Array]
    ) -> None:
        self._estimator, self._run, self._data = estimator, run, {"X": X, "y": y}
        self._fit: Any = None
        if hasattr(estimator, "_init_callback_context"):
            self._fit = estimator._init_callback_context(max_subtasks=run.total)
            self._fit.call_on_fit_task_begin(estimator=estimator, **self._data)
            self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._epoch = self._fit.subcontext("epoch")
        self._epoch.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def end_epoch(self) -> bool:
        """Tell of the end of an epoch, and return whether a callback asks to stop."""
        if self._fit is None:
            return False
        is_asked = self._end(self._epoch)
        if not is_asked and not self._run.finished:
            self._begin_epoch()
        return is_asked

    def end(self) -> None:
        """Tell of the end of the fit."""
        if self._fit is not None:
            self._end(self._fit)

    def _end(self, task: Any) -> bool:
        # A callback that asks for a fitted estimator gets one as if training had ended here.
        return bool(
            task.call_on_fit_task_end(
                estimator=self._estimator,
                reconstruction_attributes=self._snapshot,
                **self._data,
            )
        )

    def _snapshot(self) -> dict[str, TrainingState]:
        run = deepcopy(self._run)
        run.network = run.best
        return {"_run": run}
