"""People's own data: 12 × 9 pixels, three classes with names, through everything that is public.

The images show ink across the top, across the bottom or down the middle. Which of the three can
also be told by summing pixels, without a network.
"""

import gzip
import importlib
import io
import pkgutil
import types
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from formats import csv, idx
from matplotlib.axes import Axes
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

import mnist_nn
from mnist_nn import (
    DIGESTS,
    MNIST,
    SGD,
    Adam,
    DataError,
    DigitCanvas,
    MNISTClassifier,
    ModelError,
    Network,
    NetworkExplorer,
    Prediction,
    affine_warp,
    backward_prop,
    batches,
    calibration,
    confident_mistakes,
    confusion_matrix,
    constant,
    cosine,
    cross_entropy,
    deform,
    digest,
    film_decision,
    forward_prop,
    get_accuracy,
    gradient_descent,
    init_params,
    input_gradient,
    load_mnist,
    load_model,
    loss_plane,
    make_predictions,
    model_card,
    one_hot,
    plot_activations,
    plot_activity,
    plot_comparison,
    plot_confusion,
    plot_decision,
    plot_digits,
    plot_histories,
    plot_history,
    plot_loss_plane,
    plot_maps,
    plot_network,
    plot_prediction,
    plot_reliability,
    plot_robustness,
    plot_saliency,
    plot_search,
    plot_warp,
    plot_weights,
    precision_and_recall,
    predict,
    predict_image,
    predict_index,
    predict_proba,
    prepare_digit,
    prepare_strokes,
    principal_components,
    random_warps,
    relu,
    reproduce,
    save_model,
    sigmoid,
    softmax,
    split_validation,
    train,
    update,
    warp,
)

SHAPE = HEIGHT, WIDTH = 12, 9
NAMES = ["ink across the top", "ink across the bottom, $5 to $9", "a column"]

# Of MNIST alone.
NOT_FOR_OTHERS = {"download_mnist"}
# Public classes that others return or raise.
RETURNED = {"Calibration", "Evaluation", "Gradients", "LossPlane", "Reproduction"}
RAISED = {"CheckpointError", "DownloadError", "ImageError"}
RAISED |= {"TrainingDiverged", "TrainingInterrupted"}


def made(number: int, seed: int) -> tuple[Any, Any]:
    """Make images of shape (number, 12, 9), as bytes, and their labels."""
    rng = np.random.default_rng(seed)
    pixels, labels = rng.integers(0, 60, (number, *SHAPE)), rng.integers(0, 3, number)
    for image, label, start in zip(pixels, labels, rng.integers(0, 3, number), strict=True):
        bar = (
            image[1 + start : 3 + start],
            image[7 + start : 9 + start],
            image[:, 3 + start : 5 + start],
        )
        bar[label][...] += 180
    return pixels.astype(np.uint8), labels


def told(X: Any) -> Any:
    """Tell the class by its brightest band, without a network."""
    images = X.reshape(-1, *SHAPE)
    rows, columns = images.mean(axis=2), images.mean(axis=1)
    bands = [rows[:, :6].max(axis=1), rows[:, 6:].max(axis=1), columns.max(axis=1)]
    return np.argmax(bands, axis=0)


(TRAIN_X, TRAIN_Y), (TEST_X, TEST_Y) = made(400, 0), made(150, 1)


def as_idx(folder: Path) -> None:
    for name, images, labels in (("train", TRAIN_X, TRAIN_Y), ("t10k", TEST_X, TEST_Y)):
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(idx(labels))


def as_csv(folder: Path) -> None:
    for name, images, labels in (("train", TRAIN_X, TRAIN_Y), ("test", TEST_X, TEST_Y)):
        rows = np.column_stack([labels, images.reshape(len(images), -1)])
        header = ",".join(["label", *(f"pixel{i}" for i in range(108))]) + "\n"
        (folder / f"mnist_{name}.csv").write_text(csv(rows, header))


def as_npz(folder: Path) -> None:
    arrays = {"x_train": TRAIN_X, "y_train": TRAIN_Y, "x_test": TEST_X, "y_test": TEST_Y}
    np.savez(folder / "mnist.npz", **arrays)


