"""Show how training goes: a bar in a terminal, one picture redrawn in place in a notebook."""

import html
import io
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_REDRAW_SECONDS = 0.5
_COST = 0.03  # of the time may go into drawing; what shows it takes some more


def in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel, where figures and tables can be displayed."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class Progress:
    """A context that shows the newest figures of a run, and the time left.

    Parameters
    ----------
    total : int
        How many steps there are at most.
    unit : str
        What a step is called, such as "epoch"; also the key of a row's number of steps done.
    rows : sequence of mappings
        The rows of a run that goes on.
    shown : bool
        False shows nothing at all.
    plot : callable, optional
        Returns a figure of the run so far, which takes the place of the table in a notebook. It is
        drawn at most twice a second, and less often where that would take more than a twentieth of
        the time. If it fails, the table says why and stays.
    """

    def __init__(
        self,
        total: int,
        unit: str,
        rows: Sequence[Mapping[str, float]] = (),
        *,
        shown: bool = True,
        plot: "Callable[[], Figure] | None" = None,
    ) -> None:
        self._total, self._unit, self._plot = total, unit, plot
        self._bar: Any = None
        self._output: Any = None
        self._state = {unit: f"0 of {total}"}
        self._trouble: dict[str, str] = {}  # with the picture
        if shown and in_notebook():
            from IPython.display import display

            # Not a picture, nor a pandas table: importing what draws them takes a second, and the
            # first sign should be immediate.
            self._output = display(self._table(), raw=True, display_id=True)
        elif shown:
            from tqdm import tqdm

            # tqdm would start a thread to keep watch over its guess of how often to look at the
            # clock; this bar looks every time.
            bar = type("Bar", (tqdm,), {"monitor_interval": 0})
            done = int(rows[-1][unit]) if rows else 0
            self._bar = bar(total=total, unit=unit, initial=done, miniters=0)
        self._start = self._drawn = time.perf_counter()
        self._drawings, self._pause, self._is_empty = 0, _REDRAW_SECONDS, True
        if rows:
            self._start -= rows[-1]["seconds"]
            self.show(rows[-1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._output is not None:
            self._state.pop("time left", None)
            self._draw()
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()

    def show(self, row: Mapping[str, float]) -> None:
        """Show a row of figures, unless the last drawing is very recent."""
        self._is_empty = False
        now, done = time.perf_counter(), int(row[self._unit])
        figures = {
            name.replace("_", " "): f"{value:.2%}" if "accuracy" in name else f"{value:.4f}"
            for name, value in row.items()
            if name not in (self._unit, "seconds")
        }
        if self._bar is not None:
            try:
                self._bar.set_postfix(figures, refresh=False)
                self._bar.update(done - self._bar.n)
            except OSError:  # the terminal has been closed, and training goes on
                self._bar = None
        if self._output is not None:
            passed = now - self._start
            left = passed / done * (self._total - done) if done else 0.0
            self._state = {
                self._unit: f"{done} of {self._total}",
                "time left": f"≤ {left:.0f} s",  # where a narrow terminal still shows it
                **figures,
                "time": f"{passed:.0f} s",
            }
            if now - self._drawn >= self._pause:
                self._draw()
                self._drawn = time.perf_counter()
                if self._drawings > 1:  # the first loads what draws them
                    self._pause = max(_REDRAW_SECONDS, (self._drawn - now) / _COST)

    def _draw(self) -> None:
        content = None
        if self._plot is not None and not self._is_empty:
            try:
                content = self._picture(self._plot())
            except Exception as error:  # whatever it is, it must not cost the training
                self._plot = None
                self._trouble["picture"] = f"not drawn, {type(error).__name__}: {error}"
        self._output.update(content or self._table(), raw=True)
        self._drawings += 1

    def _picture(self, figure: "Figure") -> dict[str, Any]:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        file = io.BytesIO()
        # Each panel has its own figures above it; one line of all would have to be tiny.
        rest = dict(self._state)
        for axis in figure.axes:
            measure = axis.get_title()
            own = [name for name in rest if name.endswith(measure)]
            ends = [f"{name.removesuffix(measure)}{rest.pop(name)}" for name in own]
            axis.set_title(f"{measure}: {', '.join(ends)}", y=1, fontsize=14)
        figure.suptitle(_line(rest), fontsize=16, y=0.99)
        figure.set_dpi(72)
        FigureCanvasAgg(figure).print_png(file)  # savefig would draw it twice
        return {"image/png": file.getvalue(), "text/plain": self._text()}

    def _table(self) -> dict[str, Any]:
        shown = {
            name: html.escape(figure) for name, figure in (self._state | self._trouble).items()
        }
        names = "".join(f"<th>{name}</th>" for name in shown)
        figures = "".join(f"<td>{figure}</td>" for figure in shown.values())
        return {
            "text/html": f"<table><tr>{names}</tr><tr>{figures}</tr></table>",
            "text/plain": self._text(),
        }

    def _text(self) -> str:
        return _line(self._state | self._trouble)


def _line(state: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {figure}" for name, figure in state.items())
