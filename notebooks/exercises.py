"""Checks for the exercises at the end of the notebooks.

Each check tries an answer on small numbers and says that it is right, or what is wrong with it. The
answers are in ``solutions``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mnist_nn import sigmoid


@dataclass(frozen=True)
class Verdict:
    """What a check says of an answer; a notebook shows the message.

    Attributes
    ----------
    right : bool or None
        None as long as there is no answer.
    message : str
        One sentence.
    """

    right: bool | None
    message: str

    def __repr__(self) -> str:
        return self.message


NOT_YET = Verdict(None, "Not yet done: put your answer in the place of the dots.")


def judge(
    answer: Callable[..., Any] | Any,
    right: Callable[..., ArrayLike],
    mistakes: dict[str, Callable[..., ArrayLike]],
    *arguments: Any,
) -> Verdict:
    """Compare an answer with the right one, and with what common mistakes would give.

    Parameters
    ----------
    answer : callable
        The reader's function.
    right : callable
        The function that it should be.
    mistakes : dict
        For each common mistake what to tell the reader, and the function that makes it.
    *arguments
        What all of them are called with.
    """
    try:
        came = answer(*arguments)
    except Exception as error:  # whatever the reader's code may raise
        return Verdict(False, f"It stops with {type(error).__name__}: {error}")
    if came is ... or came is None:
        return NOT_YET
    expected = np.asarray(right(*arguments))
    try:
        came = np.asarray(came, dtype=np.float64)
    except (TypeError, ValueError):
        return Verdict(False, f"It should give numbers, and gives {came!r}.")
    if _same(came, expected):
        return Verdict(True, "Right.")
    for message, mistake in mistakes.items():
        if _same(came, np.asarray(mistake(*arguments))):
            return Verdict(False, message)
    if came.shape != expected.shape:
        return Verdict(False, f"The shape should be {expected.shape}, and yours is {came.shape}.")
    if _same(-came, expected):
        return Verdict(False, "The sign is wrong, and all else is right.")
    return Verdict(
        False,
        f"Not right: for example, it should give {expected.flat[0]:.4g}, not {came.flat[0]:.4g}.",
    )


def _same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-8, equal_nan=True)


# 02 · A two-layer network


def check_sigmoid_slope(answer: Callable[[Any], Any]) -> Verdict:
    """Check a function of activations A = sigmoid(Z) that gives the sigmoid's slope at Z."""
    A = sigmoid(np.array([[-2.0, 0.5], [1.0, 3.0]]))
    return judge(
        answer,
        lambda A: A * (1 - A),
        {
            "That is the slope at Z = A: the function is given the activations, not Z.": lambda A: (
                sigmoid(A) * (1 - sigmoid(A))
            ),
        },
        A,
    )


# 03 · Number recognition


# 04 · Evaluation


def check_recall(answer: Callable[[Any], Any]) -> Verdict:
    """Check a function from a confusion matrix to the recall of each class."""
    confusion = np.array([[8, 1, 1], [2, 5, 0], [0, 3, 4]])
    right = np.diag(confusion)
    return judge(
        answer,
        lambda confusion: right / confusion.sum(axis=1),
        {
            "That is still the precision: divide by how many digits of a kind there are, not by how "
            "many were read as it.": lambda confusion: right / confusion.sum(axis=0),
            "That is one number, the accuracy; each digit has its own recall.": lambda confusion: (
                right.sum() / confusion.sum()
            ),
            "You divide by all the digits; divide by those of the same kind.": lambda confusion: (
                right / confusion.sum()
            ),
        },
        confusion,
    )


def check_count_confusions(answer: Callable[..., Any]) -> Verdict:
    """Check a function from predictions and labels, of ten classes, to a confusion matrix."""
    predictions, Y = np.array([3, 3, 3, 9, 4, 0, 8, 3]), np.array([5, 5, 3, 4, 9, 0, 8, 5])

    def count(rows: Any, columns: Any) -> Any:
        confusion = np.zeros((10, 10))
        np.add.at(confusion, (rows, columns), 1)
        return confusion

    return judge(
        answer,
        lambda predictions, Y: count(Y, predictions),
        {
            "Rows and columns are swapped: a row is a true digit.": count,
            "A pair that occurs several times is counted once: of equal indices, += sees only "
            "one.": lambda predictions, Y: np.minimum(count(Y, predictions), 1),
        },
        predictions,
        Y,
    )


