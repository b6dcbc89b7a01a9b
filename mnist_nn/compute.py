"""Matrix products and loops over rows that use every core, in threads that sleep while they wait.

A BLAS that spreads a product over the cores lets its threads spin until the last one is done. As
soon as another process wants one of the cores, they spend nearly all their time on that. Here BLAS
is limited to one thread, and our own threads share the work and sleep when there is none.
"""

import math
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from functools import cache, partial
from itertools import repeat
from pathlib import Path, PurePosixPath
from threading import Barrier, RLock, current_thread, main_thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import numpy as np

from mnist_nn.checks import Floats

if TYPE_CHECKING:
    from threadpoolctl import LibController

T = TypeVar("T")

BLOCK = 3840
"""The most rows in a slice: few enough to bound the memory that it takes."""

_WORTH_A_THREAD = 512  # rows: a smaller slice is computed faster than it is handed over
_GRACE_SECONDS = 5  # for an interrupted computation to end before another interrupt stops it
_SLICES = 8  # into which a few thousand rows are cut: more would cost two cores 5%


def matmul(A: Floats, B: Floats, order: Literal["C", "F"] = "C") -> Floats:
    """Multiply two matrices, ``A @ B``, in the way that is fastest for their shapes.

    OpenBLAS first copies both matrices into an order of its own, unless the product is small: up to
    100³ multiplications, and on some processors up to 1200 results. For a layer of ten neurons the
    copy takes longer than the product, and blocks of sixty rows do without it. A large product is
    shared among the cores: each 300³ multiplications are worth a thread.

    Parameters
    ----------
    A, B : (m, k) and (k, n) arrays
    order : {"C", "F"}
        Whether the rows ("C") or the columns ("F") of the product lie side by side in memory, as
        far as that costs nothing.
    """
    if order == "F":
        return matmul(B.T, A.T).T
    (m, k), n, rows = A.shape, B.shape[1], 60
    size = m * k * n
    product: Floats
    if size <= 100**3:
        product = A @ B
    elif m % rows == 0 and rows * k * n < 100**3 and rows * n <= 1200:
        # The rows of A in blocks: each gives rows of the product.
        product = (A.reshape(-1, rows, k) @ B).reshape(m, n)
    elif k % rows == 0 and m * rows * n < 100**3:
        # The sum over k in blocks: each gives a part of every number of the product.
        parts = A.T.reshape(-1, rows, m).swapaxes(1, 2) @ B.reshape(-1, rows, n)
        product = parts.sum(axis=0)
    elif size >= 2 * 300**3:
        # The rows of A or the columns of B in parts: each gives as much of the product.
        product = np.empty((m, n), np.result_type(A, B))
        with Interrupts(), one_blas_thread() as cores:
            cut = partial(np.array_split, indices_or_sections=min(cores, size // 300**3))
            if n > m:
                shares = zip(repeat(A), cut(B, axis=1), cut(product, axis=1), strict=False)
            else:
                shares = zip(cut(A), repeat(B), cut(product), strict=False)
            share([partial(np.matmul, *arrays) for arrays in shares])
    else:
        product = A @ B
    return product


def by_columns(array: Floats) -> Floats:
    """Lay the numbers of each column side by side in memory (Fortran order).

    Products are fastest with weights stored that way, and NumPy reduces ten long columns faster
    than many short rows.
    """
    return np.asfortranarray(array)


def map_slices(function: Callable[[slice], T], rows: int) -> list[T]:
    """Call ``function`` on slices of the rows, on all cores at once.

    The slices depend on ``rows`` alone, so the number of cores does not change the result. There
    are 2 of them from 1,024 rows on, 4 from 2,048, 8 from 4,096, 16 from 30,721, and so on in
    multiples of 8: that is how many cores have something to do.

    Parameters
    ----------
    function : callable
        Takes a slice. It runs in several threads: it must not change what another of them uses.
    rows : int
        How many there are: the slices together are ``slice(0, rows)``.

    Returns
    -------
    list
        What the calls returned, in the order of the slices.
    """
    if rows < 2 * _WORTH_A_THREAD:
        return share([partial(function, slice(0, rows))])
    number = min(_SLICES, 2 ** int(math.log2(rows / _WORTH_A_THREAD)))
    number *= math.ceil(rows / (number * BLOCK))
    size = 60 * math.ceil(rows / (60 * number))  # blocks of sixty rows suit `matmul`
    slices = [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
    return share([partial(function, part) for part in slices])


def share(parts: Sequence[Callable[[], T]]) -> list[T]:
    """Call each of the parts, on all cores at once, and return what they returned.

    The caller works as well, from the first part on, while other threads start from the last. Any
    part that no thread has started by then, the caller runs itself, so it never waits for a thread
    that has no core; where no thread can be started, it runs all of them. Meanwhile BLAS is limited
    to one thread (except Apple's, which cannot be).
    """
    if len(parts) == 1 and _holders:
        return [parts[0]()]  # as in every small step of a training
    with Interrupts() as interrupts, one_blas_thread() as cores:
        if len(parts) == 1:
            return [parts[0]()]
        results: dict[int, T] = {}
        waiting = deque(range(len(parts)))

        def work(take: Callable[[], int]) -> None:
            # Parts do not share their work further: the result would depend on the number of cores.
            _is_part.set(True)
            while True:
                interrupts.raise_if_one_came()
                try:
                    i = take()
                except IndexError:  # there are none left
                    return
                results[i] = parts[i]()

        helpers: list[Future[None]] = []
        try:
            with suppress(RuntimeError):  # no thread can be started, or the program is ending
                for _ in range(min(cores, len(parts)) - 1):
                    # What np.errstate has set is in a context, which a thread does not inherit.
                    run = partial(copy_context().run, work, waiting.pop)
                    helpers.append(_team(cores - 1).submit(run))
            copy_context().run(work, waiting.popleft)
        finally:
            waiting.clear()
            for helper in helpers:
                if not helper.cancel():
                    helper.exception()  # waits: no part goes on once the caller has left
        for helper in helpers:
            if not helper.cancelled():
                helper.result()  # raises what a part has raised
        return [results[i] for i in range(len(parts))]


class Interrupts:
    """A context in which an interrupt from the keyboard is noted, and raised where it does no harm.

    Anywhere else it could leave an import, a drawing or a step half done, and a lock locked for
    good: since Python 3.14 it may come between ``with lock`` and the block (CPython issue 148874).
    It is raised by `raise_if_one_came`, or at the end. If that does not come, another interrupt,
    some seconds later, is raised at once.
    """

    def __init__(self) -> None:
        self._first = math.inf  # when it came
        self._leaving = False
        self._handler: Any = None

    def __enter__(self) -> Self:
        # Signals are for the main thread alone, and somebody else's handler stays.
        if current_thread() is main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if handler is signal.default_int_handler:
                self._handler = handler
                signal.signal(signal.SIGINT, self._note)
                _noting.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.leave():
            raise KeyboardInterrupt

    def leave(self) -> bool:
        """Put the handler back, and tell whether an interrupt has come."""
        if self._handler is not None:
            _noting.remove(self)
            try:
                if signal.getsignal(signal.SIGINT) == self._note:  # nobody else's
                    signal.signal(signal.SIGINT, self._handler)
            except KeyboardInterrupt:  # it came as soon as the handler was back
                self._note()
        return self._first < math.inf

    def raise_if_one_came(self) -> None:
        """Raise KeyboardInterrupt if an interrupt has come."""
        if self._first < math.inf:
            raise KeyboardInterrupt

    def _note(self, *_: object) -> None:
        now = time.monotonic()
        self._first = min(self._first, now)
        if now - self._first > _GRACE_SECONDS and not self._leaving:
            raise KeyboardInterrupt


_noting: list[Interrupts] = []  # the one that has set a handler, if there is one


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt if an interrupt has come, in the middle of a part that takes long."""
    for interrupts in _noting:
        interrupts.raise_if_one_came()


_is_part: ContextVar[bool] = ContextVar("is_part", default=False)
_lock = RLock()
_holders: set[object] = set()
_threads: list[int] = []  # that each BLAS had before it was held
_teams: dict[int, ThreadPoolExecutor] = {}  # by their number of threads
_cores = 1


@contextmanager
def one_blas_thread() -> Iterator[int]:
    """Hold BLAS to one thread, and tell how many threads may share the work in its place.

    As many as BLAS would use, which follows ``OMP_NUM_THREADS`` and its kind, and no more than the
    processors that this process may use.
    """
    global _cores
    holder = object()
    # An interrupt may come anywhere in here: a holder that has left is never counted, and what has
    # not been given back is given back the next time.
    try:
        with _lock:
            if not _holders:
                _threads[:] = _threads or [library.num_threads or 1 for library in blas()]
                _cores = min([*_threads, available_cores()])
                _set_threads([1] * len(_threads))
            _holders.add(holder)
            cores = 1 if _is_part.get() else _cores
        yield cores
    finally:
        _holders.discard(holder)
        with _lock:
            if not _holders:
                _release()


def _release() -> None:
    if _threads:
        _set_threads(_threads)
        _threads.clear()


def _set_threads(numbers: Sequence[int]) -> None:
    for library, number in zip(blas(), numbers, strict=True):
        # From 3.8 on, threadpoolctl heeds only the thread that came first, until that one lets go.
        let_go = getattr(library, "clear_controlling_thread", lambda **_: None)
        let_go(force=True)
        library.set_num_threads(number)
        let_go()


def available_cores() -> int:
    """Count the processors that this process may use: those it is bound to, and its share of time.

    A container that is allowed the time of one and a half processors gets two.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, math.ceil(min(_quotas(), default=cores))))


@cache
def _quotas(
    membership: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")
) -> list[float]:
    """Read how many processors' time each control group above this process is allowed (Linux)."""
    quotas: list[float] = []
    with suppress(OSError):
        for line in membership.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            root = mount / controllers  # with version 2 the name is empty
            # A container may see the name that its group has outside: then only the root is there.
            for name in [group, *map(str, PurePosixPath(group).parents)]:
                folder = root / name.strip("/")
                files = ["cpu.cfs_quota_us", "cpu.cfs_period_us"] if controllers else ["cpu.max"]
                # No file at the root, and "max" for no limit; -1 with version 1.
                with suppress(OSError, ValueError):
                    words = " ".join((folder / file).read_text() for file in files).split()
                    quota, period = map(int, words)
                    if quota > 0:
                        quotas.append(quota / period)
    return quotas


def _team(threads: int) -> ThreadPoolExecutor:
    """Start the threads that help, once.

    Raises
    ------
    RuntimeError
        Where no more threads can be started: in a browser there are none, and elsewhere as many as
        the system allows.
    """
    with _lock:
        if threads not in _teams:
            team = ThreadPoolExecutor(threads, thread_name_prefix="mnist_nn")
            started = Barrier(threads + 1)
            try:
                for _ in range(threads):
                    team.submit(started.wait)
                started.wait()
            except BaseException:
                started.abort()  # or those that wait for the others would do so for ever
                team.shutdown(wait=False, cancel_futures=True)
                raise
            _teams[threads] = team
        return _teams[threads]


@cache
def blas() -> "list[LibController]":
    """Find the BLAS libraries in this process."""
    from threadpoolctl import ThreadpoolController

    libraries: list[LibController] = ThreadpoolController().select(user_api="blas").lib_controllers
    return libraries


def _start_afresh() -> None:
    """Forget the parent's threads and BLAS holders, which a forked child does not have."""
    _teams.clear()
    _holders.clear()
    _release()
    _lock.release()


if hasattr(os, "register_at_fork"):
    # A child has its parent's locks, and not the threads that hold them: those of threadpoolctl, of
    # its import, of a team that starts. So a fork waits until these moments have passed; and it
    # does so before concurrent.futures, imported above, takes a lock that a team needs to start.
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_start_afresh
    )
