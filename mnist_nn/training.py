"""Teach a network: full-batch gradient descent, and mini-batches with early stopping."""

import math
import numbers
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial, reduce
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, get_args

import numpy as np

from mnist_nn.data import batches
from mnist_nn.evaluation import make_probabilities
from mnist_nn.network import (
    Floats,
    Gradients,
    Integers,
    Network,
    backward_prop,
    check_digits,
    check_number,
    cross_entropy,
    forward_prop,
)
from mnist_nn.optimizers import SGD, Adam, Schedule, constant
from mnist_nn.parallel import one_blas_thread, over_rows
from mnist_nn.plots import plot_history
from mnist_nn.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

Optimizer: TypeAlias = Literal["sgd", "adam"]

Augment: TypeAlias = Callable[[Floats, np.random.Generator], Floats]
"""Makes other digits of the same labels out of digits, such as `deform`."""


_DEAF_SECONDS = 5  # that an interrupt may wait for the end of a step


class TrainingDiverged(ArithmeticError):
    """Training left the finite numbers.

    A rate that is too high may also leave a loss that is finite but does not fall: the history
    shows that.

    Attributes
    ----------
    network : Network
        The last network whose loss and parameters were all finite.
    """

    def __init__(self, moment: str, learning_rate: float, network: Network) -> None:
        super().__init__(
            f"the loss stopped being finite in {moment} at learning rate {learning_rate:g}, where "
            "it should fall; try a tenth of that rate, and pixels between 0 and 1 (the last finite "
            "network is the .network of this exception)"
        )
        self.network = network


class TrainingInterrupted(KeyboardInterrupt):
    """Training was interrupted, by Ctrl-C or by the button that interrupts the kernel.

    Attributes
    ----------
    network : Network
        What training would have returned, had it ended with the history's last epoch; or the
        network after the last full iteration.
    history : pandas.DataFrame
        The history so far.
    """

    def __init__(self, network: Network, history: "pd.DataFrame") -> None:
        done = history.index[-1] if len(history) else 0
        super().__init__(
            f"stopped after {history.index.name} {done}; after `import sys`, the network and the "
            "history so far are sys.last_value.network and sys.last_value.history"
        )
        self.network, self.history = network, history


class _Interrupts:
    """A context that hands over what training has when it is interrupted.

    An interrupt that comes in the middle of an import, a drawing or a step would leave it half
    done. So it is only noted, and takes effect in ``stop_if_interrupted``, or at the end. Where a
    step never ends, one that comes later interrupts it all the same.
    """

    def __init__(self, result: "Callable[[], tuple[Network, pd.DataFrame]]") -> None:
        self._result = result
        self._first = math.inf  # when the first one came
        self._last = False  # whether the result is being made
        self._handler: Any = None

    def __enter__(self) -> Self:
        # Signals are for the main thread alone, and somebody else's handler stays.
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if handler is signal.default_int_handler:
                self._handler = handler
                signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._last = True
        result = None
        try:
            if self._first < math.inf or isinstance(error, KeyboardInterrupt):
                result = self._result()
        finally:
            if self._handler is not None:
                signal.signal(signal.SIGINT, self._handler)
        if self._first < math.inf and result is None:  # it came in this last moment
            result = self._result()
        if result is not None:
            cause = None if isinstance(error, KeyboardInterrupt) else error
            raise TrainingInterrupted(*result) from cause

    def stop_if_interrupted(self) -> None:
        """Raise KeyboardInterrupt if an interrupt has come."""
        if self._first < math.inf:
            raise KeyboardInterrupt

    def _note(self, *_: object) -> None:
        now = time.monotonic()
        self._first = min(self._first, now)
        if now - self._first > _DEAF_SECONDS and not self._last:
            raise KeyboardInterrupt


def update(network: Network, gradients: Gradients, learning_rate: float) -> Network:
    """Take one step downhill: each parameter less ``learning_rate`` times its gradient."""
    learning_rate = float(learning_rate)  # a NumPy float64 would make all parameters float64
    w = [w - learning_rate * dw for w, dw in zip(network.w, gradients.dw, strict=True)]
    b = [b - learning_rate * db for b, db in zip(network.b, gradients.db, strict=True)]
    return Network(w, b, network.activation)


