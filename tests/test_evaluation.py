from math import log
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mnist_nn import (
    Network,
    calibration,
    confident_mistakes,
    confusion_matrix,
    cross_entropy,
    get_accuracy,
    init_params,
    loss_plane,
    make_predictions,
    precision_and_recall,
    predict,
    predict_proba,
    principal_components,
)

# One layer whose weights are log-probabilities: the softmax gives back the row that X picks.
P = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.25, 0.25], [0.05, 0.9, 0.05]])
NETWORK = Network([np.log(P)], [np.zeros(3)], "relu")
X, Y = np.eye(4), np.array([0, 1, 2, 0])
for array in (P, X, Y, *NETWORK.w, *NETWORK.b):
    array.flags.writeable = False

# Rows are the true digits 0, 1, 2; columns what they were read as.
READ, TRUE = np.array([0, 0, 1, 2, 2, 2, 1, 1]), np.array([0, 1, 1, 2, 2, 0, 1, 1])
CONFUSION = np.array([[1, 0, 1], [1, 3, 0], [0, 0, 2]])


def test_make_predictions_takes_the_most_probable_digit() -> None:
    predictions = make_predictions(NETWORK, X)
    assert predictions.tolist() == [0, 1, 0, 1]
    assert predictions.dtype.kind == "i"


@pytest.mark.parametrize(
    ("predictions", "labels", "accuracy"),
    [([1, 2, 3, 4], [1, 2, 3, 5], 0.75), ([7], [7], 1), ([7, 7], [1, 2], 0)],
)
def test_get_accuracy(predictions: list[int], labels: list[int], accuracy: float) -> None:
    came = get_accuracy(np.array(predictions), np.array(labels))
    assert came == accuracy
    assert type(came) is float


@pytest.mark.parametrize(
    ("predictions", "labels"),
    [
        (np.zeros(4, int), np.zeros(3, int)),
        (np.zeros(4, int), np.zeros((4, 1), int)),
        (np.zeros((4, 10)), np.zeros((4, 10))),
        (np.zeros((4, 10)), np.zeros(4, int)),
        (np.zeros(0, int), np.zeros(0, int)),
    ],
)
def test_get_accuracy_refuses_what_it_cannot_compare(predictions: Any, labels: Any) -> None:
    with pytest.raises(ValueError, match="shape") as caught:
        get_accuracy(predictions, labels)
    assert f"{predictions.shape} and {labels.shape}" in str(caught.value)


def test_predict() -> None:
    came = predict(X, Y, *NETWORK)
    assert came.predictions.tolist() == [0, 1, 0, 1]
    assert came.accuracy == 0.5
    assert came.loss == pytest.approx(-(log(0.7) + log(0.6) + log(0.25) + log(0.05)) / 4, rel=1e-14)
    np.testing.assert_allclose(came.probabilities, P, rtol=1e-14)


def test_predict_runs_the_activation_that_it_is_given() -> None:
    """The hidden neuron is 0 with ReLU and 0.269 with the sigmoid, and the digit hangs on it."""
    w = [np.array([[-1.0]]), np.array([[0.0, 10.0]])]
    b = [np.zeros(1), np.array([0.0, -1.0])]
    one, label = np.ones((1, 1)), np.zeros(1, int)
    assert predict(one, label, w, b).predictions == [1]
    assert predict(one, label, w, b, "sigmoid").predictions == [1]
    assert predict(one, label, w, b, "relu").predictions == [0]
    assert predict(one, label, *Network(w, b, "relu")).predictions == [0]
    with pytest.raises(ValueError, match="tanh"):
        predict(one, label, w, b, "tanh")  # type: ignore[arg-type]


def test_evaluation_prints_numbers_and_no_arrays() -> None:
    text = repr(predict(X, Y, *NETWORK))
    assert "50.00%" in text
    assert "1.3124" in text
    assert "array" not in text


