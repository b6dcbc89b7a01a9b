"""What a person sees while a network trains, in a terminal and in a notebook."""

import base64
import io
import os
import re
import subprocess
import sys
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from PIL import Image

from mnist_nn import gradient_descent, init_params, plot_history, train
from mnist_nn.progress import Progress

X, Y = np.eye(3, dtype=np.float32), np.arange(3)

TRAINING_CELL = """
import itertools, types
import numpy as np
import mnist_nn.progress
from mnist_nn import init_params, train
X, Y = np.eye(3, dtype=np.float32), np.arange(3)
# Every look at this clock is a tenth of a second later.
looks = itertools.count()
clock = types.SimpleNamespace(perf_counter=lambda: next(looks) / 10)
mnist_nn.progress.time = clock
_, history = train(init_params([3, 3], rng=0), X, Y, epochs=300, batch_size=3,
                   learning_rate=1.0, rng=0, validation=(X, Y))
clock.perf_counter()
"""


def test_a_terminal_gets_a_bar_on_standard_error_only(capfd: pytest.CaptureFixture[str]) -> None:
    gradient_descent(init_params([3, 3], rng=0), X, Y, iterations=20, learning_rate=1)
    shown = capfd.readouterr()
    assert shown.out == ""
    last = shown.err.rstrip().split("\r")[-1]
    assert "20/20" in last
    assert "train loss=" in last
    assert "train accuracy=" in last


def test_nothing_is_shown_without_progress(capfd: pytest.CaptureFixture[str]) -> None:
    network = init_params([3, 3], rng=0)
    gradient_descent(network, X, Y, iterations=20, learning_rate=1, progress=False)
    train(network, X, Y, epochs=20, batch_size=3, learning_rate=1.0, rng=0, progress=False)
    assert capfd.readouterr() == ("", "")


CLOSING = """
import itertools, os
import numpy as np
from mnist_nn import init_params, train
X, Y = np.eye(3, dtype=np.float32), np.arange(3)
read, write = os.pipe()
os.dup2(write, 2)  # the terminal, which is closed in the tenth step
steps = itertools.count(1)
def augment(X, _):
    if next(steps) == 10:
        os.close(read)
    return X
network, history = train(init_params([3, 3], rng=0), X, Y, epochs=20, batch_size=3,
                         learning_rate=1.0, rng=0, augment=augment)
print(len(history), flush=True)
os._exit(0)
"""


