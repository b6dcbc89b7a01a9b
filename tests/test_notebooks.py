"""The notebooks: they run in full on the real data, and are committed as they should be."""

import os
import re
import shutil
import signal
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from mnist_nn import load_model, model_card

REPOSITORY = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))

parametrized = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.mark.notebook
@parametrized
def test_notebook_runs_from_top_to_bottom(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a copy, imported from the copy: what a notebook saves must not reach the repository.
    for folder in ("mnist_nn", "notebooks", "data", "models"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    shipped = {file: file.read_bytes() for file in (tmp_path / "models").glob("*.npz")}
    notebook = nbformat.read(tmp_path / "notebooks" / path.name, as_version=4)
    folder = {"metadata": {"path": str(tmp_path / "notebooks")}}
    NotebookClient(notebook, startup_timeout=600, resources=folder).execute()
    assert all(file.read_bytes() == content for file, content in shipped.items())
    if path.stem.startswith("03"):
        saved = tmp_path / "models" / "my_network.npz"
        assert load_model(saved).neuron_layers == [784, 64, 32, 10]
        assert model_card(saved)["validation_accuracy"] > 0.96


@parametrized
def test_notebook_is_committed_executed_and_clean(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
    assert "widgets" not in notebook.metadata
    assert len(text.encode()) < 1_500_000
    # Prose first, and a claim that the code asserts last.
    assert len(notebook.cells) > 2 * len(code), "a notebook has more cells of prose than of code"
    assert "assert" in code[-1].source, "a notebook ends in an assert of what it claims"


@parametrized
@pytest.mark.parametrize(
    "pattern",
    [
        r"/(home|root|tmp|work|Users|private|mnt|opt)/\w",
        r"\b[A-Z]:\\\\",
        r"KAGGLE_(KEY|USERNAME|API_TOKEN)\W{1,6}\w{6,}",
        r"\bKGAT_\w+",
        r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])",
    ],
)
def test_notebook_has_no_path_and_no_credential(path: Path, pattern: str) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("image/png", None)
    assert not re.search(pattern, nbformat.writes(notebook))


@parametrized
def test_films_are_small(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [b64decode(output.get("data", {}).get("image/png", "")) for output in outputs]
    films = [picture for picture in pictures if b"acTL" in picture]  # "animation control"
    assert all(len(film) < 300_000 for film in films)
    assert films or not path.stem.startswith("02")


ENDLESS = """
from mnist_nn import init_params, train
import numpy as np
X, Y = np.eye(4, dtype=np.float32), np.arange(4)
run = dict(epochs=10**9, batch_size=2, learning_rate=0.3, rng=0, validation=(X, Y))
train(init_params([4, 4], rng=0), X, Y, **run)
""".strip()


def run_small(tmp_path: Path, *cells: str) -> tuple[subprocess.CompletedProcess[str], Any]:
    """Run a notebook with the command of the README, and return its copy too."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    shutil.copy(REPOSITORY / "notebooks" / "run.py", folder)
    prose = new_markdown_cell("# A title")
    original = new_notebook(cells=[prose, *map(new_code_cell, cells)])
    nbformat.write(original, folder / "small.ipynb")
    before = (folder / "small.ipynb").read_bytes()
    command = [sys.executable, folder / "run.py", folder / "small.ipynb"]
    options: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "timeout": 120}
    done = subprocess.run(command, cwd=tmp_path, check=False, **options)
    assert (folder / "small.ipynb").read_bytes() == before
    return done, nbformat.read(tmp_path / "build" / "small.ipynb", as_version=4)


@pytest.mark.long
def test_the_command_shows_cells_and_what_they_print(tmp_path: Path) -> None:
    training = """
from mnist_nn import *
X, Y = np.eye(4, dtype=np.float32), np.arange(4)
run = dict(epochs=3, batch_size=2, learning_rate=0.3, rng=0)
_, history = train(init_params([4, 4], rng=0), X, Y, **run)
"""
    done, copy = run_small(tmp_path, "import numpy as np", training.strip(), "print(6 * 7)")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    expected = r"""
A title
\[1 of 3\] import numpy as np
\[2 of 3\] from mnist_nn import \* …
    epoch 3 of 3, train loss [\d.]+, train accuracy [\d.]+%, time 0 s
\[3 of 3\] print\(6 \* 7\)
    42

The executed copy is build.small.ipynb; this opens it: .*
"""
    assert re.fullmatch(expected, done.stdout)
    assert [cell.get("execution_count") for cell in copy.cells] == [None, 1, 2, 3]


@pytest.mark.long
def test_the_command_says_which_cell_failed(tmp_path: Path) -> None:
    done, copy = run_small(tmp_path, "digit = 7", "1 / (digit - 7)", "print('not reached')")
    assert done.returncode == 1
    assert done.stdout.endswith("[2 of 3] 1 / (digit - 7)\n")
    assert "ZeroDivisionError: division by zero\nin the cell [2 of 3]" in done.stderr
    assert "Traceback" not in done.stderr
    assert copy.cells[2].outputs[0].ename == "ZeroDivisionError"
    assert copy.cells[3].execution_count is None


@pytest.mark.long
def test_a_notebook_of_prose_alone_runs(tmp_path: Path) -> None:
    done, copy = run_small(tmp_path)
    assert done.returncode == 0, done.stderr
    assert [cell.source for cell in copy.cells] == ["# A title"]


@pytest.mark.long
def test_what_is_not_a_notebook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.ipynb").write_text("# A title")
    for path in (tmp_path / "text.ipynb", tmp_path, tmp_path / "missing.ipynb"):
        command = [sys.executable, REPOSITORY / "notebooks" / "run.py", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 2
        assert f"{path} should be a notebook, but cannot be read" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="there, Ctrl-C is no signal to one process")
def test_ctrl_c_stops_the_cell_and_shows_time_left_in_a_narrow_terminal(tmp_path: Path) -> None:
    import pty

    notebook = new_notebook(cells=[new_code_cell(ENDLESS), new_code_cell("print('no')")])
    for cell in notebook.cells:
        cell.outputs = [new_output("stream", text="of another run")]
    (tmp_path / "notebooks").mkdir()
    shutil.copy(REPOSITORY / "notebooks" / "run.py", tmp_path / "notebooks")
    nbformat.write(notebook, tmp_path / "endless.ipynb")
    command = [sys.executable, "notebooks/run.py", "endless.ipynb"]
    reader, writer = pty.openpty()
    with subprocess.Popen(command, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE) as child:
        os.close(writer)
        shown = b""
        while b"time left" not in shown:
            shown += os.read(reader, 4096)
        child.send_signal(signal.SIGINT)
        _, error = child.communicate(timeout=60)
    os.close(reader)
    assert child.returncode == 1
    assert error.decode().strip().startswith("stopped\nin the cell [1 of 2] from mnist_nn")
    assert max(map(len, re.split(r"[\r\n]", shown.decode(errors="replace")))) <= 80 + len("\033[K")
    assert "of another run" not in (tmp_path / "build" / "endless.ipynb").read_text()


def test_every_notebook_is_there() -> None:
    assert [path.stem for path in NOTEBOOKS][:7] == [
        "01_data",
        "02_two_layer_network",
        "03_number_recognition",
        "04_evaluation",
        "05_better_training",
        "06_your_own_digits",
        "07_search",
    ]
