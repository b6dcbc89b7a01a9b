"""The benchmarks run as the README says, with or without the peers."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_nn import RECORD, get_accuracy, load_mnist, load_model, make_predictions, model_card

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.mark.long
def test_speed_measures_what_is_there(tmp_path: Path) -> None:
    # A package of that name that cannot be imported stands for one that is not installed.
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(name='torch')")
    table = tmp_path / "speed.json"
    command = [sys.executable, BENCHMARKS / "speed.py", "import", "E", "--turns=1", "--json", table]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONUTF8": "1"}
    run = subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", check=True
    )
    predictions, imports = json.loads(table.read_text(encoding="utf-8"))["results"]
    assert predictions["trouble"] == "not measured: torch is not installed"
    assert "| not measured: torch is not installed |" in run.stdout
    assert 0 < imports["theirs_ms"] < 60_000
    assert imports["ratio"] == pytest.approx(imports["theirs_ms"] / imports["ours_ms"])
    # What it prints is a table as in the README.
    readme = (BENCHMARKS.parent / "README.md").read_text(encoding="utf-8")
    header = run.stdout[run.stdout.index("| workload") :].splitlines()[:2]
    assert "\n".join(header) in readme
    assert run.stdout.splitlines()[-1].startswith(
        "| import: start Python, `import mnist_nn` | `import numpy` | "
    )


def test_the_readme_shows_the_results_that_are_kept() -> None:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        speed = importlib.import_module("speed")
    finally:
        sys.path.remove(str(BENCHMARKS))
    readme = (BENCHMARKS.parent / "README.md").read_text(encoding="utf-8")
    last = ""
    for result in json.loads((BENCHMARKS / "speed.json").read_text(encoding="utf-8"))["results"]:
        first = result["workload"] != last or "slowdown" in result
        assert speed.table_row(result, first=first) in readme
        last = result["workload"]


def test_speed_refuses_rows_that_it_does_not_have() -> None:
    command = [sys.executable, BENCHMARKS / "speed.py", "F"]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 2
    assert "no rows F; choose from A, B, C, deform, D, E, load, import, busy" in run.stderr


@pytest.mark.long
def test_record_reaches_the_accuracy_of_its_first_recipe() -> None:
    command = [sys.executable, BENCHMARKS / "record.py", "95", "--seeds", "3", "--validation"]
    run = subprocess.run(
        command,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    row = run.stdout.splitlines()[-1].strip("| ").split(" | ")
    assert row[:2] == ["95", "784-128-10"]
    assert 95 < float(row[3]) == float(row[4]) < 98  # one seed, which is its own median
    assert row[3] == row[6]  # and its own average


def test_record_refuses_a_recipe_that_it_does_not_have() -> None:
    command = [sys.executable, BENCHMARKS / "record.py", "97"]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 2
    assert "no recipe 97; choose from 95, 98, 99, 99.5, record" in run.stderr


def test_the_record_that_ships_is_as_accurate_as_its_card_says() -> None:
    assert RECORD.stat().st_size <= 8_000_000
    mnist = load_mnist()
    accuracy = get_accuracy(make_predictions(load_model(RECORD), mnist.test_X), mnist.test_Y)
    assert accuracy == pytest.approx(model_card(RECORD)["test_accuracy"], abs=2e-4)
    assert accuracy > 0.995
