"""Ask a network about one digit and see its answer: the friendly way in."""

import io
import operator
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np

from mnist_nn.checks import (
    Floats,
    check_choice,
    check_labels,
    check_network,
    image_shape,
    name_classes,
)
from mnist_nn.data import MNIST, SIDE, Labels, Pixels, Split, check_data, load_split
from mnist_nn.evaluation import predict_proba
from mnist_nn.files import SHIPPED
from mnist_nn.network import Network
from mnist_nn.plots import plot_prediction
from mnist_nn.preparation import Picture, prepare_digit, read_picture
from mnist_nn.progress import in_notebook
from mnist_nn.storage import NUMBER_RECOGNITION, RECORD, load_model

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "DIGIT_OR_NOT",
    "MOST_DOUBT",
    "Prediction",
    "predict_image",
    "predict_index",
]

DIGIT_OR_NOT = SHIPPED / "models" / "digit_or_not.npz"
"""A small network that tells one digit (class 0) from everything else (class 1)."""

MOST_DOUBT = 0.4
"""How probable it may be, to that network, that an image is not one digit."""


class _Answer(NamedTuple):
    digit: int
    label: int | None
    probabilities: Floats


class Prediction(_Answer):
    """What a network reads in one image.

    Attributes
    ----------
    digit : int
        The most probable digit; of other data, the number of the most probable class.
    label : int or None
        The true one, if it is known.
    probabilities : (classes,) array
        The probability of each.
    class_names : tuple of str or None
        What the classes are called, to show them by. It is no item of the tuple, which has three,
        and neither is the next.
    doubt : str or None
        Why the answer is not to be relied on, or None: the image does not look like one digit (see
        `MOST_DOUBT`), or no class is more probable than all the others together. Only drawings and
        pictures of your own are looked at in that way.
    """

    class_names: tuple[str, ...] | None = None
    doubt: str | None = None

    # That of a named tuple copies its items alone.
    def _replace(self, **changes: Any) -> "Prediction":
        prediction = super()._replace(**changes)
        prediction.class_names, prediction.doubt = self.class_names, self.doubt
        return prediction

    __replace__ = _replace  # for copy.replace, from Python 3.13 on

    def __repr__(self) -> str:
        doubt = f", doubt={self.doubt!r}" if self.doubt else ""
        if self.class_names is None:
            percent = " ".join(f"{p:.1%}" for p in self.probabilities)
            read = f"digit={self.digit}, label={self.label}"
            return f"Prediction({read}, probabilities={percent}{doubt})"
        names = self.class_names
        label = None if self.label is None else names[self.label]
        percent = ", ".join(
            f"{name} {p:.1%}" for name, p in zip(names, self.probabilities, strict=True)
        )
        return f"Prediction({names[self.digit]}, label={label}, probabilities={percent}{doubt})"

    # A tuple would compare the arrays element by element, and find no single answer.
    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Prediction)
            and self[:2] == other[:2]
            and np.array_equal(self.probabilities, other.probabilities)
            and (self.class_names, self.doubt) == (other.class_names, other.doubt)
        )

    def __ne__(self, other: object) -> bool:
        return not self == other


