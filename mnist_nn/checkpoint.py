"""Write a training run down between epochs, and go on from there after a crash."""

import hashlib
import inspect
import math
import platform
import time
import types
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mnist_nn.checks import Array, Floats
from mnist_nn.environment import version
from mnist_nn.files import UnreadableError
from mnist_nn.storage import read_archive, write_archive

__all__ = ["CheckpointError"]

_FORMAT = 1
_COST = 0.02  # of the time of training
_MOST_ROWS_BYTES = 2**26  # of a history: 8 million numbers
_MOST_DIFFERENCES = 5


class CheckpointError(ValueError):
    """The file is not a checkpoint of this run; the message says what differs, and what to do."""


class Run(Protocol):
    """What a run has to tell, to be written down and taken up again."""

    unit: str
    rows: list[dict[str, float]]
    finished: bool

    def arrays(self) -> dict[str, Floats]: ...

    def facts(self) -> dict[str, Any]: ...

    def restore(self, facts: Any, arrays: dict[str, Array], rows: Any) -> None: ...


class Checkpoint:
    """The file that a run is written down in; without a path, it does nothing.

    Parameters
    ----------
    path : path, optional
    run : Run
    arguments
        All that shapes the result of the run: it goes on only if they are the same.
    """

    def __init__(self, path: Path | str | None, run: Run, **arguments: Any) -> None:
        self._path, self._run = None if path is None else Path(path), run
        self._arguments = {} if path is None else describe(arguments)
        self._due, self._own = 0.0, (0, 0)

    def resume(self) -> None:
        """Go on from the file; if there is none, write one now, so that a bad path is found.

        Raises
        ------
        CheckpointError
            If it is not a checkpoint of this run.
        OSError
            If it cannot be written.
        """
        if self._path is None:
            return
        if not self._path.exists():  # or a link leads nowhere yet
            self._write(self._path)
            return
        saved = self._read(self._path)
        try:
            table, columns = saved.arrays.pop("rows"), saved.card["columns"]
            if table.dtype != float or not np.isfinite(table).all():
                raise ValueError("the history should hold finite numbers")
            rows = [dict(zip(columns, row, strict=True)) for row in table.tolist()]
            self._run.restore(saved.card["state"], saved.arrays, rows)
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self._path} should hold the state of a training run, but is damaged; choose "
                "another path, or delete the file to start again"
            ) from error
        self._own = _identity(self._path)

    def save(self) -> None:
        """Write the run down, if it has ended or enough time has passed."""
        if self._path and (self._run.finished or time.perf_counter() >= self._due):
            try:
                # Meanwhile another run, or somebody else, may have written there.
                if self._path.exists() and _identity(self._path) != self._own:
                    self._read(self._path)
                self._write(self._path)
            except (CheckpointError, OSError) as error:  # training is worth more than the file
                said = error.strerror if isinstance(error, OSError) else error
                # The line that called gradient_descent, or train, with run_epochs in between.
                level = 5 if self._run.unit == "epoch" else 3
                warnings.warn(f"{said}; training goes on", RuntimeWarning, stacklevel=level)

    def _write(self, path: Path) -> None:
        start, rows = time.perf_counter(), self._run.rows
        card = {
            "checkpoint": _FORMAT,
            "arguments": self._arguments,
            "versions": _versions(),
            "columns": [*rows[0]] if rows else [],
            "state": self._run.facts(),
        }
        table = np.array([[*row.values()] for row in rows], float)
        try:
            write_archive(path, card, {**self._run.arrays(), "rows": table})
            self._own = _identity(path)
        finally:
            now = time.perf_counter()
            self._due = now + (now - start) / _COST

    def _read(self, path: Path) -> "_Saved":
        size = sum(array.nbytes for array in self._run.arrays().values())
        try:
            saved = _Saved(*read_archive(path, size + _MOST_ROWS_BYTES))
        except UnreadableError as error:
            raise CheckpointError(
                f"{path} should be a checkpoint of this run, but {error}; choose another path"
            ) from error
        form = saved.card.get("checkpoint")
        if type(form) is not int or form != _FORMAT:
            what = "something else, such as a model" if form is None else "of another format"
            raise CheckpointError(
                f"{path} should be a checkpoint of format {_FORMAT}, but is {what}; choose another "
                "path"
            )
        saved.check(path, self._arguments)
        return saved


