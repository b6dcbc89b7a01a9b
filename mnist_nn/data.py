"""Read MNIST from disk, verify that it is MNIST, and split it into batches.

The digits may be stored as the four original IDX files, as two CSV files or as one npz archive; all
three give equal arrays. Other images in these formats are read if you ask for it.
"""

import codecs
import hashlib
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from mnist_nn.checks import (
    Rng,
    check_array,
    check_count,
    check_flag,
    check_labels,
    check_path,
    check_pixels,
    check_rng,
    requires,
)
from mnist_nn.compute import raise_if_interrupted, share
from mnist_nn.files import (
    HOME,
    RESTORE,
    SHIPPED,
    UnreadableError,
    open_file,
    read_arrays,
    read_bytes,
)

__all__ = [
    "DATA_DIR",
    "DIGESTS",
    "MNIST",
    "DataError",
    "batches",
    "digest",
    "load_mnist",
    "one_hot",
    "split_validation",
]

Pixels: TypeAlias = NDArray[np.floating[Any]]
Labels: TypeAlias = NDArray[np.integer[Any]]
Bytes: TypeAlias = NDArray[np.uint8]
Split: TypeAlias = Literal["train", "test"]

DATA_DIR = HOME / "data"
"""Where downloads go: the repository's ``data``, or the working folder's if it is installed."""

_DATA = SHIPPED / "data"

SIDE = 28
"""The height and width of a digit, in pixels."""

DIGESTS = {
    "train_X": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "train_Y": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "test_X": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "test_Y": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}
"""The `digest` of each array of MNIST: the SHA-256 of the published file without its header."""

# The most that a file may hold: in float32, two such sets of images take 1 GB. MNIST has 47 MB, and
# 110 MB as CSV; the letters of EMNIST have 98.
_MOST_BYTES, _MOST_LABELS, _MOST_CSV_BYTES = 2**27, 2**22, 250_000_000
_MOST_ROW_BYTES = 2**18  # of a CSV file's first row: room for the names of 128 × 128 pixels

_IDX_NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


class DataError(ValueError):
    """The files are not what was expected; the message names the file and says what to do."""


class MNIST(NamedTuple):
    """Handwritten digits, in the order of the published files.

    Data of your own, in arrays like these, can take their place: ``MNIST(train_X, train_Y, test_X,
    test_Y)``, with any number of pixels, and labels that number the classes from 0.

    Attributes
    ----------
    train_X : (60000, 784) float32 array
        Training images, one per row; pixels range from 0 (paper) to 1 (ink).
    train_Y : (60000,) int64 array
        Their labels, 0 to 9.
    test_X, test_Y : (10000, 784) and (10000,) arrays
        The test images and their labels.
    """

    train_X: Pixels
    train_Y: Labels
    test_X: Pixels
    test_Y: Labels

    def __repr__(self) -> str:
        return f"MNIST({len(self.train_X):,} training and {len(self.test_X):,} test images)"


def load_mnist(data_dir: Path | str | None = None, *, verify: bool = True) -> MNIST:
    """Read the training and test digits.

    Parameters
    ----------
    data_dir : path, optional
        The folder with the files: the four IDX files (``train-images-idx3-ubyte`` and so on, plain
        or ``.gz``), else ``mnist_train.csv`` and ``mnist_test.csv`` (the label, then the pixels,
        with or without a header row), else ``mnist.npz`` in Keras's format. Default: the digits
        that come with the package.
    verify : bool
        Whether to check by SHA-256 that the digits are MNIST. With False, any other dataset in
        these formats can be read, such as Fashion-MNIST: gray images of any size, with bytes as
        pixels, labels from 0 to 255, and up to 134 MB per file (CSV: 250 MB).

    Raises
    ------
    DataError
        If a file is missing, damaged, or contains something else.
    TypeError
        If an argument has another type, or ``verify`` is False without a folder.
    """
    check_flag("verify", verify)
    if data_dir is not None:
        check_path("data_dir", data_dir)
    elif not verify:
        raise TypeError("data_dir must be the folder of your data if verify is False, not None")
    # Decompression and hashing release the GIL.
    (train_X, train_Y), (test_X, test_Y) = share(
        [partial(load_split, split, data_dir, verify=verify) for split in get_args(Split)]
    )
    if train_X.shape[1] != test_X.shape[1]:
        raise DataError(
            f"the training images in {data_dir or _DATA} have {train_X.shape[1]} pixels and the "
            f"test images {test_X.shape[1]}, where the same number was expected; take both from "
            "the same dataset"
        )
    return MNIST(train_X, train_Y, test_X, test_Y)