@pytest.mark.parametrize(
    ("digits", "labels", "said"),
    [
        (X[:, :3], Y, r"shape \(N, 4\), not \(4, 3\)"),
        (X[:2].T, Y[:2], r"\(4, 2\).*columns into rows"),
        (X[0], Y[:1], r"reshape\(1, -1\)"),
        ((X * 255).astype(np.uint8), Y, "uint8; divide the pixels by 255"),
        (X, Y[:3], r"4 images.*\(3,\)"),
        (X, np.eye(3)[[0, 1, 2, 0]], r"\(4, 3\).*one-hot.*argmax"),
        (X, Y.astype(float), "integer.*float64"),
        (X, Y + 1, "0 to 2.*1 to 3"),
        (X, Y - 1, "0 to 2.*-1 to 1"),
        (X * np.nan, Y, "NaN"),
    ],
)
def test_predict_refuses_what_does_not_fit(digits: Any, labels: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        predict(digits, labels, *NETWORK)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_pixels_and_scores_that_are_not_finite_get_no_answer(activation) -> None:
    network = init_params([4, 5, 3], activation, rng=0)
    digits = np.tile(X, (600, 1))  # in several slices, and threads
    for number in (np.nan, np.inf, -np.inf):
        other = digits.copy()
        other[-1, 0] = number
        for function in (make_predictions, predict_proba):
            with pytest.raises(ValueError, match="X must hold finite numbers, not NaN or inf"):
                function(network, other)
    large = Network([abs(network.w[0]), np.full_like(network.w[1], 3e38)], network.b, activation)
    with pytest.raises(ValueError, match=r"network must .* train it again with a lower"):
        predict_proba(large, digits.astype(np.float32))


@pytest.mark.parametrize("lost", ["w", "b"])
def test_predict_refuses_layers_that_do_not_fit(lost: str) -> None:
    network = init_params([4, 5, 6, 3], "sigmoid", rng=0)
    short = network._replace(**{lost: getattr(network, lost)[:-1]})
    with pytest.raises(ValueError, match="layer"):
        predict(X, Y, *short)
    unchained = Network([network.w[0], network.w[2]], [network.b[0], network.b[2]], "sigmoid")
    with pytest.raises(ValueError, match=r"\(6, 3\)"):
        predict(X, Y, *unchained)


def test_confusion_matrix_has_true_digits_in_rows() -> None:
    assert confusion_matrix(READ, TRUE, classes=3).tolist() == CONFUSION.tolist()
    came = confusion_matrix(READ, TRUE)
    assert came.shape == (10, 10)
    assert came[:3, :3].tolist() == CONFUSION.tolist()
    assert came.sum() == len(TRUE)


def test_confusion_matrix_of_labels_in_one_byte() -> None:
    """Row and column of 20 classes do not fit into one number of eight bits."""
    labels = np.array([19, 13], np.uint8)
    came = confusion_matrix(np.array([18, 19], np.uint8), labels, classes=20)
    assert np.argwhere(came).tolist() == [[13, 19], [19, 18]]


@pytest.mark.parametrize(
    ("read", "true"),
    [
        ([0, 1], [0]),
        ([0, 1], [0, 3]),
        ([0, 1], [-1, 0]),
        ([3, 1], [0, 0]),  # would be counted in the row below
        ([-1, 1], [1, 1]),  # would be counted in the row above
        ([9, 1], [2, 1]),
        ([[1, 0, 0], [0, 1, 0]], [0, 1]),
        ([0, 1], [[1, 0, 0], [0, 1, 0]]),
    ],
)
def test_confusion_matrix_refuses_digits_out_of_range(read: Any, true: Any) -> None:
    with pytest.raises(ValueError, match=r"0 to 2|integer label"):
        confusion_matrix(np.array(read), np.array(true), classes=3)


def test_precision_and_recall_against_numbers_worked_by_hand() -> None:
    expected = pd.DataFrame(
        {
            "precision": [1 / 2, 3 / 3, 2 / 3],
            "recall": [1 / 2, 3 / 4, 2 / 2],
            "f1": [1 / 2, 6 / 7, 4 / 5],
            "count": [2, 4, 2],
        },
        index=pd.RangeIndex(3, name="class"),
    )
    pd.testing.assert_frame_equal(precision_and_recall(CONFUSION), expected, rtol=1e-15)


def test_precision_and_recall_of_digits_that_never_come() -> None:
    """0 is read as 1; 1 never occurs and 2 neither, which is not read either."""
    came = precision_and_recall(np.array([[0, 5, 0], [0, 0, 0], [0, 0, 0]]))
    nan = np.nan
    np.testing.assert_array_equal(came["precision"], [nan, 0, nan])
    np.testing.assert_array_equal(came["recall"], [0, nan, nan])
    np.testing.assert_array_equal(came["f1"], [0, 0, nan])
    np.testing.assert_array_equal(came["count"], [5, 0, 0])


def test_confident_mistakes_come_most_confident_first() -> None:
    # Wrong are rows 2 (0.5), 3 (0.9), and by these labels 0 (0.7); row 1 is right.
    assert confident_mistakes(P, np.array([2, 1, 2, 0])).tolist() == [3, 0, 2]
    assert confident_mistakes(P, np.array([0, 1, 0, 1])).tolist() == []
    assert confident_mistakes(P[[2, 2, 1, 2]], np.array([1, 2, 0, 1])).tolist() == [2, 0, 1, 3]


def test_confident_mistakes_of_one_confidence_keep_their_order() -> None:
    probabilities = np.array([[0.5, 0.5], [0.6, 0.4], [0.7, 0.3]] * 33)
    expected = [*range(2, 99, 3), *range(1, 99, 3), *range(0, 99, 3)]
    assert confident_mistakes(probabilities, np.ones(99, int)).tolist() == expected


@pytest.mark.parametrize("labels", [Y[:3], np.eye(3)[[0, 1, 2, 0]], Y + 1])
def test_confident_mistakes_refuses_labels_that_do_not_fit(labels: Any) -> None:
    with pytest.raises(ValueError, match="label"):
        confident_mistakes(P, labels)


def test_calibration_against_numbers_worked_by_hand() -> None:
    # Confidences 0.7, 0.6, 0.5, 0.9, the last two wrong; in fifths 0.5 stands alone, 0.6 and 0.7
    # share the next, and 0.9 has the last.
    table, error = calibration(P, Y := np.array([0, 1, 2, 0]), bins=5)
    assert table.to_dict("list") == {
        "confidence": [0.5, pytest.approx(0.65), 0.9],
        "accuracy": [0, 1, 0],
        "count": [1, 2, 1],
    }
    assert error == pytest.approx((1 * 0.5 + 2 * 0.35 + 1 * 0.9) / 4)
    # In one bin: as often right as half, and as sure as 0.675.
    assert calibration(P, Y, bins=1).error == pytest.approx(0.175)


def test_calibration_of_certainty_and_of_honest_guesses() -> None:
    assert len(calibration(np.array([[1, 0], [0.95, 0.05]]), np.array([0, 1])).bins) == 1
    assert calibration(np.eye(3, dtype=np.float32), np.arange(3)).error == 0
    assert calibration(np.eye(3), np.array([1, 2, 0])).error == 1
    rng = np.random.default_rng(0)
    honest = rng.dirichlet([0.5] * 10, 100_000)
    drawn = (rng.random((100_000, 1)) > honest.cumsum(axis=1)).sum(axis=1)
    assert calibration(honest, np.minimum(drawn, 9)).error < 0.01


def test_calibration_refuses_labels_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="label"):
        calibration(P, Y[:3])
    with pytest.raises(ValueError, match="bins must be a whole number from 1 to 1000000, not 0"):
        calibration(P, Y, bins=0)
    with pytest.raises(
        ValueError, match=r"bins must be a whole number from 1 to 1000000, not 2\.5"
    ):
        calibration(P, Y, bins=2.5)  # type: ignore[arg-type]


