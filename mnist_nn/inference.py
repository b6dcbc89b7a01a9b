"""Ask a network about one digit and see its answer: the friendly way in."""

import operator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mnist_nn.data import Labels, Pixels, Split, load_split
from mnist_nn.evaluation import make_probabilities
from mnist_nn.network import Floats, Network, check_labels, check_network
from mnist_nn.plots import plot_prediction
from mnist_nn.preparation import Picture, prepare_digit, read_picture
from mnist_nn.progress import in_notebook
from mnist_nn.storage import MODELS_DIR, load_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Prediction(NamedTuple):
    """What a network reads in one image.

    Attributes
    ----------
    digit : int
        The most probable digit.
    label : int or None
        The true digit, where it is known.
    probabilities : (10,) array
        How likely the network holds each digit to be.
    """

    digit: int
    label: int | None
    probabilities: Floats

    def __repr__(self) -> str:
        percent = " ".join(f"{p:.1%}" for p in self.probabilities)
        return f"Prediction(digit={self.digit}, label={self.label}, probabilities={percent})"


def predict_index(
    index: int, network: Network | None = None, *, split: Split = "test"
) -> Prediction:
    """Predict one digit of MNIST, and show it with the ten probabilities.

    Parameters
    ----------
    index : int
        Which one, from 0.
    network : Network, optional
        The network to ask. Default: ``models/number_recognition.npz``, as notebook 03 trained it.
    split : {"test", "train"}
        Where to look: among the 10,000 test digits or the 60,000 training digits.

    Raises
    ------
    TypeError
        If the index is not a whole number.
    IndexError
        If there is no digit of that index.
    ValueError
        If there is no such split.
    """
    if split not in ("test", "train"):
        raise ValueError(f'split must be "test" or "train", not {split!r}; choose one of the two')
    try:
        position = operator.index(index)
    except TypeError:
        raise TypeError(
            f"index must be a whole number, not {index!r}; try predict_index(42)"
        ) from None
    X, Y = _digits(split)
    if not 0 <= position < len(X):
        raise IndexError(
            f"the {split} digits are numbered 0 to {len(X) - 1}, and {position} is not among them; "
            "choose an index in that range"
        )
    if network is None:
        network = load_model(MODELS_DIR / "number_recognition.npz")
    check_network(network)
    x, y = X[position : position + 1], Y[position : position + 1]
    check_labels(y, 1, network.neuron_layers[-1])
    prediction = read_digit(network, x, int(Y[position]))
    _show(plot_prediction(X[position], prediction.probabilities, prediction.label))
    return prediction


def predict_image(image: Picture, network: Network | None = None) -> Prediction:
    """Predict the digit in a picture of your own, and show what the network saw of it.

    Parameters
    ----------
    image : path, Pillow image or array
        One digit, of any size, dark on light or light on dark: see `prepare_digit`, which makes it
        look like MNIST's.
    network : Network, optional
        The network to ask. Default: ``models/record.npz``, the most accurate that is here.

    Raises
    ------
    ImageError
        If there is no digit to be had from the picture.
    TypeError
        If it is no picture at all.
    """
    if network is None:
        network = load_model(MODELS_DIR / "record.npz")
    check_network(network)
    picture = read_picture(image)
    x = prepare_digit(picture).reshape(1, -1)
    prediction = read_digit(network, x)
    _show(plot_prediction(x[0], prediction.probabilities, picture=picture))
    return prediction


def read_digit(network: Network, x: Floats, label: int | None = None) -> Prediction:
    """Ask a network about one digit, a row of shape ``(1, 784)``."""
    probabilities = make_probabilities(network, x)[0]
    return Prediction(int(np.argmax(probabilities)), label, probabilities)


def _show(figure: "Figure") -> None:
    if in_notebook():
        from IPython.display import display

        display(figure)
    elif figure.canvas.manager is not None:
        figure.show()


@cache
def _digits(split: Split) -> tuple[Pixels, Labels]:
    return load_split(split)
