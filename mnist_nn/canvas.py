"""A widget for notebooks: draw a digit and see what the network makes of it, stroke by stroke."""

import base64
import io
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from IPython import get_ipython
from PIL import Image, ImageDraw

from mnist_nn.inference import Prediction, read_digit
from mnist_nn.network import Network, check_network
from mnist_nn.plots import plot_prediction
from mnist_nn.preparation import ImageError, prepare_digit, read_picture
from mnist_nn.storage import MODELS_DIR, load_model

_SIDE, _BRUSH = 280, 20  # pixels
_SAMPLE = [[[0.3, 0.24], [0.48, 0.23], [0.7, 0.24], [0.56, 0.5], [0.46, 0.8]]]


class DigitCanvas(anywidget.AnyWidget):
    """Paper to draw a digit on, the 28 × 28 pixels that the network sees of it, and its answer.

    The answer comes when a stroke ends. Where no one can draw, as when a notebook is executed
    without a browser, a picture of a sample digit and its prediction stands in its place.

    Parameters
    ----------
    network : Network, optional
        The network to ask. Default: ``models/record.npz``, the most accurate that is here.

    Attributes
    ----------
    strokes : list
        What is drawn: for each stroke its points ``[x, y]``, from 0 at the left and at the top to
        1. To assign to it draws from Python.
    prediction : Prediction or None
        The network's answer, if there is a digit on the paper.
    """

    _esm = Path(__file__).with_name("canvas.js")
    strokes = traitlets.List(
        traitlets.List(traitlets.List(traitlets.Float(), minlen=2, maxlen=2), minlen=1)
    ).tag(sync=True)
    seen = traitlets.Bytes().tag(sync=True)
    probabilities = traitlets.List(traitlets.Float()).tag(sync=True)
    message = traitlets.Unicode("Nothing drawn yet").tag(sync=True)
    # How often the browser has changed the strokes, and up to which change they have been read:
    # until the two are equal again, it says that it waits for an answer.
    changes = traitlets.Int(0).tag(sync=True)
    changes_read = traitlets.Int(0).tag(sync=True)

    def __init__(self, network: Network | None = None) -> None:
        if network is None:
            network = load_model(MODELS_DIR / "record.npz")
        check_network(network)
        self._network = network
        self.prediction: Prediction | None = None
        super().__init__()
        # JupyterLab sends strokes to a thread of the kernel that is free while cells run. ipykernel
        # 7.4 would pass them on to the one that has sent to the browser last: the thread of cells.
        self.comm._reply_subshell_for = None

    @traitlets.observe("strokes", "changes")
    def _read(self, change: Any) -> None:
        # Mostly both change at once; the strokes alone if drawn from Python, and the number alone
        # if those changes of a busy time that came in one message have undone each other.
        if change["name"] == "changes" and self.changes_read == self.changes:
            return
        seen, self.prediction, message = b"", None, "Nothing drawn yet"
        if self.strokes:
            try:
                digit = prepare_digit(_drawing(self.strokes))
            except ImageError:
                message = "That is no digit: clear it, and draw another"
            else:
                seen = np.round(255 * digit).astype(np.uint8).tobytes()
                self.prediction = read_digit(self._network, digit.reshape(1, -1))
                message = f"The network reads a {self.prediction.digit}"
        with self.hold_sync():  # all in one message
            self.seen = seen
            self.probabilities = (
                [] if not self.prediction else self.prediction.probabilities.tolist()
            )
            self.message = message
            self.changes_read = self.changes

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        ipython = get_ipython()
        request = ipython.kernel.get_parent("shell") if hasattr(ipython, "kernel") else {}
        # Who runs a notebook without a browser has nobody to answer questions either.
        if request.get("content", {}).get("allow_stdin"):
            return super()._repr_mimebundle_(**kwargs)
        drawing = _drawing(self.strokes or _SAMPLE)
        x = prepare_digit(drawing).reshape(1, -1)
        prediction = read_digit(self._network, x)
        figure = plot_prediction(x[0], prediction.probabilities, picture=read_picture(drawing))
        file = io.BytesIO()
        figure.savefig(file, dpi=72, format="png")
        picture = base64.b64encode(file.getvalue()).decode()
        return {"image/png": picture, "text/plain": repr(prediction)}


def _drawing(strokes: list[list[list[float]]]) -> Image.Image:
    """Paint strokes as the browser shows them, black on white."""
    drawing = Image.new("L", (_SIDE, _SIDE), 255)
    brush = ImageDraw.Draw(drawing)
    for stroke in strokes:
        points = [(_SIDE * x, _SIDE * y) for x, y in stroke]
        brush.line(points, fill=0, width=_BRUSH, joint="curve")
        for x, y in (points[0], points[-1]):
            brush.circle((x, y), _BRUSH / 2, fill=0)
    return drawing
