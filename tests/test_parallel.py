"""Rows in threads: the same numbers as in one, with the settings and errors of the caller."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from mnist_nn import gradient_descent, init_params, make_predictions
from mnist_nn.evaluation import make_probabilities
from mnist_nn.network import forward_prop
from mnist_nn.parallel import BLOCK, over_rows


def blas_threads() -> set[int]:
    return {blas["num_threads"] for blas in threadpool_info() if blas["user_api"] == "blas"}


@pytest.mark.parametrize("rows", [0, 1, BLOCK, BLOCK + 1, 5 * BLOCK - 7])
def test_slices_cover_every_row_once_in_order(rows: int) -> None:
    slices = over_rows(lambda rows: rows, rows)
    assert [row for part in slices for row in range(rows)[part]] == list(range(rows))
    assert all(part.stop - part.start <= BLOCK for part in slices)


@pytest.mark.skipif(max(blas_threads(), default=1) < 2, reason="there is one core only")
def test_slices_are_computed_at_the_same_time() -> None:
    both_are_there = threading.Barrier(2, timeout=10)
    over_rows(lambda _: both_are_there.wait(), 2 * BLOCK)


def test_blas_has_one_thread_meanwhile_and_its_own_number_again_after() -> None:
    before = blas_threads()
    assert all(meanwhile <= {1} for meanwhile in over_rows(lambda _: blas_threads(), 2 * BLOCK))
    assert blas_threads() == before


def test_errors_reach_the_caller() -> None:
    before = blas_threads()

    def fail(rows: slice) -> None:
        raise ValueError(f"rows from {rows.start}")

    with pytest.raises(ValueError, match="rows from 0"):
        over_rows(fail, 3 * BLOCK)
    assert blas_threads() == before


def test_threads_take_over_errstate() -> None:
    def divide(_: slice) -> float:
        return np.ones(1) / np.zeros(1)

    with np.errstate(divide="ignore"):  # a warning would be an error here
        assert np.isinf(over_rows(divide, 2 * BLOCK)).all()
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        over_rows(divide, 2 * BLOCK)


def test_number_of_cores_does_not_change_the_result() -> None:
    rng = np.random.default_rng(0)
    X = rng.random((3 * BLOCK + 11, 50), np.float32)
    Y = rng.integers(0, 10, len(X))
    start = init_params([50, 10, 10], rng=0)
    with threadpool_limits(1):
        one_core, _ = gradient_descent(start, X, Y, iterations=5, progress=False)
    all_cores, _ = gradient_descent(start, X, Y, iterations=5, progress=False)
    for one, every in zip([*one_core.w, *one_core.b], [*all_cores.w, *all_cores.b], strict=True):
        assert np.array_equal(one, every)


def test_predictions_of_many_digits_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    X = rng.random((2 * BLOCK + 100, 20))
    network = init_params([20, 8, 10], rng=0)
    few = np.arange(0, len(X), 97)
    expected = forward_prop(network, X[few])[-1]
    np.testing.assert_allclose(make_probabilities(network, X)[few], expected, rtol=1e-12)
    assert np.array_equal(make_predictions(network, X)[few], expected.argmax(axis=1))
