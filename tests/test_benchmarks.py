"""The benchmarks run as the README says, with or without the peers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


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
    assert predictions["trouble"] == "not measured, torch is not installed"
    assert "| not measured, torch is not installed |" in run.stdout
    assert 0 < imports["peer_ms"] < 60_000
    assert imports["goal"] == "≤ 1.3, ours / peer"
    assert imports["ratio"] == pytest.approx(imports["ours_ms"] / imports["peer_ms"])
