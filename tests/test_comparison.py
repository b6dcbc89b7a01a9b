"""The comparison that notebooks 05a and 05b make."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mnist_nn import init_params

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "notebooks"))

import comparison

# Four images of one pixel each; the labels of those held out follow another rule.
X, Y = np.eye(4, dtype=np.float32), np.arange(4)
measure = partial(
    comparison.measure,
    "an idea",
    lambda seed: init_params([4, 4], rng=seed),
    digits=(X, Y),
    seeds=[0, 1],
    epochs=30,
    batch_size=2,
)


def test_the_rate_is_chosen_on_the_digits_held_out_and_kept_for_the_other_seeds() -> None:
    for held_out, best in (Y, 1.0), ((Y + 1) % 4, 1e-9):
        runs = measure(held_out=(X, held_out), rates=[1e-9, 1.0])
        assert runs["rate"].tolist() == [best, best]
    assert runs["idea"].tolist() == ["an idea", "an idea"]


def test_the_table_averages_over_the_seeds() -> None:
    accuracies = {"train_accuracy": [1.0, 1.0, 0.8], "validation_accuracy": [0.5, 0.7, 0.9]}
    others = {"idea": ["first", "first", "a later one"], "rate": 0.1, "seconds": [1.0, 2.0, 3.0]}
    table = comparison.table(pd.DataFrame(accuracies | others))
    assert table.index.tolist() == ["first", "a later one"]
    assert table.loc["first"].to_dict() == pytest.approx(
        {"rate": 0.1, "validation": 60, "spread": 20, "gap": 40, "seconds": 1.5}
    )
    assert table.loc["a later one", ["spread", "gap"]].tolist() == pytest.approx([0, -10])
