import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from mnist_nn import (
    MNIST,
    RECORD,
    SGD,
    Adam,
    ModelError,
    Network,
    cosine,
    deform,
    get_accuracy,
    gradient_descent,
    init_params,
    load_model,
    make_predictions,
    model_card,
    reproduce,
    reproduction,
    save_model,
    split_validation,
    train,
)

LAYERS, SEED = [784, 12, 10], 3
WAYS: dict[str, dict[str, Any]] = {
    "gradient_descent": {"iterations": 3, "learning_rate": 0.5},
    "rate": {"epochs": 1, "batch_size": 500, "learning_rate": 0.1},
    "momentum": {"epochs": 1, "batch_size": 500, "optimizer": SGD(0.1, momentum=0.9)}
    | {"augment": deform},
    "adam": {
        "epochs": 1,
        "batch_size": 900,
        "optimizer": Adam(0.002, weight_decay=0.1, schedule=partial(cosine, warm_up=0.5)),
        "dropout": 0.1,
        "augment": partial(deform, rotation=20),
    },
    "patience": {
        "max_epochs": 9,
        "batch_size": 900,
        "learning_rate": 2.0,
        "patience": 1,
        "validation_size": 20_000,
    },
}


def fit(mnist: MNIST, way: str) -> Network:
    settings = {"progress": False} | WAYS[way]
    start = init_params(LAYERS, "sigmoid", rng=SEED)
    digits, validation = (mnist.train_X, mnist.train_Y), None
    if way == "gradient_descent":
        return gradient_descent(start, *digits, **settings)[0]
    if size := settings.pop("validation_size", 0):
        digits, validation = split_validation(*digits, size, rng=SEED)
    settings.setdefault("epochs", settings.pop("max_epochs", None))
    return train(start, *digits, rng=SEED, validation=validation, **settings)[0]


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore:training ended with a loss")
def test_a_network_is_trained_again_from_its_card(tmp_path: Path, mnist: MNIST, way: str) -> None:
    network = fit(mnist, way)
    save_model(tmp_path / "model.npz", network, {"seed": SEED} | WAYS[way])
    came = reproduce(tmp_path / "model.npz", progress=False)
    assert came.identical
    assert (came.difference, came.agreement, came.changes) == (0, 1, {})
    accuracy = get_accuracy(make_predictions(network, mnist.test_X), mnist.test_Y)
    assert came.accuracy == came.saved_accuracy == accuracy
    for a, b in zip([*came.network.w, *came.network.b], [*network.w, *network.b], strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:training ended with a loss")
def test_another_network_is_told_apart(tmp_path: Path, mnist: MNIST) -> None:
    network = fit(mnist, "rate")
    network.w[0][300, 5] += 0.25
    other = network._replace(b=[network.b[0], network.b[1] + np.eye(10, dtype="f4")[7] * 50])
    for saved, difference, agrees in ((network, 0.25, True), (other, 50, False)):
        save_model(tmp_path / "model.npz", saved, {"seed": SEED} | WAYS["rate"])
        came = reproduce(tmp_path / "model.npz", progress=False)
        assert not came.identical
        assert came.difference == pytest.approx(difference, rel=1e-6)
        answers = [make_predictions(each, mnist.test_X) for each in (came.network, saved)]
        assert came.agreement == np.mean(answers[0] == answers[1])
        assert (came.agreement > 0.9) == agrees
        assert came.saved_accuracy == np.mean(answers[1] == mnist.test_Y)


@pytest.mark.long
@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"seed": 0},
        {"seed": 0, "epochs": 1},
        {"seed": "x", "epochs": 1, "batch_size": 500, "learning_rate": 0.1},
        {"seed": 0, "epochs": -1, "batch_size": 500, "learning_rate": 0.1},
        {"seed": 0, "epochs": 1, "batch_size": 500, "optimizer": {"kind": "LBFGS"}},
        {"seed": 0, "epochs": 1, "batch_size": 500, "optimizer": "Adam"},
        {"seed": 0, "epochs": 1, "batch_size": 500, "learning_rate": 0.1, "augment": "flip"},
        {"seed": 0, "epochs": 1, "batch_size": 500, "learning_rate": 0.1, "augment": fit},
        {"seed": 0, "epochs": 1, "batch_size": 500, "learning_rate": 0.1, "augment": partial(fit)},
        {"seed": 0, "epochs": 1, "batch_size": 500, "learning_rate": 0.1, "augment": {"x": 1}},
        {"seed": 0, "epochs": 1, "batch_size": 500, "learning_rate": 0.1}
        | {"augment": partial(deform, twist=1)},
        {"seed": 0, "epochs": 1, "batch_size": 500, "learning_rate": 0.1}
        | {"augment": partial(deform, shape=(12, 9))},
        {"seed": 0, "epochs": 1, "batch_size": 500, "optimizer": SGD(0.1, schedule=lambda _: 1)},
        {"seed": 0, "iterations": 3},
        {"seed": 0, "iterations": 3, "learning_rate": 0.1, "data_digest": "741c98"},
    ],
)
def test_cards_that_say_too_little(tmp_path: Path, facts: dict[str, Any]) -> None:
    save_model(tmp_path / "model.npz", init_params([784, 10], rng=0), facts)
    with pytest.raises(ModelError, match=r"model.npz (should|has a card)"):
        reproduce(tmp_path / "model.npz", progress=False)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:training ended with a loss")
