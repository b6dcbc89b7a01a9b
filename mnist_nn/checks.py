"""What a person may pass to a function: arrays, labels, counts, numbers, choices.

There is one function for each kind of argument, and so one wording for each mistake. `requires`
declares such checks beside an equation, so that its body stays the equation.
"""

import inspect
import math
import numbers
from collections.abc import Callable, Sequence
from functools import wraps
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
        they are wrong.
    """

    def decorate(function: Callable[P, R]) -> Checked[P, R]:
        signature = inspect.signature(function)
        names = [(check, list(inspect.signature(check).parameters)) for check in checks]

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


def check_count(name: str, value: Any, lowest: int = 1, highest: int | None = None) -> None:
    """Raise ValueError unless ``value`` is a whole number from ``lowest`` to ``highest``."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
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
) -> None:
    """Raise ValueError unless ``value`` is a finite number within the bounds that are given."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if (
        not number
        or not math.isfinite(value)
        or (above is not None and value <= above)
        or (at_least is not None and value < at_least)
        or (below is not None and value >= below)
    ):
        limits = {"above": above, "of at least": at_least, "below": below}
        bounds = " and ".join(f"{word} {n:g}" for word, n in limits.items() if n is not None)
        expected = f"{name} must be a finite number {bounds}".rstrip()
        raise ValueError(f"{expected}, not {value!r}; choose another")


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise ValueError unless ``value`` is one of the words."""
    if not isinstance(value, str) or value not in choices:
        *others, last = (f'"{choice}"' for choice in choices)
        raise ValueError(
            f"{name} must be {', '.join(others)} or {last}, not {value!r}; choose one of these"
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
    """Raise TypeError unless ``value`` is a path, or None where there is a default."""
    if value is not None and (not isinstance(value, str | Path) or not str(value)):
        raise TypeError(f'{name} must be the path of a file or folder, not {value!r}; try "data"')


def check_array(name: str, value: Any) -> None:
    """Raise TypeError unless ``value`` is a NumPy array: a Series is not indexed by position."""
    if not isinstance(value, np.ndarray):
        raise TypeError(
            f"{name} must be a NumPy array, not {type(value).__name__}; convert it with np.asarray"
        )


def check_pixels(X: Any, n_in: int) -> None:
    """Raise unless ``X`` is an array with ``n_in`` floats per row."""
    check_array("X", X)
    if X.ndim != 2 or X.shape[1] != n_in:
        raise ValueError(
            f"X must have one digit per row, shape (N, {n_in}), not {X.shape}; "
            "reshape a single digit with X.reshape(1, -1), turn columns into rows with X.T"
        )
    if X.dtype.kind != "f":
        raise ValueError(
            f"X must hold fractions from 0 to 1, not {X.dtype}; divide the pixels by 255 first"
        )


def check_labels(Y: Any, rows: int, classes: int, name: str = "Y") -> None:
    """Raise unless ``Y`` holds one label from 0 to ``classes - 1`` for each of the rows."""
    check_array(name, Y)
    if Y.shape != (rows,) or Y.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must have one integer label for each of {rows} digits, shape ({rows},), not "
            f"{Y.dtype} of shape {Y.shape}; turn one-hot rows into labels with argmax(axis=1)"
        )
    if rows == 0:
        raise ValueError(f"{name} must hold at least one label, and is empty; check the data")
    if not 0 <= Y.min() <= Y.max() < classes:
        raise ValueError(
            f"{name} must hold labels from 0 to {classes - 1}, one for each output of the network, "
            f"not {Y.min()} to {Y.max()}; number the classes from 0 or make the last layer wider"
        )


def check_probabilities(probabilities: Any, Y: Any) -> None:
    """Raise unless there is one row of probabilities, and one label, for each digit."""
    if not isinstance(probabilities, np.ndarray) or probabilities.ndim != 2:
        came = getattr(probabilities, "shape", type(probabilities).__name__)
        raise TypeError(
            f"probabilities must be an array of shape (N, classes), not {came}; predict_proba "
            "returns one, and so does forward_prop as the last of its list"
        )
    check_labels(Y, *probabilities.shape)


def check_activation(activation: Any) -> None:
    """Raise ValueError unless it is the name of an activation."""
    check_choice("activation", activation, get_args(Activation))


def check_neuron_layers(neuron_layers: Any) -> None:
    """Raise ValueError unless it lists the sizes of two layers or more."""
    if not isinstance(neuron_layers, Sequence | np.ndarray) or len(neuron_layers) < 2:
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
    if dropout and rng is None:
        raise ValueError("dropout is random and needs a source, not None; pass rng, such as rng=0")


def check_input(network: Any, X: Any) -> None:
    """Raise unless ``network`` is a network, and ``X`` fits its first layer."""
    _check_type(network)
    check_activation(network.activation)
    check_pixels(X, len(network.w[0]))


def check_activations(network: Any, activations: Any, Y: Any) -> None:
    """Raise unless ``activations`` has one array per layer, and one row per label."""
    _check_type(network)
    check_activation(network.activation)
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
    check_probabilities(activations[-1], Y)
    widths = [len(network.w[0]), *(len(b) for b in network.b)]
    came = [getattr(A, "shape", type(A).__name__) for A in activations]
    if came != [(len(Y), n) for n in widths]:
        raise ValueError(
            f"activations must have a row for each of {len(Y)} labels and {widths} columns, not "
            f"shapes {came}; pass all that forward_prop(network, X) returns for the same digits"
        )


def check_digits(network: Any, X: Any, Y: Any) -> None:
    """Raise unless the network is sound, and ``X`` and ``Y`` are digits and labels that fit it."""
    check_network(network)
    check_pixels(X, len(network.w[0]))
    check_labels(Y, len(X), len(network.b[-1]))
    if not np.isfinite(X).all():
        raise ValueError("X must hold finite pixels, not NaN or infinity; look where it comes from")


def check_network(network: Any) -> None:
    """Raise unless the layers chain, the numbers are finite and the activation is known."""
    _check_type(network)
    w, b, activation = network
    check_activation(activation)
    shapes = [p.shape for p in [*w, *b]]
    widths = [n for p in [*w[:1], *b] for n in p.shape[:1]]
    if not w or shapes != [*pairwise(widths), *((n_out,) for n_out in widths[1:])]:
        raise ValueError(
            "a network needs a w of shape (n_in, n_out) and a b of shape (n_out,) for each layer, "
            f"each n_in the n_out before it, not {shapes}; give all of its layers, in order"
        )
    types = {str(p.dtype) for p in [*w, *b]}
    if types != {"float32"} and types != {"float64"}:
        raise ValueError(
            f"a network needs float32 or float64 parameters throughout, not {sorted(types)}; "
            "convert each w and b with astype(np.float32)"
        )
    if not all(np.isfinite(p).all() for p in [*w, *b]):
        raise ValueError(
            "a network needs finite parameters, but one is NaN or infinite; train it again with a "
            "lower learning rate"
        )


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
    if not 0 < len(network.w) == len(network.b):
        raise ValueError(
            "a network needs a w and a b for each layer, and one layer or more, not "
            f"{len(network.w)} and {len(network.b)}; give all of its layers, in order"
        )
