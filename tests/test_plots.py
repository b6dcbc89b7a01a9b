from collections.abc import Callable
from io import BytesIO
from itertools import combinations, pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from mnist_nn import (
    LossPlane,
    film_decision,
    film_weights,
    forward_prop,
    init_params,
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
    relu,
    sigmoid,
    softmax,
)
from mnist_nn.plots import _film

RNG = np.random.default_rng(0)
DIGITS, LABELS = RNG.random((5, 784)), np.array([3, 1, 4, 1, 5])
ANSWERS = np.full((5, 10), 0.02)
ANSWERS[range(5), [3, 7, 4, 1, 6]] = [0.82, 0.6, 1, 0.5, 0.999]  # right, wrong, right, right, wrong
WEIGHTS = RNG.normal(size=(784, 7))
CONFUSION = RNG.integers(1, 100, (10, 10)) + 900 * np.eye(10, dtype=int)
HISTORY = pd.DataFrame(
    {
        "train_loss": [0.9, 0.5, 0.3, 0.2],
        "train_accuracy": [0.7, 0.8, 0.9, 0.95],
        "validation_loss": [0.8, 0.6, 0.5, 0.7],
        "validation_accuracy": [0.75, 0.8, 0.9, 0.85],
        "seconds": [1.0, 2.0, 3.0, 4.0],
    },
    index=pd.Index([1, 2, 3, 4], name="epoch"),
)
POINTS = np.indices((28, 28)).reshape(2, 784) + RNG.normal(size=(2, 784))
RUNS = pd.DataFrame(
    {
        "idea": ["one", "one", "one", "other"],
        "train_accuracy": [0.97, 0.95, 0.96, 1.0],
        "validation_accuracy": [0.94, 0.92, 0.93, 0.99],
        "seconds": [1.0, 2.0, 6.0, 7.0],
    },
    index=[0, 1, 2, 0],  # as pd.concat leaves it
)
for array in (DIGITS, POINTS, LABELS, ANSWERS, WEIGHTS, CONFUSION):
    array.flags.writeable = False  # so that a plot that changes its input fails

ACTIVATIONS = [DIGITS[:1], RNG.random((1, 12)), RNG.random((1, 7)), ANSWERS[:1]]
MAPS = {"pixels": RNG.normal(size=(5, 2)), "hidden": RNG.normal(size=(5, 2))}
BINS = pd.DataFrame({"confidence": [0.5, 0.9], "accuracy": [0.4, 0.95], "count": [3, 100]})
CORRUPTED = {
    "noise": pd.DataFrame({"one": [1, 0.5], "other": [0.9, 0.8]}, index=[0, 1]),
    "turned": pd.DataFrame({"one": [1, 0.2], "other": [0.9, 0.7]}, index=[0, 90]),
}
SEARCH = pd.DataFrame(
    {2: [0.3, 0.9, 0.8, 0.5, 0.88], 6: [np.nan, 0.92, 0.95, np.nan, 0.9], 18: [np.nan] * 5},
    index=pd.Index([0.1, 0.02, 1e-3, 1e-4, 0.0123456], name="rate"),
)
SEARCH.loc[1e-3, 18] = 0.97
LOSSES = np.linspace(0.12, 1.9, 20).reshape(4, 5)
PATH = np.array([[0.0, 0.0], [1.0, 0.5], [2.0, 2.0], [2.5, 1.0], [3.0, 0.0]])
PLANE = LossPlane(np.arange(5.0), np.arange(4.0), LOSSES, PATH, np.zeros(5))
MOMENTS = {0: RNG.normal(size=(5, 2)) / 9, 3: RNG.normal(size=(5, 2))}
READ = {0: np.array([7, 7, 7, 7, 7]), 3: np.array([3, 7, 4, 1, 6])}
PLOTS: list[Callable[[], Figure]] = [
    lambda: plot_digits(DIGITS, LABELS),
    lambda: plot_digits(DIGITS, LABELS, ANSWERS),
    lambda: plot_history(HISTORY),
    lambda: plot_confusion(CONFUSION),
    lambda: plot_weights(WEIGHTS),
    lambda: plot_warp(DIGITS[0], POINTS, DIGITS[1]),
    lambda: plot_comparison(RUNS),
    lambda: plot_activations(ACTIVATIONS),
    lambda: plot_saliency(DIGITS, DIGITS - 0.5),
    lambda: plot_maps(MAPS, LABELS),
    lambda: plot_loss_plane(PLANE),
    lambda: plot_decision(MOMENTS, READ, LABELS),
    lambda: plot_reliability(BINS, 0.05),
    lambda: plot_robustness(CORRUPTED),
    lambda: plot_search(SEARCH),
    lambda: plot_network(init_params([784, 10, 10], rng=0)),
]


