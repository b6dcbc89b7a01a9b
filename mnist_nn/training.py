"""Train a network: full-batch gradient descent, and mini-batches with early stopping."""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mnist_nn import checks
from mnist_nn.checkpoint import Checkpoint
from mnist_nn.checks import Array, Floats, Integers, Rng
from mnist_nn.compute import Interrupts, by_columns, map_slices, one_blas_thread
from mnist_nn.data import batches
from mnist_nn.evaluation import probabilities_of
from mnist_nn.network import Gradients, Network, backward_prop, cross_entropy, forward_prop
from mnist_nn.optimizers import SGD, Adam, Optimizer, update
from mnist_nn.plots import plot_history
from mnist_nn.progress import Progress
from mnist_nn.storage import check_scores, parameter_arrays

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "TrainingDiverged",
    "TrainingInterrupted",
    "gradient_descent",
    "train",
]

Augment: TypeAlias = Callable[[Floats, np.random.Generator], Floats]
"""Takes images and a random generator, and returns new images with the same labels."""

Watch: TypeAlias = Callable[[int, Network], object]
"""Takes the number of epochs or iterations done, and a copy of the network at that moment."""

# The arguments are checked once, before the first step.
forward, backward = forward_prop.unchecked, backward_prop.unchecked


def gradient_descent(
    network: Network,
    X: Floats,
    Y: Integers,
    *,
    iterations: int = 500,
    learning_rate: float = 0.10,
    report_every: int = 10,
    watch: Watch | None = None,
    checkpoint: Path | str | None = None,
    progress: bool = True,
) -> tuple[Network, "pd.DataFrame"]:
    """Train on all the images at once: every iteration is one step along the exact gradient.

    Parameters
    ----------
    network : Network
        Where to start; it is not changed.
    X : (N, n_in) array
        Images, one per row; converted to the type of the network's parameters, float32.
    Y : (N,) integer array
        Their labels.
    iterations : int
        The number of steps.
    learning_rate : float
        The factor of the gradient in each step.
    report_every : int
        Iterations from one row of the history to the next.
    watch : callable, optional
        A function that is given the number of steps done and a copy of the network: at the start,
        and after each step. A run that goes on from a checkpoint hands out what is still to come,
        from the state there on; a finished one, only its last state.
    checkpoint : path, optional
        A file to go on from; see `train`.
    progress : bool
        Whether to show how training goes.

    Returns
    -------
    network : Network
        The trained network.
    history : pandas.DataFrame
        ``train_loss``, ``train_accuracy`` and ``seconds`` after ``iteration`` steps (the index),
        from 0 to ``iterations``.

    Warns
    -----
    RuntimeWarning
        If the loss ends where equal guesses have it, or above; or if the checkpoint cannot be
        written, which does not end the training.

    Raises
    ------
    TrainingDiverged
        When the loss or a parameter is no longer finite.
    TrainingInterrupted
        When interrupted from the keyboard.
    CheckpointError, OSError
        If the file is not a checkpoint of this run, or cannot be written; see `train`.
    TypeError, ValueError
        If X, Y and the network do not fit each other, or a number is out of range.
    """
    checks.check_count("iterations", iterations)
    checks.check_count("report_every", report_every)
    checks.check_learning_rate(learning_rate)
    checks.check_flag("progress", progress)
    _check_watch(watch)
    if checkpoint is not None:
        checks.check_path("checkpoint", checkpoint)
    checks.check_digits(network, X, Y)
    X = _as_parameters(X, network)
    run = TrainingState("iteration", iterations, _copy(network))
    record = Checkpoint(
        checkpoint,
        run,
        function=gradient_descent.__name__,
        network=network._asdict(),
        X=X,
        Y=Y,
        iterations=iterations,
        learning_rate=learning_rate,
        report_every=report_every,
    )
    record.resume()

    def propagate(rows: slice) -> tuple[Floats, Gradients]:
        activations = forward(run.network, X[rows])
        gradients = backward(run.network, activations, Y[rows])
        return activations[-1], gradients

    with _running(run, progress) as (report, stop_if_interrupted):
        while not run.finished:
            stop_if_interrupted()
            P, gradients = _mean_over_slices(propagate, len(Y))
            # If a probability is not finite, neither is the gradient of the output biases.
            run.check_finite(run.steps, learning_rate, gradients.db[-1])
            if run.steps % report_every == 0 or run.steps == iterations:
                loss, accuracy = _score(P, Y)
                report(run.steps, train_loss=loss, train_accuracy=accuracy)
            if watch is not None:
                watch(run.steps, _copy(run.network))
            if run.steps == iterations:
                run.finished = True
            else:
                run.last_finite = run.network
                run.network = run.best = update.unchecked(run.network, gradients, learning_rate)
                run.steps += 1
            record.save()
        run.warn_if_nothing_was_learned()
        return run.best, run.history()