def load_split(
    split: Split, data_dir: Path | str | None = None, *, verify: bool = True
) -> tuple[Pixels, Labels]:
    """Read only the training or only the test digits, as ``(X, Y)``; see `load_mnist`."""
    if data_dir is not None:
        return _read_split(split, Path(data_dir), verify=verify)
    try:
        return _read_split(split, _DATA, verify=verify)
    except DataError:
        # Those of an installed package are damaged: download_mnist may have put others there.
        if DATA_DIR != _DATA:
            with suppress(DataError):
                return _read_split(split, DATA_DIR, verify=True)
        raise


def _read_split(split: Split, folder: Path, *, verify: bool) -> tuple[Pixels, Labels]:
    images, labels = (_with_suffix(folder / name) for name in _IDX_NAMES[split])
    csv, npz = folder / f"mnist_{split}.csv", folder / "mnist.npz"
    if images and labels:
        sources = (images, labels)
        X, Y = _read_idx(images, 3), _read_idx(labels, 1)
    elif _exists(csv):
        sources = (csv, csv)
        X, Y = _read_csv(csv)
    elif _exists(npz):
        sources = (npz, npz)
        X, Y = _read_npz(npz, split)
    else:
        idx = " and ".join(f"{name}.gz" for name in _IDX_NAMES[split])
        found = next((f"only {file.name}" for file in (images, labels) if file), "none of them")
        if not folder.is_dir():
            found = "no such folder"
        advice = (
            f"bring them back by {RESTORE}, or pass another folder as data_dir"
            if folder == _DATA
            else "check data_dir, and the names of the files in it"
        )
        raise DataError(
            f"expected {idx}, or {csv.name}, or {npz.name} in {folder}, but found {found}; {advice}"
        )
    if len(X) != len(Y) or X.size == 0:
        raise DataError(
            f"{sources[0]} has {len(X)} images and {sources[1].name} has {len(Y)} labels, where at "
            "least one image and a label for each were expected; take both from the same dataset"
        )
    X, Y = _as_bytes(X, "pixel", sources[0]), _as_bytes(Y, "label", sources[1])
    X = X.reshape(len(X), -1)
    if verify:
        for name, array, source in zip("XY", (X, Y), sources, strict=True):
            expected, actual = DIGESTS[f"{split}_{name}"], digest(array)
            if actual != expected:
                raise DataError(
                    f"{source} is readable but not MNIST: the SHA-256 of its "
                    f"{'pixels' if name == 'X' else 'labels'} should be {expected} but is "
                    f"{actual}; download it again, or read another dataset with verify=False"
                )
    return X / np.float32(255), Y.astype(np.int64)


def digest(array: Pixels | Labels | Bytes) -> str:
    """Return the SHA-256 of pixels (0 to 1, or bytes) or labels, as in the published files.

    Raises
    ------
    TypeError, ValueError
        If it is not an array of floats from 0 to 1 or of whole numbers from 0 to 255.
    """
    check_array("array", array)
    if array.dtype != np.uint8:  # which cannot be out of range
        kind, highest = array.dtype.kind, 1 if array.dtype.kind == "f" else 255
        if kind not in "fiu" or not array.size or not 0 <= array.min() <= array.max() <= highest:
            came = f", {array.min():g} to {array.max():g}" if kind in "fiu" and array.size else ""
            raise ValueError(
                "array must hold fractions from 0 to 1 or whole numbers from 0 to 255, not "
                f"{array.size} of {array.dtype}{came}; pass the pixels or labels of MNIST"
            )
    values = np.rint(array * np.float32(255)) if array.dtype.kind == "f" else array
    return hashlib.sha256(values.astype(np.uint8, order="C", copy=False).data).hexdigest()


@requires(
    lambda classes: check_count("classes", classes),
    lambda Y, classes: check_labels(Y, None, classes),
)
def one_hot(Y: Labels, classes: int = 10) -> Pixels:
    """Write each label as a row, 1 at the label and 0 elsewhere: ``(N,)`` to ``(N, classes)``."""
    return np.eye(classes, dtype=np.float32)[Y]