@pytest.fixture(autouse=True)
def _closed_figures() -> Any:
    yield
    plt.close("all")


def titles(figure: Figure) -> list[str]:
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


def drawn(figure: Figure) -> list[Axes]:
    """Return the axes that show an image, color bars apart."""
    return [axis for axis in figure.axes if axis.images]


@pytest.mark.parametrize("plot", PLOTS)
def test_returns_one_figure_that_draws_and_changes_nothing(plot: Callable[[], Figure]) -> None:
    history, settings = HISTORY.copy(), dict(plt.rcParams)
    figure = plot()
    figure.canvas.draw()  # a warning, of text that does not fit say, is an error here
    assert isinstance(figure, Figure)
    assert len(plt.get_fignums()) <= 1
    assert dict(plt.rcParams) == settings
    pd.testing.assert_frame_equal(HISTORY, history)


@pytest.mark.parametrize("plot", PLOTS)
def test_leaves_no_figure_open_in_a_notebook(plot: Callable[[], Figure]) -> None:
    plt.switch_backend("module://matplotlib_inline.backend_inline")
    try:
        figure = plot()
        assert plt.get_fignums() == []
        figure.canvas.draw()
    finally:
        plt.switch_backend("agg")


@pytest.mark.parametrize(("columns", "across", "down"), [(8, 5, 1), (3, 3, 2), (1, 1, 5)])
def test_plot_digits_shows_each_under_its_label(columns: int, across: int, down: int) -> None:
    figure = plot_digits(DIGITS, LABELS, columns=columns)
    assert titles(figure) == ["3", "1", "4", "1", "5"]
    assert len(drawn(figure)) == 5
    for i, axis in enumerate(drawn(figure)):
        (image,) = axis.images
        assert np.array_equal(image.get_array(), DIGITS[i].reshape(28, 28))
        assert image.get_clim() == (0, 1)  # one scale for all, so that faint stays faint
        assert image.cmap(0.0)[:3] == (1, 1, 1)  # paper is white
        assert image.cmap(1.0)[:3] == (0, 0, 0)  # ink is black
        assert image.origin == "upper"
        place = axis.get_subplotspec()
        assert place.get_geometry()[:2] == (down, across)
        assert place.num1 == i
    assert not any(axis.axison for axis in figure.axes)


def test_plot_digits_says_what_was_read() -> None:
    figure = plot_digits(DIGITS, LABELS, ANSWERS)
    right_and_wrong = ["3\n82%", "1 read as 7\n60%", "4\n100.0%", "1\n50%", "5 read as 6\n99.9%"]
    assert titles(figure) == right_and_wrong
    colors = [axis.title.get_color() for axis in drawn(figure)]
    assert colors[0] == colors[2] == colors[3] != colors[1] == colors[4]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[float, ...]]:
    """Record what is written on pictures, and where: left, top, right, bottom."""
    texts: dict[str, tuple[float, ...]] = {}
    write = ImageDraw.ImageDraw.text

    def record(draw: Any, xy: Any, text: str, fill: Any, font: Any, anchor: str) -> None:
        texts[text] = draw.textbbox(xy, text, font, anchor)
        write(draw, xy, text, fill, font, anchor)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", record)
    return texts


def places(page: Image.Image, color: str) -> NDArray[Any]:
    """Find the pixels of one color: their columns and rows."""
    rows, columns = np.nonzero((np.asarray(page) == ImageColor.getrgb(color)).all(axis=2))
    return np.array([columns, rows])


