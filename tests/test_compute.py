"""Work in threads: the same numbers as in one, with the settings and errors of the caller."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

from mnist_nn import (
    SGD,
    forward_prop,
    gradient_descent,
    init_params,
    make_predictions,
    predict_proba,
    train,
)
from mnist_nn.compute import (
    BLOCK,
    _quotas,
    available_cores,
    map_slices,
    matmul,
    one_blas_thread,
    share,
)


def blas_threads() -> set[int]:
    return {blas["num_threads"] for blas in threadpool_info() if blas["user_api"] == "blas"}


with one_blas_thread() as CORES:
    several_cores = pytest.mark.skipif(CORES < 2, reason="there is one core only")


@pytest.mark.parametrize("rows", [0, 1, 1024, 2047, BLOCK, BLOCK + 1, 5 * BLOCK - 7])
def test_slices_cover_every_row_once_in_order(rows: int) -> None:
    slices = map_slices(lambda rows: rows, rows)
    assert [row for part in slices for row in range(rows)[part]] == list(range(rows))
    assert all(part.stop - part.start <= BLOCK for part in slices)


@pytest.mark.parametrize(
    ("rows", "slices"),
    [
        *((1, 1), (1023, 1), (1024, 2), (2047, 2), (2048, 4), (4095, 4), (4096, 8)),
        *((8 * BLOCK, 8), (8 * BLOCK + 1, 16), (16 * BLOCK, 16), (16 * BLOCK + 1, 24)),
    ],
)
def test_as_many_slices_as_promised_and_of_about_one_size(rows: int, slices: int) -> None:
    sizes = [part.stop - part.start for part in map_slices(lambda rows: rows, rows)]
    assert len(sizes) == slices
    assert max(sizes) - min(sizes) <= 60 * slices  # all but the last are multiples of sixty


@several_cores
@pytest.mark.parametrize("rows", [1024, 2 * BLOCK])
def test_slices_are_computed_at_the_same_time(rows: int) -> None:
    both_are_there = threading.Barrier(2, timeout=600)
    map_slices(lambda _: both_are_there.wait(), rows)


@pytest.mark.long
@several_cores
def test_a_large_product_is_shared() -> None:
    # Of whole numbers, so that any order of the sum gives the same.
    rng = np.random.default_rng(0)
    for m, k, n in ((256, 784, 1024), (1001, 784, 300)):
        A = rng.integers(0, 9, (m, k)).astype(np.float32)
        B = rng.integers(0, 9, (k, n)).astype(np.float32)
        expected = np.einsum("mk,kn->mn", A.astype(int), B.astype(int), optimize=True)
        for order in "CF":
            assert np.array_equal(matmul(A, np.asarray(B, order=order)), expected)


@several_cores
def test_nobody_waits_for_a_thread_that_has_not_begun() -> None:
    all_are_there, leave = threading.Barrier(CORES + 1, timeout=600), threading.Event()

    def occupy() -> bool:
        all_are_there.wait()
        return leave.wait(600)

    occupier = threading.Thread(target=share, args=([occupy] * CORES,))
    occupier.start()
    all_are_there.wait()
    try:
        # All threads but this one are taken.
        assert map_slices(lambda _: threading.get_ident(), 2 * BLOCK) == [threading.get_ident()] * 8
    finally:
        leave.set()
        occupier.join()


@several_cores
def test_a_part_that_has_begun_is_waited_for_though_another_fails() -> None:
    begun, ended = threading.Event(), []

    def slow() -> None:
        begun.set()
        ended.append(threading.Event().wait(0.1))

    def fail() -> None:
        begun.wait(600)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        share([fail, slow])
    assert ended == [False]


@several_cores
def test_no_part_begins_once_another_has_failed() -> None:
    begun, counted, caller = threading.Event(), [], threading.get_ident()

    def slow() -> None:
        begun.set()
        frame = None
        while frame is None:  # until the caller waits for this part
            frame = sys._current_frames()[caller]
            while frame is not None and frame.f_code.co_name != "exception":
                frame = frame.f_back

    def fail() -> None:
        begun.wait(600)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        share([fail, *[lambda: counted.append(1)] * 5, slow])
    assert CORES > 2 or not counted  # a third core may have taken some before


def test_parts_may_share_out_parts_of_their_own() -> None:
    def inner(_: slice) -> int:
        return len(map_slices(lambda rows: rows, 2 * BLOCK))

    assert map_slices(inner, 2 * BLOCK) == [8] * 8


def test_blas_has_one_thread_meanwhile_and_its_own_number_again_after() -> None:
    before = blas_threads()
    assert all(meanwhile <= {1} for meanwhile in map_slices(lambda _: blas_threads(), 2 * BLOCK))
    assert blas_threads() == before


def test_blas_has_its_own_number_again_when_the_last_has_left() -> None:
    before = blas_threads()
    with one_blas_thread():
        with one_blas_thread():
            assert blas_threads() <= {1}
        assert blas_threads() <= {1}
    assert blas_threads() == before


def test_training_holds_blas_to_one_thread() -> None:
    met, before = [], blas_threads()

    def schedule(_: float) -> float:
        met.append(blas_threads())
        return 1.0

    network, X = init_params([4, 3], rng=0), np.zeros((6, 4), np.float32)
    settings = {"epochs": 1, "batch_size": 2, "rng": 0, "progress": False}
    train(network, X, np.zeros(6, int), optimizer=SGD(0.1, schedule=schedule), **settings)
    assert len(met) == 3
    assert all(threads <= {1} for threads in met)
    assert blas_threads() == before


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no such timer")
@pytest.mark.long
@pytest.mark.parametrize("rows", [1, 2048])
def test_interrupted_predictions_leave_no_lock_locked_and_give_blas_its_threads_back(
    rows: int,
) -> None:
    code = f"""
