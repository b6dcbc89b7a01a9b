"""The canvas without a browser: what Python makes of strokes. The rest is in test_browser.py."""

import base64
import io
import re
import subprocess
import sys
import time
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image
from traitlets import TraitError

import mnist_nn
from mnist_nn import (
    NUMBER_RECOGNITION,
    DigitCanvas,
    Prediction,
    init_params,
    load_model,
    make_predictions,
    prepare_strokes,
    train,
)
from mnist_nn.canvas import say

SMALL = load_model(NUMBER_RECOGNITION)
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
    seen = np.frombuffer(canvas.seen, np.uint8).reshape(28, 28) / 255
    assert np.abs(seen - prepare_strokes(SEVEN)).max() <= 0.5 / 255 + 1e-6
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


@pytest.mark.parametrize(
    ("digit", "name"), [(0, "a 0"), (8, "an 8"), (11, "an 11"), (18, "an 18"), (20, "a 20")]
)
def test_the_answer_is_a_sentence(digit: int, name: str) -> None:
    assert say(Prediction(digit, None, np.ones(21))) == f"The network reads {name}"
    assert say(Prediction(digit, digit, np.ones(21))) == f"The network reads {name}"
    assert say(Prediction(3, digit, np.ones(21))) == f"The network reads a 3, but it is {name}"


def test_what_is_no_digit_is_answered_with_doubt() -> None:
    canvas = DigitCanvas()
    page_full_of_ink = [[[x, 0], [x, 1]] for x in np.linspace(0, 1, 40).tolist()]
    seven = [[[x / 2, y] for x, y in stroke] for stroke in SEVEN]
    two_sevens = [*seven, *([[x + 0.4, y] for x, y in stroke] for stroke in seven)]
    for strokes in ([[[0.5, 0.5]]], page_full_of_ink, two_sevens):
        canvas.strokes = strokes
        assert canvas.prediction is not None
        assert canvas.prediction.doubt
        assert canvas.message == f"Not sure: {canvas.prediction.doubt}"
    canvas.strokes = SEVEN
    assert canvas.prediction is not None
    assert canvas.prediction.doubt is None


def test_kept_drawings_are_digits_to_train_on() -> None:
    canvas = DigitCanvas()
    X, Y = canvas.kept
    assert X.shape == (0, 784)
    assert Y.shape == (0,)
    # As the browser sends them: all, and the paper is empty again.
    canvas.set_state({"drawings": [[7, SEVEN]], "strokes": [], "changes": 1})
    canvas.set_state({"drawings": [[7, SEVEN], [4, CROSSED]], "strokes": [], "changes": 2})
    X, Y = canvas.kept
    assert Y.tolist() == [7, 4]
    assert X.dtype == np.float32
    for x, strokes in zip(X, (SEVEN, CROSSED), strict=True):
        np.testing.assert_array_equal(x, prepare_strokes(strokes).ravel())
    network, _ = train(
        init_params([784, 10], rng=0),
        X,
        Y,
        epochs=30,
        batch_size=2,
        learning_rate=0.1,
        rng=0,
        progress=False,
    )
    assert make_predictions(network, X).tolist() == [7, 4]
    canvas.drawings = [(label, SEVEN) for label in Y]  # NumPy's integers
    assert canvas.drawings == [(7, SEVEN), (4, SEVEN)]
    assert type(canvas.drawings[0][0]) is int  # or it could not be sent to the browser
    canvas.drawings = []
    assert len(canvas.kept[0]) == 0


@pytest.mark.parametrize(
    ("drawings", "came"),
    [
        ("seven", "'seven'"),
        ([7], "7"),
        ([[7]], "[7]"),
        ([[7, []]], "one without strokes"),
        ([[10, SEVEN]], "the label 10"),
        ([[-1, SEVEN]], "the label -1"),
        ([["7", SEVEN]], "the label '7'"),
        ([[True, SEVEN]], "the label True"),
    ],
)
def test_only_strokes_with_a_label_are_kept(drawings: Any, came: str) -> None:
    canvas = DigitCanvas(SMALL)
    canvas.drawings = [(7, SEVEN)]
    said = f"drawings must be pairs of a label from 0 to 9 and the strokes of a drawing, not {came}"
    with pytest.raises(TraitError, match=re.escape(said)):
        canvas.drawings = drawings
    canvas.set_state({"drawings": drawings, "strokes": CROSSED, "changes": 1})
    assert canvas.message.startswith(said)
    assert canvas.changes_read == 1
    assert canvas.drawings == [(7, SEVEN)]