@pytest.mark.parametrize(("read", "label", "verdict"), [(3, 3, "right"), (3, 5, "wrong")])
def test_plot_prediction(read: int, label: int, verdict: str, written: Any) -> None:
    probabilities = np.array([0.001, 0.004, 0.1, 0.6, 0.006, 0.289, 0, 0, 0, 0])
    page = plot_prediction(DIGITS[0], probabilities, label)
    title = f"predicted {read}, true {label}: {verdict}"
    numbers, percents = [str(digit) for digit in range(10)], ["10%", "60%", "1%", "29%"]
    assert set(written) == {
        *(title, "probability", "digit", "0.0", "0.5", "1.0"),
        *(*numbers, *percents),
    }
    for left, top, right, bottom in written.values():
        assert 0 <= left < right <= page.width
        assert 0 <= top < bottom <= page.height

    # The digit, under its title, each of its pixels sixteen wide.
    left = round((written[title][0] + written[title][2]) / 2) - 224
    top = 110
    pixels = np.asarray(page)[top + 8 : top + 448 : 16, left + 8 : left + 448 : 16]
    np.testing.assert_allclose(pixels[..., 0], 255 * (1 - DIGITS[0].reshape(28, 28)), atol=0.51)

    # A bar above each number, as tall as its probability, on the scale of the labels.
    zero, one = ((written[label][1] + written[label][3]) / 2 for label in ("0.0", "1.0"))
    drawn = np.asarray(page)
    for digit, p in enumerate(probabilities):
        x = round((written[str(digit)][0] + written[str(digit)][2]) / 2)
        column = drawn[: round(zero) - 1, x]
        color = {read: "#B84A00", label: "#0072B2"}.get(digit, "#BBBBBB")
        bar = (column == ImageColor.getrgb(color)).all(axis=1).sum()
        assert bar == pytest.approx(p * (zero - one), abs=2)


def test_plot_prediction_fits_ten_full_percent(written: Any) -> None:
    page = plot_prediction(DIGITS[0], np.eye(10)[3], 3)
    _, top, _, bottom = written["100.0%"]
    assert 0 < top < bottom < places(page, "#0072B2")[1].max()
    assert "0%" not in written


def test_plot_prediction_of_many_classes_labels_what_fits(written: Any) -> None:
    probabilities = np.full(26, 0.01)
    probabilities[[3, 4]] = 0.5, 0.26
    plot_prediction(DIGITS[0], probabilities, 4)
    assert {"50%", "26%"} < set(written)
    assert "1%" not in written
    numbers = [written[str(i)] for i in range(26)]
    assert all(left[2] < right[0] for left, right in pairwise(numbers))


@pytest.mark.parametrize("shape", [(60, 80, 1), (900, 300, 3), (80, 60, 4)])
def test_plot_prediction_of_a_picture_shows_it_whole(shape: Any, written: Any) -> None:
    picture = np.zeros(shape)
    picture[..., -1] = 0.2 if shape[2] == 1 else 1  # dark gray, blue, or opaque black
    page = plot_prediction(DIGITS[0], ANSWERS[0], picture=picture)
    assert {"the picture", "what the network saw", "read as 3"} < set(written)
    color = {1: "#333333", 3: "#0000FF", 4: "#000000"}[shape[2]]
    columns, rows = places(page.crop((40, 110, 488, 558)), color)
    height, width, _ = shape
    scale = 448 / max(height, width)
    assert np.ptp(rows) + 1 == pytest.approx(scale * height, abs=1)
    assert np.ptp(columns) + 1 == pytest.approx(scale * width, abs=1)
    transparent = np.zeros((60, 80, 4))
    page = plot_prediction(DIGITS[0], ANSWERS[0], picture=transparent)
    assert page.getpixel((264, 334)) == (255, 255, 255)


def ink(picture: Image.Image) -> Image.Image:
    """Cut out what is dark."""
    dark = picture.convert("L").point(lambda value: 255 - value)
    return dark.crop(dark.point(lambda value: 255 * (value > 100)).getbbox())


def as_matplotlib_writes(text: str) -> Image.Image:
    figure = Figure(figsize=(3, 1), dpi=72)
    figure.text(0.5, 0.5, text, fontsize=24, ha="center")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return ink(Image.fromarray(np.asarray(canvas.buffer_rgba())))


def test_plot_prediction_writes_letters_of_other_scripts_as_matplotlib_does(written: Any) -> None:
    names = [*"oöüłжяβψא€"]
    page = plot_prediction(DIGITS[0], ANSWERS[0], class_names=names)
    expected = [as_matplotlib_writes(name) for name in names]
    for i, name in enumerate(names):
        came = ink(page.crop(tuple(map(round, written[name]))))
        pixels = [np.ravel(came), *(np.ravel(other.resize(came.size)) for other in expected)]
        likeness = np.corrcoef(np.array(pixels))[0, 1:]
        assert likeness.argmax() == i
        assert likeness[i] > 0.7


def test_plot_prediction_warns_once_of_characters_that_its_font_lacks() -> None:
    names = ["日本", "Köter", "日"]
    with pytest.warns(UserWarning, match="DejaVu Sans, lacks 日本 and shows boxes") as warned:
        boxes = plot_prediction(DIGITS[0], ANSWERS[0, :3], class_names=names)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    with pytest.warns(UserWarning, match="lacks 中文 and"):
        same = plot_prediction(DIGITS[0], ANSWERS[0, :3], class_names=["中文", "Köter", "文"])
    assert np.array_equal(boxes, same)


