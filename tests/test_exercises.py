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

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))

import exercises  # noqa: E402

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


# For each check, two wrong answers and what it says of them.
WRONG: list[tuple[str, Callable[..., Any], str]] = [
    ("check_sigmoid_slope", lambda A: A * (A - 1), "sign"),
    ("check_sigmoid_slope", lambda A: np.exp(-A) / (1 + np.exp(-A)) ** 2, "activations, not Z"),
    # 05a
    ("check_uniform_limit", lambda n: np.sqrt(2 / n), "standard deviation"),
    ("check_uniform_limit", lambda n: 6 / n, "take the root"),
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
    ("check_best_epoch", lambda losses, _: np.argmin(losses) + 1, "has stopped before"),
    ("check_best_epoch", lambda *_: 4, "count from 1"),
    ("check_best_epoch", lambda losses, _: 5 if len(losses) > 5 else None, "falls to the end"),
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
def test_dots_are_no_answer_yet(check: str) -> None:
    verdict = getattr(exercises, check)(lambda *_: ...)
    assert verdict.right is None
    assert "Not yet" in verdict.message


def test_an_answer_that_stops_is_wrong() -> None:
    verdict = exercises.check_sigmoid_slope(lambda _: 1 / 0)
    assert verdict.right is False
    assert "ZeroDivisionError" in verdict.message
