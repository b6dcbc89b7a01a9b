"""Pictures of digits, training and predictions: arrays in, matplotlib figures out.

The colours are Okabe and Ito's (2008, "Color universal design"), which every kind of colour vision
tells apart, the vermilion darkened until text in it is easy to read. Right and wrong are always
said in words as well.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _VERMILION, _GREY = "#0072B2", "#B84A00", "#BBBBBB"

Array = NDArray[Any]


def plot_digits(
    X: Array, labels: Array, probabilities: Array | None = None, *, columns: int = 8
) -> "Figure":
    """Draw digits in a grid, each under its label.

    Parameters
    ----------
    X : (N, side * side) array
        Square images, one a row.
    labels : (N,) array
        The true digits.
    probabilities : (N, 10) array, optional
        A network's answers: each digit then also says what it was read as, and how surely.
    columns : int
        Digits in a row of the grid.

    Raises
    ------
    ValueError
        If there are no digits to draw, or not one label for each.
    """
    if len(X) == 0 or len(X) != len(labels):
        raise ValueError(
            f"expected one digit or more and a label for each, not {len(X)} and {len(labels)}; "
            "take X and the labels from the same rows"
        )
    columns = min(columns, len(X))
    rows = -(-len(X) // columns)
    height = 1.25 if probabilities is None else 1.6
    figure, axes = _figure(rows, columns, (1.25 * columns, height * rows))
    for axis in axes:
        axis.axis("off")
    for i, (axis, pixels, label) in enumerate(zip(axes, X, labels, strict=False)):
        _draw_digit(axis, pixels)
        title, color = str(label), "black"
        if probabilities is not None:
            read, confidence = probabilities[i].argmax(), _percent(probabilities[i].max())
            color = _BLUE if read == label else _VERMILION
            title += f"\n{confidence}" if read == label else f" read as {read}\n{confidence}"
        axis.set_title(title, color=color, fontsize=11)
    return figure


def plot_prediction(
    pixels: Array, probabilities: Array, label: int | None = None, *, picture: Array | None = None
) -> "Figure":
    """Draw one digit beside the ten probabilities that a network gives it.

    Parameters
    ----------
    pixels : (side * side,) array
        The digit as the network saw it.
    probabilities : (10,) array
        What it made of it.
    label : int, optional
        The true digit, where it is known: the title then says whether the network is right.
    picture : (height, width, 1, 3 or 4) array, optional
        What the digit was made of, from 0 to 1: drawn to its left.
    """
    read = int(probabilities.argmax())
    images = 1 if picture is None else 2
    figure, (*frames, bars) = _figure(
        1,
        images + 1,
        (5 + 3 * images, 3.2),
        width_ratios=[1] * images + [1.7],
        wspace=0.3 / images,
        left=0.02,
        right=0.98,
        bottom=0.18,
    )
    # To arrange these by the measured size of their texts would take as long as all the rest.
    figure.set_layout_engine("none")
    if picture is not None:
        frames[0].imshow(picture.repeat(3, axis=2) if picture.shape[2] == 1 else picture)
        frames[0].set(title="the picture", xticks=[], yticks=[])
        frames[0].spines[:].set(visible=True, color=_GREY)  # where does white paper end?
    _draw_digit(frames[-1], pixels)
    frames[-1].axis("off")
    colors = [_GREY] * len(probabilities)
    if label is None:
        colors[read] = _BLUE
        frames[-1].set_title("what the network saw")
    else:
        colors[read] = _VERMILION
        colors[label] = _BLUE
        verdict = "right" if read == label else "wrong"
        frames[-1].set_title(f"predicted {read}, true {label}: {verdict}", color=colors[read])
    drawn = bars.bar(range(len(probabilities)), probabilities, color=colors)
    bars.bar_label(drawn, [_percent(p) if p >= 0.005 else "" for p in probabilities], padding=2)
    bars.set(xlabel="digit", ylabel="probability", ylim=(0, 1.12), yticks=[0, 0.5, 1])
    bars.set_xticks(range(len(probabilities)))
    if label is None:
        bars.set_title(f"read as {read}", color=_BLUE)
    return figure


def plot_history(history: "pd.DataFrame") -> "Figure":
    """Draw the losses and accuracies of training, and mark the lowest validation loss.

    Parameters
    ----------
    history : pandas.DataFrame
        What `gradient_descent` or `train` returned.
    """
    figure, axes = _figure(
        1, 2, (11, 3.8), left=0.06, right=0.98, bottom=0.16, top=0.84, wspace=0.2
    )
    figure.set_layout_engine("none")  # see `plot_prediction`; this one is drawn during training
    for axis, measure in zip(axes, ("loss", "accuracy"), strict=True):
        for part, color, style in (("train", _VERMILION, "--"), ("validation", _BLUE, "-")):
            if f"{part}_{measure}" in history:
                line = history[f"{part}_{measure}"]
                axis.plot(line.index, line, style, color=color, label=part, linewidth=2)
        axis.set(xlabel=history.index.name)
        axis.set_title(measure, y=1)  # where else it would be is worked out at every drawing
        axis.grid(alpha=0.3)
    losses, accuracies = axes
    # Else all that happens after the first epochs is a flat line.
    losses.set_yscale("log", subs=[2, 5])
    losses.yaxis.set_major_formatter("{x:g}")
    losses.yaxis.set_minor_formatter("{x:g}")
    accuracies.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    if "validation_loss" in history:
        best = history.index[int(history["validation_loss"].argmin())]
        for axis in axes:
            axis.axvline(best, color="black", linewidth=1, linestyle=":", label=f"best: {best}")
    losses.legend(frameon=False)
    return figure


def plot_confusion(confusion: Array) -> "Figure":
    """Draw how often each digit (row) was read as each digit (column).

    The colour tells the mistakes apart; the right answers on the diagonal, far more of them, have
    none.

    Parameters
    ----------
    confusion : (classes, classes) array
        What `confusion_matrix` returned.
    """
    figure, (axis,) = _figure(1, 1, (6.6, 5.8))
    mistakes = np.where(np.eye(len(confusion), dtype=bool), 0, confusion)
    drawn = axis.imshow(mistakes, cmap="Blues")
    for (row, column), count in np.ndenumerate(confusion):
        weight = "bold" if row == column else "normal"
        # At a relative luminance of 0.18 black and white stand out from a colour equally well.
        cell = drawn.to_rgba(mistakes[row, column])[:3]
        color = "white" if np.dot(np.power(cell, 2.2), [0.2126, 0.7152, 0.0722]) < 0.18 else "black"
        axis.text(column, row, str(count), ha="center", va="center", color=color, weight=weight)
    digits = range(len(confusion))
    axis.set(xlabel="read as", ylabel="true digit", xticks=digits, yticks=digits)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    figure.colorbar(drawn, label="mistakes", shrink=0.8)
    return figure


def plot_weights(w: Array, *, columns: int = 16) -> "Figure":
    """Draw what each neuron of the first layer looks for: one image a neuron.

    Parameters
    ----------
    w : (side * side, neurons) array
        The first layer's weights; red ink speaks for the neuron, blue against it.
    columns : int
        Neurons in a row of the grid.
    """
    columns = min(columns, w.shape[1])
    rows = -(-w.shape[1] // columns)
    figure, axes = _figure(rows, columns, (0.75 * columns + 1, 0.75 * rows))
    # A few pixels at the frame may be far out; the scale should show the rest.
    limit = float(np.quantile(np.abs(w), 0.995))
    for axis in axes:
        axis.axis("off")
    for axis, pixels in zip(axes, w.T, strict=False):
        side = int(len(pixels) ** 0.5)
        drawn = axis.imshow(
            pixels.reshape(side, side),
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
            interpolation="nearest",
        )
    figure.colorbar(drawn, ax=axes, label="weight", shrink=0.9)
    return figure


def plot_warp(pixels: Array, points: Array, warped: Array) -> "Figure":
    """Draw a digit under the bent grid of a warp, and what the warp makes of both.

    Parameters
    ----------
    pixels, warped : (side * side,) arrays
        The digit before and after.
    points : (2, side * side) array
        One warp from `random_warps`: the rows and columns that the pixels of ``warped`` show.
    """
    side = int(len(pixels) ** 0.5)
    straight = np.indices((side, side))
    figure, axes = _figure(1, 2, (8, 4))
    for axis, digit, (rows, columns), title in zip(
        axes,
        (pixels, warped),
        (points.reshape(2, side, side), straight),
        ("the digit, and where the warp looks", "what it sees there"),
        strict=True,
    ):
        _draw_digit(axis, digit)
        lines = range(0, side, 3)
        for y, x in ((rows[lines].T, columns[lines].T), (rows[:, lines], columns[:, lines])):
            axis.plot(x, y, color=_BLUE, linewidth=0.8, alpha=0.7)
        # The same scale for both, whatever the warp looks at.
        low, high = min(points.min(), 0) - 0.5, max(points.max(), side - 1) + 0.5
        axis.set(xlim=(low, high), ylim=(high, low), title=title)
        axis.axis("off")
    return figure


def plot_comparison(results: "pd.DataFrame") -> "Figure":
    """Draw how well several ways to train do: each run a dot, each mean a line.

    The gap is by how many points of a hundred the training accuracy is above the validation
    accuracy.

    Parameters
    ----------
    results : pandas.DataFrame
        One row a run: ``idea``, ``train_accuracy``, ``validation_accuracy`` and ``seconds``. Ideas
        are drawn from the top in the order in which they come.
    """
    ideas = list(dict.fromkeys(results["idea"]))
    panels = {
        "validation accuracy": results["validation_accuracy"],
        "gap, points": 100 * (results["train_accuracy"] - results["validation_accuracy"]),
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
    accuracies = axes[0]
    # From 98 to 99 % half of all mistakes go: as far as from 80 to 90 %.
    accuracies.set_xscale("function", functions=(_halvings, lambda x: 1 - 2.0**-x))
    # From the tick below the worst to the one above the best. All right has no place on it.
    ticks = np.array([0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999])
    accuracy = results["validation_accuracy"].clip(ticks[1] / 100, ticks[-1])
    shown = ticks[ticks.searchsorted(accuracy.min()) - 1 : ticks.searchsorted(accuracy.max()) + 1]
    accuracies.set(xlim=(shown[0], shown[-1]), xticks=shown)
    accuracies.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes[2].set_xlim(left=0)
    return figure


def plot_activations(activations: Sequence[Array]) -> "Figure":
    """Draw what one digit makes of every layer, from the pixels to the ten probabilities.

    Parameters
    ----------
    activations : sequence of (1, neurons) arrays
        What ``forward_prop`` returned for the digit. The neurons of a hidden layer are drawn row by
        row in a rectangle; their order means nothing.
    """
    (pixels, *hidden, probabilities) = (A.ravel() for A in activations)
    figure, axes = _figure(1, len(activations), (3 * len(activations), 3.2))
    _draw_digit(axes[0], pixels)
    axes[0].set_title(f"{len(pixels)} pixels")
    for axis, A in zip(axes[1:], hidden, strict=False):
        rows = next(n for n in range(int(len(A) ** 0.5), 0, -1) if len(A) % n == 0)
        drawn = axis.imshow(A.reshape(rows, -1), cmap="viridis", vmin=0, interpolation="nearest")
        axis.set_title(f"{len(A)} neurons")
        figure.colorbar(drawn, ax=axis, shrink=0.6)
    for axis in axes[:-1]:
        axis.axis("off")
    digits = range(len(probabilities))
    axes[-1].barh(digits, probabilities, color=_BLUE)
    axes[-1].set(title="the answer", xlabel="probability", xlim=(0, 1), yticks=digits)
    axes[-1].invert_yaxis()
    return figure


def plot_saliency(X: Array, gradients: Array) -> "Figure":
    """Draw digits, and below each what more ink would do to the loss.

    Parameters
    ----------
    X : (N, side * side) array
        Digits, one a row.
    gradients : (N, side * side) array
        What `input_gradient` returned for them. On red pixels ink speaks against the label, on blue
        ones for it; each digit has a scale of its own.
    """
    figure, axes = _figure(2, len(X), (1.4 * len(X), 2.9))
    for above, below, pixels, gradient in zip(
        axes[: len(X)], axes[len(X) :], X, gradients, strict=True
    ):
        _draw_digit(above, pixels)
        limit = np.abs(gradient).max()
        side = int(len(gradient) ** 0.5)
        below.imshow(gradient.reshape(side, side), cmap="RdBu_r", vmin=-limit, vmax=limit)
        below.contour(pixels.reshape(side, side), [0.5], colors="black", linewidths=0.7)
        above.axis("off")
        below.axis("off")
    return figure


def plot_maps(maps: Mapping[str, Array], Y: Array) -> "Figure":
    """Draw digits as points of the plane, each as the figure it is.

    Parameters
    ----------
    maps : mapping of str to (N, 2) arrays
        Where each digit lies, such as `principal_components` of the activations of a layer; a
        picture for each, under its name.
    Y : (N,) array
        The true digits.
    """
    import matplotlib as mpl

    figure, axes = _figure(1, len(maps), (4.4 * len(maps), 4.4))
    colors = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined]
    for axis, (name, points) in zip(axes, maps.items(), strict=True):
        for digit in np.unique(Y):
            x, y = points[digit == Y].T
            axis.scatter(x, y, 22, color=colors[digit], marker=f"${digit}$", linewidths=0.2)
        for digit in np.unique(Y):
            x, y = np.median(points[digit == Y], axis=0)
            axis.text(
                x,
                y,
                str(digit),
                ha="center",
                va="center",
                weight="bold",
                bbox={"boxstyle": "circle,pad=0.2", "fc": "white", "ec": colors[digit]},
            )
        axis.set(title=name, xticks=[], yticks=[])
        axis.spines[:].set_visible(False)  # neither direction has a zero that means something
    return figure


def plot_reliability(bins: "pd.DataFrame", error: float) -> "Figure":
    """Draw how often a network is right against how sure it is: on the diagonal it is honest.

    Parameters
    ----------
    bins : pandas.DataFrame
    error : float
        The two parts of what `calibration` returned: ``plot_reliability(*calibration(…))``.
    """
    figure, (axis, counts) = _figure(2, 1, (5, 5.4), height_ratios=[3, 1])
    axis.plot([0, 1], [0, 1], ":", color="black", label="as sure as right")
    confidence, accuracy = bins["confidence"], bins["accuracy"]
    axis.vlines(confidence, accuracy, confidence, color=_VERMILION, linewidth=3, label="gap")
    axis.plot(confidence, accuracy, "o-", color=_BLUE, label="the network")
    axis.set(title=f"expected calibration error {error:.2%}", ylabel="is right")
    counts.bar(confidence, bins["digits"], width=0.04, color=_GREY)
    counts.set(xlabel="says", ylabel="digits", yscale="log", ylim=(0.5, None))
    for panel in (axis, counts):
        panel.set_xlim(0, 1.02)
        panel.xaxis.set_major_formatter("{x:.0%}")
    axis.yaxis.set_major_formatter("{x:.0%}")
    axis.legend(frameon=False)
    return figure


def plot_robustness(accuracies: "Mapping[str, pd.DataFrame]") -> "Figure":
    """Draw how the accuracy falls as digits are spoilt more and more.

    Parameters
    ----------
    accuracies : mapping of str to pandas.DataFrame
        A picture for each way to spoil them, such as ``"turned by, degrees"``. The index says how
        much; each column is a network.
    """
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


def _halvings(accuracy: Array) -> Array:
    """Count how often the mistakes have been halved, from all wrong at 0."""
    halvings: Array = -np.log2(np.maximum(1 - accuracy, 1e-4))
    return halvings


def _figure(
    rows: int, columns: int, size: tuple[float, float], **grid: Any
) -> "tuple[Figure, list[Axes]]":
    """Make a figure and its axes, row by row."""
    import matplotlib.pyplot as plt

    with plt.rc_context({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False}):
        figure, axes = plt.subplots(
            rows, columns, figsize=size, squeeze=False, layout="constrained", gridspec_kw=grid
        )
    if plt.get_backend() == "agg" or "inline" in plt.get_backend():
        # No window will show it, and a notebook shows what a cell returns: left open, it would be
        # shown twice there, and kept in memory for ever.
        plt.close(figure)
    return figure, list(axes.flat)


def _draw_digit(axis: "Axes", pixels: Array) -> None:
    side = int(len(pixels) ** 0.5)
    axis.imshow(pixels.reshape(side, side), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")


def _percent(probability: float) -> str:
    return f"{probability:.0%}" if probability < 0.995 else f"{probability:.1%}"