class Own(NamedTuple):
    """What the tests share: data, a network trained on it, and its answers."""

    data: MNIST
    network: Network
    history: Any
    P: Any


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    folder = tmp_path_factory.mktemp("own")
    as_idx(folder)
    data = load_mnist(folder, verify=False)
    network, history = train(
        init_params([108, 12, 3], rng=0),
        data.train_X,
        data.train_Y,
        epochs=8,
        batch_size=32,
        learning_rate=0.3,
        rng=0,
        augment=partial(deform, rotation=3, shape=SHAPE),
        progress=False,
    )
    return Own(data, network, history, predict_proba(network, data.test_X))


def test_every_public_function_is_in_a_test_of_this_file() -> None:
    public = {"DigitCanvas"}
    for module in pkgutil.iter_modules([str(Path(mnist_nn.__file__).parent)]):
        names = getattr(importlib.import_module(f"mnist_nn.{module.name}"), "__all__", [])
        public |= {name for name in names if callable(getattr(mnist_nn, name))}
    called: set[str] = set()
    codes = [
        function.__code__
        for name, function in globals().items()
        if name.startswith("test_") and isinstance(function, types.FunctionType)
    ]
    while codes:
        code = codes.pop()
        called |= set(code.co_names)
        codes += [item for item in code.co_consts if isinstance(item, types.CodeType)]
    assert public - called == NOT_FOR_OTHERS | RETURNED | RAISED


# Loading


