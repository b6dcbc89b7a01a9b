"""Plots of digits, training and predictions: arrays in, figures out.

They are matplotlib figures, except for the picture of a prediction, which has to appear at once,
and films, which are animated PNGs: all that shows pictures in a notebook or on the web plays them.
What does not have the type, the shape or the range that a docstring gives is refused with a
`TypeError` or a `ValueError`.

Two arguments are the same everywhere, and only data of your own needs them: ``shape``, the height
and width of an image, if it is not square; and ``class_names``, a string for each class, from 0 on,
to be written instead of its number.

The colors are those of Okabe and Ito (2008, "Color universal design"), which can be told apart with
any kind of color vision; the vermilion is darkened to make text in it easy to read. No plot says by
color alone whether an answer is right or wrong.
"""

import math
import reprlib
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_nn.checks import (
    Array,
    check_count,
    check_flag,
    check_fractions,
    check_labels,
    check_mapping,
    check_network,
    check_number,
    check_numbers,
    check_table,
    image_shape,
    is_list,
    name_classes,
)
from mnist_nn.evaluation import LossPlane

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from mnist_nn.network import Network

__all__ = [
    "film_decision",
    "film_weights",
    "plot_activations",
    "plot_activity",
    "plot_comparison",
    "plot_confusion",
    "plot_decision",
    "plot_digits",
    "plot_histories",
    "plot_history",
    "plot_loss_plane",
    "plot_maps",
    "plot_network",
    "plot_prediction",
    "plot_reliability",
    "plot_robustness",
    "plot_saliency",
    "plot_search",
    "plot_warp",
    "plot_weights",
]

_BLUE, _VERMILION, _GRAY = "#0072B2", "#B84A00", "#BBBBBB"


