"""Compare the speed of mnist_nn with that of PyTorch, JAX, scikit-learn and others.

Both sides of a comparison train the same network on the same digits, each in its own process, after
a warm-up turn. They take turns, so that whatever slows down the machine slows down both. The ratio
of their times is taken turn by turn, and the table gives its median, lowest and highest value. A
peer that is not installed is reported as not measured. Where a turn is a whole fit, each turn has
another seed, and how accurate the networks are is measured too, after the clock has stopped. Since
most machines are busy, some rows are measured next to a process that is always busy, which this
script starts and stops. What people wait for in a notebook is measured in a Jupyter kernel, a new
one each turn. Run it from the root of the repository, with nothing else running::

    uv run --locked --with torch,scikit-learn,jax benchmarks/speed.py
"""

import argparse
import json
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import mean, median, pstdev
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from threadpoolctl import threadpool_info

from mnist_nn import (
    SGD,
    Adam,
    deform,
    gradient_descent,
    init_params,
    load_mnist,
    make_predictions,
    train,
)

Run: TypeAlias = Callable[[], object]


class Task(NamedTuple):
    """A network and how to train it; without a batch size, on all digits at once."""

    neuron_layers: list[int]
    activation: Any
    learning_rate: float
    optimizer: str = "sgd"
    batch_size: int = 60_000
    passes: int = 1  # over the digits per turn


TASKS = (
    Task([784, 10, 10], "relu", 0.10, passes=40),
    Task([784, 64, 32, 10], "sigmoid", 0.3, batch_size=1024, passes=5),
    Task([784, 1024, 1024, 10], "relu", 0.001, "adam", batch_size=256),
    Task([784, 30, 10], "sigmoid", 0.3, batch_size=10),
)
PREDICTIONS = 50  # per turn, of all 10,000 test digits


# Each function below prepares one side of a comparison and returns the function to time.


def mnist_nn(task: Task, **techniques: Any) -> Run:
    """Train as the notebooks do."""
    mnist = load_mnist()
    network = init_params(task.neuron_layers, task.activation, rng=0)
    if task.batch_size == 60_000:
        settings = {"iterations": task.passes, "learning_rate": task.learning_rate}
        learn: Any = partial(gradient_descent, **settings, progress=False)
    else:
        optimizer = {"sgd": SGD, "adam": Adam}[task.optimizer](task.learning_rate)
        settings = {"epochs": task.passes, "batch_size": task.batch_size, "rng": 0}
        learn = partial(train, optimizer=optimizer, **settings, **techniques, progress=False)

    def run() -> None:
        nonlocal network
        network, _ = learn(network, mnist.train_X, mnist.train_Y)

    return run


def _torch_network(task: Task, compiled: bool = False) -> Any:
    import torch
    from torch import nn

    if compiled and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise ModuleNotFoundError(name="a C++ compiler")

    hidden = nn.ReLU if task.activation == "relu" else nn.Sigmoid
    layers: list[Any] = []
    for n_in, n_out in zip(task.neuron_layers[:-1], task.neuron_layers[1:], strict=True):
        layers += [nn.Linear(n_in, n_out), hidden()]
    network = nn.Sequential(*layers[:-1])
    return torch.compile(network) if compiled else network


def pytorch(task: Task, loader: bool = False, compiled: bool = False) -> Run:
    """Train with batches indexed from a tensor or taken from a DataLoader."""
    import torch
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader, TensorDataset

    mnist = load_mnist()
    X, Y = torch.from_numpy(mnist.train_X), torch.from_numpy(mnist.train_Y)
    network = _torch_network(task, compiled)
    optimizers = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    optimizer = optimizers[task.optimizer](network.parameters(), lr=task.learning_rate)
    batches = DataLoader(TensorDataset(X, Y), batch_size=task.batch_size, shuffle=True)

    def step(X: Any, Y: Any) -> None:
        optimizer.zero_grad()
        cross_entropy(network(X), Y).backward()
        optimizer.step()

    def run() -> None:
        for _ in range(task.passes):
            if task.batch_size == len(Y):
                step(X, Y)
            elif loader:
                for batch in batches:
                    step(*batch)
            else:
                for rows in torch.randperm(len(Y)).split(task.batch_size):
                    step(X[rows], Y[rows])

    return run


