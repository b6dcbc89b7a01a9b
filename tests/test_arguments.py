"""Every public function, called with one wrong argument at a time.

Each call below is right. For each of its arguments a test tries everything in ``ANYTHING``, and the
argument itself, broken in many ways. Either the value fits, and ``FITS`` says so; or it is refused,
before any work, by a sentence of the package that names the argument.
"""

import importlib
import linecache
import math
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

import mnist_nn
from mnist_nn import (
    DATA_DIR,
    MNIST,
    NUMBER_RECOGNITION,
    SGD,
    LossPlane,
    backward_prop,
    calibration,
    confusion_matrix,
    cosine,
    forward_prop,
    init_params,
    random_warps,
)

PACKAGE = Path(mnist_nn.__file__).parent
RNG = np.random.default_rng(0)

NETWORK = init_params([9, 5, 10], "sigmoid", rng=0)
RELU = init_params([9, 6, 5, 10], rng=0)
# Fractions that need few bits, so that every type of float holds the same.
X, Y = RNG.integers(0, 257, (12, 9)) / np.float32(256), np.arange(12) % 10
ACTIVATIONS = forward_prop(NETWORK, X)
P = ACTIVATIONS[-1]
GRADIENTS = backward_prop(NETWORK, ACTIVATIONS, Y)
MNIST_NETWORK = init_params([784, 3, 10], rng=0)
DIGITS = RNG.integers(0, 257, (3, 784)) / np.float32(256)
CONFUSION = confusion_matrix(P.argmax(axis=1), Y)
FIT = {"network": NETWORK, "X": X, "Y": Y}
RUN = FIT | {"progress": False, "checkpoint": None}
HISTORY = pd.DataFrame(
    {"train_loss": [0.9, 0.5], "train_accuracy": [0.7, 0.8], "seconds": [1.0, 2.0]},
    index=pd.RangeIndex(1, 3, name="epoch"),
)
RESULTS = pd.DataFrame(
    {
        "idea": ["one", "other"],
        "train_accuracy": [0.97, 0.95],
        "validation_accuracy": [0.94, 0.92],
        "seconds": [1.0, 2.0],
    }
)
NAMES = list("abcdefghij")
PATH = [init_params([9, 2, 10], rng=seed) for seed in range(3)]
PLANE = LossPlane(
    np.arange(3.0), np.arange(2.0), X[:2, :3].copy(), X[:3, :2].copy(), X[:3, 2].copy()
)
DATA = MNIST(DIGITS, Y[:3], DIGITS, Y[:3])
ROBUSTNESS = {"noise": pd.DataFrame({"one": [1, 0.5], "other": [0.9, 0.8]})}
SEARCH = pd.DataFrame({2: [0.9, 0.8], 6: [0.95, 0.85]})

