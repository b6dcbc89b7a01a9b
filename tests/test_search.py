"""Searches on the worker processes of Dask: the same results, even if a worker is killed."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest import mock

import dask
import joblib
import numpy as np
import psutil
import pytest
from distributed import Client, LocalCluster, SchedulerPlugin
from distributed.comm.tcp import TCP
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV, StratifiedKFold
from threadpoolctl import threadpool_info

from mnist_nn import MNIST
from mnist_nn.compute import one_blas_thread
from mnist_nn.estimator import MNISTClassifier

DIGITS = 2000
SETTINGS = {
    "hidden_layer_sizes": [(16,), (32,), (64,), (32, 16)],
    "learning_rate_init": [0.0003, 0.001, 0.003, 0.01],
    "alpha": [0.0001, 0.01, 1.0, 10.0],
}
RUNGS = [9, 3, 1]  # candidates, after 2, 6 and 18 epochs
FOLDS = 2


class Task:
    """The digits, the folds, and a search among them."""

    def __init__(self, mnist: MNIST, digits: int) -> None:
        self.X, self.y = mnist.train_X[:digits], mnist.train_Y[:digits]
        self.folds = list(StratifiedKFold(FOLDS).split(self.X, self.y))

    def search(self) -> HalvingRandomSearchCV:
        return HalvingRandomSearchCV(
            MNISTClassifier(random_state=0),
            SETTINGS,
            n_candidates=RUNGS[0],
            resource="max_iter",
            min_resources=2,
            max_resources=18,
            cv=self.folds,
            random_state=0,
            refit=False,
        )

    def shared(self, search: HalvingRandomSearchCV) -> list[Any]:
        # scikit-learn 1.9 gives the search to each fit, and in it the folds.
        return [self.X, self.y, search, *sum(self.folds, ())]


@pytest.fixture(scope="module")
def task(mnist: MNIST) -> Task:
    return Task(mnist, DIGITS)


@pytest.fixture(scope="module")
def sequential(task: Task) -> dict[str, Any]:
    return outcome(task.search().fit(task.X, task.y))


@contextmanager
def started_cluster(**options: Any) -> Iterator[tuple[LocalCluster, Client]]:
    # Dask leaves the variables that limit the workers' BLAS set in this process as well.
    with (
        mock.patch.dict(os.environ),
        dask.config.set({"distributed.scheduler.active-memory-manager.interval": "20ms"}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", **options
        ) as cluster,
        Client(cluster) as client,
    ):
        client.amm.stop()  # it would keep one copy of what has been scattered to all workers
        yield cluster, client
        processes = [nanny.pid for nanny in cluster.workers.values()]
    assert len(processes) == 2
    assert not any(map(psutil.pid_exists, processes))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with started_cluster() as (_, client):
        yield client


def outcome(search: HalvingRandomSearchCV) -> dict[str, Any]:
    assert search.n_candidates_ == RUNGS
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    scores = {k: v for k, v in search.cv_results_.items() if k.endswith("test_score")}
    return {"best": search.best_params_, "scores": scores}


def assert_same(result: dict[str, Any], expected: dict[str, Any]) -> None:
    assert result["best"] == expected["best"]
    np.testing.assert_equal(result["scores"], expected["scores"])  # bit for bit


@pytest.mark.long
def test_a_search_with_dask_gives_the_same_and_sends_the_digits_once(
    client: Client, task: Task, sequential: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client, the scheduler between it and the workers: all that they send passes here.
    sent, write = [0], TCP.write

    async def counted(*args: Any, **options: Any) -> int:
        size: int = await write(*args, **options)
        sent[0] += size
        return size

    monkeypatch.setattr(TCP, "write", counted)
    size, search = task.X.nbytes, task.search()
    with joblib.parallel_config("dask", scatter=task.shared(search)):
        before, sent[0] = sent[0], 0
        search.fit(task.X, task.y)
        copies = {k: len(v) for k, v in client.who_has().items() if "fit_and_score" not in k}
    assert set(copies.values()) == {2}  # so that one worker may die
    fits = sum(RUNGS) * FOLDS
    print(f"\n{before:,} bytes sent for {size:,} bytes of digits on two workers")
    print(f"{sent[0] / fits:,.0f} bytes sent for each of {fits} fits")
    assert before > 2 * size
    assert sent[0] < size / 4
    assert_same(outcome(search), sequential)


@pytest.mark.long
def test_a_worker_has_one_thread(client: Client) -> None:
    def threads() -> tuple[int, set[int]]:
        with one_blas_thread() as threads_of_ours:
            pass
        return threads_of_ours, {library["num_threads"] for library in threadpool_info()}

    assert list(client.run(threads).values()) == 2 * [(1, {1})]


class Killer(SchedulerPlugin):
    """Kills a worker that has just been given a task, when so many fits have been done."""

    def __init__(self, cluster: LocalCluster, after: int) -> None:
        self.cluster, self.fits = cluster, after
        self.has_killed = False

    def transition(self, key: str, start: str, finish: str, *_: Any, **__: Any) -> None:
        fits = re.search(r"fit_and_score_(\d+)_call", key)
        if fits and (start, finish) == ("processing", "memory"):
            self.fits -= int(fits[1])
        if fits and finish == "processing" and self.fits <= 0 and not self.has_killed:
            worker = self.cluster.scheduler.tasks[key].processing_on
            psutil.Process(self.cluster.workers[worker.name].pid).kill()  # by SIGKILL
            self.has_killed = True


@pytest.mark.long
@pytest.mark.parametrize("after", [2, 18])  # in the first round, and in the second
def test_a_killed_worker_does_not_change_the_result(
    task: Task, sequential: dict[str, Any], after: int
) -> None:
    with started_cluster(silence_logs=logging.ERROR) as (cluster, _):
        search, killer = task.search(), Killer(cluster, after)
        cluster.scheduler.add_plugin(killer)
        with joblib.parallel_config("dask", scatter=task.shared(search)):
            search.fit(task.X, task.y)
        assert killer.has_killed
    assert_same(outcome(search), sequential)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak memory")
def test_the_memory_that_the_scheduler_and_the_workers_need(mnist: MNIST, tmp_path: Path) -> None:
    def peak() -> int:
        from pathlib import Path

        lines = Path("/proc/self/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if "VmHWM" in line)

    file = f"--scheduler-file={tmp_path / 'scheduler.json'}"
    commands = (
        ["scheduler", "--host=127.0.0.1", "--port=0"],
        ["worker", "--nworkers=2", "--nthreads=1"],
    )
    task = Task(mnist, len(mnist.train_Y))
    search = task.search()
    with ExitStack() as processes:
        for command in commands:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command, file, "--no-dashboard"],
                stderr=subprocess.DEVNULL,
                cwd=tmp_path,
            )
            processes.callback(process.wait)
            processes.callback(process.terminate)
        with Client(scheduler_file=tmp_path / "scheduler.json") as client:
            client.amm.stop()
            client.wait_for_workers(2)
            client.run(lambda: __import__("mnist_nn.estimator"))
            idle = [client.run_on_scheduler(peak), *client.run(peak).values()]
            started = perf_counter()
            with joblib.parallel_config("dask", scatter=task.shared(search)):
                scattered = perf_counter()
                search.fit(task.X, task.y)
            done = perf_counter()
            peaks = [client.run_on_scheduler(peak), *client.run(peak).values()]
    print(f"\n{task.X.nbytes / 1e6:.0f} MB of digits: {scattered - started:.1f} s to two workers")
    print(f"{done - scattered:.1f} s for {sum(RUNGS) * FOLDS} fits")
    for name, before, after in zip(["scheduler", "worker", "worker"], idle, peaks, strict=True):
        print(f"{name}: {after / 1e6:.0f} MB at its peak, {before / 1e6:.0f} MB before the digits")
        assert after - before < 3 * task.X.nbytes