def jax(task: Task) -> Run:
    """Train with a compiled step that reuses the memory of the parameters."""
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


class Fit(NamedTuple):
    """A classifier that a turn has fitted, and the held-out digits to test it on."""

    model: Any
    X: Any
    Y: Any

    def figures(self) -> dict[str, float]:
        """Tell how accurate it is, and how many epochs it took."""
        return {"accuracy": self.model.score(self.X, self.Y), "epochs": self.model.n_iter_}


def some_mnist() -> tuple[Any, Any, Any, Any]:
    """Return 10,000 training digits of MNIST and its test digits: X, test X, Y, test Y."""
    mnist = load_mnist()
    return mnist.train_X[:10_000], mnist.test_X, mnist.train_Y[:10_000], mnist.test_Y


def scikit_learns_digits() -> tuple[Any, Any, Any, Any]:
    """Return three quarters of scikit-learn's digits, and the last quarter to test on."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, Y = load_digits(return_X_y=True)
    split: tuple[Any, Any, Any, Any]
    split = tuple(train_test_split(X / 16, Y, stratify=Y, random_state=0))
    return split


def fit(classifier: str, load: Callable[[], tuple[Any, Any, Any, Any]], dtype: str) -> Run:
    """Fit one of two classifiers with the default settings, and another seed each turn."""
    from sklearn.neural_network import MLPClassifier

    from mnist_nn import MNISTClassifier

    make = {"MLPClassifier": MLPClassifier, "MNISTClassifier": MNISTClassifier}[classifier]
    X, test_X, Y, test_Y = load()
    X, test_X = X.astype(dtype), test_X.astype(dtype)
    seeds = count()

    def run() -> Fit:
        # Each stops by the rule that both have, long before so many epochs.
        model = make(max_iter=1000, random_state=next(seeds))
        return Fit(model.fit(X, Y), test_X, test_Y)

    return run


def textbook(task: Task) -> Run:
    """Train as NumPy tutorials do: float64, one digit per column, one-hot labels at each step."""
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
    """Compute only the matrix products of each step: a lower bound for its time."""
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


def pytorch_predict(task: Task, compiled: bool = False) -> Run:
    """Predict in PyTorch's inference mode."""
    import torch

    X = torch.from_numpy(load_mnist().test_X)
    network = _torch_network(task, compiled)

    def run() -> None:
        with torch.inference_mode():
            for _ in range(PREDICTIONS):
                network(X).argmax(dim=1)

    return run


def jax_predict(task: Task) -> Run:
    """Predict with a compiled function."""
    import jax
    import jax.numpy as jnp

    network = init_params(task.neuron_layers, task.activation, rng=0)
    parameters = [tuple(map(jnp.asarray, pair)) for pair in zip(network.w, network.b, strict=True)]
    X = jnp.asarray(load_mnist().test_X)

    @jax.jit
    def read(parameters: Any, X: Any) -> Any:
        *before, (w, b) = parameters
        for w_before, b_before in before:
            X = jax.nn.sigmoid(X @ w_before + b_before)
        return (X @ w + b).argmax(axis=1)

    return lambda: [jax.block_until_ready(read(parameters, X)) for _ in range(PREDICTIONS)]


def mnist_nn_load() -> Run:
    """Read MNIST, including the checksums."""
    return load_mnist


def write_csv(folder: str) -> None:
    """Write MNIST as the two CSV files that Kaggle has."""
    import pandas as pd

    train_X, train_Y, test_X, test_Y = load_mnist()
    for name, X, Y in (("train", train_X, train_Y), ("test", test_X, test_Y)):
        table = pd.DataFrame(np.rint(X * 255).astype(np.uint8))
        table.insert(0, "label", Y)
        table.to_csv(Path(folder) / f"mnist_{name}.csv", index=False)


