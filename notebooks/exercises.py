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
    if came.ndim == expected.ndim == 0 and not callable(answer):
        # An example would be the answer.
        return Verdict(False, f"It should be {'larger' if came < expected else 'smaller'}.")
    with np.errstate(all="ignore"):
        return Verdict(False, _difference(came, expected))


def judge_each(
    answer: Any, right: Any, mistakes: dict[str, Any], *calls: tuple[Any, ...]
) -> Verdict:
    """Judge several calls of a function, each with its arguments, as far as they are right."""
    verdicts = (judge(answer, right, mistakes, *arguments) for arguments in calls)
    return next((verdict for verdict in verdicts if not verdict.right), RIGHT)


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
    if came is None:
        return Verdict(False, "It returns nothing (None): is a return missing?")
    return NOT_YET if _has_dots(came) else came


def _has_dots(came: Any) -> bool:
    return came is ... or (isinstance(came, tuple | list) and any(part is ... for part in came))


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
    # One number is always some multiple of another; a whole one may still tell what is missing.
    telling = expected.size > 1 or any(_same(np.rint(f), f) for f in (factor, 1 / factor))
    if telling and factor and _same(came / factor, expected):
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

    def ratio(Z: Any, largest: Any, axis: int | None = 1, keepdims: bool = True) -> Any:
        exponentials = np.exp(Z - largest)
        return exponentials / exponentials.sum(axis=axis, keepdims=keepdims)

    # The scores of the rows are of very different sizes; e¹⁰⁰⁰ is too large for a float. As many rows
    # as columns: a sum without keepdims=True does not stop with an error, and its mistake has a name.
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
            "Without keepdims=True, the numbers of the rows go with the columns.": [
                lambda Z: ratio(Z, Z.max(axis=1)),
                lambda Z: ratio(Z, Z.max(axis=1, keepdims=True), keepdims=False),
                lambda Z: ratio(Z, Z.max(axis=1), keepdims=False),
            ],
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
    hint = (
        " (The sum of dZ over digits and neurons is 0; a bias has that of its own neuron, axis=0.)"
    )
    for name, before, gradient, why in (("w", w, X.T @ dZ, ""), ("b", b, dZ.sum(axis=0), hint)):
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
                f"{name} has not changed.{why}": before,
            },
        )
    return judge_parts(answer, parts, w, b, X, Y, rate)


# 03 · Number recognition


def check_width(answer: Any) -> Verdict:
    """Check the largest n of 784 → n → 10 with no more parameters than 784 → 64 → 32 → 10."""
    if isinstance(answer, float) and not answer.is_integer():
        return Verdict(False, "The number of neurons is whole: round down.")
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
            batches = _value(cut, (order, batch_size))
            if batches is None or _has_dots(batches):
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
            network = _value(train, arguments)
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


def check_uniform_limit(answer: Callable[[int], Any]) -> Verdict:
    """Check a function of n_in that gives the limit of uniform weights with He's variance."""
    return judge_each(
        answer,
        lambda n: np.sqrt(6 / n),
        {
            "That is the standard deviation. Uniform weights reach further: the variance is a²/3.": (
                lambda n: np.sqrt(2 / n)
            ),
            "That is the variance of the weights, not their limit.": lambda n: 2 / n,
            "That is the limit squared: take the root.": lambda n: 6 / n,
            "That limit gives the variance 1/n_in, and He's rule wants 2/n_in.": (
                lambda n: np.sqrt(3 / n)
            ),
            "The variance is a²/3, if the weights go from -a to a: half the width is a.": (
                lambda n: np.sqrt(24 / n)
            ),
            "That is the limit for 784 inputs: it depends on n_in.": lambda _: np.sqrt(6 / 784),
        },
        (784,),
        (100,),
    )


