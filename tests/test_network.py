"""The mathematics, against finite differences, numbers worked by hand, and itself in float64."""

import copy
import itertools
import math

import numpy as np
import pytest

from mnist_nn import (
    Network,
    backward_prop,
    cross_entropy,
    forward_prop,
    gradient_descent,
    init_params,
    input_gradient,
    make_predictions,
    one_hot,
    predict_proba,
    sigmoid,
    softmax,
    train,
)
from mnist_nn.compute import matmul

DEPTHS = [[6, 5, 4], [6, 5, 4, 4], [6, 5, 7, 3, 4]]


def small_case(neuron_layers, activation, *, samples=7, seed=0):
    """A float64 network with non-zero biases, and digits for it."""
    rng = np.random.default_rng(seed)
    network = init_params(neuron_layers, activation, rng=rng)
    w = [w.astype(np.float64) for w in network.w]
    b = [rng.normal(0, 0.3, b.shape) for b in network.b]
    X = rng.random((samples, neuron_layers[0]))
    return Network(w, b, activation), X, rng.integers(0, neuron_layers[-1], samples)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("neuron_layers", DEPTHS)
def test_gradient_of_every_parameter_is_the_central_difference(
    neuron_layers, activation, dropout
) -> None:
    network, X, Y = small_case(neuron_layers, activation)

    def forward():
        return forward_prop(network, X, dropout=dropout, rng=5)  # the same neurons each time

    activations = forward()
    if dropout:
        assert all((A == 0).any() and (A != 0).any() for A in activations[1:-1])
    gradients = backward_prop(network, activations, Y, dropout=dropout)
    h = 1e-5
    for parameter, gradient in zip(
        [*network.w, *network.b], [*gradients.dw, *gradients.db], strict=True
    ):
        measured = np.empty_like(parameter)
        for i in np.ndindex(parameter.shape):
            value = parameter[i]
            parameter[i] = value + h
            above = cross_entropy(forward()[-1], Y)
            parameter[i] = value - h
            measured[i] = (above - cross_entropy(forward()[-1], Y)) / (2 * h)
            parameter[i] = value
        assert gradient.shape == parameter.shape
        error = np.linalg.norm(gradient - measured) / np.linalg.norm(measured)
        assert error < 1e-7


@pytest.mark.long
def test_dropout_keeps_the_expectation_of_every_activation() -> None:
    network, X, _ = small_case([6, 50, 4], "sigmoid", samples=1)
    rng = np.random.default_rng(0)
    drawn = np.array([forward_prop(network, X, dropout=0.25, rng=rng)[1][0] for _ in range(20_000)])
    whole = forward_prop(network, X)[1][0]
    assert (drawn == 0).mean() == pytest.approx(0.25, abs=0.002)
    np.testing.assert_allclose(drawn.mean(axis=0), whole, rtol=0.02)  # 5 standard errors
    kept = np.broadcast_to(whole, drawn.shape)[drawn != 0]
    np.testing.assert_allclose(drawn[drawn != 0], kept / 0.75, rtol=1e-12)


