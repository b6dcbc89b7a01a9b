"""Evaluate a network: its predictions, its accuracy, what it confuses, and the loss around it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mnist_nn.checks import (
    Activation,
    Array,
    Floats,
    Integers,
    check_answers,
    check_array,
    check_count,
    check_digits,
    check_fit,
    check_labels,
    check_networks,
    check_numbers,
    check_probabilities,
    name_classes,
    requires,
)
from mnist_nn.compute import map_slices
from mnist_nn.network import Network, cross_entropy, forward_prop

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Calibration",
    "Evaluation",
    "LossPlane",
    "calibration",
    "confident_mistakes",
    "confusion_matrix",
    "get_accuracy",
    "loss_plane",
    "make_predictions",
    "precision_and_recall",
    "predict",
    "predict_proba",
    "principal_components",
]


class Calibration(NamedTuple):
    """How far a network's confidence can be trusted.

    Attributes
    ----------
    bins : pandas.DataFrame
        One row per interval of the predicted class's probability, empty intervals left out:
        ``confidence``, the mean of that probability; ``accuracy``, the fraction predicted
        correctly; ``count``, how many images there are.
    error : float
        The expected calibration error: the mean over the images of the distance between the
        confidence and the accuracy of their interval.
    """

    bins: "pd.DataFrame"
    error: float


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """How well a network reads labeled images.

    Attributes
    ----------
    accuracy : float
        The fraction predicted correctly, from 0 to 1.
    loss : float
        The mean cross-entropy, in nats.
    predictions : (N,) integer array
        The most probable class of each image.
    probabilities : (N, classes) array
        The probability of each class for each image.
    """

    accuracy: float
    loss: float
    predictions: Integers
    probabilities: Floats

    def __repr__(self) -> str:
        return f"Evaluation(accuracy={self.accuracy:.2%}, loss={self.loss:.4f})"


class LossPlane(NamedTuple):
    """The loss on a plane in the space of the parameters, and how a path of networks crosses it.

    All lengths are Euclidean distances between the parameters of networks.

    Attributes
    ----------
    x, y : (columns,) and (rows,) arrays
        The coordinates of a grid; the first network of the path is at (0, 0).
    loss : (rows, columns) array
        The mean cross-entropy at each point of the grid, in nats.
    path : (networks, 2) array
        The point of the plane that is nearest to each network of the path.
    distances : (networks,) array
        How far each network is from that point.
    """

    x: Floats
    y: Floats
    loss: Floats
    path: Floats
    distances: Floats


@requires(check_fit)
def make_predictions(network: Network, X: Floats) -> Integers:
    """Predict the most probable class of each row of ``X``: ``(N, n_in)`` to ``(N,)``.

    Raises
    ------
    TypeError, ValueError
        If the network is not a Network, or ``X`` does not fit it or is not finite.
    """
    predictions: Integers = predict_proba.unchecked(network, X).argmax(axis=1)
    return predictions


@requires(check_fit)
def predict_proba(network: Network, X: Floats) -> Floats:
    """Compute the probability of each class for each row: ``(N, n_in)`` to ``(N, classes)``.

    The last activations of `forward_prop`, without the memory that the others would take.

    Raises
    ------
    TypeError, ValueError
        If the network is not a Network, or ``X`` does not fit it or is not finite, or a score
        overflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # an exception says it better
        return probabilities_of(network, X, check_answers)


def probabilities_of(
    network: Network,
    X: Floats,
    check: Callable[[Network, Floats, Sequence[Array]], None] | None = None,
) -> Floats:
    """Compute what `predict_proba` returns; ``check`` sees the activations of each slice."""

    def answer(rows: slice) -> Floats:
        activations = forward_prop.unchecked(network, X[rows])
        if check is not None:
            check(network, X[rows], activations)
        return activations[-1]

    return np.concatenate(map_slices(answer, len(X)))


def get_accuracy(predictions: Integers, Y: Integers) -> float:
    """Return the fraction of predictions that equal their labels, from 0 to 1.

    Raises
    ------
    ValueError
        If there is not one label for each prediction.
    """
    check_array("predictions", predictions)
    check_array("Y", Y)
    if predictions.shape != Y.shape or predictions.ndim != 1 or len(Y) == 0:
        raise ValueError(
            "predictions and Y must be two arrays of one shape (N,), not "
            f"{predictions.shape} and {Y.shape}; make both from the same images"
        )
    for name, labels in (("predictions", predictions), ("Y", Y)):
        if labels.dtype.kind not in "iu":
            raise ValueError(
                f"{name} must hold whole numbers, not {labels.dtype}; convert them with astype(int)"
            )
    return float(np.mean(predictions == Y))