def check_momentum_step(answer: Callable[..., Any]) -> Verdict:
    """Check a function of p, v, g, the rate and mu that makes a step with Nesterov's momentum."""

    def step(p: Any, v: Any, g: Any, rate: float, mu: float) -> tuple[Any, Any]:
        v = mu * v + g
        return p - rate * (g + mu * v), v

    return judge(
        answer,
        step,
        {
            "The step uses the old v: that is classical momentum. Nesterov's uses the new one.": (
                lambda p, v, g, rate, mu: (p - rate * (mu * v + g), mu * v + g)
            ),
            "The step is right, but v comes back as it was: the next step needs the new one.": (
                lambda p, v, *more: (step(p, v, *more)[0], v)
            ),
            "The step is right: return the new v as well, p first.": lambda *all: step(*all)[0],
            "Both are right, in the wrong order: return p, v.": lambda *all: step(*all)[::-1],
            "It goes uphill: p should lose the step.": lambda p, *more: (
                2 * p - step(p, *more)[0],
                step(p, *more)[1],
            ),
            "The learning rate belongs to the step; v collects the gradients as they are.": (
                lambda p, v, g, rate, mu: (
                    p - (rate * g + mu * (mu * v + rate * g)),
                    mu * v + rate * g,
                )
            ),
            "With 1 - mu, v is a mean of the gradients, as in Adam: here g is added whole.": (
                lambda p, v, g, rate, mu: (
                    p - rate * (g + mu * (mu * v + (1 - mu) * g)),
                    mu * v + (1 - mu) * g,
                )
            ),
        },
        np.array([1.0, -2.0, 0.5]),
        np.array([0.3, -0.1, 0.2]),
        np.array([0.2, 0.4, -0.6]),
        0.1,
        0.9,
    )


def check_adam_step(answer: Callable[..., Any]) -> Verdict:
    """Check a function of p, m, v, g, t and the rate that makes a step of Adam."""

    def adam(
        correct_m: Callable[[Any, int], Any] = lambda m, t: m / (1 - 0.9**t),
        correct_v: Callable[[Any, int], Any] = lambda v, t: v / (1 - 0.999**t),
        divide: Callable[[Any, Any], Any] = lambda m, v: m / (np.sqrt(v) + 1e-8),
        square: Callable[[Any], Any] = np.square,
        fractions: tuple[float, float] = (0.1, 0.001),
        returned: Callable[..., Any] = lambda p, m, v, *_: (p, m, v),
    ) -> Callable[..., Any]:
        def step(p: Any, m: Any, v: Any, g: Any, t: int, rate: float) -> Any:
            m = 0.9 * m + fractions[0] * g
            v = 0.999 * v + fractions[1] * square(g)
            m_hat, v_hat = correct_m(m, t), correct_v(v, t)
            return returned(p - rate * divide(m_hat, v_hat), m, v, m_hat, v_hat)

        return step

    def as_it_is(moment: Any, _: int) -> Any:
        return moment

    return judge(
        answer,
        adam(),
        {
            "The bias correction is missing: divide m by 1 - 0.9ᵗ, and v by 1 - 0.999ᵗ.": (
                adam(as_it_is, as_it_is)
            ),
            "m is corrected, and v is not: divide it by 1 - 0.999ᵗ.": adam(correct_v=as_it_is),
            "v is corrected, and m is not: divide it by 1 - 0.9ᵗ.": adam(correct_m=as_it_is),
            "In the correction t is one too large: the first step has t = 1 already.": adam(
                lambda m, t: m / (1 - 0.9 ** (t + 1)), lambda v, t: v / (1 - 0.999 ** (t + 1))
            ),
            "In the correction t is a factor; it should be a power, 1 - 0.9ᵗ.": adam(
                lambda m, t: m / ((1 - 0.9) * t), lambda v, t: v / ((1 - 0.999) * t)
            ),
            "The step is right, but m and v come back corrected, and would be corrected again.": (
                adam(returned=lambda p, _m, _v, m_hat, v_hat: (p, m_hat, v_hat))
            ),
            "The step is right: return m and v as well.": adam(returned=lambda p, *_: p),
            "v should collect the squares of the gradient, g².": adam(square=lambda g: g),
            "The new gradients count too much: g goes in times 0.1, and g² times 0.001.": adam(
                fractions=(1, 1)
            ),
            "The root of v is missing.": adam(divide=lambda m, v: m / (v + 1e-8)),
            "The 1e-8 is added to the root of v, not under it.": adam(
                divide=lambda m, v: m / np.sqrt(v + 1e-8)
            ),
        },
        np.array([1.0, -2.0, 0.5]),
        np.array([0.02, -0.04, 1e-5]),
        np.array([0.0002, 0.0004, 1e-12]),
        np.array([0.2, -0.1, 1e-5]),
        3,
        0.01,
    )


