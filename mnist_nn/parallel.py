"""Use every core: NumPy computes in several threads at once, each on digits of its own."""

import math
import os
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import cache
from itertools import repeat
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

T = TypeVar("T")

BLOCK = 3840
"""The most rows in a slice: worth a thread, and few enough to bound the memory that it takes."""

_limits_blas = Lock()


def over_rows(function: Callable[[slice], T], rows: int) -> list[T]:
    """Call ``function`` on slices of at most `BLOCK` rows, on all cores at once.

    NumPy lets other threads run while it computes, so that they share the element-wise work as well
    as the products. Its BLAS, which by itself spreads only large products over the cores, is held
    to one meanwhile (but for Apple's, which cannot be). The slices depend on ``rows`` alone: above
    `BLOCK` rows, where there are several, the number of cores does not change the result.

    Parameters
    ----------
    function : callable
        Takes a slice. It runs in several threads: it must not change what another of them uses, and
        not call ``over_rows`` for more than `BLOCK` rows itself.
    rows : int
        How many there are: the slices together are ``slice(0, rows)``.

    Returns
    -------
    list
        What the calls returned, in the order of the slices.
    """
    if rows <= BLOCK:
        return [function(slice(0, rows))]
    from concurrent.futures import ThreadPoolExecutor

    # Four slices, or eight, and so on: equal work for two or four cores. Sixties suit `matmul`.
    number = 4 * math.ceil(rows / (4 * BLOCK))
    size = 60 * math.ceil(rows / (60 * number))
    slices = [slice(start, min(start + size, rows)) for start in range(0, rows, size)]

    # What np.errstate has set belongs to a context, which a thread does not inherit.
    contexts = [copy_context() for _ in slices]
    with _limits_blas:
        # As many threads as BLAS would use, which follows OMP_NUM_THREADS and its kind.
        counts = [library.num_threads or 1 for library in _blas().lib_controllers]
        cores = max(counts, default=os.cpu_count())
        with _blas().limit(limits=1), ThreadPoolExecutor(cores) as threads:
            return list(threads.map(Context.run, contexts, repeat(function), slices))


@cache
def _blas() -> "ThreadpoolController":
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