def split_validation(
    X: Pixels, Y: Labels, size: int, *, rng: Rng
) -> tuple[tuple[Pixels, Labels], tuple[Pixels, Labels]]:
    """Set random images aside for validation, so that the test set stays untouched.

    Parameters
    ----------
    X, Y : (N, pixels) and (N,) arrays
    size : int
        How many images to set aside.
    rng : numpy.random.Generator or int
        The random number generator, or a seed for one.

    Returns
    -------
    (train_X, train_Y), (validation_X, validation_Y)
        Copies, with ``N - size`` and ``size`` images.

    Raises
    ------
    TypeError
        If X or Y is not a NumPy array, or rng neither a generator nor a seed.
    ValueError
        If either part would be empty, or X and Y differ in length.
    """
    _check_pairs(X, Y)
    check_count("size", size, 1, len(X) - 1)
    check_rng(rng)
    order = np.random.default_rng(rng).permutation(len(X))
    aside, kept = order[:size], order[size:]
    return (X[kept], Y[kept]), (X[aside], Y[aside])


@requires(
    lambda digits: check_count("digits", digits),
    lambda batch_size: check_count("batch_size", batch_size),
    check_rng,
)
def batches(digits: int, batch_size: int, *, rng: Rng) -> Iterator[NDArray[np.int64]]:
    """Yield every row number once, in random order, ``batch_size`` at a time.

    ``X[rows], Y[rows]`` is then a batch. The last one is smaller if ``batch_size`` does not divide
    ``digits``, the number of images.

    Raises
    ------
    TypeError, ValueError
        If ``digits`` or ``batch_size`` is below 1, or rng neither a generator nor a seed.
    """
    order = np.random.default_rng(rng).permutation(digits)
    for start in range(0, digits, batch_size):
        yield order[start : start + batch_size]


def check_data(data: Any) -> None:
    """Raise unless it is an MNIST, of images and labels that belong together."""
    if not isinstance(data, MNIST):
        raise TypeError(
            f"data must be an MNIST, not {type(data).__name__}; load_mnist returns one, and "
            "MNIST(train_X, train_Y, test_X, test_Y) makes one"
        )
    check_array("data.train_X", data.train_X)
    pixels = data.train_X.shape[-1] if data.train_X.ndim else 0
    for name, X, Y in (("train", *data[:2]), ("test", *data[2:])):
        check_pixels(X, pixels, f"data.{name}_X")
        check_labels(Y, len(X), None, f"data.{name}_Y")


def _check_pairs(X: Pixels, Y: Labels) -> None:
    check_array("X", X)
    check_array("Y", Y)
    if X.ndim == 0 or len(X) < 2:
        raise ValueError(
            f"X must hold at least two images, one per row, not the shape {X.shape}; pass them all"
        )
    for name, array in (("X", X), ("Y", Y)):
        if array.dtype.kind not in "fiub":
            raise ValueError(
                f"{name} must hold real numbers, not {array.dtype}; convert them with astype"
            )
    if Y.shape[:1] != X.shape[:1]:
        raise ValueError(
            f"Y must have one label for each image, not {len(Y) if Y.ndim else Y} for {len(X)}; "
            "take X and Y from the same set"
        )


def _with_suffix(path: Path) -> Path | None:
    """Return the gzipped file if it exists, else the plain one if it exists."""
    gz = path.with_name(f"{path.name}.gz")
    return next((file for file in (gz, path) if _exists(file)), None)


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - whatever is wrong with the path