def pandas_load(folder: str) -> Run:
    """Read the two CSV files that Kaggle has."""
    import pandas as pd

    return lambda: [pd.read_csv(Path(folder) / f"mnist_{name}.csv") for name in ("train", "test")]


def fresh_import(module: str) -> Run:
    """Start Python and import a module, which the warm-up turn has compiled."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", f"import {module}"]
    return partial(subprocess.run, command, env=environment, check=True)


WORKLOADS = {
    "A": "784-10-10, ReLU, all 60,000 digits at once, one iteration",
    "B": "784-64-32-10, sigmoid, batches of 1024, one epoch",
    "C": "784-1024-1024-10, ReLU, batches of 256, Adam, one epoch",
    "deform": "C, on deformed digits",
    "D": "784-30-10, sigmoid, batches of 10, one epoch",
    "E": "10,000 predictions of 784-64-32-10",
    "F": "64-100-10, ReLU, batches of 200, Adam, scikit-learn's digits, one fit",
    "G": "784-100-10, ReLU, batches of 200, Adam, 10,000 of MNIST's digits, one fit",
    "load": "`load_mnist()`, SHA-256 checked",
    "import": "start Python, `import mnist_nn`",
}


class Row(NamedTuple):
    """A comparison: the workload, its two sides, and how often a turn does the work."""

    workload: str
    peer: str
    ours: partial[Run]
    theirs: partial[Run]
    per_turn: int = 1
    busy: tuple[bool, bool] = (False, False)  # whether each side runs next to a busy process

    @property
    def slows_down(self) -> bool:
        """Whether the row compares mnist_nn next to a busy process with mnist_nn alone."""
        return self.busy == (True, False)


def comparisons(csv_folder: str) -> list[Row]:
    """List the comparisons."""
    A, B, C, D = (partial(mnist_nn, task) for task in TASKS)
    a, b, c, d = TASKS
    short = b._replace(passes=3)  # next to a busy process, PyTorch needs half a minute for them
    C_deformed = partial(mnist_nn, c, augment=deform)
    E, load = partial(mnist_nn_predict, b), partial(mnist_nn_load)
    start = partial(fresh_import, "mnist_nn")
    indexed, compiled = "PyTorch, batches indexed from a tensor", "PyTorch, the same, compiled"
    jitted, sklearn = "JAX, compiled step", "scikit-learn, MLPClassifier"
    neighbors = "; both next to a busy process"
    csv, numpy = partial(pandas_load, csv_folder), partial(fresh_import, "numpy")
    sides = ("MNISTClassifier", "MLPClassifier")
    ours = {"A": (A, a.passes), "B": (B, b.passes), "C": (C, c.passes), "D": (D, d.passes)}
    ours["E"] = E, PREDICTIONS
    return [
        Row("A", "PyTorch", A, partial(pytorch, a), a.passes),
        Row("A", "PyTorch, compiled", A, partial(pytorch, a, compiled=True), a.passes),
        Row("A", jitted, A, partial(jax, a), a.passes),
        Row("A", "the textbook loop in NumPy, float64", A, partial(textbook, a), a.passes),
        Row("B", indexed, B, partial(pytorch, b), b.passes),
        Row("B", compiled, B, partial(pytorch, b, compiled=True), b.passes),
        Row("B", "PyTorch, DataLoader", B, partial(pytorch, b, loader=True), b.passes),
        Row("B", jitted, B, partial(jax, b), b.passes),
        Row("B", sklearn, B, partial(scikit_learn, b), b.passes),
        Row("C", indexed, C, partial(pytorch, c), c.passes),
        Row("C", compiled, C, partial(pytorch, c, compiled=True), c.passes),
        Row("C", jitted, C, partial(jax, c), c.passes),
        Row("C", sklearn, C, partial(scikit_learn, c), c.passes),
        Row("C", "only the step's matrix products", C, partial(products, c), c.passes),
        Row("deform", "the same, on undeformed digits", C_deformed, C, c.passes),
        Row("D", indexed, D, partial(pytorch, d), d.passes),
        Row("D", compiled, D, partial(pytorch, d, compiled=True), d.passes),
        Row("D", jitted, D, partial(jax, d), d.passes),
        Row("D", sklearn, D, partial(scikit_learn, d), d.passes),
        Row("E", "PyTorch, inference mode", E, partial(pytorch_predict, b), PREDICTIONS),
        Row("E", compiled, E, partial(pytorch_predict, b, compiled=True), PREDICTIONS),
        Row("E", "JAX, compiled", E, partial(jax_predict, b), PREDICTIONS),
        *(
            Row(workload, f"{sklearn}, {dtype}", *(partial(fit, c, digits, dtype) for c in sides))
            for workload, digits in (("F", scikit_learns_digits), ("G", some_mnist))
            for dtype in ("float64", "float32")
        ),
        Row("load", "pandas, the two CSV files", load, csv),
        Row("import", "`import numpy`", start, numpy),
        *(
            Row(
                workload, peer + neighbors, partial(mnist_nn, task), side, task.passes, (True, True)
            )
            for workload, task in (("B", short), ("C", c))
            for peer, side in ((indexed, partial(pytorch, task)), (jitted, partial(jax, task)))
        ),
        *(
            Row(workload, "alone", side, side, per_turn, busy=(True, False))
            for workload, (side, per_turn) in ours.items()
        ),
    ]


def peak_megabytes() -> float | None:
    """Return the peak memory of this process, or None if the system is not Linux."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1000 for line in lines if "VmHWM" in line), None)


