"""Show how training goes: a bar in a terminal, one picture redrawn in place in a notebook."""

import html
import io
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_REDRAW_SECONDS = 0.5
_COST = 0.03  # of the time may go into drawing; what shows it takes some more


def in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel, where figures and tables can be displayed."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class Progress:
    """A context that keeps the rows of a history, and shows the newest and the time left.

    Parameters
    ----------
    total : int
        How many steps there are at most.
    unit : str
        What a step is called, "epoch" say; also the row's key for the number of steps done.
    shown : bool
        False shows nothing at all.
    plot : callable, optional
        Draws the history so far, such as `plot_history`: in a notebook its picture then takes the
        place of the table. It is drawn at most twice a second, and more seldom where that would
        take more than a twentieth of the time. If it fails, the table says why and stays.
    """

    def __init__(
        self,
        total: int,
        unit: str,
        *,
        shown: bool = True,
        plot: "Callable[[pd.DataFrame], Figure] | None" = None,
    ) -> None:
        self._total, self._unit, self._plot = total, unit, plot
        self._rows: list[Mapping[str, float]] = []
        self._bar: Any = None
        self._output: Any = None
        self._state = {unit: f"0 of {total}"}
        self._trouble: dict[str, str] = {}  # with the picture
        if shown and in_notebook():
            from IPython.display import display

            # Not a picture, nor a pandas table: to import what draws them takes a second, and the
            # first sign should take none.
            self._output = display(self._table(), raw=True, display_id=True)
        elif shown:
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit=unit)
        self._start = self._drawn = time.perf_counter()
        self._drawings, self._pause = 0, _REDRAW_SECONDS

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
        """Take over a row of the history, and draw it unless the last drawing is very recent."""
        self._rows.append(row)
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
                **figures,
                "time": f"{passed:.0f} s",
                "time left": f"≤ {left:.0f} s",
            }
            if now - self._drawn >= self._pause:
                self._draw()
                self._drawn = time.perf_counter()
                if self._drawings > 1:  # the first loads what draws them
                    self._pause = max(_REDRAW_SECONDS, (self._drawn - now) / _COST)

    def history(self) -> "pd.DataFrame":
        """Make one table of the rows, indexed by the number of steps done."""
        import pandas as pd

        return pd.DataFrame(self._rows or {self._unit: []}).set_index(self._unit)

    def _draw(self) -> None:
        content = None
        if self._plot is not None and self._rows:
            try:
                content = self._picture(self._plot(self.history()))
            except Exception as error:  # whatever it is, it must not cost the training
                self._plot = None
                self._trouble["picture"] = f"not drawn, {type(error).__name__}: {error}"
        self._output.update(content or self._table(), raw=True)
        self._drawings += 1

    def _picture(self, figure: "Figure") -> dict[str, Any]:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        file = io.BytesIO()
        figure.suptitle(self._text(), fontsize="medium")
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
        return ", ".join(
            f"{name} {figure}" for name, figure in (self._state | self._trouble).items()
        )