def test_dropout_touches_hidden_layers_only_and_keeps_float32() -> None:
    network = init_params([6, 50, 50, 4], rng=0)
    X = np.ones((30, 6), np.float32)
    inputs, *hidden, probabilities = forward_prop(network, X, dropout=0.5, rng=0)
    assert (inputs == 1).all()
    assert {A.dtype for A in (*hidden, probabilities)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    gradients = backward_prop(
        network, [inputs, *hidden, probabilities], np.zeros(30, int), dropout=0.5
    )
    assert {g.dtype for g in (*gradients.dw, *gradients.db)} == {np.dtype(np.float32)}


def test_dropout_without_a_source_of_randomness_is_refused() -> None:
    network, X, _ = small_case([6, 5, 4], "relu")
    with pytest.raises(ValueError, match="dropout is random and needs a source, not None"):
        forward_prop(network, X, dropout=0.5)


def test_one_step_worked_by_hand() -> None:
    # Two pixels, two ReLU neurons, two classes, one digit of class 0.
    # z1 = [1·1 + 0.5·2 + 0, 1·(-1) + 0.5·0 + 0.5] = [2, -0.5], a1 = [2, 0]
    # z2 = [2·0.5 + 0, 2·0.5 + 0] = [1, 1], p = [½, ½], loss = ln 2
    # dz2 = [-½, ½], dw2 = a1ᵀ dz2 = [[-1, 1], [0, 0]], db2 = [-½, ½]
    # dz2·w2ᵀ = [-½·½ + ½·½, -½·1 + ½·3] = [0, 1]; the second neuron is off, so dz1 = [0, 0]
    network = Network(
        [np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([[0.5, 0.5], [1.0, 3.0]])],
        [np.array([0.0, 0.5]), np.array([0.0, 0.0])],
        "relu",
    )
    X, Y = np.array([[1.0, 0.5]]), np.array([0])
    activations = forward_prop(network, X)
    np.testing.assert_array_equal(activations[1], [[2.0, 0.0]])
    np.testing.assert_array_equal(activations[2], [[0.5, 0.5]])
    assert cross_entropy(activations[2], Y) == pytest.approx(math.log(2), rel=1e-15)
    (dw1, dw2), (db1, db2) = backward_prop(network, activations, Y)
    np.testing.assert_array_equal(dw2, [[-1.0, 1.0], [0.0, 0.0]])
    np.testing.assert_array_equal(db2, [-0.5, 0.5])
    np.testing.assert_array_equal(dw1, np.zeros((2, 2)))
    np.testing.assert_array_equal(db1, np.zeros(2))


def test_bias_gradient_is_one_number_a_neuron() -> None:
    network, X, Y = small_case([6, 5, 4], "relu")
    db = backward_prop(network, forward_prop(network, X), Y).db
    assert [g.shape for g in db] == [(5,), (4,)]
    assert len(np.unique(db[1])) == 4


def test_relu_passes_no_gradient_at_zero() -> None:
    # The neuron sits exactly at its kink, where its slope counts as 0.
    network = Network([np.zeros((1, 1)), np.ones((1, 2))], [np.zeros(1), np.zeros(2)], "relu")
    network.w[1][0] = [1.0, -1.0]
    gradients = backward_prop(network, forward_prop(network, np.ones((1, 1))), np.array([0]))
    assert gradients.db[0] == 0


def test_gradient_is_the_mean_over_the_batch() -> None:
    network, X, Y = small_case([6, 5, 4], "sigmoid")
    once = backward_prop(network, forward_prop(network, X), Y)
    X, Y = np.concatenate([X, X]), np.concatenate([Y, Y])
    twice = backward_prop(network, forward_prop(network, X), Y)
    for a, b in zip(itertools.chain(*once), itertools.chain(*twice), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_gradient_is_the_mean_of_those_of_its_parts_by_their_digits() -> None:
    network, X, Y = small_case([6, 5, 4], "relu")
    whole = backward_prop(network, forward_prop(network, X), Y)
    parts = [
        backward_prop(network, forward_prop(network, X[rows]), Y[rows])
        for rows in (slice(0, 3), slice(3, None))
    ]
    for a, b, c in zip(*map(itertools.chain.from_iterable, (whole, *parts)), strict=True):
        np.testing.assert_allclose(a, (3 * b + 4 * c) / 7, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("neuron_layers", [[6, 4], *DEPTHS])
def test_gradient_of_every_pixel_is_the_central_difference(neuron_layers, activation) -> None:
    network, X, Y = small_case(neuron_layers, activation)
    before = X.copy()
    measured = np.empty_like(X)
    h = 1e-5
    for row, pixel in np.ndindex(X.shape):
        # The loss of that digit alone: the others have no part in its gradient.
        x, y = X[row : row + 1].copy(), Y[row : row + 1]
        x[0, pixel] += h
        above = cross_entropy(forward_prop(network, x)[-1], y)
        x[0, pixel] -= 2 * h
        below = cross_entropy(forward_prop(network, x)[-1], y)
        measured[row, pixel] = (above - below) / (2 * h)
    gradient = input_gradient(network, X, Y)
    assert np.linalg.norm(gradient - measured) / np.linalg.norm(measured) < 1e-7
    assert np.array_equal(X, before)


def test_gradient_of_pixels_needs_digits_and_labels_that_fit() -> None:
    network, X, Y = small_case([6, 5, 4], "relu")
    with pytest.raises(ValueError, match=r"shape \(N, 6\)"):
        input_gradient(network, X[:, :5], Y)
    with pytest.raises(ValueError, match="label for each of 7"):
        input_gradient(network, X, Y[:6])


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ((240, 784, 10), "a stack of rows"),
        ((10, 240, 784), "a stack of the columns and rows that are multiplied"),
        ((241, 784, 10), "no stack: 241 does not divide"),
        ((120, 784, 64), "no stack: sixty rows are already too much to multiply in place"),
        ((7, 5, 3), "a small product"),
    ],
)
def test_matmul_in_pieces_is_the_product(shape, why) -> None:
    m, k, n = shape
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(m, k)), rng.normal(size=(k, n))
    expected = np.array([[np.dot(a, b) for b in B.T] for a in A])
    for order in ("C", "F"):  # in memory
        for layout in ("C", "F"):
            product = matmul(np.array(A, order=order), np.array(B, order=order), layout)
            np.testing.assert_allclose(product, expected, rtol=1e-11, atol=1e-11, err_msg=why)


