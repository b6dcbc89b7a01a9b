"""Compare the speed of mnist_nn with that of PyTorch, JAX, scikit-learn and others.

Each side of a comparison trains the same network on the same digits in a process of its own, after
a turn to warm up. The two take turns, so that whatever slows the machine slows both; the ratio of
their times is taken turn by turn, and the table has its median, lowest and highest. A peer that is
not installed is reported as not measured. Some rows are measured beside a process that is always
busy, which this starts and ends, as people's machines are. From the root of the repository, with
nothing else running::

    uv run --locked --with torch --with scikit-learn --with jax benchmarks/speed.py
"""

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mnist_nn import deform, gradient_descent, init_params, load_mnist, make_predictions, train

Run: TypeAlias = Callable[[], object]


class Task(NamedTuple):
    """A network, and how it is trained; without a batch size, on all digits at once."""

    neuron_layers: list[int]
    activation: Any
    learning_rate: float
    optimizer: Any = "sgd"
    batch_size: int = 60_000
    passes: int = 1  # over the digits in one turn


TASKS = (
    Task([784, 10, 10], "relu", 0.10, passes=40),
    Task([784, 64, 32, 10], "sigmoid", 0.3, batch_size=1024, passes=5),
    Task([784, 1024, 1024, 10], "relu", 0.001, "adam", batch_size=256),
    Task([784, 30, 10], "sigmoid", 0.3, batch_size=10),
)
PREDICTIONS = 50  # times 10,000 digits in one turn


# Each function below prepares one side of a comparison and returns what is timed.


def mnist_nn(task: Task, **techniques: Any) -> Run:
    """Train as the notebooks do."""
    mnist = load_mnist()
    network = init_params(task.neuron_layers, task.activation, rng=0)
    settings = {"learning_rate": task.learning_rate, "progress": False}
    if task.batch_size == 60_000:
        learn: Any = partial(gradient_descent, iterations=task.passes, **settings)
    else:
        settings |= {"epochs": task.passes, "batch_size": task.batch_size, "rng": 0}
        learn = partial(train, optimizer=task.optimizer, **settings, **techniques)

    def run() -> None:
        nonlocal network
        network, _ = learn(network, mnist.train_X, mnist.train_Y)

    return run


def _torch_network(task: Task) -> Any:
    from torch import nn

    hidden = nn.ReLU if task.activation == "relu" else nn.Sigmoid
    layers: list[Any] = []
    for n_in, n_out in zip(task.neuron_layers[:-1], task.neuron_layers[1:], strict=True):
        layers += [nn.Linear(n_in, n_out), hidden()]
    return nn.Sequential(*layers[:-1])


def pytorch(task: Task, loader: bool = False) -> Run:
    """Train eagerly, with batches cut from a tensor or from a DataLoader."""
    import torch
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader, TensorDataset

    mnist = load_mnist()
    X, Y = torch.from_numpy(mnist.train_X), torch.from_numpy(mnist.train_Y)
    network = _torch_network(task)
    optimizers = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    optimizer = optimizers[task.optimizer](network.parameters(), lr=task.learning_rate)
    dealt = DataLoader(TensorDataset(X, Y), batch_size=task.batch_size, shuffle=True)

    def step(X: Any, Y: Any) -> None:
        optimizer.zero_grad()
        cross_entropy(network(X), Y).backward()
        optimizer.step()

    def run() -> None:
        for _ in range(task.passes):
            if task.batch_size == len(Y):
                step(X, Y)
            elif loader:
                for batch in dealt:
                    step(*batch)
            else:
                for rows in torch.randperm(len(Y)).split(task.batch_size):
                    step(X[rows], Y[rows])

    return run


def pytorch_loader(task: Task) -> Run:
    """Train eagerly, with batches from a DataLoader, as its tutorials do."""
    return pytorch(task, loader=True)