def gradient_descent(
    network: Network,
    X: Floats,
    Y: Integers,
    *,
    iterations: int = 500,
    learning_rate: float = 0.10,
    report_every: int = 10,
    progress: bool = True,
) -> tuple[Network, "pd.DataFrame"]:
    """Train on all the digits at once: every iteration is one step along the exact gradient.

    Parameters
    ----------
    network : Network
        Where to start; it is not changed.
    X : (N, n_in) array
        Digits, one a row; taken in the type of the network's parameters, float32.
    Y : (N,) integer array
        Their labels.
    iterations : int
        The number of steps.
    learning_rate : float
        The length of a step in units of the gradient.
    report_every : int
        Iterations from one row of the history to the next.
    progress : bool
        Whether to show how training goes.

    Returns
    -------
    network : Network
        The trained one.
    history : pandas.DataFrame
        ``train_loss``, ``train_accuracy`` and ``seconds`` after ``iteration`` steps (the index),
        from 0 to ``iterations``.

    Raises
    ------
    TrainingDiverged
        When the loss or a parameter stops being finite.
    TrainingInterrupted
        When interrupted from the keyboard.
    ValueError
        If X, Y and the network do not fit each other, or a number is out of range.
    """
    _check_numbers(learning_rate, iterations=iterations, report_every=report_every)
    X = _checked(X, Y, network)
    network = _copy(network)
    previous = network
    shown = Progress(iterations, "iteration", shown=progress, plot=plot_history)
    interrupts = _Interrupts(lambda: (network, shown.history()))
    with (
        interrupts,
        shown,
        one_blas_thread(),
        np.errstate(over="ignore", invalid="ignore"),
    ):
        start = time.perf_counter()
        for iteration in range(iterations + 1):
            interrupts.stop_if_interrupted()
            probabilities, gradients = _gradients(network, X.__getitem__, Y)
            # Where a probability is not finite, the gradient of the last biases is not.
            if not _is_finite(network, *gradients.db[-1]):
                raise TrainingDiverged(f"iteration {iteration}", learning_rate, previous)
            if iteration % report_every == 0 or iteration == iterations:
                loss, accuracy = _score(probabilities, Y)
                shown.show(
                    {
                        "iteration": iteration,
                        "train_loss": loss,
                        "train_accuracy": accuracy,
                        "seconds": time.perf_counter() - start,
                    }
                )
            if iteration < iterations:
                previous, network = network, update(network, gradients, learning_rate)
        return network, shown.history()