def plot_digits(
    X: Array,
    labels: Array,
    probabilities: Array | None = None,
    *,
    columns: int = 8,
    shape: tuple[int, int] | None = None,
    class_names: Sequence[str] | None = None,
) -> "Figure":
    """Draw digits in a grid, each under its label.

    Parameters
    ----------
    X : (N, pixels) array
        Images, one per row.
    labels : (N,) array
        The true digits; other labels may be words too, but not with ``class_names``.
    probabilities : (N, classes) array, optional
        A network's output. Each title then also gives the probability of the predicted digit, and
        the predicted digit itself if it is wrong.
    columns : int
        Digits per row of the grid.
    shape : (int, int), optional
        The height and width of an image. Default: a square.
    class_names : sequence of str, optional
        The name of each class, from 0 on. Default: its number.
    """
    _check_images("X", X, ("N", "pixels"))
    shape = image_shape("X", X.shape[1], shape)
    if not is_list(labels) or len(labels) != len(X):
        came = len(labels) if is_list(labels) else type(labels).__name__
        raise ValueError(
            f"labels must be a list or an array with one for each of {len(X)} images, not {came}; "
            "take X and the labels from the same rows"
        )
    for label in labels:
        if not isinstance(label, str | int | float | np.generic):
            raise TypeError(
                f"labels must be numbers or words, not {label!r}; take them from the data"
            )
    classes = None
    if probabilities is not None:
        check_numbers("probabilities", probabilities, (len(X), "classes"), lowest=0, highest=1)
        classes = probabilities.shape[1]
    check_count("columns", columns)
    _, names = _names(class_names, classes)
    if class_names is not None:
        check_labels(np.asarray(labels), len(X), len(names), "labels")
    titles, colors = [], []
    for i, label in enumerate(labels):
        said, color = [str(label) if class_names is None else names[label]], "black"
        read = label if probabilities is None else int(probabilities[i].argmax())
        if read != label:
            said.append(f"read as {names[read]}")
        wrapped = "\n".join(textwrap.fill(text, 14) for text in said)
        titles.append(" ".join(said) if class_names is None else wrapped)
        if probabilities is not None:
            color = _BLUE if read == label else _VERMILION
            titles[i] += f"\n{_percent(probabilities[i].max())}"
        colors.append(color)
    columns = min(columns, len(X))
    rows = -(-len(X) // columns)
    width, height = 1.25, 1.25 + 0.35 * max(title.count("\n") for title in titles)
    if class_names is not None:
        width = max(width, 0.1 * max(len(line) for title in titles for line in title.split("\n")))
    figure, axes = _figure(rows, columns, (width * columns, height * rows))
    for axis in axes:
        axis.axis("off")
    for axis, pixels, title, color in zip(axes, X, titles, colors, strict=False):
        _draw_image(axis, pixels.reshape(shape))
        axis.set_title(title, color=color, fontsize=11)
    return figure


def plot_prediction(
    pixels: Array,
    probabilities: Array,
    label: int | None = None,
    *,
    picture: Array | None = None,
    shape: tuple[int, int] | None = None,
    class_names: Sequence[str] | None = None,
    sure: bool = True,
) -> "Image.Image":
    """Draw a digit next to the probabilities that a network predicts for each.

    It draws with Pillow: importing matplotlib takes longer than an answer should. Class names that
    are not ASCII are written in DejaVu Sans, as in the other figures.

    Parameters
    ----------
    pixels : (pixels,) array
        The digit as the network saw it.
    probabilities : (classes,) array
        The network's output for it.
    label : int, optional
        The true digit, if known. The title then says whether the network is right.
    picture : (height, width, 1, 3 or 4) array, optional
        The picture that the digit came from, with values from 0 to 1. It is drawn to the left.
    shape : (int, int), optional
        The height and width of an image. Default: a square.
    class_names : sequence of str, optional
        The name of each class, from 0 on. Default: its number.
    sure : bool
        Whether the answer can be relied on. If not, and no label is passed, the title says so.

    Returns
    -------
    PIL.Image.Image
        To be shown at half its width, and so sharp on screens with small pixels.
    """
    from PIL import Image, ImageDraw, ImageOps

    _check_images("pixels", pixels, ("pixels",))
    shape = image_shape("pixels", len(pixels), shape)
    check_numbers("probabilities", probabilities, ("classes",), lowest=0, highest=1)
    classes = len(probabilities)
    kind, names = name_classes(class_names, classes)
    check_flag("sure", sure)
    font = _font("".join(names))
    if label is not None:
        check_count("label", label, 0, classes - 1)
    if picture is not None:
        check_numbers("picture", picture, ("height", "width", "channels"), lowest=0, highest=1)
        if picture.shape[2] not in (1, 3, 4):
            raise ValueError(
                f"picture must have 1, 3 or 4 channels, not {picture.shape[2]}; leave out what is "
                "not a color or transparency"
            )
    read = int(probabilities.argmax())
    colors = [_GRAY] * classes
    if label is None:
        colors[read] = _BLUE if sure else _VERMILION
        answer = f"read as {names[read]}" if sure else f"not sure, perhaps {names[read]}"
        titles = [("what the network saw", "black"), (answer, colors[read])]
    else:
        colors[read] = _VERMILION
        colors[label] = _BLUE
        verdict = "right" if read == label else "wrong"
        titles = [(f"predicted {read}, true {label}: {verdict}", colors[read])]
        if class_names is not None:  # which take more room
            titles = [(f"true: {names[label]}", "black")]
            titles.append((f"predicted: {names[read]} ({verdict})", colors[read]))
    frame, step = 448, 526  # the side of an image, and from one image to the next
    rows, columns = (max(1, frame * length // max(shape)) for length in shape)
    digit = _pillow(1 - pixels.reshape(*shape, 1))
    images = [digit.resize((columns, rows), Image.Resampling.NEAREST)]
    if picture is not None:
        titles.insert(0, ("the picture", "black"))
        images.insert(0, ImageOps.contain(_pillow(picture), (frame, frame)))

    axis, bottom, height = step * len(images) + 132, 530, 400  # of the bars
    chart = max(680, 30 * classes)
    middle, width = axis + chart // 2 + 20, chart / classes
    size = 24 if class_names is not None else min(28, round(0.6 * width))
    longest = max(font(size).getlength(name) for name in names)
    # Names that do not fit side by side are written upright.
    strip = min(300, int(longest) + 4) if longest > 0.9 * width else 0
    foot = bottom + max(strip - 38, 0)
    page = Image.new("RGB", (axis + chart + 78, foot + 110), "white")
    draw = ImageDraw.Draw(page)

    def write(
        x: float,
        y: float,
        text: str,
        size: int = 28,
        color: str = "black",
        anchor: str = "mm",
        room: float = math.inf,
    ) -> None:
        draw.text((x, y), text, color, fitting(text, size, room), anchor)

    def fitting(text: str, size: int, room: float) -> Any:
        length = font(size).getlength(text)
        return font(size if length <= room else max(1, int(size * room / length)))

    def write_upright(x: float, y: float, text: str, size: int, length: int, anchor: str) -> None:
        line = Image.new("L", (length, 40))
        at = (length if anchor == "rm" else length / 2, 20)
        ImageDraw.Draw(line).text(at, text, 255, fitting(text, size, length), anchor)
        page.paste("black", (round(x), round(y)), line.rotate(90, expand=True))

    for i, image in enumerate(images):
        left = 40 + step * i + (frame - image.width) // 2
        top = 110 + (frame - image.height) // 2
        corner = left + image.width, top + image.height
        draw.rectangle((left - 1, top - 1, *corner), outline=_GRAY)
        page.paste(image, (left, top), image if image.mode == "RGBA" else None)
    for i, (title, color) in enumerate(titles):
        is_above = i < len(images)  # one, or else the bars
        x, room = (40 + step * i + frame // 2, 500) if is_above else (middle, chart + 40)
        write(x, 60, title, 34, color, room=room)

    for i, (p, name) in enumerate(zip(probabilities, names, strict=True)):
        center, y = axis + 20 + width * (i + 0.5), bottom - height * float(p)
        draw.rectangle((center - 0.4 * width, y, center + 0.4 * width, bottom), colors[i])
        if strip:
            write_upright(center - 20, bottom + 12, name, size, strip, "rm")
        else:
            write(center, bottom + 30, name, size)
        # Ten percentages fit side by side, more do not.
        if _percent(p) != "0%" and (classes <= 10 or colors[i] != _GRAY):
            write(center, y - 18, _percent(p), 24)
    draw.line((axis, 90, axis, bottom, axis + chart + 40, bottom), "black", 2)
    for p in (0.0, 0.5, 1.0):
        y = bottom - height * p
        draw.line((axis - 8, y, axis, y), "black", 2)
        write(axis - 16, y, f"{p}", anchor="rm")
    write(middle, foot + 80, kind)
    write_upright(axis - 116, bottom - height, "probability", 28, height, "mm")
    return page


def plot_history(history: "pd.DataFrame") -> "Figure":
    """Plot the losses and accuracies of training, and mark the lowest validation loss.

    Parameters
    ----------
    history : pandas.DataFrame
        The history that `gradient_descent` or `train` returned.
    """
    check_table("history", history)
    check_table("history", history, ["train_loss", "train_accuracy"])
    figure, axes = _figure(
        1, 2, (11, 3.9), left=0.06, right=0.98, bottom=0.16, top=0.82, wspace=0.2
    )
    figure.set_layout_engine("none")  # as in `plot_prediction`; redrawn during training
    for axis, measure in zip(axes, ("loss", "accuracy"), strict=True):
        for part, color, style in (("train", _VERMILION, "--"), ("validation", _BLUE, "-")):
            if f"{part}_{measure}" in history:
                line = history[f"{part}_{measure}"]
                axis.plot(line.index, line, style, color=color, label=part, linewidth=2)
        axis.set(xlabel=history.index.name)
        axis.set_title(measure, y=1)  # otherwise every draw recomputes its position
        axis.grid(alpha=0.3)
    losses, accuracies = axes
    _scale_losses(losses)
    accuracies.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    if "validation_loss" in history:
        best = history.index[int(history["validation_loss"].argmin())]
        for axis in axes:
            axis.axvline(best, color="black", linewidth=1, linestyle=":", label=f"best: {best}")
    losses.legend(frameon=False, fontsize=12)
    return figure


def plot_loss_plane(plane: LossPlane, *, epochs: Sequence[int] | None = None) -> "Figure":
    """Draw the loss on a plane as a map with contour lines, and the path of training across it.

    Parameters
    ----------
    plane : LossPlane
        What `loss_plane` returned. The three networks that span the plane, the first, the middle
        and the last, are circled.
    epochs : sequence of int, optional
        The epoch of each network of the path, to be written beside the circled ones.
    """
    from matplotlib.colors import LogNorm

    if not isinstance(plane, LossPlane):
        raise TypeError(
            f"plane must be a LossPlane, not {type(plane).__name__}; pass what loss_plane returned"
        )
    x, y, loss, path, distances = plane
    check_numbers("plane.x", x, ("columns",))
    check_numbers("plane.y", y, ("rows",))
    check_numbers("plane.loss", loss, (len(y), len(x)), lowest=0)
    check_numbers("plane.path", path, ("networks", 2))
    check_numbers("plane.distances", distances, (len(path),), lowest=0)
    for name, coordinates in (("x", x), ("y", y)):
        if len(coordinates) < 2 or np.diff(coordinates).min() <= 0:
            raise ValueError(
                f"plane.{name} must hold two coordinates or more, each larger than the one before, "
                f"not {coordinates}; pass what loss_plane returned"
            )
    if epochs is not None and (not is_list(epochs) or len(epochs) != len(path)):
        came = len(epochs) if is_list(epochs) else type(epochs).__name__
        raise ValueError(
            f"epochs must be a list with one for each of {len(path)} networks, not {came}; list "
            "them in the order of the path"
        )
    for epoch in [] if epochs is None else epochs:
        check_count("each of epochs", epoch, 0)
    figure, (axis,) = _figure(1, 1, (9, 1.3 + 7 * float(np.ptp(y) / np.ptp(x))))
    # Contour lines at even factors, as the loss of training falls: 0.1, 0.15, 0.2, 0.3, 0.5, …
    loss = np.maximum(loss, 1e-6)
    decades = np.arange(np.floor(np.log10(loss.min())), np.ceil(np.log10(loss.max())) + 1)
    steps = np.outer(10.0**decades, [1, 1.5, 2, 3, 5, 7]).ravel()
    first, last = steps.searchsorted([loss.min(), loss.max()])
    levels = steps[max(first - 1, 0) : max(last, 1) + 1]
    drawn = axis.contourf(x, y, loss, levels, cmap="viridis", norm=LogNorm())
    axis.contour(x, y, loss, levels, colors="white", linewidths=0.4)
    axis.plot(*path.T, color="black", linewidth=3.5)
    axis.plot(*path.T, ".-", color="white", markersize=6, linewidth=1.5)
    middle = len(path) // 2
    for i in (0, middle, len(path) - 1):
        axis.plot(*path[i], "o", color=_VERMILION, markeredgecolor="white", markersize=10)
        if epochs is not None:
            # Where the path does not go: it bends toward the middle one, and comes back.
            style = {"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none"}
            text: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "bbox": style}
            axis.annotate(f"epoch {epochs[i]}", path[i], (0, 12 if i == middle else -21), **text)
    axis.set(
        aspect="equal", xlabel="distance toward the last network", ylabel="distance at right angles"
    )
    ticks = [level for level in levels if f"{level:.0e}"[0] in "125" and f"{level:.1e}"[2] == "0"]
    bar = figure.colorbar(drawn, label="loss", ticks=ticks, format="{x:g}", shrink=0.9)
    bar.minorticks_off()
    return figure


def plot_histories(histories: "Mapping[str, pd.DataFrame]") -> "Figure":
    """Compare runs of training: a panel for each loss and accuracy, a line for each run.

    Parameters
    ----------
    histories : mapping of str to pandas.DataFrame
        For the name of each run its history, such as `train` returned. The panels are the columns
        of the first one whose names end in ``loss`` or ``accuracy``; the others must have them too.
        A line ends where its numbers become NaN, and its name then says so. Up to nine runs can be
        told apart, by color and dashes.
    """
    import pandas as pd

    check_mapping("histories", histories)
    first, *_ = histories.values()
    columns = first.columns if isinstance(first, pd.DataFrame) else []
    measures = [c for c in columns if str(c).endswith(("loss", "accuracy"))] or ["train_loss"]
    for name, history in histories.items():
        finite = history.fillna(0.0) if isinstance(history, pd.DataFrame) else history
        check_table(f"histories[{name!r}]", finite, measures)
    figure, axes = _figure(1, len(measures), (max(6, 4.5 * len(measures)), 2.9))
    colors, styles = (_BLUE, _VERMILION, "black"), ("-", "--", ":")
    for axis, measure in zip(axes, measures, strict=True):
        for i, (name, history) in enumerate(histories.items()):
            look: dict[str, Any] = {"color": colors[i % 3], "linestyle": styles[(i + i // 3) % 3]}
            line = history[measure]
            label = f"{name}: NaN" if line.isna().any() else name
            axis.plot(line.index, line, linewidth=2 if i else 3, label=label, **look)
        axis.set(title=measure.replace("_", " "), xlabel=first.index.name)
        axis.grid(alpha=0.3)
        if measure.endswith("loss"):
            _scale_losses(axis)
        else:
            axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
    axes[0].legend(frameon=False)
    return figure


def plot_confusion(confusion: Array, *, class_names: Sequence[str] | None = None) -> "Figure":
    """Draw how often each class (row) was read as each class (column).

    Only the mistakes are colored. The correct answers on the diagonal are far more frequent and
    would take up the whole color scale. Of more than 40 classes, the counts are not written, and
    not every name.

    Parameters
    ----------
    confusion : (classes, classes) array
        The matrix that `confusion_matrix` returned.
    class_names : sequence of str, optional
        The name of each class, from 0 on. Default: its number.
    """
    check_numbers("confusion", confusion, ("classes", "classes"), lowest=0)
    kind, names = _names(class_names, len(confusion))
    many, too_many = len(confusion) > 10, len(confusion) > 40
    side = min(max(5.0, 0.32 * len(confusion)), 13.0)  # of the matrix
    figure, (axis,) = _figure(1, 1, (side + 1.6, side + 0.8))
    mistakes = np.where(np.eye(len(confusion), dtype=bool), 0, confusion)
    drawn = axis.imshow(mistakes, cmap="Blues", vmin=0, vmax=max(mistakes.max(), 1))
    for (row, column), count in [] if too_many else np.ndenumerate(confusion):
        weight = "bold" if row == column else "normal"
        # Black and white contrast equally well with a color of relative luminance 0.18.
        cell = drawn.to_rgba(mistakes[row, column])[:3]
        color = "white" if np.dot(np.power(cell, 2.2), [0.2126, 0.7152, 0.0722]) < 0.18 else "black"
        axis.text(
            column,
            row,
            str(count),
            ha="center",
            va="center",
            color=color,
            weight=weight,
            size="x-small" if many else None,
        )
    axis.set(xlabel="read as", ylabel=f"true {kind}")
    shown = range(0, len(names), 1 + len(names) // 41)
    axis.set_yticks(shown, [names[number] for number in shown])
    axis.set_xticks(shown, [names[number] for number in shown])
    if max(map(len, names)) > 2:
        axis.tick_params("x", labelrotation=90)
    if many:
        axis.tick_params(labelsize="small")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    figure.colorbar(drawn, label="mistakes", shrink=0.8)
    return figure


def plot_network(network: "Network") -> "Figure":
    """Draw a network as circles and lines, with the names and shapes of its arrays in the code.

    Of a layer with more than five neurons, the first three and the last are drawn. The sum of one
    neuron is written out, for row ``i`` of the batch ``X``, and its weights are in color.

    Parameters
    ----------
    network : Network
        The network; only the number of its layers, their sizes and the activation are drawn.
    """
    from matplotlib.patches import Circle

    check_network(network)
    w, b, activation = network
    sizes = [len(w[0]), *(len(biases) for biases in b)]
    names = ["X", *(f"A[{layer}]" for layer in range(1, len(w))), "P"]
    roles = ["input", *["hidden neuron"] * (len(w) - 1), "output"]
    looks = [("white", "#555555"), *[("#D3E6F3", _BLUE)] * (len(w) - 1), ("#F8E3D3", _VERMILION)]
    places = [_places(size) for size in sizes]
    step, radius, last = 4.8, 0.33, len(w) - 1
    centered: dict[str, Any] = {"ha": "center", "va": "center"}
    code = centered | {"family": "monospace"}

    # One unit of the axes is 0.76 inches, both ways; one layer needs the room of two, for its sum.
    width, height = step * max(len(w), 2) + 2.4, 9.2
    middle = step * len(w) / 2
    figure, (axis,) = _figure(1, 1, (0.76 * width, 0.76 * height))
    figure.set_layout_engine("none")
    axis.axis("off")
    axis.set(position=(0, 0, 1, 1), ylim=(7.2, 7.2 - height))
    axis.set_xlim(middle - width / 2, middle + width / 2)
    for layer, (before, after) in enumerate(pairwise(places)):
        left, right = step * layer + radius, step * (layer + 1) - radius
        for i, start in before.items():
            for j, end in after.items():
                summed = layer == j == 0  # by the neuron whose sum is written out
                color, thickness = (_BLUE, 1.8) if summed else (_GRAY, 0.7)
                axis.plot([left, right], [start, end], color=color, lw=thickness, zorder=1 + summed)
                if summed:
                    x, y = left + 0.36 * (right - left), start + 0.36 * (end - start)
                    box = {"fc": "white", "ec": "none", "pad": 1}
                    axis.text(x, y, f"w[0][{i}, 0]", size=9, color=_BLUE, bbox=box, **code)
        equation = f"{names[layer]} @ w[{layer}] + b[{layer}]"
        function = activation if layer < last else "softmax"
        shapes = f"w[{layer}] {w[layer].shape}   b[{layer}] {b[layer].shape}"
        x = step * (layer + 0.5)
        axis.text(x, 4.5, shapes, size=10, color="#555555", **code)
        axis.text(x, 5.05, f"{names[layer + 1]} = {function}({equation})", size=10, **code)
    for layer, (name, role, (fill, color)) in enumerate(zip(names, roles, looks, strict=True)):
        x, size = step * layer, sizes[layer]
        axis.text(x, -1.65, name, size=14, weight="bold", color=color, **code)
        axis.text(x, -1.15, f"{size} {role}{'s' * (size > 1)}", size=11, **centered)
        for i, y in places[layer].items():
            axis.add_patch(Circle((x, y), radius, fc=fill, ec=color, lw=1.5, zorder=3))
            axis.text(x, y, str(i), size=9, color=color, zorder=4, **centered)
        if size > len(places[layer]):
            axis.text(x, 2.7, "⋮", size=18, color=color, **centered)
    top = places[1][0]
    axis.annotate(
        "b[0][0]",
        (step - 0.7 * radius, top - 0.75 * radius),
        (step - 1.1, top - 0.62),
        size=9,
        color=_BLUE,
        arrowprops={"arrowstyle": "-", "color": _BLUE, "lw": 1.8, "shrinkA": 1, "shrinkB": 0},
        **code,
    )
    terms = [f"X[i, {i}]·w[0][{i}, 0]" for i in places[0]]
    if len(terms) > 3:
        terms[1:-1] = [terms[1], "…"]
    total = f"Z[i, 0] = {' + '.join(terms)} + b[0][0]"
    if last:
        total += f"\n{names[1]}[i, 0] = {activation}(Z[i, 0])"
    frame = {"boxstyle": "round,pad=0.6", "fc": "#F2F8FC", "ec": _BLUE}
    look: dict[str, Any] = {"size": 10, "linespacing": 1.7, "color": _BLUE, "bbox": frame}
    axis.text(middle, 5.8, "one neuron's sum, for row i of X:", size=10, color=_BLUE, **centered)
    axis.text(middle, 6.5, total, **look, **code)
    return figure


def plot_weights(
    w: Array,
    *,
    columns: int = 16,
    shape: tuple[int, int] | None = None,
    row_labels: Sequence[str] | None = None,
) -> "Figure":
    """Draw what each neuron of the first layer looks for, one image per neuron.

    Parameters
    ----------
    w : (pixels, neurons) array
        The first layer's weights. Ink on red pixels raises the neuron's input; ink on blue pixels
        lowers it.
    columns : int
        Neurons per row of the grid.
    shape : (int, int), optional
        The height and width of an image. Default: a square.
    row_labels : sequence of str, optional
        What to write in front of each row of the grid.
    """
    check_numbers("w", w, ("pixels", "neurons"))
    shape = image_shape("w", len(w), shape)
    check_count("columns", columns)
    columns = min(columns, w.shape[1])
    rows = -(-w.shape[1] // columns)
    if row_labels is not None and (
        not is_list(row_labels)
        or len(row_labels) != rows
        or not all(isinstance(label, str) for label in row_labels)
    ):
        raise ValueError(
            f"row_labels must be {rows} strings, one for each row of the grid, not "
            f"{reprlib.repr(row_labels)}; {columns} columns make so many rows"
        )
    figure, axes = _figure(rows, columns, (0.75 * columns + 1, 0.75 * rows))
    # A few weights at the border may be extreme; the color scale should suit the rest.
    limit = float(np.quantile(np.abs(w).astype(float), 0.995))
    for axis in axes:
        axis.axis("off")
    for axis, label in zip(axes[::columns], [] if row_labels is None else row_labels, strict=False):
        axis.text(-0.15, 0.5, label, ha="right", va="center", transform=axis.transAxes)
    for axis, pixels in zip(axes, w.T, strict=False):
        drawn = axis.imshow(
            pixels.reshape(shape),
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
            interpolation="nearest",
        )
    figure.colorbar(drawn, ax=axes, label="weight", shrink=0.9)
    return figure


def film_weights(
    snapshots: Mapping[int, Array], *, columns: int = 5, shape: tuple[int, int] | None = None
) -> bytes:
    """Film how the first layer's weights form during training, one image per neuron.

    Parameters
    ----------
    snapshots : mapping of int to (pixels, neurons) arrays
        The first layer's weights after so many steps of training, one frame each, in this order.
        Ink on red pixels raises the neuron's input; ink on blue pixels lowers it.
    columns : int
        Neurons per row of the grid.
    shape : (int, int), optional
        The height and width of an image. Default: a square.

    Returns
    -------
    bytes
        An animated PNG, which ``IPython.display.Image`` shows.
    """
    check_mapping("snapshots", snapshots)
    size: tuple[int | str, ...] = ("pixels", "neurons")
    for step, w in snapshots.items():
        check_count("each key of snapshots", step, 0)
        check_numbers(f"snapshots[{step}]", w, size)
        size = w.shape
    shape = image_shape("snapshots", len(w), shape)
    # All frames have the scale of the one with the largest weights.
    largest = max(snapshots.values(), key=lambda w: np.abs(w).max())
    figure = plot_weights(largest, columns=columns, shape=shape)
    columns = min(columns, w.shape[1])
    rows = -(-w.shape[1] // columns)
    figure.set_size_inches(1.4 * columns + 1.2, 1.4 * rows + 0.5)
    title = figure.suptitle("step 0")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # or every frame would compute it again

    def frames() -> "Iterator[Figure]":
        for step, w in snapshots.items():
            title.set_text(f"step {step}")
            for axis, pixels in zip(figure.axes, w.T, strict=False):
                axis.images[0].set_data(pixels.reshape(shape))
            yield figure

    return _film(frames())


def plot_warp(
    pixels: Array, points: Array, warped: Array, *, shape: tuple[int, int] | None = None
) -> "Figure":
    """Draw a digit under the distorted grid of a warp, and the warped digit under a regular grid.

    Parameters
    ----------
    pixels, warped : (pixels,) arrays
        The digit before and after the warp.
    points : (2, pixels) array
        One warp from `random_warps`: the row and column that each pixel of ``warped`` is sampled
        from.
    shape : (int, int), optional
        The height and width of an image. Default: a square.
    """
    _check_images("pixels", pixels, ("pixels",))
    shape = image_shape("pixels", len(pixels), shape)
    check_numbers("points", points, (2, len(pixels)))
    _check_images("warped", warped, (len(pixels),))
    straight = np.indices(shape)
    # The same limits for both, even if the warp samples outside the image.
    below = min(points.min(), 0) - 0.5
    beyond = max(float((points.max(axis=1) - shape).max()), -1) + 0.5
    figure, axes = _figure(1, 2, (8, 4))
    for axis, digit, (rows, columns), title in zip(
        axes,
        (pixels, warped),
        (points.reshape(2, *shape), straight),
        ("the image and the sampling grid", "the warped image"),
        strict=True,
    ):
        _draw_image(axis, digit.reshape(shape))
        for y, x in ((rows[::3].T, columns[::3].T), (rows[:, ::3], columns[:, ::3])):
            axis.plot(x, y, color=_BLUE, linewidth=0.8, alpha=0.7)
        bottom, right = (length + beyond for length in shape)
        axis.set(xlim=(below, right), ylim=(bottom, below), title=title)
        axis.axis("off")
    return figure


def plot_comparison(results: "pd.DataFrame") -> "Figure":
    """Compare ways to train, with a dot for each run and a line at each mean.

    The gap is the training accuracy minus the validation accuracy, in percentage points.

    Parameters
    ----------
    results : pandas.DataFrame
        One row per run, with the columns ``idea``, ``train_accuracy``, ``validation_accuracy`` and
        ``seconds``. Ideas are drawn from top to bottom in order of first appearance.
    """
    check_table("results", results, ["train_accuracy", "validation_accuracy", "seconds"])
    if "idea" not in results or results["idea"].isna().any():
        raise ValueError(
            f"results must have a column idea without gaps, not {results.columns.tolist()}; name "
            "the idea of each run"
        )
    ideas = list(dict.fromkeys(results["idea"]))
    panels = {
        "validation accuracy": results["validation_accuracy"],
        "gap (points)": 100 * (results["train_accuracy"] - results["validation_accuracy"]),
        "seconds": results["seconds"],
    }
    figure, axes = _figure(1, 3, (11, 0.42 * len(ideas) + 1.1), width_ratios=[2, 1, 1])
    at = results["idea"].map(ideas.index)
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        means = values.groupby(at).mean()
        axis.vlines(means, means.index - 0.3, means.index + 0.3, color=_VERMILION, linewidth=2)
        axis.plot(values, at, "o", color=_BLUE, alpha=0.6, markersize=6)
        axis.set(title=title, yticks=range(len(ideas)), ylim=(len(ideas) - 0.5, -0.5))
        axis.set_yticklabels(ideas if axis is axes[0] else [])
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_xscale("function", functions=_HALVINGS)
    accuracy = results["validation_accuracy"]
    ticks = _accuracy_ticks(accuracy.min(), accuracy.max())
    axes[0].set(xlim=(ticks[0], ticks[-1]), xticks=ticks)
    axes[0].xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes[2].set_xlim(left=0)
    return figure


def plot_search(accuracies: "pd.DataFrame") -> "Figure":
    """Draw a search in rounds: the accuracy of each configuration until it was given up.

    The three that came furthest are in color.

    Parameters
    ----------
    accuracies : pandas.DataFrame
        One row per configuration, with an index that describes it; one column per round, named by
        the epochs of training in it, with NaN where the configuration had been given up.
    """
    import pandas as pd

    if not isinstance(accuracies, pd.DataFrame) or accuracies.empty:
        check_table("accuracies", accuracies)
    rounds = accuracies.columns.to_numpy()
    check_numbers("the columns of accuracies", rounds, ("rounds",), lowest=1)
    shape = ("configurations", "rounds")
    if accuracies.count().min() == 0:
        raise ValueError(
            "accuracies must have a number in each round, not NaN alone; leave out rounds without "
            "one, and look why every training failed"
        )
    check_numbers("accuracies", accuracies.fillna(0).to_numpy(), shape, lowest=0, highest=1)
    # By how many rounds they came through, then by the accuracy in the last of them.
    came = accuracies.count(axis=1) + accuracies.ffill(axis=1).iloc[:, -1]
    order = came.reset_index(drop=True).sort_values(ascending=False, kind="stable").index
    figure, (axis,) = _figure(1, 1, (9, 5.5))
    for i in order[3:]:
        axis.plot(rounds, accuracies.iloc[i], ".-", color=_GRAY, linewidth=1)
    looks = (_VERMILION, "o-", 5), (_BLUE, "s--", 4), ("black", "^:", 3)  # the best one on top
    for i, (color, style, z) in zip(order, looks, strict=False):
        name = accuracies.index[i]
        parts = name if isinstance(name, tuple) else (name,)
        label = ", ".join(
            f"{part:g}" if isinstance(part, float) else getattr(part, "__name__", str(part))
            for part in parts
        )
        look: dict[str, Any] = {"color": color, "linewidth": 2, "label": label, "zorder": z}
        axis.plot(rounds, accuracies.iloc[i], style, **look)
    ticks = _accuracy_ticks(accuracies.min().min(), accuracies.max().max())
    axis.set_yscale("function", functions=_HALVINGS)
    axis.set_xscale("log")
    axis.set(ylim=(ticks[0], ticks[-1]), yticks=ticks, xticks=rounds, xticklabels=rounds)
    axis.set(xlabel="epochs of training", ylabel="validation accuracy")
    axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axis.minorticks_off()
    axis.grid(axis="y", alpha=0.3)
    title = ", ".join(str(name) for name in accuracies.index.names if name is not None)
    axis.legend(frameon=False, title=title)
    return figure


def plot_activations(
    activations: Sequence[Array],
    *,
    shape: tuple[int, int] | None = None,
    class_names: Sequence[str] | None = None,
) -> "Figure":
    """Draw the activations of every layer for one digit, from pixels to probabilities.

    Parameters
    ----------
    activations : sequence of (1, neurons) arrays
        The activations that ``forward_prop`` returned for the digit. The neurons of a hidden layer
        fill a rectangle row by row; their order has no meaning.
    shape : (int, int), optional
        The height and width of an image. Default: a square.
    class_names : sequence of str, optional
        The name of each class, from 0 on. Default: its number.
    """
    if not isinstance(activations, Sequence) or len(activations) < 2:
        raise TypeError(
            "activations must be a list of two arrays or more, one per layer, not "
            f"{activations!r}; pass all that forward_prop(network, X) returns"
        )
    for layer, A in enumerate(activations):
        check_numbers(f"activations[{layer}]", A, (1, "neurons"))
    _check_images("activations[0]", activations[0], (1, "pixels"))
    shape = image_shape("activations[0]", activations[0].shape[1], shape)
    check_numbers("activations[-1]", activations[-1], (1, "classes"), lowest=0, highest=1)
    (pixels, *hidden, probabilities) = (A.ravel() for A in activations)
    _, names = _names(class_names, len(probabilities))
    size = (3 * len(activations), max(3.2, 0.22 * len(names) + 0.6))
    figure, axes = _figure(1, len(activations), size)
    _draw_image(axes[0], pixels.reshape(shape))
    axes[0].set_title(f"{len(pixels)} pixels")
    for axis, A in zip(axes[1:], hidden, strict=False):
        rows = next(n for n in range(int(len(A) ** 0.5), 0, -1) if len(A) % n == 0)
        drawn = axis.imshow(A.reshape(rows, -1), cmap="viridis", vmin=0, interpolation="nearest")
        axis.set_title(f"{len(A)} neurons")
        figure.colorbar(drawn, ax=axis, shrink=0.6)
    for axis in axes[:-1]:
        axis.axis("off")
    axes[-1].barh(range(len(names)), probabilities, color=_BLUE)
    axes[-1].set(title="output", xlabel="probability", xlim=(0, 1))
    axes[-1].set_yticks(range(len(names)), names)
    axes[-1].invert_yaxis()
    return figure


def plot_activity(activities: Mapping[str, Array]) -> "Figure":
    """Draw histograms of how often the neurons of a layer are active.

    A healthy layer has neurons of all kinds. Dead ones gather at 0, and copies of one neuron in one
    place, wherever that is.

    Parameters
    ----------
    activities : mapping of str to (neurons,) arrays
        For each neuron the fraction of the images on which its activation is above 0,
        ``(A > 0).mean(axis=0)``. Each network gets its own panel, titled with its key.
    """
    from matplotlib.ticker import MaxNLocator

    check_mapping("activities", activities)
    for name, activity in activities.items():
        check_numbers(f"activities[{name!r}]", activity, ("neurons",), lowest=0, highest=1)
    figure, axes = _figure(1, len(activities), (max(6, 4.5 * len(activities)), 2.6))
    for i, (axis, (name, activity)) in enumerate(zip(axes, activities.items(), strict=True)):
        axis.hist(activity, bins=20, range=(0, 1), color=_VERMILION if i else _BLUE)
        axis.set(title=name, xlabel="active on this share of the images", xlim=(-0.02, 1.02))
        axis.yaxis.set_major_locator(MaxNLocator(integer=True))
        axis.xaxis.set_major_formatter("{x:.0%}")
    axes[0].set_ylabel("neurons")
    return figure


def plot_saliency(X: Array, gradients: Array, *, shape: tuple[int, int] | None = None) -> "Figure":
    """Draw digits, and below each one how more ink would change the loss.

    Parameters
    ----------
    X : (N, pixels) array
        Digits, one per row.
    gradients : (N, pixels) array
        The gradients that `input_gradient` returned for them. Ink on red pixels speaks against the
        label; ink on blue pixels speaks for it. Each digit has its own color scale.
    shape : (int, int), optional
        The height and width of an image. Default: a square.
    """
    _check_images("X", X, ("N", "pixels"))
    shape = image_shape("X", X.shape[1], shape)
    check_numbers("gradients", gradients, X.shape)
    figure, axes = _figure(2, len(X), (1.4 * len(X), 2.9))
    for above, below, pixels, gradient in zip(
        axes[: len(X)], axes[len(X) :], X, gradients, strict=True
    ):
        _draw_image(above, pixels.reshape(shape))
        limit = np.abs(gradient).max()
        below.imshow(gradient.reshape(shape), cmap="RdBu_r", vmin=-limit, vmax=limit)
        if pixels.min() < 0.5 < pixels.max() and min(shape) > 1:
            below.contour(pixels.reshape(shape), [0.5], colors="black", linewidths=0.7)
        above.axis("off")
        below.axis("off")
    return figure


def plot_maps(
    maps: Mapping[str, Array], Y: Array, *, class_names: Sequence[str] | None = None
) -> "Figure":
    """Plot digits as points in the plane, each marked with its own numeral.

    The label of a class stands at the median of its points, or as near as the others leave room.

    Parameters
    ----------
    maps : mapping of str to (N, 2) arrays
        The positions of the digits, such as the `principal_components` of a layer's activations.
        Each map gets its own panel, titled with its key.
    Y : (N,) array
        The true digits.
    class_names : sequence of str, optional
        The name of each class, from 0 on, to be written beside its number.
    """
    import matplotlib as mpl

    check_mapping("maps", maps)
    _, names = _names(class_names)
    check_labels(Y, None, len(names) or None)
    for name, points in maps.items():
        check_numbers(f"maps[{name!r}]", points, (len(Y), 2))

    figure, axes = _figure(1, len(maps), (4.4 * len(maps), 4.4))
    colors = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined]
    for axis, (name, points) in zip(axes, maps.items(), strict=True):
        for digit in np.unique(Y):
            x, y = points[digit == Y].T
            color, size = colors[digit % 10], 70 * len(str(digit))
            axis.scatter(x, y, size, color=color, marker=f"${digit}$", linewidths=0.2)
        present = np.unique(Y)
        medians = np.array([np.median(points[digit == Y], axis=0) for digit in present])
        labels = [f"{digit} {names[digit]}" if names else str(digit) for digit in present]
        width = 0.045 + 0.02 * max(map(len, labels))
        room = np.ptp(points, axis=0) * [width, 0.08] + 1e-9
        places = _spread(medians / room) * room
        for digit, label, (x, y) in zip(present, labels, places, strict=True):
            axis.text(
                x,
                y,
                label,
                ha="center",
                va="center",
                weight="bold",
                bbox={
                    "boxstyle": f"{'round' if names else 'circle'},pad=0.2",
                    "fc": "white",
                    "ec": colors[digit % 10],
                },
            )
        axis.set(title=name, xticks=[], yticks=[])
        axis.spines[:].set_visible(False)  # the coordinates have no meaning of their own
    return figure


def plot_decision(
    maps: Mapping[int, Array],
    predictions: Mapping[int, Array],
    Y: Array,
    *,
    class_names: Sequence[str] | None = None,
) -> "Figure":
    """Plot how a network tells digits apart at some moments of its training.

    Each digit is a dot in the color of the class that the network reads. A misread digit is a
    numeral instead: the number of its true class.

    Parameters
    ----------
    maps : mapping of int to (N, 2) arrays
        The positions of the digits after so many epochs, such as the `principal_components` of all
        the scores that the network gave them. There is one panel for each, all on one scale.
    predictions : mapping of int to (N,) integer arrays
        The classes that the network read after as many epochs.
    Y : (N,) integer array
        The true labels.
    class_names : sequence of str, optional
        The name of each class, from 0 on, to be written beside its number.
    """
    _check_decision(maps, predictions, Y)
    return _decision(list(maps), maps, predictions, Y, class_names)


def film_decision(
    maps: Mapping[int, Array],
    predictions: Mapping[int, Array],
    Y: Array,
    *,
    class_names: Sequence[str] | None = None,
) -> bytes:
    """Film how a network learns to tell digits apart: the panels of `plot_decision`, in turn.

    Parameters
    ----------
    maps, predictions : mappings of int to (N, 2) arrays, and to (N,) integer arrays
    Y : (N,) integer array
    class_names : sequence of str, optional
        As in `plot_decision`; each entry of the mappings is a frame, in this order.

    Returns
    -------
    bytes
        An animated PNG, which ``IPython.display.Image`` shows.
    """
    _check_decision(maps, predictions, Y)
    return _film(_decision([epoch], maps, predictions, Y, class_names) for epoch in maps)


def plot_reliability(bins: "pd.DataFrame", error: float) -> "Figure":
    """Plot accuracy against confidence: a well-calibrated network stays on the diagonal.

    Parameters
    ----------
    bins : pandas.DataFrame
    error : float
        The two values that `calibration` returned: ``plot_reliability(*calibration(…))``.
    """
    check_table("bins", bins, ["confidence", "accuracy", "count"])
    check_number("error", error, at_least=0, at_most=1)
    figure, (axis, counts) = _figure(2, 1, (5, 5.4), height_ratios=[3, 1])
    axis.plot([0, 1], [0, 1], ":", color="black", label="perfect calibration")
    confidence, accuracy = bins["confidence"], bins["accuracy"]
    axis.vlines(confidence, accuracy, confidence, color=_VERMILION, linewidth=3, label="gap")
    axis.plot(confidence, accuracy, "o-", color=_BLUE, label="network")
    axis.set(title=f"expected calibration error {error:.2%}", ylabel="accuracy")
    counts.bar(confidence, bins["count"], width=0.04, color=_GRAY)
    counts.set(xlabel="confidence", ylabel="images", yscale="log", ylim=(0.5, None))
    for panel in (axis, counts):
        panel.set_xlim(0, 1.02)
        panel.xaxis.set_major_formatter("{x:.0%}")
    axis.yaxis.set_major_formatter("{x:.0%}")
    axis.legend(frameon=False)
    return figure


def plot_robustness(accuracies: "Mapping[str, pd.DataFrame]") -> "Figure":
    """Plot how the accuracy falls as digits are corrupted more and more.

    Parameters
    ----------
    accuracies : mapping of str to pandas.DataFrame
        One panel per kind of corruption, labeled with its key, such as ``"rotation (degrees)"``.
        The index is the strength of the corruption; each column is a network.
    """
    check_mapping("accuracies", accuracies)
    for name, table in accuracies.items():
        check_table(f"accuracies[{name!r}]", table)
    figure, axes = _figure(1, len(accuracies), (4 * len(accuracies), 3.6))
    colors, styles = (_BLUE, _VERMILION, "black"), ("o-", "s--", "^:")
    for axis, (name, table) in zip(axes, accuracies.items(), strict=True):
        for i, network in enumerate(table):
            axis.plot(
                table.index, table[network], styles[i % 3], color=colors[i % 3], label=network
            )
        axis.set(xlabel=name, ylim=(0, 1.03))
        axis.yaxis.set_major_formatter("{x:.0%}")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy")
    axes[0].legend(frameon=False)
    return figure


def _check_decision(maps: Mapping[int, Array], predictions: Mapping[int, Array], Y: Array) -> None:
    check_mapping("maps", maps)
    check_mapping("predictions", predictions)
    check_labels(Y, None, None)
    if list(maps) != list(predictions):
        raise ValueError(
            "predictions must be of the same epochs as maps, in the same order, not "
            f"{list(predictions)} and {list(maps)}; make both from the same snapshots"
        )
    for epoch, points in maps.items():
        check_count("each key of maps and of predictions", epoch, 0)
        check_numbers(f"maps[{epoch}]", points, (len(Y), 2))
        check_labels(predictions[epoch], len(Y), None, f"predictions[{epoch}]")


def _decision(
    epochs: Sequence[int],
    maps: Mapping[int, Array],
    predictions: Mapping[int, Array],
    Y: Array,
    class_names: Sequence[str] | None,
) -> "Figure":
    """Draw some of the maps, on the scale and with the legend of all of them."""
    import matplotlib as mpl

    classes = int(max(Y.max(), *(read.max() for read in predictions.values()))) + 1
    _, names = _names(class_names)
    if names:
        check_labels(np.array([classes - 1]), None, len(names), "Y and predictions")
    colors = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined]
    points = np.concatenate(list(maps.values())).astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.04 * (high - low) + 1e-9
    columns = min(len(epochs), 3)
    rows = -(-len(epochs) // columns)
    figure, axes = _figure(rows, columns, (3.6 * columns + 1, 3.6 * rows))
    for axis in axes:
        axis.axis("off")
    for axis, epoch in zip(axes, epochs, strict=False):
        read, (x, y) = predictions[epoch], maps[epoch].T
        for k in range(classes):
            right, wrong = (read == k) & (read == Y), (read != k) & (k == Y)
            axis.scatter(x[right], y[right], s=14, color=colors[k % 10], linewidths=0)
            look: dict[str, Any] = {"s": 60 * len(str(k)), "marker": f"${k}$", "linewidths": 0.5}
            shades = [colors[other % 10] for other in read[wrong]]
            axis.scatter(x[wrong], y[wrong], color=shades, **look)
        (left, bottom), (right, top) = low - margin, high + margin
        axis.set(xlim=(left, right), ylim=(bottom, top))
        axis.set_title(f"epoch {epoch}: {_percent(np.mean(read == Y))} right")
    keys = [
        axis.scatter([], [], 60 * len(str(k)), color=colors[k % 10], marker=f"${k}$")
        for k in range(classes)
    ]
    labels = names[:classes] or [""] * classes
    place: dict[str, Any] = {"loc": "outside right center", "ncols": -(-classes // 12)}
    figure.legend(keys, labels, title="read as", frameon=False, **place)
    return figure


def _check_images(name: str, value: Array, shape: tuple[int | str, ...]) -> None:
    check_numbers(name, value, shape)
    check_fractions(name, value)


def _spread(points: Array) -> Array:
    """Push points of the plane apart until none is much closer than 1 to another."""
    points = points.astype(float)
    for _ in range(300):
        apart = points[:, None] - points
        distance = np.hypot(*apart.T).T + np.eye(len(points))
        push = np.maximum(1 - distance, 0) / 2
        points += (apart / np.maximum(distance, 1e-9)[..., None] * push[..., None]).sum(axis=1)
    return points


def _places(size: int) -> dict[int, float]:
    """Choose the neurons of a layer to draw, and how far down each is drawn."""
    if size > 5:
        return {0: 0.0, 1: 0.9, 2: 1.8, size - 1: 3.6}
    return {i: 0.9 * (i + (5 - size) / 2) for i in range(size)}


def _scale_losses(axis: "Axes") -> None:
    """Make the scale of drawn losses logarithmic, unless all are 0."""
    # On a linear scale, everything after the first few epochs would be a flat line.
    if any((np.asarray(line.get_ydata()) > 0).any() for line in axis.lines):
        axis.set_yscale("log", subs=[2, 5])
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")


def _accuracy_ticks(lowest: float, highest: float) -> Array:
    """Choose ticks for accuracies, from below the lowest to above the highest."""
    # 100% would be infinitely far away.
    ticks = np.array([0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999])
    first, last = ticks.searchsorted(np.clip([lowest, highest], ticks[1] / 100, ticks[-1]))
    return ticks[first - 1 : last + 1]


def _halvings(accuracy: Array) -> Array:
    """Count how many times the mistakes have been halved, starting from an accuracy of 0."""
    halvings: Array = -np.log2(np.maximum(1 - accuracy, 1e-4))
    return halvings


# An axis on which each halving of the mistakes has the same length: 80% to 90%, 98% to 99%.
_HALVINGS = _halvings, lambda halvings: 1 - 2.0**-halvings


def _figure(
    rows: int, columns: int, size: tuple[float, float], **grid: Any
) -> "tuple[Figure, list[Axes]]":
    """Create a figure, and return it with its axes, row by row."""
    import matplotlib.pyplot as plt

    with plt.rc_context({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False}):
        figure, axes = plt.subplots(
            rows, columns, figsize=size, squeeze=False, layout="constrained", gridspec_kw=grid
        )
    if plt.get_backend() == "agg" or "inline" in plt.get_backend():
        # No window will show the figure, and a notebook shows what a cell returns. Left open, it
        # would appear twice in a notebook and stay in memory.
        plt.close(figure)
    return figure, list(axes.flat)


def _film(figures: "Iterable[Figure]", seconds: float = 6.0) -> bytes:
    """Draw figures of one size one after the other, as an animated PNG that starts over at its end.

    The last frame stays for 2 seconds more, and is what one sees where no film can be played. One
    figure can be the whole film, if it is changed from one frame to the next. To keep the file
    small, all frames share a palette of 63 colors, and where a frame is like the one before, it is
    transparent.
    """
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    frames = []
    for figure in figures:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        frames.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        plt.close(figure)
    some = Image.fromarray(np.vstack(frames[:: 1 + len(frames) // 5]))
    palette = some.quantize(63, Image.Quantize.MAXCOVERAGE, kmeans=1)
    transparent = 63
    colors = [*(palette.getpalette() or [])[: 3 * transparent], 0, 0, 0]

    images: list[Image.Image] = []
    before = None
    for frame in [frames[-1], *frames]:
        indices = np.asarray(
            Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        )
        is_whole = (
            len(images) < 2
        )  # the picture for where no film can be played, and the first frame
        image = Image.fromarray(
            indices if is_whole else np.where(indices == before, transparent, indices)
        )
        image.putpalette(colors)
        image.info["transparency"] = transparent
        images.append(image)
        before = indices
    durations = [round(1000 * seconds / len(frames))] * len(frames)
    durations[-1] += 2000
    file = BytesIO()
    images[0].save(
        file,
        "PNG",
        save_all=True,
        default_image=True,
        append_images=images[1:],
        duration=durations,
        loop=0,
        blend=1,  # over the frame before
    )
    return file.getvalue()


def _pillow(picture: Array) -> "Image.Image":
    """Turn an array of values from 0 to 1, with its channels last, into a Pillow image."""
    from PIL import Image

    values = (np.float32(255) * picture.clip(0, 1)).round().astype(np.uint8)
    return Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)


def _font(text: str) -> "Callable[[int], FreeTypeFont | ImageFont]":
    """Return what loads a font for the text in a size: Pillow's own if that is ASCII.

    Pillow's has no other characters. DejaVu Sans, the font of matplotlib's figures, has those of
    many scripts; for the ones that it lacks, there is a warning, as from matplotlib.
    """
    from PIL import ImageFont

    if text.isascii():
        return ImageFont.load_default
    # Found, not imported, which would take longer than an answer should.
    matplotlib = Path(getattr(find_spec("matplotlib"), "origin", "")).parent
    font = partial(ImageFont.truetype, matplotlib / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf")
    box = bytes(font(20).getmask("\uffff"))  # what is drawn for a character that the font lacks
    if missing := {letter for letter in text if bytes(font(20).getmask(letter)) == box}:
        warnings.warn(
            f"the font of the picture, DejaVu Sans, lacks {''.join(sorted(missing))} and shows "
            "boxes instead; to read the names there, write them in another script",
            stacklevel=3,
        )
    return font


def _draw_image(axis: "Axes", image: Array) -> None:
    axis.imshow(image, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")


def _names(class_names: Sequence[str] | None, classes: int | None = None) -> tuple[str, list[str]]:
    """Return what a class is called, and the names of all, as matplotlib writes them literally."""
    kind, names = name_classes(class_names, classes)
    return kind, [name.replace("$", r"\$") for name in names]


def _percent(probability: float) -> str:
    return f"{probability:.0%}" if probability < 0.995 else f"{probability:.1%}"
