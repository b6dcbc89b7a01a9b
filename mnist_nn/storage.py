"""Keep a trained network in one file: its arrays, and a card that says what they are."""

import hashlib
import inspect
import json
import os
import reprlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mnist_nn.checks import Array, Floats, check_flag, check_network, check_path
from mnist_nn.environment import environment, version
from mnist_nn.files import UnreadableError, read_arrays, replacing
from mnist_nn.network import Gradients, Network, forward_prop

__all__ = [
    "MODELS_DIR",
    "NUMBER_RECOGNITION",
    "RECORD",
    "CheckpointError",
    "ModelError",
    "load_model",
    "model_card",
    "save_model",
]

MODELS_DIR = Path(__file__).resolve().parent.parent / "models"
"""The repository's models folder, whatever the working folder of a notebook."""

NUMBER_RECOGNITION = MODELS_DIR / "number_recognition.npz"
"""The model that notebook 03 trains, and that `predict_index` asks."""

RECORD = MODELS_DIR / "record.npz"
"""The most accurate model in the repository, which `predict_image` and `DigitCanvas` ask."""

_FORMAT = 1
_CHECKPOINT_FORMAT = 1
_MOST_BYTES = 2**27  # of a model's arrays: 33 million numbers in float32
_MOST_ROWS_BYTES = 2**26  # of a history: 8 million numbers
_MOST_CARD_BYTES = 2**22  # of a card: a million characters


class ModelError(ValueError):
    """The file is not a usable model; the message says which file, why, and what to do."""


class CheckpointError(ValueError):
    """The file is not a checkpoint of this run; the message says what differs, and what to do."""


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
        What else the card should say, such as ``{"seed": 0, "test_accuracy": 0.97}``: names, and
        anything that JSON can hold; an optimizer or a function is described. The version of the
        format, the layers, the activation and the `environment` are always on it. With those that
        `reproduce` knows, it can train the network again.
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
    _write(path, card | facts, parameter_arrays(network))


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
        card, arrays = _read_card(path, _MOST_BYTES)
    except UnreadableError as error:
        raise ModelError(
            f"{path} should be a model that save_model wrote, but {error}; check the path, or "
            "train and save the network again"
        ) from error
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


def _write(path: Path, card: Mapping[str, Any], arrays: Mapping[str, Floats]) -> None:
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
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, card=np.array(text), **arrays)