def jax(task: Task) -> Run:
    """Train by a compiled step that takes over the memory of the parameters."""
    import jax
    import jax.numpy as jnp

    mnist = load_mnist()
    X, Y = jnp.asarray(mnist.train_X), jnp.asarray(mnist.train_Y)
    network = init_params(task.neuron_layers, task.activation, rng=0)
    hidden = jax.nn.relu if task.activation == "relu" else jax.nn.sigmoid

    def loss(parameters: Any, X: Any, Y: Any) -> Any:
        *before, (w, b) = parameters
        for w_before, b_before in before:
            X = hidden(X @ w_before + b_before)
        log_p = jax.nn.log_softmax(X @ w + b)
        return -jnp.take_along_axis(log_p, Y[:, None], axis=1).mean()

    def sgd(state: Any, gradient: Any) -> Any:
        (parameters,) = state
        return (jax.tree.map(lambda p, g: p - task.learning_rate * g, parameters, gradient),)

    def adam(state: Any, gradient: Any) -> Any:
        parameters, m, v, t = state
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradient)
        t = t + 1
        rate = task.learning_rate / (1 - 0.9**t)
        parameters = jax.tree.map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), parameters, m, v
        )
        return parameters, m, v, t

    @partial(jax.jit, donate_argnums=0)
    def step_all(state: Any, X: Any, Y: Any) -> Any:
        return (sgd if task.optimizer == "sgd" else adam)(state, jax.grad(loss)(state[0], X, Y))

    @partial(jax.jit, donate_argnums=0)
    def step_batch(state: Any, X: Any, Y: Any, rows: Any) -> Any:
        return step_all(state, X[rows], Y[rows])

    parameters = [tuple(map(jnp.asarray, pair)) for pair in zip(network.w, network.b, strict=True)]
    states: list[Any] = [(parameters,)]
    if task.optimizer == "adam":
        zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
        states = [(parameters, *zeros, jnp.zeros(()))]
    rng = np.random.default_rng(0)

    def run() -> None:
        state = states.pop()
        for _ in range(task.passes):
            if task.batch_size == len(Y):
                state = step_all(state, X, Y)
            else:
                order = rng.permutation(len(Y))
                for first in range(0, len(Y), task.batch_size):
                    state = step_batch(state, X, Y, order[first : first + task.batch_size])
        states.append(jax.block_until_ready(state))

    return run


def scikit_learn(task: Task) -> Run:
    """Train an MLPClassifier with the same settings."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore", ConvergenceWarning)
    mnist = load_mnist()
    model = MLPClassifier(
        task.neuron_layers[1:-1],
        activation={"sigmoid": "logistic", "relu": "relu"}[task.activation],
        solver=task.optimizer,
        alpha=0,
        batch_size=task.batch_size,
        learning_rate_init=task.learning_rate,
        momentum=0,
        nesterovs_momentum=False,
        max_iter=task.passes,
        n_iter_no_change=task.passes,
    )
    return partial(model.fit, mnist.train_X, mnist.train_Y)


def textbook(task: Task) -> Run:
    """Descend as tutorials in NumPy do: float64, a digit a column, labels one-hot at each step."""
    mnist = load_mnist()
    X, Y = mnist.train_X.T.astype(np.float64), mnist.train_Y
    rng, m = np.random.default_rng(0), len(Y)
    n_in, n_hidden, n_out = task.neuron_layers
    w1, b1 = rng.normal(0, 0.05, (n_hidden, n_in)), np.zeros((n_hidden, 1))
    w2, b2 = rng.normal(0, 0.05, (n_out, n_hidden)), np.zeros((n_out, 1))

    def run() -> None:
        nonlocal w1, b1, w2, b2
        for _ in range(task.passes):
            z1 = w1.dot(X) + b1
            a1 = np.maximum(z1, 0)
            scores = w2.dot(a1) + b2
            exponentials = np.exp(scores - np.max(scores, axis=0))
            p = exponentials / np.sum(exponentials, axis=0)
            y = np.zeros((m, n_out))
            y[np.arange(m), Y] = 1
            dz2 = p - y.T
            dw2, db2 = dz2.dot(a1.T) / m, np.sum(dz2, axis=1, keepdims=True) / m
            dz1 = w2.T.dot(dz2) * (z1 > 0)
            dw1, db1 = dz1.dot(X.T) / m, np.sum(dz1, axis=1, keepdims=True) / m
            w1, b1 = w1 - task.learning_rate * dw1, b1 - task.learning_rate * db1
            w2, b2 = w2 - task.learning_rate * dw2, b2 - task.learning_rate * db2

    return run


def products(task: Task) -> Run:
    """Multiply the matrices that a step multiplies, and do nothing else: the floor."""
    rng = np.random.default_rng(0)
    layers = task.neuron_layers
    network = init_params(layers, task.activation, rng=0)
    A = [rng.random((task.batch_size, n), np.float32) for n in layers]

    def run() -> None:
        for _ in range(task.passes * len(range(0, 60_000, task.batch_size))):
            for layer, w in enumerate(network.w):
                A[layer] @ w
                A[layer].T @ A[layer + 1]
                if layer > 0:
                    A[layer + 1] @ w.T

    return run


def mnist_nn_predict(task: Task) -> Run:
    """Predict with mnist_nn."""
    X = load_mnist().test_X
    network = init_params(task.neuron_layers, task.activation, rng=0)
    return lambda: [make_predictions(network, X) for _ in range(PREDICTIONS)]


def pytorch_predict(task: Task) -> Run:
    """Predict in PyTorch's inference mode."""
    import torch

    X = torch.from_numpy(load_mnist().test_X)
    network = _torch_network(task)

    def run() -> None:
        with torch.inference_mode():
            for _ in range(PREDICTIONS):
                network(X).argmax(dim=1)

    return run


