"""Optimizers against the published algorithms, written out in float64."""

from functools import partial

import numpy as np
import pytest

from mnist_nn import SGD, Adam, Gradients, Network, constant, cosine, init_params, train

LAYERS = [300, 400, 3]  # 120,000 weights in the first layer: more than fit the cache at once


def float64_network() -> Network:
    network = init_params(LAYERS, rng=0)
    return network._replace(
        w=[w.astype(np.float64) for w in network.w], b=[b.astype(np.float64) for b in network.b]
    )


def random_gradients(network: Network, seed: int) -> Gradients:
    rng = np.random.default_rng(seed)
    return Gradients(
        [rng.normal(size=w.shape) for w in network.w], [rng.normal(size=b.shape) for b in network.b]
    )


def test_sgd_steps_against_the_gradient() -> None:
    network, before = float64_network(), float64_network()
    gradients = random_gradients(network, seed=1)
    SGD(0.1).step(network, gradients, [], 0, total_steps=1)
    expected = random_gradients(network, seed=1)
    for p, old, g in zip(
        [*network.w, *network.b], [*before.w, *before.b], [*expected.dw, *expected.db], strict=True
    ):
        np.testing.assert_allclose(p, old - 0.1 * g, rtol=1e-13, atol=1e-15)


def test_momentum_is_nesterovs_as_sutskever_et_al_write_it() -> None:
    # At a constant rate: theirs steps from θ with the gradient at θ + μ v. Ours stands at
    # θ + μ v all along.
    network = float64_network()
    slopes = random_gradients(network, seed=1)  # of a loss Σ c/2 p², whose gradient is c p
    curvature = [abs(c) for c in (*slopes.dw, *slopes.db)]
    theta = [p.copy() for p in (*network.w, *network.b)]
    v = [np.zeros_like(p) for p in theta]
    optimizer = SGD(0.05, momentum=0.9)
    moments = optimizer.moments(network)
    for t in range(15):
        gradients = [c * p for c, p in zip(curvature, (*network.w, *network.b), strict=True)]
        layers = len(network.w)
        gradients = Gradients(gradients[:layers], gradients[layers:])
        optimizer.step(network, gradients, moments, t, total_steps=15)
        for i, c in enumerate(curvature):
            v[i] = 0.9 * v[i] - 0.05 * c * (theta[i] + 0.9 * v[i])
            theta[i] += v[i]
    for p, position, velocity in zip((*network.w, *network.b), theta, v, strict=True):
        np.testing.assert_allclose(p, position + 0.9 * velocity, rtol=1e-9, atol=1e-13)


def test_weight_decay_of_sgd_is_the_gradient_of_an_l2_penalty() -> None:
    network, before = float64_network(), float64_network()
    for b in (*network.b, *before.b):
        b += 1
    optimizer = SGD(0.1, weight_decay=0.3)
    optimizer.step(network, random_gradients(network, seed=1), [], 0, total_steps=1)
    gradients = random_gradients(network, seed=1)
    for w, old, g in zip(network.w, before.w, gradients.dw, strict=True):
        np.testing.assert_allclose(w, old - 0.1 * (g + 0.3 * old), rtol=1e-12, atol=1e-14)
    for b, old, g in zip(network.b, before.b, gradients.db, strict=True):
        np.testing.assert_allclose(b, old - 0.1 * g, rtol=1e-13)


@pytest.mark.parametrize("make", [Adam, partial(SGD, momentum=0.9)])
def test_weight_decay_is_apart_from_the_gradients(make) -> None:
    # The same gradients whatever the weights: what the optimizer adds must be the same with decay
    # and without, since its memory of past gradients knows nothing of the decay.
    plain, decaying = float64_network(), float64_network()
    optimizers = make(0.01), make(0.01, weight_decay=2.0)
    moments = [make(0.01).moments(network) for network in (plain, decaying)]
    for t in range(5):
        before = [[w.copy() for w in network.w] for network in (plain, decaying)]
        for optimizer, network, m in zip(optimizers, (plain, decaying), moments, strict=True):
            optimizer.step(network, random_gradients(network, seed=t), m, t, total_steps=5)
        for layer in range(len(plain.w)):
            step = plain.w[layer] - before[0][layer]
            expected = before[1][layer] * (1 - 0.01 * 2.0) + step
            np.testing.assert_allclose(decaying.w[layer], expected, rtol=1e-9, atol=1e-12)
    for a, b in zip(plain.b, decaying.b, strict=True):
        np.testing.assert_array_equal(a, b)