def lines(axis: Axes) -> dict[str, Any]:
    return {line.get_label(): line for line in axis.lines}


def test_plot_history_draws_the_columns_and_marks_the_best_epoch() -> None:
    figure = plot_history(HISTORY)
    losses, accuracies = figure.axes
    for axis, measure in ((losses, "loss"), (accuracies, "accuracy")):
        assert axis.get_title() == measure
        assert axis.get_xlabel() == "epoch"
        for part in ("train", "validation"):
            line = lines(axis)[part]
            assert line.get_xdata().tolist() == [1, 2, 3, 4]
            assert line.get_ydata().tolist() == HISTORY[f"{part}_{measure}"].tolist()
        assert set(lines(axis)["best: 3"].get_xdata()) == {3}
    styles = [lines(losses)[part] for part in ("train", "validation")]
    assert styles[0].get_color() != styles[1].get_color()
    assert styles[0].get_linestyle() != styles[1].get_linestyle()
    legend = losses.get_legend().get_texts()
    assert [text.get_text() for text in legend] == ["train", "validation", "best: 3"]
    assert losses.get_yscale() == "log"
    assert accuracies.yaxis.get_major_formatter()(0.9, None) == "90%"


def test_plot_history_of_gradient_descent_has_no_validation() -> None:
    history = HISTORY[["train_loss", "train_accuracy"]].set_axis([0, 10, 20, 30]).rename_axis("it")
    figure = plot_history(history)
    for axis in figure.axes:
        assert list(lines(axis)) == ["train"]
        assert lines(axis)["train"].get_xdata().tolist() == [0, 10, 20, 30]
        assert axis.get_xlabel() == "it"


def test_plot_loss_plane_draws_the_path_and_names_the_networks_that_span_the_plane() -> None:
    figure = plot_loss_plane(PLANE, epochs=[0, 1, 3, 10, 30])
    axis, bar = figure.axes
    assert {(text.get_text(), text.xy) for text in axis.texts} == {
        ("epoch 0", (0, 0)),
        ("epoch 3", (2, 2)),
        ("epoch 30", (3, 0)),
    }
    assert np.array_equal(axis.lines[0].get_xydata(), PATH)
    assert axis.get_aspect() == 1  # a distance is as long in every direction
    filled, lines = axis.collections
    for contours in (filled, lines):
        levels = np.array(contours.levels)
        assert levels[0] <= LOSSES.min() < LOSSES.max() <= levels[-1]
        assert set(levels.round(9)) <= {0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2}
    ticks = [tick.get_text() for tick in bar.get_yticklabels()]
    assert ticks == ["0.1", "0.2", "0.5", "1", "2"]


def test_plot_loss_plane_of_one_loss_everywhere() -> None:
    for loss in (0, 1e-6, 0.1, 1, 80, 700, 2e5):
        plot_loss_plane(PLANE._replace(loss=np.full((4, 5), loss))).canvas.draw()


def test_plot_loss_plane_leaves_no_high_loss_blank() -> None:
    figure = plot_loss_plane(PLANE._replace(loss=1e4 * LOSSES))
    filled, _ = figure.axes[0].collections
    assert filled.levels[0] <= 1e4 * LOSSES.min() < 1e4 * LOSSES.max() <= filled.levels[-1]


def test_plot_confusion_writes_each_count_into_its_cell() -> None:
    axis = plot_confusion(CONFUSION).axes[0]
    written = {text.get_position(): text.get_text() for text in axis.texts}
    assert len(written) == len(axis.texts) == 100
    for (true, read), count in np.ndenumerate(CONFUSION):
        assert written[read, true] == str(count)
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("read as", "true digit")
    assert axis.get_xticks().tolist() == axis.get_yticks().tolist() == list(range(10))
    top, bottom = axis.get_ylim()[::-1]
    assert top < bottom  # the first row is at the top, as in a table


def test_plot_confusion_colors_the_mistakes_alone() -> None:
    (image,) = plot_confusion(CONFUSION).axes[0].images
    mistakes = CONFUSION.copy()
    np.fill_diagonal(mistakes, 0)
    assert np.array_equal(image.get_array(), mistakes)
    assert image.get_clim() == (0, mistakes.max())