@contextmanager
def neighbor(busy: bool) -> Iterator[None]:
    """Keep another process busy during the context, if asked to."""
    if not busy:
        yield
        return
    # It ends with this process, however that ends.
    code = f"import os\nwhile os.getppid() == {os.getpid()}: pass"
    loop = [sys.executable, "-c", code]
    with subprocess.Popen(loop, start_new_session=True) as process:
        try:
            yield
        finally:
            process.kill()


def serve(prepare: partial[Run], pipe: Connection) -> None:
    """Run one side: time a turn for each request, then report the peak memory.

    What else there is to tell of a turn comes with its time.
    """
    if hasattr(os, "setsid"):
        os.setsid()  # like a Jupyter kernel: Linux divides the cores between sessions
    try:
        run = prepare()
    except ModuleNotFoundError as error:
        pipe.send(f"not measured: {error.name} is not installed")
        return
    run()  # warm-up
    pipe.send(None)
    while pipe.recv():
        start = time.perf_counter()
        result = run()
        seconds = time.perf_counter() - start
        pipe.send((seconds, result.figures() if isinstance(result, Fit) else {}))
    pipe.send(peak_megabytes())


def compare(row: Row, turns: int) -> dict[str, Any]:
    """Let the two sides of a row take turns, and summarize their times."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    about = {"workload": row.workload, "compared_with": row.peer}
    for side in (row.theirs, row.ours):
        pipe, other_end = context.Pipe()
        process = context.Process(target=serve, args=(side, other_end), daemon=True)
        process.start()
        other_end.close()  # so that the death of the process is noticed
        try:
            trouble = pipe.recv()
        except EOFError:
            trouble = "not measured: it failed, as it says above"
        if trouble:
            return about | {"trouble": trouble}
        pipes.insert(0, pipe)
        processes.append(process)
    seconds: list[list[float]] = [[], []]
    figures: dict[str, list[float]] = {}
    for _ in range(turns):
        for whose, pipe, times, busy in zip(
            ("ours", "theirs"), pipes, seconds, row.busy, strict=True
        ):
            time.sleep(0.5)  # idle threads of the other side keep spinning for a while
            with neighbor(busy):
                pipe.send(True)
                taken, told = pipe.recv()
            times.append(taken)
            for name, figure in told.items():
                figures.setdefault(f"{whose}_{name}", []).append(figure)
    for pipe in pipes:
        pipe.send(False)
    megabytes = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join()
    ours, theirs = (1000 * median(times) / row.per_turn for times in seconds)
    if row.slows_down:
        ratios = [busy / alone for busy, alone in zip(*seconds, strict=True)]
        measured = {"alone_ms": theirs, "busy_ms": ours, "slowdown": median(ratios)}
    else:
        ratios = [peer / own for own, peer in zip(*seconds, strict=True)]
        measured = {"ours_ms": ours, "theirs_ms": theirs, "ratio": median(ratios)}
        measured |= {"ours_mb": megabytes[0], "theirs_mb": megabytes[1]}
    measured |= {"lowest": min(ratios), "highest": max(ratios)} | figures
    # How the machine drifted meanwhile.
    return about | measured | {"our_last_turn_over_first": seconds[0][-1] / seconds[0][0]}


def wait_in_a_kernel(turns: int) -> Iterator[dict[str, Any]]:
    """Measure how long a person waits for a cell, from sending it to its end."""
    from jupyter_client.manager import start_new_kernel

    milliseconds: dict[str, list[float]] = {cell: [] for cell in CELLS}
    for _ in range(turns):
        manager, client = start_new_kernel()
        run = partial(client.execute_interactive, output_hook=lambda _: None, timeout=600)
        try:
            for cell, (*preparation, timed) in CELLS.items():
                run("\n".join(preparation))
                start = time.perf_counter()
                reply = run(timed)
                milliseconds[cell].append(1000 * (time.perf_counter() - start))
                if reply["content"]["status"] != "ok":
                    raise RuntimeError(f"{cell}: {reply['content']}")
        finally:
            client.stop_channels()
            manager.shutdown_kernel()
    for cell, times in milliseconds.items():
        yield waited(cell, times)


def run_a_notebook(turns: int) -> dict[str, Any]:
    """Run notebook 03 from start to end, in a copy of the repository: it saves a model."""
    milliseconds, root = [], Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as copy:
        for folder in ("mnist_nn", "data", "models", "notebooks"):
            shutil.copytree(root / folder, Path(copy) / folder)
        command = [sys.executable, "-m", "jupyter", "execute", "03_number_recognition.ipynb"]
        environment = {**os.environ, "PYTHONPATH": copy}
        for _ in range(turns):
            start = time.perf_counter()
            subprocess.run(
                command,
                cwd=Path(copy) / "notebooks",
                env=environment,
                check=True,
                stderr=subprocess.DEVNULL,
            )
            milliseconds.append(1000 * (time.perf_counter() - start))
    return waited("notebook 03, from start to end, with the start of its kernel", milliseconds)


def waited(cell: str, milliseconds: list[float]) -> dict[str, Any]:
    """Summarize what a person waits for."""
    times = {"median_ms": median(milliseconds)}
    times |= {"lowest_ms": min(milliseconds), "highest_ms": max(milliseconds)}
    return {"workload": "notebook", "cell": cell, **times}


PEERS = """
| workload | compared with | ours | theirs | theirs / ours | peak memory (ours, theirs) |
|---|---|---|---|---|---|"""
BUSY = """
| workload | alone | next to a busy process | slowdown |
|---|---|---|---|"""

NOTEBOOK = """
| in a notebook | median | lowest, highest |
|---|---|---|"""
CELLS = {
    "`from mnist_nn import predict_index`": ["from mnist_nn import predict_index"],
    "the first `predict_index(42)`": ["predict_index(42)"],
    "a later `predict_index(43)`": ["predict_index(43)"],
    "what `DigitCanvas` answers to a stroke": [
        "from mnist_nn import DigitCanvas",
        "canvas = DigitCanvas()",
        "canvas.strokes = [[[0.3, 0.24], [0.7, 0.24], [0.5, 0.8]]]",
    ],
}


def table_row(result: dict[str, Any], first: bool = True) -> str:
    """Format a result as a row of the table; the first of a workload names it."""
    workload = result["workload"]
    if "cell" in result:
        times = [duration(result[f"{which}_ms"]) for which in ("median", "lowest", "highest")]
        return f"| {result['cell']} | {times[0]} | {times[1]}, {times[2]} |"
    cells = [f"{workload}: {WORKLOADS[workload]}" if first else ""]
    if "trouble" in result:
        return f"| {' | '.join([*cells, result['compared_with'], result['trouble']])} |"
    spread = f"({result['lowest']:.2f}\N{EN DASH}{result['highest']:.2f})"
    if "slowdown" in result:
        cells += [duration(result["alone_ms"]), duration(result["busy_ms"])]
        cells.append(f"{result['slowdown']:.2f} {spread}")
    else:
        memory = [result["ours_mb"], result["theirs_mb"]]
        cells += [result["compared_with"], *(side_of(result, side) for side in ("ours", "theirs"))]
        cells.append(f"{result['ratio']:.2f} {spread}")
        # What a process that starts others uses is not what they use.
        shown = all(memory) and workload not in ("load", "import")
        cells.append(f"{memory[0]:.0f}, {memory[1]:.0f} MB" if shown else "")
    return f"| {' | '.join(cells)} |"


def side_of(result: dict[str, Any], side: str) -> str:
    """Format what a side took, and how accurate its fits are: mean and standard deviation."""
    cell = duration(result[f"{side}_ms"])
    if f"{side}_accuracy" in result:
        accuracies = [100 * accuracy for accuracy in result[f"{side}_accuracy"]]
        cell += f", {mean(accuracies):.2f} ± {pstdev(accuracies):.2f}%"
        cell += f", {median(result[f'{side}_epochs']):.0f} epochs"
    return cell


def duration(milliseconds: float) -> str:
    """Format a duration to about three figures."""
    if milliseconds >= 999.5:
        seconds = milliseconds / 1000
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 100 else f"{milliseconds:.3g} ms"


def machine() -> dict[str, Any]:
    """Describe what the results depend on: the machine, and the versions of the software."""
    facts = {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.system()}
    facts["python"] = platform.python_version()
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    facts["blas_kernel"] = ", ".join(library.get("architecture", "unknown") for library in blas)
    facts["OPENBLAS_CORETYPE"] = os.environ.get("OPENBLAS_CORETYPE", "not set")
    for package in ("numpy", "torch", "jax", "keras", "scikit-learn", "pandas"):
        with suppress(PackageNotFoundError):
            facts[package] = version(package)
    return facts


def main() -> None:
    """Run the comparisons, print the README's tables row by row, and write the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    choices = [*WORKLOADS, "busy", "notebook"]
    parser.add_argument("rows", nargs="*", help=f"only these, of {', '.join(choices)}")
    parser.add_argument("--turns", type=int, default=7, help="turns for each side (default: 7)")
    parser.add_argument("--json", type=Path, help="results file (default, if all: speed.json)")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(choices):
        parser.error(f"no rows {', '.join(unknown)}; choose from {', '.join(choices)}")
    wanted = arguments.rows or choices
    file = arguments.json or (None if arguments.rows else Path(__file__).with_suffix(".json"))
    facts, results, header, last = machine(), [], "", ""
    print(facts)
    with tempfile.TemporaryDirectory() as folder:
        for row in comparisons(folder):
            if ("busy" if any(row.busy) else row.workload) not in wanted:
                continue
            if row.theirs.func is pandas_load:
                write_csv(folder)
            results.append(compare(row, arguments.turns))
            if header != (header := BUSY if row.slows_down else PEERS):
                print(header)
            print(table_row(results[-1], first=row.workload != last or row.slows_down), flush=True)
            last = row.workload
    if "notebook" in wanted:
        print(NOTEBOOK)
        for result in wait_in_a_kernel(arguments.turns):
            results.append(result)
            print(table_row(result), flush=True)
        results.append(run_a_notebook(min(arguments.turns, 3)))
        print(table_row(results[-1]))
    if drift := [r["our_last_turn_over_first"] for r in results if "our_last_turn_over_first" in r]:
        spread = f"{median(drift):.2f} ({min(drift):.2f}\N{EN DASH}{max(drift):.2f})"
        print(f"\nDrift: our own time in the last turn over that in the first is {spread}.")
    if file:
        text = json.dumps({**facts, "results": results}, indent=1, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
