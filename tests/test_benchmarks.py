"""The benchmarks run as the README says, with or without the peers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.mark.skipif(sys.platform == "win32", reason="it asks Unix for the memory that was used")
def test_speed_measures_what_is_there(tmp_path: Path) -> None:
    # A package of that name that cannot be imported stands for one that is not installed.
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(name='torch')")
    table = tmp_path / "speed.json"
    command = [sys.executable, BENCHMARKS / "speed.py", "import", "E", "--turns=2", "--json", table]
    run = subprocess.run(
        command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    predictions, imports = json.loads(table.read_text())["results"]
    assert predictions["trouble"] == "not measured, torch is not installed"
    assert "| not measured, torch is not installed |" in run.stdout
    assert 0 < imports["peer_ms"] < 60_000
    assert imports["lowest"] <= imports["ratio"] <= imports["highest"]
    # Here the ratio is ours / peer, and importing NumPy is a part of importing mnist_nn.
    assert imports["highest"] > 0.8