import signal
import numpy as np
from threadpoolctl import threadpool_info
from mnist_nn import init_params, make_predictions
blas = lambda: [library["num_threads"] for library in threadpool_info()]
network, X = init_params([8, 4], rng=0), np.zeros(({rows}, 8))
make_predictions(network, X)
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
before, interrupts = blas(), 0
while interrupts < 2000:
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0003 + 1e-7 * interrupts % 1e-4)
        while True:
            make_predictions(network, X)
    except KeyboardInterrupt:
        interrupts += 1
make_predictions(network, X)
print(before == blas())
"""
    assert in_a_process(code) == "True\n"


def test_an_interrupt_waits_for_the_end_of_a_part_and_not_for_the_others() -> None:
    ended = []

    def part(i: int) -> None:
        if i == 0:
            signal.raise_signal(signal.SIGINT)
        time.sleep(0.001)
        ended.append(i)

    with pytest.raises(KeyboardInterrupt):
        share([partial(part, i) for i in range(10_000)])
    assert 0 in ended
    assert len(ended) < 10_000
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def in_a_process(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    ).stdout


def test_blas_has_one_thread_whichever_thread_computes() -> None:
    # threadpoolctl heeds the first thread that asks, here this one, for as long as it lives.
    before = blas_threads()
    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        library.set_num_threads(library.num_threads)
    meanwhile, computed, leave = [], threading.Event(), threading.Event()

    def compute() -> None:
        meanwhile.extend(map_slices(lambda _: blas_threads(), 2 * BLOCK))
        computed.set()
        leave.wait(600)

    other = threading.Thread(target=compute)
    other.start()
    try:
        assert computed.wait(600)
        assert len(meanwhile) == 8
        assert all(threads <= {1} for threads in meanwhile)
        assert blas_threads() == before
        with threadpool_limits(1):  # and the other thread has not become the one it heeds
            assert blas_threads() <= {1}
        assert blas_threads() == before
    finally:
        leave.set()
        other.join()


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
CHILDREN = """
import multiprocessing, os, signal, sys, threading, time
import numpy as np
from mnist_nn import init_params, predict_proba, train
from mnist_nn.compute import one_blas_thread
layers, number = {layers}, {number}
rng, network = np.random.default_rng(0), init_params(layers, rng=0)
X, Y = rng.random((5000, layers[0]), np.float32), rng.integers(0, 10, 5000)
few = X[:2048], Y[:2048]
settings = dict(epochs=1, batch_size=1024, learning_rate=0.1, rng=0, progress=False)
def fork(task):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if task() else 1)
    return child