def check_accuracy_when_refusing(answer: Callable[..., Any]) -> Verdict:
    """Check the accuracy on what is left if the share ``refused``, the least sure, is refused."""
    confidence = np.array([0.5, 0.99, 0.95, 0.9, 0.7, 0.97, 0.85, 0.8, 0.4, 0.6])
    right = np.array([True, True, False, True, True, True, True, False, False, False])

    def accuracy(order: Any, refused: float) -> Any:
        return right[order][: int((1 - refused) * len(right))].mean()

    return judge(
        answer,
        lambda confidence, _, refused: accuracy(np.argsort(-confidence), refused),
        {
            "You refuse the surest, and keep the others: np.argsort starts with the lowest.": (
                lambda confidence, _, refused: accuracy(np.argsort(confidence), refused)
            ),
            "You keep the share that is to be refused.": (
                lambda confidence, _, refused: accuracy(np.argsort(-confidence), 1 - refused)
            ),
            "You divide by the number of all digits; divide by the number that it keeps.": (
                lambda confidence, _, refused: (
                    accuracy(np.argsort(-confidence), refused)
                    * (int((1 - refused) * len(right)) / len(right))
                )
            ),
            "You refuse the first or the last ones; refuse those with the lowest confidence.": (
                lambda confidence, _, refused: accuracy(np.arange(len(confidence)), refused)
            ),
        },
        confidence,
        right,
        0.3,
    )


def check_fool(answer: Callable[..., Any]) -> Verdict:
    """Check the fast gradient sign method: (X, gradients, epsilon) to images from 0 to 1."""
    X = np.array([[0.0, 0.5, 1.0, 0.95], [0.05, 0.3, 0.0, 1.0]])
    gradients = np.array([[-0.2, 0.01, 3.0, 0.4], [-1.0, -0.5, 0.7, 0.0]])
    return judge(
        answer,
        lambda X, gradients, epsilon: np.clip(X + epsilon * np.sign(gradients), 0, 1),
        {
            "That lowers the loss, and helps the network: go along the gradient, not against it.": (
                lambda X, gradients, epsilon: np.clip(X - epsilon * np.sign(gradients), 0, 1)
            ),
            "Some pixels leave the range from 0 to 1: np.clip.": (
                lambda X, gradients, epsilon: X + epsilon * np.sign(gradients)
            ),
            "Every pixel moves by epsilon, however large its gradient: np.sign.": (
                lambda X, gradients, epsilon: np.clip(X + epsilon * gradients, 0, 1)
            ),
            "That is the change; add it to the image.": (
                lambda _, gradients, epsilon: epsilon * np.sign(gradients)
            ),
        },
        X,
        gradients,
        0.1,
    )


def check_calibration_error(answer: Callable[..., Any]) -> Verdict:
    """Check the expected calibration error of ten intervals: (confidence, right) to a number."""
    confidence = np.array([0.42, 0.48, 0.71, 0.74, 0.78, 0.93, 0.95, 0.97, 0.99, 1.0])
    right = np.array([True, True, False, False, True, True, True, False, True, False])
    intervals = [slice(0, 2), slice(2, 5), slice(5, 10)]

    def gaps(confidence: Any, right: Any) -> Any:
        return np.array([confidence[i].mean() - right[i].mean() for i in intervals])

    counts = np.array([2, 3, 5])
    return judge(
        answer,
        lambda confidence, right: np.average(np.abs(gaps(confidence, right)), weights=counts),
        {
            "Each interval counts the same; weight it by how many digits it stands for.": (
                lambda confidence, right: np.abs(gaps(confidence, right)).mean()
            ),
            "Too much confidence in one interval makes up for too little in another: take the "
            "distance of each.": lambda confidence, right: (confidence - right).mean(),
            "Take the distance of the means of an interval, not the mean of the distances.": (
                lambda confidence, right: np.abs(confidence - right).mean()
            ),
            "A confidence of 1 belongs to the last interval, and is missing.": (
                lambda confidence, right: (
                    np.abs(
                        [
                            confidence[i].sum() - right[i].sum()
                            for i in [*intervals[:2], slice(5, 9)]
                        ]
                    ).sum()
                    / len(right)
                )
            ),
        },
        confidence,
        right,
    )


# 05a · Learning faster


# 05b · Overfitting less
