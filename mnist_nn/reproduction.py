"""Train a saved network again, from what its card says, and compare."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mnist_nn.augmentation import deform
from mnist_nn.checks import Floats, Integers, check_flag
from mnist_nn.data import MNIST, check_data, digest, load_mnist, split_validation
from mnist_nn.environment import environment
from mnist_nn.evaluation import get_accuracy, make_predictions
from mnist_nn.network import Network, init_params
from mnist_nn.optimizers import SGD, Adam, Optimizer, constant, cosine
from mnist_nn.storage import ModelError, load_model, model_card
from mnist_nn.training import gradient_descent, train

__all__ = ["Reproduction", "reproduce"]


class Reproduction(NamedTuple):
    """How a network that was trained again compares with the saved one.

    Attributes
    ----------
    identical : bool
        Whether every parameter is the same, to the last bit; for a network saved in half precision,
        once it is rounded to that.
    difference : float
        The largest absolute difference between two parameters.
    accuracy, saved_accuracy : float
        The fractions of the test images that the new and the saved network read correctly.
    agreement : float
        The fraction of the test images that both read as the same class.
    changes : dict
        What differs between the environments, by name: ``(saved, here)``. Where nothing does,
        the networks should be identical.
    network : Network
        The new network.
    """

    identical: bool
    difference: float
    accuracy: float
    saved_accuracy: float
    agreement: float
    changes: dict[str, tuple[Any, Any]]
    network: Network


def reproduce(
    path: Path | str, *, data: MNIST | None = None, progress: bool = True
) -> Reproduction:
    """Train a saved network on MNIST again, and compare the two.

    The card must say how it was trained, by these names: ``seed``, for `init_params`, for the
    training and, with a ``validation_size``, for `split_validation`; then either ``iterations`` and
    ``learning_rate``, of `gradient_descent`; or ``epochs`` (or ``max_epochs``) and ``batch_size``,
    with ``learning_rate`` or ``optimizer``, and ``dropout``, ``patience`` and ``augment``
    (`deform`, or a ``functools.partial`` of it) as far as they were used, of `train`. `save_model`
    takes them as they are, among its facts.

    Parameters
    ----------
    path : path
        A file that `save_model` wrote.
    data : MNIST, optional
        The data that it was trained on, if it is your own.
    progress : bool
        Whether to show how training goes.

    Raises
    ------
    ModelError
        If the file is not a usable model, or its card does not say how it was trained, or says that
        it was on other data.
    TypeError, ValueError
        If the data is not an MNIST of images and labels that belong together.
    """
    check_flag("progress", progress)
    if data is not None:
        check_data(data)
    saved, card = load_model(path), model_card(path)
    try:
        recipe = _recipe(card)
    except KeyError as error:
        raise ModelError(
            f"{path} should have a card that says how the network was trained, but it lacks "
            f"{error.args[0]}; train and save it again with seed, epochs, batch_size, "
            "learning_rate and so on as facts"
        ) from error
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path} should have a card that says how the network was trained, but its "
            "optimizer or augment is none of this package's; train it with the code it came from"
        ) from error
    data, name = (load_mnist(), "MNIST") if data is None else (data, "this data")
    if "data_digest" in card and card["data_digest"] != digest(data.train_X):
        raise ModelError(
            f"{path} should be trained on {name}, but its card gives another data_digest; pass the "
            "data that it was trained on"
        )
    try:
        network = recipe(data.train_X, data.train_Y, progress)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{path} has a card by which no network can be trained: {error}; train and save it "
            "again"
        ) from error
    pairs = list(zip([*network.w, *network.b], [*saved.w, *saved.b], strict=True))
    here, there = environment(), card.get("environment")
    there = there if isinstance(there, dict) else {}
    answers, saved_answers = (make_predictions(each, data.test_X) for each in (network, saved))
    return Reproduction(
        identical=all(_same(a, b) for a, b in pairs),
        difference=max(float(np.abs(a - b).max()) for a, b in pairs),
        accuracy=get_accuracy(answers, data.test_Y),
        saved_accuracy=get_accuracy(saved_answers, data.test_Y),
        agreement=get_accuracy(answers, saved_answers),
        changes={
            name: (there.get(name), here.get(name))
            for name in here
            if there.get(name) != here.get(name)
        },
        network=network,
    )


def _same(new: Floats, saved: Floats) -> bool:
    rounded = new.astype(np.float16).astype(np.float32)  # as a model in half precision is read
    return any(a.dtype == saved.dtype and np.array_equal(a, saved) for a in (new, rounded))


def _recipe(card: dict[str, Any]) -> Callable[[Floats, Integers, bool], Network]:
    """Make a function that trains as the card says."""
    seed, size = card["seed"], card.get("validation_size")
    if "iterations" in card:
        fit = partial(
            gradient_descent, iterations=card["iterations"], learning_rate=card["learning_rate"]
        )
    else:
        settings = {
            name: card[name]
            for name in ("learning_rate", "dropout", "patience")
            if card.get(name) is not None
        }
        if card.get("optimizer"):
            settings["optimizer"] = _optimizer(card["optimizer"])
        if card.get("augment"):
            settings["augment"] = _function(card["augment"])
        epochs = card["max_epochs"] if "max_epochs" in card else card["epochs"]
        fit = partial(train, epochs=epochs, batch_size=card["batch_size"], rng=seed, **settings)

    def run(X: Floats, Y: Integers, progress: bool) -> Network:
        digits = X, Y
        held_out: dict[str, Any] = {}
        if size:
            digits, validation = split_validation(X, Y, size, rng=seed)
            held_out = {"validation": validation}
        start = init_params(card["neuron_layers"], card["activation"], rng=seed)
        return fit(start, *digits, progress=progress, **held_out)[0]

    return run


def _optimizer(description: dict[str, Any]) -> Optimizer:
    settings = dict(description)
    kind: type[Optimizer] = {"SGD": SGD, "Adam": Adam}[settings.pop("kind")]
    return kind(**settings | {"schedule": _function(settings["schedule"])})


def _function(description: str | dict[str, Any]) -> Any:
    """Find one of this package's own functions, by the name under which a card has it."""
    settings = dict(description) if isinstance(description, dict) else {"function": description}
    name = settings.pop("function")
    own = {f"{each.__module__}.{each.__qualname__}": each for each in (deform, constant, cosine)}
    if name not in own:
        raise ValueError(f"{name} is not known")
    return partial(own[name], **settings) if settings else own[name]