def test_principal_components_are_the_eigenvectors_of_the_covariance() -> None:
    rng = np.random.default_rng(0)
    A = rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6)) + 3
    variances, directions = np.linalg.eigh(np.cov(A.T))
    points = principal_components(A, 3)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(points.var(axis=0, ddof=1), variances[:-4:-1])
    expected = (A - A.mean(axis=0)) @ directions[:, :-4:-1]
    np.testing.assert_allclose(np.abs(points), np.abs(expected))
    np.testing.assert_allclose(points, principal_components(A[:, ::-1], 3))  # the signs are settled
    with pytest.raises(ValueError, match=r"at least 7 rows and columns, not .* \(50, 6\)"):
        principal_components(A, 7)


def line_of(*parameters: float) -> Network:
    """Make a network of one pixel and two classes of four parameters: two weights, two biases."""
    return Network([np.array([parameters[:2]], float)], [np.array(parameters[2:], float)], "relu")


def test_loss_plane_against_a_loss_and_projections_worked_by_hand() -> None:
    first, last, middle = line_of(0, 0, 0, 0), line_of(10, 0, 0, 0), line_of(3, 4, 0, 0)
    path = [first, line_of(1, 2, 2, 1), middle, line_of(8, -1, 0, 3), last]
    plane = loss_plane(path, np.ones((1, 1)), np.zeros(1, int), points=25)
    # The plane is that of the two weights: the biases stay 0, and stand off it.
    np.testing.assert_allclose(plane.path, [[0, 0], [1, 2], [3, 4], [8, -1], [10, 0]], atol=1e-12)
    np.testing.assert_allclose(plane.distances, [0, np.sqrt(5), 0, 3, 0], atol=1e-12)
    # A quarter of 10 beyond the path, in steps of 15 / 24; the path goes down to -1 and up to 4.
    np.testing.assert_allclose(plane.x, np.linspace(-2.5, 12.5, 25))
    np.testing.assert_allclose(plane.y, 0.625 * np.arange(-6, 11))
    # With the pixel 1, the scores are the weights: the loss is -log of exp(x) / (exp(x) + exp(y)).
    expected = np.log1p(np.exp(plane.y[:, None] - plane.x))
    np.testing.assert_allclose(plane.loss, expected, atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_loss_plane_has_the_losses_of_its_three_networks_at_their_corners(activation: Any) -> None:
    first, end, bend = (init_params([4, 5, 6, 3], activation, rng=seed) for seed in range(3))

    def combined(share: float, other: float) -> Network:
        """Go a share of the way from the first to the end, and some way toward another network."""
        arrays = [
            [a + share * (b - a) + other * c for a, b, c in zip(*layers, strict=True)]
            for layers in ((first.w, end.w, bend.w), (first.b, end.b, bend.b))
        ]
        return Network(arrays[0], arrays[1], activation)

    rng = np.random.default_rng(0)
    for b in (*first.b, *end.b, *bend.b):
        b[:] = rng.normal(size=len(b))
    path = [first, combined(0.5, 0.2), end]
    plane = loss_plane(path, X, Y)
    corners = plane.path
    for network, corner in zip(path, corners, strict=True):
        loss = cross_entropy(predict_proba(network, X), Y)
        # The two ends are on the grid, and the middle one is between four of its points.
        column, row = (
            np.searchsorted(plane.x, corner[0] - 1e-9),
            np.searchsorted(plane.y, corner[1] - 1e-9),
        )
        near = plane.loss[row - 1 : row + 1, column - 1 : column + 1]
        if network is path[1]:
            assert near.min() < loss < near.max()
        else:
            assert near[1, 1] == pytest.approx(loss, rel=1e-5)
    # Any other point is a mixture of the three, and so are its coordinates.
    for row, column in ((0, 0), (3, 20), (-1, -1)):
        at = plane.x[column], plane.y[row]
        share, bent = np.linalg.solve(np.array([corners[2], corners[1] - corners[2] / 2]).T, at)
        loss = cross_entropy(predict_proba(combined(share, 0.2 * bent), X), Y)
        assert plane.loss[row, column] == pytest.approx(loss, rel=1e-4)


def test_loss_plane_needs_three_networks_of_one_kind_and_not_on_one_line() -> None:
    one, other = init_params([4, 5, 3], rng=0), init_params([4, 5, 3], rng=1)
    with pytest.raises(ValueError, match=r"path must hold 3 or more networks, not 2; collect"):
        loss_plane([one, other], X, Y)
    with pytest.raises(TypeError, match=r"not dict_values; .* pass list\(snapshots\.values\(\)\)"):
        loss_plane({0: one, 1: other}.values(), X, Y)
    with pytest.raises(ValueError, match=r"path must have .* span a plane, not three on a line"):
        loss_plane([one, other, other], X, Y)
    with pytest.raises(
        ValueError, match=r"same layers .* not \(\[4, 5, 3\], 'relu'\) and \(\[4, 3\]"
    ):
        loss_plane([one, init_params([4, 3], rng=0), other], X, Y)
