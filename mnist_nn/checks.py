"""What a person may pass to a function: arrays, labels, counts, numbers, choices.

There is one function for each kind of argument, and so one wording for each mistake. `requires`
declares such checks beside an equation, so that its body stays the equation.
"""

import inspect
import math
import os
import reprlib
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, ParamSpec, Protocol, TypeAlias, TypeVar, cast, get_args

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
Array: TypeAlias = NDArray[Any]
Integers: TypeAlias = NDArray[np.integer[Any]]
Activation: TypeAlias = Literal["relu", "sigmoid"]
Rng: TypeAlias = np.random.Generator | int
"""A source of randomness, or a seed for one."""

_ROUNDING = 1e-3  # by which a probability that others were averaged into may be above 1

P = ParamSpec("P")
R = TypeVar("R")


class Checked(Protocol[P, R]):
    """A function that checks its arguments; ``unchecked`` is the same without the checks."""

    unchecked: Callable[P, R]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...  # noqa: D102


def requires(*checks: Callable[..., None]) -> Callable[[Callable[P, R]], Checked[P, R]]:
    """Check a function's arguments before it runs.

    An inner loop, whose arguments have been checked once, calls ``function.unchecked`` instead.

    Parameters
    ----------
    *checks : callables
        Each takes some of the function's parameters, by the same names, and raises an exception if
        they are wrong. Its keyword-only parameters keep their defaults.
    """

    def decorate(function: Callable[P, R]) -> Checked[P, R]:
        signature = inspect.signature(function)
        names = [(check, _positional(check)) for check in checks]

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError:
                return function(*args, **kwargs)  # Python's own message names the function
            bound.apply_defaults()
            for check, parameters in names:
                check(*(bound.arguments[name] for name in parameters))
            return function(*args, **kwargs)

        checked.unchecked = function  # type: ignore[attr-defined]
        return cast("Checked[P, R]", checked)

    return decorate


def _positional(check: Callable[..., None]) -> list[str]:
    parameters = inspect.signature(check).parameters.values()
    return [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]


def check_count(name: str, value: Any, lowest: int = 1, highest: int | None = None) -> None:
    """Raise ValueError unless ``value`` is a whole number from ``lowest`` to ``highest``."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < lowest or (highest is not None and value > highest):
        bounds = f"of at least {lowest}" if highest is None else f"from {lowest} to {highest}"
        raise ValueError(f"{name} must be a whole number {bounds}, not {value!r}; choose another")


def check_number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> None:
    """Raise ValueError unless ``value`` is a finite number within the bounds that are given."""
    number = isinstance(value, int | float | np.integer | np.floating)
    if (
        not number
        or isinstance(value, bool)
        or not _is_finite(value)
        or (above is not None and value <= above)
        or (at_least is not None and value < at_least)
        or (below is not None and value >= below)
        or (at_most is not None and value > at_most)
    ):
        limits = {
            "above": above,
            "of at least": at_least,
            "below": below,
            "at most": at_most,
        }
        bounds = " and ".join(f"{word} {n:g}" for word, n in limits.items() if n is not None)
        expected = f"{name} must be a finite number {bounds}".rstrip()
        raise ValueError(f"{expected}, not {value!r}; choose another")


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the largest float
        return False


def check_learning_rate(learning_rate: Any) -> None:
    """Raise ValueError unless the learning rate is a finite number above 0."""
    check_number("learning_rate", learning_rate, above=0)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise ValueError unless ``value`` is one of the words."""
    if not isinstance(value, str) or value not in choices:
        *others, last = (f'"{choice}"' for choice in choices)
        raise ValueError(
            f"{name} must be {', '.join(others)} or {last}, not {reprlib.repr(value)}; choose one "
            "of these"
        )


