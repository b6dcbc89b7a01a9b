"""Run a notebook in a terminal: show which cell runs, what it prints, and how training goes.

uv run --locked notebooks/run.py notebooks/03_number_recognition.ipynb

The notebook stays as it is. The executed copy goes into the folder ``build``.
"""

import argparse
import asyncio
import math
import os
import re
import shutil
import signal
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

REPOSITORY = Path(__file__).resolve().parent.parent

_LINES = 24  # of an output; the copy has the rest


class Runner(NotebookClient):
    """Executes a notebook and prints its headings, cells and text as they come."""

    cell = ""  # the newest, by its number and first line
    _interrupted = math.inf  # when
    _redrawn = ""  # a line that the next may replace
    _printed = 0.0

    def on_start(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        """Print the headings of a cell of prose, the number and first line of a cell of code."""
        if os.name != "nt":  # Ctrl-C stops the cell, as in Jupyter, and not the kernel
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupt)
        if cell.cell_type == "markdown":
            prose = re.sub(r"(?s)```.*?```", "", cell.source)
            for heading in re.findall(r"(?m)^#+ (.+)", prose):
                self._print(f"\n{heading}")
        else:
            cells = [index for index, one in enumerate(self.nb.cells) if one.cell_type == "code"]
            first, *more = cell.source.splitlines() or [""]
            number = f"[{cells.index(cell_index) + 1} of {len(cells)}]"
            self.cell = f"{number} {first}{' …' if more else ''}"
            self._print(self.cell)

    def process_message(self, msg: dict[str, Any], cell: nbformat.NotebookNode, index: int) -> Any:
        """Print the text of a message; the text of a picture that is redrawn is redrawn too."""
        content = msg["content"]
        text = content.get("data", {}).get("text/plain", "")
        if re.match(r"<[\w.]+ .*>$", text):  # such as <Figure size 1000x250 with 16 Axes>
            text = ""
        redrawn = bool(content.get("transient", {}).get("display_id"))
        lines = content.get("text", text).splitlines()
        for line in lines[:_LINES] + ["…"] * (len(lines) > _LINES):
            self._print(f"    {line}", redrawn=redrawn)
        return super().process_message(msg, cell, index)

    def _interrupt(self) -> None:
        now = time.monotonic()
        if now - self._interrupted > 1:  # the cell goes on: a single Ctrl-C may come twice
            os._exit(130)  # the kernel notices, and ends too
        self._interrupted = min(now, self._interrupted)
        self._interrupting = asyncio.ensure_future(self.km.interrupt_kernel())

    def _print(self, line: str, *, redrawn: bool = False) -> None:
        before, self._redrawn = self._redrawn, line if redrawn else ""
        if sys.stdout.isatty():
            line = line[: shutil.get_terminal_size().columns - 1]
            start = "\r\033[K" if redrawn and before else "\n" if before else ""
            print(start + line, end="" if redrawn else "\n", flush=True)
        elif not redrawn or time.monotonic() - self._printed > 10:
            print(*filter(None, [not redrawn and before, line]), sep="\n", flush=True)
            self._printed = time.monotonic()


def main() -> None:
    """Run the notebook that the command names."""
    sys.stdout.reconfigure(encoding="utf-8")  # in a pipe on Windows, it has no ≤
    warnings.filterwarnings("ignore", "Proactor event loop")  # ZeroMQ's way to say Windows
    parser = argparse.ArgumentParser(description="Run a notebook, and keep it as it is.")
    parser.add_argument("notebook", type=Path)
    path: Path = parser.parse_args().notebook
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        cells = notebook.cells
    except (OSError, ValueError, AttributeError) as error:
        parser.error(f"{path} should be a notebook, but cannot be read ({type(error).__name__})")
    for cell in cells:
        if cell.cell_type == "code":  # or what another run has left would seem to be from this one
            cell.outputs, cell.execution_count = [], None
    runner = Runner(
        notebook,
        # Or the kernel warns that what it sends within this machine is not encrypted.
        config=Config(KernelManager={"transport_encryption": "auto"}),
        resources={"metadata": {"path": path.parent}},
        record_timing=False,
    )
    runner.on_cell_start = runner.on_start
    trouble = ""
    try:
        runner.execute()
    except CellExecutionError as error:
        stopped = error.ename in ("KeyboardInterrupt", "TrainingInterrupted")
        reason = "stopped" if stopped else f"{error.ename}: {error.evalue}"
        trouble = f"\n{reason}\nin the cell {runner.cell}"
    except (Exception, asyncio.CancelledError, KeyboardInterrupt) as error:
        trouble = f"\nThe kernel has ended, or has not started ({type(error).__name__})"
    if trouble and not runner.cell:
        sys.exit(trouble)
    copy = REPOSITORY / "build" / path.name
    copy.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, copy)
    with suppress(ValueError):  # there is no relative path to another drive
        copy = Path(os.path.relpath(copy))
    if trouble:
        sys.exit(f"{trouble}\nThe cells that ran are in {copy}")
    print(f"\nThe executed copy is {copy}; this opens it: uv run --locked jupyter lab {copy}")


if __name__ == "__main__":
    main()