def mnist_nn_load() -> Run:
    """Read MNIST, checksums included."""
    return load_mnist


def write_csv(folder: str) -> None:
    """Write MNIST as the pair of CSV files that Kaggle has."""
    import pandas as pd

    train_X, train_Y, test_X, test_Y = load_mnist()
    for name, X, Y in (("train", train_X, train_Y), ("test", test_X, test_Y)):
        table = pd.DataFrame(np.rint(X * 255).astype(np.uint8))
        table.insert(0, "label", Y)
        table.to_csv(Path(folder) / f"mnist_{name}.csv", index=False)


def pandas_load(folder: str) -> Run:
    """Read the pair of CSV files that Kaggle has."""
    import pandas as pd

    return lambda: [pd.read_csv(Path(folder) / f"mnist_{name}.csv") for name in ("train", "test")]


def fresh_import(module: str) -> Run:
    """Start Python and import a module, compiled before in the turn that warms up."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", f"import {module}"]
    return partial(subprocess.run, command, env=environment, check=True)


class Row(NamedTuple):
    """A comparison: its two sides, the work in a turn, and the goal for the ratio."""

    what: str
    ours: partial[Run]
    peer: partial[Run]
    per_turn: int
    goal: float
    peer_by_ours: bool = True  # at least the goal; else it is ours / peer, at most the goal
    busy: tuple[bool, bool] = (False, False)  # whether a side runs beside a busy process

    @property
    def name(self) -> str:
        """The workload and the peer."""
        idle = self.busy == (True, False)
        return f"{self.what} | {'nothing beside it' if idle else self.peer.func.__name__}"


def comparisons(csv_folder: str) -> list[Row]:
    """List what is compared, with the goals that the project has set itself."""
    A, B, C, D = (partial(mnist_nn, task) for task in TASKS)
    a, b, c, d = TASKS
    predictions = partial(mnist_nn_predict, b), partial(pytorch_predict, b)
    loads = partial(mnist_nn_load), partial(pandas_load, csv_folder)
    imports = partial(fresh_import, "mnist_nn"), partial(fresh_import, "numpy")
    return [
        Row("A: 784-10-10, all digits at once, iteration", A, partial(pytorch, a), a.passes, 1.3),
        Row("A", A, partial(textbook, a), a.passes, 3),
        Row("A", A, partial(jax, a), a.passes, 1),
        Row("B: 784-64-32-10, batch 1024, epoch", B, partial(pytorch, b), b.passes, 1.5),
        Row("B", B, partial(pytorch_loader, b), b.passes, 4),
        Row("B", B, partial(scikit_learn, b), b.passes, 1.7),
        Row("B", B, partial(jax, b), b.passes, 1),
        Row("C: 784-1024-1024-10, batch 256, Adam, epoch", C, partial(pytorch, c), c.passes, 1.15),
        Row("C", C, partial(jax, c), c.passes, 1),
        Row("C", C, partial(products, c), c.passes, 1.3, peer_by_ours=False),
        Row("deform: C", partial(mnist_nn, c, augment=deform), C, c.passes, 1.4, False),
        Row("D: 784-30-10, batch 10, epoch", D, partial(pytorch, d), d.passes, 6),
        Row("D", D, partial(jax, d), d.passes, 1),
        Row("E: 10,000 predictions, 784-64-32-10", *predictions, PREDICTIONS, 1.2),
        Row("load_mnist()", *loads, 1, 8),
        Row("import", *imports, 1, 1.3, peer_by_ours=False),
        Row("busy: B", B, partial(pytorch, b), b.passes, 3, busy=(True, True)),
        *(
            Row(f"busy: {what}", ours, ours, per_turn, 2, peer_by_ours=False, busy=(True, False))
            for what, ours, per_turn in (
                ("A", A, a.passes),
                ("B", B, b.passes),
                ("C", C, c.passes),
                ("deform: C", partial(mnist_nn, c, augment=deform), c.passes),
                ("D", D, d.passes),
                ("E", predictions[0], PREDICTIONS),
                ("load_mnist()", loads[0], 1),
                ("import", imports[0], 1),
            )
        ),
    ]


def peak_megabytes() -> float | None:
    """Tell the most memory that this process has used, where the system is Linux."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1000 for line in lines if "VmHWM" in line), None)


