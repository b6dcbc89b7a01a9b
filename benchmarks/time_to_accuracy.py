"""Measure how long training takes until 97, 98, and 99% of the test digits are read.

Each peer trains the perceptron that its own documentation shows, with the settings that it has
there, on MNIST; mnist_nn trains by the recipes in record.py. Training time alone is counted, a
peer's compilation included and its imports not, and the test digits are read after each epoch.
Every run has a process of its own, and all have the same three seeds. From the root of the
repository, with nothing else running::

    uv run --locked --with torch,scikit-learn,jax,keras benchmarks/time_to_accuracy.py

takes a quarter of an hour, and prints the README's table. A peer that is not installed is reported
as not measured.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import numpy as np
from record import RECIPES, fit
from speed import machine

from mnist_nn import load_mnist, make_predictions

Predict: TypeAlias = Callable[[np.ndarray], np.ndarray]
Run: TypeAlias = Iterator[Predict | None]
"""First yields None, ready to train; then, after each epoch, a function that reads digits."""

TARGETS = (0.97, 0.98, 0.99)


def mnist_nn(recipe: str, seed: int) -> Run:
    """Train by a recipe, and read the test digits at its end, as its schedule demands."""
    import pandas  # noqa: F401  # as is done for the peers: imports do not count

    mnist = load_mnist()
    yield None
    network, _ = fit(RECIPES[recipe], mnist, seed)
    yield lambda X: make_predictions(network, X)


def scikit_learn(seed: int) -> Run:
    """Train MLPClassifier() with its defaults, until they stop it."""
    from sklearn.neural_network import MLPClassifier

    # Given as a number, it would make each epoch the same.
    mnist, model = load_mnist(), MLPClassifier(random_state=np.random.RandomState(seed))
    yield None
    best, without_progress = np.inf, 0
    for _ in range(model.max_iter):
        # One epoch of what `fit` does, which stops when the loss has not fallen for some epochs.
        model.partial_fit(mnist.train_X, mnist.train_Y, classes=range(10))
        yield model.predict
        without_progress = without_progress + 1 if model.loss_ > best - model.tol else 0
        best = min(best, model.loss_)
        if without_progress > model.n_iter_no_change:
            return


def scikit_learn_example(seed: int) -> Run:
    """Train the example "Visualization of MLP weights on MNIST": on 21,000 digits."""
    from sklearn.neural_network import MLPClassifier

    mnist, rng = load_mnist(), np.random.RandomState(seed)
    model = MLPClassifier(
        (40,), max_iter=8, alpha=1e-4, solver="sgd", random_state=rng, learning_rate_init=0.2
    )
    rows = rng.permutation(len(mnist.train_Y))[:21_000]
    X, Y = mnist.train_X[rows], mnist.train_Y[rows]
    yield None
    for _ in range(model.max_iter):
        model.partial_fit(X, Y, classes=range(10))
        yield model.predict


def keras_example(seed: int) -> Run:
    """Train the example mnist_mlp, on JAX."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    keras.utils.set_random_seed(seed)
    mnist = load_mnist()
    Y = keras.utils.to_categorical(mnist.train_Y, 10)
    layers = keras.layers
    hidden = [(layers.Dense(512, activation="relu"), layers.Dropout(0.2)) for _ in range(2)]
    model = keras.Sequential([keras.Input((784,)), *sum(hidden, ()), layers.Dense(10, "softmax")])
    model.compile("rmsprop", "categorical_crossentropy")
    yield None
    for epoch in range(20):
        model.fit(
            mnist.train_X, Y, batch_size=128, initial_epoch=epoch, epochs=epoch + 1, verbose=0
        )
        yield lambda X: model.predict(X, verbose=0).argmax(axis=1)


