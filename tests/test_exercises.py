"""The exercises: every check accepts the solution, and says what is wrong with other answers."""

import math
import re
import runpy
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

from mnist_nn import backward_prop, forward_prop, update

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))

import exercises  # noqa: E402

from mnist_nn import calibration, one_hot  # noqa: E402

SOLUTIONS = sorted((NOTEBOOKS / "solutions").glob("*.py"))
CALL = re.compile(r"^exercises\.(check_\w+)\((.*)\)$", re.MULTILINE)


def checks_of(path: Path) -> list[tuple[str, str]]:
    """Find the checks that a notebook makes, and the names that it hands to them."""
    notebook = nbformat.read(NOTEBOOKS / f"{path.stem}.ipynb", as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return CALL.findall("\n".join(code))


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_the_checks_of_a_notebook_accept_its_solutions(path: Path) -> None:
    calls = checks_of(path)
    assert 3 <= len(calls) <= 5
    answers = runpy.run_path(str(path))
    for check, names in calls:
        arguments = [answers[name.strip()] for name in names.split(",")]
        verdict = getattr(exercises, check)(*arguments)
        assert verdict.right, f"{check}: {verdict}"


def added_once(Y: Any, predictions: Any) -> Any:
    confusion = np.zeros((10, 10))
    confusion[Y, predictions] += 1
    return confusion


def calibration_sums(confidence: Any, right: Any) -> Any:
    """Return the distance of each interval times its count, and forget a confidence of 1."""
    return np.abs(np.bincount((10 * confidence).astype(int), confidence - right, 11))[:10]


def calibration_gaps(confidence: Any, right: Any) -> Any:
    bins = calibration(np.stack([confidence, 1 - confidence], axis=1), 1 - right).bins
    return abs(bins["confidence"] - bins["accuracy"])


def exponentials(Z: Any, largest: Any = None) -> Any:
    return np.exp(Z - (Z.max(axis=1, keepdims=True) if largest is None else largest))


def scaled(E: Any) -> Any:
    return E / E.sum(axis=1, keepdims=True)


def layer_backward(
    A: Any, w: Any, dZ: Any, *, N: float | None = None, db: Any = None, mask: Any = np.greater
) -> Any:
    N = N or len(dZ)
    return A.T @ dZ / N, dZ.sum(axis=0) / N if db is None else db, dZ @ w.T * mask(A, 0)


def step(w: Any, b: Any, X: Any, Y: Any, rate: float, *, axis: int | None = 0) -> Any:
    scores = X @ w + b
    dZ = scaled(exponentials(scores))
    dZ[range(len(Y)), Y] -= 1
    return w - rate * X.T @ dZ / len(Y), b - rate * dZ.sum(axis=axis) / len(Y)


def adam(
    p: Any,
    m: Any,
    v: Any,
    g: Any,
    t: int,
    rate: float,
    *,
    corrected: bool = True,
    epsilon_inside: bool = False,
) -> tuple[Any, Any, Any]:
    m *= 0.9  # in place, as a reader may
    m += 0.1 * g
    v = 0.999 * v + 0.001 * g * g
    m_hat, v_hat = (m / (1 - 0.9**t), v / (1 - 0.999**t)) if corrected else (m, v)
    size = np.sqrt(v_hat + 1e-8) if epsilon_inside else np.sqrt(v_hat) + 1e-8
    return p - rate * m_hat / size, m, v


def bilinear(image: Any, row: float, column: float, *, swapped: bool = False) -> float:
    down, right = (column % 1, row % 1) if swapped else (row % 1, column % 1)
    corners = image[int(row) : int(row) + 2, int(column) : int(column) + 2]
    return float(np.array([1 - down, down]) @ corners @ np.array([1 - right, right]))


def looked_up(image: Any, down: int, right: int, first: int = 0) -> Any:
    """Look up where each pixel comes from; below 0, an index counts from the end."""
    new = np.zeros_like(image)
    for row, column in np.ndindex(image.shape):
        r, c = row - down, column - right
        if first <= r < len(image) and first <= c < len(image[0]):
            new[row, column] = image[r, c]
    return new


def stopping(better: Any = np.less, *, wait: int = 0, first: int = 1) -> Any:
    """Stop early, and wait a little longer or count from another epoch than one should."""

    def answer(losses: list[float], patience: int) -> tuple[int, int]:
        best, lowest = first, np.inf
        for epoch, loss in enumerate(losses, first):
            if better(loss, lowest):
                best, lowest = epoch, loss
            if epoch - best == patience + wait:
                break
        return best, epoch

    return answer


def epoch_of_training(
    network: Any, X: Any, Y: Any, order: Any, size: int, rate: float, *, first: int | None = None
) -> Any:
    order = order[:first]
    for batch in np.split(order, range(size, len(order), size)):
        gradients = backward_prop(network, forward_prop(network, X[batch]), Y[batch])
        network = update(network, gradients, rate)
    return network


def misread_order(network: Any, X: Any, Y: Any, order: Any, size: int, rate: float) -> Any:
    return epoch_of_training(network, X[order], Y, np.arange(len(Y)), size, rate)


def from_the_start(network: Any, X: Any, Y: Any, order: Any, size: int, rate: float) -> Any:
    new = network
    for batch in np.split(order, range(size, len(order), size)):
        gradients = backward_prop(network, forward_prop(network, X[batch]), Y[batch])
        new = update(new, gradients, rate)
    return new


def whole(order: Any, size: int) -> list[Any]:
    return [order[i * size : (i + 1) * size] for i in range(len(order) // size)]


# For each check, wrong answers and what it says of them.
WRONG: list[tuple[str, Callable[..., Any], str]] = [
    # 02
    ("check_parameters", lambda: 784 * 30 + 30 * 10, "bias"),
    ("check_parameters", lambda: 784 * 10 + 10 + 10 * 10 + 10, "now take 30"),
    ("check_parameters", lambda: 784 * 30 + 30, "first layer alone"),
    ("check_parameters", lambda: 784 + 784 * 30 + 30 + 30 * 10 + 10, "no biases"),
    ("check_sigmoid_slope", lambda A: A * (A - 1), "sign"),
    ("check_sigmoid_slope", lambda A: np.exp(-A) / (1 + np.exp(-A)) ** 2, "activations, not Z"),
    ("check_sigmoid_slope", lambda A: (A > 0).astype(float), "ReLU"),
    ("check_sigmoid_slope", lambda A: 1 - A, "factor A"),
    ("check_softmax", lambda Z: scaled(np.exp(Z)), "overflow"),
    ("check_softmax", lambda Z: scaled(exponentials(Z, Z.max())), "each row needs its own"),
    ("check_softmax", lambda Z: scaled(exponentials(Z, Z.max(axis=0))), "largest of each column"),
    ("check_softmax", lambda Z: exponentials(Z) / exponentials(Z).sum(), "All probabilities"),
    ("check_softmax", lambda Z: exponentials(Z) / exponentials(Z).sum(axis=0), "columns sum"),
    ("check_softmax", lambda Z: scaled(exponentials(Z, Z.max(axis=1))), "keepdims"),
    ("check_softmax", lambda Z: exponentials(Z) / exponentials(Z).sum(axis=1), "keepdims"),
    ("check_softmax", exponentials, "divide by the sum"),
    ("check_layer_backward", partial(layer_backward, N=1), "dw: That is the sum"),
    ("check_layer_backward", lambda A, w, dZ: layer_backward(A, w, -dZ), "dw: The sign"),
    ("check_layer_backward", lambda A, w, dZ: layer_backward(A, w, dZ, db=dZ.sum()), "axis=0"),
    ("check_layer_backward", lambda A, w, dZ: layer_backward(A, w, dZ, db=dZ.mean()), "axis=0"),
    ("check_layer_backward", lambda A, w, dZ: layer_backward(A, w, dZ, db=sum(dZ)), "db: That is"),
    ("check_layer_backward", lambda A, w, dZ: layer_backward(A, w, dZ, db=dZ.mean(1)), "neurons"),
    ("check_layer_backward", partial(layer_backward, mask=np.greater_equal), "not A >= 0"),
    ("check_layer_backward", partial(layer_backward, mask=np.add), "not A."),
    ("check_layer_backward", lambda A, _, dZ: (dZ.T @ A / 4, 0, 0), "transposed"),
    ("check_layer_backward", lambda A, _, dZ: A.T @ dZ / 4, "return dw, db, dZ_before"),
    ("check_step", lambda w, b, X, Y, rate: step(w, b, X, Y, -rate), "w: That is a step uphill"),
    ("check_step", lambda w, b, X, Y, rate: step(w, b, X, Y, 6 * rate), "divide it by"),
    ("check_step", partial(step, axis=None), "b has not changed. (The sum"),
    ("check_step", lambda w, b, *_: (w, b), "w: w has not changed."),
    ("check_step", lambda w, b, *_: (w - step(w, b, *_)[0]) / 0.5, "return w, b, in"),
    ("check_step", lambda w, b, *_: ((w - step(w, b, *_)[0]) / 0.5, b), "That is the gradient"),
    # 03
    ("check_width", lambda: (784 * 64 + 64 * 32 + 32 * 10 + 106) // 785, "weight to each"),
    ("check_width", lambda: 60, "still fit"),
    ("check_width", (52_650 - 10) / 795, "round down"),
    ("check_width", lambda: 64 + 32, "count them"),
    ("check_cut", whole, "last, smaller batch is missing"),
    ("check_cut", lambda order, size: np.array_split(order, size), "as many batches"),
    ("check_cut", lambda order, size: np.array_split(order, -(-len(order) // size)), "are even"),
    ("check_cut", lambda order, size: [*whole(order, size), order[len(order) & -4 :]], "empty one"),
    ("check_cut", lambda order, size: [*whole(order, size), order[-size:]], "overlap"),
    ("check_cut", lambda *_: [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]], "places in the order"),
    ("check_accuracy", lambda P, Y: (P.argmax(axis=0) == Y).mean(), "axis=1"),
    ("check_accuracy", lambda P, Y: (P.argmax(axis=1) != Y).mean(), "mistakes"),
    ("check_accuracy", lambda P, Y: (P.argmax(axis=1) == Y).sum(), "divide by"),
    ("check_accuracy", lambda P, Y: 100 * (P.argmax(axis=1) == Y).mean(), "percentage"),
    ("check_accuracy", lambda P, Y: P[np.arange(4), Y].mean(), "probability of the true"),
    ("check_accuracy", lambda P, _: P.max(axis=1).mean(), "confidence"),
    ("check_accuracy", lambda P, Y: P.argmax(axis=1) == Y, "their mean"),
    ("check_accuracy", lambda P, _: P.argmax(axis=1), "the predictions"),
    ("check_early_stopping", lambda losses, _: (np.argmin(losses) + 1, 11), "lowest loss of all"),
    ("check_early_stopping", stopping(wait=1), "last: One epoch too many"),
    ("check_early_stopping", stopping(first=0), "counted from 1"),
    ("check_early_stopping", stopping(np.less_equal), "no new minimum: it should be <"),
    ("check_early_stopping", lambda *_: stopping()(*_)[0], "return best, last, in"),
    ("check_early_stopping", lambda *_: stopping()(*_)[::-1], "best epoch comes first"),
    ("check_early_stopping", lambda *_: (5, 5), "3 later"),
    ("check_early_stopping", lambda losses, _: (5, len(losses)), "goes on to the end"),
    ("check_early_stopping", lambda *_: (2, 3), "first rise"),
    ("check_early_stopping", lambda *_: ((n := stopping()(*_)[0]), n + _[1]), "only 3 losses"),
    ("check_one_epoch", misread_order, "take Y[batch] too"),
    ("check_one_epoch", from_the_start, "starts from the new network"),
    ("check_one_epoch", lambda network, *_: network, "has not changed"),
    ("check_one_epoch", partial(epoch_of_training, first=8), "last, smaller batch"),
    ("check_one_epoch", partial(epoch_of_training, first=4), "Only one step was made"),
    ("check_one_epoch", lambda n, X, Y, o, _, r: epoch_of_training(n, X, Y, o, 10, r), "one step"),
    (
        "check_one_epoch",
        lambda n, X, Y, o, *_: epoch_of_training(n, X, Y, np.sort(o), *_),
        "follow",
    ),
    ("check_one_epoch", lambda *_: "trained", "should give numbers"),
    # 04
    ("check_recall", lambda C: C.diagonal() / C.sum(axis=0), "still the precision"),
    ("check_recall", lambda C: C.trace() / C.sum(), "one number"),
    ("check_recall", lambda C: C.diagonal() / C.sum(), "all the digits"),
    ("check_count_confusions", lambda P, Y: one_hot(P).T @ one_hot(Y), "swapped"),
    ("check_count_confusions", lambda P, Y: added_once(Y, P), "counted once"),
    ("check_accuracy_when_refusing", lambda c, r, s: r[c < np.quantile(c, 1 - s)].mean(), "surest"),
    ("check_accuracy_when_refusing", lambda c, r, s: r[c > np.quantile(c, 1 - s)].mean(), "share"),
    (
        "check_accuracy_when_refusing",
        lambda c, r, s: r[c > np.quantile(c, s)].sum() / len(r),
        "divide",
    ),
    ("check_accuracy_when_refusing", lambda c, r, s: r[: int(len(c) * (1 - s))].mean(), "first"),
    ("check_fool", lambda X, g, e: (X - e * np.sign(g)).clip(0, 1), "helps the network"),
    ("check_fool", lambda X, g, e: X + e * np.sign(g), "leave the range"),
    ("check_fool", lambda X, g, e: (X + e * g).clip(0, 1), "np.sign"),
    ("check_fool", lambda _, g, e: e * np.sign(g), "add it"),
    ("check_calibration_error", lambda c, r: calibration_gaps(c, r).mean(), "weight"),
    ("check_calibration_error", lambda c, r: c.mean() - r.mean(), "makes up"),
    ("check_calibration_error", lambda c, r: abs(c - r).mean(), "mean of the distances"),
    (
        "check_calibration_error",
        lambda c, r: calibration_sums(c, r).mean(),
        "of 1 belongs",
    ),
    # 05a
    ("check_uniform_limit", lambda n: np.sqrt(2 / n), "standard deviation"),
    ("check_uniform_limit", lambda n: 6 / n, "take the root"),
    ("check_uniform_limit", lambda _: math.sqrt(6 / 784), "depends on n_in"),
    ("check_momentum_step", lambda p, v, g, a, mu: (p - a * (mu * v + g), mu * v + g), "classical"),
    ("check_momentum_step", lambda p, v, g, a, mu: (p - a * (g + mu * (mu * v + g)), v), "new one"),
    ("check_adam_step", partial(adam, corrected=False), "bias correction is missing"),
    ("check_adam_step", partial(adam, epsilon_inside=True), "not under it"),
    ("check_schedule", lambda done: 0.5 + 0.5 * math.cos(math.pi * done), "warm-up is missing"),
    ("check_schedule", lambda x: min(x / 0.05, 0.5 + 0.5 * math.cos(math.pi * x)), "jumps"),
    # 05b
    ("check_decayed_step", lambda w, g, rate, decay: (1 - decay) * w - rate * g, "rate · decay"),
    ("check_decayed_step", lambda w, g, a, decay: (1 - a * decay) * (w - a * g), "decay first"),
    ("check_inverted_dropout", lambda A, dropout, r: A * (r >= dropout), "not divided"),
    ("check_inverted_dropout", lambda A, dropout, r: A * (r < dropout) / (1 - dropout), "keeps"),
    ("check_inverted_dropout", lambda A, dropout, r: 2 * A * (r >= dropout), "Doubling"),
    ("check_shifted", lambda image, *by: np.roll(image, by, (0, 1)), "np.roll"),
    ("check_shifted", lambda image, d, r: looked_up(image, d, r, -9), "negative index"),
    ("check_shifted", lambda image, d, r: looked_up(image, -d, -r), "up and to the left"),
    ("check_shifted", lambda image, d, r: looked_up(image, r, d), "swapped"),
    ("check_shifted", lambda image, d, _: looked_up(image, d, 0), "down only"),
    ("check_shifted", lambda image, d, r: image[:-d, :-r], "what stays"),
    ("check_shifted", lambda image, d, r: np.pad(image[:-d, :-r], ((d, 0), (r, 0))), "down = -1"),
    ("check_shifted", lambda image, d, r: looked_up(image, abs(d), abs(r)), "down = -1"),
    ("check_bilinear", lambda image, row, column: image[round(row), round(column)], "nearest"),
    ("check_bilinear", partial(bilinear, swapped=True), "swapped"),
]


@pytest.mark.parametrize(("check", "answer", "said"), WRONG)
def test_a_check_says_what_is_wrong(check: str, answer: Callable[..., Any], said: str) -> None:
    verdict = getattr(exercises, check)(answer)
    assert verdict.right is False
    assert said in verdict.message


def test_every_check_is_tried_with_two_wrong_answers() -> None:
    tried = [check for check, _, _ in WRONG]
    checks = [name for name in dir(exercises) if name.startswith("check_")]
    assert all(tried.count(check) >= 2 for check in checks)


@pytest.mark.parametrize("check", [name for name in dir(exercises) if name.startswith("check_")])
def test_dots_are_no_answer_yet_and_none_is_a_wrong_one(check: str) -> None:
    for dots in (..., lambda *_: ..., lambda *_: (..., ...), lambda *_: [np.ones(2), ...]):
        verdict = getattr(exercises, check)(dots)
        assert verdict.right is None
        assert "Not yet" in verdict.message
    verdict = getattr(exercises, check)(lambda *_: None)
    assert verdict.right is False
    assert "is a return missing?" in verdict.message


def test_an_answer_that_stops_is_wrong() -> None:
    verdict = exercises.check_sigmoid_slope(lambda _: 1 / 0)
    assert verdict.right is False
    assert "ZeroDivisionError" in verdict.message


def test_what_fits_no_known_mistake_is_described_by_its_largest_difference() -> None:
    said = {
        (1.0, 2.0, 7.0): "it should give 3, not 7",
        (1.0, np.nan, 7.0): "it should give 2, not nan",
        (2.5, 5.0, 7.5): "2.5 times what it should be",
        (-1.0, -2.0, -3.0): "sign",
        (1.0, 2.0): "shape should be (3,), and yours is (2,)",
        ("a", "b"): "should give numbers",
    }
    for answer, message in said.items():
        verdict = exercises.judge(answer, lambda: [1.0, 2.0, 3.0], {})
        assert verdict.right is False
        assert message in verdict.message
    assert exercises.judge([[1, 2], [3, 4]], lambda: [[1, 3], [2, 4]], {}).right is False
    assert exercises.judge((1, 2, 3), lambda: [1, 2, 3], {}).right
    assert "give 0, not inf" in exercises.judge(lambda: np.inf, 0, {}).message
    assert "transposed" in exercises.judge([[1, 2]], [[1], [2]], {}).message


def test_a_single_number_is_not_given_away_by_a_factor() -> None:
    assert exercises.check_parameters(20_000).message == "It should be larger."
    assert exercises.check_parameters(30_000).message == "It should be smaller."
    assert "0.5 times" in exercises.judge(lambda: 3.0, 6.0, {}).message
    assert "10 times" in exercises.judge(lambda: 60.0, 6.0, {}).message
    assert "should give 6, not 5" in exercises.judge(lambda: 5.0, 6.0, {}).message


def test_an_answer_may_change_its_arguments() -> None:
    def in_place(A: Any) -> Any:
        A *= 1 - A
        return A

    assert exercises.check_sigmoid_slope(in_place).right


def test_a_verdict_is_shown_with_a_mark() -> None:
    verdicts = exercises.RIGHT, exercises.NOT_YET, exercises.check_sigmoid_slope(lambda A: 1 - A)
    assert [repr(verdict)[0] for verdict in verdicts] == ["✓", "…", "✗"]