def train(
    network: Network,
    X: Floats,
    Y: Integers,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float | None = None,
    optimizer: Optimizer | None = None,
    rng: Rng,
    dropout: float = 0.0,
    augment: Augment | None = None,
    validation: tuple[Floats, Integers] | None = None,
    patience: int | None = None,
    watch: Watch | None = None,
    checkpoint: Path | str | None = None,
    progress: bool = True,
) -> tuple[Network, "pd.DataFrame"]:
    """Train in mini-batches: every step follows the gradient over a few random images.

    Parameters
    ----------
    network : Network
        Where to start; it is not changed.
    X : (N, n_in) array
        Images, one per row; converted to the type of the network's parameters, float32.
    Y : (N,) integer array
        Their labels.
    epochs : int
        The maximum number of passes over the images, each in a new random order.
    batch_size : int
        Images per step; the last batch of an epoch may be smaller.
    learning_rate : float
        Short for ``optimizer=SGD(learning_rate)``: the factor of the gradient in each step.
    optimizer : SGD or Adam
        How a gradient becomes a step, such as ``SGD(0.1, momentum=0.9, schedule=cosine)`` or
        ``Adam(0.001)``. Its settings are read, and nothing is kept in it.
    rng : numpy.random.Generator or int
        The source of randomness, or a seed for one; the same seed gives the same network.
    dropout : float
        The fraction of hidden activations that each step sets to 0; see `forward_prop`.
    augment : callable, optional
        A function such as `deform`: takes images and a random generator, and returns the images to
        train on in their place. A large batch comes in several parts, and threads may call it at
        the same time.
    validation : (X, Y), optional
        Held-out images to measure the loss and accuracy on after each epoch.
    patience : int, optional
        Early stopping: stop when the validation loss has reached no new minimum for this many
        epochs, and return the network from the epoch of the minimum. Default: train for all
        epochs, and return the last network.
    watch : callable, optional
        A function that is given the number of epochs done and a copy of the network: at the start,
        and after each epoch. To keep the network of every epoch in a dict, pass
        ``watch=snapshots.__setitem__``. A run that goes on from a checkpoint hands out what is
        still to come, from the state there on; a finished one, only its last state.
    checkpoint : path, optional
        The file in which to keep the state of the run: after an epoch, but so seldom that writing
        takes 2% of the time, and at the end. Called again with the same arguments, after a crash or
        an interrupt, training goes on from the last state written, and in the same environment it
        ends in the same bits; if it had ended, its result is returned. Pass rng as a seed: a
        generator that has been used is another argument. Missing folders are made.
    progress : bool
        Whether to show how training goes.

    Returns
    -------
    network : Network
        The trained network.
    history : pandas.DataFrame
        One row per ``epoch`` (the index, from 1): ``train_loss`` and ``train_accuracy``, averaged
        over the batches as training saw them, augmented and with dropout, each before its step;
        ``validation_loss`` and ``validation_accuracy`` at the end of the epoch, if there is
        validation; ``seconds`` since the start.

    Warns
    -----
    RuntimeWarning
        If the loss ends where equal guesses have it, or above; or if the checkpoint cannot be
        written, which does not end the training.

    Raises
    ------
    TrainingDiverged
        When a loss or a parameter is no longer finite.
    TrainingInterrupted
        When interrupted from the keyboard.
    CheckpointError
        If the file is not a checkpoint of this run; it stays as it is.
    OSError
        If the checkpoint cannot be written before the first step.
    TypeError, ValueError
        If X, Y and the network do not fit each other, a number is out of range, neither or both of
        learning_rate and optimizer are given, augment returns something else, or there is patience
        without validation.
    """
    optimizer = _resolve_optimizer(optimizer, learning_rate)
    checks.check_flag("progress", progress)
    _check_watch(watch)
    if checkpoint is not None:
        checks.check_path("checkpoint", checkpoint)
    _check_training(network, X, Y, epochs, batch_size, rng, dropout, augment, validation, patience)
    X = _as_parameters(X, network)
    if validation is not None:
        validation = _as_parameters(validation[0], network), validation[1]
    generator = np.random.default_rng(rng)
    run = TrainingState("epoch", epochs, _copy(network), optimizer, generator)
    record = Checkpoint(
        checkpoint,
        run,
        function=train.__name__,
        network=network._asdict(),
        X=X,
        Y=Y,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        rng=rng,
        dropout=dropout,
        augment=augment,
        validation=validation,
        patience=patience,
    )
    record.resume()
    run.steps = run.epoch * math.ceil(len(Y) / batch_size)

    def after_epoch() -> None:
        record.save()
        if watch is not None:
            watch(run.epoch, _copy(run.network))

    if watch is not None:
        watch(run.epoch, _copy(run.network))
    result = run_epochs(
        run,
        X,
        Y,
        batch_size=batch_size,
        dropout=dropout,
        augment=augment,
        validation=validation,
        patience=patience,
        progress=progress,
        after_epoch=after_epoch,
    )
    run.warn_if_nothing_was_learned()
    return result


