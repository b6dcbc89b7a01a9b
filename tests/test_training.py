"""Training against steps worked out separately, and the accuracies that the project promises."""

import copy
import itertools
import json
import math
import random
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from mnist_nn import (
    MNIST,
    SGD,
    Adam,
    TrainingDiverged,
    TrainingInterrupted,
    backward_prop,
    cross_entropy,
    deform,
    forward_prop,
    get_accuracy,
    gradient_descent,
    init_params,
    make_predictions,
    train,
    training,
)

# Most runs here take few steps on random labels, which teach nothing.
pytestmark = pytest.mark.filterwarnings("ignore:training ended with a loss")


@pytest.fixture
def blobs():
    """300 points in three overlapping clouds: (X, Y) in float32."""
    rng = np.random.default_rng(0)
    Y = rng.integers(0, 3, 300)
    X = np.eye(3)[Y] + rng.normal(0, 0.45, (300, 3))
    return X.astype(np.float32), Y


BARE = {"epochs": 5, "batch_size": 64, "rng": 0, "progress": False}
SETTINGS = BARE | {"learning_rate": 0.5}


def test_one_iteration_is_one_step_against_the_gradient(blobs) -> None:
    start = init_params([3, 4, 3], rng=0)
    moved, _ = gradient_descent(start, *blobs, iterations=1, learning_rate=0.5, progress=False)
    gradients = backward_prop(start, forward_prop(start, blobs[0]), blobs[1])
    for before, after, slope in zip(
        [*start.w, *start.b], [*moved.w, *moved.b], [*gradients.dw, *gradients.db], strict=True
    ):
        np.testing.assert_allclose(after, before - 0.5 * slope, rtol=1e-6, atol=1e-7)


def test_a_large_batch_in_slices_of_two_sizes_is_one_step_against_its_gradient() -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.random((1300, 5)), rng.integers(0, 3, 1300)
    w, b = [rng.normal(size=(5, 4)), rng.normal(size=(4, 3))], [np.zeros(4), np.zeros(3)]
    start = init_params([5, 4, 3], rng=0)._replace(w=w, b=b)
    settings = BARE | {"epochs": 1, "batch_size": 1300, "learning_rate": 0.5}
    moved, _ = train(start, X, Y, **settings)
    gradients = backward_prop(start, forward_prop(start, X), Y)
    for before, after, slope in zip(w, moved.w, gradients.dw, strict=True):
        np.testing.assert_allclose(after, before - 0.5 * slope, rtol=1e-12)


def test_history_of_gradient_descent_has_every_tenth_iteration(blobs) -> None:
    X, Y = blobs
    start = init_params([3, 4, 3], rng=0)
    end, history = gradient_descent(start, X, Y, iterations=25, learning_rate=0.5, progress=False)
    assert history.index.tolist() == [0, 10, 20, 25]
    assert list(history) == ["train_loss", "train_accuracy", "seconds"]
    for row, network in ((0, start), (25, end)):
        assert history["train_loss"][row] == cross_entropy(forward_prop(network, X)[-1], Y)
        assert history["train_accuracy"][row] == get_accuracy(make_predictions(network, X), Y)
    assert history["train_loss"].is_monotonic_decreasing
    assert history["seconds"].is_monotonic_increasing