def _read_card(path: Path, most: int) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read a card, and the arrays that come with it, of at most so many bytes."""
    arrays = read_arrays(path, most + _MOST_CARD_BYTES)
    try:
        card = json.loads(str(arrays.pop("card")), parse_constant=_refuse)
    except (KeyError, ValueError, RecursionError) as error:
        raise UnreadableError("it has no card in JSON, so another program wrote it") from error
    if not isinstance(card, dict):
        raise UnreadableError("its card is no table of facts")
    return card, arrays


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN or Infinity, which are not JSON


def save_checkpoint(
    path: Path,
    arguments: Mapping[str, Any],
    state: Mapping[str, Any],
    arrays: Mapping[str, Floats],
    rows: Sequence[Mapping[str, float]],
) -> None:
    """Write down a training run: what it was called with, where it is, and its history.

    Raises
    ------
    OSError
        If the file cannot be written; the old one is as it was.
    """
    card = {
        "checkpoint": _CHECKPOINT_FORMAT,
        "arguments": arguments,
        "versions": _versions(),
        "state": state,
        "columns": [*rows[0]] if rows else [],
    }
    _write(path, card, {**arrays, "rows": np.array([[*row.values()] for row in rows], float)})


def load_checkpoint(
    path: Path, arguments: Mapping[str, Any], most: int
) -> tuple[Any, dict[str, Array], list[dict[str, float]]] | None:
    """Read where a run was and its history, or return None if there is no file yet.

    Parameters
    ----------
    path : path
    arguments : mapping
        What this run was called with.
    most : int
        How many bytes its arrays may have, besides the history.

    Raises
    ------
    CheckpointError
        If the file is something else, or the checkpoint of a run with other arguments.
    """
    if not os.path.exists(path):  # noqa: PTH110 - whatever is wrong with the path
        return None
    advice = "choose another path, or delete the file to start again"
    try:
        card, arrays = _read_card(path, most + _MOST_ROWS_BYTES)
    except UnreadableError as error:
        raise CheckpointError(
            f"{path} should be a checkpoint that training wrote, but {error}; {advice}"
        ) from error
    if card.get("checkpoint") != _CHECKPOINT_FORMAT:
        raise CheckpointError(
            f"{path} should be a checkpoint of format {_CHECKPOINT_FORMAT}, but is "
            f"{'of another' if 'checkpoint' in card else 'something else, such as a model'}; "
            f"{advice}"
        )
    theirs = _flat(card.get("arguments")) | _flat(card.get("versions"))
    ours = _flat(arguments) | _flat(_versions())
    differences = [
        f"{name} ({_brief(theirs.get(name))} there, {_brief(ours.get(name))} here)"
        for name in dict.fromkeys([*ours, *theirs])
        if theirs.get(name) != ours.get(name)
    ]
    if differences:
        raise CheckpointError(
            f"{path} is the checkpoint of another run, which differs in "
            f"{', '.join(differences[:5])}; call it with the same arguments, {advice}"
        )
    try:
        table, columns = arrays.pop("rows"), card["columns"]
        if table.dtype != float or not np.isfinite(table).all():
            raise ValueError("the history should hold finite numbers")
        rows = [dict(zip(columns, row, strict=True)) for row in table.tolist()]
    except (KeyError, TypeError, ValueError) as error:
        raise damaged_checkpoint(path) from error
    return card.get("state"), arrays, rows


def damaged_checkpoint(path: Path) -> CheckpointError:
    """Make the error for a checkpoint of the right run that cannot be taken up."""
    return CheckpointError(
        f"{path} should hold the state of a training run, but is damaged; delete the file to start "
        "again"
    )


def describe(value: Any) -> Any:
    """Describe an argument in what JSON can hold, so that equal ones have equal descriptions.

    An array is described by its SHA-256; a function by its name, that of its source, and the
    numbers, texts and arrays from outside that it uses.
    """
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        content = np.ascontiguousarray(value)
        return f"{value.dtype} of shape {value.shape}, {hashlib.sha256(content.data).hexdigest()}"
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [describe(item) for item in value]
    if isinstance(value, partial):
        function = describe(value.func) | {"arguments": describe(value.args)}
        return function | describe(value.keywords)
    if is_dataclass(value) and not isinstance(value, type):
        settings = {field.name: getattr(value, field.name) for field in fields(value)}
        return {"kind": type(value).__name__} | describe(settings)
    if callable(value):
        owner = value if hasattr(value, "__qualname__") else type(value)
        source = ""
        with suppress(OSError, TypeError):  # it has none that can be found
            source = inspect.getsource(owner)
        digest = hashlib.sha256(source.encode()).hexdigest()
        return {"name": owner.__qualname__, "source": digest} | describe(_used_by(value))
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, str | float | int | None) else repr(value)


def _used_by(function: Any) -> dict[str, Any]:
    """Find the values that a function uses, besides its arguments."""
    if not inspect.isfunction(function):
        return getattr(function, "__dict__", {})
    with suppress(ValueError):  # a variable that has no value yet
        outside = inspect.getclosurevars(function)
        return {
            name: value
            for name, value in {**outside.globals, **outside.nonlocals}.items()
            if isinstance(value, str | float | int | np.generic | np.ndarray | tuple | list)
        }
    return {}


def _versions() -> dict[str, str]:
    return {"mnist_nn": version(), "numpy": np.__version__}


def _flat(description: Any, name: str = "") -> dict[str, Any]:
    """Name every part of a description: ``optimizer.momentum``."""
    if not isinstance(description, dict):
        return {name: description}
    return {
        key: part
        for child, value in description.items()
        for key, part in _flat(value, f"{name}.{child}".strip(".")).items()
    }


def _brief(description: Any) -> str:
    text = "nothing" if description is None else str(description)
    return text if len(text) < 50 else f"{text[:40]}…"


def _cast(network: Network, dtype: type[np.floating[Any]]) -> Network:
    w, b, activation = network
    return Network([p.astype(dtype) for p in w], [p.astype(dtype) for p in b], activation)


def _check(network: Network, path: Path) -> None:
    try:
        check_network(network)
        # Finite parameters may still be so large that no score is: some digits tell.
        n_in = len(network.w[0])
        X = np.random.default_rng(0).random((4, n_in), network.w[0].dtype)
        X[0], X[1] = 0, 1
        with np.errstate(all="ignore"):
            if not np.isfinite(forward_prop.unchecked(network, X)[-1]).all():
                raise ValueError(
                    "a network needs scores that are finite, but its parameters are so large that "
                    "they overflow; train it again with a lower learning rate"
                )
    except ValueError as error:
        raise ModelError(f"{path} cannot hold this network: {error}") from error


def _from_numpy(fact: Any) -> Any:
    plain = isinstance(fact, np.generic | np.ndarray) and not isinstance(fact, np.ma.MaskedArray)
    if plain and fact.dtype.kind in "biufU":
        return fact.tolist()
    if inspect.isfunction(fact) or (is_dataclass(fact) and not isinstance(fact, type)):
        return describe(fact)
    raise TypeError(
        f"facts must be something that JSON can hold, not {fact!r}; make it a number, text, list "
        "or dict"
    )