MILLION = [[0.5, 0.5]] * 1_000_000
REFUSED = [
    ("seven", "a list, not str"),
    (3, "a list, not int"),
    (None, "a list, not NoneType"),
    ([[]], "with a point or more, not an empty one"),
    ([0.1, 0.2], "with a point or more, not float"),
    ([[0.1, 0.2]], "two numbers, not float"),
    ([[[0.1]]], "two numbers, not 1 of them"),
    ([[[0.1, 0.2], [0.1, 0.2, 0.3]]], "two numbers, not 3 of them"),
    ([[["a", "b"]]], "numbers, not str"),
    ([[[0.1, None]]], "numbers, not NoneType"),
    ([[[0.1, [0.5] * 1_000_000]]], "numbers, not list"),
    ([[[0.1, np.nan]]], "from 0 to 1, not nan"),
    ([[[np.inf, 0.1]]], "from 0 to 1, not inf"),
    ([[[0.5, 0.5], [-1e308, 0.5]]], "from 0 to 1, not -1e.308"),
    ([[[0.5, 10**5000]]], "from 0 to 1, not outside"),
    ([MILLION], "at most 5,000 points in all, not 1,000,000 or more"),
    ([[point] for point in MILLION], "at most 5,000 points in all, not 5,001 or more"),
    ([MILLION[:2501]] * 2, "at most 5,000 points in all, not 5,002 or more"),
]


@pytest.mark.parametrize(("strokes", "message"), REFUSED)
@pytest.mark.parametrize("browser", [False, True], ids=["assigned", "from the browser"])
def test_what_is_no_stroke_is_refused_at_once(strokes: Any, message: str, browser: bool) -> None:
    canvas = DigitCanvas(SMALL)
    canvas.strokes = SEVEN
    prediction = canvas.prediction
    start = time.process_time()
    if browser:
        canvas.set_state({"strokes": strokes, "changes": 1})
        assert re.search(f"strokes must be .*{message}", canvas.message)
        assert canvas.changes_read == 1  # or it would wait for an answer for ever
    else:
        with pytest.raises(TraitError, match=f"strokes must be .*{message}.*; draw with"):
            canvas.strokes = strokes
    assert time.process_time() - start < 0.2
    assert canvas.strokes == SEVEN
    assert canvas.prediction is prediction is not None
    # The next drawing is read as ever.
    canvas.set_state({"strokes": CROSSED, "changes": 2})
    assert (canvas.strokes, canvas.changes_read) == (CROSSED, 2)
    assert canvas.message.startswith("The network reads a")


def test_the_browser_is_told_to_show_the_last_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    canvas = DigitCanvas()
    canvas.strokes = SEVEN
    sent: dict[str, Any] = {}
    monkeypatch.setattr(canvas, "_send", lambda message, **_: sent.update(message["state"]))
    canvas.set_state({"strokes": [[[2, 0.5]]], "changes": 1})
    assert sent["strokes"] == SEVEN
    assert sent["changes_read"] == 1
    assert sent["message"].startswith("strokes must be numbers from 0 to 1")


def test_as_many_points_as_allowed_are_drawn_soon() -> None:
    canvas = DigitCanvas()
    points = np.random.default_rng(0).random((5000, 2)).tolist()
    start = time.process_time()
    canvas.strokes = [points]
    assert time.process_time() - start < 1
    assert canvas.strokes == [points]
    canvas.strokes = (((0, 1), (1, np.float64(0.5))),)
    assert canvas.strokes == [[[0.0, 1.0], [1.0, 0.5]]]
    assert {type(number) for number in canvas.strokes[0][1]} == {float}
    assert DigitCanvas().strokes == []


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