@pytest.mark.filterwarnings("ignore:training ended with a loss")  # of random labels
def test_weights_of_a_neuron_lie_side_by_side_in_memory() -> None:
    network, X, Y = small_case([6, 5, 4], "relu")
    start = init_params([6, 5, 4], rng=0)
    gradients = backward_prop(network, forward_prop(network, X), Y)
    rows_first = network._replace(w=[np.ascontiguousarray(w) for w in network.w])
    settings = {"learning_rate": 0.1, "progress": False}
    trained, _ = train(rows_first, X, Y, epochs=1, batch_size=2, rng=0, **settings)
    descended, _ = gradient_descent(rows_first, X, Y, iterations=1, **settings)
    for w in (*start.w, *gradients.dw, *trained.w, *descended.w):
        assert w.flags.f_contiguous


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_scores_give_finite_probabilities_and_loss(dtype) -> None:
    Z = np.array([[1000.0, -1000.0, 0.0], [-1000.0, -1000.0, -1000.0], [0, 0, 1000]], dtype)
    probabilities = softmax(Z)
    third = 1 / 3
    np.testing.assert_allclose(probabilities, [[1, 0, 0], [third] * 3, [0, 0, 1]], rtol=1e-6)
    assert probabilities.dtype == dtype
    worst = cross_entropy(probabilities, np.array([1, 0, 0]))
    assert math.isfinite(worst)
    assert worst > 10