def train(
    network: Network,
    X: Floats,
    Y: Integers,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    rng: np.random.Generator | int,
    optimizer: Optimizer = "sgd",
    momentum: float = 0.0,
    schedule: Schedule = constant,
    weight_decay: float = 0.0,
    dropout: float = 0.0,
    augment: Augment | None = None,
    validation: tuple[Floats, Integers] | None = None,
    patience: int | None = None,
    progress: bool = True,
) -> tuple[Network, "pd.DataFrame"]:
    """Train on small batches: every epoch deals the digits out anew and steps once a batch.

    With ``patience`` training stops early: once the validation loss has gone that many epochs
    without a new minimum, and the network of the epoch with the minimum is what comes back. (On
    when to stop, see Prechelt 1998, "Early stopping — but when?")

    Parameters
    ----------
    network : Network
        Where to start; it is not changed.
    X : (N, n_in) array
        Digits, one a row; taken in the type of the network's parameters, float32.
    Y : (N,) integer array
        Their labels.
    epochs : int
        How often every digit is seen, at most.
    batch_size : int
        Digits a step; the last batch of an epoch has what remains.
    learning_rate : float
        The length of a step in units of the gradient.
    rng : numpy.random.Generator or int
        The source of the order of the digits, and of sources for dropout and augment; or a seed
        for one.
    optimizer : {"sgd", "adam"}
        How a gradient becomes a step: straight against it (`SGD`), or by `Adam`, which wants a
        learning rate of about 0.001.
    momentum : float
        How much of the step before goes on into the next, from 0 up to below 1, for "sgd"; 0.9 is
        usual, and makes steps up to ten times as long. (Nesterov's, see `SGD`.)
    schedule : callable
        The factor of the learning rate for a fraction of the training that is done, 0 to 1, all
        ``epochs`` counted: `constant`, `cosine`, or a function of your own.
    weight_decay : float
        λ: before each step the weights shrink by the fraction λ times the learning rate. For "sgd"
        without momentum that is L2 regularisation; with momentum or Adam it stays apart from their
        means of past gradients (SGDW, AdamW).
    dropout : float
        The probability of each hidden activation to be set to 0 in a step, see `forward_prop`.
    augment : callable, optional
        Called as ``augment(X, rng)`` on the digits of each step, it returns as many to train on in
        their place: `deform` for one. Of 1,024 digits or more it gets parts, in several
        threads.
    validation : (X, Y), optional
        Digits that are not trained on, to judge the network by after each epoch.
    patience : int, optional
        Epochs to wait for a new minimum of the validation loss. Default: train for all epochs and
        return the last network.
    progress : bool
        Whether to show how training goes.

    Returns
    -------
    network : Network
        The trained one.
    history : pandas.DataFrame
        A row for each ``epoch`` (the index, from 1): ``train_loss`` and ``train_accuracy``, means
        over the batches as they were met, deformed or thinned out, and so from before the epoch's
        last step;
        ``validation_loss`` and ``validation_accuracy`` after it, where there is validation;
        ``seconds`` since the start.

    Raises
    ------
    TrainingDiverged
        When a loss or a parameter stops being finite.
    TrainingInterrupted
        When interrupted from the keyboard.
    ValueError
        If X, Y and the network do not fit each other, a number is out of range (of schedule's too),
        augment returns no such digits, the optimizer is unknown, there is momentum for Adam, or
        patience but no validation to apply it to.
    """
    _check_numbers(learning_rate, epochs=epochs, batch_size=batch_size)
    check_number("momentum", momentum, 0, 1)
    check_number("dropout", dropout, 0, 1)
    check_number("weight_decay", weight_decay, 0)
    check_number("weight_decay times learning_rate", weight_decay * learning_rate, 0, 1)
    functions = {"schedule": schedule} | ({} if augment is None else {"augment": augment})
    for name, function in functions.items():
        if not callable(function):
            raise TypeError(
                f"{name} must be a function, not {function!r}; cosine and deform are some"
            )
    if optimizer not in get_args(Optimizer):
        raise ValueError(
            f'optimizer must be "sgd" or "adam", not {optimizer!r}; choose one of the two'
        )
    if optimizer == "adam" and momentum:
        raise ValueError(
            f"momentum is for plain gradient descent, not for Adam, which has its own; leave out "
            f'momentum={momentum!r}, or choose optimizer="sgd"'
        )
    if patience is not None:
        _check_numbers(learning_rate, patience=patience)
        if validation is None:
            raise ValueError(
                "patience needs validation digits to judge by; pass validation=(X, Y) too"
            )
    rng = np.random.default_rng(rng)
    X = _checked(X, Y, network)
    if validation is not None:
        if not isinstance(validation, tuple) or len(validation) != 2:
            raise TypeError(
                f"validation must be a pair of digits and labels, (X, Y), not "
                f"{type(validation).__name__}; split_validation makes one"
            )
        validation = _checked(*validation, network), validation[1]
    previous, network = network, _copy(network)  # which the optimiser then changes in place
    step = (
        SGD(network, momentum=momentum, weight_decay=weight_decay).step
        if optimizer == "sgd"
        else Adam(network, weight_decay=weight_decay).step
    )
    steps, done = epochs * math.ceil(len(Y) / batch_size), 0
    # Apart from rng, so that the digits come in the same order with noise and without.
    seed = rng.spawn(1)[0].integers(2**63, size=2).tolist()
    buffer = np.empty((min(batch_size, len(X)), X.shape[1]), X.dtype)
    best, best_loss, best_epoch = previous, np.inf, 0
    shown = Progress(epochs, "epoch", shown=progress, plot=plot_history)
    with (
        _Interrupts(
            lambda: (previous if patience is None else best, shown.history())
        ) as interrupts,
        shown,
        one_blas_thread(),
        np.errstate(over="ignore", invalid="ignore"),
    ):
        start = time.perf_counter()
        for epoch in range(1, epochs + 1):
            probabilities, labels = [], []
            for batch in batches(len(Y), batch_size, rng=rng):
                interrupts.stop_if_interrupted()
                labels.append(Y[batch])
                digits = partial(_gather, X, batch, buffer)
                of_batch, gradients = _gradients(
                    network, digits, labels[-1], dropout, augment, [*seed, done]
                )
                probabilities.append(of_batch)
                # At the middle of each step: never quite 0, where nothing would be learned.
                step(gradients, float(learning_rate) * _factor(schedule, (done + 0.5) / steps))
                done += 1
            loss, accuracy = _score(np.concatenate(probabilities), np.concatenate(labels))
            row: dict[str, float] = {
                "epoch": epoch,
                "train_loss": loss,
                "train_accuracy": accuracy,
            }
            if validation is not None:
                loss, accuracy = _score(make_probabilities(network, validation[0]), validation[1])
                row |= {"validation_loss": loss, "validation_accuracy": accuracy}
            if not _is_finite(network, row["train_loss"], loss):
                raise TrainingDiverged(f"epoch {epoch}", learning_rate, previous)
            previous = _copy(network)
            shown.show({**row, "seconds": time.perf_counter() - start})
            if patience is not None:
                if loss < best_loss:
                    best, best_loss, best_epoch = _copy(network), loss, epoch
                elif epoch - best_epoch >= patience:
                    break
        return (network if patience is None else best), shown.history()