def test_batches_as_large_as_the_data_are_gradient_descent(blobs) -> None:
    start = init_params([3, 4, 3], "sigmoid", rng=0)
    whole, _ = gradient_descent(start, *blobs, iterations=5, learning_rate=0.5, progress=False)
    dealt, _ = train(start, *blobs, **SETTINGS | {"batch_size": 300})
    for a, b in zip(whole.w, dealt.w, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_an_epoch_deals_out_every_digit_once_the_remainder_too(blobs) -> None:
    # Seven digits in batches of three: steps on three, three and one, in a permuted order.
    X, Y = blobs[0][:7], blobs[1][:7]
    start = init_params([3, 3], rng=0)
    trained, history = train(
        start, X, Y, epochs=1, batch_size=3, learning_rate=0.5, rng=5, progress=False
    )
    w, b, losses = start.w[0].astype(float), start.b[0].astype(float), []
    order = np.random.default_rng(5).permutation(7)
    for rows in (order[:3], order[3:6], order[6:]):
        scores = np.exp(X[rows] @ w + b)
        p = scores / scores.sum(axis=1, keepdims=True)
        losses += [-math.log(p[i, label]) for i, label in enumerate(Y[rows])]
        delta = (p - np.eye(3)[Y[rows]]) / len(rows)
        w, b = w - 0.5 * X[rows].T @ delta, b - 0.5 * delta.sum(axis=0)
    np.testing.assert_allclose(trained.w[0], w, rtol=1e-5)
    np.testing.assert_allclose(trained.b[0], b, rtol=1e-5)
    assert history["train_loss"][1] == pytest.approx(np.mean(losses), rel=1e-5)


def test_same_seed_same_weights_bit_for_bit(blobs) -> None:
    first, second, other = (
        train(init_params([3, 4, 3], rng=seed), *blobs, **SETTINGS | {"rng": seed})[0]
        for seed in (1, 1, 2)
    )
    for a, b, c in zip(first.w, second.w, other.w, strict=True):
        assert (a == b).all()
        assert (a != c).any()


def test_inputs_are_not_changed(blobs) -> None:
    start = init_params([3, 4, 3], rng=0)
    before = copy.deepcopy((start, blobs))
    train(start, *blobs, **SETTINGS)
    gradient_descent(start, *blobs, iterations=3, progress=False)
    for old, new in zip([*before[0].w, *before[0].b], [*start.w, *start.b], strict=True):
        np.testing.assert_array_equal(old, new)
    for old, new in zip(before[1], blobs, strict=True):
        np.testing.assert_array_equal(old, new)


def test_training_stays_in_the_type_of_the_network(blobs) -> None:
    X, Y = blobs[0].astype(np.float64), blobs[1]
    rate = np.float64(0.5)
    network, _ = train(init_params([3, 4, 3], rng=0), X, Y, **SETTINGS | {"learning_rate": rate})
    descended, _ = gradient_descent(
        init_params([3, 4, 3], rng=0), X, Y, iterations=3, learning_rate=rate, progress=False
    )
    arrays = [*network.w, *network.b, *descended.w, *descended.b]
    assert {p.dtype for p in arrays} == {np.dtype(np.float32)}


def test_order_of_the_digits_in_memory_does_not_matter(blobs) -> None:
    X, Y = blobs
    start = init_params([3, 4, 3], rng=0)
    rows_first, _ = train(start, X, Y, **SETTINGS)
    for other in (np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2]):
        trained, _ = train(start, other, Y, **SETTINGS)
        assert all((a == b).all() for a, b in zip(rows_first.w, trained.w, strict=True))


