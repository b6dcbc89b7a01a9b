"""Keep a trained network in one file: its arrays, and a card that says what they are."""

import inspect
import json
import math
import reprlib
import zipfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mnist_nn.checks import Array, Floats, check_flag, check_network, check_path
from mnist_nn.environment import environment
from mnist_nn.files import HOME, SHIPPED, UnreadableError, read_arrays, replacing
from mnist_nn.network import Gradients, Network, forward_prop

__all__ = [
    "MODELS_DIR",
    "NUMBER_RECOGNITION",
    "RECORD",
    "ModelError",
    "load_model",
    "model_card",
    "save_model",
]

MODELS_DIR = HOME / "models"
"""Where your models go: the repository's ``models``, or the working folder's if it is installed."""

NUMBER_RECOGNITION = SHIPPED / "models" / "number_recognition.npz"
"""The model of notebook 03 that comes with the package, and that `predict_index` asks."""

RECORD = SHIPPED / "models" / "record.npz"
"""The most accurate model of the package, which `predict_image` and `DigitCanvas` ask."""

_FORMAT = 1
_MOST_BYTES = 2**27  # of a model's arrays: 33 million numbers in float32
_MOST_CARD_BYTES = 2**22  # of a card: a million characters


class ModelError(ValueError):
    """The file is not a usable model; the message says which file, why, and what to do."""


def save_model(
    path: Path | str,
    network: Network,
    facts: Mapping[str, Any] | None = None,
    *,
    half_precision: bool = False,
) -> None:
    """Write a network into one ``.npz`` file.

    The file appears whole or not at all: it is written to a temporary file next to it, then moved
    into place. It holds the arrays ``w0, b0, w1, …`` and a card in JSON; no pickle is needed.

    Parameters
    ----------
    path : path
        Where to write; a file of that name is replaced.
    network : Network
    facts : mapping, optional
        What else the card should say, such as ``{"seed": 0, "test_accuracy": 0.97}``, or what the
        classes are called: names, and anything that JSON can hold; an optimizer or a function is
        described. The version of the format, the layers, the activation and the `environment` are
        always on it. With those that `reproduce` knows, it can train the network again.
    half_precision : bool
        True stores the parameters in half precision, float16: half the bytes of float32, and three
        digits of each number. `load_model` returns them as float32, in which NumPy is faster.

    Raises
    ------
    ModelError
        If the network is one that `load_model` would refuse.
    TypeError
        If an argument has another type, or a fact has one of those names, or a type that JSON
        cannot hold.
    ValueError
        If a fact is NaN or infinite, which JSON cannot represent.
    """
    check_path("path", path)
    check_flag("half_precision", half_precision)
    if not isinstance(facts, Mapping | None):
        raise TypeError(f'facts must be a dict, not {type(facts).__name__}; such as {{"seed": 0}}')
    facts = dict(facts or {})
    path = Path(path)
    _check(network, path)
    if half_precision:
        with np.errstate(over="ignore"):  # a number above 65504 becomes infinite, and is refused
            network = _cast(network, np.float16)
        _check(_cast(network, np.float32), path)
    card = {
        "format": _FORMAT,
        "neuron_layers": network.neuron_layers,
        "activation": network.activation,
        "environment": environment(),
    }
    if taken := card.keys() & facts.keys():
        raise TypeError(f"{sorted(taken)} are always on the card; leave them out of the facts")
    size = sum(p.nbytes for p in [*network.w, *network.b])
    if size > _MOST_BYTES:
        raise ModelError(
            f"{path} may hold {_MOST_BYTES:,} bytes of parameters, not {size:,}; make the network "
            "smaller"
        )
    write_archive(path, card | facts, parameter_arrays(network))


def parameter_arrays(network: Network | Gradients, prefix: str = "") -> dict[str, Floats]:
    """Name the arrays of a network, or of structures like it: ``w0, w1, …, b0, b1, …``."""
    w, b, *_ = network
    return {
        f"{prefix}{kind}{layer}": array
        for kind, arrays in (("w", w), ("b", b))
        for layer, array in enumerate(arrays)
    }


def load_model(path: Path | str) -> Network:
    """Read a network that `save_model` wrote.

    Raises
    ------
    ModelError
        If the file is missing, damaged, from another program or in a newer format, or if its layers
        do not chain, differ from its card, or hold NaN or infinity. Pickles are refused unread:
        loading one runs whatever code it carries.
    """
    check_path("path", path)
    return _read(Path(path))[0]


def model_card(path: Path | str) -> dict[str, Any]:
    """Read the card that `save_model` wrote; refuses what `load_model` refuses."""
    check_path("path", path)
    return _read(Path(path))[1]


