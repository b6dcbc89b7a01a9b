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


# 05a · Learning faster


# 05b · Overfitting less