def test_half_precision_is_compared_as_such(tmp_path: Path, mnist: MNIST) -> None:
    network = fit(mnist, "rate")
    facts = {"seed": SEED} | WAYS["rate"]
    save_model(tmp_path / "half.npz", network, facts, half_precision=True)
    came = reproduce(tmp_path / "half.npz", progress=False)
    assert came.identical
    assert 0 < came.difference < 1e-3
    double = network._replace(
        w=[w.astype(float) for w in network.w], b=[b.astype(float) for b in network.b]
    )
    save_model(tmp_path / "double.npz", double, facts)
    assert not reproduce(tmp_path / "double.npz", progress=False).identical


def test_the_record_cannot_be_trained_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its card is older; that is said before the digits are read."""
    monkeypatch.setattr(reproduction, "load_mnist", None)
    with pytest.raises(ModelError, match="it lacks epochs"):
        reproduce(RECORD)


def test_the_card_says_where_it_was_made(tmp_path: Path) -> None:
    save_model(tmp_path / "model.npz", init_params([784, 10], rng=0))
    environment = model_card(tmp_path / "model.npz")["environment"]
    assert environment["python"] == sys.version.split()[0]
    assert environment["numpy"] == np.__version__
    found = [library for library in threadpool_info() if library["user_api"] == "blas"]
    assert environment["threads"] == [library["num_threads"] for library in found]
    # SciPy, which other tests load, has its own, and the order of two is nowhere laid down.
    names = sorted(f"{library['internal_api']} {library['version']}" for library in found)
    for text, name in zip(sorted(environment["blas"]), names, strict=True):
        assert text.startswith(name)
    assert {"mnist_nn", "commit", "cores", "cpu_features", "system"} < environment.keys()


TRAIN = """
import sys
from test_reproduction import *
from mnist_nn import load_mnist
from mnist_nn.data import digest
way, path = sys.argv[1:]
WAYS["long"] = WAYS["patience"] | {"max_epochs": 40, "learning_rate": 0.3, "patience": 40}
WAYS["long"] |= {"validation_size": 5000}
LAYERS[1:] = [64, 32, 10]
save_model(path, fit(load_mnist(), way), {"seed": SEED} | WAYS[way])
"""


@pytest.mark.slow
def test_what_a_result_depends_on(tmp_path: Path, mnist: MNIST) -> None:
    """Equal bits in two processes; nearly equal ones with other threads and kernels."""
    environments = {
        "first": {},
        "second": {},
        "one thread": {"OPENBLAS_NUM_THREADS": "1"},
        "two threads": {"OPENBLAS_NUM_THREADS": "2"},
        "Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
        "Nehalem": {"OPENBLAS_CORETYPE": "Nehalem"},
    }
    networks = {}
    for name, changes in environments.items():
        path = tmp_path / f"{name}.npz"
        command = [sys.executable, "-c", TRAIN, "long", str(path)]
        folder = Path(__file__).parent
        subprocess.run(command, cwd=folder, env=os.environ | changes, check=True)
        networks[name] = load_model(path)
    first = networks["first"]
    for a, b in zip(first.w + first.b, networks["second"].w + networks["second"].b, strict=True):
        assert a.tobytes() == b.tobytes()
    accuracies = [
        get_accuracy(make_predictions(network, mnist.test_X), mnist.test_Y)
        for network in networks.values()
    ]
    assert min(accuracies) > 0.9
    assert max(accuracies) - min(accuracies) <= 0.002
