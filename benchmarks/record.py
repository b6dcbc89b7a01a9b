"""Measure accuracy against training time, with recipes from half a second to a record.

Each recipe is a multilayer perceptron, trained by `mnist_nn.train` with settings that were chosen
on 10,000 of the 60,000 training digits, set aside for validation. Here it is trained on all 60,000,
from several seeds, and reads the test digits once, after training. From the root of the repository,
with nothing else running::

    uv run --locked benchmarks/record.py 99

trains the recipe for 99%. Without a name, all recipes are trained, which takes two and a half
hours. ``--validation`` trains on 50,000 digits and reads the other 10,000 instead of the test
digits.
"""

import argparse
from itertools import product
from statistics import median
from typing import NamedTuple

import numpy as np

from mnist_nn import (
    MNIST,
    RECORD,
    SGD,
    Network,
    affine_warp,
    cosine,
    deform,
    digest,
    get_accuracy,
    init_params,
    load_mnist,
    predict_proba,
    save_model,
    split_validation,
    train,
    warp,
)

SHIPPED = "record"
"""The recipe whose first network is saved as models/record.npz, in half precision."""


class Recipe(NamedTuple):
    """A network and its training, with Nesterov momentum 0.9 and the cosine schedule."""

    hidden_layers: list[int]
    epochs: int
    batch_size: int
    learning_rate: float
    deformed: bool


RECIPES = {
    "97": Recipe([100], 1, 128, 0.3, False),
    "98": Recipe([384], 2, 256, 0.6, True),
    "99": Recipe([800, 800, 800], 8, 256, 0.3, True),
    "99.5": Recipe([800, 800, 800], 135, 256, 0.3, True),
    "record": Recipe([1200, 1200, 1200], 250, 256, 0.3, True),
}


def fit(recipe: Recipe, data: MNIST, seed: int) -> tuple[Network, float]:
    """Train a network, and return it with the training time in seconds."""
    mean = data.train_X.mean(axis=0)

    def centered(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        # LeCun et al. 1998, "Efficient BackProp", section 4.3: centered inputs speed up learning.
        return (deform(X, rng) if recipe.deformed else X) - mean

    rng = np.random.default_rng(seed)
    network, history = train(
        init_params([data.train_X.shape[1], *recipe.hidden_layers, 10], rng=rng),
        data.train_X,
        data.train_Y,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        optimizer=SGD(recipe.learning_rate, momentum=0.9, schedule=cosine),
        augment=centered,
        rng=rng,
    )
    # (X - mean) @ w + b is X @ w + (b - mean @ w): the biases absorb the mean.
    network.b[0][:] -= mean @ network.w[0]
    return network, history["seconds"].iloc[-1]


def shifted(X: np.ndarray, pixels: float = 0.5) -> list[np.ndarray]:
    """Return nine versions of the digits: as they are, and shifted in eight directions."""
    shifts = product((-pixels, 0, pixels), repeat=2)
    return [warp(X, affine_warp(shift=shift)) for shift in shifts]


def accuracy(networks: list[Network], digits: list[np.ndarray], Y: np.ndarray) -> float:
    """Return the accuracy of probabilities averaged over networks and versions of the digits."""
    answers = [predict_proba(network, X) for network, X in product(networks, digits)]
    return get_accuracy(np.mean(answers, axis=0).argmax(axis=1), Y)


def percent(accuracies: list[float]) -> str:
    """Format accuracies as percentages."""
    return ", ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)


def main() -> None:
    """Train the requested recipes, and print a table row for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recipes", nargs="*", help=f"any of {', '.join(RECIPES)} (default: all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--validation", action="store_true", help="leave the test digits out")
    arguments = parser.parse_args()
    if unknown := set(arguments.recipes) - set(RECIPES):
        parser.error(f"no recipe {', '.join(unknown)}; choose from {', '.join(RECIPES)}")
    data = load_mnist()
    if arguments.validation:
        training, validation = split_validation(data.train_X, data.train_Y, 10_000, rng=0)
        data = MNIST(*training, *validation)
    X, Y = data.test_X, data.test_Y
    seeds = f"seeds {arguments.seeds}"
    print(f"| recipe | network | s | % correct, {seeds} | median | shifts | ensemble |")
    print("|---|---|---|---|---|---|---|")
    for name in arguments.recipes or RECIPES:
        recipe = RECIPES[name]
        networks, seconds = zip(*(fit(recipe, data, seed) for seed in arguments.seeds), strict=True)
        single = [accuracy([network], [X], Y) for network in networks]
        columns = [
            name,
            "-".join(map(str, networks[0].neuron_layers)),
            ", ".join(f"{s:.1f}" for s in seconds),
            percent(single),
            percent([median(single)]),
            percent([accuracy([network], shifted(X), Y) for network in networks]),
            percent([accuracy(list(networks), [X], Y)]),
        ]
        print(f"| {' | '.join(columns)} |", flush=True)
        if name == SHIPPED and not arguments.validation:
            facts = {
                "recipe": recipe._asdict(),
                "seed": arguments.seeds[0],
                "test_accuracy": single[0],
                "seconds": seconds[0],
                "data_digest": digest(data.train_X),
            }
            save_model(RECORD, networks[0], facts, half_precision=True)


if __name__ == "__main__":
    main()
