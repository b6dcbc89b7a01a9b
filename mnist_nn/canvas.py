"""A notebook widget: draw a digit, and see what the network reads after every stroke."""

import base64
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from IPython import get_ipython
from PIL import Image, ImageDraw

from mnist_nn.checks import Floats, check_network, name_classes
from mnist_nn.data import SIDE, Labels
from mnist_nn.inference import Prediction, png, read_drawing
from mnist_nn.network import Network
from mnist_nn.plots import plot_prediction
from mnist_nn.preparation import Strokes, check_strokes, prepare_strokes, read_picture
from mnist_nn.storage import RECORD, load_model

__all__ = ["DigitCanvas"]

NOTHING = "Nothing drawn yet"
_PAPER, _BRUSH = 280, 20  # pixels
_SAMPLE = [[[0.3, 0.24], [0.48, 0.23], [0.7, 0.24], [0.56, 0.5], [0.46, 0.8]]]


class StrokesTrait(traitlets.TraitType[Strokes, Any]):
    """Lists of lists of points ``[x, y]``: counted first, and looked at only if they are few."""

    def make_dynamic_default(self) -> Strokes:
        """Give each widget a list of its own."""
        return []

    def validate(self, obj: Any, value: Any) -> Strokes:  # noqa: ARG002
        """Return the strokes as lists of floats.

        Raises
        ------
        TraitError
            If they are not strokes, or have too many points.
        """
        return _checked(value)


class DrawingsTrait(traitlets.TraitType[list[tuple[int, Strokes]], Any]):
    """Drawings that were kept: pairs of a true label and strokes."""

    def make_dynamic_default(self) -> list[tuple[int, Strokes]]:
        """Give each widget a list of its own."""
        return []

    def validate(self, obj: Any, value: Any) -> list[tuple[int, Strokes]]:
        """Return the pairs.

        Raises
        ------
        TraitError
            If they are not labels of the network's classes, with strokes.
        """
        classes = len(obj.names)
        if not isinstance(value, list | tuple):
            raise _no_drawings(classes, reprlib.repr(value))
        for pair in value:
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise _no_drawings(classes, reprlib.repr(pair))
            if isinstance(pair[1], list | tuple) and not pair[1]:
                raise _no_drawings(classes, "one without strokes")
            label = pair[0]
            if not is_whole(label) or not 0 <= label < classes:
                raise _no_drawings(classes, f"the label {reprlib.repr(label)}")
        return [(int(label), _checked(strokes)) for label, strokes in value]