@pytest.mark.parametrize("write", [as_idx, as_csv, as_npz])
def test_it_is_loaded_in_each_format_but_only_if_asked_for(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(tmp_path)
    with pytest.raises(DataError, match=r"not MNIST.*verify=False"):
        load_mnist(tmp_path)
    data = load_mnist(tmp_path, verify=False)
    for X, Y, images, labels in ((*data[:2], TRAIN_X, TRAIN_Y), (*data[2:], TEST_X, TEST_Y)):
        assert np.array_equal(X, images.reshape(-1, 108) / np.float32(255))
        assert (X.dtype, Y.dtype) == (np.float32, np.int64)
        assert np.array_equal(Y, labels)
    assert repr(data) == "MNIST(400 training and 150 test images)"
    assert digest(data.train_X) == digest(TRAIN_X) != DIGESTS["train_X"]


def test_it_is_split_and_batched(own: Own) -> None:
    X, Y = own.data.train_X, own.data.train_Y
    (kept_X, kept_Y), (aside_X, aside_Y) = split_validation(X, Y, 100, rng=0)
    assert [len(kept_X), len(aside_X)] == [300, 100]
    assert np.array_equal(told(kept_X), kept_Y)
    assert np.array_equal(told(aside_X), aside_Y)
    assert sorted(np.concatenate(list(batches(400, 32, rng=0)))) == list(range(400))
    assert one_hot(np.array([2, 0]), classes=3).tolist() == [[0, 0, 1], [1, 0, 0]]
    with pytest.raises(ValueError, match=r"0 to 2, for 3 classes.*classes"):
        one_hot(np.array([3]), classes=3)


# Training


def test_it_is_learned(own: Own) -> None:
    X, Y = own.data.test_X, own.data.test_Y
    assert np.array_equal(told(X), Y)  # the labels are right
    assert isinstance(own.network, Network)
    assert own.network.neuron_layers == [108, 12, 3]
    assert get_accuracy(make_predictions(own.network, X), told(X)) > 0.98
    result = predict(X, Y, *own.network)
    assert np.array_equal(result.probabilities, own.P)
    assert result.accuracy == np.mean(own.P.argmax(axis=1) == told(X))
    assert result.loss == pytest.approx(-np.log(own.P[range(150), told(X)]).mean())


@pytest.mark.parametrize(
    "optimizer",
    [SGD(0.1, momentum=0.9, schedule=cosine), Adam(0.01, schedule=constant)],
    ids=["SGD", "Adam"],
)
def test_it_is_learned_with_all_that_training_has(own: Own, optimizer: Any, tmp_path: Path) -> None:
    SGD(0.1), Adam(0.1), cosine(0.5), constant(0.5)
    pair = split_validation(own.data.train_X, own.data.train_Y, 100, rng=0)
    again = partial(
        train,
        init_params([108, 12, 3], "sigmoid", rng=0),
        *pair[0],
        epochs=15,
        batch_size=20,
        optimizer=optimizer,
        rng=0,
        dropout=0.1,
        augment=partial(deform, rotation=3, shape=SHAPE),
        validation=pair[1],
        patience=15,
        checkpoint=tmp_path / "run.npz",
        progress=False,
    )
    network, history = again()
    assert history["validation_accuracy"].max() > 0.95
    taken_up, same = again()
    assert all(np.array_equal(a, b) for a, b in zip(network.w, taken_up.w, strict=True))
    assert same.equals(history)


def test_it_is_learned_by_gradient_descent(own: Own) -> None:
    start = init_params([108, 3], rng=0)
    X, Y = own.data.train_X, own.data.train_Y
    network, history = gradient_descent(
        start, X, Y, iterations=100, learning_rate=0.5, progress=False
    )
    assert history["train_accuracy"].iloc[-1] > 0.95
    assert get_accuracy(make_predictions(network, own.data.test_X), own.data.test_Y) > 0.95
    # The first step, from the equations alone; and update makes the same.
    scores = X @ start.w[0]
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    by_hand = X.T @ (odds / odds.sum(axis=1, keepdims=True) - np.eye(3)[Y]) / len(Y)
    assert np.allclose(forward_prop(start, X)[-1], softmax(scores), atol=1e-6)
    gradients = backward_prop(start, forward_prop(start, X), Y)
    assert np.allclose(gradients.dw[0], by_hand, atol=1e-6)
    stepped = update(start, gradients, 0.5)
    assert np.allclose(stepped.w[0], start.w[0] - 0.5 * by_hand, atol=1e-6)


def test_the_equations_have_no_size(own: Own) -> None:
    network = init_params([108, 5, 4, 3], "sigmoid", rng=0)
    X, Y = own.data.test_X[:4].astype(float), own.data.test_Y[:4]
    network = network._replace(w=[w.astype(float) for w in network.w])
    network = network._replace(b=[b.astype(float) for b in network.b])
    gradient = input_gradient(network, X, Y)
    assert gradient.shape == (4, 108)
    step = np.zeros_like(X)
    step[:, 50] = 1e-5
    high, low = (cross_entropy(predict_proba(network, X + s), Y) for s in (step, -step))
    assert gradient[:, 50].mean() == pytest.approx((high - low) / 2e-5, rel=1e-5)
    Z = np.array([[-1.0, 0.0, 2.0]])
    assert relu(Z).shape == sigmoid(Z).shape == softmax(Z).shape == (1, 3)


@pytest.mark.filterwarnings("ignore:training ended with a loss")
@pytest.mark.long
def test_it_is_saved_with_its_names_and_reproduced(own: Own, tmp_path: Path) -> None:
    path, data = tmp_path / "own.npz", own.data
    augment = partial(deform, rotation=3, shape=SHAPE)
    facts = {"seed": 0, "epochs": 8, "batch_size": 32, "learning_rate": 0.3, "augment": augment}
    facts |= {"class_names": NAMES, "data_digest": digest(data.train_X)}
    save_model(path, own.network, facts)
    loaded = load_model(path)
    assert all(np.array_equal(a, b) for a, b in zip(loaded.w, own.network.w, strict=True))
    assert model_card(path)["class_names"] == NAMES
    came = reproduce(path, data=data, progress=False)
    assert came.identical
    assert came.accuracy == np.mean(own.P.argmax(axis=1) == data.test_Y)
    with pytest.raises(ModelError, match="should be trained on MNIST"):
        reproduce(path, progress=False)
    other = data._replace(train_X=1 - data.train_X)
    with pytest.raises(ModelError, match="should be trained on this data"):
        reproduce(path, data=other, progress=False)
    with pytest.raises(TypeError, match="data must be an MNIST, not tuple"):
        reproduce(path, data=tuple(data), progress=False)


# Evaluation


def test_it_is_evaluated(own: Own) -> None:
    Y = own.data.test_Y.copy()
    Y[:7] = (Y[:7] + 1) % 3  # so that there are mistakes
    read = own.P.argmax(axis=1)
    confusion = confusion_matrix(read, Y, classes=3)
    assert confusion.tolist() == [
        [sum((true == Y) & (read == column)) for column in range(3)] for true in range(3)
    ]
    table = precision_and_recall(confusion, class_names=NAMES)
    assert table.index.tolist() == NAMES
    assert table.index.name == "class"
    for name, label in zip(NAMES, range(3), strict=True):
        assert table.loc[name, "recall"] == np.mean(read[label == Y] == label)
        assert table.loc[name, "precision"] == np.mean(Y[read == label] == label)
    numbered = precision_and_recall(confusion)
    assert numbered.index.tolist() == [0, 1, 2]
    assert set(confident_mistakes(own.P, Y)) == set(np.flatnonzero(read != Y))
    bins, error = calibration(own.P, Y)
    assert bins["count"].sum() == 150
    assert 0 < error < 1
    assert principal_components(own.data.test_X).shape == (150, 2)
    path = [init_params([108, 12, 3], rng=0), init_params([108, 12, 3], rng=1), own.network]
    plane = loss_plane(path, own.data.test_X, own.data.test_Y, points=10)
    assert drawn(plot_loss_plane(plane)).axes[1].get_ylabel() == "loss"


def test_a_label_too_many_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"0 to 9, for 10 classes, not 11 to 11; .* classes"):
        confusion_matrix(np.array([11]), np.array([11]))


