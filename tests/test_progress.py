"""What a person sees while a network trains, in a terminal and in a notebook."""

import base64
import io
import re
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from mnist_nn import gradient_descent, init_params, train

X, Y = np.eye(3, dtype=np.float32), np.arange(3)

TRAINING_CELL = """
import numpy as np
from mnist_nn import init_params, train
X, Y = np.eye(3, dtype=np.float32), np.arange(3)
_, history = train(init_params([3, 3], rng=0), X, Y, epochs=10_000, batch_size=3,
                   learning_rate=1.0, rng=0, validation=(X, Y))
float(history["seconds"].iloc[-1])
"""


def test_a_terminal_gets_a_bar_on_standard_error_only(capfd: pytest.CaptureFixture[str]) -> None:
    gradient_descent(init_params([3, 3], rng=0), X, Y, iterations=20)
    shown = capfd.readouterr()
    assert shown.out == ""
    last = shown.err.rstrip().split("\r")[-1]
    assert "20/20" in last
    assert "train loss=" in last
    assert "train accuracy=" in last


def test_nothing_is_shown_without_progress(capfd: pytest.CaptureFixture[str]) -> None:
    network = init_params([3, 3], rng=0)
    gradient_descent(network, X, Y, iterations=20, progress=False)
    train(network, X, Y, epochs=2, batch_size=3, learning_rate=1.0, rng=0, progress=False)
    assert capfd.readouterr() == ("", "")


def run(*cells: str) -> tuple[list[Any], list[dict[str, Any]]]:
    """Run cells in a kernel: their outputs, and all that was displayed on the way."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    displayed = []

    class Listening(NotebookClient):
        def process_message(self, message, cell, cell_index):  # type: ignore[no-untyped-def]
            if "display" in message["msg_type"]:
                displayed.append(message["content"]["data"])
            return super().process_message(message, cell, cell_index)

    Listening(notebook, allow_errors=True, timeout=120).execute()
    return [cell.outputs for cell in notebook.cells], displayed


def test_a_notebook_gets_one_picture_that_is_redrawn_in_place() -> None:
    (outputs,), displayed = run(TRAINING_CELL)
    # One output is left behind, and it is a picture of all epochs.
    output, seconds = outputs
    assert output.output_type == "display_data"
    assert Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).size == (792, 273)
    assert "10000 of 10000" in output.data["text/plain"]
    assert "100.00%" in output.data["text/plain"]
    assert "left" not in output.data["text/plain"]
    # A table was there before the first epoch; then pictures, now and then only.
    table, *pictures = displayed
    assert "0 of 10000" in table["text/html"]
    assert all("image/png" in picture for picture in pictures)
    texts = [picture["text/plain"] for picture in pictures]
    assert all("time left" in text and "validation loss" in text for text in texts[:-1])
    assert 2 <= len(texts) <= 2 + float(seconds.data["text/plain"]) / 0.5


def test_interrupting_the_kernel_leaves_what_there_is() -> None:
    timer = "import _thread, threading; threading.Timer(3, _thread.interrupt_main).start()"
    interrupted = timer + TRAINING_CELL.replace("epochs=10_000", "epochs=10**6")
    look = """
import sys
network, history = sys.last_value.network, sys.last_value.history
len(history), history.index.name, network.neuron_layers
"""
    outputs, _ = run(interrupted, look)
    assert outputs[0][-1].ename == "TrainingInterrupted"
    assert "sys.last_value.history" in outputs[0][-1].evalue
    assert re.fullmatch(r"\([1-9]\d+, 'epoch', \[3, 3\]\)", outputs[1][0].data["text/plain"])


def test_a_download_gets_a_table() -> None:
    cell = """
from mnist_nn.progress import Progress
with Progress(10, "MB") as shown:
    shown.show({"MB": 10})
"""
    (outputs,), _ = run(cell)
    assert "<td>10 of 10</td>" in outputs[0].data["text/html"]
