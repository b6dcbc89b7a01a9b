"""What a person sees while a network trains, in a terminal and in a notebook."""

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from mnist_nn import gradient_descent, init_params, train

X, Y = np.eye(3, dtype=np.float32), np.arange(3)

TRAINING_CELL = """
import numpy as np
from mnist_nn import init_params, train
X, Y = np.eye(3, dtype=np.float32), np.arange(3)
_, history = train(init_params([3, 3], rng=0), X, Y, epochs=2000, batch_size=3,
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


def test_a_notebook_gets_one_table_that_is_redrawn_in_place() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(TRAINING_CELL)])
    messages = []

    class Listening(NotebookClient):
        def process_message(self, message, cell, cell_index):  # type: ignore[no-untyped-def]
            messages.append((message["msg_type"], message["content"]))
            return super().process_message(message, cell, cell_index)

    Listening(notebook).execute()
    # One output is left behind, and it is the last epoch.
    output, seconds = notebook.cells[0].outputs
    assert output.output_type == "display_data"
    assert "2000 of 2000" in output.data["text/plain"]
    assert "100.00%" in output.data["text/plain"]
    assert "left" not in output.data["text/plain"]
    # It was there before the first epoch, told the time left, and was redrawn now and then only.
    drawn = [content["data"]["text/plain"] for kind, content in messages if "display" in kind]
    assert "0 of 2000" in drawn[0]
    assert all("time left" in text and "validation loss" in text for text in drawn[1:-1])
    assert 2 <= len(drawn) <= 3 + float(seconds.data["text/plain"]) / 0.25