def check_flag(name: str, value: Any) -> None:
    """Raise TypeError unless ``value`` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, not {value!r}; choose one of the two")


def check_function(name: str, value: Any, example: str) -> None:
    """Raise TypeError unless ``value`` can be called."""
    if not callable(value):
        raise TypeError(
            f"{name} must be a function, not {value!r}; pass the function itself, such as {example}"
        )


def check_path(name: str, value: Any) -> None:
    """Raise unless ``value`` is a path: not empty, and of characters that names can have."""
    if not isinstance(value, str | Path):
        raise TypeError(
            f'{name} must be a string or a pathlib.Path, not {value!r}; such as "models/mine.npz"'
        )
    text = str(value)
    try:
        possible = text.strip() and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise ValueError(
            f"{name} must be a path with characters that names can have, not {text!a}; check "
            "where it comes from"
        )


def check_installed(module: str, extra: str) -> None:
    """Raise ImportError unless the module, which an extra installs, is there."""
    if find_spec(module) is None:
        raise ImportError(
            f'{module} must be installed, and is not; run pip install "mnist-nn[{extra}]"',
            name=module,
        )


def check_rng(rng: Any) -> None:
    """Raise TypeError unless it is a source of randomness, or a seed for one."""
    seed = isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0
    if not seed and not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng must be a numpy.random.Generator or a whole number of at least 0, not {rng!r}; "
            "pass a seed, such as rng=0"
        )


def check_array(name: str, value: Any) -> None:
    """Raise TypeError unless ``value`` is a NumPy array: a Series is not indexed by position."""
    # Not np.ma.MaskedArray, which would import numpy.ma: 10 ms, and a lock in a forked child.
    if isinstance(value, np.ndarray) and hasattr(value, "mask"):
        raise TypeError(
            f"{name} must be a NumPy array without a mask, which products and means would ignore, "
            f"not a {type(value).__name__}; pass its .filled(0), or its .data"
        )
    if not isinstance(value, np.ndarray) or isinstance(value, np.matrix):
        raise TypeError(
            f"{name} must be a NumPy array, not {type(value).__name__}; convert it with np.asarray"
        )


def check_numbers(
    name: str,
    value: Any,
    shape: tuple[int | str, ...],
    *,
    lowest: float = -math.inf,
    highest: float = math.inf,
    kinds: str = "fiu",
) -> None:
    """Raise unless ``value`` is an array of finite numbers, of this shape and within the bounds.

    In the shape a word stands for a length of at least 1, the same word for the same length.
    """
    check_array(name, value)
    lengths = dict(zip(shape, value.shape, strict=False))
    if value.shape != tuple(lengths.get(length) for length in shape) or any(
        length != n if isinstance(length, int) else n < 1 for length, n in lengths.items()
    ):
        expected = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
        raise ValueError(
            f"{name} must have the shape {expected}, not {value.shape}; reshape or transpose it"
        )
    if value.dtype.kind not in kinds:
        numbers = "floats" if kinds == "f" else "real numbers"
        raise ValueError(
            f"{name} must hold {numbers}, not {value.dtype}; convert them with astype(float)"
        )
    check_finite(name, value)
    if value.min() < lowest or value.max() > highest + _ROUNDING:
        bounds = f"from {lowest:g} on" if highest == math.inf else f"from {lowest:g} to {highest:g}"
        raise ValueError(
            f"{name} must hold numbers {bounds}, not from {value.min():g} to {value.max():g}; look "
            "where it comes from"
        )


def check_finite(name: str, value: Array) -> None:
    """Raise ValueError if a number is NaN or infinite."""
    if not np.isfinite(value).all():
        raise ValueError(
            f"{name} must hold finite numbers, not NaN or infinity; look where it comes from"
        )


def is_list(value: Any) -> bool:
    """Tell whether ``value`` is a list, a tuple or the like, or an array with one axis."""
    return isinstance(value, Sequence) or (isinstance(value, np.ndarray) and value.ndim == 1)


def check_table(name: str, value: Any, columns: Sequence[str] | None = None) -> None:
    """Raise unless ``value`` is a DataFrame with rows, and these columns (or all) hold numbers."""
    import pandas as pd

    if not isinstance(value, pd.DataFrame):
        raise TypeError(
            f"{name} must be a pandas.DataFrame, not {type(value).__name__}; pass the whole table"
        )
    came = value.columns.tolist()
    wanted = came if columns is None else columns
    if value.empty or not set(wanted) <= set(came):
        raise ValueError(
            f"{name} must have at least one row, and the columns {wanted}, not {len(value)} rows "
            f"of {came}; pass the whole table"
        )
    for column in wanted:
        check_numbers(f"{name}[{column!r}]", value[column].to_numpy(), ("rows",))


def check_mapping(name: str, value: Any) -> None:
    """Raise TypeError unless ``value`` maps at least one name to something."""
    if not isinstance(value, Mapping) or not value:
        raise TypeError(
            f"{name} must be a dict with one entry or more, not {value!r}; name each entry by its "
            "title"
        )


def check_shape(shape: Any) -> None:
    """Raise ValueError unless it is the height and the width of an image, in pixels."""
    if not is_list(shape) or len(shape) != 2:
        raise ValueError(
            f"shape must be two whole numbers, not {reprlib.repr(shape)}; pass the height and the "
            "width of an image, such as (28, 28)"
        )
    for length in shape:
        check_count("each length in shape", length)


def image_shape(name: str, pixels: int, shape: Any) -> tuple[int, int]:
    """Return the height and the width of an image: the shape that was passed, or else a square.

    Raises
    ------
    ValueError
        If so many pixels do not have that shape.
    """
    if shape is None:
        side = math.isqrt(pixels)
        if side == 0 or side**2 != pixels:
            raise ValueError(
                f"{name} must hold square images unless their shape is passed, and {pixels} pixels "
                "are not a square; pass shape=(height, width)"
            )
        return side, side
    check_shape(shape)
    height, width = map(int, shape)
    if height * width != pixels:
        raise ValueError(
            f"shape must be the height and width of the {pixels} pixels of an image in {name}, not "
            f"{height} by {width}; look how the images are stored"
        )
    return height, width


def name_classes(class_names: Any, classes: int | None = None) -> tuple[str, list[str]]:
    """Return what a class is called, and the names of all of them.

    Without names, they are their numbers; and if there are ten, as in MNIST, they are digits.

    Raises
    ------
    ValueError
        If there is not one name for each class.
    """
    if class_names is None:
        numbers = [str(number) for number in range(classes or 0)]
        return "digit" if classes == 10 else "class", numbers
    count = len(class_names) if is_list(class_names) else 0
    if isinstance(class_names, str) or not count or (classes is not None and count != classes):
        strings = "a string" if classes is None else f"{classes} strings, one"
        raise ValueError(
            f"class_names must be a list with {strings} for each class, not "
            f"{reprlib.repr(class_names)}; name them in the order of their numbers, from 0 on"
        )
    for name in class_names:
        if not isinstance(name, str) or not name.isprintable() or not name.strip():
            raise ValueError(
                "class_names must be strings that can be written in one line, not "
                f"{reprlib.repr(name)}; choose another"
            )
    return "class", [str(name) for name in class_names]


def check_pixels(X: Any, n_in: int, name: str = "X") -> None:
    """Raise unless ``X`` is an array with ``n_in`` floats per row."""
    check_array(name, X)
    if X.ndim != 2 or X.shape[1] != n_in:
        advice = (
            f"turn gray images into rows with {name}.reshape(len({name}), -1)"
            if X.ndim > 2
            else f"reshape a single image with {name}.reshape(1, -1), turn columns into rows with "
            f"{name}.T"
        )
        raise ValueError(
            f"{name} must have one image per row, shape (N, {n_in}), not {X.shape}; {advice}"
        )
    check_fractions(name, X)


def check_fractions(name: str, value: Array) -> None:
    """Raise ValueError unless the pixels are floats."""
    if value.dtype.kind != "f":
        raise ValueError(
            f"{name} must hold fractions from 0 to 1, not {value.dtype}; divide the pixels by 255 "
            "first"
        )


def check_labels(Y: Any, rows: int | None, classes: int | None, name: str = "Y") -> None:
    """Raise unless ``Y`` holds one label from 0 to ``classes - 1`` for each of the rows.

    With None, any number of rows or of classes is right.
    """
    check_array(name, Y)
    rows = Y.size if rows is None else rows
    if Y.shape != (rows,) or Y.dtype.kind not in "iu":
        advice = (
            f"number the names with class_names, {name} = np.unique({name}, return_inverse=True)"
            if Y.dtype.kind in "OSU"
            else "turn one-hot rows into labels with argmax(axis=1)"
        )
        raise ValueError(
            f"{name} must have one integer label for each of {rows} images, shape ({rows},), not "
            f"{Y.dtype} of shape {Y.shape}; {advice}"
        )
    if rows == 0:
        raise ValueError(f"{name} must hold at least one label, and is empty; check the data")
    if not 0 <= Y.min() <= Y.max() < (math.inf if classes is None else classes):
        bounds = (
            "from 0 on" if classes is None else f"from 0 to {classes - 1}, for {classes} classes"
        )
        raise ValueError(
            f"{name} must hold labels {bounds}, not {Y.min()} to {Y.max()}; number the classes "
            "from 0, or raise the number of classes: widen the last layer, or pass more classes or "
            "class_names"
        )


def check_probabilities(probabilities: Any, Y: Any, *, name: str = "probabilities") -> None:
    """Raise unless there is one row of probabilities, and one label, for each image."""
    is_array = isinstance(probabilities, np.ndarray)
    if not is_array or probabilities.ndim != 2 or not probabilities.shape[1]:
        came = getattr(probabilities, "shape", type(probabilities).__name__)
        raise TypeError(
            f"{name} must be an array of shape (N, classes), not {came}; predict_proba "
            "returns one, and so does forward_prop as the last of its list"
        )
    check_array(name, probabilities)
    check_labels(Y, *probabilities.shape)
    shape = ("N", "classes")
    check_numbers(name, probabilities, shape, lowest=0, highest=1, kinds="f")


def check_activation(activation: Any) -> None:
    """Raise ValueError unless it is the name of an activation."""
    check_choice("activation", activation, get_args(Activation))


def check_neuron_layers(neuron_layers: Any) -> None:
    """Raise ValueError unless it lists the sizes of two layers or more."""
    if not is_list(neuron_layers) or len(neuron_layers) < 2:
        raise ValueError(
            "neuron_layers must list the sizes of at least two layers, input and output, such as "
            f"[784, 64, 32, 10], not {neuron_layers!r}"
        )
    for size in neuron_layers:
        check_count("each size in neuron_layers", size)


def check_fraction_dropped(dropout: Any) -> None:
    """Raise ValueError unless dropout is a fraction from 0 to below 1."""
    check_number("dropout", dropout, at_least=0, below=1)


def check_dropout(dropout: Any, rng: Any) -> None:
    """Raise unless dropout is a fraction below 1, with a source of randomness if it needs one."""
    check_fraction_dropped(dropout)
    if rng is not None:
        check_rng(rng)
    elif dropout:
        raise ValueError("dropout is random and needs a source, not None; pass rng, such as rng=0")


def check_fit(network: Any, X: Any) -> None:
    """Raise unless the network is sound, and ``X`` fits its first layer."""
    check_network(network)
    check_pixels(X, len(network.w[0]))


def check_input(network: Any, X: Any) -> None:
    """Raise unless the network is sound, and ``X`` fits it and is finite."""
    check_fit(network, X)
    check_finite("X", X)


def check_answers(network: Any, X: Any, activations: Sequence[Array]) -> None:
    """Raise if the activations tell of pixels or scores that are not finite.

    To look at these few numbers is much less work than to look at every pixel.
    """
    if not np.isfinite(activations[-1]).all():
        check_finite("X", X)
        raise ValueError(
            "network must have parameters with finite scores, not so large that these overflow; "
            "train it again with a lower learning rate, and pixels from 0 to 1"
        )
    if network.activation == "sigmoid":
        # It makes exactly 0 or 1 of an infinite pixel, and after that everything is finite.
        neuron = activations[1][:, 0]
        suspect = (neuron == 0) | (neuron == 1)
        if suspect.any():
            check_finite("X", X[suspect])


def check_activations(network: Any, activations: Any, Y: Any) -> None:
    """Raise unless ``activations`` has one array per layer, and one row per label."""
    check_network(network)
    layers = len(network.w) + 1
    if not isinstance(activations, Sequence) or len(activations) != layers:
        given = (
            f"{len(activations)} of them"
            if isinstance(activations, Sequence)
            else type(activations).__name__
        )
        raise TypeError(
            f"activations must be a list of {layers} arrays, one per layer, not {given}; pass all "
            "that forward_prop(network, X) returns"
        )
    for layer, A in enumerate(activations):
        check_array(f"activations[{layer}]", A)
    check_probabilities(activations[-1], Y, name="activations[-1]")
    widths = [len(network.w[0]), *(len(b) for b in network.b)]
    came = [getattr(A, "shape", type(A).__name__) for A in activations]
    if came != [(len(Y), n) for n in widths]:
        raise ValueError(
            f"activations must have a row for each of {len(Y)} labels and {widths} columns, not "
            f"shapes {came}; pass all that forward_prop(network, X) returns for the same images"
        )
    for layer, A in enumerate(activations):
        check_numbers(f"activations[{layer}]", A, ("N", "neurons"), kinds="f")


def check_digits(network: Any, X: Any, Y: Any, *, names: tuple[str, str] = ("X", "Y")) -> None:
    """Raise unless the network is sound, and ``X`` and ``Y`` are images and labels that fit it."""
    check_network(network)
    check_pixels(X, len(network.w[0]), names[0])
    check_labels(Y, len(X), len(network.b[-1]), names[1])
    check_finite(names[0], X)


def check_network(network: Any, pixels: int | None = None) -> None:
    """Raise unless the layers chain, the numbers are finite and the activation is known.

    With ``pixels``, that many have to go into the first layer.
    """
    _check_type(network)
    w, b, activation = network
    check_choice("network.activation", activation, get_args(Activation))
    shapes = [p.shape for p in [*w, *b]]
    widths = [n for p in [*w[:1], *b] for n in p.shape[:1]]
    if shapes != [*pairwise(widths), *((n_out,) for n_out in widths[1:])]:
        raise ValueError(
            "a network needs a w of shape (n_in, n_out) and a b of shape (n_out,) for each layer, "
            f"each n_in the n_out before it, not {shapes}; give all of its layers, in order"
        )
    if 0 in widths:
        raise ValueError(
            f"a network needs a neuron or more in each layer, not {widths}; leave out the w and b "
            "of the layer that has none"
        )
    types = {p.dtype for p in [*w, *b]}
    if types != {np.dtype(np.float32)} and types != {np.dtype(np.float64)}:
        raise ValueError(
            "a network needs float32 or float64 parameters throughout, not "
            f"{sorted(map(str, types))}; convert each w and b with astype(np.float32)"
        )
    if not all(np.isfinite(p).all() for p in [*w, *b]):
        raise ValueError(
            "a network needs finite parameters, but a number in its w or b is NaN or infinite; "
            "train it again with a lower learning rate"
        )
    if pixels is not None and widths[0] != pixels:
        raise ValueError(
            f"network must take {pixels} pixels, not {widths[0]}; pass one that was trained on "
            "images of that size"
        )


def check_networks(name: str, networks: Any, *, at_least: int) -> None:
    """Raise unless it lists so many sound networks, or more, of the same layers and activation."""
    if not isinstance(networks, Sequence):
        raise TypeError(
            f"{name} must be a list of networks, not {type(networks).__name__}; of snapshots that "
            "training handed to watch, pass list(snapshots.values())"
        )
    if len(networks) < at_least:
        raise ValueError(
            f"{name} must hold {at_least} or more networks, not {len(networks)}; collect what "
            "training hands to watch"
        )
    for i, network in enumerate(networks):
        try:
            check_network(network)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}[{i}] is no sound network: {error}") from None
    kinds = [(other.neuron_layers, other.activation) for other in networks]
    for kind in kinds[1:]:
        if kind != kinds[0]:
            raise ValueError(
                f"{name} must hold networks of the same layers and activation, not {kinds[0]} and "
                f"{kind}; take them from one training"
            )


def check_gradients(network: Any, gradients: Any) -> None:
    """Raise unless it is a network, with a gradient for each parameter."""
    check_network(network)
    if getattr(gradients, "_fields", None) != ("dw", "db"):
        raise TypeError(
            f"gradients must be Gradients, not {type(gradients).__name__}; backward_prop returns "
            "them"
        )
    shapes = [p.shape for p in [*network.w, *network.b]]
    came = [getattr(p, "shape", None) for part in gradients if is_list(part) for p in part]
    if came != shapes:
        raise ValueError(
            f"gradients must have the shapes of the network's parameters, {shapes}, not {came}; "
            "take them from backward_prop for the same network"
        )
    for gradient in [*gradients.dw, *gradients.db]:
        check_array("each array in gradients", gradient)
        if gradient.dtype.kind != "f":
            raise ValueError(
                f"gradients must hold floats, not {gradient.dtype}; take them from backward_prop"
            )
        check_finite("each array in gradients", gradient)


def _check_type(network: Any) -> None:
    # Known by its fields: network.py, which defines it, imports these checks.
    if getattr(network, "_fields", None) != ("w", "b", "activation"):
        raise TypeError(
            f"expected a Network, not {type(network).__name__}; init_params and load_model return "
            "one, and train returns a pair, (network, history)"
        )
    lists = isinstance(network.w, Sequence) and isinstance(network.b, Sequence)
    if not lists or not all(isinstance(p, np.ndarray) for p in [*network.w, *network.b]):
        raise TypeError(
            "a network needs lists of NumPy arrays, one w and one b for each layer; init_params "
            "and load_model return such a network"
        )
    for p in [*network.w, *network.b]:
        check_array("each w and b of the network", p)
    if not 0 < len(network.w) == len(network.b):
        raise ValueError(
            "a network needs a w and a b for each layer, and one layer or more, not "
            f"{len(network.w)} and {len(network.b)}; give all of its layers, in order"
        )