def predict(
    test_X: Floats,
    test_Y: Integers,
    w: list[Floats],
    b: list[Floats],
    activation: Activation = "sigmoid",
) -> Evaluation:
    """Evaluate a network, given as its weights and biases, on labeled images.

    With a `Network` this is ``predict(test_X, test_Y, *network)``.

    Parameters
    ----------
    test_X, test_Y : (N, n_in) and (N,) arrays
        Images, one per row, and their labels.
    w, b : lists of arrays
        The ``(n_in, n_out)`` weights and ``(n_out,)`` biases of each layer.
    activation : {"relu", "sigmoid"}
        The activation of the hidden layers that they were trained with.

    Raises
    ------
    ValueError
        If the images, the labels and the layers do not fit each other.
    """
    network = Network(w, b, activation)
    check_digits(network, test_X, test_Y, names=("test_X", "test_Y"))
    probabilities = predict_proba.unchecked(network, test_X)
    loss = cross_entropy.unchecked(probabilities, test_Y)
    predictions = probabilities.argmax(axis=1)
    return Evaluation(get_accuracy(predictions, test_Y), loss, predictions, probabilities)


def confusion_matrix(predictions: Integers, Y: Integers, classes: int = 10) -> Integers:
    """Count how often each class (row) is read as each class (column): ``(classes, classes)``.

    Raises
    ------
    ValueError
        If there is not one label in range for each prediction.
    """
    check_count("classes", classes)
    check_labels(predictions, None, classes, "predictions")
    check_labels(Y, len(predictions), classes)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (Y, predictions), 1)
    return confusion


def precision_and_recall(
    confusion: Integers, *, class_names: Sequence[str] | None = None
) -> "pd.DataFrame":
    """Score each class from a confusion matrix.

    Parameters
    ----------
    confusion : (classes, classes) array
        What `confusion_matrix` returned.
    class_names : sequence of str, optional
        The name of each class, from 0 on. Default: its number.

    Returns
    -------
    pandas.DataFrame
        One row per class (the index, ``digit`` if there are ten without names): ``precision``, the
        fraction of the images read as this class that show it; ``recall``, the fraction of the
        images of this class that were read as it; ``f1``, the harmonic mean of the two; ``count``,
        how many images show it. A score that would be 0 / 0 is NaN.

    Raises
    ------
    TypeError, ValueError
        If it is not a square array of numbers, none of them negative, or there is not one name for
        each class.
    """
    check_numbers("confusion", confusion, ("classes", "classes"), lowest=0)
    kind, names = name_classes(class_names, len(confusion))
    import pandas as pd

    right, read, count = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    with np.errstate(invalid="ignore"):
        table = {
            "precision": right / read,
            "recall": right / count,
            "f1": 2 * right / (read + count),
            "count": count,
        }
    numbers = pd.RangeIndex(len(confusion), name=kind)
    return pd.DataFrame(table, numbers if class_names is None else pd.Index(names, name=kind))