def test_softmax_of_known_scores() -> None:
    # e^ln1 : e^ln2 : e^ln5 is 1 : 2 : 5.
    np.testing.assert_allclose(
        softmax(np.log([[1.0, 2.0, 5.0]])), [[1 / 8, 2 / 8, 5 / 8]], rtol=1e-15
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_against_the_textbook_formula(dtype) -> None:
    Z = np.linspace(-30, 30, 241).astype(dtype)
    expected = [1 / (1 + math.exp(-z)) for z in Z.tolist()]
    np.testing.assert_allclose(sigmoid(Z), expected, rtol=0, atol=2 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(sigmoid(np.array([-1000, 0, 1000], dtype)), [0, 0.5, 1])


def test_cross_entropy_by_hand() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    assert cross_entropy(probabilities, np.array([1, 2])) == pytest.approx(
        (math.log(4) - math.log(0.8)) / 2, rel=1e-15
    )


def test_one_hot() -> None:
    np.testing.assert_array_equal(one_hot(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_initial_weights_have_the_published_spread(activation) -> None:
    network = init_params([400, 600, 10], activation, rng=0)
    variance = 2 / 400 if activation == "relu" else 2 / (400 + 600)
    assert network.w[0].var() == pytest.approx(variance, rel=0.02)
    assert abs(network.w[0].mean()) < 4 * math.sqrt(variance / network.w[0].size)
    if activation == "sigmoid":
        assert np.abs(network.w[0]).max() <= math.sqrt(6 / (400 + 600))
    assert not any(b.any() for b in network.b)
    assert {p.dtype for p in [*network.w, *network.b]} == {np.dtype(np.float32)}
    assert network.neuron_layers == [400, 600, 10]


def test_same_seed_same_network_bit_for_bit() -> None:
    first, second = (init_params([784, 10, 10], rng=3) for _ in range(2))
    other = init_params([784, 10, 10], rng=4)
    assert all((a == b).all() for a, b in zip(first.w, second.w, strict=True))
    assert not (first.w[0] == other.w[0]).any()
    generator = np.random.default_rng(3)
    assert (init_params([784, 10, 10], rng=generator).w[1] == first.w[1]).all()


def test_types_are_kept() -> None:
    network = init_params([6, 5, 4], rng=0)
    X, Y = np.random.default_rng(0).random((3, 6), np.float32), np.array([0, 1, 2])
    activations = forward_prop(network, X)
    gradients = backward_prop(network, activations, Y)
    arrays = [*activations, *gradients.dw, *gradients.db]
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    network, X, Y = small_case([6, 5, 4], "sigmoid")
    activations = forward_prop(network, X)
    gradients = backward_prop(network, activations, Y)
    arrays = [*activations, *gradients.dw, *gradients.db]
    assert {a.dtype for a in arrays} == {np.dtype(np.float64)}


def test_inputs_are_not_changed() -> None:
    network, X, Y = small_case([6, 5, 4], "relu")
    before = copy.deepcopy((network, X, Y))
    activations = forward_prop(network, X)
    kept = copy.deepcopy(activations)
    backward_prop(network, activations, Y)
    for old, new in zip(kept, activations, strict=True):
        np.testing.assert_array_equal(old, new)
    for old, new in zip([*before[0].w, *before[0].b], [*network.w, *network.b], strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(before[1], X)
    np.testing.assert_array_equal(before[2], Y)


def test_depth_and_width_are_free() -> None:
    network = init_params([9, 3], "sigmoid", rng=0)
    assert forward_prop(network, np.zeros((2, 9)))[-1].shape == (2, 3)
    network = init_params([9, 8, 7, 6, 5, 4, 3], "relu", rng=0)
    assert [a.shape[1] for a in forward_prop(network, np.zeros((2, 9)))] == [9, 8, 7, 6, 5, 4, 3]


@pytest.mark.parametrize(
    ("layers", "activation", "said"),
    [
        ([784], "relu", "at least two layers, input and output"),
        (
            [784, 0, 10],
            "relu",
            "each size in neuron_layers must be a whole number of at least 1, not 0",
        ),
        ([784, 10], "tanh", "'tanh'"),
    ],
)
def test_impossible_networks_are_refused(layers, activation, said) -> None:
    with pytest.raises(ValueError, match=said):
        init_params(layers, activation, rng=0)


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (np.zeros(6), r"\(N, 6\), not \(6,\)"),
        (np.zeros((6, 5)), r"X\.T"),
        (np.zeros((5, 6), np.uint8), "divide the pixels by 255"),
    ],
)
def test_digits_of_another_shape_or_type_are_refused(X, said) -> None:
    with pytest.raises(ValueError, match=said):
        forward_prop(init_params([6, 5, 4], rng=0), X)


@pytest.mark.parametrize(
    ("Y", "said"),
    [
        (np.array([0, 1]), r"each of 3 images"),
        (np.eye(4, dtype=int)[:3], r"argmax"),
        (np.array([0.0, 1.0, 2.0]), "float64"),
        (np.array([0, 1, 4]), "from 0 to 3"),
        (np.array([0, 1, -1]), "from 0 to 3"),
    ],
)
def test_labels_that_do_not_fit_are_refused(Y, said) -> None:
    network = init_params([6, 5, 4], rng=0)
    activations = forward_prop(network, np.zeros((3, 6)))
    with pytest.raises(ValueError, match=said):
        backward_prop(network, activations, Y)
    with pytest.raises(ValueError, match=said):
        cross_entropy(activations[-1], Y)


def test_what_is_not_a_network_or_an_answer_is_refused() -> None:
    network, X, Y = small_case([6, 5, 4], "relu")
    activations = forward_prop(network, X)
    pair = (network, "history")
    for function, arguments in (
        (forward_prop, (pair, X)),
        (make_predictions, (pair, X)),
        (predict_proba, (pair, X)),
        (backward_prop, (pair, activations, Y)),
        (input_gradient, (pair, X, Y)),
    ):
        with pytest.raises(TypeError, match=r"expected a Network, not tuple; .*\(network, history"):
            function(*arguments)
    with pytest.raises(TypeError, match=r"shape \(N, classes\), not list; .*last of its list"):
        cross_entropy(activations, Y)
    with pytest.raises(TypeError, match="list of 3 arrays, one per layer, not 2 of them"):
        backward_prop(network, activations[1:], Y)
    with pytest.raises(TypeError, match="list of 3 arrays, one per layer, not ndarray"):
        backward_prop(network, activations[-1], Y)
    with pytest.raises(ValueError, match=r"columns, not shapes .*\(7, 4\), \(7, 4\)"):
        backward_prop(network, [X, activations[2], activations[2]], Y)
    with pytest.raises(ValueError, match="dropout must be a finite number of at least 0 and below"):
        backward_prop(network, activations, Y, dropout=2)
    with pytest.raises(ValueError, match=r"activation must be .*, not 'tanh'"):
        backward_prop(network._replace(activation="tanh"), activations, Y)
    with pytest.raises(TypeError, match="lists of NumPy arrays, one w and one b for each layer"):
        forward_prop(network._replace(w=[w.tolist() for w in network.w]), X)
    with pytest.raises(ValueError, match=r"\[784, 64, 32, 10\], not 784"):
        init_params(784, rng=0)
    with pytest.raises(ValueError, match=r"each size in neuron_layers must be .*, not 10\.0"):
        init_params([784, 10.0], rng=0)


def test_arguments_may_be_named_and_what_is_missing_is_said() -> None:
    network, X, Y = small_case([6, 5, 4], "relu")
    activations = forward_prop(X=X, network=network)
    assert cross_entropy(Y=Y, probabilities=activations[-1]) > 0
    with pytest.raises(
        TypeError, match=r"forward_prop\(\) missing 1 required positional argument: 'X'"
    ):
        forward_prop(network)


@pytest.mark.parametrize("dropout", [1.0, 1.5, -0.5, "half", math.nan])
def test_dropout_out_of_range_is_refused(dropout) -> None:
    network, X, _ = small_case([6, 5, 4], "relu")
    with pytest.raises(
        ValueError, match="dropout must be a finite number of at least 0 and below 1"
    ):
        forward_prop(network, X, dropout=dropout, rng=0)