def predict_index(
    index: int,
    network: Network | None = None,
    *,
    split: Split = "test",
    data: MNIST | None = None,
    shape: tuple[int, int] | None = None,
    class_names: Sequence[str] | None = None,
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
    data : MNIST, optional
        The data to take the image from, if it is your own, with a network that was trained on it.
    shape : (int, int), optional
        The height and width of an image. Default: a square.
    class_names : sequence of str, optional
        The name of each class, from 0 on. Default: its number.

    Raises
    ------
    TypeError
        If the index is not a whole number, or the data is not an MNIST.
    IndexError
        If no digit has that index.
    ValueError
        If there is no such split, or the network, the shape or the names do not fit the data.
    """
    check_choice("split", split, get_args(Split))
    try:
        position = None if isinstance(index, bool | np.bool_) else operator.index(index)
    except TypeError:
        position = None
    if position is None:
        raise TypeError(f"index must be a whole number, not {index!r}; try predict_index(42)")
    if data is None:
        X, Y = _digits(split)
    else:
        check_data(data)
        X, Y = (data.test_X, data.test_Y) if split == "test" else (data.train_X, data.train_Y)
    if not 0 <= position < len(X):
        raise IndexError(
            f"the {split} images are numbered 0 to {len(X) - 1}, and {position} is not among them; "
            "choose an index in that range"
        )
    if network is None and data is not None:
        raise ValueError(
            "network must be one that was trained on this data, not None; pass what train returned"
        )
    if network is None:
        network = load_model(NUMBER_RECOGNITION)
    check_network(network, X.shape[1])
    shape = image_shape("data", X.shape[1], shape)
    name_classes(class_names, network.neuron_layers[-1])
    x, y = X[position : position + 1], Y[position : position + 1]
    check_labels(y, 1, network.neuron_layers[-1])
    prediction = read_digit(network, x, int(Y[position]), class_names)
    _show(
        partial(
            plot_prediction,
            X[position],
            prediction.probabilities,
            prediction.label,
            shape=shape,
            class_names=class_names,
        )
    )
    return prediction


def predict_image(
    image: Picture, network: Network | None = None, *, class_names: Sequence[str] | None = None
) -> Prediction:
    """Predict the digit in a picture of your own, and in a notebook show what the network saw.

    Parameters
    ----------
    image : path, Pillow image or array
        One digit, of any size, dark on light or light on dark: see `prepare_digit`, which makes it
        look like MNIST's. If it seems to show something else, the answer's ``doubt`` says so.
    network : Network, optional
        The network to ask, of images in MNIST's form, 28 × 28 pixels. Default: `RECORD`, the most
        accurate that comes with the package.
    class_names : sequence of str, optional
        The name of each class, from 0 on: letters, say. Default: its number.

    Raises
    ------
    ImageError
        If no digit can be found in the picture.
    TypeError
        If it is not a picture.
    ValueError
        If the network does not take 28 × 28 pixels, or there is not one name for each class.
    """
    if network is None:
        network = load_model(RECORD)
    check_network(network, SIDE**2)
    name_classes(class_names, network.neuron_layers[-1])
    picture = read_picture(image)
    x = prepare_digit(picture).reshape(1, -1)
    prediction = read_drawing(network, x, class_names)
    _show(
        partial(
            plot_prediction,
            x[0],
            prediction.probabilities,
            picture=picture,
            class_names=class_names,
            sure=prediction.doubt is None,
        )
    )
    return prediction


def read_drawing(
    network: Network, x: Floats, class_names: Sequence[str] | None = None
) -> Prediction:
    """Ask a network about an image that someone made, which may be no digit at all."""
    prediction = read_digit(network, x, class_names=class_names)
    prediction.doubt = find_doubt(x, prediction)
    return prediction


def find_doubt(x: Floats, prediction: Prediction) -> str | None:
    """Say why an answer is not to be relied on, or return None.

    A network knows its ten digits and nothing else: whatever it is shown, it chooses among them. So
    a second, small network was trained on digits and on what is none: letters, pairs of digits,
    dots, blots, scribbles and frames (``benchmarks/digit_or_not.py``). It is asked only if the
    classes are the ten digits. And whatever the classes are, there is doubt if none of them is more
    probable than all the others together.
    """
    digits = prediction.class_names is None and len(prediction.probabilities) == 10
    if digits and predict_proba(_digit_or_not(), x)[0, 1] > MOST_DOUBT:
        return "this does not look like one digit"
    if prediction.probabilities.max() <= 0.5:
        return "no answer is more probable than all the others together"
    return None


def read_digit(
    network: Network,
    x: Floats,
    label: int | None = None,
    class_names: Sequence[str] | None = None,
) -> Prediction:
    """Ask a network about one image, a row of shape ``(1, n_in)``."""
    probabilities = predict_proba(network, x)[0]
    prediction = Prediction(int(np.argmax(probabilities)), label, probabilities)
    prediction.class_names = None if class_names is None else tuple(class_names)
    return prediction


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
def _digit_or_not() -> Network:
    return load_model(DIGIT_OR_NOT)


@cache
def _digits(split: Split) -> tuple[Pixels, Labels]:
    return load_split(split)
