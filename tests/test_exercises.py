"""The exercises: every check accepts the solution, and says what is wrong with other answers."""

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

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


# For each check, two wrong answers and what it says of them.
WRONG: list[tuple[str, Callable[..., Any], str]] = [
    ("check_sigmoid_slope", lambda A: A * (A - 1), "sign"),
    ("check_sigmoid_slope", lambda A: np.exp(-A) / (1 + np.exp(-A)) ** 2, "activations, not Z"),
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
def test_dots_are_no_answer_yet(check: str) -> None:
    verdict = getattr(exercises, check)(lambda *_: ...)
    assert verdict.right is None
    assert "Not yet" in verdict.message


def test_an_answer_that_stops_is_wrong() -> None:
    verdict = exercises.check_sigmoid_slope(lambda _: 1 / 0)
    assert verdict.right is False
    assert "ZeroDivisionError" in verdict.message
