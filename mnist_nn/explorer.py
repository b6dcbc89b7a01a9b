"""A notebook widget: take a network apart, and see at once what it still reads."""

import io
import reprlib
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from pathlib import Path
from typing import Any, get_args

import numpy as np
import traitlets
from PIL import Image

from mnist_nn.canvas import NOTHING, DigitCanvas, StrokesTrait, is_whole, say
from mnist_nn.checks import (
    Activation,
    Rng,
    check_count,
    check_digits,
    check_network,
    check_networks,
    is_list,
)
from mnist_nn.data import MNIST, SIDE, Labels, Pixels, check_data, load_split
from mnist_nn.inference import read_digit, read_drawing
from mnist_nn.network import Network, forward_prop
from mnist_nn.plots import plot_activations
from mnist_nn.preparation import Strokes, prepare_strokes
from mnist_nn.storage import NUMBER_RECOGNITION, load_model

__all__ = ["NetworkExplorer"]

_TEST_DIGITS = 1000  # enough to tell 97% from 96%, and read in a few milliseconds
_STRONGEST = 8  # digits shown of a neuron

# One script: the explorer's goes on where the canvas's would say what it exports.
_CANVAS, _EXPLORER = (
    Path(__file__).with_name(name).read_text("utf-8") for name in ("canvas.js", "explorer.js")
)


def alter(
    network: Network,
    *,
    off: Sequence[Sequence[int]] = (),
    noise: float = 0.0,
    rng: Rng = 0,
    biases: bool = True,
    activation: Activation | None = None,
) -> Network:
    """Make a network that is damaged or changed; the one that is passed stays as it is.

    Parameters
    ----------
    network : Network
    off : sequence of sequences of int
        For each hidden layer, the neurons to switch off: their activations count as 0. They act
        only through their outgoing weights, so these are set to 0. (Morcos et al. 2018, "On the
        importance of single directions for generalization", calls it ablation.)
    noise : float
        The standard deviation of what is added to each weight, relative to that of the weights
        of its layer. The same seed gives the same noise, only stronger or weaker.
    rng : numpy.random.Generator or int
        The source of the noise, or a seed for one.
    biases : bool
        False sets all biases to 0.
    activation : {"relu", "sigmoid"}, optional
        Another activation for the hidden layers. Default: the network's own.
    """
    w, b = [p.copy() for p in network.w], [p.copy() for p in network.b]
    if noise:
        rng = np.random.default_rng(rng)
        for weights in w:
            normal = rng.standard_normal(weights.shape, weights.dtype.type)
            weights += normal * weights.dtype.type(noise * weights.std())
    if not biases:
        b = [np.zeros_like(p) for p in b]
    for outgoing, neurons in zip(w[1:], off, strict=False):
        outgoing[list(neurons)] = 0
    return Network(w, b, activation or network.activation)


class OffTrait(traitlets.TraitType[list[list[int]], Any]):
    """For each hidden layer, the numbers of the neurons that are off."""

    def make_dynamic_default(self) -> list[list[int]]:
        """Give each widget a list of its own."""
        return []

    # Who changed the very list that the widget holds would change nothing: that goes unnoticed, as
    # does the assignment of an equal list afterwards.
    def get(self, obj: Any, cls: Any = None) -> list[list[int]]:
        """Return a copy."""
        return [[*neurons] for neurons in super().get(obj, cls) or []]

    def validate(self, obj: Any, value: Any) -> list[list[int]]:
        """Return the numbers sorted, each once.

        Raises
        ------
        TraitError
            If they are no neurons of the hidden layers.
        """
        hidden = obj.layers[1:-1]
        lists = is_list(value) and all(
            is_list(part) and not isinstance(part, str) for part in value
        )
        if not lists or len(value) != len(hidden):
            came = len(value) if lists else reprlib.repr(value)
            raise traitlets.TraitError(
                f"off must have a list for each of {len(hidden)} hidden layers, not {came}; "
                "write the numbers of the neurons to switch off, from 0, into that of their layer"
            )
        for neurons, width in zip(value, hidden, strict=True):
            for neuron in neurons:
                if not is_whole(neuron) or not 0 <= neuron < width:
                    raise traitlets.TraitError(
                        f"off must number neurons from 0 to {width - 1}, not {neuron!r}; choose "
                        "one of these"
                    )
        return [sorted({int(neuron) for neuron in neurons}) for neurons in value]