def end(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


@forks
@pytest.mark.parametrize(
    ("layers", "number"),
    [
        pytest.param([784, 64, 32, 10], 8, marks=pytest.mark.long),
        pytest.param([784, 64, 32, 10], 100, marks=pytest.mark.thorough),
        pytest.param([784, 1200, 1200, 10], 24, marks=pytest.mark.thorough),
    ],
)
def test_a_child_forked_in_the_middle_of_it_computes_too(layers: list[int], number: int) -> None:
    code = """
probabilities, trained = predict_proba(network, X), train(network, *few, **settings)[0].w[0]
def predicts():
    return np.array_equal(predict_proba(network, X), probabilities)
def trains():
    return np.array_equal(train(network, *few, **settings)[0].w[0], trained)
def forks_again():
    thread = threading.Thread(target=predicts)
    thread.start()
    time.sleep(rng.random() / 100)
    return end(fork(predicts)) == 0 and thread.join() is None
def hold():
    with one_blas_thread():
        pass
stop = threading.Event()
def repeat(task):
    while not stop.is_set():
        task()
threads = [threading.Thread(target=repeat, args=[task]) for task in (predicts, trains, hold)]
for thread in threads:
    thread.start()
context = multiprocessing.get_context("fork")
for i in range(number):
    time.sleep(rng.random() / 100)
    print(end(fork([predicts, trains, forks_again][i % 3])), end=" ")
for _ in range(number // 4):
    process = context.Process(target=lambda: sys.exit(0 if predicts() else 1))
    process.start()
    process.join(20)
    print(process.exitcode, end=" ")
stop.set()
"""
    came = in_a_process(CHILDREN.format(layers=layers, number=number) + code).split()
    assert came == ["0"] * (number + number // 4)


@forks
@pytest.mark.parametrize(
    "number",
    [pytest.param(20, marks=pytest.mark.long), pytest.param(200, marks=pytest.mark.thorough)],
)
def test_a_child_forked_while_the_first_threads_start_computes_too(number: int) -> None:
    code = """
def predicts():
    return predict_proba(network, X).shape == (5000, 10)
def forks_at_the_start():
    # Nothing has been computed: threadpoolctl is yet to be imported, and a team to be started.
    first = threading.Thread(target=predicts)
    first.start()
    time.sleep(delay)
    return end(fork(predicts)) == 0 and first.join() is None
for i in range(number):
    delay = i / number * 0.04
    print(end(fork(forks_at_the_start)), end=" ")
print("threadpoolctl" in sys.modules)
"""
    came = in_a_process(CHILDREN.format(layers=[784, 64, 10], number=number) + code).split()
    assert came == ["0"] * number + ["False"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process")
def test_a_process_bound_to_one_core_takes_one() -> None:
    code = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import threading
from mnist_nn.compute import available_cores, one_blas_thread, map_slices
map_slices(lambda rows: rows, 10_000)
with one_blas_thread() as cores:
    print(available_cores(), cores, threading.active_count())
"""
    assert in_a_process(code).split() == ["1", "1", "1"]


# In WebAssembly: what CPython lacks there, and what NumPy does.
BROWSER = """
import _thread, errno, os, subprocess, sys, threading
import numpy
def no_thread(*_, **__):
    raise RuntimeError("can't start new thread")
def no_process(*_, **__):
    raise OSError(errno.ENOTSUP, "emscripten does not support processes.")
threading.Thread.start = _thread.start_new_thread = _thread.start_joinable_thread = no_thread
subprocess.Popen.__init__ = no_process
sys.modules |= {"_multiprocessing": None, "fcntl": None}
for name in {"fork", "register_at_fork", "sched_getaffinity"} & {*dir(os)}:
    delattr(os, name)
os.cpu_count = lambda: 8
numpy.show_config = lambda mode: {}
"""
# As with the limit on a user's threads, which root does not have: there is no room for a stack.
NO_ROOM = """
import threading
threading.stack_size(2**47)
"""
EVERYTHING = """
import hashlib, io, tempfile, threading, warnings
from pathlib import Path
warnings.simplefilter("error", RuntimeWarning)
from mnist_nn import *
digits = load_mnist()
X, Y = digits.train_X[:3000], digits.train_Y[:3000]
start = init_params([784, 32, 10], rng=0)
settings = dict(
    epochs=2, batch_size=1100, optimizer=Adam(0.002), rng=0, dropout=0.1, augment=deform,
    validation=(digits.test_X[:2000], digits.test_Y[:2000]), patience=2,
)
with tempfile.TemporaryDirectory() as folder:
    settings["checkpoint"] = Path(folder, "run.npz")
    trained, history = train(start, X, Y, **settings)
    resumed, _ = train(start, X, Y, **settings)
    save_model(Path(folder, "model.npz"), trained)
    loaded = load_model(Path(folder, "model.npz"))
descended, _ = gradient_descent(start, X, Y, iterations=3)
probabilities = predict_proba(loaded, digits.test_X)
plot_history(history).savefig(io.BytesIO())
arrays = [*digits, probabilities]
for network in (trained, resumed, loaded, descended):
    arrays += [*network.w, *network.b]
print(*[hashlib.sha256(array.tobytes()).hexdigest() for array in arrays])
print(predict_index(42), predict_image(DATA_DIR / "digit_photo.jpg"))
"""


@pytest.fixture(scope="module")
def with_threads() -> str:
    return in_a_process(EVERYTHING)


@pytest.mark.long
@pytest.mark.parametrize(
    "system",
    [
        BROWSER,
        pytest.param(
            NO_ROOM,
            marks=pytest.mark.skipif(
                sys.platform == "win32", reason="Windows limits the room for a stack"
            ),
        ),
    ],
    ids=["browser", "no room"],
)
def test_where_no_thread_can_be_started_everything_works_on_one(
    system: str, with_threads: str
) -> None:
    came = in_a_process(f"{system}{EVERYTHING}\nprint(threading.active_count())")
    assert came == with_threads + "1\n"


def test_when_some_threads_cannot_be_started_none_is_left() -> None:
    code = """
import threading
start, started = threading.Thread.start, []
def start_two(thread):
    if len(started) == 2:
        raise RuntimeError("can't start new thread")
    started.append(thread)
    start(thread)
threading.Thread.start = start_two
from mnist_nn import compute
try:
    compute._team(3)
except RuntimeError:
    for thread in started:
        thread.join(600)
    print(len(started), threading.active_count())
"""
    assert in_a_process(code).split() == ["2", "1"]


@several_cores
def test_an_interrupt_while_the_threads_start_leaves_none_behind() -> None:
    code = """
import threading
wait = threading.Barrier.wait
def interrupted(barrier):
    if threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt
    return wait(barrier)
threading.Barrier.wait = interrupted
from mnist_nn.compute import map_slices
try:
    map_slices(len, 9000)
except KeyboardInterrupt:
    print("interrupted")
threading.Barrier.wait = wait
print(len(map_slices(lambda rows: rows, 9000)))
"""
    assert in_a_process(code).split() == ["interrupted", "8"]  # and it ends


@several_cores
def test_callers_that_come_at_once_get_one_team() -> None:
    code = """
import threading
from mnist_nn.compute import map_slices
all_are_there = threading.Barrier(6)
def call():
    all_are_there.wait()
    map_slices(lambda rows: rows, 9000)
callers = [threading.Thread(target=call) for _ in range(6)]
for caller in callers:
    caller.start()
for caller in callers:
    caller.join()
print(sum(thread.name.startswith("mnist_nn") for thread in threading.enumerate()))
"""
    assert in_a_process(code).split() == [str(CORES - 1)]


def test_a_program_that_is_ending_still_computes() -> None:
    code = """
import atexit
import numpy as np
from mnist_nn import init_params, make_predictions
network, X = init_params([20, 8, 10], rng=0), np.random.default_rng(0).random((9000, 20))
expected = make_predictions(network, X)
atexit.register(lambda: print((make_predictions(network, X) == expected).all()))
"""
    assert in_a_process(code).split() == ["True"]


@pytest.mark.parametrize("variable", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"])
def test_who_asks_blas_for_one_thread_gets_one(variable: str) -> None:
    code = f"""
import os
os.environ[{variable!r}] = "1"
import numpy, threadpoolctl
heeded = {{1}} == {{blas["num_threads"] for blas in threadpoolctl.threadpool_info()}}
from mnist_nn.compute import one_blas_thread
with one_blas_thread() as cores:
    print(cores == 1 or not heeded)
"""
    assert in_a_process(code).split() == ["True"]


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def test_the_time_that_control_groups_allow_is_read(tmp_path: Path) -> None:
    # Version 2: the group's own limit, that of the group above it, and none at the root.
    two, one = tmp_path / "two", tmp_path / "one"
    write(two / "a" / "b", cpu__max="max 100000")
    write(two / "a", cpu__max="150000 100000")
    write(tmp_path, membership_2="0::/a/b", membership_1="3:cpuset:/x\n2:cpu,cpuacct:/x\n0::/")
    assert _quotas(tmp_path / "membership_2", two) == [1.5]
    # In a container the group's name may be that of outside: its files are at the root.
    write(two, cpu__max="50000 100000")
    write(tmp_path, membership_of_outside="0::/docker/0123")
    assert _quotas(tmp_path / "membership_of_outside", two) == [0.5]
    # Version 1.
    write(one / "cpu,cpuacct", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    write(one / "cpu,cpuacct" / "x", cpu__cfs_quota_us="200000", cpu__cfs_period_us="50000")
    assert _quotas(tmp_path / "membership_1", one) == [4]
    assert _quotas(tmp_path / "none", one) == []


@pytest.mark.parametrize(("quotas", "most"), [([], 10**6), ([0.5], 1), ([1.5, 40.0], 2)])
def test_no_more_cores_than_are_allowed(quotas, most, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnist_nn.compute._quotas", list)
    bound_to = available_cores()
    monkeypatch.setattr("mnist_nn.compute._quotas", lambda: quotas)
    assert available_cores() == min(bound_to, most)


def test_errors_reach_the_caller() -> None:
    before = blas_threads()

    def fail(rows: slice) -> None:
        raise ValueError(f"rows from {rows.start}")

    with pytest.raises(ValueError, match="rows from 0"):
        map_slices(fail, 3 * BLOCK)
    assert blas_threads() == before


def test_threads_take_over_errstate() -> None:
    def divide(_: slice) -> float:
        return np.ones(1) / np.zeros(1)

    with np.errstate(divide="ignore"):  # a warning would be an error here
        assert np.isinf(map_slices(divide, 2 * BLOCK)).all()
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        map_slices(divide, 2 * BLOCK)


@pytest.mark.filterwarnings("ignore:training ended with a loss")  # of random labels
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


@several_cores
def test_number_of_cores_does_not_change_wide_layers_either() -> None:
    # By the oldest kernel of OpenBLAS that NumPy supports; its sums depend on the rows and columns
    # of a product.
    code = """
import os
os.environ["OPENBLAS_CORETYPE"] = "Nehalem"
import numpy as np
from threadpoolctl import threadpool_limits
from mnist_nn import init_params
from mnist_nn import predict_proba
X = np.random.default_rng(0).random((9001, 401), np.float32)
network = init_params([401, 203, 10], rng=0)
every = predict_proba(network, X)
with threadpool_limits(1):
    print(np.array_equal(every, predict_proba(network, X)))
"""
    assert in_a_process(code) == "True\n"


def test_predictions_of_many_digits_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    X = rng.random((2 * BLOCK + 100, 20))
    network = init_params([20, 8, 10], rng=0)
    few = np.arange(0, len(X), 97)
    expected = forward_prop(network, X[few])[-1]
    np.testing.assert_allclose(predict_proba(network, X)[few], expected, rtol=1e-12)
    assert np.array_equal(make_predictions(network, X)[few], expected.argmax(axis=1))