def luminance(color: Any) -> float:
    """Work out the relative luminance of a color: WCAG 2.2."""
    channels = np.array(to_rgb(color))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_plot_confusion_can_be_read_in_every_cell() -> None:
    """The contrast of text and cell is 4.5 or more, as WCAG 2.2 asks (criterion 1.4.3)."""
    counts = np.arange(100).reshape(10, 10)
    axis = plot_confusion(counts).axes[0]
    (image,) = axis.images
    for text in axis.texts:
        read, true = text.get_position()
        cell = image.cmap(image.norm(image.get_array()[true, read]))[:3]
        shades = sorted([luminance(text.get_color()), luminance(cell)])
        assert (shades[1] + 0.05) / (shades[0] + 0.05) >= 4.5


def test_plot_confusion_without_a_mistake() -> None:
    figure = plot_confusion(np.diag(np.arange(10)))
    figure.canvas.draw()
    assert [text.get_text() for text in figure.axes[0].texts[::11]] == [str(i) for i in range(10)]


def test_plot_weights_draws_each_neuron_on_one_scale_around_zero() -> None:
    figure = plot_weights(WEIGHTS, columns=4)
    assert len(drawn(figure)) == 7
    limits = {axis.images[0].get_clim() for axis in drawn(figure)}
    ((low, high),) = limits
    assert -low == high > 0
    assert np.mean(np.abs(WEIGHTS) <= high) > 0.99
    for neuron, axis in enumerate(drawn(figure)):
        assert np.array_equal(axis.images[0].get_array(), WEIGHTS[:, neuron].reshape(28, 28))
        assert axis.get_subplotspec().get_geometry()[:2] == (2, 4)
    assert "weight" in [axis.get_ylabel() for axis in figure.axes]


def test_plot_weights_labels_each_row() -> None:
    figure = plot_weights(WEIGHTS, columns=3, row_labels=["first", "second", "third"])
    said = [[text.get_text() for text in axis.texts] for axis in drawn(figure)]
    assert said == [["first"], [], [], ["second"], [], [], ["third"]]


def test_plot_weights_shows_weights_for_ink_red_and_against_it_blue() -> None:
    image = drawn(plot_weights(WEIGHTS))[0].images[0]
    red, blue = image.cmap(1.0), image.cmap(0.0)
    assert red[0] > red[2]
    assert blue[2] > blue[0]


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("layers", [[3, 2], [2, 7, 4, 3]])
def test_plot_network_writes_what_forward_prop_computes(layers: list[int], activation: Any) -> None:
    """What the drawing says is Python, and gives the numbers of the network when it is run."""
    w, b, _ = network = init_params(layers, activation, rng=0)
    b[0][:] = 0.5
    X, *hidden, P = forward_prop(network, RNG.random((5, layers[0])).astype("f"))
    names: Any = {"X": X, "w": w, "b": b, "i": 3, "A": dict(enumerate(hidden, 1))}
    names |= {"relu": relu, "sigmoid": sigmoid, "softmax": softmax}
    (axis,) = plot_network(network).axes
    said = [text.get_text() for text in axis.texts]
    equations = [line for text in said for line in text.split("\n") if " = " in line]
    for line in equations:
        name, formula = line.replace("·", "*").split(" = ")
        names["Z"] = X @ w[0] + b[0]
        np.testing.assert_allclose(eval(name, names | {"P": P}), eval(formula, names), rtol=1e-5)
    assert len(equations) == len(w) + (1 if len(w) == 1 else 2)
    for layer, weights in enumerate(w):
        n_in, n_out = weights.shape
        assert f"w[{layer}] ({n_in}, {n_out})   b[{layer}] ({n_out},)" in said
    assert f"w[0][{layers[0] - 1}, 0]" in said


def test_plot_network_cuts_large_layers_short() -> None:
    (axis,) = plot_network(init_params([784, 5, 10], rng=0)).axes
    said = [text.get_text() for text in axis.texts]
    assert [text for text in said if text.isdigit()] == [*"012", "783", *"01234", *"0129"]
    assert said.count("⋮") == 2
    assert len(axis.lines) == 4 * 5 + 5 * 4


def test_a_film_shows_each_figure_in_turn() -> None:
    one = WEIGHTS[:, :1]
    figures = [plot_weights(one), plot_weights(-one), plot_confusion(np.eye(3, dtype=int))]
    for figure in figures:
        figure.set_size_inches(6, 1)
    film = Image.open(BytesIO(_film(iter(figures), seconds=3)))
    assert (film.format, film.n_frames, film.size) == ("PNG", 4, (600, 100))
    # First, for viewers that play no films, the end; it is no part of the film.
    for i, figure in enumerate([figures[-1], *figures]):
        film.seek(i)
        figure.canvas.draw()
        expected = np.asarray(figure.canvas.buffer_rgba())[..., :3] * 1.0
        assert film.info.get("duration") == [None, 1000, 1000, 3000][i]
        assert np.abs(np.asarray(film.convert("RGB")) - expected).mean() < 4  # of 255


