"""Judge a network: its predictions, how many are right, and which digits it confuses."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mnist_nn.network import (
    Activation,
    Floats,
    Integers,
    Network,
    check_array,
    check_digits,
    check_labels,
    check_pixels,
    cross_entropy,
    forward_prop,
)
from mnist_nn.parallel import over_rows

if TYPE_CHECKING:
    import pandas as pd


class Calibration(NamedTuple):
    """How far a network's confidence can be taken at its word.

    Attributes
    ----------
    bins : pandas.DataFrame
        The digits sorted by the probability of the answer into equal intervals, those without
        digits left away: ``confidence``, the mean of that probability; ``accuracy``, the fraction
        that is right; ``digits``, how many there are.
    error : float
        The expected calibration error: the mean over the digits of the distance between the
        confidence and the accuracy of their interval.
    """

    bins: "pd.DataFrame"
    error: float


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """What a network makes of labelled digits.

    Attributes
    ----------
    accuracy : float
        The fraction that it reads rightly.
    loss : float
        Mean cross-entropy, in nats.
    predictions : (N,) integer array
        The digit that it reads in each image.
    probabilities : (N, 10) array
        How likely it holds each digit to be.
    """

    accuracy: float
    loss: float
    predictions: Integers
    probabilities: Floats

    def __repr__(self) -> str:
        return f"Evaluation(accuracy={self.accuracy:.2%}, loss={self.loss:.4f})"


def make_predictions(network: Network, X: Floats) -> Integers:
    """Read the digit in each row of ``X``: ``(N, 784)`` to ``(N,)``, the most probable one."""
    predictions: Integers = make_probabilities(network, X).argmax(axis=1)
    return predictions


def make_probabilities(network: Network, X: Floats) -> Floats:
    """Compute how likely each digit is in each row of ``X``: ``(N, 784)`` to ``(N, 10)``.

    The last activations of ``forward_prop``, without the memory that the others would take.
    """
    check_pixels(X, len(network.w[0]))
    return np.concatenate(over_rows(lambda rows: forward_prop(network, X[rows])[-1], len(X)))


def get_accuracy(predictions: Integers, Y: Integers) -> float:
    """Return the fraction of predictions that equal their label, from 0 to 1.

    Raises
    ------
    ValueError
        If there is not one label for each prediction.
    """
    check_array(predictions)
    check_array(Y)
    if predictions.shape != Y.shape or predictions.ndim != 1 or len(Y) == 0:
        raise ValueError(
            "predictions and Y must be two arrays of one shape (N,), not "
            f"{predictions.shape} and {Y.shape}; make both from the same digits"
        )
    return float(np.mean(predictions == Y))


def predict(
    test_X: Floats,
    test_Y: Integers,
    w: list[Floats],
    b: list[Floats],
    activation: Activation = "sigmoid",
) -> Evaluation:
    """Run a network, given as its weights and biases, over labelled digits.

    With a `Network` this is ``predict(test_X, test_Y, *network)``.

    Parameters
    ----------
    test_X, test_Y : (N, n_in) and (N,) arrays
        Digits, one a row, and their labels.
    w, b : lists of arrays
        The ``(n_in, n_out)`` weights and ``(n_out,)`` biases of each layer.
    activation : {"relu", "sigmoid"}
        The activation of the hidden layers that they were trained with.

    Raises
    ------
    ValueError
        If the digits, the labels and the layers do not fit each other.
    """
    network = Network(w, b, activation)
    check_digits(network, test_X, test_Y)
    probabilities = make_probabilities(network, test_X)
    loss = cross_entropy(probabilities, test_Y)
    predictions = probabilities.argmax(axis=1)
    return Evaluation(get_accuracy(predictions, test_Y), loss, predictions, probabilities)


def confusion_matrix(predictions: Integers, Y: Integers, classes: int = 10) -> Integers:
    """Count how often each digit (row) is read as each digit (column): ``(classes, classes)``.

    Raises
    ------
    ValueError
        If there is not one label in range for each prediction.
    """
    check_labels(predictions, len(predictions), classes)
    check_labels(Y, len(predictions), classes)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (Y, predictions), 1)
    return confusion


def precision_and_recall(confusion: Integers) -> "pd.DataFrame":
    """Score each digit by a confusion matrix.

    Returns
    -------
    pandas.DataFrame
        A row for each ``digit`` (the index): ``precision``, of what was read as this digit the
        fraction that is one; ``recall``, of what is this digit the fraction that was read as one;
        ``f1``, the harmonic mean of the two; ``count``, how many there are. A digit that never
        occurs, or is never read, has NaN where that leaves 0 / 0.
    """
    import pandas as pd

    right, read, count = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    with np.errstate(invalid="ignore"):
        table = {
            "precision": right / read,
            "recall": right / count,
            "f1": 2 * right / (read + count),
            "count": count,
        }
    return pd.DataFrame(table, index=pd.RangeIndex(len(confusion), name="digit"))


def confident_mistakes(probabilities: Floats, Y: Integers) -> Integers:
    """Find the digits read wrongly, the most confident first: indices into ``Y``."""
    check_labels(Y, *probabilities.shape)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != Y)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def calibration(probabilities: Floats, Y: Integers, bins: int = 10) -> Calibration:
    """Compare how sure a network is with how often it is right.

    (Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks", section 2.)

    Parameters
    ----------
    probabilities : (N, classes) array
        A network's answers.
    Y : (N,) integer array
        The true labels.
    bins : int
        Into how many intervals to divide the probabilities from 0 to 1.

    Raises
    ------
    ValueError
        If there is not one label in range for each row, or no bin.
    """
    import pandas as pd

    check_labels(Y, *probabilities.shape)
    if bins < 1:
        raise ValueError(f"bins must be a whole number above 0, not {bins!r}; 10 is usual")
    answers = pd.DataFrame(
        {
            "confidence": probabilities.max(axis=1).astype(float),
            "accuracy": probabilities.argmax(axis=1) == Y,
        }
    )
    groups = answers.groupby((answers["confidence"] * bins).clip(upper=bins - 0.5) // 1)
    table = groups.mean().assign(digits=groups.size()).reset_index(drop=True)
    distances = (table["confidence"] - table["accuracy"]).abs()
    return Calibration(table, float(np.average(distances, weights=table["digits"])))


def principal_components(A: Floats, components: int = 2) -> Floats:
    """Project rows onto the directions in which they vary most: ``(N, n)`` to ``(N, components)``.

    The directions are the right singular vectors of the centred rows (Pearson 1901, "On lines and
    planes of closest fit"); the sign of each is such that its largest element is positive.

    Raises
    ------
    ValueError
        If there are fewer rows or columns than components.
    """
    if A.ndim != 2 or min(A.shape) < components:
        raise ValueError(
            f"expected at least {components} rows and columns, not an array of shape {A.shape}; "
            "pass the activations of a layer, one digit a row"
        )
    centered = A - A.mean(axis=0)
    directions = np.linalg.svd(centered, full_matrices=False)[2][:components]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    projected: Floats = centered @ (directions * np.sign(largest)).T
    return projected