def check_schedule(answer: Callable[[float], Any]) -> Verdict:
    """Check a function of the fraction done that gives the factor of a cosine with a warm-up."""

    def half_cosine(fraction: float) -> float:
        return float(0.5 + 0.5 * np.cos(np.pi * fraction))

    def schedule(done: float) -> float:
        return done / 0.05 if done < 0.05 else half_cosine((done - 0.05) / 0.95)

    mistakes: dict[str, Callable[..., Any]] = {
        "The warm-up reaches 0.05, not 1: divide by its length.": (
            lambda done: done if done < 0.05 else schedule(done)
        ),
        "The cosine starts at the beginning, not after the warm-up, so the factor jumps.": (
            lambda done: schedule(done) if done < 0.05 else half_cosine(done)
        ),
        "The warm-up is missing: the factor rises from 0 to 1 over the first twentieth.": (
            half_cosine
        ),
        "The cosine comes too late to its end: what is left after the warm-up is 0.95.": (
            lambda done: schedule(done) if done < 0.05 else half_cosine(done - 0.05)
        ),
        "A cosine goes from 1 to -1: halve it and add 1/2, or training would go uphill.": (
            lambda done: np.cos(np.pi * (done - 0.05) / 0.95)
        ),
        "That is a quarter of a period: half a period, up to π, is flat at both ends.": (
            lambda done: np.cos(np.pi / 2 * (done - 0.05) / 0.95)
        ),
        "That is a whole period, which ends where it began: half of one ends at 0.": (
            lambda done: half_cosine(2 * (done - 0.05) / 0.95)
        ),
    }
    return judge_each(answer, schedule, mistakes, (0.02,), (0.05,), (0.3,), (0.8,), (1.0,))


# 05b · Overfitting less


def check_decayed_step(answer: Callable[..., Any]) -> Verdict:
    """Check a function of w, g, the rate and the decay: a step with decoupled weight decay."""
    return judge(
        answer,
        lambda w, g, rate, decay: (1 - rate * decay) * w - rate * g,
        {
            "That is the step without decay.": lambda w, g, rate, _: w - rate * g,
            "The weights should shrink by rate · decay of themselves, and shrink by decay.": (
                lambda w, g, rate, decay: (1 - decay) * w - rate * g
            ),
            "The weights grow: the decay has the wrong sign.": (
                lambda w, g, rate, decay: (1 + rate * decay) * w - rate * g
            ),
            "The step shrinks as well: let the weights decay first.": (
                lambda w, g, rate, decay: (1 - rate * decay) * (w - rate * g)
            ),
            "Every weight loses the same: it should lose a fraction of itself.": (
                lambda w, g, rate, decay: w - rate * decay - rate * g
            ),
            "That pulls by the sign of a weight (L1): it should lose a fraction of itself.": (
                lambda w, g, rate, decay: w - rate * decay * np.sign(w) - rate * g
            ),
        },
        np.array([[1.0, -2.0], [0.5, 3.0]]),
        np.array([[0.2, 0.4], [-0.6, 0.1]]),
        0.1,
        0.3,
    )


def check_inverted_dropout(answer: Callable[..., Any]) -> Verdict:
    """Check a function of A, the fraction to drop and random numbers: dropout with its division."""
    return judge(
        answer,
        lambda A, dropout, random: A * (random >= dropout) / (1 - dropout),
        {
            "The activations left are not divided by 1 - dropout: on average, A shrinks.": (
                lambda A, dropout, random: A * (random >= dropout)
            ),
            "It keeps the activations that should be dropped, and drops the others.": (
                lambda A, dropout, random: A * (random < dropout) / (1 - dropout)
            ),
            "Divide by the fraction that is kept, 1 - dropout, not by the one that is dropped.": (
                lambda A, dropout, random: A * (random >= dropout) / dropout
            ),
            "Multiplied by 1 - dropout, what is left shrinks even more: divide.": (
                lambda A, dropout, random: A * (random >= dropout) * (1 - dropout)
            ),
            "Doubling makes up for a dropout of 1/2 only: divide by 1 - dropout.": (
                lambda A, dropout, random: A * (random >= dropout) * 2
            ),
            "Of this batch the mean is right, but dividing by the fraction that happened to be "
            "kept makes the images depend on each other: divide by 1 - dropout.": (
                lambda A, dropout, random: A * (random >= dropout) / (random >= dropout).mean()
            ),
        },
        np.array([[1.0, 2.0, 0.5], [3.0, 0.2, 1.5]]),
        0.25,
        np.array(
            [[0.1, 0.9, 0.3], [0.2, 0.26, 0.7]]
        ),  # 4 of 6 are kept: none of the fractions above
    )