# A name after the colon tells two calls of one function apart.
CALLS: dict[str, dict[str, Any]] = {
    "init_params": {"neuron_layers": [9, 5, 10], "activation": "relu", "rng": 0},
    "forward_prop": {"network": NETWORK, "X": X, "dropout": 0.5, "rng": 0},
    "forward_prop:without dropout": {"network": RELU, "X": X, "rng": None},
    "cross_entropy": {"probabilities": P, "Y": Y},
    "backward_prop": {"network": NETWORK, "activations": ACTIVATIONS, "Y": Y, "dropout": 0.5},
    "input_gradient": FIT,
    "gradient_descent": RUN
    | {"iterations": 2, "learning_rate": 0.1, "report_every": 1, "watch": lambda *_: None},
    "train": RUN
    | {"epochs": 1, "batch_size": 5, "learning_rate": 0.1, "rng": 0, "dropout": 0.5}
    | {"validation": (X[:6], Y[:6]), "patience": 1, "watch": lambda *_: None},
    "train:with an optimizer": RUN
    | {"epochs": 1, "batch_size": 5, "optimizer": SGD(0.1), "rng": 0, "augment": lambda X, _: X},
    "SGD": {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.1, "schedule": cosine},
    "Adam": {"learning_rate": 0.1, "weight_decay": 0.1, "schedule": cosine},
    "constant": {"done": 0.5},
    "cosine": {"done": 0.5, "warm_up": 0.05},
    "update": {"network": NETWORK, "gradients": GRADIENTS, "learning_rate": 0.1},
    "affine_warp": {"rotation": 3.0, "scale": 0.1, "shear": 0.1, "shift": (1.0, 2.0)}
    | {"shape": (12, 9)},
    "random_warps": {"number": 2, "rng": 0, "rotation": 3.0, "scale": 0.1, "shear": 0.1}
    | {"shift": 1.0, "elastic": 1.0, "smoothness": 4.0, "shape": (12, 9)},
    "warp": {"X": DIGITS, "points": np.round(8 * random_warps(3, rng=0)) / 8},
    "warp:not square": {"X": X, "points": random_warps(12, rng=0, shape=(1, 9)), "shape": (1, 9)},
    "deform": {"X": DIGITS, "rng": 0, "rotation": 3.0},
    "deform:not square": {"X": X, "rng": 0, "shape": (1, 9)},
    "make_predictions": {"network": NETWORK, "X": X},
    "predict_proba": {"network": NETWORK, "X": X},
    "predict_proba:relu": {"network": RELU, "X": X},
    "predict": {"test_X": X, "test_Y": Y, "w": NETWORK.w, "b": NETWORK.b, "activation": "sigmoid"},
    "get_accuracy": {"predictions": Y[::-1].copy(), "Y": Y},
    "confusion_matrix": {"predictions": Y[::-1].copy(), "Y": Y, "classes": 10},
    "precision_and_recall": {"confusion": CONFUSION, "class_names": NAMES},
    "confident_mistakes": {"probabilities": P, "Y": Y},
    "calibration": {"probabilities": P, "Y": Y, "bins": 5},
    "principal_components": {"A": X, "components": 2},
    "loss_plane": {"path": PATH, "X": X[:2], "Y": Y[:2], "points": 10},
    "digest": {"array": X},
    "digest:labels": {"array": Y},
    "one_hot": {"Y": Y, "classes": 10},
    "split_validation": {"X": X, "Y": Y, "size": 3, "rng": 0},
    "batches": {"digits": 12, "batch_size": 5, "rng": 0},
    "predict_index": {"index": 42, "network": MNIST_NETWORK, "split": "test"},
    "predict_index:of other data": {"index": 2, "network": MNIST_NETWORK, "split": "train"}
    | {"data": DATA, "shape": (28, 28), "class_names": NAMES},
    "predict_image": {"network": MNIST_NETWORK, "class_names": NAMES},
    "save_model": {"path": "model.npz", "network": NETWORK, "half_precision": False}
    | {"facts": {"seed": 0}},
    "load_model": {"path": NUMBER_RECOGNITION},
    "model_card": {"path": NUMBER_RECOGNITION},
    "load_mnist": {"data_dir": DATA_DIR, "verify": True},
    "film_weights": {"snapshots": {0: X[:1].T, 3: X[2:3].T}, "columns": 2, "shape": (3, 3)},
    "plot_decision": {"maps": {0: X[:2, :2].copy()}, "predictions": {0: Y[:2]}, "Y": Y[1:3].copy()}
    | {"class_names": NAMES[:3]},
    "plot_digits": {"X": X[:2], "labels": Y[:2], "probabilities": P[:2], "columns": 8}
    | {"shape": (9, 1)},
    "plot_digits:with names": {"X": X[:2], "labels": Y[:2], "class_names": NAMES},
    "plot_prediction": {"pixels": X[0], "probabilities": P[0], "label": 3, "sure": False}
    | {"picture": RNG.integers(0, 257, (8, 9, 3)) / 256, "shape": (3, 3), "class_names": NAMES},
    "plot_history": {"history": HISTORY},
    "plot_histories": {"histories": {"one": HISTORY}},
    "plot_activity": {"activities": {"one": P[0]}},
    "plot_confusion": {"confusion": CONFUSION[:3, :3].copy(), "class_names": NAMES[:3]},
    "plot_weights": {"w": NETWORK.w[0][:, :2].copy(), "columns": 2, "shape": (3, 3)},
    "plot_weights:with labels": {"w": NETWORK.w[0][:, :2].copy(), "row_labels": ["one"]},
    "plot_warp": {"pixels": X[0], "points": RNG.random((2, 9)), "warped": X[1], "shape": (3, 3)},
    "plot_comparison": {"results": RESULTS},
    "plot_activations": {"activations": [A[:1] for A in ACTIVATIONS], "class_names": NAMES}
    | {"shape": (3, 3)},
    "plot_saliency": {"X": X[:2], "gradients": X[:2] - 0.5, "shape": (3, 3)},
    "plot_loss_plane": {"plane": PLANE, "epochs": [0, 1, 3]},
    "plot_maps": {"maps": {"pixels": X[:, :2].copy()}, "Y": Y},
    "plot_maps:with names": {"maps": {"pixels": X[:, :2].copy()}, "Y": Y, "class_names": NAMES},
    "plot_network": {"network": NETWORK},
    "plot_reliability": {"bins": calibration(P, Y).bins, "error": 0.1},
    "plot_robustness": {"accuracies": ROBUSTNESS},
    "plot_search": {"accuracies": SEARCH},
}