# Deforming


def test_a_warp_has_the_middle_of_the_image_as_its_center(own: Own) -> None:
    X = own.data.test_X[:5]
    images = X.reshape(-1, *SHAPE)

    def warped(**changes: Any) -> Any:
        return warp(X, affine_warp(**changes, shape=SHAPE), shape=SHAPE).reshape(-1, *SHAPE)

    assert np.array_equal(warped(), images)
    np.testing.assert_allclose(warped(rotation=180), images[:, ::-1, ::-1], atol=1e-5)
    np.testing.assert_allclose(warped(shift=(2, 1))[:, 2:, 1:], images[:, :-2, :-1], atol=1e-5)
    assert not warped(shift=(2, 1))[:, :2].any()
    assert not warped(shift=(2, 1))[:, :, :1].any()


def test_random_warps_bend_all_of_an_image_alike() -> None:
    still = dict.fromkeys(("rotation", "scale", "shear", "shift"), 0.0)
    points = random_warps(3000, rng=0, **still, shape=SHAPE).reshape(-1, 2, *SHAPE)
    bent = points - np.indices(SHAPE)
    np.testing.assert_allclose(bent.std(axis=0), 1, atol=0.06)  # pixels, everywhere
    np.testing.assert_allclose(bent.mean(axis=0), 0, atol=0.08)
    identity = random_warps(1, rng=0, **still, elastic=0.0, shape=SHAPE)
    np.testing.assert_allclose(identity, affine_warp(shape=SHAPE), atol=1e-5)


def test_a_deformed_image_shows_the_same_class(own: Own) -> None:
    X = own.data.test_X
    deformed = deform(X, 0, rotation=3, elastic=0.3, shape=SHAPE)
    assert deformed.shape == X.shape
    assert 0.01 < np.abs(deformed - X).mean() < 0.2
    assert np.mean(told(deformed) == own.data.test_Y) > 0.95
    with pytest.raises(ValueError, match=r"108 pixels are not a square; pass shape=\(height"):
        deform(X, 0)
    with pytest.raises(ValueError, match="shape must be the height and width of the 108 pixels"):
        warp(X, random_warps(1, rng=0, shape=SHAPE), shape=(12, 12))
    square = np.concatenate([X, X], axis=1)[:, :100]  # another square than MNIST's
    assert deform(square, 0).shape == (150, 100)


# Figures


def images_in(figure: Figure) -> list[Any]:
    return [axis.images[0].get_array() for axis in figure.axes if axis.images]


def text_of(axis: Axes) -> str:
    return " ".join(axis.get_title().replace("\\$", "$").split())


def drawn(figure: Figure) -> Figure:
    figure.canvas.draw()  # a warning, of text that does not fit say, is an error here
    return figure


def test_plot_digits_has_the_names(own: Own) -> None:
    X, Y = own.data.test_X[:6], own.data.test_Y[:6]
    P = np.full((6, 3), 0.2)
    P[range(6), (Y + (np.arange(6) == 5)) % 3] = 0.6
    figure = drawn(plot_digits(X, Y, P, shape=SHAPE, class_names=NAMES))
    assert np.array_equal(images_in(figure), X.reshape(-1, *SHAPE))
    right = [f"{NAMES[y]} 60%" for y in Y[:5]]
    wrong = f"{NAMES[Y[5]]} read as {NAMES[(Y[5] + 1) % 3]} 60%"
    assert [text_of(axis) for axis in figure.axes] == [*right, wrong]
    colors = [axis.title.get_color() for axis in figure.axes]
    assert len(set(colors[:5])) == 1
    assert colors[5] != colors[0]
    assert not any(is_math_text(axis.get_title()) for axis in figure.axes)
    assert figure.get_figwidth() < 6 * 1.5
    boxes = [axis.title.get_window_extent() for axis in figure.axes]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    plain = drawn(plot_digits(X, Y, shape=SHAPE))
    assert [text_of(axis) for axis in plain.axes] == [str(y) for y in Y]
    with pytest.raises(ValueError, match="X must hold square images"):
        plot_digits(X, Y)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, Image.Image]:
    """Record what is written, and on which picture."""
    texts: dict[str, Image.Image] = {}
    write = ImageDraw.ImageDraw.text

    def record(draw: Any, xy: Any, text: str, *rest: Any) -> None:
        left, top, right, bottom = draw.textbbox(xy, text, *rest[1:])
        assert -2 <= left < right <= draw._image.width + 2, text
        assert -2 <= top < bottom <= draw._image.height + 2, text
        texts[text] = draw._image
        write(draw, xy, text, *rest)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", record)
    return texts


