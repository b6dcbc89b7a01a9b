"""The benchmarks run as their README says, with or without the peers."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from mnist_nn import (
    MNIST,
    RECORD,
    MNISTClassifier,
    get_accuracy,
    load_model,
    make_predictions,
    model_card,
)

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module(name)


def without(packages: tuple[str, ...], folder: Path) -> None:
    """Put packages into a folder that cannot be imported, as if they were not installed."""
    for package in packages:
        (folder / f"{package}.py").write_text(f"raise ModuleNotFoundError(name={package!r})")


@pytest.mark.long
def test_speed_measures_what_is_there(tmp_path: Path) -> None:
    without(("torch", "jax"), tmp_path)
    table = tmp_path / "speed.json"
    command = [sys.executable, BENCHMARKS / "speed.py", "import", "E", "--turns=2", "--json", table]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONUTF8": "1"}
    run = subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", check=True
    )
    facts = json.loads(table.read_text(encoding="utf-8"))
    *predictions, imports = facts["results"]
    assert [row["trouble"] for row in predictions] == [
        "not measured: torch is not installed",
        "not measured: torch is not installed",
        "not measured: jax is not installed",
    ]
    assert "| not measured: torch is not installed |" in run.stdout
    assert 0 < imports["theirs_ms"] < 60_000
    # The median of two is their mean.
    assert imports["ratio"] == pytest.approx((imports["lowest"] + imports["highest"]) / 2)
    assert f"is {imports['our_last_turn_over_first']:.2f} (" in run.stdout
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    assert facts["blas_kernel"] in {library["architecture"] for library in blas}
    assert facts["OPENBLAS_CORETYPE"] == os.environ.get("OPENBLAS_CORETYPE", "not set")
    # What it prints is a table as in the README.
    readme = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    header = run.stdout[run.stdout.index("| workload") :].splitlines()[:2]
    assert "\n".join(header) in readme
    assert "\n| import: start Python, `import mnist_nn` | `import numpy` | " in run.stdout


@pytest.mark.long
def test_speed_measures_what_people_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(script("speed", monkeypatch).wait_in_a_kernel(1))
    assert [row["cell"] for row in rows] == [
        "`from mnist_nn import predict_index`",
        "the first `predict_index(42)`",
        "a later `predict_index(43)`",
        "what `DigitCanvas` answers to a stroke",
    ]
    assert all(0 < row["lowest_ms"] == row["median_ms"] < 60_000 for row in rows)


@pytest.mark.parametrize(
    ("digits", "features", "sizes"),
    [("scikit_learns_digits", 64, (1347, 450)), ("some_mnist", 784, (10_000, 10_000))],
)
def test_speed_tests_fits_on_held_out_digits(
    digits: str, features: int, sizes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, test_X, Y, test_Y = getattr(script("speed", monkeypatch), digits)()
    assert X.shape == (sizes[0], features)
    assert test_X.shape == (sizes[1], features)
    assert (len(Y), len(test_Y)) == sizes
    assert X.min() == 0
    assert X.max() == test_X.max() == 1
    seen, held_out = ({row.tobytes() for row in part} for part in (X, test_X))
    assert seen.isdisjoint(held_out)
    assert min(np.bincount(test_Y)) > 40


def test_speed_tells_how_accurate_the_fits_are(monkeypatch: pytest.MonkeyPatch) -> None:
    speed = script("speed", monkeypatch)
    result = {"workload": "F", "compared_with": "a peer", "ours_ms": 400, "theirs_ms": 1000}
    result |= {"ratio": 2.5, "lowest": 2.25, "highest": 2.75, "ours_mb": 300, "theirs_mb": 200}
    result |= {"ours_accuracy": [0.97, 0.98, 0.99], "theirs_accuracy": [0.975, 0.975, 0.975]}
    result |= {"ours_epochs": [280, 300, 310], "theirs_epochs": [290, 310, 320]}
    # The squares of -1, 0 and 1 have the mean 2/3, whose root is 0.816.
    assert speed.table_row(result, first=False) == (
        "|  | a peer | 400 ms, 98.00 ± 0.82%, 300 epochs | 1.00 s, 97.50 ± 0.00%, 310 epochs | "
        "2.50 (2.25\N{EN DASH}2.75) | 300, 200 MB |"
    )


@pytest.mark.long
def test_speed_fits_both_classifiers_with_the_same_settings_and_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    speed = script("speed", monkeypatch)
    rows = [row for row in speed.comparisons("") if row.workload in ("F", "G")]
    assert [row.theirs.args[1:] for row in rows] == [row.ours.args[1:] for row in rows]
    # Threads that spin while they wait would take minutes on a busy machine.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    result = speed.compare(rows[0], turns=2)
    X, test_X, Y, test_Y = speed.scikit_learns_digits()
    for whose, classifier in (("ours", MNISTClassifier), ("theirs", MLPClassifier)):
        with threadpool_limits(1):
            # The warm-up has had seed 0.
            fits = [classifier(max_iter=1000, random_state=seed).fit(X, Y) for seed in (1, 2)]
        accuracies = [np.mean(fit.predict(test_X) == test_Y) for fit in fits]
        assert result[f"{whose}_accuracy"] == accuracies
        assert min(accuracies) > 0.95
        assert result[f"{whose}_epochs"] == [fit.n_iter_ for fit in fits]
        assert max(fit.n_iter_ for fit in fits) < 1000  # it has stopped by its own rule
        assert 0 < result[f"{whose}_ms"] < 60_000


@pytest.mark.parametrize("name", ["speed", "time_to_accuracy"])
def test_the_readme_shows_the_results_that_are_kept(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = script(name, monkeypatch)
    readme = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    kept = json.loads((BENCHMARKS / f"{name}.json").read_text(encoding="utf-8"))
    if name == "time_to_accuracy":
        rows = kept["results"]
        for row in (benchmark.TABLE, *map(benchmark.table_row, rows), benchmark.fastest_row(rows)):
            assert row in readme
        return
    last = ""
    for result in kept["results"]:
        first = result["workload"] != last or "slowdown" in result
        assert benchmark.table_row(result, first=first) in readme
        last = result["workload"]


def test_time_to_accuracy_counts_training_alone(
    mnist: MNIST, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = script("time_to_accuracy", monkeypatch)
    clock = [0.0]
    monkeypatch.setattr(benchmark, "load_mnist", lambda: mnist)
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: clock[0])

    def pass_time(seconds: float) -> None:
        clock[0] += seconds

    def run(seed: int) -> Any:
        pass_time(40)  # getting ready does not count
        yield None
        for right in (9_700, 9_900):
            pass_time(1)
            answers = (mnist.test_Y + (np.arange(10_000) >= right + seed)) % 10
            yield lambda _, answers=answers: (pass_time(40), answers)[1]  # nor does reading

    assert benchmark.measure(run, 3) == [(1, 0.9703), (2, 0.9903)]


def test_time_to_accuracy_is_the_median_of_the_first_epochs_that_get_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    benchmark = script("time_to_accuracy", monkeypatch)
    runs = [
        [(1.0, 0.96), (2.0, 0.97), (3.0, 0.981)],
        [(1.5, 0.975), (2.5, 0.95), (3.5, 0.979)],
        [(1.25, 0.9), (2.25, 0.985), (3.25, 0.99)],
    ]
    result = benchmark.summarize("a peer", runs)
    assert result["reached"] == {"97%": 2.0, "98%": None, "99%": None}
    row = "| a peer | 2 s | never | never | 98.10, 97.90, 99.00% after 3.25 s |"
    assert benchmark.table_row(result) == row
    ours = [
        {"run": run, "reached": {"97%": t, "98%": 5.0, "99%": None}}
        for run, t in zip(benchmark.OURS, (0.5, 4.0, None), strict=True)
    ]
    assert benchmark.fastest_row([*ours, result]) == (
        "| the fastest peer's time / ours | **4.0** | no peer gets there | no peer gets there | |"
    )


@pytest.mark.long
def test_time_to_accuracy_measures_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = script("time_to_accuracy", monkeypatch)
    peers = ("torch", "jax", "sklearn", "keras")
    without(peers, tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] in peers]:
        monkeypatch.delitem(sys.modules, name)  # other tests have imported it
    monkeypatch.setenv("KERAS_BACKEND", "jax")  # as the run sets it, but not for other tests
    for name, run in benchmark.PEERS.items():
        assert benchmark.measure(run, 0) is None, name
    ours = benchmark.OURS["`mnist_nn`, recipe 97"]
    ((seconds, accuracy),) = benchmark.measure(ours, 0)
    assert seconds > 0
    assert 0.96 < accuracy < 0.98


def test_speed_refuses_rows_that_it_does_not_have() -> None:
    command = [sys.executable, BENCHMARKS / "speed.py", "H"]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 2
    choices = "A, B, C, deform, D, E, F, G, load, import, busy, notebook"
    assert f"no rows H; choose from {choices}" in run.stderr


@pytest.mark.long
def test_record_reaches_the_accuracy_of_its_first_recipe() -> None:
    command = [sys.executable, BENCHMARKS / "record.py", "97", "--seeds", "3", "--validation"]
    run = subprocess.run(
        command,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    row = run.stdout.splitlines()[-1].strip("| ").split(" | ")
    assert row[:2] == ["97", "784-100-10"]
    assert 95 < float(row[3]) == float(row[4]) < 98  # one seed, which is its own median
    assert row[3] == row[6]  # and its own average


def test_record_refuses_a_recipe_that_it_does_not_have() -> None:
    command = [sys.executable, BENCHMARKS / "record.py", "96"]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 2
    assert "no recipe 96; choose from 97, 98, 99, 99.5, record" in run.stderr


@pytest.mark.long
def test_the_record_that_ships_is_as_accurate_as_its_card_says(mnist: MNIST) -> None:
    assert RECORD.stat().st_size <= 8_000_000
    accuracy = get_accuracy(make_predictions(load_model(RECORD), mnist.test_X), mnist.test_Y)
    assert accuracy == pytest.approx(model_card(RECORD)["test_accuracy"], abs=2e-4)
    assert accuracy > 0.995