# Public, and not called here: values that others return, and exceptions.
RECORDS = {"Calibration", "Evaluation", "Gradients", "LossPlane", "MNIST", "Network", "Prediction"}
RECORDS |= {"CheckpointError", "DataError", "DownloadError", "ImageError", "ModelError"}
RECORDS |= {"Reproduction"}
RECORDS |= {"TrainingDiverged", "TrainingInterrupted"}
# Equations that a step calls: to check what they take would make a small step 1 or 2% slower.
EQUATIONS = {"relu", "sigmoid", "softmax"}
# It checks what it is given in fit, as scikit-learn asks, and has tests of its own.
ESTIMATORS = {"MNISTClassifier"}
# It checks what plot_decision does, with the same function.
TWINS = {"film_decision"}
# Those whose arguments name or hold files or drawings, which have tests of their own.
FILES = {"DigitCanvas", "NetworkExplorer", "download_mnist", "prepare_digit", "prepare_strokes"}
FILES |= {"reproduce"}

ANYTHING: dict[str, Any] = {
    "None": None,
    "True": True,
    "-1": -1,
    "0": 0,
    "1": 1,
    "2": 2,
    "0.5": 0.5,
    "1j": 1j,
    "NaN": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "10⁹": 10**9,
    "10⁴⁰⁰": 10**400,
    "int64": np.int64(1),
    "float32": np.float32(0.5),
    "bool_": np.True_,
    "text": "text",
    "[]": [],
    "()": (),
    "{}": {},
    "[[1], [1, 2]]": [[1], [1, 2]],
    "object": object(),
    "b''": b"",
    "function": lambda *_: 0.5,
    "Series": pd.Series([0.5]),
    "date": np.datetime64("2026-11-26"),
    "DataFrame": pd.DataFrame({"a": [1]}),
    "no numbers": np.zeros(0),
    "0-d": np.array(1),
    "3-d": np.zeros((2, 2, 2)),
    "texts": np.array(["1"]),
    "objects": np.array([None, 1]),
    "mask": np.ma.masked,
    "generator": np.random.default_rng(0),
    "pair": (NETWORK, HISTORY),
}
LARGE = {"10⁹", "10⁴⁰⁰"}
NUMBER = {"-1", "0", "1", "2", "0.5", "10⁹", "int64", "float32"}
NOT_NEGATIVE, POSITIVE = NUMBER - {"-1"}, NUMBER - {"-1", "0"}
FRACTION, COUNT = {"0", "0.5", "float32"}, {"1", "2", "int64"}
ANY_COUNT, DIGIT = COUNT | {"10⁹", "10⁴⁰⁰"}, COUNT | {"0"}
ANY_PIXELS = {"a -1", "a 10"}  # none must lie between 0 and 1
ROWS = {"one row less", "no rows"}