def run_epochs(
    run: "TrainingState",
    X: Floats,
    Y: Integers,
    *,
    batch_size: int,
    dropout: float = 0.0,
    augment: Augment | None = None,
    validation: tuple[Floats, Integers] | None = None,
    patience: int | None = None,
    progress: bool = False,
    after_epoch: Callable[[], None],
) -> tuple[Network, "pd.DataFrame"]:
    """Move a run on, epoch by epoch, to its end: the loop of `train`, whose arguments these are.

    They have been checked, and X has the type of the parameters. At the end of each epoch it calls
    ``after_epoch``, which may set ``run.finished``. Returns the network and the history.
    """
    total_steps = run.total * math.ceil(len(Y) / batch_size)
    is_noisy = dropout > 0 or augment is not None
    buffer = np.empty((min(batch_size, len(X)), X.shape[1]), X.dtype)
    optimizer, generator = run.optimizer, run.rng
    assert optimizer is not None
    assert generator is not None

    def propagate(batch: Integers, rows: slice) -> tuple[Floats, Gradients]:
        noise = run.noise(rows) if is_noisy else None
        images = _augmented(augment, _gather(X, batch, buffer, rows), noise)
        activations = forward(run.network, images, dropout=dropout, rng=noise)
        gradients = backward(run.network, activations, Y[batch[rows]], dropout=dropout)
        return activations[-1], gradients

    with _running(run, progress) as (report, stop_if_interrupted):
        while not run.finished:
            answers = []
            for batch in batches(len(Y), batch_size, rng=generator):
                stop_if_interrupted()
                P, gradients = _mean_over_slices(partial(propagate, batch), len(batch))
                optimizer.step(run.network, gradients, run.moments, run.steps, total_steps)
                run.steps += 1
                answers.append((P, batch))
            probabilities, order = map(np.concatenate, zip(*answers, strict=True))
            loss, accuracy = _score(probabilities, Y[order])
            figures = {"train_loss": loss, "train_accuracy": accuracy}
            if validation is not None:
                loss, accuracy = _score(probabilities_of(run.network, validation[0]), validation[1])
                figures |= {"validation_loss": loss, "validation_accuracy": accuracy}
            run.epoch += 1
            # The losses of training are those before each step: some images tell after the last.
            P = forward(run.network, X[:16])[-1]
            run.check_finite(run.epoch, optimizer.learning_rate, np.append(P, [*figures.values()]))
            report(run.epoch, **figures)
            run.keep(None if patience is None else figures["validation_loss"])
            run.finished = run.epoch == run.total or (
                patience is not None and run.epoch - run.best_epoch >= patience
            )
            after_epoch()
        return run.best, run.history()


