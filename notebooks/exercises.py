"""Checks for the exercises at the end of the notebooks.

Each check tries an answer on small numbers and says that it is right, or what is wrong with it. The
answers are in ``solutions``.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_nn import backward_prop, forward_prop, init_params, sigmoid, softmax, update


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
        mark = {True: "✓", False: "✗", None: "…"}[self.right]
        return f"{mark} {self.message}"


RIGHT = Verdict(True, "Right.")
NOT_YET = Verdict(None, "Not yet done: put your answer in the place of the dots.")


def judge(answer: Any, right: Any, mistakes: dict[str, Any], *arguments: Any) -> Verdict:
    """Compare an answer with the right one, and with what common mistakes would give.

    Each of them is a function, or the numbers that such a function would give.

    Parameters
    ----------
    answer : callable or array
        The reader's.
    right : callable or array
        What it should be.
    mistakes : dict
        For each common mistake what to tell the reader, and what it gives; or a list, if several
        mistakes deserve the same words.
    *arguments
        What the functions are called with. Each call gets a copy.
    """
    came = _call(answer, arguments)
    if isinstance(came, Verdict):
        return came
    try:
        came = np.asarray(came, dtype=np.float64)
    except (TypeError, ValueError):
        return Verdict(False, f"It should give numbers, and gives {came!r}.")
    expected = np.asarray(_value(right, arguments), dtype=np.float64)
    if _same(came, expected):
        return RIGHT
    for message, mistake in mistakes.items():
        for one in mistake if isinstance(mistake, list) else [mistake]:
            if _same(came, np.asarray(_value(one, arguments))):
                return Verdict(False, message)
    with np.errstate(all="ignore"):
        return Verdict(False, _difference(came, expected))


def judge_parts(
    answer: Any, parts: dict[str, tuple[Any, dict[str, Any]]], *arguments: Any
) -> Verdict:
    """Judge a function that returns several things, one after the other.

    Parameters
    ----------
    answer : callable
        The reader's.
    parts : dict
        For each thing, by its name and in order, ``(right, mistakes)`` as in `judge`.
    *arguments
        What the functions are called with. Each call gets a copy.
    """
    came = _call(answer, arguments)
    if isinstance(came, Verdict):
        return came
    if not isinstance(came, tuple | list) or len(came) != len(parts):
        return Verdict(False, f"It should return {', '.join(parts)}, in this order.")
    for part, (name, (right, mistakes)) in zip(came, parts.items(), strict=True):
        verdict = judge(part, right, mistakes, *arguments)
        if verdict is NOT_YET:
            return verdict
        if not verdict.right:
            return Verdict(False, f"{name}: {verdict.message}")
    return RIGHT


def _call(answer: Any, arguments: tuple[Any, ...]) -> Any:
    """Return what an answer gives, or a verdict if it gives nothing."""
    try:
        came = _value(answer, arguments)
    except Exception as error:  # whatever the reader's code may raise
        return Verdict(False, f"It stops with {type(error).__name__}: {error}")
    return NOT_YET if came is ... or came is None else came


def _value(maker: Any, arguments: tuple[Any, ...]) -> Any:
    with np.errstate(all="ignore"):  # what overflows is said in words
        return maker(*deepcopy(arguments)) if callable(maker) else maker


def _difference(came: NDArray[Any], expected: NDArray[Any]) -> str:
    """Say how an answer differs that makes none of the mistakes foreseen."""
    if came.shape != expected.shape:
        if came.ndim == 2 and _same(came.T, expected):
            return "It is transposed, and all else is right."
        return f"The shape should be {expected.shape}, and yours is {came.shape}."
    if _same(-came, expected):
        return "The sign is wrong, and all else is right."
    far = np.abs(came - expected)
    factor = (came * expected).sum() / (expected**2).sum()
    if factor and _same(came / factor, expected):
        return f"It is {factor:.4g} times what it should be."
    worst = np.where(np.isnan(far), np.inf, far).argmax()
    return (
        f"Not right: for example, it should give {expected.flat[worst]:.4g}, not "
        f"{came.flat[worst]:.4g}."
    )


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-8, equal_nan=True)


# 02 · A two-layer network


def check_parameters(answer: Any) -> Verdict:
    """Check the number of parameters of the network 784 → 30 → 10."""
    return judge(
        answer,
        784 * 30 + 30 + 30 * 10 + 10,
        {
            "Those are the weights; each of the 40 neurons has a bias too.": 23_820,
            "That is the first layer alone; the outputs have weights and biases too.": 23_550,
            "That is the network above, with 10 hidden neurons; now take 30.": 7_960,
            "The pixels are given, not learned: they have no biases.": 24_644,
        },
    )


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
            "That is ReLU's slope; the sigmoid's lies between 0 and 1/4.": lambda A: A > 0,
            "A factor A is missing.": lambda A: 1 - A,
        },
        A,
    )


def check_softmax(answer: Callable[[Any], Any]) -> Verdict:
    """Check a function that turns rows of scores into probabilities, however large they are."""

    def ratio(Z: Any, largest: Any, axis: int | None = 1) -> Any:
        exponentials = np.exp(Z - largest)
        return exponentials / exponentials.sum(axis=axis, keepdims=True)

    # The scores of the rows are of very different sizes; e¹⁰⁰⁰ is too large for a float.
    Z = np.array([[2.0, 1.0, 0.0], [1000.0, 1001.0, 998.0], [-2000.0, -2001.0, -1999.5]])
    return judge(
        answer,
        softmax,
        {
            "Large scores overflow: subtract the largest score of each row before np.exp.": lambda Z: (
                ratio(Z, 0)
            ),
            "You subtract the largest of all the scores; each row needs its own, or all its "
            "exponentials may be 0.": lambda Z: ratio(Z, Z.max()),
            "You subtract the largest of each column; the scores of one digit are a row.": lambda Z: (
                ratio(Z, Z.max(axis=0))
            ),
            "The columns sum to 1 instead of the rows: sum over axis=1.": lambda Z: ratio(
                Z, Z.max(axis=1, keepdims=True), axis=0
            ),
            "All probabilities together sum to 1; each row should.": lambda Z: ratio(
                Z, Z.max(axis=1, keepdims=True), axis=None
            ),
            "The rows do not sum to 1 yet: divide by the sum.": lambda Z: np.exp(
                Z - Z.max(axis=1, keepdims=True)
            ),
        },
        Z,
    )


def check_layer_backward(answer: Callable[..., Any]) -> Verdict:
    """Check the way back through one layer: (A, w, dZ) to the mean dw and db, and the dZ before.

    A are the activations that entered the layer, from ReLU.
    """
    rng = np.random.default_rng(0)
    A = np.maximum(rng.normal(size=(4, 3)), 0)
    w, dZ = rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
    N, dZ_before = len(dZ), dZ @ w.T
    a_sum = "That is the sum over the digits: divide it by their number, len(dZ)."
    return judge_parts(
        answer,
        {
            "dw": (
                A.T @ dZ / N,
                {a_sum: A.T @ dZ, "That is transposed: dw has the shape of w.": dZ.T @ A / N},
            ),
            "db": (
                dZ.mean(axis=0),
                {
                    a_sum: dZ.sum(axis=0),
                    "That is one number for the whole layer; each neuron has its own bias: axis=0.": [
                        dZ.sum(),
                        dZ.sum() / N,
                        dZ.mean(),
                    ],
                    "Take the mean over the digits, axis=0, not over the neurons.": [
                        dZ.sum(axis=1),
                        dZ.sum(axis=1) / N,
                        dZ.mean(axis=1),
                    ],
                },
            ),
            "dZ_before": (
                dZ_before * (A > 0),
                {
                    "Where A is 0, ReLU let nothing through and lets nothing back: A > 0, not "
                    "A >= 0.": dZ_before * (A >= 0),
                    "The slope of ReLU is 1 where A > 0, not A.": dZ_before * A,
                    "That is divided by N already; only dw and db are means.": (
                        dZ_before * (A > 0) / N
                    ),
                },
            ),
        },
        A,
        w,
        dZ,
    )


def check_step(answer: Callable[..., Any]) -> Verdict:
    """Check one step of gradient descent without a hidden layer: (w, b, X, Y, rate) to w and b."""
    rng = np.random.default_rng(1)
    X, Y = rng.random((6, 4)), np.array([0, 2, 1, 2, 2, 0])
    w, b, rate = rng.normal(size=(4, 3)), rng.normal(size=3), 0.5
    dZ = softmax(X @ w + b) - np.eye(3)[Y]
    parts = {}
    for name, before, gradient in (("w", w, X.T @ dZ), ("b", b, dZ.sum(axis=0))):
        parts[name] = (
            before - rate * gradient / len(Y),
            {
                "That is a step uphill: the gradient is to be subtracted.": (
                    before + rate * gradient / len(Y)
                ),
                "The gradient is a sum over the digits: divide it by their number, len(Y).": (
                    before - rate * gradient
                ),
                "That is the gradient; subtract rate times it from what you were given.": (
                    gradient / len(Y)
                ),
                f"{name} has not changed. (The sum of dZ over digits and neurons is 0; a bias has "
                "that of its own neuron, axis=0.)": before,
            },
        )
    return judge_parts(answer, parts, w, b, X, Y, rate)


# 03 · Number recognition


def check_width(answer: Any) -> Verdict:
    """Check the largest n of 784 → n → 10 with no more parameters than 784 → 64 → 32 → 10."""
    return judge(
        answer,
        66,
        {
            "With 64 or 96, as many neurons as there are in one hidden layer or in both, the number "
            "of parameters is another: count them.": [64, 96],
            "A wider layer would still fit.": [*range(66)],
            "It has more parameters than that: each hidden neuron has 784 weights and a bias, and "
            "a weight to each of the ten outputs, which have biases too.": [*range(67, 2000)],
        },
    )


def check_cut(answer: Callable[..., Any]) -> Verdict:
    """Check a function of an order and a size that cuts the order into batches of this size."""

    def table(cut: Callable[..., Any]) -> Callable[..., Any]:
        def padded(order: Any, batch_size: int) -> Any:
            batches = cut(order, batch_size)
            if batches is ... or batches is None:
                return batches
            longest = max(map(len, batches), default=0)
            return [[*batch, *[np.nan] * (longest - len(batch))] for batch in batches]

        return padded

    def every(order: Any, batch_size: int) -> Any:
        return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]

    order = np.array([7, 2, 9, 0, 4, 6, 1, 8, 3, 5])
    verdict = judge(
        table(answer),
        table(every),
        {
            "The last, smaller batch is missing: of 10 digits in batches of 4, the last two are "
            "never learned from.": table(lambda order, size: every(order[:8], size)),
            "The batches should be of the size asked for, as far as they go; yours are even.": [
                table(lambda order, _: np.array_split(order, 3))
            ],
            "That is as many batches as a batch should have digits.": table(np.array_split),
            "Those are places in the order: take the digits that stand there.": table(
                lambda order, size: every(np.arange(len(order)), size)
            ),
            "The last batch should be the two digits that are left, not four that overlap.": table(
                lambda order, size: [*every(order[:8], size), order[-size:]]
            ),
        },
        order,
        4,
    )
    if not verdict.right:
        return verdict
    return judge(
        table(answer),
        table(every),
        {
            "Where the batches come out even, as 8 digits in batches of 4, there is an empty one "
            "at the end, whose mean is 0 / 0.": table(lambda order, size: [*every(order, size), []])
        },
        order[:8],
        4,
    )


def check_accuracy(answer: Callable[..., Any]) -> Verdict:
    """Check a function of probabilities and labels that gives the fraction read correctly."""
    P = np.array(
        [[0.6, 0.2, 0.1, 0.1], [0.1, 0.5, 0.3, 0.1], [0.7, 0.1, 0.1, 0.1], [0, 0, 0.1, 0.9]]
    )
    return judge(
        answer,
        lambda P, Y: np.mean(P.argmax(axis=1) == Y),
        {
            "Those are the mistakes: count where the two are equal.": lambda P, Y: np.mean(
                P.argmax(axis=1) != Y
            ),
            "That is the number of digits; divide by how many there are.": lambda P, Y: sum(
                P.argmax(axis=1) == Y
            ),
            "That is a percentage: give the fraction, from 0 to 1.": lambda P, Y: (
                100 * np.mean(P.argmax(axis=1) == Y)
            ),
            "For each class, you take the digit that it suits best; for each digit, take the most "
            "probable class: axis=1.": lambda P, Y: np.mean(P.argmax(axis=0) == Y),
            "That is the mean probability of the true labels; the accuracy only asks which one is "
            "the largest.": lambda P, Y: P[range(len(Y)), Y].mean(),
            "That is the mean confidence: compare with the labels.": (
                lambda P, _: P.max(axis=1).mean()
            ),
            "There is one truth value for each digit: take their mean.": lambda P, Y: (
                P.argmax(axis=1) == Y
            ),
            "Those are the predictions: compare them with the labels.": (
                lambda P, _: P.argmax(axis=1)
            ),
        },
        P,
        np.array([0, 1, 2, 3]),
    )


def check_early_stopping(answer: Callable[..., Any]) -> Verdict:
    """Check a function of losses and a patience that gives the best and the last epoch."""
    losses = [0.9, 0.5, 0.6, 0.55, 0.4, 0.45, 0.43, 0.41, 0.42, 0.3, 0.2]
    verdict = judge_parts(
        answer,
        {
            "best": (
                5,
                {
                    "Epochs are counted from 1, and indices from 0.": 4,
                    "That is the lowest loss of all, but training never gets there: by epoch 8 "
                    "there has been no new minimum for 3 epochs.": 11,
                    "It gave up at the first rise: be patient for 3 epochs.": [1, 2],
                    "That is where training ends. The best epoch comes first, then the last.": 8,
                },
            ),
            "last": (
                8,
                {
                    "Epochs are counted from 1, or one epoch too few was waited.": 7,
                    "One epoch too many: after 5, the third without a new minimum is 8.": 9,
                    "That is where the minimum is; the last epoch is 3 later.": 5,
                    "It goes on to the end. Count the epochs since the minimum: a fall that "
                    "reaches no new minimum does not set the count back.": [10, 11],
                },
            ),
        },
        losses,
        3,
    )
    if not verdict.right:
        return verdict
    falling: dict[str, Any] = {"Of 0.5, 0.4, 0.3 the third is the lowest.": 2}
    beyond: dict[str, Any] = {"There are only 3 losses: they may end before the patience does.": 5}
    verdict = judge_parts(answer, {"best": (3, falling), "last": (3, beyond)}, [0.5, 0.4, 0.3], 2)
    if not verdict.right:
        return verdict
    equal: dict[str, Any] = {"An equal loss is no new minimum: it should be < and not <=.": [4, 5]}
    return judge_parts(answer, {"best": (1, equal), "last": (3, equal)}, [0.5] * 5, 2)


def check_one_epoch(answer: Callable[..., Any]) -> Verdict:
    """Check a function that trains for one epoch of mini-batches, in a given order."""

    def parameters(train: Callable[..., Any]) -> Callable[..., Any]:
        def vector(*arguments: Any) -> Any:
            network = train(*arguments)
            if not hasattr(network, "w"):
                return network
            return np.concatenate([p.ravel() for p in [*network.w, *network.b]])

        return vector

    def one_epoch(
        network: Any,
        X: Any,
        Y: Any,
        order: Any,
        size: int,
        rate: float,
        *,
        from_start: bool = False,
    ) -> Any:
        start = network
        for i in range(0, len(order), size):
            batch = order[i : i + size]
            at = start if from_start else network
            gradients = backward_prop(at, forward_prop(at, X[batch]), Y[batch])
            network = update(network, gradients, rate)
        return network

    def changed(change: Callable[..., Any]) -> Callable[..., Any]:
        return parameters(lambda *arguments: one_epoch(*change(*arguments)))

    rng = np.random.default_rng(0)
    X, Y, order = rng.random((10, 4)).astype(np.float32), np.arange(10) % 3, rng.permutation(10)
    return judge(
        parameters(answer),
        parameters(one_epoch),
        {
            "The network has not changed: update returns a new one, network = update(…).": (
                parameters(lambda network, *_: network)
            ),
            "The images are shuffled, and the labels are not: take Y[batch] too.": changed(
                lambda n, X, Y, order, *more: (n, X, Y[np.argsort(order)], order, *more)
            ),
            "All gradients are those of the network at the start: after each step, the next one "
            "starts from the new network.": parameters(
                lambda *arguments: one_epoch(*arguments, from_start=True)
            ),
            "The last, smaller batch is missing.": changed(
                lambda n, X, Y, order, *more: (n, X, Y, order[:8], *more)
            ),
            "Only one step was made: a return inside the loop ends it.": changed(
                lambda n, X, Y, order, *more: (n, X, Y, order[:4], *more)
            ),
            "That is one step along the gradient over all images; make one for each batch.": (
                changed(lambda n, X, Y, order, _, rate: (n, X, Y, order, 10, rate))
            ),
            "The digits come as they are stored: follow the order.": changed(
                lambda n, X, Y, _, *more: (n, X, Y, np.arange(10), *more)
            ),
        },
        init_params([4, 3, 3], "sigmoid", rng=0),
        X,
        Y,
        order,
        4,
        0.5,
    )


# 04 · Evaluation


# 05a · Learning faster


# 05b · Overfitting less
