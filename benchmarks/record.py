"""How accurate a network becomes in how much time: recipes from one second to a record.

Each recipe is one perceptron, trained by `mnist_nn.train` with settings that were chosen on 10,000
of the 60,000 training digits, set aside for validation. Here it is trained on all 60,000, from
several seeds, and reads the test digits once, when training is over. From the root of the
repository, with nothing else running::

    uv run --locked benchmarks/record.py 99

trains the recipe for 99 %; without a name all are trained, which takes two hours and a half.
``--validation`` trains on 50,000 digits and reads the other 10,000 in place of the test digits.
"""

import argparse
from itertools import product
from statistics import median
from typing import NamedTuple

import numpy as np

from mnist_nn import (
    MNIST,
    MODELS_DIR,
    Network,
    cosine,
    deform,
    digest,
    get_accuracy,
    init_params,
    load_mnist,
    random_warps,
    save_model,
    split_validation,
    train,
    warp,
)
from mnist_nn.evaluation import make_probabilities

SHIPPED = "record"
"""The recipe whose first network is saved as models/record.npz, in half precision."""


class Recipe(NamedTuple):
    """What to train, with Nesterov momentum 0.9 and the cosine schedule, and what to reach."""

    hidden_layers: list[int]
    epochs: int
    batch_size: int
    learning_rate: float
    deformed: bool
    goal: str


RECIPES = {
    "95": Recipe([128], 1, 64, 0.1, False, "95 % in 1 s"),
    "98": Recipe([512], 3, 256, 0.3, True, "98 % in 6 s"),
    "99": Recipe([800, 800, 800], 8, 256, 0.3, True, "99 % in 60 s"),
    "99.5": Recipe([800, 800, 800], 135, 256, 0.3, True, "99.50 % in 15 minutes"),
    "record": Recipe([1200, 1200, 1200], 250, 256, 0.3, True, "99.65 % in 40 minutes"),
}


def fit(recipe: Recipe, data: MNIST, seed: int) -> tuple[Network, float]:
    """Train a network; return it, and how many seconds that took."""
    mean = data.train_X.mean(axis=0)

    def centred(X: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        # LeCun et al. 1998, "Efficient BackProp", section 4.3: inputs around 0 are learned faster.
        return (deform(X, rng) if recipe.deformed else X) - mean

    rng = np.random.default_rng(seed)
    network, history = train(
        init_params([data.train_X.shape[1], *recipe.hidden_layers, 10], rng=rng),
        data.train_X,
        data.train_Y,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        momentum=0.9,
        schedule=cosine,
        augment=centred,
        rng=rng,
    )
    # (X - mean) @ w + b is X @ w + (b - mean @ w): the biases take it over.
    network.b[0][:] -= mean @ network.w[0]
    return network, history["seconds"].iloc[-1]


def shifted(X: np.ndarray, pixels: float = 0.5) -> list[np.ndarray]:
    """Shift digits by so many pixels up, down and sideways: nine times, once not at all."""
    still = random_warps(1, rng=0, rotation=0, scale=0, shear=0, shift=0, elastic=0)
    return [
        warp(X, still + np.array([[down], [across]], np.float32))
        for down, across in product((-pixels, 0, pixels), repeat=2)
    ]


def accuracy(networks: list[Network], digits: list[np.ndarray], Y: np.ndarray) -> float:
    """Average the probabilities of several networks over several versions of the same digits."""
    answers = [make_probabilities(network, X) for network, X in product(networks, digits)]
    return get_accuracy(np.mean(answers, axis=0).argmax(axis=1), Y)


def percent(accuracies: list[float]) -> str:
    """Write accuracies as percentages."""
    return ", ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)


def main() -> None:
    """Train the recipes asked for, and print a row of a table for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recipes", nargs="*", help=f"some of {', '.join(RECIPES)} (all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(0 1 2)")
    parser.add_argument("--validation", action="store_true", help="leave the test digits alone")
    arguments = parser.parse_args()
    if unknown := set(arguments.recipes) - set(RECIPES):
        parser.error(f"no recipe {', '.join(unknown)}; choose from {', '.join(RECIPES)}")
    data = load_mnist()
    if arguments.validation:
        training, validation = split_validation(data.train_X, data.train_Y, 10_000, rng=0)
        data = MNIST(*training, *validation)
    X, Y = data.test_X, data.test_Y
    print(f"| goal | network | s | % read, seeds {arguments.seeds} | median | shifts | together |")
    print("|---|---|---|---|---|---|---|")
    for name in arguments.recipes or RECIPES:
        recipe = RECIPES[name]
        networks, seconds = zip(*(fit(recipe, data, seed) for seed in arguments.seeds), strict=True)
        single = [accuracy([network], [X], Y) for network in networks]
        columns = [
            recipe.goal,
            "-".join(map(str, networks[0].neuron_layers)),
            ", ".join(f"{s:.1f}" for s in seconds),
            percent(single),
            percent([median(single)]),
            percent([accuracy([network], shifted(X), Y) for network in networks]),
            percent([accuracy(list(networks), [X], Y)]),
        ]
        print(f"| {' | '.join(columns)} |", flush=True)
        if name == SHIPPED and not arguments.validation:
            save_model(
                MODELS_DIR / "record.npz",
                networks[0],
                half=True,
                recipe=recipe._asdict(),
                seed=arguments.seeds[0],
                test_accuracy=single[0],
                seconds=seconds[0],
                data_digest=digest(data.train_X),
            )


if __name__ == "__main__":
    main()