# The values that fit an argument, and with [], those that may fit as a part of it. With the name of
# a call they are for that one alone.
FITS: dict[str, set[str]] = {
    "A": ANY_PIXELS | {"as int", "one row less", "one column less", "transposed"},
    "X": ANY_PIXELS,
    "batch_size": ANY_COUNT,
    "calibration bins": COUNT,
    "checkpoint": {"None", "text"},
    "class_names": {"None", "reversed"},
    "class_names[]": {"text"},
    "columns": ANY_COUNT,
    "data": {"None"},
    "data[]": ANY_PIXELS | {"a NaN", "an inf", "a -inf"},
    "data_dir": {"None"},
    "facts": {"None", "{}"},
    "facts[]": NUMBER
    | {"None", "True", "0", "10⁴⁰⁰", "bool_", "text", "[]", "()", "{}"}
    | {"[[1], [1, 2]]", "function", "0-d", "3-d", "no numbers", "texts"},
    "components": COUNT,
    "confusion": {"a 10", "as float", "transposed"},
    "digits": COUNT,
    "done": {"0", "0.5", "1", "int64", "float32"},
    "dropout": FRACTION,
    "elastic": NOT_NEGATIVE,
    "epochs": COUNT,
    "error": {"0", "0.5", "1", "int64", "float32"},
    "gradients": ANY_PIXELS | {"as int"},
    "gradients[]": ANY_PIXELS,
    "half_precision": {"True", "bool_"},
    "index": COUNT | {"0", "0-d"},
    "iterations": COUNT,
    "learning_rate": POSITIVE,
    "momentum": FRACTION,
    "network[]": ANY_PIXELS,
    "neuron_layers": {"one item less", "one item more", "reversed"},
    "neuron_layers[]": COUNT,
    "number": COUNT | {"0"},
    "patience": ANY_COUNT | {"None"},
    "pixels": ANY_PIXELS,
    "points": ANY_PIXELS | {"as int"},
    "progress": {"True", "bool_"},
    "report_every": ANY_COUNT,
    "rng": ANY_COUNT | {"0", "generator"},
    "rotation": NOT_NEGATIVE,
    "scale": FRACTION,
    "schedule": {"function"},
    "shape": {"None", "reversed"},
    "shear": NOT_NEGATIVE,
    "shift": NOT_NEGATIVE,
    "size": COUNT,
    "smoothness": {"1", "2", "10⁹", "int64"},
    "test_X": ANY_PIXELS,
    "verify": {"True", "bool_"},
    "sure": {"True", "bool_"},
    "w[]": ANY_PIXELS,
    "b[]": ANY_PIXELS,
    "warm_up": FRACTION,
    "watch": {"None", "function"},
    "warped": ANY_PIXELS,
    "weight_decay": NOT_NEGATIVE,
    "SGD learning_rate": POSITIVE - {"10⁹"},
    "SGD weight_decay": NOT_NEGATIVE - {"10⁹"},
    "Adam learning_rate": POSITIVE - {"10⁹"},
    "Adam weight_decay": NOT_NEGATIVE - {"10⁹"},
    "affine_warp rotation": NUMBER,
    "affine_warp scale": NOT_NEGATIVE,
    "affine_warp shear": NUMBER,
    "affine_warp shape": {"reversed"},
    "affine_warp shape[]": COUNT,
    "affine_warp shift": {"reversed"},
    "affine_warp shift[]": NUMBER,
    "digest array": {"0-d", "3-d", "as int", "one axis more", "one axis less", "one row less"}
    | {"one column less", "transposed"},
    "digest:labels array": {"0-d", "3-d", "a 10", "one axis more", "one row less"}
    | {"one column less"},
    "forward_prop X": ANY_PIXELS | ROWS,
    "forward_prop:without dropout X": ANY_PIXELS | ROWS,
    "forward_prop:without dropout rng": ANY_COUNT | {"0", "generator", "None"},
    "make_predictions X": ANY_PIXELS | ROWS,
    "predict_proba X": ANY_PIXELS | ROWS,
    "predict_proba:relu X": ANY_PIXELS | ROWS,
    "backward_prop activations[]": ANY_PIXELS,
    "get_accuracy predictions": ANY_PIXELS,
    "get_accuracy Y": ANY_PIXELS,
    "one_hot Y": {"one row less", "one column less"},
    "predict_image network": {"None"},
    "predict_index network": {"None"},
    "save_model path": {"text"},
    "save_model network[]": ANY_PIXELS | {"one row less"},
    "split_validation X": ANY_PIXELS
    | {"a NaN", "an inf", "a -inf", "as int", "as bool", "one column less", "no columns"},
    "split_validation Y": {"a -1", "a 10", "as float", "as bool"},
    "validation[]": ANY_PIXELS,
    "random_warps shape": {"reversed"},
    "random_warps shape[]": COUNT,
    "warp points": ANY_PIXELS | {"an inf", "a -inf", "as int"},
    "warp:not square points": ANY_PIXELS | {"an inf", "a -inf", "as int"},
    "warp:not square shape[]": {"1", "int64"},
    "deform X": ANY_PIXELS | ROWS,
    "deform:not square X": ANY_PIXELS | ROWS,
    "deform:not square shape[]": {"1", "int64"},
    "train:with an optimizer augment": {"None"},
    "film_weights snapshots[]": ANY_PIXELS | {"as int"},
    "plot_activations activations": {"one item more"},
    "plot_activations activations[]": ANY_PIXELS | {"as int", "one column less"},
    "plot_comparison results": {"idea = inf", "idea = text"},
    "plot_decision maps[]": ANY_PIXELS | {"as int", "transposed"},
    "plot_decision class_names": {"None", "one item more", "reversed"},
    "plot_digits labels": ANY_PIXELS
    | {"a list", "as float", "as complex", "as bool", "as object", "as str"},
    "plot_digits probabilities": {"None", "as int", "one column less"},
    "plot_digits shape[]": {"1", "int64"},
    "plot_digits:with names labels": {"a list"},
    "plot_digits:with names class_names": {"None", "one item less", "one item more", "reversed"},
    "plot_activity activities[]": {"as int", "one row less", "one column less"},
    "plot_histories histories[]": {f"no {column}" for column in HISTORY}
    | {"train_loss = nan", "train_accuracy = nan"}
    | {f"seconds = {other}" for other in ("nan", "inf", "text", "None")},
    "plot_history history": {"no seconds"},
    "loss_plane path": {"reversed"},
    "loss_plane path[]": ANY_PIXELS | {"as float"},
    "plot_loss_plane plane[]": ANY_PIXELS | {"as int"},
    "plot_loss_plane epochs": {"None", "reversed"},
    "plot_loss_plane epochs[]": DIGIT | {"10⁹", "10⁴⁰⁰"},
    "plot_maps maps[]": ANY_PIXELS | {"as int"},
    "plot_maps Y": {"a 10"},
    "plot_maps:with names maps[]": ANY_PIXELS | {"as int"},
    "plot_maps:with names class_names": {"None", "one item more", "reversed"},
    "plot_network network[]": ANY_PIXELS | {"one row less"},
    "plot_prediction label": COUNT | {"0", "None"},
    "plot_prediction picture": {"None", "as int", "one row less"},
    "plot_prediction probabilities": {"as int"},
    "plot_robustness accuracies[]": {"no one", "no other", "DataFrame"},
    "plot_search accuracies": {"no 2", "no 6"},
    "plot_weights:with labels row_labels": {"None", "reversed", "texts"},
    "plot_weights:with labels row_labels[]": {"text"},
    "plot_weights:with labels w": ANY_PIXELS | {"as int", "one column less"},
    "plot_weights w": ANY_PIXELS | {"as int", "one column less"},
}

