"""A fair comparison of ways to train, as notebooks 05a and 05b make it."""

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from mnist_nn import SGD, Adam, Network, get_accuracy, make_predictions, train
from mnist_nn.checks import Floats, Integers


def measure(
    idea: str,
    networks: Callable[[int], Network],
    *,
    digits: tuple[Floats, Integers],
    held_out: tuple[Floats, Integers],
    seeds: Sequence[int],
    rates: Sequence[float],
    optimizer: Callable[[float], SGD | Adam] = SGD,
    **settings: Any,
) -> pd.DataFrame:
    """Train with the learning rate that suits an idea, from several seeds.

    With the first seed it tries every rate, and with the one that did best on the digits held out
    it trains from the other seeds as well.

    Parameters
    ----------
    idea : str
        What to call it.
    networks : callable
        Makes the network to start from out of a seed.
    digits, held_out : (X, Y)
        The digits to train on, and those to judge by.
    seeds : sequence of int
    rates : sequence of float
        The learning rates to try.
    optimizer : callable
        Makes an optimizer out of a learning rate.
    **settings
        The other arguments of `train`: ``epochs``, ``batch_size``, and what makes up the idea.

    Returns
    -------
    pandas.DataFrame
        One row per seed: ``idea``, ``rate``, ``train_accuracy``, ``validation_accuracy`` and
        ``seconds``.
    """

    def run(seed: int, rate: float) -> dict[str, float]:
        settings.update(optimizer=optimizer(rate), rng=seed, progress=False)
        began = time.perf_counter()
        with warnings.catch_warnings():
            # An idea may learn nothing with one of the rates: its accuracy says so.
            warnings.filterwarnings("ignore", "training ended with", RuntimeWarning)
            network, _ = train(networks(seed), *digits, **settings)
        seconds = time.perf_counter() - began
        learned, new = (
            get_accuracy(make_predictions(network, X), Y) for X, Y in (digits, held_out)
        )
        return {"train_accuracy": learned, "validation_accuracy": new, "seconds": seconds}

    tried = {rate: run(seeds[0], rate) for rate in rates}
    best = max(rates, key=lambda rate: tried[rate]["validation_accuracy"])
    others = [run(seed, best) for seed in seeds[1:]]
    return pd.DataFrame([tried[best], *others]).assign(idea=idea, rate=best)


def table(runs: pd.DataFrame) -> pd.DataFrame:
    """Average over the seeds of each idea.

    Returns
    -------
    pandas.DataFrame
        One row per idea: the ``rate`` chosen, the ``validation`` accuracy in percent, its
        ``spread`` (the best seed minus the worst) and the ``gap`` to the training accuracy, both in
        percentage points, and ``seconds``.
    """
    gap = 100 * (runs["train_accuracy"] - runs["validation_accuracy"])
    runs = runs.assign(validation=100 * runs["validation_accuracy"], gap=gap)
    ideas = runs.groupby("idea", sort=False)
    means = ideas[["rate", "validation", "gap", "seconds"]].mean()
    means.insert(2, "spread", ideas["validation"].max() - ideas["validation"].min())
    return means.round({"rate": 3, "validation": 2, "spread": 2, "gap": 2, "seconds": 1})
