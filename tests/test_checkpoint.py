import inspect
import json
import math
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mnist_nn import (
    SGD,
    Adam,
    CheckpointError,
    Network,
    TrainingInterrupted,
    cosine,
    deform,
    gradient_descent,
    init_params,
    load_model,
    save_model,
    train,
    training,
)
from mnist_nn import checkpoint as checkpoints

RNG = np.random.default_rng(0)
X = RNG.random((600, 784), np.float32)
Y = (X @ RNG.normal(size=(784, 10))).argmax(axis=1)
START = init_params([784, 30, 10], rng=0)

BASE: dict[str, Any] = {"epochs": 15, "batch_size": 50, "rng": 0, "progress": False}
RUNS: dict[str, dict[str, Any]] = {
    "sgd": BASE | {"learning_rate": 0.1},
    "momentum": BASE | {"optimizer": SGD(0.03, momentum=0.9, weight_decay=0.01)},
    "adam": BASE | {"optimizer": Adam(0.001), "dropout": 0.3},
    "augment": BASE | {"learning_rate": 0.1, "augment": partial(deform, shear=0)},
    "schedule": BASE | {"optimizer": SGD(0.1, schedule=partial(cosine, warm_up=0.2))},
    "patience": BASE | {"learning_rate": 0.1, "validation": (X[:100], Y[100:200]), "patience": 10},
    "generator": BASE | {"learning_rate": 0.1, "rng": "MT19937"},
    "gradient_descent": {"iterations": 75, "learning_rate": 0.1, "progress": False},
}

# So long that they can be killed in the middle.
LONG: dict[str, dict[str, Any]] = {kind: {"epochs": 60} for kind in RUNS}
LONG |= {"augment": {}, "patience": {"epochs": 60, "patience": 55}}
LONG |= {"gradient_descent": {"iterations": 300}}

Result = tuple[Network, pd.DataFrame]


def run(kind: str, checkpoint: Path | None = None, **changes: Any) -> Result:
    settings = RUNS[kind] | changes
    if kind == "gradient_descent":
        return gradient_descent(START, X, Y, checkpoint=checkpoint, **settings)
    if settings["rng"] == "MT19937":
        settings["rng"] = np.random.Generator(np.random.MT19937(5))
    return train(START, X, Y, checkpoint=checkpoint, **settings)


def assert_same(came: Result, expected: Result) -> None:
    for a, b in zip([*came[0].w, *came[0].b], [*expected[0].w, *expected[0].b], strict=True):
        assert a.tobytes() == b.tobytes()
    histories = [history.drop(columns="seconds") for _, history in (came, expected)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)


