"""Keep a trained network in one file: its arrays, and a card that says what they are."""

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mnist_nn.checks import check_flag, check_network
from mnist_nn.network import Network

__all__ = [
    "MODELS_DIR",
    "NUMBER_RECOGNITION",
    "RECORD",
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
        What else the card should say, such as ``{"seed": 0, "test_accuracy": 0.97}``: names, and
        anything that JSON can hold. The version of the format, the layers, the activation and
        NumPy's version are always on it.
    half_precision : bool
        True stores the parameters in half precision, float16: half the bytes of float32, and three
        digits of each number. `load_model` returns them as float32, in which NumPy is faster.

    Raises
    ------
    ModelError
        If the network is one that `load_model` would refuse.
    TypeError
        If ``half_precision`` is not True or False, or a fact has one of those names, or a type that
        JSON cannot hold.
    ValueError
        If a fact is NaN or infinite, which JSON cannot represent.
    """
    check_flag("half_precision", half_precision)
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
        "numpy": np.__version__,
    }
    if taken := card.keys() & facts.keys():
        raise TypeError(f"{sorted(taken)} are always on the card; leave them out of the facts")
    arrays = {f"w{layer}": w for layer, w in enumerate(network.w)}
    arrays |= {f"b{layer}": b for layer, b in enumerate(network.b)}
    text = json.dumps(card | facts, default=_from_numpy, allow_nan=False, indent=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, card=np.array(text), **arrays)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_model(path: Path | str) -> Network:
    """Read a network that `save_model` wrote.

    Raises
    ------
    ModelError
        If the file is missing, damaged, from another program or in a newer format, or if its layers
        do not chain, differ from its card, or hold NaN or infinity. Pickles are refused unread:
        loading one runs whatever code it carries.
    """
    return _read(Path(path))[0]


def model_card(path: Path | str) -> dict[str, Any]:
    """Read the card that `save_model` wrote; refuses what `load_model` refuses."""
    return _read(Path(path))[1]


def _read(path: Path) -> tuple[Network, dict[str, Any]]:
    if not path.is_file():
        raise ModelError(
            f"expected a model at {path}, but there is none; train one and save it there"
        )
    # NumPy's reader meets a damaged file with over a dozen kinds of exception, and so does JSON's.
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive}
    except Exception as error:
        raise ModelError(
            f"{path} should be a model that save_model wrote, but cannot be read "
            f"({error if zipfile.is_zipfile(path) else 'it is not an npz archive'}); it is "
            "damaged, a pickle or something else, so train and save the network again"
        ) from error
    try:
        card = json.loads(str(arrays.pop("card")))
        version = card["format"]
    except Exception as error:
        raise ModelError(
            f"{path} is an npz archive without a model's card; another program wrote it, so "
            "give load_model a file that save_model wrote"
        ) from error
    if version != _FORMAT:
        raise ModelError(
            f"{path} has format {version!r}, but this version of mnist_nn reads format {_FORMAT}; "
            "update mnist_nn, or train and save the network again"
        )
    layers = range(len(arrays) // 2)
    if arrays.keys() != {f"{kind}{layer}" for layer in layers for kind in "wb"}:
        raise ModelError(
            f"{path} should hold w0, b0, w1, b1 and so on, but holds {', '.join(arrays)}; it is "
            "damaged, so train and save the network again"
        )
    network = Network(
        w=[arrays[f"w{layer}"] for layer in layers],
        b=[arrays[f"b{layer}"] for layer in layers],
        activation=card.get("activation"),
    )
    if all(array.dtype == np.float16 for array in arrays.values()):
        network = _cast(network, np.float32)
    _check(network, path)
    if card.get("neuron_layers") != network.neuron_layers:
        raise ModelError(
            f"{path} has the layers {network.neuron_layers}, but its card says "
            f"{card.get('neuron_layers')}; it is damaged, so train and save the network again"
        )
    return network, card


def _cast(network: Network, dtype: type[np.floating[Any]]) -> Network:
    w, b, activation = network
    return Network([p.astype(dtype) for p in w], [p.astype(dtype) for p in b], activation)


def _check(network: Network, path: Path) -> None:
    try:
        check_network(network)
    except ValueError as error:
        raise ModelError(f"{path} cannot hold this network: {error}") from error


def _from_numpy(fact: Any) -> Any:
    if isinstance(fact, np.generic | np.ndarray):
        return fact.tolist()
    raise TypeError(
        f"the card is JSON, which cannot hold {fact!r}; make it a number, text, list or dict"
    )
