"""Damaged and hostile files: each is read as something valid, or refused in the package's words."""

import gzip
import io
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as arrays_of
import numpy as np
import pytest
from formats import CSV_HEADER, csv, idx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnist_nn import (
    Adam,
    CheckpointError,
    DataError,
    ModelError,
    Network,
    get_accuracy,
    init_params,
    load_mnist,
    load_model,
    make_predictions,
    model_card,
    save_model,
    train,
)

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (3, 28, 28), "u1"), np.array([3, 1, 4], "u1")
NETWORK = init_params([6, 4, 3], rng=0)
SETTINGS: dict[str, Any] = {"epochs": 2, "batch_size": 2, "optimizer": Adam(0.01), "rng": 0}
SMALL_X = RNG.random((3, 6), np.float32)
SMALL_Y = (SMALL_X @ NETWORK.w[0] @ NETWORK.w[1]).argmax(axis=1)

# What is read must be something that can be used.


def use_digits(folder: Path) -> None:
    data = load_mnist(folder, verify=False)
    for X, Y in ((data.train_X, data.train_Y), (data.test_X, data.test_Y)):
        assert X.shape == (len(Y), X.size // len(Y))
        assert X.nbytes == 4 * X.size
        assert (X.dtype, Y.dtype) == (np.float32, np.int64)
        assert 0 <= X.min() <= X.max() <= 1
        assert 0 <= Y.min() <= Y.max() <= 255
    network = init_params([data.train_X.shape[1], 256], rng=0)
    get_accuracy(make_predictions(network, data.test_X), data.test_Y)


def use_network(network: Network) -> None:
    for p in [*network.w, *network.b]:
        assert p.nbytes == p.itemsize * p.size
        assert np.isfinite(p).all()
        p += 0  # it can be written
    digits = RNG.random((5, len(network.w[0])), np.float32)
    predictions = make_predictions(network, digits)
    assert ((predictions >= 0) & (predictions < len(network.b[-1]))).all()


def use_model(folder: Path) -> None:
    use_network(load_model(folder / "model.npz"))
    assert json.dumps(model_card(folder / "model.npz"), allow_nan=False)


def use_checkpoint(folder: Path) -> None:
    path = folder / "run.npz"
    network, history = train(NETWORK, SMALL_X, SMALL_Y, **SETTINGS, checkpoint=path, progress=False)
    use_network(network)
    assert np.isfinite(history.to_numpy(float)).all()


# The valid files that are mutated


def archive(arrays: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def seeds(folder: Path) -> dict[str, tuple[str, bytes, Callable[[Path], None], type[Exception]]]:
    """Return the name of a file, its content, how to use it, and how it may be refused."""
    save_model(folder / "model.npz", NETWORK, {"seed": 0})
    train(NETWORK, SMALL_X, SMALL_Y, **SETTINGS, checkpoint=folder / "run.npz", progress=False)
    rows = np.column_stack([Y, X.reshape(3, 784)]).astype(int)
    npz = archive({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y})
    model, run = ((folder / name).read_bytes() for name in ("model.npz", "run.npz"))
    images = "t10k-images-idx3-ubyte"
    return {
        "idx": (images, idx(X), use_digits, DataError),
        "gzip": (f"{images}.gz", gzip.compress(idx(X)), use_digits, DataError),
        "labels": ("t10k-labels-idx1-ubyte.gz", gzip.compress(idx(Y)), use_digits, DataError),
        "csv": ("mnist_test.csv", csv(rows).encode(), use_digits, DataError),
        "header": ("mnist_test.csv", csv(rows, CSV_HEADER).encode(), use_digits, DataError),
        "npz": ("mnist.npz", npz, use_digits, DataError),
        "model": ("model.npz", model, use_model, ModelError),
        "checkpoint": ("run.npz", run, use_checkpoint, CheckpointError),
    }


KINDS = ["idx", "gzip", "labels", "csv", "header", "npz", "model", "checkpoint"]
FIELDS = [0, 1, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1]


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Change some bytes in one to three ways."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        place, length = int(rng.integers(len(data) + 1)), int(rng.integers(1, 40))
        match rng.integers(8):
            case 0:
                data[place : place + 1] = rng.bytes(1)
            case 1:
                data[place : place + length] = rng.bytes(length)
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = rng.bytes(length)
            case 4:
                data[place:place] = data[place : place + 10 * length]
            case 5:
                del data[place:]
            case 6:
                order = ">" if rng.integers(2) else "<"
                data[place : place + 4] = np.array(rng.choice(FIELDS), f"{order}u4").tobytes()
            case 7:
                digits = [
                    b"nan",
                    b"inf",
                    b"-1",
                    b"256",
                    b"1e309",
                    b'"',
                    b",",
                    b"\n",
                    b"[",
                    b"0" * 99,
                ]
                data[place : place + 1] = digits[rng.integers(len(digits))]
    return bytes(data)


def mutated_inside(content: bytes, rng: np.random.Generator) -> bytes:
    """Change what a checksum protects, and make the checksum fit."""
    if content[:2] == b"\x1f\x8b":
        return gzip.compress(mutated(gzip.decompress(content), rng))
    if content[:2] != b"PK":
        return mutated(content, rng)
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        names = old.namelist()
        changed = names[rng.integers(len(names))]
        for name in names:
            member = old.read(name)
            kind = zipfile.ZIP_DEFLATED if rng.integers(4) == 0 else zipfile.ZIP_STORED
            new.writestr(name, mutated(member, rng) if name == changed else member, kind)
    return file.getvalue()


def attack(folder: Path, kind: str, trials: int) -> dict[str, Any]:
    """Use mutated files; return how many were read and refused, and the longest time."""
    rng = np.random.default_rng([*kind.encode()])
    name, content, use, refused = seeds(folder)[kind]
    train_files = {
        "train-images-idx3-ubyte": idx(X),
        "train-labels-idx1-ubyte": idx(Y),
        "t10k-images-idx3-ubyte": idx(X),
        "t10k-labels-idx1-ubyte": idx(Y),
    }
    if kind in ("csv", "header"):
        rows = np.column_stack([Y, X.reshape(3, 784)]).astype(int)
        train_files = {"mnist_train.csv": csv(rows).encode()}
    if kind == "npz":
        train_files = {}
    for other, other_content in train_files.items():
        (folder / other).write_bytes(other_content)
    read, longest, slowest = 0, 0, 0.0
    for trial in range(trials):
        (folder / name).write_bytes((mutated, mutated_inside)[trial % 2](content, rng))
        start = time.perf_counter()
        try:
            use(folder)
            read += 1
        except refused as error:
            longest = max(longest, len(str(error)))
        slowest = max(slowest, time.perf_counter() - start)
    return {"read": read, "refused": trials - read, "slowest": slowest, "longest": longest}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:training ended with a loss")
def test_mutated_files(tmp_path: Path, kind: str) -> None:
    came = attack(tmp_path, kind, 40)
    assert came["refused"] > 0
    assert came["slowest"] < 2  # seconds
    assert came["longest"] < 2000  # characters of a message


MANY = """
import json, sys, warnings
from pathlib import Path
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "training ended with a loss")
import test_hostile
came = test_hostile.attack(Path(sys.argv[1]), sys.argv[2], 2500)
status = Path("/proc/self/status")  # of Linux; what getrusage says includes the parent's peak
lines = status.read_text().splitlines() if status.exists() else []
came["bytes"] = sum(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
print(json.dumps(came))
"""


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_very_many_mutated_files(tmp_path: Path, kind: str) -> None:
    """20,000 in all, in processes of their own: none may crash, or take a gigabyte."""
    command = [sys.executable, "-c", MANY, str(tmp_path), kind]
    run = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    came = json.loads(run.stdout)
    print(kind, came)
    assert came["refused"] > 0
    assert came["slowest"] < 2
    assert came["longest"] < 2000
    assert came["bytes"] < 1e9


# Archives that are whole, and hold something else

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda children: st.lists(children) | st.dictionaries(st.text(max_size=5), children),
    max_leaves=9,
)
LAYERS = st.lists(st.integers(-1, 9), max_size=4) | JSON
CARDS = JSON | st.fixed_dictionaries(
    {"format": st.just(1) | JSON},
    optional={
        "neuron_layers": st.just([6, 4, 3]) | LAYERS,
        "activation": st.sampled_from(["relu", "sigmoid"]) | JSON,
        "environment": JSON,
    },
)
ARRAYS = arrays_of.arrays(
    st.sampled_from(["f2", "f4", "f8", ">f4", "i8", "u1", "?", "U3", "c8"]),
    st.sampled_from([(), (0,), (3,), (4,), (6, 4), (4, 3), (0, 4), (6, 0), (1, 6, 4)]),
)


@pytest.mark.long
@settings(deadline=2000, max_examples=150, suppress_health_check=[*HealthCheck])
@given(
    card=CARDS,
    changes=st.dictionaries(st.sampled_from(["w0", "w1", "b0", "b1", "w2", "x"]), ARRAYS),
    omitted=st.sets(st.sampled_from(["w0", "b0", "w1", "b1"]), max_size=2),
)
def test_archives_of_something_else(
    tmp_path_factory: pytest.TempPathFactory,
    card: Any,
    changes: dict[str, Any],
    omitted: set[str],
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    arrays = {f"w{i}": w for i, w in enumerate(NETWORK.w)}
    arrays |= {f"b{i}": b for i, b in enumerate(NETWORK.b)} | changes
    arrays = {name: array for name, array in arrays.items() if name not in omitted}
    (folder / "model.npz").write_bytes(archive({"card": np.array(json.dumps(card))} | arrays))
    with suppress(ModelError):
        use_model(folder)