@pytest.fixture
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the checkpoint after every epoch, whatever that costs."""
    monkeypatch.setattr(checkpoints, "_COST", 1e9)


CHILD = """
import sys
from pathlib import Path
import numpy as np
import test_checkpoint
from mnist_nn import checkpoint as checkpoints, save_model
kind, checkpoint, result = sys.argv[1:]
checkpoints._COST = 1  # half of the time goes into writing
print("ready", flush=True)
network, history = test_checkpoint.run(kind, Path(checkpoint), **test_checkpoint.LONG[kind])
history.to_pickle(result + ".history")
save_model(result, network)
"""


def start(kind: str, checkpoint: Path, result: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", CHILD, kind, str(checkpoint), str(result)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent)
    assert child.stdout is not None
    child.stdout.readline()
    return child


@pytest.mark.parametrize(
    ("kind", "kills"),
    [
        *(
            pytest.param(kind, 1, marks=pytest.mark.long)
            for kind in ("momentum", "adam", "augment", "patience", "gradient_descent")
        ),
        *(pytest.param(kind, 3, marks=pytest.mark.thorough) for kind in RUNS),
    ],
)
def test_a_killed_run_ends_in_the_same_bits(tmp_path: Path, kind: str, kills: int) -> None:
    """Kill it for real, at random moments of a run that takes about as long."""
    rng, killed = np.random.default_rng([*kind.encode()]), 0
    checkpoint, result = tmp_path / "run.npz", tmp_path / "result.npz"
    while killed < kills:
        with start(kind, checkpoint, result) as child:
            time.sleep(rng.uniform(0, 0.3 / kills))
            child.kill()
        assert child.returncode != 0
        killed += 1
    with start(kind, checkpoint, result) as child:
        pass
    assert child.returncode == 0
    came = load_model(result), pd.read_pickle(f"{result}.history")
    assert_same(came, run(kind, **LONG[kind]))
    assert sorted(tmp_path.iterdir()) == sorted(
        [checkpoint, result, tmp_path / "result.npz.history"]
    )


@pytest.mark.long
def test_a_run_killed_in_the_middle_of_a_write(tmp_path: Path) -> None:
    """What such a kill leaves next to the checkpoint shows that it was in the middle."""
    checkpoint, result, caught = tmp_path / "run.npz", tmp_path / "result.npz", 0
    while caught < 3:
        with start("patience", checkpoint, result) as child:
            while len(list(tmp_path.glob(".run.npz.*"))) < 1 and child.poll() is None:
                pass
            child.kill()
        assert child.returncode != 0
        caught += len(list(tmp_path.glob(".run.npz.*")))
    with start("patience", checkpoint, result) as child:
        pass
    came = load_model(result), pd.read_pickle(f"{result}.history")
    assert_same(came, run("patience", **LONG["patience"]))
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("every_epoch")
@pytest.mark.parametrize("kind", RUNS)
def test_an_interrupted_run_goes_on(tmp_path: Path, kind: str) -> None:
    """Interrupt it twice by a signal, as a notebook does."""
    checkpoint, calls = tmp_path / "run.npz", 0
    original = checkpoints.write_archive

    def save_and_interrupt(*args: Any) -> None:
        nonlocal calls
        original(*args)
        calls += 1
        if calls in (3, 9):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "write_archive", save_and_interrupt)
        for rows in ((2, 1), (8, 1)):
            with pytest.raises(TrainingInterrupted) as caught:
                run(kind, checkpoint)
            assert len(caught.value.history) == rows[kind == "gradient_descent"]
        assert_same(run(kind, checkpoint), run(kind))


@pytest.mark.parametrize("kind", RUNS)
def test_a_finished_run_is_returned_at_once(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(kind, tmp_path / "run.npz")
    assert_same(expected, run(kind))
    before = (tmp_path / "run.npz").read_bytes()
    monkeypatch.setattr(training, "_mean_over_slices", None)  # no step is taken
    came = run(kind, tmp_path / "run.npz")
    assert_same(came, expected)
    assert came[1]["seconds"].tolist() == expected[1]["seconds"].tolist()
    assert (tmp_path / "run.npz").read_bytes() == before


@pytest.mark.long
def test_a_long_history_comes_back(tmp_path: Path) -> None:
    settings = {"iterations": 40_000, "report_every": 1, "learning_rate": 0.5, "progress": False}
    start, few = init_params([2, 2], rng=0), (np.eye(2, dtype=np.float32), np.arange(2))
    expected = gradient_descent(start, *few, **settings, checkpoint=tmp_path / "run.npz")
    came = gradient_descent(start, *few, **settings, checkpoint=tmp_path / "run.npz")
    assert len(came[1]) == 40_001
    assert_same(came, expected)


@pytest.mark.long
@pytest.mark.usefixtures("every_epoch")
def test_seconds_go_on(tmp_path: Path) -> None:
    original = checkpoints.write_archive

    def interrupt(*args: Any) -> None:
        original(*args)
        if args[1]["state"]["done"] == 5:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "write_archive", interrupt)
        with pytest.raises(TrainingInterrupted):
            run("sgd", tmp_path / "run.npz")
    time.sleep(0.5)  # the time between the runs is not counted
    start = time.perf_counter()
    _, history = run("sgd", tmp_path / "run.npz")
    assert history["seconds"].is_monotonic_increasing
    assert 0 < history["seconds"][5] < history["seconds"][6] < history["seconds"][5] + 0.4
    assert history["seconds"].iloc[-1] < history["seconds"][5] + time.perf_counter() - start


CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "learning_rate": ("optimizer.learning_rate (0.1 there, 0.2 here)", {"learning_rate": 0.2}),
    "optimizer": ("optimizer.kind (SGD there, Adam here)", {"optimizer": Adam(0.1)}),
    "momentum": ("optimizer.momentum (0.0 there, 0.9 here)", {"optimizer": SGD(0.1, momentum=0.9)}),
    "schedule": ("optimizer.schedule.name", {"optimizer": SGD(0.1, schedule=cosine)}),
    "epochs": ("epochs (15 there, 16 here)", {"epochs": 16}),
    "batch_size": ("batch_size (50 there, 51 here)", {"batch_size": 51}),
    "rng": ("rng (0 there, 1 here) (a generator that has been used", {"rng": 1}),
    "dropout": ("dropout (0.0 there, 0.1 here)", {"dropout": 0.1}),
    "augment": ("augment (None there, mnist_nn.augmentation.deform here)", {"augment": deform}),
    "validation": ("validation", {"validation": (X, Y)}),
    "patience": ("patience (None there, 3 here)", {"validation": (X, Y), "patience": 3}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_other_arguments_are_refused(tmp_path: Path, name: str) -> None:
    said, changes = CHANGES[name]
    run("sgd", tmp_path / "run.npz")
    before = (tmp_path / "run.npz").read_bytes()
    settings = {} if "optimizer" not in changes else {"learning_rate": None}
    with pytest.raises(CheckpointError) as caught:
        run("sgd", tmp_path / "run.npz", **settings, **changes)
    assert str(tmp_path / "run.npz") in str(caught.value)
    assert said in str(caught.value)
    assert "delete the file to start again" in str(caught.value)
    assert (tmp_path / "run.npz").read_bytes() == before


def test_every_argument_is_among_them() -> None:
    parameters = set(inspect.signature(train).parameters) - {"network", "X", "Y"}
    assert parameters - {"checkpoint", "progress", "watch"} == CHANGES.keys() - {
        "momentum",
        "schedule",
    }


def test_other_data_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    run("sgd", path)
    settings = RUNS["sgd"]
    other_X, other_Y = X.copy(), Y.copy()
    other_X[7, 7] += 0.1
    other_Y[7] = (other_Y[7] + 1) % 10
    other = init_params([784, 30, 10], rng=1)
    for said, arguments in [
        ("X", (START, other_X, Y)),
        ("Y", (START, X, other_Y)),
        ("network.w", (other, X, Y)),
        ("network.activation", (START._replace(activation="sigmoid"), X, Y)),
    ]:
        with pytest.raises(CheckpointError, match=rf"differs in {said} \("):
            train(*arguments, checkpoint=path, **settings)
    with pytest.raises(
        CheckpointError, match=r"differs in function \(train there, gradient_descent here\)"
    ):
        gradient_descent(START, X, Y, checkpoint=path)


@pytest.mark.parametrize(("package", "old"), [("mnist_nn", "0.0.1"), ("numpy", "1.0")])
def test_other_versions_are_refused(tmp_path: Path, package: str, old: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        versions = checkpoints._versions() | {package: old}
        patch.setattr(checkpoints, "_versions", lambda: versions)
        run("sgd", tmp_path / "run.npz")
    with pytest.raises(CheckpointError, match=rf"{package} \({old} there"):
        run("sgd", tmp_path / "run.npz")


def test_a_function_that_has_changed_is_refused(tmp_path: Path) -> None:
    functions = []
    for factor in (1, 2):
        source = tmp_path / f"ideas{factor}.py"
        source.write_text(f"def brighter(X, rng):\n    return X * {factor}\n")
        namespace: dict[str, Any] = {}
        exec(compile(source.read_text(), source, "exec"), namespace)
        functions.append(namespace["brighter"])
    run("sgd", tmp_path / "run.npz", augment=functions[0])
    with pytest.raises(CheckpointError, match=r"differs in augment.code"):
        run("sgd", tmp_path / "run.npz", augment=functions[1])


class Noise:
    """Called, or by its method, it adds noise."""

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def __call__(self, X: Any, rng: Any) -> Any:
        return X + self.strength * rng.random(X.shape, np.float32)

    def add(self, X: Any, rng: Any) -> Any:
        return self(X, rng)


@pytest.mark.parametrize("make", [Noise, lambda strength: Noise(strength).add])
def test_a_function_with_settings_of_its_own(tmp_path: Path, make: Any) -> None:
    first = run("sgd", tmp_path / "run.npz", augment=make(0.1))
    assert_same(run("sgd", tmp_path / "run.npz", augment=make(0.1)), first)
    with pytest.raises(CheckpointError, match=r"augment.values.strength \(0.1 there, 0.2 here\)"):
        run("sgd", tmp_path / "run.npz", augment=make(0.2))


def test_a_default_of_a_function_without_a_file(tmp_path: Path) -> None:
    make = "lambda X, rng, strength={}: X * np.float32(strength)"
    run("sgd", tmp_path / "run.npz", augment=eval(make.format(1)))
    run("sgd", tmp_path / "run.npz", augment=eval("( " + make.format(1) + ")"))
    with pytest.raises(CheckpointError, match=r"augment.values.defaults"):
        run("sgd", tmp_path / "run.npz", augment=eval(make.format(0.5)))
    with pytest.raises(CheckpointError, match=r"augment.code"):
        run("sgd", tmp_path / "run.npz", augment=eval(make.format(1) + " + 1"))


class Odd:
    """Nothing in it can be described."""

    __slots__ = ("me",)

    def __call__(self, X: Any, rng: Any) -> Any:  # noqa: ARG002
        return X


def test_odd_functions_are_taken(tmp_path: Path) -> None:
    circle = Noise(math.nan)
    circle.strength = circle  # type: ignore[assignment]
    for i, augment in enumerate((Odd(), partial(Noise.add, circle))):
        assert json.dumps(checkpoints.describe(augment), allow_nan=False)
        if not i:
            run("sgd", tmp_path / "run.npz", augment=augment)


def test_two_runs_do_not_overwrite_each_other(tmp_path: Path) -> None:
    """The other one is noticed at the next write, and training goes on."""
    path, calls = tmp_path / "run.npz", 0

    def meanwhile(X: Any, rng: Any) -> Any:  # noqa: ARG001
        nonlocal calls
        calls += 1
        if calls == 20:
            path.unlink()
            run("momentum", path)
        return X

    with pytest.warns(RuntimeWarning, match=r"checkpoint of another run.*; training goes on"):
        came = run("sgd", path, augment=meanwhile)
    assert_same(came, run("sgd"))
    assert_same(run("momentum", path), run("momentum"))


def test_a_function_that_uses_other_values(tmp_path: Path) -> None:
    def noise(strength: Any) -> Any:
        return lambda X, rng: X + strength * rng.random(X.shape, np.float32)

    first = run("sgd", tmp_path / "run.npz", augment=noise(0.1))
    assert_same(run("sgd", tmp_path / "run.npz", augment=noise(0.1)), first)
    with pytest.raises(CheckpointError, match=r"augment.values.strength \(0.1 there, 0.2 here\)"):
        run("sgd", tmp_path / "run.npz", augment=noise(0.2))
    with pytest.raises(
        CheckpointError, match=r"augment.values.strength \(0.1 there, float64 of shape"
    ):
        run("sgd", tmp_path / "run.npz", augment=noise(np.ones(784)))


def test_a_partial_with_other_settings(tmp_path: Path) -> None:
    settings = {"epochs": 2, "augment": partial(deform, rotation=8)}
    first = run("sgd", tmp_path / "run.npz", **settings)
    assert_same(run("sgd", tmp_path / "run.npz", **settings), first)
    with pytest.raises(CheckpointError, match=r"augment.rotation \(8 there, 9 here\)"):
        run("sgd", tmp_path / "run.npz", epochs=2, augment=partial(deform, rotation=9))


def test_equal_arguments_of_other_types_are_the_same(tmp_path: Path) -> None:
    first = run("sgd", tmp_path / "run.npz")
    other = run("sgd", tmp_path / "run.npz", learning_rate=np.float64(0.1), epochs=np.int64(15))
    assert_same(other, first)


def test_a_generator_in_use_is_not_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    run("sgd", tmp_path / "run.npz", rng=rng)
    with pytest.raises(
        CheckpointError, match=r"rng \(a generator, .*pass a seed|used is another one"
    ):
        run("sgd", tmp_path / "run.npz", rng=rng)


def test_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    save_model(path, START)
    before = path.read_bytes()
    with pytest.raises(
        CheckpointError, match=r"something else, such as a model; choose another path$"
    ):
        run("sgd", path)
    assert path.read_bytes() == before
    path.write_bytes(before[:-9])
    with pytest.raises(CheckpointError, match="not a whole one"):
        run("sgd", path)
    with pytest.raises(CheckpointError, match="it is a folder"):
        run("sgd", tmp_path)
    with pytest.raises(TypeError, match=r"checkpoint must be a string or a pathlib\.Path"):
        run("sgd", 5)  # type: ignore[arg-type]


def test_a_link_may_lead_to_a_file_that_is_yet_to_be_written(tmp_path: Path) -> None:
    (tmp_path / "link.npz").symlink_to(tmp_path / "run.npz")
    first = run("sgd", tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert_same(run("sgd", tmp_path / "run.npz"), first)


def test_a_place_that_cannot_be_written_is_noticed_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(training, "_mean_over_slices", None)
    with pytest.raises(OSError, match="could not be written"):
        run("sgd", tmp_path / "file" / "run.npz")


@pytest.mark.usefixtures("every_epoch")
def test_a_disk_that_fills_up_does_not_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, cards = np.lib.format.write_array, 0

    def full(file: Any, array: Any, **options: Any) -> None:
        nonlocal cards
        cards += array.dtype.kind == "U" and array.ndim == 0  # each file has one
        if cards > 3:
            raise OSError(28, "No space left on device")
        original(file, array, **options)

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.warns(RuntimeWarning, match=r"No space left.*; training goes on") as warned:
        came = run("sgd", tmp_path / "run.npz")
    assert warned[0].filename == __file__
    monkeypatch.undo()
    assert_same(came, run("sgd"))
    assert_same(run("sgd", tmp_path / "run.npz"), came)  # goes on from the second epoch


def test_writing_takes_its_share_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With writes of 20 ms, a second of training has time for one; the first and last are extra."""
    written, clock = [], [0.0]

    def slow(*args: Any) -> None:
        written.append(args[1]["state"]["done"])
        args[0].touch()
        clock[0] += 0.02

    def step(X: Any, rng: Any) -> Any:  # noqa: ARG001
        clock[0] += 0.002
        return X

    monkeypatch.setattr(checkpoints, "write_archive", slow)
    monkeypatch.setattr(checkpoints, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    run("sgd", tmp_path / "run.npz", augment=step, epochs=100)  # 24 ms each
    assert written == [0, 42, 84, 100]


def damaged(path: Path, **changes: Any) -> None:
    with np.load(path) as arrays:
        content = dict(arrays)
    card = json.loads(str(content["card"]))
    for name, value in changes.items():
        if name in content:
            content[name] = value
        elif name in card:
            card[name] = value
        else:
            card["state"][name] = value
    content["card"] = np.array(json.dumps(card))
    np.savez(path, **content)


@pytest.mark.parametrize(
    "changes",
    [
        *({"done": value} for value in (-1, 1, 3, 1.5, "3", None, True, [], 10**400)),
        *({"best_epoch": value} for value in (-1, 3, None, True, 1.0)),
        *({"columns": value} for value in (None, 5, "rows", {}, [1], [[], [], [], [], [], []])),
        *({"columns": value} for value in (["epoch"], ["a", "b", "c", "d", "e", "f"])),
        *({"rows": np.full((2, 6), value)} for value in (np.nan, np.inf, 1, "1")),
        *({"rows": np.ones(shape)} for shape in ((), (2,), (2, 5), (2, 6, 1))),
        *({"best_loss": value, "best_epoch": 1} for value in (None, "1", [])),
        *({"seconds": value} for value in (None, "1")),
        *({"finished": value} for value in (0, None, "no")),
        *({"rng": value} for value in (None, {}, 5, {"bit_generator": "PCG64", "state": 1})),
        {"w0": np.full((784, 30), np.nan, "f4")},
        {"w0": np.full((784, 30), 3e38, "f4"), "w1": np.full((30, 10), 3e38, "f4")},
        {"best_w0": np.full((784, 30), 3e38, "f4"), "best_w1": np.full((30, 10), 3e38, "f4")},
        {"w0": np.zeros((784, 30), "f8")},
        {"w0": np.zeros((784, 31), "f4")},
        {"b1": np.zeros(3, "f4")},
    ],
    ids=lambda changes: f"{next(iter(changes))}-{next(iter(changes.values()))!r}"[:40],
)
def test_a_damaged_state_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "run.npz"
    run("patience", path, epochs=2)
    damaged(path, **changes)
    with pytest.raises(CheckpointError, match="is damaged"):
        run("patience", path, epochs=2)


CELL = """
import sys
sys.path.insert(0, {tests!r})
import test_checkpoint
from pathlib import Path
from mnist_nn import checkpoint as checkpoints
checkpoints._COST = 1
print("ready")
network, history = test_checkpoint.run("patience", Path({path!r}), progress=True, epochs={epochs})
history.to_pickle({path!r} + ".history")
test_checkpoint.save_model({path!r} + ".model", network)
"""


@pytest.mark.long
def test_an_interrupt_in_a_notebook(tmp_path: Path) -> None:
    """Stop a cell by the kernel's interrupt, and run the same cell again in a new kernel."""
    from jupyter_client.manager import start_new_kernel

    path, epochs = tmp_path / "run.npz", 400
    cell = CELL.format(tests=str(Path(__file__).parent), path=str(path), epochs=epochs)
    outcomes = []
    for interrupts in (1, 0):
        manager, client = start_new_kernel()
        try:
            client.execute(cell)
            while True:
                message = client.get_iopub_msg(timeout=60)
                if message["content"].get("text") == "ready\n" and interrupts:
                    time.sleep(0.4)
                    manager.interrupt_kernel()
                if message["msg_type"] == "error":
                    outcomes.append(message["content"]["ename"])
                if message["content"].get("execution_state") == "idle":
                    break
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    assert outcomes == ["TrainingInterrupted"]
    came = load_model(tmp_path / "run.npz.model"), pd.read_pickle(f"{path}.history")
    assert_same(came, run("patience", epochs=epochs))