@contextmanager
def neighbour(busy: bool) -> Iterator[None]:
    """Run a process that is always busy meanwhile, if asked to."""
    if not busy:
        yield
        return
    loop = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(loop, start_new_session=True) as process:
        try:
            yield
        finally:
            process.kill()


def serve(prepare: partial[Run], pipe: Connection) -> None:
    """Be one side: time a turn whenever asked to, then tell the peak of memory."""
    if hasattr(os, "setsid"):
        os.setsid()  # as a Jupyter kernel: Linux shares the cores out by session
    try:
        run = prepare()
    except ModuleNotFoundError as error:
        pipe.send(f"not measured, {error.name} is not installed")
        return
    run()  # warms up
    pipe.send(None)
    while pipe.recv():
        start = time.perf_counter()
        run()
        pipe.send(time.perf_counter() - start)
    pipe.send(peak_megabytes())


def compare(row: Row, turns: int) -> dict[str, Any]:
    """Let the two sides of a row take turns, and sum up."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for side in (row.peer, row.ours):
        pipe, other_end = context.Pipe()
        process = context.Process(target=serve, args=(side, other_end), daemon=True)
        process.start()
        other_end.close()  # so that a process which dies is noticed
        if trouble := pipe.recv():
            return {"row": row.name, "trouble": trouble}
        pipes.insert(0, pipe)
        processes.append(process)
    seconds: list[list[float]] = [[], []]
    for _ in range(turns):
        for pipe, times, busy in zip(pipes, seconds, row.busy, strict=True):
            time.sleep(0.5)  # what is idle on the other side goes on turning for a while
            with neighbour(busy):
                pipe.send(True)
                times.append(pipe.recv())
    for pipe in pipes:
        pipe.send(False)
    megabytes = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join()
    ratios = [peer / ours for ours, peer in zip(*seconds, strict=True)]
    if not row.peer_by_ours:
        ratios = [1 / ratio for ratio in ratios]
    return {
        "row": row.name,
        "ours_ms": 1000 * median(seconds[0]) / row.per_turn,
        "peer_ms": 1000 * median(seconds[1]) / row.per_turn,
        "ratio": median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
        "goal": f"≥ {row.goal}" if row.peer_by_ours else f"≤ {row.goal}, ours / peer",
        "ours_mb": megabytes[0],
        "peer_mb": megabytes[1],
    }


def in_words(result: dict[str, Any]) -> str:
    """Write a result as a line of the table."""
    if "trouble" in result:
        return f"| {result['row']} | {result['trouble']} |"
    times = (
        f"{time:,.0f} ms" if time > 100 else f"{time:.3g} ms"
        for time in (result["ours_ms"], result["peer_ms"])
    )
    ratio = f"{result['ratio']:.2f} ({result['lowest']:.2f} to {result['highest']:.2f})"
    peaks = (f"{mb:.0f} MB" if mb else "" for mb in (result["ours_mb"], result["peer_mb"]))
    return f"| {' | '.join([result['row'], *times, ratio, result['goal'], *peaks])} |"


def machine() -> dict[str, Any]:
    """Tell what the figures depend on."""
    facts = {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.system()}
    facts["python"] = platform.python_version()
    for package in ("numpy", "torch", "jax", "scikit-learn", "pandas"):
        with suppress(PackageNotFoundError):
            facts[package] = version(package)
    return facts


def main() -> None:
    """Measure, print the table row by row, and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", help="only rows that start so, such as A or load")
    parser.add_argument("--turns", type=int, default=5, help="turns of each side (5)")
    parser.add_argument("--json", type=Path, help="file for the results (speed.json, beside this)")
    arguments = parser.parse_args()
    table = arguments.json or (None if arguments.rows else Path(__file__).with_suffix(".json"))
    facts, results = machine(), []
    print(facts)
    print("| workload | peer | ours | peer | peer / ours | goal | ours, peak | peer, peak |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for row in comparisons(folder):
            if row.what.startswith(tuple(arguments.rows) or ""):
                if row.peer.func is pandas_load:
                    write_csv(folder)
                results.append(compare(row, arguments.turns))
                print(in_words(results[-1]), flush=True)
    if table:
        text = json.dumps({**facts, "results": results}, indent=1, ensure_ascii=False)
        table.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