@pytest.mark.parametrize("factors", [(0, 1, 3), (3, 1, 0)])
def test_film_weights_goes_through_the_snapshots_on_one_scale(factors: tuple[int, ...]) -> None:
    one = WEIGHTS[:, :1]
    film = Image.open(BytesIO(film_weights({i: f * one for i, f in enumerate(factors)})))
    frames = []
    for i in range(1, 4):
        film.seek(i)
        frames.append(np.asarray(film.convert("RGB")) / 255)
    colored = [np.ptp(frame, axis=2)[:, :130].mean() for frame in frames]
    none, some, most = sorted(colored)
    assert none < 0.01 < 2 * some < 1.5 * most
    assert np.argsort(colored).tolist() == np.argsort(factors).tolist()
    assert plt.get_fignums() == []


def marks(axis: Axes) -> dict[tuple[float, ...], tuple[tuple[float, ...], bool]]:
    """Return the color of the mark at each place, and whether that is a dot."""
    return {
        tuple(place): (tuple(color[:3]), len(points.get_paths()[0]) == len(DOT))
        for points in axis.collections
        for place, color in zip(points.get_offsets(), points.get_facecolors(), strict=False)
    }


DOT = MarkerStyle("o").get_path()


def test_plot_decision_colors_by_what_is_read_and_writes_what_is_misread() -> None:
    figure = plot_decision(MOMENTS, READ, LABELS)
    assert titles(figure) == ["epoch 0: 0% right", "epoch 3: 60% right"]
    tab10 = plt.colormaps["tab10"].colors
    for axis, epoch in zip(figure.axes, MOMENTS, strict=True):
        assert marks(axis) == {
            tuple(place): (tab10[read], read == true)
            for place, read, true in zip(MOMENTS[epoch], READ[epoch], LABELS, strict=True)
        }
    scales = {(axis.get_xlim(), axis.get_ylim()) for axis in figure.axes}
    assert len(scales) == 1
    (legend,) = figure.legends
    assert len(legend.legend_handles) == 8  # the classes up to 7


def test_film_decision_shows_the_panels_in_turn() -> None:
    film = Image.open(BytesIO(film_decision(MOMENTS, READ, LABELS)))
    assert film.n_frames == 3
    ink = []
    for i in range(1, 3):
        film.seek(i)
        picture = np.asarray(film.convert("RGB"))[40:, :360]  # below the title, left of the legend
        rows, columns = np.nonzero(picture.min(axis=2) < 200)
        ink.append((np.ptp(rows), np.ptp(columns)))
    # The digits start close together, and are drawn on one scale.
    assert 1.5 * np.array(ink[0]).max() < np.array(ink[1]).min()


@pytest.mark.long
def test_film_decision_of_three_hundred_digits_is_small() -> None:
    rng = np.random.default_rng(0)
    labels, start = rng.integers(0, 10, 300), rng.normal(size=(300, 2))
    far = 9 * np.array([np.cos(labels), np.sin(labels)]).T
    maps = {epoch: (start + far) * epoch / 30 for epoch in range(31)}
    predictions = {epoch: np.where(start[:, 0] > epoch / 10, 1, labels) for epoch in maps}
    assert len(film_decision(maps, predictions, labels)) < 300_000


@pytest.mark.parametrize("draw", [plot_decision, film_decision])
def test_decisions_of_other_epochs_than_the_maps_are_refused(draw: Callable[..., Any]) -> None:
    with pytest.raises(
        ValueError, match=r"predictions must be of the same epochs .* not \[0\] and"
    ):
        draw(MOMENTS, {0: READ[0]}, LABELS)
    with pytest.raises(ValueError, match=r"labels from 0 to 4, for 5 classes, not 7 to 7"):
        draw(MOMENTS, READ, LABELS, class_names=list("abcde"))


def test_small_images_are_square_too() -> None:
    assert drawn(plot_digits(np.zeros((2, 64)), np.zeros(2)))[1].images[0].get_size() == (8, 8)
    assert drawn(plot_weights(np.eye(64)[:, :1]))[0].images[0].get_size() == (8, 8)