class _Saved:
    """What a checkpoint holds."""

    def __init__(self, card: dict[str, Any], arrays: dict[str, Array]) -> None:
        self.card, self.arrays = card, arrays

    def check(self, path: Path, arguments: Mapping[str, Any]) -> None:
        """Raise CheckpointError if it is of a run with other arguments or versions."""
        found = [
            *_differences(self.card.get("arguments"), arguments),
            *_differences(self.card.get("versions"), _versions()),
        ]
        if not found:
            return
        shown = ", ".join(found[:_MOST_DIFFERENCES])
        if len(found) > _MOST_DIFFERENCES:
            shown += f" and {len(found) - _MOST_DIFFERENCES} more"
        if any(difference.startswith("rng") for difference in found):
            shown += " (a generator that has been used is another one; a seed stays the same)"
        raise CheckpointError(
            f"{path} is the checkpoint of another run, which differs in {shown}; call it with the "
            "same arguments, choose another path, or delete the file to start again"
        )


def _differences(there: Any, here: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """Say where two descriptions differ: ``optimizer.momentum (0.0 there, 0.9 here)``."""
    if isinstance(there, dict) and isinstance(here, dict) and depth < 9:
        for key in dict.fromkeys([*here, *there]):
            inner = f"{name}.{key}".strip(".")
            yield from _differences(there.get(key), here.get(key), inner, depth + 1)
    elif there != here:
        yield f"{_brief(name)} ({_brief(there)} there, {_brief(here)} here)"


def _brief(description: Any) -> str:
    """Shorten what may come from a file of anybody."""
    if isinstance(description, dict):
        description = description.get("name", description.get("kind", "something else"))
    text = str(description)
    text = text if len(text) < 60 else f"{text[:50]}…"
    return text if text.isprintable() else ascii(text)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def _versions() -> dict[str, str]:
    python = ".".join(platform.python_version_tuple()[:2])
    return {"mnist_nn": version(), "numpy": np.__version__, "python": python}


def describe(value: Any, depth: int = 0) -> Any:
    """Describe an argument in what JSON can hold, so that equal ones have equal descriptions.

    An array is described by its SHA-256; a function by its name, its code, and the values from
    outside that it uses. What these use in turn is not looked at.
    """
    if depth > 9 or isinstance(value, types.ModuleType):  # or an object that contains itself
        return type(value).__qualname__
    inner = partial(describe, depth=depth + 1)
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        content = np.ascontiguousarray(value)
        return f"{value.dtype} of shape {value.shape}, {_digest(content.data)}"
    if isinstance(value, Mapping):
        return {str(key): inner(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [inner(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str | float | int | None):
        return value
    if isinstance(value, np.random.Generator):
        bits = value.bit_generator
        spawned = getattr(bits.seed_seq, "n_children_spawned", 0)
        return f"a generator, {_digest(str([inner(bits.state), spawned]).encode())}"
    if isinstance(value, partial):
        return {**inner(value.func), "arguments": inner(value.args), **inner(value.keywords)}
    if is_dataclass(value) and not isinstance(value, type):
        settings = {field.name: getattr(value, field.name) for field in fields(value)}
        return {"kind": type(value).__name__, **inner(settings)}
    return _described_function(value, inner)


def _described_function(value: Any, inner: Any) -> dict[str, Any]:
    """Describe a function, a method, or an object of another kind."""
    function = getattr(value, "__func__", value)
    if callable(value) and not inspect.isfunction(function):
        function = getattr(value.__call__, "__func__", None)
    owner = value if hasattr(value, "__qualname__") else type(value)
    described = {"name": f"{owner.__module__}.{owner.__qualname__}"}
    values = dict(getattr(getattr(value, "__self__", value), "__dict__", {}))
    if inspect.isfunction(function):
        described["code"] = _digest(repr(_code(function.__code__)).encode())
        outside = inspect.getclosurevars(function)
        plain = (str, float, int, np.generic, np.ndarray, tuple, list)
        values |= {
            name: item
            for name, item in {**outside.globals, **outside.nonlocals}.items()
            if isinstance(item, plain)
        }
        values |= {"defaults": [function.__defaults__, function.__kwdefaults__]}
    return described | {"values": inner(values)}


def _code(code: types.CodeType) -> list[Any]:
    """Take a function's code apart, without the place where it is written."""
    constants = [
        _code(item)
        if isinstance(item, types.CodeType)
        else sorted(map(repr, item))
        if isinstance(item, frozenset)
        else repr(item)
        for item in code.co_consts
    ]
    return [code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants]


def _digest(content: Any) -> str:
    return hashlib.sha256(content).hexdigest()