def test_a_terminal_that_is_closed_does_not_cost_the_training() -> None:
    # With TQDM_MININTERVAL of 0 every epoch is written.
    came = subprocess.run(
        [sys.executable, "-c", CLOSING],
        env=os.environ | {"TQDM_MININTERVAL": "0"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert came.stdout == "20\n"


def run(*cells: str) -> tuple[list[Any], list[dict[str, Any]]]:
    """Run cells in a kernel: their outputs, and all that was displayed on the way."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    displayed = []

    class Listening(NotebookClient):
        def process_message(self, message, cell, cell_index):  # type: ignore[no-untyped-def]
            if "display" in message["msg_type"]:
                displayed.append(message["content"]["data"])
            return super().process_message(message, cell, cell_index)

    Listening(notebook, allow_errors=True, startup_timeout=600).execute()
    return [cell.outputs for cell in notebook.cells], displayed


def test_the_status_in_the_picture_is_large_and_fits() -> None:
    row = {"train_loss": 0.0256, "train_accuracy": 0.9953}
    row |= {"validation_loss": 0.0986, "validation_accuracy": 0.969}
    shown = Progress(1000, "epoch", shown=False)
    shown._state = {"epoch": "352 of 1000", "time left": "≤ 103 s", "time": "46 s"} | {
        "train loss": "0.0256",
        "train accuracy": "99.53%",
        "validation loss": "0.0986",
        "validation accuracy": "96.90%",
    }
    figure = plot_history(pd.DataFrame([row], index=pd.Index([352], name="epoch")))
    shown._picture(figure)
    texts = [figure.texts[0], *(axis.title for axis in figure.axes)]
    assert [text.get_text() for text in texts] == [
        "epoch 352 of 1000, time left ≤ 103 s, time 46 s",
        "loss: train 0.0256, validation 0.0986",
        "accuracy: train 99.53%, validation 96.90%",
    ]
    boxes = [text.get_window_extent() for text in texts]
    assert min(box.height for box in boxes) > 13  # of 281 pixels
    assert boxes[0].y0 > max(box.y1 for box in boxes[1:])
    assert boxes[1].x1 < boxes[2].x0
    assert boxes[2].x1 < figure.bbox.width


@pytest.mark.long
def test_a_notebook_gets_one_picture_that_is_redrawn_in_place() -> None:
    (outputs,), displayed = run(TRAINING_CELL)
    # One output is left behind, and it is a picture of all epochs.
    output, seconds = outputs
    assert output.output_type == "display_data"
    picture = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).convert("RGB")
    assert picture.width > 2 * picture.height > 400  # two panels side by side
    colors = {color for _, color in picture.getcolors(1 << 24)}
    assert {(0, 114, 178), (184, 74, 0)} <= colors  # the curves of validation and of training
    assert "300 of 300" in output.data["text/plain"]
    assert "100.00%" in output.data["text/plain"]
    assert "left" not in output.data["text/plain"]
    # A table was there before the first epoch; then pictures, now and then only.
    table, *pictures = displayed
    assert "0 of 300" in table["text/html"]
    assert all("image/png" in picture for picture in pictures)
    texts = [picture["text/plain"] for picture in pictures]
    assert all("time left" in text and "validation loss" in text for text in texts[:-1])
    assert 5 <= len(texts) <= 2 + float(seconds.data["text/plain"]) / 0.5


WATCH = """
import os, signal, sys
from functools import wraps
import numpy as np
from mnist_nn import init_params, train
X, Y = np.eye(3, dtype=np.float32), np.arange(3)

def learn(epochs):
    return train(init_params([3, 3], rng=0), X, Y, epochs=epochs, batch_size=3,
                 learning_rate=1.0, rng=0)

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

def interrupted_in(owner, name):
    function = getattr(owner, name)
    @wraps(function)
    def interrupted(*arguments, **options):
        setattr(owner, name, function)  # only once
        interrupt()
        return function(*arguments, **options)
    setattr(owner, name, interrupted)

class AtImport:
    def find_spec(self, name, path=None, target=None):
        if name == "matplotlib.figure":
            sys.meta_path.remove(self)
            interrupt()
"""

LOOK = """
came = sys.last_value
print(type(came).__name__, len(came.history), came.history.index.name, came.network.neuron_layers)
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="os.kill would end the process")
def test_an_interrupt_is_no_loss_whatever_is_being_done() -> None:
    outputs, _ = run(
        WATCH
        + "sys.meta_path.insert(0, AtImport())\nassert 'matplotlib.figure' not in sys.modules",
        "learn(10**6)",
        LOOK + "import matplotlib.pyplot",  # which is whole
        "import pandas\ninterrupted_in(pandas.DataFrame, 'set_index')\nlearn(10**6)",
        LOOK,
        # So few epochs are over before the first drawing is due: the last is the only one.
        "from matplotlib.backends.backend_agg import FigureCanvasAgg\n"
        "interrupted_in(FigureCanvasAgg, 'print_png')\nlearn(3)",
        LOOK + "network, _ = learn(3)\nbool((network.w[0] == came.network.w[0]).all())",
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)",
    )
    _, in_import, first, in_history, second, in_drawing, third, after = outputs
    for outcome in (in_import, in_history, in_drawing):
        assert outcome[-1].ename == "TrainingInterrupted"
        assert "sys.last_value.history" in outcome[-1].evalue
    for output in (first, second):
        assert re.match(r"TrainingInterrupted [1-9]\d* epoch \[3, 3\]\n$", output[0].text)
    assert third[0].text == "TrainingInterrupted 3 epoch [3, 3]\n"
    assert third[-1].data["text/plain"] == "True"
    assert after[0].text == "True\n"


@pytest.mark.long
def test_a_picture_that_cannot_be_drawn_does_not_cost_the_training() -> None:
    cell = """
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from mnist_nn import init_params, train
def print_png(*_): raise OSError("no <font> there")
FigureCanvasAgg.print_png = print_png
X, Y = np.eye(3, dtype=np.float32), np.arange(3)
network, history = train(init_params([3, 3], rng=0), X, Y, epochs=3, batch_size=3,
                         learning_rate=30.0, rng=0)
len(history)
"""
    (outputs,), _ = run(cell)
    table, epochs = outputs
    assert epochs.data["text/plain"] == "3"
    assert "3 of 3" in table.data["text/html"]
    assert "<td>not drawn, OSError: no &lt;font&gt; there</td>" in table.data["text/html"]


@pytest.mark.long
def test_a_download_gets_a_table() -> None:
    cell = """
from mnist_nn.progress import Progress
with Progress(10, "MB") as shown:
    shown.show({"MB": 10})
"""
    (outputs,), _ = run(cell)
    assert "<td>10 of 10</td>" in outputs[0].data["text/html"]
