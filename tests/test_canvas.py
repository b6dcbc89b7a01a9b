"""The canvas without a browser: what Python makes of strokes. The rest is in test_browser.py."""

import base64
import io
import subprocess
import sys
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

import mnist_nn
from mnist_nn import DigitCanvas, Prediction, init_params, prepare_digit

SEVEN = [[[0.3, 0.2], [0.7, 0.2], [0.5, 0.8]]]
CROSSED = [*SEVEN, [[0.4, 0.5], [0.7, 0.5]]]


def test_strokes_are_read_when_they_change() -> None:
    canvas = DigitCanvas()
    assert canvas.prediction is None
    canvas.strokes = SEVEN
    assert isinstance(canvas.prediction, Prediction)
    assert canvas.prediction.digit == 7
    assert canvas.probabilities == canvas.prediction.probabilities.tolist()
    assert canvas.message == "The network reads a 7"
    # A 7 of 112 by 168 pixels with a brush of 20, painted with numbers alone.
    rows, columns = np.mgrid[0:280, 0:280] + 0.5
    page = np.full((280, 280), 255, np.uint8)
    for (x0, y0), (x1, y1) in (((84, 56), (196, 56)), ((196, 56), (140, 224))):
        along = ((columns - x0) * (x1 - x0) + (rows - y0) * (y1 - y0)) / (
            (x1 - x0) ** 2 + (y1 - y0) ** 2
        )
        along = along.clip(0, 1)
        near = np.hypot(columns - x0 - along * (x1 - x0), rows - y0 - along * (y1 - y0)) < 10
        page[near] = 0
    seen = np.frombuffer(canvas.seen, np.uint8).reshape(28, 28) / 255
    assert np.abs(seen - prepare_digit(page)).mean() < 0.01
    canvas.strokes = []
    assert canvas.prediction is None
    assert (canvas.seen, canvas.probabilities, canvas.message) == (b"", [], "Nothing drawn yet")


def test_changes_that_undo_each_other_are_answered_too() -> None:
    canvas = DigitCanvas()
    canvas.set_state({"strokes": SEVEN, "changes": 1})
    assert canvas.changes_read == 1
    # While the kernel is busy, another stroke and its removal come in one message.
    canvas.set_state({"strokes": SEVEN, "changes": 3})
    assert canvas.changes_read == 3
    assert canvas.message == "The network reads a 7"


def test_a_network_of_ones_own_is_asked() -> None:
    network = init_params([784, 10], rng=0)
    canvas = DigitCanvas(network)
    canvas.strokes = CROSSED
    x = np.frombuffer(canvas.seen, np.uint8) / np.float32(255)
    np.testing.assert_allclose(
        canvas.probabilities, mnist_nn.forward_prop(network, x[None])[-1][0], rtol=0.02
    )


def test_a_dot_and_a_page_full_of_ink_break_nothing() -> None:
    canvas = DigitCanvas()
    canvas.strokes = [[[0.5, 0.5]]]
    assert canvas.prediction is not None
    canvas.strokes = [[[x, 0], [x, 1]] for x in np.linspace(0, 1, 40).tolist()]
    assert canvas.prediction is None
    assert canvas.probabilities == []
    assert canvas.message == "That is not a digit: clear it and draw another"


@pytest.mark.parametrize("strokes", ["seven", [[]], [[[0.1]]], [[["a", "b"]]], 3])
def test_what_is_no_stroke_is_refused(strokes: Any) -> None:
    with pytest.raises(Exception, match="strokes"):
        DigitCanvas().strokes = strokes


def test_only_a_network_can_be_asked() -> None:
    with pytest.raises(TypeError, match="Network"):
        DigitCanvas("record.npz")  # type: ignore[arg-type]


@pytest.mark.long
def test_executed_without_a_browser_there_is_a_sample_digit() -> None:
    cell = "from mnist_nn import DigitCanvas\ncanvas = DigitCanvas()\ncanvas"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    NotebookClient(notebook, startup_timeout=600).execute()
    (output,) = notebook.cells[0].outputs
    assert set(output.data) == {"image/png", "text/plain"}
    assert output.data["text/plain"].startswith("Prediction(digit=7, label=None")
    page = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
    assert output.metadata["image/png"]["width"] == page.width // 2 > 600


def test_the_package_loads_widgets_only_for_a_canvas() -> None:
    code = "import mnist_nn, sys; print('anywidget' in sys.modules, mnist_nn.DigitCanvas.__name__)"
    came = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert came.stdout.split() == ["False", "DigitCanvas"]
    with pytest.raises(AttributeError, match="no attribute 'Canvas'"):
        mnist_nn.Canvas  # type: ignore[attr-defined]  # noqa: B018
