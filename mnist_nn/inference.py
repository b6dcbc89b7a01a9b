"""Ask a network about one digit and see its answer: the friendly way in."""

import io
import operator
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from mnist_nn.checks import Floats, check_choice, check_labels, check_network
from mnist_nn.data import SIDE, Labels, Pixels, Split, load_split
from mnist_nn.evaluation import predict_proba
from mnist_nn.network import Network
from mnist_nn.plots import plot_prediction
from mnist_nn.preparation import Picture, prepare_digit, read_picture
from mnist_nn.progress import in_notebook
from mnist_nn.storage import NUMBER_RECOGNITION, RECORD, load_model

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "Prediction",
    "predict_image",
    "predict_index",
]


class Prediction(NamedTuple):
    """What a network reads in one image.

    Attributes
    ----------
    digit : int
        The most probable digit.
    label : int or None
        The true digit, if it is known.
    probabilities : (10,) array
        The probability of each digit.
    """

    digit: int
    label: int | None
    probabilities: Floats

    def __repr__(self) -> str:
        percent = " ".join(f"{p:.1%}" for p in self.probabilities)
        return f"Prediction(digit={self.digit}, label={self.label}, probabilities={percent})"

    # A tuple would compare the arrays element by element, and find no single answer.
    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Prediction)
            and self[:2] == other[:2]
            and np.array_equal(self.probabilities, other.probabilities)
        )

    def __ne__(self, other: object) -> bool:
        return not self == other


def predict_index(
    index: int, network: Network | None = None, *, split: Split = "test"
) -> Prediction:
    """Predict one digit of MNIST, and in a notebook show it with the ten probabilities.

    Parameters
    ----------
    index : int
        Which one, from 0.
    network : Network, optional
        The network to ask. Default: `NUMBER_RECOGNITION`, the one of notebook 03.
    split : {"test", "train"}
        Whether the index counts the 10,000 test digits or the 60,000 training digits.

    Raises
    ------
    TypeError
        If the index is not a whole number.
    IndexError
        If no digit has that index.
    ValueError
        If there is no such split.
    """
    check_choice("split", split, get_args(Split))
    try:
        position = None if isinstance(index, bool) else operator.index(index)
    except TypeError:
        position = None
    if position is None:
        raise TypeError(f"index must be a whole number, not {index!r}; try predict_index(42)")
    X, Y = _digits(split)
    if not 0 <= position < len(X):
        raise IndexError(
            f"the {split} digits are numbered 0 to {len(X) - 1}, and {position} is not among them; "
            "choose an index in that range"
        )
    if network is None:
        network = load_model(NUMBER_RECOGNITION)
    check_network(network, SIDE**2)
    x, y = X[position : position + 1], Y[position : position + 1]
    check_labels(y, 1, network.neuron_layers[-1])
    prediction = read_digit(network, x, int(Y[position]))
    _show(partial(plot_prediction, X[position], prediction.probabilities, prediction.label))
    return prediction


def predict_image(image: Picture, network: Network | None = None) -> Prediction:
    """Predict the digit in a picture of your own, and in a notebook show what the network saw.

    Parameters
    ----------
    image : path, Pillow image or array
        One digit, of any size, dark on light or light on dark: see `prepare_digit`, which makes it
        look like MNIST's.
    network : Network, optional
        The network to ask. Default: `RECORD`, the most accurate that comes with the package.

    Raises
    ------
    ImageError
        If no digit can be found in the picture.
    TypeError
        If it is not a picture.
    """
    if network is None:
        network = load_model(RECORD)
    check_network(network, SIDE**2)
    picture = read_picture(image)
    x = prepare_digit(picture).reshape(1, -1)
    prediction = read_digit(network, x)
    _show(partial(plot_prediction, x[0], prediction.probabilities, picture=picture))
    return prediction


def read_digit(network: Network, x: Floats, label: int | None = None) -> Prediction:
    """Ask a network about one digit, a row of shape ``(1, 784)``."""
    probabilities = predict_proba(network, x)[0]
    return Prediction(int(np.argmax(probabilities)), label, probabilities)


def png(image: "Image") -> bytes:
    """Encode a picture as a PNG file."""
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


def _show(draw: "Callable[[], Image]") -> None:
    if in_notebook():
        from IPython import display

        image = draw()
        display.display(display.Image(png(image), width=image.width // 2))


@cache
def _digits(split: Split) -> tuple[Pixels, Labels]:
    return load_split(split)