def test_cosine_rises_falls_and_ends_at_zero() -> None:
    assert [cosine(x) for x in (0, 0.025, 0.05)] == pytest.approx([0, 0.5, 1])
    assert [cosine(x) for x in (0.525, 0.7625, 1)] == pytest.approx([0.5, 0.146447, 0], abs=1e-6)
    assert cosine(0.1, warm_up=0.2) == pytest.approx(0.5)
    assert [cosine(0, warm_up=0), cosine(0.5, warm_up=0)] == pytest.approx([1, 0.5])
    assert [constant(x) for x in (0, 0.3, 1)] == [1, 1, 1]
    for warm_up in (1, 5, -0.1):
        with pytest.raises(
            ValueError, match="warm_up must be a finite number of at least 0 and below 1"
        ):
            cosine(0.5, warm_up=warm_up)


def test_adam_is_algorithm_1_of_the_paper() -> None:
    network = float64_network()
    parameters = [p.copy() for p in (*network.w, *network.b)]
    m, v = ([np.zeros_like(p) for p in parameters] for _ in range(2))
    # Steps are asked about at their middle, (t - ½) / 12; this schedule divides the rate by t.
    optimizer = Adam(0.01, schedule=lambda done: 1 / (12 * done + 0.5))
    moments = optimizer.moments(network)
    for t in range(1, 13):
        rate = 0.01 / t
        optimizer.step(network, random_gradients(network, seed=t), moments, t - 1, total_steps=12)
        gradients = random_gradients(network, seed=t)
        for i, g in enumerate([*gradients.dw, *gradients.db]):
            m[i] = 0.9 * m[i] + (1 - 0.9) * g
            v[i] = 0.999 * v[i] + (1 - 0.999) * g**2
            m_hat, v_hat = m[i] / (1 - 0.9**t), v[i] / (1 - 0.999**t)
            parameters[i] -= rate * m_hat / (np.sqrt(v_hat) + 1e-8)
    for p, expected in zip([*network.w, *network.b], parameters, strict=True):
        np.testing.assert_allclose(p, expected, rtol=1e-12, atol=1e-14)


def test_first_step_of_adam_is_the_learning_rate_whatever_the_gradient() -> None:
    network = Network([np.zeros((1, 4))], [np.zeros(4)], "relu")
    g = np.array([1e-3, -5.0, 700.0, 0.0])
    optimizer, gradients = Adam(0.01), Gradients([g[None].copy()], [g.copy()])
    optimizer.step(network, gradients, optimizer.moments(network), 0, total_steps=1)
    np.testing.assert_allclose(network.w[0][0], [-0.01, 0.01, -0.01, 0], rtol=1e-4)
    np.testing.assert_allclose(network.b[0], [-0.01, 0.01, -0.01, 0], rtol=1e-4)


def test_tiny_gradients_are_held_back_by_epsilon() -> None:
    network = Network([np.zeros((1, 1))], [np.zeros(1)], "relu")
    optimizer, gradients = Adam(0.01), Gradients([np.array([[1e-8]])], [np.array([0.0])])
    optimizer.step(network, gradients, optimizer.moments(network), 0, total_steps=1)
    assert network.w[0][0, 0] == pytest.approx(-0.005, rel=1e-6)  # 1e-8 / (1e-8 + ε)


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, momentum=0.9), Adam(0.01)])
def test_a_wide_layer_moves_as_its_neurons_do_one_by_one(optimizer) -> None:
    rng = np.random.default_rng(0)
    wide = Network([rng.normal(size=(700, 500))], [rng.normal(size=500)], "relu")
    neurons = [Network([wide.w[0][:, [i]]], [wide.b[0][[i]]], "relu") for i in range(500)]
    moments = [optimizer.moments(network) for network in (wide, *neurons)]
    for t in range(3):
        dw, db = rng.normal(size=(700, 500)), rng.normal(size=500)
        for i, neuron in enumerate(neurons):
            gradients = Gradients([dw[:, [i]]], [db[[i]]])
            optimizer.step(neuron, gradients, moments[i + 1], t, total_steps=3)
        optimizer.step(wide, Gradients([dw], [db]), moments[0], t, total_steps=3)
    assert np.array_equal(wide.w[0], np.hstack([neuron.w[0] for neuron in neurons]))
    assert np.array_equal(wide.b[0], np.hstack([neuron.b[0] for neuron in neurons]))