# Broken in these ways, an argument is right by itself, and another one may be blamed.
MISFIT = re.compile(r"less|more|transposed|reversed|no rows")

# Not tried: only the time and the memory that there are set a limit.
UNTRIED = {"epochs", "iterations", "neuron_layers", "classes", "number", "digits", "shape"}


def broken(value: Any) -> Iterator[tuple[str, Any]]:
    """Break an argument in many ways."""
    if isinstance(value, np.ndarray):
        first = (0,) * value.ndim
        for name, number in (("a NaN", math.nan), ("an inf", math.inf), ("a -inf", -math.inf)):
            if value.dtype.kind == "f":
                yield name, with_item(value, first, number)
        yield "a -1", with_item(value, first, -1)
        yield "a 10", with_item(value, first, 10)
        yield "a mask", np.ma.masked_array(value, np.arange(value.size).reshape(value.shape) == 1)
        yield "a list", value.tolist()
        yield "pandas", pd.DataFrame(value) if value.ndim == 2 else pd.Series(value.ravel())
        for kind in (int, float, complex, bool, object, str):
            if value.dtype.kind != np.dtype(kind).kind:
                yield f"as {kind.__name__}", value.astype(kind)
        yield "one axis more", value[None]
        yield "no rows", value[:0]
        yield "one row less", value[:-1]
        yield "one column less", value[..., :-1]
        yield "no columns", value[..., :0]
        if value.ndim > 1:
            yield "one axis less", value[0]
            yield "transposed", value.T
        if value.ndim == 2:
            yield "a matrix", np.asmatrix(value)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield "a plain tuple", tuple(value)
        for field, part in zip(value._fields, value, strict=True):
            for name, other in [*broken(part), *ANYTHING.items()]:
                yield f"{field}: {name}", value._replace(**{field: other})
    elif isinstance(value, list | tuple):
        kind = type(value)
        yield "one item less", value[1:]
        yield "one item more", kind([*value, value[-1]])
        yield "reversed", value[::-1]
        yield "a dict", dict(enumerate(value))
        for i, part in enumerate(value):
            for name, other in [*broken(part), *ANYTHING.items()]:
                yield f"[{i}]: {name}", kind([*value[:i], other, *value[i + 1 :]])
    elif isinstance(value, dict):
        for key, part in value.items():
            for name, other in [*broken(part), *ANYTHING.items()]:
                yield f"[{key!r}]: {name}", value | {key: other}
    elif isinstance(value, pd.DataFrame):
        yield "no rows", value[:0]
        yield "a dict", value.to_dict("list")
        for column in value:
            yield f"no {column}", value.drop(columns=column)
            for other in (math.nan, math.inf, "text", None):
                changed = value.copy()
                changed[column] = other
                yield f"{column} = {other}", changed