def test_batches_are_gathered_without_a_copy_of_all_the_digits() -> None:
    # 3,000 digits whose rows do not lie side by side, 19 MB in float64, in batches of ten: to copy
    # them once is enough, and once per batch would take six gigabytes of traffic.
    X = np.asfortranarray(np.random.default_rng(0).random((3000, 784)))
    Y, start = np.zeros(3000, int), init_params([784, 10], rng=0)
    one_copy = X.nbytes / 2  # in float32
    tracemalloc.start()
    train(start, X, Y, epochs=1, batch_size=10, learning_rate=0.1, rng=0, progress=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * one_copy


def test_schedule_is_asked_at_the_middle_of_every_step_and_scales_the_rate(blobs) -> None:
    asked = []

    def falling(done):
        asked.append(done)
        return 1 - done

    # 300 digits in batches of 128 are three steps an epoch, the last of 44 digits.
    start, optimizer = init_params([3, 4, 3], rng=0), SGD(0.5, schedule=falling)
    train(start, *blobs, **BARE | {"epochs": 2, "batch_size": 128}, optimizer=optimizer)
    np.testing.assert_allclose(asked, (np.arange(6) + 0.5) / 6)
    settings = BARE | {"epochs": 1, "batch_size": 300}
    once, _ = train(start, *blobs, **settings, optimizer=optimizer)
    half, _ = train(start, *blobs, **settings, learning_rate=0.25)
    for a, b in zip(once.w, half.w, strict=True):
        np.testing.assert_array_equal(a, b)


def test_momentum_and_weight_decay_reach_the_optimizer(blobs) -> None:
    X, Y = blobs
    start = init_params([3, 4, 3], rng=0)
    settings = BARE | {"epochs": 3, "batch_size": 300}
    optimizer = SGD(0.5, momentum=0.8, weight_decay=0.1)
    trained, _ = train(start, X, Y, **settings, optimizer=optimizer)
    w, b = list(start.w), list(start.b)
    vw, vb = [0.0, 0.0], [0.0, 0.0]
    for _ in range(3):
        network = start._replace(w=w, b=b)
        gradients = backward_prop(network, forward_prop(network, X), Y)
        vw = [0.8 * v + g for v, g in zip(vw, gradients.dw, strict=True)]
        vb = [0.8 * v + g for v, g in zip(vb, gradients.db, strict=True)]
        w = [
            p * (1 - 0.5 * 0.1) - 0.5 * (g + 0.8 * v)
            for p, g, v in zip(w, gradients.dw, vw, strict=True)
        ]
        b = [p - 0.5 * (g + 0.8 * v) for p, g, v in zip(b, gradients.db, vb, strict=True)]
    for ours, theirs in zip([*trained.w, *trained.b], [*w, *b], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_weights_decay_with_either_optimizer(blobs, optimizer) -> None:
    start = init_params([3, 4, 3], rng=0)
    settings = BARE | {"epochs": 1, "batch_size": 300}
    plain, _ = train(start, *blobs, **settings, optimizer=optimizer(0.01))
    decayed, _ = train(start, *blobs, **settings, optimizer=optimizer(0.01, weight_decay=3))
    for w, a, b in zip(start.w, plain.w, decayed.w, strict=True):
        np.testing.assert_allclose(b, a - 0.03 * w, rtol=1e-4, atol=1e-6)


def test_augment_is_given_each_batch_and_what_it_returns_is_trained_on(blobs) -> None:
    X, Y = blobs
    start = init_params([3, 4, 3], rng=0)
    met = []

    def mirror(some_X, rng):
        assert isinstance(rng, np.random.Generator)
        met.append(len(some_X))
        return some_X[:, ::-1].astype(np.float64)  # which training must bring back to float32

    trained, _ = train(start, X, Y, **SETTINGS, augment=mirror)
    expected, _ = train(start, X[:, ::-1], Y, **SETTINGS)
    assert met == [64, 64, 64, 64, 44] * 5
    for a, b in zip(trained.w, expected.w, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.long
@pytest.mark.parametrize("inner", ["predicts", "trains"])
def test_augment_may_predict_and_train_on_many_digits(inner: str) -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.random((5000, 20), np.float32), rng.integers(0, 10, 5000)
    start, settings = init_params([20, 8, 10], rng=0), SETTINGS | {"batch_size": 5000}

    def compute():
        if inner == "predicts":
            return make_predictions(start, X)
        return train(start, X, Y, **settings)[0].w[0]

    expected, came = compute(), []

    def augment(digits, _):
        came.append(np.array_equal(compute(), expected))
        return digits

    network, _ = train(start, X, Y, **settings, augment=augment)
    assert came == [True] * 5 * 8  # five steps of eight slices
    assert np.array_equal(network.w[0], train(start, X, Y, **settings)[0].w[0])


def test_each_batch_has_noise_of_its_own_and_each_seed_too(blobs) -> None:
    drawn = []

    def spy(some_X, rng):
        drawn.append(rng.random())
        return some_X

    for seed in (0, 0, 1):
        train(init_params([3, 4, 3], rng=0), *blobs, **SETTINGS | {"rng": seed}, augment=spy)
    assert drawn[:25] == drawn[25:50]
    assert len(set(drawn)) == 50


def test_dropout_is_drawn_anew_for_each_batch_and_not_in_validation(blobs) -> None:
    # The same digit again and again, and no step worth the name: only the mask can change the loss.
    X, Y = np.repeat(blobs[0][:1], 300, axis=0), np.repeat(blobs[1][:1], 300)
    start = init_params([3, 40, 3], rng=0)
    still = SETTINGS | {"learning_rate": 1e-30, "batch_size": 300}
    _, without = train(start, X, Y, **still)
    _, history = train(start, X, Y, **still, dropout=0.5, validation=blobs)
    assert without["train_loss"].nunique() == 1
    assert history["train_loss"].nunique() == 5
    assert history["validation_loss"].nunique() == 1
    assert history["validation_loss"][1] == pytest.approx(
        cross_entropy(forward_prop(start, blobs[0])[-1], blobs[1])
    )


def test_steps_with_dropout_are_along_the_gradients_of_thinned_networks(blobs) -> None:
    X, Y = blobs
    start, rng = init_params([3, 8, 3], rng=0), np.random.default_rng(1)
    settings = SETTINGS | {"epochs": 400, "batch_size": 300, "learning_rate": 1e-4}
    trained, _ = train(start, X, Y, **settings, dropout=0.5)
    gradients = [
        backward_prop(start, forward_prop(start, X, dropout=0.5, rng=rng), Y, dropout=0.5)
        for _ in range(400)
    ]
    for layer in range(2):
        mean = np.mean([g.dw[layer] for g in gradients], axis=0)
        moved = (start.w[layer] - trained.w[layer]) / (400 * 1e-4)
        assert np.linalg.norm(moved - mean) < 0.1 * np.linalg.norm(mean)


@pytest.mark.long
def test_noise_in_large_batches_differs_by_slice_and_does_not_depend_on_the_threads() -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.random((9000, 784), np.float32), rng.integers(0, 10, 9000)
    drawn = set()
    start = init_params([784, 8, 10], rng=0)
    settings = SETTINGS | {"epochs": 1, "batch_size": 9000, "dropout": 0.2, "augment": deform}
    with threadpool_limits(1):
        one, _ = train(start, X, Y, **settings)
    with threadpool_limits(2):
        two, _ = train(start, X, Y, **settings)
    for a, b in zip(one.w, two.w, strict=True):
        np.testing.assert_array_equal(a, b)

    def spy(some_X, rng):
        drawn.add((len(some_X), rng.random()))
        return some_X

    train(start, X, Y, **settings | {"augment": spy})
    assert sum(rows for rows, _ in drawn) == 9000
    assert len({number for _, number in drawn}) == len(drawn) > 1


def test_early_stopping_keeps_the_best_weights(blobs) -> None:
    # Twenty points learned by heart: the loss on the others falls, then rises.
    few, validation = (blobs[0][:20], blobs[1][:20]), (blobs[0][20:], blobs[1][20:])
    start = init_params([3, 40, 3], rng=0)
    settings = SETTINGS | {"epochs": 500, "batch_size": 20}
    best, history = train(start, *few, **settings, validation=validation, patience=7)
    losses = history["validation_loss"]
    assert losses.idxmin() == len(losses) - 7
    assert len(losses) < 500
    assert cross_entropy(forward_prop(best, validation[0])[-1], validation[1]) == losses.min()
    last, to_the_end = train(start, *few, **settings, validation=validation)
    assert len(to_the_end) == 500
    assert to_the_end["validation_loss"].iloc[-1] > losses.min()
    final = cross_entropy(forward_prop(last, validation[0])[-1], validation[1])
    assert final == to_the_end["validation_loss"].iloc[-1]


def test_validation_is_only_looked_at(blobs) -> None:
    start = init_params([3, 4, 3], rng=0)
    without, _ = train(start, *blobs, **SETTINGS)
    other = (blobs[0][:50], 2 - blobs[1][:50])
    beside, history = train(start, *blobs, **SETTINGS, validation=other)
    assert all((a == b).all() for a, b in zip(without.w, beside.w, strict=True))
    expected = get_accuracy(make_predictions(beside, other[0]), other[1])
    assert history["validation_accuracy"].iloc[-1] == expected


def test_training_hands_out_the_network_of_every_epoch(blobs) -> None:
    start, snapshots = init_params([3, 4, 3], rng=0), {}
    run = SETTINGS | {"epochs": 3}
    trained, _ = train(start, *blobs, watch=snapshots.__setitem__, **run)
    assert list(snapshots) == [0, 1, 2, 3]
    np.testing.assert_equal(snapshots[0], start)
    np.testing.assert_equal(snapshots[2], train(start, *blobs, **run | {"epochs": 2})[0])
    np.testing.assert_equal(snapshots[3], trained)
    # What is done to a snapshot is not done to the network.
    spoiled, _ = train(start, *blobs, watch=lambda _, network: network.w[0].fill(0), **run)
    np.testing.assert_equal(spoiled, trained)


def test_gradient_descent_hands_out_the_network_of_every_step(blobs) -> None:
    start, snapshots = init_params([3, 4, 3], rng=0), {}
    run = {"learning_rate": 0.5, "progress": False}
    trained, _ = gradient_descent(start, *blobs, iterations=3, watch=snapshots.__setitem__, **run)
    assert list(snapshots) == [0, 1, 2, 3]
    np.testing.assert_equal(snapshots[0], start)
    np.testing.assert_equal(snapshots[2], gradient_descent(start, *blobs, iterations=2, **run)[0])
    np.testing.assert_equal(snapshots[3], trained)
    spoiled, _ = gradient_descent(
        start, *blobs, iterations=3, watch=lambda _, network: network.w[0].fill(0), **run
    )
    np.testing.assert_equal(spoiled, trained)


def test_a_run_that_learns_nothing_says_so_once(mnist: MNIST) -> None:
    X, Y = mnist.train_X[:2000], mnist.train_Y[:2000]
    network = init_params([784, 64, 32, 10], "sigmoid", rng=0)
    settings = {"epochs": 3, "batch_size": 100, "rng": 0, "progress": False}
    for rate, validation, patience in [(50, None, None), (50, (X, Y), None), (50, (X, Y), 3)]:
        with pytest.warns(RuntimeWarning, match=r"equal guesses have 2\.3:") as warned:
            train(
                *(network, X, Y),
                **settings,
                learning_rate=rate,
                validation=validation,
                patience=patience,
            )
        assert [warning.filename for warning in warned] == [__file__]
    with pytest.warns(RuntimeWarning, match="nothing was learned"):
        gradient_descent(network, X, Y, learning_rate=50, iterations=10, progress=False)


@pytest.mark.filterwarnings("error:training ended")
def test_a_run_that_learns_something_does_not_complain(mnist: MNIST) -> None:
    X, Y = mnist.train_X[:2000], mnist.train_Y[:2000]
    network = init_params([784, 64, 32, 10], "sigmoid", rng=0)
    # The loss at the best epoch counts, not that of the last.
    settings = {"batch_size": 100, "rng": 0, "progress": False}
    train(network, X, Y, epochs=3, learning_rate=1, **settings)
    gradient_descent(network, X, Y, learning_rate=0.5, iterations=30, progress=False)
    one = np.zeros_like(Y)
    gradient_descent(init_params([784, 1], rng=0), X, one, iterations=1, progress=False)


def test_no_network_is_returned_that_cannot_be_used(mnist: MNIST) -> None:
    """One step leaves finite weights that are so large that every score overflows."""
    X, Y = mnist.train_X[:64], mnist.train_Y[:64]
    network = init_params([784, 20, 10], rng=0)
    settings = {"epochs": 1, "batch_size": 64, "rng": 0, "progress": False}
    with pytest.raises(TrainingDiverged) as caught:
        train(network, X, Y, learning_rate=1e30, **settings)
    assert all(np.isfinite(A).all() for A in forward_prop(caught.value.network, X))
    with pytest.raises(TrainingDiverged):
        gradient_descent(network, X, Y, iterations=1, learning_rate=1e30, progress=False)


@pytest.mark.parametrize("with_validation", [False, True])
def test_divergence_ends_training_with_the_last_finite_network(blobs, with_validation) -> None:
    start = init_params([3, 4, 3], rng=0)
    X, Y = blobs[0] * np.float32(1e30), blobs[1]
    settings = SETTINGS | {"learning_rate": 1e10, "validation": (X, Y) if with_validation else None}
    with pytest.raises(TrainingDiverged, match=r"epoch \d+ at learning rate 1e\+10") as e:
        train(start, X, Y, **settings)
    network = e.value.network
    assert all(np.isfinite(p).all() for p in [*network.w, *network.b])
    assert math.isfinite(cross_entropy(forward_prop(network, blobs[0])[-1], Y))


def test_divergence_keeps_the_steps_before_it(blobs) -> None:
    start = init_params([3, 4, 3], rng=0)
    with pytest.raises(TrainingDiverged, match=r"iteration \d+ at learning rate 1e\+06") as e:
        gradient_descent(start, *blobs, iterations=2000, learning_rate=1e6, progress=False)
    assert not (e.value.network.w[0] == start.w[0]).all()
    assert all(np.isfinite(p).all() for p in [*e.value.network.w, *e.value.network.b])


def interrupt_after(calls, function):
    """Make a function that a person interrupts when it is called once more."""
    counted = iter(range(calls))

    def interrupted(first, *others):
        if next(counted, None) is None:
            raise KeyboardInterrupt
        return function(first, *others)

    return interrupted


@pytest.mark.parametrize("patience", [None, 9])
def test_interrupted_training_hands_over_the_epochs_that_it_finished(blobs, patience) -> None:
    start = init_params([3, 4, 3], rng=0)
    # With wrong labels to judge by, the best of three epochs is the first.
    validation = blobs[0], np.roll(blobs[1], 1)
    settings = SETTINGS | {"validation": validation, "patience": patience}
    # Of the five steps of the fourth epoch two are done.
    augment = interrupt_after(3 * 5 + 2, lambda X, _: X)
    with pytest.raises(TrainingInterrupted, match="stopped after epoch 3;") as e:
        train(start, *blobs, **settings, augment=augment)
    network, history = train(start, *blobs, **settings | {"epochs": 3})
    assert history["validation_loss"].idxmin() < 3
    for came, expected in zip(e.value.network.w, network.w, strict=True):
        assert np.array_equal(came, expected)
    columns = [name for name in history if name != "seconds"]
    pd.testing.assert_frame_equal(e.value.history[columns], history[columns])
    assert isinstance(e.value, KeyboardInterrupt)  # no "except Exception" may swallow it


def test_interrupted_before_the_first_epoch_there_is_the_start(blobs) -> None:
    start = init_params([3, 4, 3], rng=0)
    augment = interrupt_after(2, lambda X, _: X)
    with pytest.raises(TrainingInterrupted, match="stopped after epoch 0;") as e:
        train(start, *blobs, **SETTINGS, augment=augment)
    assert np.array_equal(e.value.network.w[0], start.w[0])
    assert e.value.history.empty


def test_interrupted_gradient_descent_hands_over_its_steps(blobs) -> None:
    start = init_params([3, 4, 3], rng=0)

    def interrupt() -> None:
        while signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            time.sleep(0.001)  # it has not begun
        time.sleep(0.02)
        signal.raise_signal(signal.SIGINT)

    person = threading.Thread(target=interrupt)
    person.start()
    with pytest.raises(TrainingInterrupted, match=r"stopped after iteration \d+;") as e:
        gradient_descent(start, *blobs, iterations=10**9, report_every=10, progress=False)
    person.join()
    last = e.value.history.index[-1]
    assert e.value.history.index.tolist() == list(range(0, last + 1, 10))
    # It is the network of one of the ten iterations from the last row on.
    later = (
        gradient_descent(start, *blobs, iterations=last + i, progress=False)[0]
        for i in range(max(last, 1) - last, 11)
    )
    assert any(np.array_equal(e.value.network.w[0], network.w[0]) for network in later) or (
        last == 0 and np.array_equal(e.value.network.w[0], start.w[0])
    )


def raise_signal_after(calls):
    """Make an ``augment`` that a person interrupts in one call, and that ends it all the same."""
    counted = iter(range(calls))

    def augment(X, _):
        if next(counted, None) is None:
            signal.raise_signal(signal.SIGINT)
        return X

    return augment


def test_a_signal_waits_for_the_end_of_the_step(blobs) -> None:
    start = init_params([3, 4, 3], rng=0)
    ended, interrupted = [], raise_signal_after(2 * 5 + 2)

    def augment(X, rng):
        X = interrupted(X, rng)
        ended.append(len(X))
        return X

    with pytest.raises(TrainingInterrupted, match="stopped after epoch 2;") as e:
        train(start, *blobs, **SETTINGS, augment=augment)
    assert len(ended) == 2 * 5 + 3  # the interrupted one was the last, and it ended
    network, _ = train(start, *blobs, **SETTINGS | {"epochs": 2})
    assert np.array_equal(e.value.network.w[0], network.w[0])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_in_the_last_step_hands_over_the_whole_training(blobs) -> None:
    start = init_params([3, 4, 3], rng=0)
    with pytest.raises(TrainingInterrupted, match="stopped after epoch 5;") as e:
        train(start, *blobs, **SETTINGS, augment=raise_signal_after(5 * 5 - 1))
    network, _ = train(start, *blobs, **SETTINGS)
    assert np.array_equal(e.value.network.w[0], network.w[0])


@pytest.mark.parametrize(("calls", "epochs"), [(2 * 5 + 2, 2), (10**6, 5)])
def test_a_signal_as_the_handler_is_put_back_hands_over_too(
    blobs, monkeypatch, calls, epochs
) -> None:
    put_back = signal.signal

    def interrupted(number, handler):
        old = put_back(number, handler)
        if handler is signal.default_int_handler:
            signal.raise_signal(number)
        return old

    start = init_params([3, 4, 3], rng=0)
    network, _ = train(start, *blobs, **SETTINGS | {"epochs": epochs})
    monkeypatch.setattr(signal, "signal", interrupted)
    with pytest.raises(TrainingInterrupted, match=f"stopped after epoch {epochs};") as e:
        train(start, *blobs, **SETTINGS, augment=raise_signal_after(calls))
    assert np.array_equal(e.value.network.w[0], network.w[0])


def test_a_step_that_does_not_end_is_interrupted_by_a_later_signal(blobs, monkeypatch) -> None:
    now = itertools.count(0, 100)
    monkeypatch.setattr(training.time, "monotonic", lambda: next(now))

    def augment(*_):
        while True:
            signal.raise_signal(signal.SIGINT)

    start = init_params([3, 4, 3], rng=0)
    with pytest.raises(TrainingInterrupted, match="stopped after epoch 0;"):
        train(start, *blobs, **SETTINGS, augment=augment)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_after_a_signal_stays_to_be_seen(blobs) -> None:
    def augment(*_):
        signal.raise_signal(signal.SIGINT)
        raise KeyError("a mistake in augment")

    with pytest.raises(TrainingInterrupted) as e:
        train(init_params([3, 4, 3], rng=0), *blobs, **SETTINGS, augment=augment)
    assert isinstance(e.value.__cause__, KeyError)


INTERRUPTED = """
import json, os, select, signal, sys, traceback
import numpy as np
from threadpoolctl import threadpool_info
from mnist_nn import TrainingInterrupted, gradient_descent, init_params, train
rng = np.random.default_rng(0)
X, Y = rng.random((2000, 20), np.float32), rng.integers(0, 10, 2000)
start = init_params([20, 12, 10], rng=0)
def run(kind, length, progress):
    if kind == "train":
        settings = dict(batch_size=200, learning_rate=0.1, rng=0, validation=(X[:300], Y[:300]))
        return train(start, X, Y, epochs=length, progress=progress, **settings)
    return gradient_descent(start, X, Y, iterations=length, report_every=1, progress=progress)
def state():
    blas = [library["num_threads"] for library in threadpool_info()]
    return blas, np.geterr(), dict(os.environ), signal.getsignal(signal.SIGINT)
def causes(error):
    while error is not None:
        yield error
        error = error.__context__
def same(one, other):
    pairs = zip([*one.w, *one.b], [*other.w, *other.b], strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)
def fits(kind, network, history):
    rows = history.drop(columns="seconds", errors="ignore")
    done = int(history.index[-1]) if len(history) else 0
    # The last row of gradient descent comes before its step.
    lengths = [done, done + 1] if kind == "gradient_descent" else [done]
    for length in lengths:
        came, expected = run(kind, length, False) if length else (start, history)
        if same(network, came):
            return expected.drop(columns="seconds", errors="ignore").head(len(rows)).equals(rows)
    return False
def wait_for_the_end_of_signals(errors):
    while True:
        try:
            # Another thread may take a signal, and this one sees it only when it wakes up.
            while not select.select([sys.stdin], [], [], 0.01)[0]:
                pass
            return sys.stdin.readline()
        except KeyboardInterrupt as error:
            errors.append(error)
run("train", 2, False)
before = state()
for line in iter(sys.stdin.readline, ""):
    kind, progress = json.loads(line)
    errors = []
    try:
        try:
            print("begins", flush=True)
            while True:
                run(kind, 20, progress)
        except KeyboardInterrupt as error:
            errors.append(error)
            wait_for_the_end_of_signals(errors)
    except KeyboardInterrupt as error:
        errors.append(error)
        wait_for_the_end_of_signals(errors)
    same_state = before == state()
    chain = [error for last in errors for error in causes(last)]
    handed = next((error for error in chain if isinstance(error, TrainingInterrupted)), None)
    frames = [frame for error in chain for frame in traceback.extract_tb(error.__traceback__)]
    left = [frame.name for frame in frames if "training" in frame.filename]
    lost = handed is None and "__exit__" in left  # between two trainings is no loss
    fit = fits(kind, handed.network, handed.history) if handed else not lost
    print(json.dumps([handed is not None, fit, same_state]), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize(
    "signals",
    [pytest.param(16, marks=pytest.mark.long), pytest.param(100, marks=pytest.mark.thorough)],
)
def test_real_signals_at_random_moments_lose_nothing(signals: int) -> None:
    rng, handed_over = random.Random(0), 0
    command = [sys.executable, "-c", INTERRUPTED]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, bufsize=1, **pipes) as process:
        killer = threading.Timer(600, process.kill)
        killer.daemon = True
        killer.start()
        ways = itertools.product(["train", "gradient_descent"], [False, True], [False, True])
        for kind, progress, twice in itertools.islice(itertools.cycle(ways), signals):
            print(json.dumps([kind, progress]), file=process.stdin)
            assert process.stdout.readline() == "begins\n"
            time.sleep(rng.uniform(0, 0.3))
            process.send_signal(signal.SIGINT)
            if twice:
                time.sleep(rng.uniform(0, 0.003))
                process.send_signal(signal.SIGINT)
            time.sleep(0.1)  # until the last has arrived
            print("that was all", file=process.stdin)
            handed, fits, same_state = json.loads(process.stdout.readline())
            handed_over += handed
            assert fits
            assert same_state
        process.stdin.close()
        assert process.wait(60) == 0
        killer.cancel()
    print(f"{handed_over} of {signals} handed over")
    assert handed_over >= 0.8 * signals  # the others came between two trainings


def test_somebody_elses_handler_and_other_threads_are_left_alone(blobs) -> None:
    start, came = init_params([3, 4, 3], rng=0), []
    handler = signal.signal(signal.SIGINT, lambda *_: came.append("signal"))
    try:
        train(start, *blobs, **SETTINGS, augment=raise_signal_after(7))
    finally:
        signal.signal(signal.SIGINT, handler)
    assert came == ["signal"] * (5 * 5 - 7)
    thread = threading.Thread(target=lambda: came.append(train(start, *blobs, **SETTINGS)))
    thread.start()
    thread.join()
    assert len(came[-1]) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, not 0"),
        ({"epochs": True}, "epochs must be a whole number of at least 1, not True"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, not 0"),
        ({"batch_size": -1}, "batch_size must be a whole number of at least 1, not -1"),
        ({"learning_rate": 0}, "learning_rate must be a finite number above 0, not 0"),
        ({"batch_size": 64.0}, r"batch_size must be a whole number of at least 1, not 64\.0"),
        ({"learning_rate": "0.1"}, "learning_rate must be a finite number above 0, not '0.1'"),
        ({"learning_rate": math.nan}, "learning_rate must be a finite number above 0, not nan"),
        ({"learning_rate": math.inf}, "learning_rate must be a finite number above 0, not inf"),
        ({"patience": 0, "validation": True}, "patience must be a whole number of at least 1"),
        ({"patience": 3}, "patience needs validation"),
        ({"dropout": 1.0}, r"dropout must be a finite number of at least 0 and below 1, not 1\.0"),
        ({"dropout": "half"}, "dropout must be a finite number of at least 0 and below 1"),
        ({"schedule": lambda done: -done}, "the factor that schedule returns for 0.02 must be"),
        ({"schedule": lambda _: math.nan}, "schedule returns for 0.02 must .* not nan"),
        ({"augment": lambda X, _: X[1:]}, r"floats of the shape \(64, 3\) .* shape \(63, 3\)"),
        ({"augment": lambda X, _: (255 * X).astype(np.uint8)}, "not uint8 of shape"),
        ({"augment": lambda *_: None}, "augment must return floats .* not NoneType"),
    ],
)
def test_numbers_out_of_range_are_refused(blobs, change, said) -> None:
    if "validation" in change:
        change = change | {"validation": blobs}
    if "schedule" in change:
        change = {"optimizer": SGD(0.5, **change), "learning_rate": None}
    with pytest.raises(ValueError, match=said):
        train(init_params([3, 4, 3], rng=0), *blobs, **SETTINGS | change)


def test_what_is_not_a_function_is_refused(blobs) -> None:
    with pytest.raises(TypeError, match=r"augment must be a function, not True; .* such as deform"):
        train(init_params([3, 4, 3], rng=0), *blobs, **SETTINGS, augment=True)


def test_data_that_do_not_fit_are_refused(blobs) -> None:
    X, Y = blobs
    start = init_params([3, 4, 3], rng=0)
    for bad_X, bad_Y, said in (
        (X[:-1], Y, "Y must have one integer label for each of 299 images"),
        (X.T, Y[:3], "X.T"),
        (X[:0], Y[:0], "at least one label"),
        (np.full_like(X, np.nan), Y, "NaN or infinity"),
        (X, Y + 1, "labels from 0 to 2"),
    ):
        with pytest.raises(ValueError, match=said):
            train(start, bad_X, bad_Y, **SETTINGS)
        with pytest.raises(ValueError, match=said):
            train(start, X, Y, **SETTINGS, validation=(bad_X, bad_Y))
        with pytest.raises(ValueError, match=said):
            gradient_descent(start, bad_X, bad_Y, progress=False)


def test_what_is_no_array_or_network_is_refused(blobs) -> None:
    X, Y = blobs
    start = init_params([3, 4, 3], rng=0)
    # A Series is indexed by its labels: in batches it would part the labels from their digits.
    shuffled = pd.Series(Y).sample(frac=1, random_state=0)
    for bad_X, bad_Y, said in (
        (X, shuffled, "not Series"),
        (X, Y.tolist(), "not list"),
        (pd.DataFrame(X), Y, "not DataFrame"),
    ):
        with pytest.raises(TypeError, match=said):
            train(start, bad_X, bad_Y, **SETTINGS)
    with pytest.raises(TypeError, match="a pair of images and labels"):
        train(start, X, Y, **SETTINGS, validation=X)
    pair = train(start, X, Y, **SETTINGS)
    with pytest.raises(TypeError, match=r"train returns a pair, \(network, history\)"):
        train(pair, X, Y, **SETTINGS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_two_layer_network_reaches_89_percent(mnist, seed) -> None:
    network = init_params([784, 10, 10], "relu", rng=seed)
    network, _ = gradient_descent(network, mnist.train_X, mnist.train_Y, progress=False)
    train_accuracy = get_accuracy(make_predictions(network, mnist.train_X), mnist.train_Y)
    test_accuracy = get_accuracy(make_predictions(network, mnist.test_X), mnist.test_Y)
    print(f"seed {seed}: training {train_accuracy:.2%}, test {test_accuracy:.2%}")
    assert train_accuracy >= 0.89
    assert test_accuracy >= 0.89