@requires(check_probabilities)
def confident_mistakes(probabilities: Floats, Y: Integers) -> Integers:
    """Find the misread images, the most confidently misread first: indices into ``Y``."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != Y)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


@requires(check_probabilities, lambda bins: check_count("bins", bins, 1, 10**6))
def calibration(probabilities: Floats, Y: Integers, bins: int = 10) -> Calibration:
    """Compare a network's confidence with its accuracy.

    (Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks", section 2.)

    Parameters
    ----------
    probabilities : (N, classes) array
        What `predict_proba` returned.
    Y : (N,) integer array
        The true labels.
    bins : int
        The number of equal intervals into which to divide the probabilities from 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If there is not one label in range for each row, or ``bins`` is not a whole number from 1 to
        1,000,000.
    """
    import pandas as pd

    answers = pd.DataFrame(
        {
            "confidence": probabilities.max(axis=1).astype(float),
            "accuracy": probabilities.argmax(axis=1) == Y,
        }
    )
    groups = answers.groupby((answers["confidence"] * bins).clip(upper=bins - 0.5) // 1)
    table = groups.mean().assign(count=groups.size()).reset_index(drop=True)
    distances = (table["confidence"] - table["accuracy"]).abs()
    return Calibration(table, float(np.average(distances, weights=table["count"])))


def principal_components(A: Floats, components: int = 2) -> Floats:
    """Project rows onto the directions in which they vary most: ``(N, n)`` to ``(N, components)``.

    The directions are the right singular vectors of the centered rows (Pearson 1901, "On lines and
    planes of closest fit"); the sign of each is such that its largest element is positive.

    Raises
    ------
    ValueError
        If there are fewer rows or columns than components.
    """
    check_count("components", components)
    check_numbers("A", A, ("N", "n"))
    if min(A.shape) < components:
        raise ValueError(
            f"A must have at least {components} rows and columns, not the shape {A.shape}; "
            "pass the activations of a layer, one image per row, or ask for fewer components"
        )
    A = A.astype(np.float32 if A.dtype == np.float32 else np.float64, copy=False)
    centered = A - A.mean(axis=0)
    directions = np.linalg.svd(centered, full_matrices=False)[2][:components]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    projected: Floats = centered @ (directions * np.sign(largest)).T
    return projected


def loss_plane(path: Sequence[Network], X: Floats, Y: Integers, *, points: int = 37) -> LossPlane:
    """Compute the loss on the plane through the first, the middle and the last network of a path.

    The x-axis points from the first network to the last; the y-axis is perpendicular to it, toward
    the middle one. (Li et al. 2018, "Visualizing the loss landscape of neural nets", section 7,
    project the path of training onto a plane; this plane goes through three networks, as in
    Garipov et al. 2018, "Loss surfaces, mode connectivity, and fast ensembling of DNNs", figure 1.)

    Parameters
    ----------
    path : sequence of networks
        Three or more snapshots of one training, in order: what `train` handed to ``watch``, or
        ``list(snapshots.values())`` if that was ``snapshots.__setitem__``.
    X, Y : (N, n_in) array and (N,) integer array
        The images and labels to compute the loss on, once for each point of the grid.
    points : int
        About how many points of the grid lie along its longer side. It extends beyond the path by a
        quarter of the path's length.

    Raises
    ------
    TypeError, ValueError
        If the path has fewer than three networks, they differ in their layers, or its three lie on
        a line; X and Y do not fit them; or ``points`` is not a whole number from 10 to 1,000.
    """
    check_networks("path", path, at_least=3)
    check_digits(path[0], X, Y)
    check_count("points", points, 10, 1000)
    theta = np.array([_flatten(network) for network in path])
    origin = theta[0]
    to_middle, to_last = theta[len(path) // 2] - origin, theta[-1] - origin
    u = to_last / (np.linalg.norm(to_last) or 1)
    across = to_middle - (to_middle @ u) * u
    height = np.linalg.norm(across)
    if height <= 1e-6 * np.linalg.norm(to_middle) or not u.any():
        raise ValueError(
            "path must have a first, a middle and a last network that span a plane, not three on a "
            "line; take snapshots from different epochs"
        )
    axes = np.array([u, across / height])
    projected = (theta - origin) @ axes.T
    distances = np.linalg.norm(theta - origin - projected @ axes, axis=1)

    lowest, highest = projected.min(axis=0), projected.max(axis=0)
    margin = (highest - lowest).max() / 4
    step = 6 * margin / (points - 1)
    x, y = (
        # Multiples of the step, so that the first network is on the grid.
        step * np.arange(round((low - margin) / step), round((high + margin) / step) + 1)
        for low, high in zip(lowest, highest, strict=True)
    )

    def loss_at(x: float, y: float) -> float:
        network = _unflatten(origin + np.array([x, y]) @ axes, path[0])
        return cross_entropy.unchecked(predict_proba.unchecked(network, X), Y)

    loss = np.array([[loss_at(column, row) for column in x] for row in y])
    return LossPlane(x, y, loss, projected, distances)


def _flatten(network: Network) -> Floats:
    """Line up all the parameters of a network in one vector."""
    return np.concatenate([p.ravel() for p in [*network.w, *network.b]], dtype=np.float64)


def _unflatten(parameters: Floats, like: Network) -> Network:
    """Make a network of a vector of parameters, with the layers of another: undo `_flatten`."""
    arrays = [*like.w, *like.b]
    parts = np.split(parameters, np.cumsum([p.size for p in arrays])[:-1])
    shaped = [part.reshape(p.shape).astype(p.dtype) for part, p in zip(parts, arrays, strict=True)]
    layers = len(like.w)
    return Network(shaped[:layers], shaped[layers:], like.activation)