def with_item(array: Any, place: Any, number: float) -> Any:
    other = array.copy()
    other[place] = number
    return other


ALIKE: dict[str, Callable[[Any], Any]] = {
    "read-only": lambda A: np.frombuffer(A.tobytes(), A.dtype).reshape(A.shape),
    "columns in memory": np.asfortranarray,
    "every second": lambda A: np.repeat(A, 2, axis=-1)[..., ::2],
    "backward": lambda A: A[::-1].copy()[::-1],
    "big-endian": lambda A: A.astype(A.dtype.newbyteorder(">")),
    "of 32 bits": lambda A: A.astype(f"{A.dtype.kind}4"),
    "of 64 bits": lambda A: A.astype(f"{A.dtype.kind}8"),
    "of 16 bits": lambda A: A.astype(f"{A.dtype.kind}2"),
    "mapped": lambda A: A.view(np.memmap),
}
MUST_WORK = {"read-only", "columns in memory", "every second", "backward"}


def has_array(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value
    return isinstance(value, np.ndarray) or (
        isinstance(value, dict | list | tuple) and any(map(has_array, parts))
    )


def alike(value: Any, change: Callable[[Any], Any]) -> Any:
    """Change how the arrays of an argument lie in memory."""
    if isinstance(value, np.ndarray):
        return change(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return value._replace(**{f: alike(v, change) for f, v in value._asdict().items()})
    if isinstance(value, list | tuple):
        return type(value)(alike(part, change) for part in value)
    if isinstance(value, dict):
        return {key: alike(part, change) for key, part in value.items()}
    return value


def numbers(result: Any) -> list[Any]:
    """Take a result apart, into the arrays and numbers in it, without the times."""
    if isinstance(result, Figure):
        images = [image.get_array() for axis in result.axes for image in axis.images]
        return images + [line.get_xydata() for axis in result.axes for line in axis.lines]
    if isinstance(result, Image.Image):
        return [np.asarray(result) / 255]
    if isinstance(result, pd.DataFrame):
        return [result.drop(columns="seconds", errors="ignore").to_numpy()]
    if isinstance(result, types.GeneratorType | tuple | list):
        return [array for part in result for array in numbers(part)]
    if isinstance(result, np.ndarray):
        return [result]
    if hasattr(result, "__dict__"):
        return numbers(list(vars(result).values()))
    return [result]


def close(came: list[Any], expected: list[Any]) -> bool:
    return all(
        np.allclose(a, b, rtol=1e-2, atol=2e-3, equal_nan=True)
        if isinstance(a, np.ndarray | float)
        else a == b
        for a, b in zip(came, expected, strict=True)
    )


def complaint(error: BaseException, names: list[str]) -> str | None:
    """Say what is wrong with an exception, or None if it is as it should be."""
    traceback = error.__traceback__
    while traceback.tb_next:
        traceback = traceback.tb_next
    file, line = traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
    said = f"{type(error).__name__}: {error}"
    if not isinstance(error, ValueError | TypeError | IndexError):
        return said
    raised = linecache.getline(file, line).strip().startswith("raise ")
    if not Path(file).is_relative_to(PACKAGE) or not raised:
        return f"{said} ({Path(file).name}, line {line})"
    if not any(re.search(rf"(?<!\w){name}(?!\w)", str(error)) for name in names):
        return f"does not name the argument: {said}"
    return None


def function_of(call: str) -> Callable[..., Any]:
    function = getattr(mnist_nn, call.partition(":")[0])
    besides: dict[str, Any] = {
        "predict_image": {"image": np.pad(np.ones((20, 3)), 10)},
    }.get(call, {})
    return lambda **arguments: function(**besides | arguments)


def test_every_public_function_is_called() -> None:
    called = {call.partition(":")[0] for call in CALLS}
    public = {"DigitCanvas"}
    for module in pkgutil.iter_modules([str(PACKAGE)]):
        names = getattr(importlib.import_module(f"mnist_nn.{module.name}"), "__all__", [])
        public |= {name for name in names if callable(getattr(mnist_nn, name))}
    assert public == called | RECORDS | EQUATIONS | ESTIMATORS | TWINS | FILES


def fits(call: str, argument: str, name: str) -> bool:
    *parents, own = name.split(": ")
    key = argument + "[]" * bool(parents)
    return own in FITS.get(f"{call} {key}", FITS.get(key, set()))


@pytest.mark.filterwarnings("ignore:the matrix subclass", "ignore:training ended with a loss")
@pytest.mark.parametrize(
    "call",
    # A hundred figures each, or the digits five times.
    [
        pytest.param(
            call,
            marks=[pytest.mark.long]
            * call.startswith(("film_", "load_mnist", "loss_plane", "plot_")),
        )
        for call in CALLS
    ],
)
def test_one_wrong_argument_is_refused_by_its_name(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    function, arguments = function_of(call), CALLS[call]
    expected = numbers(function(**arguments))
    complaints = []
    for argument, right in arguments.items():
        wrong = dict([*ANYTHING.items(), *broken(right)])
        same = {name: alike(right, change) for name, change in ALIKE.items() if has_array(right)}
        for name, value in (wrong | same).items():
            own = name.split(": ")[-1]
            if own in LARGE and argument in UNTRIED:
                continue
            works = fits(call, argument, name)
            try:
                came = numbers(function(**arguments | {argument: value}))
            except Exception as error:
                names = arguments if MISFIT.search(name) else [argument]
                said = complaint(error, [*names])
                if said or (works and own == name) or name in MUST_WORK:
                    complaints.append(f"{argument} = {name}: {said or error}")
            else:
                if name in same and not close(came, expected):
                    complaints.append(f"{argument} = {name}: another result")
                elif name in wrong and not works:
                    complaints.append(f"{argument} = {name} is accepted")
    plt.close("all")
    assert not complaints, "\n".join([call, *complaints])


NOT_ON_WINDOWS = pytest.mark.skipif(sys.platform == "win32", reason="where names can have it")


@pytest.mark.parametrize(
    "path", ["", " ", "a\0b", pytest.param("a\ud800", marks=NOT_ON_WINDOWS)], ids=ascii
)
def test_what_no_file_can_be_called_is_no_path(path: str) -> None:
    for function in (mnist_nn.load_model, mnist_nn.load_mnist):
        with pytest.raises(ValueError, match="path with characters that names can have") as refusal:
            function(path)
        assert str(refusal.value).isascii()


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have Unicode names alone")
@pytest.mark.parametrize("name", [b"caf\xe9", b"caf\xc3\xa9"], ids=["Latin-1", "UTF-8"])
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_the_package_works_in_a_folder_of_any_name(
    tmp_path: Path, name: bytes, locale: str
) -> None:
    folder = tmp_path / os.fsdecode(name)
    shutil.copytree(PACKAGE, folder / "mnist_nn")
    for shipped in (DATA_DIR, NUMBER_RECOGNITION.parent):
        (folder / shipped.name).symlink_to(shipped)
    code = """
import os, mnist_nn as nn
print(os.fsencode(nn.__file__))
path = os.path.join(os.getcwd(), "mine.npz")
nn.save_model(path, nn.init_params([784, 10], rng=0))
print(nn.load_model(path).neuron_layers, nn.predict_index(42).label)
"""
    settings = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    came = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=True,
    )
    file = os.fsencode(folder / "mnist_nn" / "__init__.py")
    assert came.stdout.splitlines() == [repr(file), "[784, 10] 4"]