def test_plot_warp_draws_the_grid_where_the_warp_looks_and_straight_over_what_it_sees() -> None:
    before, after = plot_warp(DIGITS[0], POINTS, DIGITS[1]).axes
    for axis, pixels, (rows, columns) in (
        (before, DIGITS[0], POINTS.reshape(2, 28, 28)),
        (after, DIGITS[1], np.indices((28, 28))),
    ):
        assert np.array_equal(axis.images[0].get_array(), pixels.reshape(28, 28))
        lines = [line.get_xydata() for line in axis.lines]
        assert len(lines) == 20
        for k, line in enumerate(lines[:10]):
            assert np.array_equal(line, np.stack([columns[3 * k], rows[3 * k]], axis=1))
        for k, line in enumerate(lines[10:]):
            assert np.array_equal(line, np.stack([columns[:, 3 * k], rows[:, 3 * k]], axis=1))


def test_plot_histories_has_a_line_for_each_run_in_the_panel_of_each_measure() -> None:
    other = HISTORY[["train_loss", "validation_accuracy"]] / 2
    other.loc[3:, "train_loss"] = np.nan
    figure = plot_histories({"one": other, "other": HISTORY})
    assert titles(figure) == ["train loss", "validation accuracy"]
    for axis, measure in zip(figure.axes, other, strict=True):
        for line, history in zip(axis.lines, (other, HISTORY), strict=True):
            assert line.get_xdata().tolist() == [1, 2, 3, 4]
            np.testing.assert_array_equal(line.get_ydata(), history[measure])
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["one: NaN", "other"]


def test_plot_histories_of_nine_runs_can_be_told_apart() -> None:
    axis = plot_histories({str(i): HISTORY for i in range(9)}).axes[0]
    assert len({(line.get_color(), line.get_linestyle()) for line in axis.lines}) == 9


@pytest.mark.parametrize("draw", [plot_history, lambda history: plot_histories({"one": history})])
def test_histories_of_losses_that_are_all_zero_can_be_drawn(draw: Callable[..., Any]) -> None:
    drawn(draw(0 * HISTORY))


def test_plot_activity_counts_the_neurons() -> None:
    activities = {"one": np.array([0.0, 0.01, 0.52, 1.0]), "other": np.zeros(7)}
    figure = plot_activity(activities)
    assert titles(figure) == ["one", "other"]
    heights = [[bar.get_height() for bar in axis.patches] for axis in figure.axes]
    assert heights == [[2, *9 * [0], 1, *8 * [0], 1], [7, *19 * [0]]]


def test_plot_comparison_has_a_dot_for_each_run_and_a_line_at_each_mean() -> None:
    figure = plot_comparison(RUNS)
    values = ([0.94, 0.92, 0.93, 0.99], [3, 3, 3, 1], [1, 2, 6, 7])
    means = ([0.93, 0.99], [3, 1], [3, 7])
    for axis, dots, lines in zip(figure.axes, values, means, strict=True):
        np.testing.assert_allclose(
            axis.lines[0].get_xydata(), np.stack([dots, [0, 0, 0, 1]], axis=1)
        )
        drawn_at = [segment[:, 0] for segment in axis.collections[0].get_segments()]
        np.testing.assert_allclose(drawn_at, np.stack([lines, lines], axis=1))
        assert axis.get_ylim() == (1.5, -0.5)  # the first idea on top
    accuracies = figure.axes[0]
    assert [label.get_text() for label in accuracies.get_yticklabels()] == ["one", "other"]
    assert accuracies.get_xlim() == (0.9, 0.99)
    assert [label.get_text() for label in accuracies.get_xticklabels()] == [
        "90%",
        "95%",
        "98%",
        "99%",
    ]


def test_plot_comparison_gives_each_halving_of_the_mistakes_the_same_length() -> None:
    accuracies = plot_comparison(RUNS).axes[0]
    at = [accuracies.transData.transform((a, 0))[0] for a in (0.92, 0.96, 0.98, 0.99)]
    np.testing.assert_allclose(np.diff(at), np.diff(at)[0])


@pytest.mark.parametrize(("accuracy", "shown"), [(0.0, (0, 0.5)), (1.0, (0.999, 0.9999))])
def test_plot_comparison_of_hopeless_and_of_perfect_networks(accuracy, shown) -> None:
    figure = plot_comparison(RUNS.assign(validation_accuracy=accuracy))
    figure.canvas.draw()
    assert figure.axes[0].get_xlim() == shown