@dataclass
class TrainingState:
    """The state of a training run: at the end of an epoch, all that it needs to go on.

    Attributes
    ----------
    unit : str
        What a row of the history stands for: an epoch, or an iteration.
    total : int
        How many of them there are at most.
    network : Network
        The network being trained; `train` changes it in place.
    optimizer : SGD or Adam
        How `train` makes steps.
    rng : numpy.random.Generator
        The source of the order of the images in `train`.
    seed : list of int
        The seed for dropout and augmentation.
    moments : list of Gradients
        What the optimizer remembers from step to step.
    epoch, steps : int
        The numbers of epochs completed and of steps taken.
    rows : list of dict
        The rows of the history.
    last_finite : Network
        The last network whose loss and parameters were all finite.
    best : Network
        What training would return if it ended now.
    best_loss, best_epoch : float, int
        With early stopping, the lowest validation loss so far, and its epoch.
    finished : bool
        Whether training has ended.
    started : float
        When it started, in seconds on the clock of `time.perf_counter`; if it was taken up again,
        as long ago as it has run.
    """

    unit: str
    total: int
    network: Network
    optimizer: Optimizer | None = None
    rng: np.random.Generator | None = None
    seed: list[int] = field(default_factory=list)
    moments: list[Gradients] = field(default_factory=list)
    epoch: int = 0
    steps: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    last_finite: Network = field(init=False)
    best: Network = field(init=False)
    best_loss: float = math.inf
    best_epoch: int = 0
    finished: bool = False
    started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.last_finite = self.best = _copy(self.network)
        if self.optimizer is not None:
            self.moments = self.optimizer.moments(self.network)
        if self.rng is not None:
            # Apart from rng, so that the images come in the same order with noise and without.
            self.seed = self.rng.spawn(1)[0].integers(2**63, size=2).tolist()

    def noise(self, rows: slice) -> np.random.Generator:
        """Make the source of randomness for some rows of this step.

        Each slice has its own: threads would draw from a shared one in an unpredictable order.
        """
        return np.random.default_rng([*self.seed, self.steps, rows.start])

    def history(self) -> "pd.DataFrame":
        """Make a table of the rows, indexed by epoch or iteration."""
        import pandas as pd

        return pd.DataFrame(self.rows or {self.unit: []}).set_index(self.unit)

    def check_finite(self, done: int, learning_rate: float, figures: Floats) -> None:
        """Raise TrainingDiverged unless the network and the figures are finite."""
        numbers = [*self.network.w, *self.network.b, figures]
        if not all(np.isfinite(array).all() for array in numbers):
            raise TrainingDiverged(f"{self.unit} {done}", learning_rate, self.last_finite)

    def keep(self, validation_loss: float | None) -> None:
        """Keep a copy of the network at the end of an epoch.

        It is the best one if its validation loss is the lowest, or, without early stopping, because
        it is the last.
        """
        self.last_finite = _copy(self.network)
        if validation_loss is None:
            self.best = self.last_finite
        elif validation_loss < self.best_loss:
            self.best, self.best_loss = self.last_finite, validation_loss
            self.best_epoch = self.epoch

    def warn_if_nothing_was_learned(self) -> None:
        """Warn if the result is no better than equal guesses, whose loss is log(classes)."""
        row = self.rows[-1] if self.rows else {}
        loss = min(self.best_loss, row.get("validation_loss", row.get("train_loss", 0)))
        guessing = math.log(len(self.best.b[-1]))
        if loss >= guessing > 0:
            warnings.warn(
                f"training ended with a loss of {loss:.3g}, and equal guesses have {guessing:.3g}: "
                "nothing was learned; try a tenth of the learning rate or more steps, and look "
                "whether the pixels range from 0 to 1 and the labels belong to them",
                RuntimeWarning,
                stacklevel=3,
            )

    def arrays(self) -> dict[str, Floats]:
        """Name all of the arrays: views, so that they can be filled as well."""
        arrays = parameter_arrays(self.network) | parameter_arrays(self.best, "best_")
        for i, moment in enumerate(self.moments):
            arrays |= parameter_arrays(moment, f"moment{i}_")
        return arrays

    def facts(self) -> dict[str, Any]:
        """Gather the rest of the state but the rows, in what JSON can hold."""
        return {
            "done": self.epoch if self.unit == "epoch" else self.steps,
            "best_loss": self.best_loss if self.best_epoch else None,
            "best_epoch": self.best_epoch,
            "finished": self.finished,
            "rng": None if self.rng is None else self.rng.bit_generator.state,
            "seconds": time.perf_counter() - self.started,
        }

    def restore(
        self, facts: Any, arrays: Mapping[str, Array], rows: list[dict[str, float]]
    ) -> None:
        """Take up the state that `facts`, `arrays` and the rows have written down.

        Raises
        ------
        KeyError, OverflowError, TypeError, ValueError
            If they are not the state of such a run.
        """
        own = self.arrays()
        if {name: (a.shape, a.dtype) for name, a in own.items()} != {
            name: (a.shape, a.dtype) for name, a in arrays.items()
        } or not all(np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("its arrays are not those of this run")
        done, best_epoch = facts["done"], facts["best_epoch"]
        best_loss = facts["best_loss"] if best_epoch else math.inf
        moments = [row[self.unit] for row in rows]
        if (
            not all(type(n) is int for n in (done, best_epoch))
            or not all(type(n) is float for n in (facts["seconds"], best_loss))
            or not 0 <= best_epoch <= done <= self.total
            or (moments != [*range(1, done + 1)] if self.unit == "epoch" else moments[-1:] > [done])
            or any({"seconds", "train_loss", "train_accuracy"} - row.keys() for row in rows[:1])
            or type(facts["finished"]) is not bool
            or facts["finished"] > bool(rows)
        ):
            raise ValueError("its figures are not those of this run")
        if self.rng is not None:
            self.rng.bit_generator.state = facts["rng"]
        for name, array in own.items():
            array[...] = arrays[name]
        for network in (self.network, self.best):
            check_scores(network)
        if self.unit == "epoch":
            self.epoch = done
        else:
            self.steps = done
        self.best_loss, self.best_epoch, self.finished = best_loss, best_epoch, facts["finished"]
        self.rows = [row | {self.unit: int(row[self.unit])} for row in rows]
        self.last_finite = _copy(self.network)
        self.started = time.perf_counter() - facts["seconds"]


class TrainingDiverged(ArithmeticError):
    """The loss or a parameter became infinite or NaN.

    Too high a learning rate may also leave a loss that stays finite but does not fall.

    Attributes
    ----------
    network : Network
        The last network whose loss and parameters were all finite.
    """

    def __init__(self, moment: str, learning_rate: float, network: Network) -> None:
        super().__init__(
            f"training diverged in {moment} at learning rate {learning_rate:g}: the loss should "
            "fall and is no longer finite; try a tenth of that rate, and pixels from 0 to 1 (the "
            "last finite network is the .network of this exception)"
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


class _Interrupts(Interrupts):
    """A context that hands over the result so far when training is interrupted."""

    def __init__(self, result: "Callable[[], tuple[Network, pd.DataFrame]]") -> None:
        super().__init__()
        self._result = result

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leaving = True
        try:
            # Made in any case: once the handler is back, another signal would end the making.
            stopped = TrainingInterrupted(*self._result())
            stopped.__cause__ = None if isinstance(error, KeyboardInterrupt) else error
        finally:
            came = self.leave()
        if came or isinstance(error, KeyboardInterrupt):
            raise stopped


@contextmanager
def _running(
    run: TrainingState, progress: bool
) -> Iterator[tuple[Callable[..., None], Callable[[], None]]]:
    """Show the run, keep BLAS to one thread, and hand the result over if interrupted.

    Yields two functions: one adds a row to the history, the other stops an interrupted run.
    """
    shown = Progress(
        run.total, run.unit, run.rows, shown=progress, plot=lambda: plot_history(run.history())
    )
    interrupts = _Interrupts(lambda: (run.best, run.history()))
    with interrupts, shown, one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):

        def report(done: int, **figures: float) -> None:
            seconds = time.perf_counter() - run.started
            run.rows.append({run.unit: done, **figures, "seconds": seconds})
            shown.show(run.rows[-1])

        yield report, interrupts.raise_if_one_came


def _mean_over_slices(
    propagate: Callable[[slice], tuple[Floats, Gradients]], rows: int
) -> tuple[Floats, Gradients]:
    """Propagate a batch in slices, on all cores; return its probabilities and mean gradients."""

    def weighted(part: slice) -> tuple[Floats, Gradients]:
        P, gradients = propagate(part)
        if len(P) < rows:
            for gradient in (*gradients.dw, *gradients.db):
                gradient *= len(P) / rows
        return P, gradients

    parts = map_slices(weighted, rows)
    P, mean = parts[0]
    for _, gradients in parts[1:]:
        for total, gradient in zip(
            [*mean.dw, *mean.db], [*gradients.dw, *gradients.db], strict=True
        ):
            total += gradient
    return np.concatenate([P for P, _ in parts]) if len(parts) > 1 else P, mean


def _gather(X: Floats, batch: Integers, buffer: Floats, rows: slice) -> Floats:
    """Copy some images of a batch together."""
    # Always into the same memory, which the cache still holds; the default mode would copy twice.
    return X.take(batch[rows], axis=0, out=buffer[: len(batch)][rows], mode="clip")


def _augmented(augment: Augment | None, X: Floats, rng: np.random.Generator | None) -> Floats:
    if augment is None or rng is None:
        return X
    other_X = augment(X, rng)
    if not isinstance(other_X, np.ndarray) or other_X.shape != X.shape or other_X.dtype.kind != "f":
        came = (
            f"{other_X.dtype} of shape {other_X.shape}"
            if isinstance(other_X, np.ndarray)
            else type(other_X).__name__
        )
        raise ValueError(
            f"augment must return floats of the shape {X.shape} that it was given, not {came}; "
            "return an array of other pixels for the same images"
        )
    return other_X.astype(X.dtype, copy=False)


def _score(probabilities: Floats, Y: Integers) -> tuple[float, float]:
    accuracy = np.mean(probabilities.argmax(axis=1) == Y)
    return cross_entropy.unchecked(probabilities, Y), float(accuracy)


def _copy(network: Network) -> Network:
    """Copy the parameters, in the memory order that products are fastest in."""
    w, b, activation = network
    return Network([by_columns(p.copy()) for p in w], [p.copy() for p in b], activation)


def _as_parameters(X: Floats, network: Network) -> Floats:
    """Convert X to the type of the parameters, in the memory order in which rows are gathered."""
    # A float64 X would turn every step into float64, at half the speed.
    # Rows that do not lie one after the other would all be copied for every batch.
    return X.astype(network.w[0].dtype, order="C", copy=False)


def _resolve_optimizer(optimizer: Optimizer | None, learning_rate: float | None) -> Optimizer:
    if (optimizer is None) == (learning_rate is None):
        given = "neither" if optimizer is None else "both"
        raise ValueError(
            f"expected either a learning_rate or an optimizer, not {given}; pass learning_rate=0.3 "
            "or optimizer=SGD(0.3, momentum=0.9)"
        )
    if learning_rate is not None:
        return SGD(learning_rate)
    if not isinstance(optimizer, SGD | Adam):
        raise TypeError(
            f"optimizer must be an SGD or an Adam, not {optimizer!r}; pass one with its learning "
            "rate, such as optimizer=Adam(0.001)"
        )
    return optimizer


def _check_watch(watch: Watch | None) -> None:
    if watch is not None:
        checks.check_function("watch", watch, "print")


def _check_training(
    network: Network,
    X: Floats,
    Y: Integers,
    epochs: int,
    batch_size: int,
    rng: Rng,
    dropout: float,
    augment: Augment | None,
    validation: tuple[Floats, Integers] | None,
    patience: int | None,
) -> None:
    checks.check_rng(rng)
    checks.check_count("epochs", epochs)
    checks.check_count("batch_size", batch_size)
    checks.check_number("dropout", dropout, at_least=0, below=1)
    if augment is not None:
        checks.check_function("augment", augment, "deform")
    checks.check_digits(network, X, Y)
    if validation is not None:
        if not isinstance(validation, tuple) or len(validation) != 2:
            raise TypeError(
                f"validation must be a pair of images and labels, (X, Y), not "
                f"{type(validation).__name__}; split_validation makes one"
            )
        checks.check_digits(network, *validation, names=("validation X", "validation Y"))
    if patience is not None:
        checks.check_count("patience", patience)
        if validation is None:
            raise ValueError(
                "patience needs validation images to judge by; pass validation=(X, Y) too"
            )
