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


# For each check, two wrong answers and what it says of them.
WRONG: list[tuple[str, Callable[..., Any], str]] = [
    ("check_sigmoid_slope", lambda A: A * (A - 1), "sign"),
    ("check_sigmoid_slope", lambda A: np.exp(-A) / (1 + np.exp(-A)) ** 2, "activations, not Z"),
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