@pytest.mark.parametrize("label", [None, 0, 1])
def test_plot_prediction_has_the_names(own: Own, written: Any, label: int | None) -> None:
    P = np.array([0.1, 0.7, 0.2])
    page = plot_prediction(own.data.test_X[0], P, label, shape=SHAPE, class_names=NAMES)
    said = {
        None: {"what the network saw", f"read as {NAMES[1]}"},
        0: {f"true: {NAMES[0]}", f"predicted: {NAMES[1]} (wrong)"},
        1: {f"true: {NAMES[1]}", f"predicted: {NAMES[1]} (right)"},
    }[label]
    assert said | {*NAMES, "class", "probability", "10%", "70%", "20%"} < set(written)
    # The image is 12 × 9 squares, in the middle of its frame.
    side = 448 // 12
    pixels = np.asarray(page.convert("L"))[110:558, 40:488][:, (448 - 9 * side) // 2 :]
    shown = pixels[side // 2 :: side, side // 2 :: side][:12, :9]
    expected = 255 * (1 - own.data.test_X[0].reshape(SHAPE))
    np.testing.assert_allclose(shown, expected, atol=1)


@pytest.mark.parametrize(
    ("classes", "name"),
    [
        (1, None),
        (3, "class number"),
        pytest.param(26, None, marks=pytest.mark.long),
        pytest.param(47, "class number", marks=pytest.mark.long),
    ],
)
def test_figures_of_any_number_of_classes(classes: int, name: str | None, written: Any) -> None:
    names = None if name is None else [f"{name} {i}" for i in range(classes)]
    rng, kind = np.random.default_rng(0), {"shape": SHAPE, "class_names": names}
    network = init_params([108, 4, classes], rng=0)
    X, Y = rng.random((40, 108)), np.arange(40) % classes
    P = predict_proba(network, X)
    page = plot_prediction(X[0], P[0], int(Y[0]), **kind)
    texts = names or [str(i) for i in range(classes)]
    assert set(texts) < set(written)
    assert page.width > 26 * classes
    confusion = confusion_matrix(P.argmax(axis=1), Y, classes)
    ticks = drawn(plot_confusion(confusion, class_names=names)).axes[0]
    some = texts if classes <= 40 else texts[::2]
    assert [label.get_text() for label in ticks.get_xticklabels()] == some
    assert [label.get_text() for label in ticks.get_yticklabels()] == some
    counts = [text.get_text() for text in ticks.texts]
    assert counts == ([str(count) for count in confusion.ravel()] if classes <= 40 else [])
    bars = drawn(plot_activations(forward_prop(network, X[:1]), **kind)).axes[2]
    assert [label.get_text() for label in bars.get_yticklabels()] == texts
    for axis in (ticks, bars):
        boxes = [label.get_window_extent() for label in axis.get_yticklabels()]
        assert all(above.y0 >= below.y1 - 2 for above, below in pairwise(boxes))
    maps = drawn(plot_maps({"pixels": principal_components(X)}, Y, class_names=names))
    there = [text.get_text() for text in maps.axes[0].texts]
    assert there == [f"{y} {names[y]}" if names else str(y) for y in np.unique(Y)]
    told_apart = {0: principal_components(X)}, {0: P.argmax(axis=1)}, Y
    (legend,) = drawn(plot_decision(*told_apart, class_names=names)).legends
    met = max(Y.max(), P.argmax(axis=1).max()) + 1
    assert [text.get_text() for text in legend.get_texts()] == (names or [""] * classes)[:met]
    drawn(plot_digits(X[:9], Y[:9], P[:9], **kind))


def test_the_other_figures_show_the_images_in_their_shape(own: Own) -> None:
    X, Y = own.data.test_X[:4], own.data.test_Y[:4]
    images = X.reshape(-1, *SHAPE)
    weights = drawn(plot_weights(own.network.w[0], shape=SHAPE))
    assert np.array_equal(images_in(weights)[:12], own.network.w[0].T.reshape(-1, *SHAPE))
    film = mnist_nn.film_weights({8: own.network.w[0]}, columns=12, shape=SHAPE)
    assert film.startswith(b"\x89PNG")
    gradients = input_gradient(own.network, X, Y)
    saliency = images_in(drawn(plot_saliency(X, gradients, shape=SHAPE)))
    assert np.array_equal(saliency, [*images, *gradients.reshape(-1, *SHAPE)])
    activations = forward_prop(own.network, X[:1])
    figure = drawn(plot_activations(activations, shape=SHAPE, class_names=NAMES))
    assert np.array_equal(images_in(figure)[0], images[0])
    assert figure.axes[0].get_title() == "108 pixels"

    points = random_warps(1, rng=0, shape=SHAPE)
    after = warp(X[:1], points, shape=SHAPE)
    figure = drawn(plot_warp(X[0], points[0], after[0], shape=SHAPE))
    assert np.array_equal(images_in(figure), [images[0], after.reshape(SHAPE)])
    for axis, (rows, columns) in zip(
        figure.axes, (points[0].reshape(2, *SHAPE), np.indices(SHAPE)), strict=True
    ):
        lines = [line.get_xydata() for line in axis.lines]
        assert len(lines) == 4 + 3
        for k, line in enumerate(lines[:4]):
            assert np.array_equal(line, np.stack([columns[3 * k], rows[3 * k]], axis=1))
        for k, line in enumerate(lines[4:]):
            assert np.array_equal(line, np.stack([columns[:, 3 * k], rows[:, 3 * k]], axis=1))
        (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
        assert left <= min(points[0, 1].min(), 0) <= max(points[0, 1].max(), 8) <= right
        assert top <= min(points[0, 0].min(), 0) <= max(points[0, 0].max(), 11) <= bottom


def test_the_film_of_decisions_has_the_names(own: Own) -> None:
    maps, predictions = {1: own.data.test_X[:, :2]}, {1: own.P.argmax(axis=1)}
    film = film_decision(maps, predictions, own.data.test_Y, class_names=NAMES)
    assert Image.open(io.BytesIO(film)).format == "PNG"


def test_the_figures_without_images(own: Own) -> None:
    import pandas as pd

    assert drawn(plot_history(own.history)).axes[0].get_title() == "loss"
    figure = drawn(plot_reliability(*calibration(own.P, own.data.test_Y)))
    assert "digit" not in "".join(axis.get_ylabel() for axis in figure.axes)
    run = {"idea": "one", "train_accuracy": 0.9, "validation_accuracy": 0.8, "seconds": 1.0}
    assert len(drawn(plot_histories({"own": own.history})).axes) == 2
    drawn(plot_activity({"own": own.P[0]}))
    drawn(plot_comparison(pd.DataFrame([run])))
    drawn(plot_search(pd.DataFrame({1: [0.9, 0.8], 3: [0.95, None]})))
    assert "3 outputs" in [
        text.get_text() for text in drawn(plot_network(own.network)).axes[0].texts
    ]
    drawn(plot_robustness({"noise": pd.DataFrame({"own": [0.9, 0.8]})}))
    confusion = confusion_matrix(own.data.test_Y, own.data.test_Y, classes=3)
    axis = drawn(plot_confusion(confusion)).axes[0]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("read as", "true class")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (NAMES[:2], "3 strings, one for each class, not"),
        ("abc", "3 strings"),
        ([0, 1, 2], "written in one line, not 0"),
        (["a", "b\nc", "d"], r"one line, not 'b\\nc'"),
        (["a", "", "d"], "one line, not ''"),
        (5, "3 strings"),
    ],
)
def test_names_that_do_not_fit(own: Own, names: Any, said: str) -> None:
    confusion = confusion_matrix(own.data.test_Y, own.data.test_Y, classes=3)
    for function in (plot_confusion, precision_and_recall):
        with pytest.raises(ValueError, match=said):
            function(confusion, class_names=names)


# Asking about one image


def test_as_a_scikit_learn_classifier_it_learns_the_names_themselves(own: Own) -> None:
    names = np.array(NAMES)
    augment = partial(deform, rotation=3, shape=SHAPE)
    model = MNISTClassifier((20,), max_iter=30, learning_rate_init=0.02, augment=augment)
    model.fit(own.data.train_X, names[own.data.train_Y])
    expected = names[told(own.data.test_X)]
    assert np.mean(model.predict(own.data.test_X) == expected) > 0.97
    plot_weights(model.network_.w[0], shape=SHAPE)


def test_predict_index_asks_about_it(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Callable[[], Image.Image]] = []
    monkeypatch.setattr("mnist_nn.inference._show", shown.append)
    data, kind = own.data, {"shape": SHAPE, "class_names": NAMES}
    ask = partial(predict_index, network=own.network, data=data, **kind)
    for index, split, x, y in (
        (3, "test", data.test_X[3], data.test_Y[3]),
        (399, "train", data.train_X[399], data.train_Y[399]),
    ):
        came = ask(index, split=split)
        assert isinstance(came, Prediction)
        assert came.digit == came.label == y == told(x)[0]
        digit, label, probabilities = came  # names are no item
        assert (digit, label) == (y, y)
        expected = plot_prediction(x, probabilities, label, **kind)
        assert np.array_equal(shown[-1](), expected)
    percent = ", ".join(f"{NAMES[i]} {p:.1%}" for i, p in enumerate(probabilities))
    assert repr(came) == f"Prediction({NAMES[y]}, label={NAMES[y]}, probabilities={percent})"
    by_hand = MNIST(*(array[:9].copy() for array in data))
    assert ask(2, data=by_hand) == ask(2)


def test_what_predict_index_cannot_ask(own: Own) -> None:
    kind = {"data": own.data, "shape": SHAPE}
    with pytest.raises(IndexError, match="test images are numbered 0 to 149, and 150 is not"):
        predict_index(150, own.network, **kind)
    with pytest.raises(ValueError, match="network must be one that was trained on this data"):
        predict_index(0, **kind)
    with pytest.raises(ValueError, match="network must take 108 pixels, not 784"):
        predict_index(0, init_params([784, 3], rng=0), **kind)
    with pytest.raises(ValueError, match="network must take 784 pixels, not 108"):
        predict_index(0, own.network)
    with pytest.raises(TypeError, match=r"data must be an MNIST, not tuple; .* makes one"):
        predict_index(0, own.network, data=tuple(own.data))
    wrong = own.data._replace(test_X=own.data.test_X[:, 1:])
    with pytest.raises(ValueError, match=r"data.test_X must have one image per row, .*108"):
        predict_index(0, own.network, data=wrong)


def test_pictures_are_for_networks_of_mnists_size(own: Own) -> None:
    """Drawn and photographed digits are 28 × 28 pixels; how many classes there are is free."""
    page = np.pad(np.ones((20, 3)), 10)
    assert prepare_digit(page).shape == (28, 28)
    assert prepare_strokes([[[0.5, 0.2], [0.5, 0.8]]]).shape == (28, 28)
    for ask in (partial(predict_image, page), DigitCanvas):
        with pytest.raises(ValueError, match="network must take 784 pixels, not 108; pass one"):
            ask(own.network)
    letters = init_params([784, 3], rng=0)
    came = predict_image(page, letters, class_names=NAMES)
    assert repr(came).startswith(f"Prediction({NAMES[came.digit]}, label=None, probabilities=")
    canvas = DigitCanvas(letters, class_names=NAMES)
    assert canvas.names == NAMES
    canvas.strokes = [[[0.3, 0.2], [0.7, 0.2], [0.5, 0.8]]]
    assert canvas.message == f"The network reads {NAMES[canvas.prediction.digit]}"
    assert DigitCanvas(letters).names == ["0", "1", "2"]
    assert "ink across" in canvas._repr_mimebundle_()[0]["text/plain"]
    Y = np.arange(4) % 3
    data = MNIST(*(2 * [np.random.default_rng(0).random((4, 784), np.float32), Y]))
    explorer = NetworkExplorer(letters, data=data, class_names=NAMES)
    assert explorer.message.startswith(f"The network reads {NAMES[explorer.prediction.digit]}")
    assert (explorer.tested, explorer.names) == (4, NAMES)