def check_shifted(answer: Callable[..., Any]) -> Verdict:
    """Check a function that moves an image down and to the right, where zeros come in."""
    image = np.arange(1.0, 21.0).reshape(4, 5)

    def shifted(image: Any, down: int, right: int) -> Any:
        rows, columns = image.shape
        above, left = max(-down, 0), max(-right, 0)
        padded = np.pad(image, ((max(down, 0), above), (max(right, 0), left)))
        return padded[above : above + rows, left : left + columns]

    verdict = judge(
        answer,
        shifted,
        {
            "What leaves at one edge comes in again at the other, as with np.roll or a negative index: "
            "zeros should come in.": lambda image, *by: np.roll(image, by, axis=(0, 1)),
            "It moves up and to the left: the new pixel at (row, column) is the old one at "
            "(row - down, column - right).": (
                lambda image, down, right: shifted(image, -down, -right)
            ),
            "Down and right are swapped: the rows come first.": (
                lambda image, down, right: shifted(image, right, down)
            ),
            "The image has not moved.": lambda image, *_: image,
            "It moves down only.": lambda image, down, _: shifted(image, down, 0),
            "It moves to the right only.": lambda image, _, right: shifted(image, 0, right),
            "That is what stays in the image; zeros should make up for what leaves.": (
                lambda image, down, right: image[:-down, :-right]
            ),
            "That is what the new image shows of the old one's edge: zeros should come in.": (
                lambda image, down, right: np.pad(image, ((down, 0), (right, 0)), "edge")[:4, :5]
            ),
        },
        image,
        1,
        2,
    )
    for down, right in ((-1, -2), (0, 0)) if verdict.right else ():
        other = judge(answer, shifted, {}, image, down, right)
        if not other.right:
            said = "It is right for positive numbers. With down = {} and right = {}: {}"
            return Verdict(False, said.format(down, right, other.message))
    return verdict


def check_bilinear(answer: Callable[..., Any]) -> Verdict:
    """Check a function of an image, a row and a column that weights the four pixels around."""
    image = np.array([[0.1, 0.9, 0.3, 0.4], [0.8, 0.2, 0.7, 0.0], [0.6, 0.5, 0.15, 1.0]])

    def itself(fraction: float) -> float:
        return fraction

    def weighted(
        swap: bool = False,
        down: Callable[[float], float] = itself,
        right: Callable[[float], float] = itself,
    ) -> Callable[..., Any]:
        def bilinear(image: Any, row: Any, column: Any) -> Any:
            r, c = int(row), int(column)
            d, s = down(row - r), right(column - c)
            if swap:
                d, s = s, d
            top = (1 - s) * image[r, c] + s * image[r, c + 1]
            bottom = (1 - s) * image[r + 1, c] + s * image[r + 1, c + 1]
            return (1 - d) * top + d * bottom

        return bilinear

    def other(fraction: float) -> float:
        return 1 - fraction

    return judge(
        answer,
        weighted(),
        {
            "That is the nearest pixel alone.": lambda image, r, c: image[round(r), round(c)],
            "That is the pixel above and to the left alone: three others have a share.": (
                lambda image, r, c: image[int(r), int(c)]
            ),
            "The four pixels have equal shares: the nearer one should have more.": (
                weighted(down=lambda _: 0.5, right=lambda _: 0.5)
            ),
            "Down and right are swapped: the row's fraction goes with the row.": weighted(True),
            "The weights are the wrong way round: the nearer pixel should have more.": (
                weighted(False, other, other)
            ),
            "The weights of the rows are the wrong way round.": weighted(False, other),
            "The weights of the columns are the wrong way round.": weighted(right=other),
            "The row is rounded: two rows have a share.": weighted(down=lambda _: 0),
            "The column is rounded: two columns have a share.": weighted(right=lambda _: 0),
        },
        image,
        1.2,
        1.6,
    )