def is_whole(value: Any) -> bool:
    """Say whether it is a whole number, of Python or NumPy; a truth value is none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _no_drawings(classes: int, came: str) -> traitlets.TraitError:
    return traitlets.TraitError(
        f"drawings must be pairs of a label from 0 to {classes - 1} and the strokes of a drawing, "
        f"not {came}; assign [(7, canvas.strokes)], or [] to forget all"
    )


def _checked(value: Any) -> Strokes:
    try:
        return check_strokes(value)
    except ValueError as error:
        raise traitlets.TraitError(str(error)) from error


class DigitCanvas(anywidget.AnyWidget):
    """Paper to draw a digit on, the 28 × 28 pixels that the network sees, and its answer.

    The answer is updated when a stroke ends. If no one can draw, as when a notebook is executed
    without a browser, a picture of a sample digit and its prediction is shown instead.

    Parameters
    ----------
    network : Network, optional
        The network that reads the digit, of images in MNIST's form, 28 × 28 pixels. Default:
        `RECORD`, the most accurate that comes with the package.
    class_names : sequence of str, optional
        The name of each class, from 0 on: letters, say. Default: its number.

    Attributes
    ----------
    strokes : list
        The drawing: for each stroke, a list of points ``[x, y]``, from 0 (left or top) to 1.
        Assign to it to draw from Python. At most 5,000 points; anything else is a TraitError.
    prediction : Prediction or None
        The network's answer, or None if nothing is drawn. If the drawing does not seem to be one
        digit, the prediction's ``doubt`` says so.
    kept : pair of arrays
        What was kept with its true label: images, (N, 784), and labels, (N,).
    drawings : list
        The same as pairs, (label, strokes). Assign an empty list to forget them all.
    """

    _esm: Path | str = Path(__file__).with_name("canvas.js")
    strokes = StrokesTrait().tag(sync=True)
    seen = traitlets.Bytes().tag(sync=True)
    probabilities = traitlets.List(traitlets.Float()).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    message = traitlets.Unicode(NOTHING).tag(sync=True)
    drawings = DrawingsTrait().tag(sync=True)
    # How many times the browser has changed the strokes, and how many of these changes have been
    # read. While the two differ, the browser shows that it is waiting for an answer.
    changes = traitlets.Int(0).tag(sync=True)
    changes_read = traitlets.Int(0).tag(sync=True)

    def __init__(
        self, network: Network | None = None, *, class_names: Sequence[str] | None = None
    ) -> None:
        if network is None:
            network = load_model(RECORD)
        check_network(network, SIDE**2)
        _, names = name_classes(class_names, network.neuron_layers[-1])
        self._network, self._class_names = network, class_names
        self.prediction: Prediction | None = None
        super().__init__(names=names)
        # JupyterLab sends strokes to a kernel thread that is free while cells run. ipykernel 7.4
        # would pass them on to the thread that last sent to the browser: the one that runs cells.
        self.comm._reply_subshell_for = None

    @traitlets.observe("strokes", "changes")
    def _read(self, change: Any) -> None:
        # Usually both change together. The strokes change alone if drawn from Python; the counter
        # changes alone if the changes made while the kernel was busy have undone each other.
        if change["name"] == "changes" and self.changes_read == self.changes:
            return
        seen, self.prediction, message = b"", None, NOTHING
        if self.strokes:
            digit = prepare_strokes(self.strokes)
            seen = np.round(255 * digit).astype(np.uint8).tobytes()
            self.prediction = self._ask(digit)
            message = say(self.prediction)
        with self.hold_sync():  # everything in one message
            self.seen = seen
            self.probabilities = (
                [] if not self.prediction else self.prediction.probabilities.tolist()
            )
            self.message = message
            self.changes_read = self.changes

    @property
    def kept(self) -> tuple[Floats, Labels]:
        """Images and labels of the drawings that were kept."""
        images = [prepare_strokes(strokes).ravel() for _, strokes in self.drawings]
        X = np.array(images, np.float32).reshape(-1, SIDE**2)
        return X, np.array([label for label, _ in self.drawings], np.intp)

    def _ask(self, digit: Floats) -> Prediction:
        return read_drawing(self._network, digit.reshape(1, -1), self._class_names)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the browser sends; what is refused leaves the last drawing there."""
        sent = {name: sync_data[name] for name in ("strokes", "drawings") if name in sync_data}
        try:
            checked = {name: self.traits()[name].validate(self, sent[name]) for name in sent}
        except traitlets.TraitError as error:
            kept = {name: sync_data[name] for name in sync_data if name not in sent}
            # Read, so that the last drawing is not read again and the browser does not wait.
            super().set_state(kept | {"changes_read": kept.get("changes", self.changes)})
            self.message = str(error)
            self.send_state([*sent, "changes_read"])
        else:
            super().set_state(sync_data | checked)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        ipython = get_ipython()
        request = ipython.kernel.get_parent("shell") if hasattr(ipython, "kernel") else {}
        # A client that runs a notebook without a browser does not allow input either.
        if request.get("content", {}).get("allow_stdin"):
            return super()._repr_mimebundle_(**kwargs)
        page, text = self._still()
        metadata = {"image/png": {"width": page.width // 2}}
        return {"image/png": base64.b64encode(png(page)).decode(), "text/plain": text}, metadata

    def _still(self) -> tuple[Image.Image, str]:
        """Return what is shown where no one can draw: a picture, twice its size, and a text."""
        strokes = self.strokes or _SAMPLE
        digit = prepare_strokes(strokes)
        prediction = self._ask(digit)
        page = plot_prediction(
            digit.ravel(),
            prediction.probabilities,
            picture=read_picture(_drawing(strokes)),
            class_names=self._class_names,
            sure=prediction.doubt is None,
        )
        return page, repr(prediction)


def say(prediction: Prediction) -> str:
    """Say in a sentence what the network reads, and what it is, if that is known and another."""
    if prediction.doubt:
        return f"Not sure: {prediction.doubt}"
    message = f"The network reads {_name(prediction, prediction.digit)}"
    if prediction.label is not None and prediction.label != prediction.digit:
        message += f", but it is {_name(prediction, prediction.label)}"
    return message


def _name(prediction: Prediction, number: int) -> str:
    if prediction.class_names is not None:
        return prediction.class_names[number]
    return f"{'an' if number in (8, 11, 18) else 'a'} {number}"


def _drawing(strokes: Strokes) -> Image.Image:
    """Draw the strokes as the browser shows them, black on white."""
    drawing = Image.new("L", (_PAPER, _PAPER), 255)
    brush = ImageDraw.Draw(drawing)
    for stroke in strokes:
        points = [(_PAPER * x, _PAPER * y) for x, y in stroke]
        brush.line(points, fill=0, width=_BRUSH, joint="curve")
        for x, y in (points[0], points[-1]):
            brush.circle((x, y), _BRUSH / 2, fill=0)
    return drawing