def test_plot_activations_has_every_neuron_and_probability() -> None:
    pixels, first, second, answer, *_ = plot_activations(ACTIVATIONS).axes
    assert np.array_equal(pixels.images[0].get_array(), DIGITS[0].reshape(28, 28))
    assert np.array_equal(first.images[0].get_array(), ACTIVATIONS[1].reshape(3, 4))
    assert np.array_equal(second.images[0].get_array(), ACTIVATIONS[2].reshape(1, 7))
    assert first.images[0].get_clim()[0] == 0
    assert [bar.get_width() for bar in answer.patches] == ANSWERS[0].tolist()


def test_plot_saliency_shows_ink_against_the_label_red_under_its_digit() -> None:
    axes = plot_saliency(DIGITS, DIGITS - 0.5).axes
    for pixels, above, below in zip(DIGITS, axes[:5], axes[5:], strict=True):
        assert np.array_equal(above.images[0].get_array(), pixels.reshape(28, 28))
        image = below.images[0]
        assert np.array_equal(image.get_array(), pixels.reshape(28, 28) - 0.5)
        assert image.get_clim()[0] == -image.get_clim()[1]  # white is no gradient
        assert image.cmap(1.0)[0] > image.cmap(1.0)[2]


def test_plot_maps_puts_each_digit_where_it_lies() -> None:
    figure = plot_maps(MAPS, LABELS)
    assert titles(figure) == ["pixels", "hidden"]
    for axis, points in zip(figure.axes, MAPS.values(), strict=True):
        labels = [1, 3, 4, 5]
        assert [text.get_text() for text in axis.texts] == [str(label) for label in labels]
        for label, dots in zip(labels, axis.collections, strict=True):
            assert np.array_equal(dots.get_offsets(), points[label == LABELS])


def test_plot_maps_keeps_labels_apart() -> None:
    points = np.random.default_rng(0).normal(size=(500, 2))  # the medians nearly coincide
    figure = plot_maps({"pixels": points}, np.arange(500) % 25)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_plot_reliability_has_the_gap_of_each_bin() -> None:
    reliability, counts = plot_reliability(BINS, 0.05).axes
    assert reliability.get_title() == "expected calibration error 5.00%"
    segments = [segment.tolist() for segment in reliability.collections[0].get_segments()]
    assert segments == [[[0.5, 0.4], [0.5, 0.5]], [[0.9, 0.95], [0.9, 0.9]]]
    assert [bar.get_height() for bar in counts.patches] == [3, 100]


def test_plot_robustness_has_a_line_for_each_network() -> None:
    for axis, (name, table) in zip(plot_robustness(CORRUPTED).axes, CORRUPTED.items(), strict=True):
        assert axis.get_xlabel() == name
        assert [line.get_label() for line in axis.lines] == ["one", "other"]
        for line in axis.lines:
            assert line.get_xdata().tolist() == table.index.tolist()
            assert line.get_ydata().tolist() == table[line.get_label()].tolist()


def test_plot_search_has_a_curve_for_each_configuration_and_colors_for_three() -> None:
    (axis,) = plot_search(SEARCH).axes
    curves = [line.get_xydata()[np.isfinite(line.get_ydata())].tolist() for line in axis.lines]
    assert curves == [
        [[2, 0.5]],
        [[2, 0.3]],
        [[2, 0.8], [6, 0.95], [18, 0.97]],
        [[2, 0.9], [6, 0.92]],
        [[2, 0.88], [6, 0.9]],
    ]
    assert len({line.get_color() for line in axis.lines}) == 4
    legend = axis.get_legend()
    assert legend.get_title().get_text() == "rate"
    assert [text.get_text() for text in legend.get_texts()] == ["0.001", "0.02", "0.0123456"]
    assert axis.get_xticks().tolist() == [2, 6, 18]
    assert axis.get_ylim() == (0, 0.98)


def test_plot_search_refuses_a_round_in_which_all_failed() -> None:
    failed = SEARCH.copy()
    failed[18] = np.nan
    with pytest.raises(ValueError, match="accuracies must have a number in each round"):
        plot_search(failed)


def test_plot_search_names_configurations_by_several_parameters() -> None:
    index = pd.MultiIndex.from_tuples([((64, 32), 0.1), ((8,), 0.25)], names=["sizes", "rate"])
    (axis,) = plot_search(pd.DataFrame({1: [0.5, 0.6], 3: [np.nan, 0.7]}, index)).axes
    legend = axis.get_legend()
    assert legend.get_title().get_text() == "sizes, rate"
    assert [text.get_text() for text in legend.get_texts()] == ["(8,), 0.25", "(64, 32), 0.1"]