class NetworkExplorer(DigitCanvas):
    """A network to take apart: draw a digit, watch every layer, and switch off what you like.

    The activations follow the pen. Point at a neuron to see its weights; click it to see the test
    digits that excite it most. Whatever you change, the answer and the accuracy on 1,000 test
    digits follow at once. If no one can draw, as when a notebook is executed without a browser, a
    picture of every layer's activations is shown instead.

    Parameters
    ----------
    network : Network or dict, optional
        The network, of images in MNIST's form, 28 × 28 pixels. Or snapshots of its training, to
        move through with a slider: ``{epoch: network, …}``, all with the same layers and
        activation. Default: `NUMBER_RECOGNITION`, the network of notebook 03.
    data : MNIST, optional
        The data whose first 1,000 test images are read. Default: MNIST.
    class_names : sequence of str, optional
        The name of each class, from 0 on. Default: its number.

    Attributes
    ----------
    network : Network
        The network as it now is, with all that was changed: take it from here to go on in Python.
    accuracy : float
        The fraction of the test images that it reads correctly.
    prediction : Prediction or None
        Its answer, or None if there is no digit. If there is a drawing that does not seem to be one
        digit, the prediction's ``doubt`` says so.
    strokes, example : list, and int or None
        The drawing, as in `DigitCanvas`; if there is none, the test image that is shown.
    off, noise, biases, activation : list, float, bool and str
        What is changed: the neurons that are off, a list for each hidden layer; the noise on the
        weights, from 0 to 2 of their standard deviations; whether there are biases; "relu" or
        "sigmoid". Assign to them to change it from Python; what does not fit is a TraitError.
        Changing the lists in ``off`` has no effect: they are copies.
    epoch : int
        The snapshot that is shown.
    kept, drawings : pair of arrays, and list
        As in `DigitCanvas`, but its form that keeps drawings is hidden: assign to ``drawings``.

    Raises
    ------
    TypeError, ValueError
        If the networks, the data and the names do not fit together.
    """

    _esm = _CANVAS.rpartition("export default")[0] + _EXPLORER
    stroke = StrokesTrait().tag(sync=True)  # the one being drawn: [points], or [] if there is none
    example = traitlets.Int(0, min=0, allow_none=True).tag(sync=True)
    off = OffTrait().tag(sync=True)
    noise = traitlets.Float(0.0).tag(sync=True)
    biases = traitlets.Bool(True).tag(sync=True)
    activation = traitlets.Enum(get_args(Activation), "relu").tag(sync=True)
    epoch = traitlets.Int().tag(sync=True)
    neuron = traitlets.List(traitlets.Int()).tag(sync=True)  # looked at: its layer, its number
    # What the browser shows, apart from the answer.
    layers = traitlets.List(traitlets.Int()).tag(sync=True)
    epochs = traitlets.List(traitlets.Int()).tag(sync=True)
    activations = traitlets.Bytes().tag(sync=True)  # float32, one layer after the other
    brightest = traitlets.List(traitlets.Float()).tag(sync=True)  # of each layer's activations
    accuracy = traitlets.Float().tag(sync=True)
    untouched = traitlets.Float().tag(sync=True)  # the accuracy before anything was changed
    own_activation = traitlets.Unicode().tag(sync=True)  # what a reset goes back to
    tested = traitlets.Int().tag(sync=True)
    detail = traitlets.Dict().tag(sync=True)  # of the neuron looked at

    def __init__(
        self,
        network: Network | Mapping[int, Network] | None = None,
        *,
        data: MNIST | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        snapshots = load_model(NUMBER_RECOGNITION) if network is None else network
        self._snapshots = _by_epoch(snapshots)
        last = self._snapshots[max(self._snapshots)]
        if data is not None:
            check_data(data)
        self._X, self._Y = _test_digits() if data is None else _first(data.test_X, data.test_Y)
        check_digits(last, self._X, self._Y, names=("data.test_X", "data.test_Y"))
        self._noisy: Any = None
        self._changed: Any = None
        self._shown: Any = None
        super().__init__(last, class_names=class_names)
        with self.hold_sync():
            self.layers, self.epochs = last.neuron_layers, [*self._snapshots]
            self.tested, self.own_activation = len(self._X), last.activation
            self.reset()
            self._read(None)  # not yet done if the reset has changed nothing
            self.untouched = self.accuracy
            self.neuron = [1, int(self._activations[1].argmax())]

    @property
    def network(self) -> Network:
        """The network as it now is."""
        return self._network

    def reset(self) -> None:
        """Put the network back as it was; the digit stays."""
        with self.hold_trait_notifications():
            self.off = [[] for _ in self.layers[1:-1]]
            self.noise, self.biases = 0.0, True
            self.epoch = self.epochs[-1]
            self.activation = self._snapshots[self.epoch].activation

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the browser sends; what is refused changes nothing, and is shown why."""
        try:
            super().set_state(sync_data)
        except traitlets.TraitError as error:
            self.changes = sync_data.get("changes", self.changes)  # read, or it would wait
            self.message = str(error)
            self.send_state()

    @traitlets.validate("stroke")
    def _check_stroke(self, proposal: Any) -> Strokes:
        stroke: Strokes = proposal["value"]
        self.traits()["strokes"].validate(self, [*self.strokes, *stroke])  # not too many in all
        return stroke

    @traitlets.validate("noise")
    def _check_noise(self, proposal: Any) -> float:
        noise: float = proposal["value"]
        if not 0 <= noise <= 2:  # which NaN is not either
            raise traitlets.TraitError(
                f"noise must be a number from 0 to 2, not {noise:g}; give it in standard "
                "deviations of a layer's weights"
            )
        return noise

    @traitlets.validate("epoch")
    def _check_epoch(self, proposal: Any) -> int:
        epoch: int = proposal["value"]
        if epoch not in self._snapshots:
            raise traitlets.TraitError(
                f"epoch must be one of {[*self._snapshots]}, not {epoch}; choose one of these, or "
                "pass a snapshot of that epoch"
            )
        return epoch

    @traitlets.validate("example")
    def _check_example(self, proposal: Any) -> int | None:
        example: int | None = proposal["value"]
        if example is not None and example >= len(self._X):
            raise traitlets.TraitError(
                f"example must number a test image from 0 to {len(self._X) - 1}, not {example}; "
                "choose one of these, or None"
            )
        return example

    @traitlets.validate("neuron")
    def _check_neuron(self, proposal: Any) -> list[int]:
        neuron: list[int] = proposal["value"]
        layer, number = neuron if len(neuron) == 2 else (0, 0)
        if not 0 < layer < len(self.layers) or not 0 <= number < self.layers[layer]:
            raise traitlets.TraitError(
                f"neuron must be a layer, from 1, and a number in it, from 0, not {neuron}; the "
                f"network has the layers {self.layers}"
            )
        return neuron

    @traitlets.observe(
        *("strokes", "stroke", "example", "changes", "neuron"),
        *("off", "noise", "biases", "activation", "epoch"),
    )
    def _read(self, change: Any) -> None:  # noqa: ARG002
        # Several may change in one message: each thing is computed for the first of them only.
        changed = self.off, self.noise, self.biases, self.activation, self.epoch
        shown = [*self.strokes, *self.stroke], self.example
        with self.hold_sync():  # everything in one message
            if changed != self._changed:
                self._take_apart()
            if changed != self._changed or shown != self._shown:
                self._answer(*shown)
            self._changed, self._shown = changed, shown
            if self.neuron:
                self.detail = self._detail(*self.neuron)
            self.changes_read = self.changes

    def _take_apart(self) -> None:
        # Drawing the noise takes longer than all the rest: it is kept for the next change.
        if self._noisy is None or self._noisy[0] != (self.epoch, self.noise):
            noisy = alter(self._snapshots[self.epoch], noise=self.noise)
            self._noisy = (self.epoch, self.noise), noisy
        self._network = alter(
            self._noisy[1], off=self.off, biases=self.biases, activation=self.activation
        )
        self._test_activations = forward_prop(self._network, self._X)
        self.accuracy = float((self._test_activations[-1].argmax(axis=1) == self._Y).mean())
        # Of a ReLU, a few may be extreme; the brightness should suit the rest.
        self.brightest = [
            float(np.quantile(A[:100], 0.99)) or 1.0 for A in self._test_activations[1:]
        ]

    def _answer(self, strokes: Strokes, example: int | None) -> None:
        x, label = None, None
        if strokes:
            x = prepare_strokes(strokes).ravel()
        elif example is not None:
            x, label = self._X[example], int(self._Y[example])
        if x is None:
            self.seen, self.probabilities, self.activations, self.prediction = b"", [], b"", None
            self.message = NOTHING
            return
        self._activations = forward_prop(self._network, x[None])
        for A, neurons in zip(self._activations[1:], self.off, strict=False):
            A[:, neurons] = 0
        self.prediction = (
            read_drawing(self._network, x[None], self._class_names)
            if strokes
            else read_digit(self._network, x[None], label, self._class_names)
        )
        self.message = say(self.prediction)
        self.seen = np.round(255 * x).astype(np.uint8).tobytes()
        self.activations = np.concatenate(
            self._activations[1:], axis=None, dtype=np.float32
        ).tobytes()
        self.probabilities = self.prediction.probabilities.tolist()

    def _detail(self, layer: int, number: int) -> dict[str, Any]:
        """Collect what is shown of a neuron, arrays as bytes: float32, and uint8 for images."""
        w = self._network.w
        incoming = w[layer - 1][:, number]
        outgoing = w[layer][number] if layer < len(w) else incoming[:0]
        # What its input would be, per pixel, were every layer before it linear.
        pixels = reduce(lambda back, before: before @ back, reversed(w[: layer - 1]), incoming)
        excited = self._test_activations[layer][:, number]
        strongest = np.argsort(-excited, kind="stable")[:_STRONGEST]
        strongest = strongest[excited[strongest] > 0]
        numbers = {"incoming": incoming, "outgoing": outgoing, "pixels": pixels}
        return {name: a.astype(np.float32).tobytes() for name, a in numbers.items()} | {
            "neuron": [layer, number],
            "bias": float(self._network.b[layer - 1][number]),
            "digits": np.round(255 * self._X[strongest]).astype(np.uint8).tobytes(),
            "labels": self._Y[strongest].tolist(),
            "excited": excited[strongest].tolist(),
        }

    def _still(self) -> tuple[Image.Image, str]:
        text = (
            f"{self._network!r}, {self.accuracy:.1%} of {self.tested:,} test digits read correctly"
        )
        figure = plot_activations(self._activations, class_names=self._class_names)
        file = io.BytesIO()
        figure.savefig(file, dpi=200, bbox_inches="tight")
        return Image.open(file), text


def _first(X: Pixels, Y: Labels) -> tuple[Pixels, Labels]:
    # Copies: a view would keep the whole test set in memory, for as long as the widget lives.
    return X[:_TEST_DIGITS].copy(), Y[:_TEST_DIGITS].copy()


@cache
def _test_digits() -> tuple[Pixels, Labels]:
    return _first(*load_split("test"))


def _by_epoch(network: Any) -> dict[int, Network]:
    """Sort the snapshots by epoch; a single network is the only one."""
    if not isinstance(network, Mapping):
        check_network(network, SIDE**2)
        return {0: network}
    for epoch in network:
        check_count("each epoch of network", epoch, 0)
    snapshots = {int(epoch): network[epoch] for epoch in sorted(network)}
    check_networks("snapshots", [*snapshots.values()], at_least=1)
    check_network(next(iter(snapshots.values())), SIDE**2)  # and so all the others
    return snapshots