def _check_numbers(learning_rate: float, **counts: int) -> None:
    if not isinstance(learning_rate, numbers.Real) or not 0 < learning_rate < np.inf:
        raise ValueError(
            f"learning_rate must be a number above 0, not {learning_rate!r}; choose another"
        )
    for name, count in counts.items():
        if not isinstance(count, numbers.Integral) or count < 1:
            raise ValueError(
                f"{name} must be a whole number above 0, not {count!r}; choose another"
            )


def _factor(schedule: Schedule, done: float) -> float:
    factor = schedule(done)
    check_number(f"the factor that schedule returns for {done:.3g}", factor, 0)
    return float(factor)


def _augmented(augment: Augment, X: Floats, rng: np.random.Generator) -> Floats:
    other_X = augment(X, rng)
    if not isinstance(other_X, np.ndarray) or other_X.shape != X.shape or other_X.dtype.kind != "f":
        came = (
            f"{other_X.dtype} of shape {other_X.shape}"
            if isinstance(other_X, np.ndarray)
            else type(other_X).__name__
        )
        raise ValueError(
            f"augment must return floats of the shape {X.shape} that it was given, not {came}; "
            "return an array of other pixels for the same digits"
        )
    return other_X.astype(X.dtype, copy=False)


def _checked(X: Floats, Y: Integers, network: Network) -> Floats:
    """Check what training would otherwise trip over late, and match X to the parameters' type."""
    check_digits(network, X, Y)
    # A float64 X would turn every step into float64, at half the speed.
    # Rows that do not lie one after the other would all be copied for every batch.
    return X.astype(network.w[0].dtype, order="C", copy=False)


def _gather(X: Floats, batch: Integers, buffer: Floats, rows: slice) -> Floats:
    """Copy some digits of a batch together."""
    # Always into the same memory, which the cache still holds; the default mode would copy twice.
    return np.take(X, batch[rows], axis=0, out=buffer[: len(batch)][rows], mode="clip")


def _gradients(
    network: Network,
    digits: Callable[[slice], Floats],
    Y: Integers,
    dropout: float = 0.0,
    augment: Augment | None = None,
    seed: Sequence[int] = (),
) -> tuple[Floats, Gradients]:
    """Compute the probabilities of every row, and the gradients of the mean loss over all."""

    def of_some(rows: slice) -> tuple[Floats, Gradients]:
        some_X, rng = digits(rows), None
        if dropout or augment is not None:
            # A source for each slice: threads would take from a common one in any order.
            rng = np.random.default_rng([*seed, rows.start])
        if augment is not None and rng is not None:
            some_X = _augmented(augment, some_X, rng)
        activations = forward_prop(network, some_X, dropout=dropout, rng=rng)
        return activations[-1], backward_prop(
            network, activations, Y[rows], dropout=dropout, batch_size=len(Y)
        )

    probabilities, gradients = zip(*over_rows(of_some, len(Y)), strict=True)
    return np.concatenate(probabilities), reduce(_add, gradients)


def _add(total: Gradients, part: Gradients) -> Gradients:
    for sums, terms in zip(total, part, strict=True):
        for a, b in zip(sums, terms, strict=True):
            a += b
    return total


def _copy(network: Network) -> Network:
    """Copy the parameters, into the order in memory that products are fastest in."""
    return Network(
        [w.copy(order="F") for w in network.w], [b.copy() for b in network.b], network.activation
    )


def _score(probabilities: Floats, Y: Integers) -> tuple[float, float]:
    return cross_entropy(probabilities, Y), float(np.mean(probabilities.argmax(axis=1) == Y))


def _is_finite(network: Network, *others: float) -> bool:
    return all(np.isfinite(array).all() for array in [*network.w, *network.b, np.array(others)])