def pytorch_quickstart(seed: int) -> Run:
    """Train the network of the quickstart tutorial, which has FashionMNIST in place of MNIST."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(seed)
    mnist = load_mnist()
    digits = TensorDataset(torch.from_numpy(mnist.train_X), torch.from_numpy(mnist.train_Y))
    loader = DataLoader(digits, batch_size=64)
    model = nn.Sequential(
        *(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    yield None
    for _ in range(5):
        for X, Y in loader:
            nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()
            optimizer.zero_grad()
        yield lambda X: model(torch.from_numpy(X)).argmax(dim=1).numpy()


def jax_example(seed: int) -> Run:
    """Train the example mnist_classifier_fromscratch."""
    import jax
    import jax.numpy as jnp

    mnist, rng = load_mnist(), np.random.default_rng(seed)
    labels = np.eye(10, dtype=np.float32)[mnist.train_Y]
    layers = [784, 1024, 1024, 10]
    parameters = [
        (0.1 * rng.normal(size=(m, n)), 0.1 * rng.normal(size=n)) for m, n in pairwise(layers)
    ]
    parameters = jax.tree.map(partial(jnp.asarray, dtype=jnp.float32), parameters)

    def log_probabilities(parameters: Any, X: Any) -> Any:
        *hidden, (w, b) = parameters
        for w_before, b_before in hidden:
            X = jnp.tanh(X @ w_before + b_before)
        return jax.nn.log_softmax(X @ w + b)

    def loss(parameters: Any, X: Any, labels: Any) -> Any:
        return -jnp.mean(jnp.sum(log_probabilities(parameters, X) * labels, axis=1))

    @jax.jit
    def update(parameters: Any, X: Any, labels: Any) -> Any:
        gradients = jax.grad(loss)(parameters, X, labels)
        return jax.tree.map(lambda p, g: p - 0.001 * g, parameters, gradients)

    yield None
    for _ in range(10):
        order = rng.permutation(len(labels))
        for first in range(0, len(labels), 128):
            rows = order[first : first + 128]
            parameters = update(parameters, mnist.train_X[rows], labels[rows])
        trained = jax.block_until_ready(parameters)
        yield lambda X, trained=trained: np.asarray(log_probabilities(trained, X)).argmax(axis=1)


OURS: dict[str, Callable[[int], Run]] = {
    "`mnist_nn`, recipe 97": partial(mnist_nn, "97"),
    "`mnist_nn`, recipe 98": partial(mnist_nn, "98"),
    "`mnist_nn`, recipe 99": partial(mnist_nn, "99"),
}
PEERS: dict[str, Callable[[int], Run]] = {
    "scikit-learn, `MLPClassifier()`": scikit_learn,
    "scikit-learn, its MNIST example": scikit_learn_example,
    "Keras, `mnist_mlp`, on JAX": keras_example,
    "PyTorch, its quickstart": pytorch_quickstart,
    "JAX, `mnist_classifier_fromscratch`": jax_example,
}


def measure(run: Callable[[int], Run], seed: int) -> list[tuple[float, float]] | None:
    """Train, and return the seconds so far and the accuracy after each epoch."""
    mnist, seconds, epochs = load_mnist(), 0.0, run(seed)
    try:
        next(epochs)
    except ModuleNotFoundError:
        return None
    measured = []
    while True:
        start = time.perf_counter()
        predict = next(epochs, None)
        seconds += time.perf_counter() - start
        if predict is None:
            return measured
        measured.append((seconds, float(np.mean(predict(mnist.test_X) == mnist.test_Y))))


def summarize(name: str, runs: list[list[tuple[float, float]]]) -> dict[str, Any]:
    """Take the medians of the runs; a target that one of them misses is missed."""
    reached: dict[str, float | None] = {}
    for target in TARGETS:
        first = [next((s for s, accuracy in run if accuracy >= target), None) for run in runs]
        times = [s for s in first if s is not None]
        reached[f"{target:.0%}"] = median(times) if len(times) == len(runs) else None
    seconds, accuracies = zip(*(run[-1] for run in runs), strict=True)
    end = {"seconds": median(seconds), "accuracies": accuracies}
    return {"run": name, "reached": reached, "end": end}


TABLE = f"""
| trained as documented | {" | ".join(f"{target:.0%}" for target in TARGETS)} | at the end |
|---|{"---|" * len(TARGETS)}---|"""


def table_row(result: dict[str, Any]) -> str:
    """Format a result as a row of the table."""
    times = ["never" if s is None else f"{s:.3g} s" for s in result["reached"].values()]
    accuracies = ", ".join(f"{100 * accuracy:.2f}" for accuracy in result["end"]["accuracies"])
    end = f"{accuracies}% after {result['end']['seconds']:.3g} s"
    return f"| {' | '.join([result['run'], *times, end])} |"


def fastest_row(results: list[dict[str, Any]]) -> str:
    """Divide the time of the fastest peer by ours, for each target."""
    ratios = []
    for target in results[0]["reached"]:
        ours, theirs = (
            [r["reached"][target] for r in results if (r["run"] in OURS) == is_ours]
            for is_ours in (True, False)
        )
        ours, theirs = ([t for t in times if t is not None] for times in (ours, theirs))
        ratios.append(
            f"**{min(theirs) / min(ours):.1f}**" if ours and theirs else "no peer gets there"
        )
    return f"| the fastest peer's time / ours | {' | '.join(ratios)} | |"


def main() -> None:
    """Train everything, print the README's table row by row, and write the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--json", type=Path, help="results file (default: none)")
    arguments = parser.parse_args()
    context, facts, results = multiprocessing.get_context("spawn"), machine(), []
    print(facts, TABLE, sep="\n")
    for name, run in (OURS | PEERS).items():
        runs = []
        for seed in arguments.seeds:
            with ProcessPoolExecutor(1, context) as process:
                runs.append(process.submit(measure, run, seed).result())
        if None in runs:
            print(f"| {name} | not measured: it is not installed | | | |")
            continue
        results.append(summarize(name, runs))
        print(table_row(results[-1]), flush=True)
    print(fastest_row(results))
    if arguments.json:
        text = json.dumps({**facts, "results": results}, indent=1, ensure_ascii=False)
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