def _read(path: Path) -> tuple[Network, dict[str, Any]]:
    try:
        card, arrays = read_archive(path, _MOST_BYTES)
    except UnreadableError as error:
        raise ModelError(
            f"{path} should be a model that save_model wrote, but {error}; check the path, or "
            "train and save the network again"
        ) from error
    if "checkpoint" in card:
        raise ModelError(
            f"{path} should be a model, but is the checkpoint of a training run; the call that "
            "wrote it returns its network"
        )
    version = card.get("format")
    if type(version) is not int or version != _FORMAT:
        raise ModelError(
            f"{path} has format {reprlib.repr(version)}, but this version of mnist_nn reads format "
            f"{_FORMAT}; update mnist_nn, or train and save the network again"
        )
    layers = range(len(arrays) // 2)
    if arrays.keys() != {f"{kind}{layer}" for layer in layers for kind in "wb"}:
        raise ModelError(
            f"{path} should hold w0, b0, w1, b1 and so on, but holds {reprlib.repr([*arrays])}; it "
            "is damaged, so train and save the network again"
        )
    network = Network(
        w=[arrays[f"w{layer}"] for layer in layers],
        b=[arrays[f"b{layer}"] for layer in layers],
        activation=card.get("activation"),  # type: ignore[arg-type]
    )
    if all(array.dtype == np.float16 for array in [*network.w, *network.b]):
        network = _cast(network, np.float32)
    _check(network, path)
    if card.get("neuron_layers") != network.neuron_layers:
        raise ModelError(
            f"{path} has the layers {reprlib.repr(network.neuron_layers)}, but its card says "
            f"{reprlib.repr(card.get('neuron_layers'))}; it is damaged, so train and save the "
            "network again"
        )
    return network, card


def write_archive(path: Path, card: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write a card, and the arrays that come with it, into one file."""
    try:
        text = json.dumps(card, default=_from_numpy, allow_nan=False, indent=2)
    except ValueError as error:  # NaN, infinity or a dict in itself
        raise ValueError(
            f"facts must be something that JSON can hold, but {error}; leave that out"
        ) from error
    if 4 * len(text) > _MOST_CARD_BYTES:
        raise ValueError(
            f"facts must fit into {_MOST_CARD_BYTES // 4:,} characters of JSON, not {len(text):,}; "
            "leave some out"
        )
    # As numpy.savez does, which until NumPy 2.2 could not be told to refuse pickles.
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in {"card": np.array(text), **arrays}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_archive(path: Path, most: int) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read a card, and the arrays that come with it, of at most so many bytes."""
    arrays = read_arrays(path, most + _MOST_CARD_BYTES)
    try:
        text = str(arrays.pop("card"))
        card = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except (KeyError, ValueError, RecursionError) as error:
        raise UnreadableError("it has no card in JSON, so another program wrote it") from error
    if not isinstance(card, dict):
        raise UnreadableError("its card is not a JSON object")
    return card, arrays


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)  # NaN and Infinity, which are not JSON, and 1e999
    return number


def _cast(network: Network, dtype: type[np.floating[Any]]) -> Network:
    w, b, activation = network
    return Network([p.astype(dtype) for p in w], [p.astype(dtype) for p in b], activation)


def _check(network: Network, path: Path) -> None:
    try:
        check_network(network)
        check_scores(network)
    except ValueError as error:
        raise ModelError(f"{path} cannot hold this network: {error}") from error


def check_scores(network: Network) -> None:
    """Raise ValueError if the parameters are so large that scores overflow: some images tell."""
    n_in = len(network.w[0])
    X = np.random.default_rng(0).random((4, n_in), network.w[0].dtype)
    X[0], X[1] = 0, 1
    with np.errstate(all="ignore"):
        if not np.isfinite(forward_prop.unchecked(network, X)[-1]).all():
            raise ValueError(
                "a network needs scores that are finite, but its parameters are so large that they "
                "overflow; train it again with a lower learning rate"
            )


def _from_numpy(fact: Any) -> Any:
    plain = isinstance(fact, np.generic | np.ndarray) and not isinstance(fact, np.ma.MaskedArray)
    if plain and fact.dtype.kind in "biufU":
        return fact.tolist()
    if isinstance(fact, partial) and not fact.args:
        return {"function": _from_numpy(fact.func), **fact.keywords}
    if inspect.isfunction(fact):
        return f"{fact.__module__}.{fact.__qualname__}"
    if is_dataclass(fact) and not isinstance(fact, type):
        settings = {field.name: getattr(fact, field.name) for field in fields(fact)}
        return {"kind": type(fact).__name__, **settings}
    raise TypeError(
        f"facts must be something that JSON can hold, not {fact!r}; make it a number, text, list "
        "or dict"
    )
