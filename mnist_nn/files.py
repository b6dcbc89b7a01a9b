"""Files on disk: where they are, written whole or not at all, looked at before they are read."""

import errno
import io
import math
import os
import re
import secrets
import stat
import struct
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_PACKAGE = Path(__file__).resolve().parent
IS_INSTALLED = (_PACKAGE / "shipped").is_dir()  # which only a wheel has

SHIPPED = _PACKAGE / "shipped" if IS_INSTALLED else _PACKAGE.parent
"""The folder of ``data`` and ``models``, which come with the package."""

HOME = Path() if IS_INSTALLED else _PACKAGE.parent
"""The folder in which new files go into ``data`` and ``models``: never the installed package."""

RESTORE = "installing mnist-nn again" if IS_INSTALLED else "`git checkout data`"
"""What brings back the digits that come with the package, for a message."""

_END_BYTES = 22  # of the record that ends a zip archive
_MOST_MEMBERS_BYTES = 2**20  # of the list of an archive's members, which has 20,000 of them or less


class UnreadableError(ValueError):
    """A file cannot be read; the message is the reason, for a sentence about the file."""


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that appears whole, in place of any old one, or not at all.

    It is written next to its place, flushed to disk and moved. Several may write to one path at
    the same time: each file is whole, and the last one stays. What a killed process has left is
    removed. Missing folders are made, a symbolic link stays one, and the new file has the mode of
    the old one.

    Raises
    ------
    OSError
        If it cannot be written; the old file is as it was.
    """
    try:
        target = Path(os.path.realpath(path))
        mode = target.stat().st_mode if os.path.lexists(target) else None  # a loop has no status
        if mode is not None and not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a folder, a pipe or a device, and not a file")
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target)
        partial, file = _open_beside(target, mode)
    except OSError as error:
        raise _explained(error, path) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if mode is not None:
                partial.chmod(stat.S_IMODE(mode))
            if os.name != "nt":
                partial.replace(target)
        if os.name == "nt":  # where an open file cannot be moved
            partial.replace(target)
        _flush_folder(target.parent)
    except OSError as error:
        raise _explained(error, path) from error
    finally:
        partial.unlink(missing_ok=True)


def _explained(error: OSError, path: Path) -> OSError:
    return OSError(
        error.errno,
        f"{path} could not be written ({error.strerror or error}), and what was there is as it "
        "was; check the path, and the room on its disk",
    )


def _open_beside(target: Path, mode: int | None) -> tuple[Path, BinaryIO]:
    """Create a temporary file, locked for as long as it is open, and as private as the target."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, 0o666 if mode is None else stat.S_IMODE(mode))

    while True:
        partial = target.with_name(f"{_prefix(target)}{secrets.token_hex(8)}.partial")
        file = open(partial, "xb", opener=opener)  # noqa: SIM115
        _lock(file, wait=True)
        # Another process may have removed it before it was locked.
        with suppress(FileNotFoundError):
            if os.path.samestat(partial.stat(), os.fstat(file.fileno())):
                return partial, file
        file.close()


def _remove_abandoned(target: Path) -> None:
    name = re.compile(rf"{re.escape(_prefix(target))}[0-9a-f]{{16}}\.partial")
    for partial in target.parent.iterdir():
        if name.fullmatch(partial.name):
            # A process that is still writing has it locked.
            with suppress(OSError, UnreadableError), open_file(partial) as file:
                if _lock(file, wait=False):
                    partial.unlink()


def _prefix(target: Path) -> str:
    return f".{target.name[:50]}."  # with the rest, at most 255 bytes


def _lock(file: BinaryIO, *, wait: bool) -> bool:
    """Lock a file, and tell whether that was possible; where files have no locks, it is not."""
    try:
        import fcntl
    except ImportError:  # Windows, where a file that is open cannot be removed
        return True
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return True
    return False


def _flush_folder(folder: Path) -> None:
    """Flush a folder to disk, or a power cut might undo what was moved there."""
    with suppress(OSError):  # Windows cannot, and does not need it
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def open_file(path: Path) -> io.BufferedReader:
    """Open a file for reading; a device or a pipe, which might never answer, is refused.

    Raises
    ------
    UnreadableError
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            return path.open("rb")
    except FileNotFoundError as error:
        raise UnreadableError("there is none") from error
    except OSError as error:
        raise UnreadableError(f"it cannot be opened: {error.strerror}") from error
    except ValueError as error:
        raise UnreadableError("no file can have that name") from error  # with NUL in it
    raise UnreadableError(f"it is a {'folder' if stat.S_ISDIR(mode) else 'pipe or a device'}")


def read_bytes(path: Path, most: int) -> bytes:
    """Read a file of at most so many bytes.

    Raises
    ------
    UnreadableError
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise UnreadableError(f"it has {size:,} bytes, more than {most:,}")
        try:
            return file.read(size)
        except OSError as error:
            raise UnreadableError(f"it cannot be read: {error.strerror}") from error


def read_arrays(
    path: Path, most: int, names: Sequence[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Read an npz archive as ``numpy.savez`` writes it: numbers or text, never pickles.

    The sizes that it states are checked before anything is unpacked.

    Parameters
    ----------
    path : path
    most : int
        How many bytes all of the arrays may have.
    names : sequence of str, optional
        The arrays to read. Default: all of them.

    Raises
    ------
    UnreadableError
    """
    with open_file(path) as file:
        try:
            size = file.seek(0, os.SEEK_END)
            file.seek(-min(size, _END_BYTES), os.SEEK_END)
            signature, *_, length, offset, comment = struct.unpack("<4s4H2LH", file.read())
            # The list of members ends where this record starts, and the record ends the file.
            if signature != b"PK\5\6" or comment or offset + length + _END_BYTES != size:
                raise UnreadableError("it is not an npz archive, or not a whole one")
            if length > _MOST_MEMBERS_BYTES:
                raise UnreadableError("it has too many arrays")
            archive = zipfile.ZipFile(file)
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if len(members) != len(archive.infolist()):
                raise UnreadableError("it has several arrays of one name")
            total = sum(info.file_size for info in members.values())
            if total > most:
                raise UnreadableError(f"its arrays have {total:,} bytes, more than {most:,}")
            missing = [name for name in names or members if name not in members]
            if missing:
                raise UnreadableError(f"it has no {' and no '.join(missing)}")
            return {name: _read_array(archive, members[name]) for name in names or members}
        except UnreadableError:
            raise
        except Exception as error:  # a damaged archive may raise any of a dozen kinds
            raise UnreadableError("it is not an npz archive, or a damaged one") from error


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnreadableError("it is compressed in an unusual way")  # of unlimited memory
    with archive.open(info) as member:
        if np.lib.format.read_magic(member) != (1, 0):
            raise UnreadableError("it has an array with an unusual header")
        header = np.lib.format.read_array_header_1_0(member, max_header_size=1000)
        shape, fortran_order, dtype = header
        if dtype.kind not in "biufU":
            raise UnreadableError(
                "it has a pickle, or an array of something else than numbers and text"
            )
        size = math.prod(shape) * dtype.itemsize
        if size != info.file_size - member.tell():
            raise UnreadableError("it has an array that is longer or shorter than its header says")
        content = member.read(size)
        if len(content) != size or member.read(1):  # the end, where the checksum is compared
            raise UnreadableError("it has an array that is cut off")
    if dtype.kind == "U" and size and np.frombuffer(content, f"{dtype.str[0]}u4").max() > 0x10FFFF:
        raise UnreadableError("it has text with characters that there are not")
    return np.ndarray(shape, dtype, bytearray(content), order="F" if fortran_order else "C")