def _read_idx(path: Path, dimensions: int) -> Bytes:
    """Read an IDX file.

    Its header is two zero bytes, 8 for uint8, the number of dimensions and their lengths.
    """
    magic, header = bytes([0, 0, 8, dimensions]), 4 + 4 * dimensions
    most = _MOST_BYTES if dimensions == 3 else _MOST_LABELS
    try:
        content = read_bytes(path, header + most)
    except UnreadableError as error:
        raise DataError(
            f"{path} should be a readable file, but {error}; download it again"
        ) from error
    try:
        if path.suffix == ".gz":
            content = _decompress(content, header + most)
    except (EOFError, zlib.error) as error:
        raise DataError(
            f"{path} should be a complete gzip file, but is not ({error}); download it again"
        ) from error
    if content[:4] != magic:
        raise DataError(
            f"{path} should start with the bytes {magic.hex(' ')} of an IDX file of "
            f"{'gray images' if dimensions == 3 else 'labels'} but starts with "
            f"{content[:4].hex(' ') or 'nothing'}; download it again"
        )
    shape = np.frombuffer(content[4:header].ljust(4 * dimensions, b"\0"), ">u4").tolist()
    expected, actual = header + math.prod(shape), len(content)
    if actual != expected or actual > header + most:
        raise DataError(
            f"{path} should have {expected} bytes for the shape {tuple(shape)} in its header, and "
            f"at most {header + most}, but has {actual} or more; download it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _decompress(content: bytes, most: int) -> bytes:
    """Decompress a gzip file of one member, to at most one byte more than ``most``."""
    gzip = zlib.decompressobj(wbits=31)
    decompressed = gzip.decompress(content, most + 1)
    if len(decompressed) <= most and (not gzip.eof or gzip.unused_data):
        raise EOFError("it is cut off, or goes on after its end")
    return decompressed


def _read_csv(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    import pandas as pd

    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            offset, cells = 0, []
            for line in file.read(_MOST_ROW_BYTES).splitlines(keepends=True):
                offset += len(line)
                text = line.removeprefix(codecs.BOM_UTF8)
                cells = [cell.strip(b' "\r\n') for cell in text.split(b",")]
                if text.strip():
                    break
            pixels = len(cells) - 1
            if pixels < 1 or offset >= _MOST_ROW_BYTES or size > _MOST_CSV_BYTES:
                raise DataError(
                    f"{path} should have a label and the pixels of an image in each row, and at "
                    f"most {_MOST_CSV_BYTES:,} bytes, but has {len(cells)} columns and {size:,}; "
                    "download it again"
                )
            # The first row may be a header: names, or the numbers by which pandas names columns.
            is_name = [not _is_number(cell) for cell in cells]
            first = int(cells[1]) if cells[1] in (b"0", b"1") else -1
            numbered = cells[1:] == [b"%d" % i for i in range(first, first + pixels)]
            numbered = numbered and (is_name[0] or cells[:3] == [b"0", b"1", b"2"])
            if b"label" in map(bytes.lower, cells[1:]):
                raise DataError(
                    f"{path} should have the label in its first column, not in another; move it"
                )
            file.seek(offset if all(is_name) or numbered else 0)
            # No value may be missing, and checking for missing values would take twice as long.
            read = partial(pd.read_csv, header=None, dtype=np.int64, na_filter=False)
            rows = 2**23 // len(cells) + 1  # 64 MB at a time
            parts = []
            with np.errstate(invalid="raise"), read(file, chunksize=rows) as chunks:  # infinity
                for chunk in chunks:
                    parts.append(_narrowed(chunk.to_numpy()))
                    raise_if_interrupted()
            table = np.concatenate(parts)
    except (UnreadableError, pd.errors.ParserError) as error:
        # What a parser says of the form is safe to quote. The cells may be anything.
        raise DataError(
            f"{path} should have a label and the same number of pixels in each row, but {error}; "
            "download it again"
        ) from error
    except (FloatingPointError, OSError, OverflowError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path} should have whole numbers from 0 to 255 in each cell, but has something else; "
            "download it again, or convert it"
        ) from None
    if table.shape[1] != len(cells):
        raise DataError(
            f"{path} should have as many columns everywhere as in its first row, {len(cells)}, but "
            f"has {table.shape[1]}; download it again"
        )
    return table[:, 1:], table[:, 0]


def _is_number(cell: bytes) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _narrowed(cells: NDArray[np.int64]) -> NDArray[np.int16]:
    """Make cells smaller, which not every version of pandas does without changing numbers."""
    narrow = cells.astype(np.int16)
    if not np.array_equal(narrow, cells):
        raise ValueError("a cell has a number of more than 16 bits")
    return narrow


def _read_npz(path: Path, split: Split) -> tuple[NDArray[Any], NDArray[Any]]:
    names = f"x_{split}", f"y_{split}"
    try:
        X, Y = read_arrays(path, _MOST_BYTES, names).values()
    except UnreadableError as error:
        raise DataError(
            f"{path} should be an npz archive with {' and '.join(names)}, but {error}; download it "
            "again"
        ) from error
    if X.ndim not in (2, 3) or Y.ndim != 1:
        raise DataError(
            f"{path} should have images of shape (N, height, width) and labels of shape (N,), but "
            f"has {X.shape} and {Y.shape}; download it again, or convert it"
        )
    return X, Y


def _as_bytes(values: NDArray[Any], kind: str, path: Path) -> Bytes:
    if values.dtype.kind not in "iu" or not 0 <= values.min() <= values.max() <= 255:
        actual = values.dtype
        if actual.kind in "iu":
            actual = values.min() if values.min() < 0 else values.max()
        raise DataError(
            f"{path} should have whole numbers from 0 to 255 for each {kind} but has {actual}; "
            "download it again, or convert it"
        )
    return values.astype(np.uint8, order="C", copy=False)
