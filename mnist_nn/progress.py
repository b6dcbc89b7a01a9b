"""Show how training goes: a bar in a terminal, one table redrawn in place in a notebook."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

_REDRAW_SECONDS = 0.25


def in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel, where figures and tables can be displayed."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class Progress:
    """A context that shows the newest row of a history and the time left.

    Parameters
    ----------
    total : int
        How many steps there are at most.
    unit : str
        What a step is called, "epoch" say; also the row's key for the number of steps done.
    shown : bool
        False shows nothing at all.
    """

    def __init__(self, total: int, unit: str, *, shown: bool = True) -> None:
        self._total, self._unit = total, unit
        self._row = {unit: f"0 of {total}"}
        self._start = self._drawn = time.perf_counter()
        self._bar: Any = None
        self._output: Any = None
        if shown and in_notebook():
            from IPython.display import display

            self._output = display(self._table(), raw=True, display_id=True)
        elif shown:
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit=unit)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._output is not None:
            self._row.pop("time left", None)
            self._output.update(self._table(), raw=True)
        if self._bar is not None:
            self._bar.close()

    def show(self, row: Mapping[str, float]) -> None:
        """Take over a row of the history, and draw it unless the last drawing is very recent."""
        now, done = time.perf_counter(), int(row[self._unit])
        figures = {
            name.replace("_", " "): f"{value:.2%}" if "accuracy" in name else f"{value:.4f}"
            for name, value in row.items()
            if name not in (self._unit, "seconds")
        }
        if self._bar is not None:
            self._bar.set_postfix(figures, refresh=False)
            self._bar.update(done - self._bar.n)
        if self._output is not None:
            passed = now - self._start
            left = passed / done * (self._total - done) if done else 0.0
            self._row = {
                self._unit: f"{done} of {self._total}",
                **figures,
                "time": f"{passed:.0f} s",
                "time left": f"≤ {left:.0f} s",
            }
            if now - self._drawn >= _REDRAW_SECONDS:
                self._drawn = now
                self._output.update(self._table(), raw=True)

    def _table(self) -> dict[str, str]:
        # Not a pandas table: to import pandas takes a second, and the first sign should take none.
        names = "".join(f"<th>{name}</th>" for name in self._row)
        figures = "".join(f"<td>{figure}</td>" for figure in self._row.values())
        return {
            "text/html": f"<table><tr>{names}</tr><tr>{figures}</tr></table>",
            "text/plain": ", ".join(f"{name} {figure}" for name, figure in self._row.items()),
        }