def test_train_with_adam_steps_once_a_batch() -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.random((7, 4)), rng.integers(0, 3, 7)
    start = Network([np.zeros((4, 3))], [np.zeros(3)], "relu")
    trained, _ = train(
        start,
        X,
        Y,
        epochs=2,
        batch_size=3,
        optimizer=Adam(0.01),
        rng=5,
        progress=False,
    )
    assert not start.w[0].any()
    order_rng, w, m, v, t = np.random.default_rng(5), np.zeros((5, 3)), 0.0, 0.0, 0
    inputs = np.hstack([X, np.ones((7, 1))])  # the bias as the weight of a pixel that is always 1
    for _ in range(2):
        order = order_rng.permutation(7)
        for rows in (order[:3], order[3:6], order[6:]):
            p = np.exp(inputs[rows] @ w)
            p /= p.sum(axis=1, keepdims=True)
            g = inputs[rows].T @ (p - np.eye(3)[Y[rows]]) / len(rows)
            t += 1
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            w = w - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(trained.w[0], w[:4], rtol=1e-9)
    np.testing.assert_allclose(trained.b[0], w[4], rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"optimizer": "adam"}, TypeError, "must be an SGD or an Adam, not 'adam'; .*Adam\\(0.001"),
        ({"optimizer": Adam}, TypeError, "pass one with its learning rate"),
        ({}, ValueError, "either a learning_rate or an optimizer, not neither"),
        ({"optimizer": SGD(1), "learning_rate": 1}, ValueError, "or an optimizer, not both"),
    ],
)
def test_other_optimizers_are_refused(settings, error, said) -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.random((7, 4), np.float32), rng.integers(0, 3, 7)
    with pytest.raises(error, match=said):
        train(init_params([4, 3], rng=0), X, Y, epochs=1, batch_size=3, rng=0, **settings)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SGD(0), "learning_rate must be a finite number above 0, not 0"),
        (lambda: Adam("0.1"), "learning_rate must be a finite number above 0, not '0.1'"),
        (lambda: SGD(np.nan), "learning_rate must be a finite number above 0, not nan"),
        (
            lambda: SGD(0.1, momentum=1),
            "momentum must be a finite number of at least 0 and below 1",
        ),
        (lambda: SGD(0.1, momentum=-0.1), r"momentum must .*, not -0\.1"),
        (lambda: Adam(0.1, weight_decay=-1), "weight_decay must be a finite number of at least 0"),
        (lambda: SGD(0.1, weight_decay=np.nan), "weight_decay must .* not nan"),
        (
            lambda: SGD(0.5, weight_decay=2),
            r"weight_decay times learning_rate .* below 1, not 1\.0",
        ),
    ],
)
def test_settings_out_of_range_are_refused(make, said) -> None:
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.parametrize("schedule", ["cosine", None])
def test_a_schedule_that_is_not_a_function_is_refused(schedule) -> None:
    with pytest.raises(TypeError, match=r"schedule must be a function, not .* such as cosine"):
        SGD(0.1, schedule=schedule)


@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_settings_beside_the_rate_are_named(optimizer) -> None:
    # By position 0.9 would be SGD's momentum and Adam's weight decay.
    with pytest.raises(TypeError, match="positional"):
        optimizer(0.001, 0.9)


def test_an_optimizer_keeps_nothing_of_a_run() -> None:
    rng = np.random.default_rng(0)
    X, Y, optimizer = rng.random((7, 4), np.float32), rng.integers(0, 3, 7), Adam(0.01)
    settings = {"epochs": 2, "batch_size": 3, "rng": 0, "progress": False, "optimizer": optimizer}
    first, second = (train(init_params([4, 3], rng=0), X, Y, **settings)[0] for _ in range(2))
    assert np.array_equal(first.w[0], second.w[0])
