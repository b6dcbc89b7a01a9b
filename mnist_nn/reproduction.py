"""Train a saved network again, from what its card says, and compare."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mnist_nn.augmentation import deform
from mnist_nn.checks import check_flag
from mnist_nn.data import digest, load_mnist, split_validation
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
        Whether every parameter has the same bits.
    difference : float
        The largest absolute difference between two parameters.
    accuracy, saved_accuracy : float
        The fractions of the test digits that the new and the saved network read correctly.
    agreement : float
        The fraction of the test digits that both read as the same digit.
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


def reproduce(path: Path | str, *, progress: bool = True) -> Reproduction:
    """Train a saved network on MNIST again, and compare the two.

    The card must say how it was trained, by these names: ``seed``, for `init_params`, for the
    training and, with a ``validation_size``, for `split_validation`; then either ``iterations`` and
    ``learning_rate``, of `gradient_descent`; or ``epochs`` (or ``max_epochs``) and ``batch_size``,
    with ``learning_rate`` or ``optimizer``, and ``dropout``, ``patience`` and ``augment=deform`` as
    far as they were used, of `train`. `save_model` takes them as they are, among its facts.

    Parameters
    ----------
    path : path
        A file that `save_model` wrote.
    progress : bool
        Whether to show how training goes.

    Raises
    ------
    ModelError
        If the file is not a usable model, or its card does not say how it was trained, or on other
        digits than MNIST's.
    """
    check_flag("progress", progress)
    saved, card = load_model(path), model_card(path)
    data = load_mnist()
    if card.get("data_digest", digest(data.train_X)) != digest(data.train_X):
        raise ModelError(
            f"{path} should be trained on MNIST, but its card gives another data_digest; train it "
            "again on its own data"
        )
    try:
        network = _train(card, data.train_X, data.train_Y, progress)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path} should have a card that says how the network was trained, but that does not "
            f"work ({error if isinstance(error, ValueError) else f'no {error}'}); save it with "
            "seed, epochs, batch_size, learning_rate and so on as facts"
        ) from error
    pairs = list(zip([*network.w, *network.b], [*saved.w, *saved.b], strict=True))
    here, there = environment(), card.get("environment")
    there = there if isinstance(there, dict) else {}
    answers, saved_answers = (make_predictions(each, data.test_X) for each in (network, saved))
    return Reproduction(
        identical=all(np.array_equal(a, b) for a, b in pairs),
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


def _train(card: dict[str, Any], X: Any, Y: Any, progress: bool) -> Network:
    seed = card["seed"]
    digits, validation = (X, Y), None
    if card.get("validation_size"):
        digits, validation = split_validation(X, Y, card["validation_size"], rng=seed)
    start = init_params(card["neuron_layers"], card["activation"], rng=seed)
    if "iterations" in card:
        settings = {name: card[name] for name in ("iterations", "learning_rate")}
        return gradient_descent(start, *digits, **settings, progress=progress)[0]
    settings = {
        name: card[name]
        for name in ("learning_rate", "dropout", "patience")
        if card.get(name) is not None
    }
    if card.get("optimizer"):
        settings["optimizer"] = _optimizer(card["optimizer"])
    if card.get("augment"):
        settings["augment"] = {"deform": deform}[card["augment"]["name"]]
    return train(
        start,
        *digits,
        epochs=card["epochs"] if "epochs" in card else card["max_epochs"],
        batch_size=card["batch_size"],
        rng=seed,
        validation=validation,
        progress=progress,
        **settings,
    )[0]


def _optimizer(description: dict[str, Any]) -> Optimizer:
    settings = dict(description)
    kind = {"SGD": SGD, "Adam": Adam}[settings.pop("kind")]
    settings["schedule"] = {"constant": constant, "cosine": cosine}[settings["schedule"]["name"]]
    optimizer: Optimizer = kind(**settings)
    return optimizer
