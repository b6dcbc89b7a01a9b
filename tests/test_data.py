import gzip
import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from formats import CSV_HEADER, csv, idx, npy

from mnist_nn import DATA_DIR, MNIST, DataError, batches, digest, load_mnist, split_validation
from mnist_nn.compute import Interrupts
from mnist_nn.data import DIGESTS, load_split

PUBLISHED = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def refusal(folder: Path, *, verify: bool = False) -> str:
    with pytest.raises(DataError) as caught:
        load_mnist(folder, verify=verify)
    return str(caught.value)


# The real digits


@pytest.fixture(scope="session")
def published() -> dict[str, bytes]:
    return {name: gzip.decompress((DATA_DIR / f"{name}.gz").read_bytes()) for name in PUBLISHED}


@pytest.fixture(scope="session")
def plain_folder(tmp_path_factory: pytest.TempPathFactory, published: dict[str, bytes]) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    for name, content in published.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def csv_folder(tmp_path_factory: pytest.TempPathFactory, published: dict[str, bytes]) -> Path:
    """The training digits with a header row, the test digits without."""
    folder = tmp_path_factory.mktemp("csv")
    for part, split, header in (("train", "train", CSV_HEADER), ("t10k", "test", "")):
        images = np.frombuffer(published[f"{part}-images-idx3-ubyte"][16:], np.uint8)
        labels = np.frombuffer(published[f"{part}-labels-idx1-ubyte"][8:], np.uint8)
        values = np.column_stack([labels, images.reshape(-1, 784)])
        (folder / f"mnist_{split}.csv").write_text(csv(values, header))
    return folder


@pytest.fixture(scope="session")
def npz_folder(tmp_path_factory: pytest.TempPathFactory, published: dict[str, bytes]) -> Path:
    folder = tmp_path_factory.mktemp("npz")
    arrays = {}
    for part, split in (("train", "train"), ("t10k", "test")):
        images = np.frombuffer(published[f"{part}-images-idx3-ubyte"], np.uint8, offset=16)
        arrays[f"x_{split}"] = images.reshape(-1, 28, 28)
        arrays[f"y_{split}"] = np.frombuffer(
            published[f"{part}-labels-idx1-ubyte"], np.uint8, offset=8
        )
    np.savez(folder / "mnist.npz", **arrays)
    return folder


@pytest.mark.parametrize("name", PUBLISHED)
def test_shipped_files_are_the_published_ones(name: str, published: dict[str, bytes]) -> None:
    assert hashlib.sha256(published[name]).hexdigest() == PUBLISHED[name]


def test_digests_are_those_of_the_published_files_after_their_headers(
    published: dict[str, bytes],
) -> None:
    payloads = zip(published.values(), (16, 8, 16, 8), strict=True)
    sha256 = [hashlib.sha256(content[header:]).hexdigest() for content, header in payloads]
    assert list(DIGESTS.values()) == sha256
    assert list(DIGESTS) == ["train_X", "train_Y", "test_X", "test_Y"]


def test_digits_are_scaled_bytes_in_the_published_order(
    mnist: MNIST, published: dict[str, bytes]
) -> None:
    assert [array.shape for array in mnist] == [(60000, 784), (60000,), (10000, 784), (10000,)]
    assert [array.dtype for array in mnist] == [np.float32, np.int64, np.float32, np.int64]
    for array, content in zip(mnist, published.values(), strict=True):
        if array.ndim == 2:
            pixels = np.frombuffer(content, np.uint8, offset=16).reshape(-1, 784)
            assert np.array_equal(array, pixels / np.float32(255))
            assert (array.min(), array.max()) == (0, 1)
        else:
            assert array.astype(np.uint8).tobytes() == content[8:]
    assert mnist.train_Y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test_Y[:5].tolist() == [7, 2, 1, 0, 4]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["plain", pytest.param("csv", marks=pytest.mark.long), "npz"])
def test_every_format_gives_the_same_bits(
    kind: str, mnist: MNIST, request: pytest.FixtureRequest
) -> None:
    came = load_mnist(request.getfixturevalue(f"{kind}_folder"))
    for array, expected in zip(came, mnist, strict=True):
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
        assert array.flags.c_contiguous  # else batches of rows are slow to gather
        assert np.array_equal(array.view(np.uint8), expected.view(np.uint8))


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "row", "key"), list(zip(PUBLISHED, (12345, 12345, 42, 42), DIGESTS, strict=True))
)
def test_one_changed_byte_is_noticed(
    tmp_path: Path, published: dict[str, bytes], name: str, row: int, key: str
) -> None:
    for other in PUBLISHED:
        if other != name:
            shutil.copy(DATA_DIR / f"{other}.gz", tmp_path)
    header, size = (16, 784) if "images" in name else (8, 1)
    content = bytearray(published[name])
    content[header + row * size + size // 2] ^= 1
    (tmp_path / name).write_bytes(content)

    text = refusal(tmp_path, verify=True)
    assert f"{tmp_path / name} " in text
    assert DIGESTS[key] in text
    assert hashlib.sha256(content[header:]).hexdigest() in text
    load_mnist(tmp_path, verify=False)


def test_digest_of_fractions_is_that_of_the_bytes(mnist: MNIST) -> None:
    values = np.arange(256, dtype=np.uint8)
    sha256 = hashlib.sha256(bytes(range(256))).hexdigest()
    for array in (values, values.astype(int), values / 255, np.nextafter(values / 255, 0)):
        assert digest(array) == sha256
    assert [digest(array) for array in mnist] == list(DIGESTS.values())


def run(code: str, folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def test_paths_do_not_depend_on_the_working_folder(tmp_path: Path) -> None:
    came = run("import mnist_nn; print(mnist_nn.load_mnist(), mnist_nn.DATA_DIR)", tmp_path)
    assert came == f"MNIST(60,000 training and 10,000 test images) {DATA_DIR}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_loading_peaks_below_350_megabytes(tmp_path: Path) -> None:
    # Not by resource.getrusage: its peak counts the process that this one was forked from.
    came = run(
        "import mnist_nn; digits = mnist_nn.load_mnist(); print(open('/proc/self/status').read())",
        tmp_path,
    )
    peak = next(line for line in came.splitlines() if line.startswith("VmHWM:"))
    assert int(peak.split()[1]) <= 350 * 1024


# Other sets


TRAIN_X = np.arange(6 * 15).reshape(6, 3, 5)
TEST_X = 255 - np.arange(4 * 15).reshape(4, 3, 5)
TRAIN_Y, TEST_Y = np.array([0, 9, 1, 8, 2, 7]), np.array([3, 1, 4, 9])
ROWS = np.column_stack([TEST_Y, np.arange(4 * 784).reshape(4, 784) % 256])
HEADER = "label," + ",".join(f"pixel{i}" for i in range(784)) + "\n"


@pytest.fixture
def idx_folder(tmp_path: Path) -> Path:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(TRAIN_X))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(TRAIN_Y)))
    (tmp_path / IMAGES).write_bytes(idx(TEST_X))
    (tmp_path / LABELS).write_bytes(idx(TEST_Y))
    return tmp_path


def write_npz(folder: Path, **changes: Any) -> None:
    arrays = {"x_train": TRAIN_X, "y_train": TRAIN_Y, "x_test": TEST_X, "y_test": TEST_Y}
    np.savez(folder / "mnist.npz", **(arrays | changes))


def write_csv(folder: Path, test: str | bytes) -> None:
    (folder / "mnist_train.csv").write_text(csv(ROWS))
    (folder / "mnist_test.csv").write_bytes(test if isinstance(test, bytes) else test.encode())


def check_small(came: MNIST) -> None:
    for X, pixels in ((came.train_X, TRAIN_X), (came.test_X, TEST_X)):
        assert np.array_equal(X, pixels.reshape(-1, 15).astype(np.float32) / np.float32(255))
    assert came.train_Y.tolist() == TRAIN_Y.tolist()
    assert came.test_Y.tolist() == TEST_Y.tolist()


def test_any_idx_set_is_read_without_verifying(idx_folder: Path) -> None:
    check_small(load_mnist(str(idx_folder), verify=False))


def test_any_npz_set_is_read_without_verifying(tmp_path: Path) -> None:
    write_npz(tmp_path)
    check_small(load_mnist(tmp_path, verify=False))
    write_npz(tmp_path, x_train=TRAIN_X.reshape(6, 15), x_test=TEST_X.reshape(4, 15))
    check_small(load_mnist(tmp_path, verify=False))


@pytest.mark.parametrize(
    "text",
    [
        csv(ROWS),
        csv(ROWS, HEADER),
        csv(ROWS, ",".join(map(str, range(785))) + "\n"),
        csv(ROWS).replace("\n", "\r\n"),
        "\ufeff" + csv(ROWS),
        "\ufeff" + csv(ROWS, HEADER),
        "\n" + csv(ROWS),
        csv(ROWS).rstrip("\n"),
        csv(ROWS).replace("3,", '"3",', 1),
    ],
    ids=[
        "plain",
        "header",
        "header-of-pandas",
        "crlf",
        "byte-order-mark",
        "both",
        "blank-first",
        "no-last-newline",
        "quoted",
    ],
)
def test_any_csv_set_is_read_without_verifying(tmp_path: Path, text: str) -> None:
    write_csv(tmp_path, text)
    came = load_mnist(tmp_path, verify=False)
    assert came.test_Y.tolist() == TEST_Y.tolist()
    assert np.array_equal(came.test_X, ROWS[:, 1:].astype(np.float32) / np.float32(255))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "label,a,b\n",
        "0,1,2\n",
        "label,0,1\n",
        "label,1,2\n",
    ],
)
@pytest.mark.parametrize("rows", [[[46, 200, 7], [3, 0, 1]], [[1, 0, 1], [2, 1, 2]]])
def test_a_csv_set_may_have_few_pixels_and_many_classes(
    tmp_path: Path, header: str, rows: list[list[int]]
) -> None:
    for split in ("train", "test"):
        (tmp_path / f"mnist_{split}.csv").write_text(csv(rows, header))
    came = load_mnist(tmp_path, verify=False)
    assert came.train_Y.tolist() == [row[0] for row in rows]
    assert (255 * came.test_X).round().tolist() == [row[1:] for row in rows]


@pytest.mark.parametrize("text", ["5.0,0.0,1.0,2.0\n4,3,4,5\n", "\ufeff5,0,1,2\n4,3,4,5\n"])
def test_no_first_row_of_numbers_is_taken_for_a_header(tmp_path: Path, text: str) -> None:
    """As numpy.savetxt and float tables of pandas have it, or with a byte order mark."""
    for split in ("train", "test"):
        (tmp_path / f"mnist_{split}.csv").write_text(text, encoding="utf-8")
    assert load_mnist(tmp_path, verify=False).train_Y.tolist() == [5, 4]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("-5,0,1\n4,3,4\n", "0 to 255"), ("a,b,Label\n1,2,3\n", "label in its first column")],
)
def test_no_first_row_is_lost(tmp_path: Path, text: str, expected: str) -> None:
    for split in ("train", "test"):
        (tmp_path / f"mnist_{split}.csv").write_text(text)
    assert expected in refusal(tmp_path)


def test_a_long_file_can_be_interrupted(tmp_path: Path) -> None:
    (tmp_path / "mnist_test.csv").write_text(csv(ROWS))
    read_to_its_end = []

    def interrupted() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        read_to_its_end.append(load_split("test", tmp_path, verify=False))

    with pytest.raises(KeyboardInterrupt), Interrupts():
        interrupted()
    assert not read_to_its_end


def test_other_data_has_to_be_named() -> None:
    with pytest.raises(TypeError, match="data_dir must be the folder of your data"):
        load_mnist(verify=False)


@pytest.mark.long
def test_damaged_digits_of_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `download_mnist` has put into the working folder is read in their place."""
    package, working = tmp_path / "package", tmp_path / "working"
    shutil.copytree(DATA_DIR, package)
    (package / f"{IMAGES}.gz").write_bytes(b"damaged")
    monkeypatch.setattr("mnist_nn.data._DATA", package)
    monkeypatch.setattr("mnist_nn.data.DATA_DIR", working)
    with pytest.raises(DataError, match="package"):
        load_mnist()
    shutil.copytree(DATA_DIR, working)
    assert digest(load_mnist().test_X) == DIGESTS["test_X"]


def test_the_two_sets_have_images_of_one_size(tmp_path: Path) -> None:
    write_csv(tmp_path, csv(ROWS[:, :-1]))
    text = refusal(tmp_path)
    assert "784 pixels" in text
    assert "783" in text


@pytest.mark.parametrize("label", [10, 255])
def test_any_byte_is_a_label_unless_the_set_has_to_be_mnist(idx_folder: Path, label: int) -> None:
    (idx_folder / LABELS).write_bytes(idx([3, 1, label, 9]))
    assert load_mnist(idx_folder, verify=False).test_Y.tolist() == [3, 1, label, 9]
    assert "not MNIST" in refusal(idx_folder, verify=True)


def test_another_set_is_not_taken_for_mnist(idx_folder: Path) -> None:
    assert "not MNIST" in refusal(idx_folder, verify=True)


# Bad data: one DataError with the file, what was expected and what came


def short(parameter: object) -> str | None:
    """Name a case by the length of its bytes, not by the bytes."""
    return f"{len(parameter)}-bytes" if isinstance(parameter, bytes) else None


@pytest.mark.parametrize("name", PUBLISHED)
def test_missing_idx_file(idx_folder: Path, name: str) -> None:
    next(idx_folder.glob(f"{name}*")).unlink()
    text = refusal(idx_folder)
    other = next(idx_folder.glob(f"{name.split('-')[0]}-*")).name
    assert name in text
    assert f"in {idx_folder}" in text
    assert f"found only {other};" in text


def test_missing_folder(tmp_path: Path) -> None:
    text = refusal(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in text
    for name in ("train-images-idx3-ubyte.gz", "mnist_train.csv", "mnist.npz", "no such folder;"):
        assert name in text


@pytest.mark.parametrize("missing", ["train", "test"])
def test_missing_csv_file(tmp_path: Path, missing: str) -> None:
    write_csv(tmp_path, csv(ROWS))
    (tmp_path / f"mnist_{missing}.csv").unlink()
    assert f"mnist_{missing}.csv" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "expected", "came"),
    [
        (IMAGES, idx(TEST_Y), "00 00 08 03", "00 00 08 01"),
        (LABELS, idx(TEST_X), "00 00 08 01", "00 00 08 03"),
        (IMAGES, b"\0\0\x0d\x03" + idx(TEST_X)[4:], "00 00 08 03", "00 00 0d 03"),
        (IMAGES, b"hello", "00 00 08 03", "68 65 6c 6c"),
        (LABELS, b"", "00 00 08 01", "nothing"),
        (IMAGES, idx(TEST_X)[:-1], "76 bytes", "has 75"),
        (IMAGES, idx(TEST_X) + b"\0", "76 bytes", "has 77"),
        (IMAGES, idx(TEST_X)[:9], "bytes", "has 9"),
        (LABELS, idx(TEST_Y)[:-2], "12 bytes", "has 10"),
        (LABELS, idx(TEST_Y) + b"\0", "12 bytes", "has 13"),
        (IMAGES, idx(TEST_X)[:4] + b"\xff" * 12, str(16 + (2**32 - 1) ** 3), "has 16"),
        (LABELS, idx(TEST_Y)[:4] + b"\xff" * 4, str(8 + 2**32 - 1), "has 8"),
        (LABELS, idx([3, 1, 4]), "4 images", "3 labels"),
        (LABELS, idx([3, 1, 4, 9, 0]), "4 images", "5 labels"),
        (IMAGES, idx(np.zeros((0, 3, 5))), "expected", "0 images"),
        (IMAGES, idx(np.zeros((4, 0, 5))), "", ""),
        (IMAGES, idx(np.zeros((4, 4, 4))), "15 pixels", "16"),
    ],
    ids=short,
)
def test_bad_idx(idx_folder: Path, name: str, content: bytes, expected: str, came: str) -> None:
    (idx_folder / name).write_bytes(content)
    text = refusal(idx_folder)
    assert str(idx_folder) in text
    assert expected in text
    assert came in text
    if "pixels" not in text:  # which of the two sets is right, nobody can know
        assert name in text


def test_empty_set(idx_folder: Path) -> None:
    (idx_folder / IMAGES).write_bytes(idx(np.zeros((0, 3, 5))))
    (idx_folder / LABELS).write_bytes(idx([]))
    text = refusal(idx_folder)
    assert str(idx_folder / IMAGES) in text
    assert "0 images" in text


@pytest.mark.parametrize(
    ("content", "came"),
    [
        (gzip.compress(idx(TEST_X))[:-9], "cut off"),
        (idx(TEST_X), "incorrect header"),
        (gzip.compress(idx(TEST_X), mtime=0)[:-8] + bytes(8), "data check"),
        (b"<html>404 Not Found</html>", "incorrect header"),
    ],
    ids=short,
)
def test_bad_gzip(idx_folder: Path, content: bytes, came: str) -> None:
    (idx_folder / f"{IMAGES}.gz").write_bytes(content)
    text = refusal(idx_folder)
    assert str(idx_folder / f"{IMAGES}.gz") in text
    assert "complete gzip file" in text
    assert came in text


def test_idx_cut_off_anywhere(idx_folder: Path) -> None:
    (idx_folder / IMAGES).unlink()
    for name, content in ((IMAGES, idx(TEST_X)), (f"{IMAGES}.gz", gzip.compress(idx(TEST_X)))):
        for length in range(len(content)):
            (idx_folder / name).write_bytes(content[:length])
            assert str(idx_folder / name) in refusal(idx_folder)


def changed(row: int, column: int, value: Any) -> str:
    rows = ROWS.astype(object)
    rows[row, column] = value
    return csv(rows)


@pytest.mark.parametrize(
    ("text", "expected", "came"),
    [
        (changed(1, 9, 300), "0 to 255", "300"),
        (changed(1, 9, -1), "0 to 255", "-1"),
        (changed(1, 9, 70000), "0 to 255", "something else"),
        (changed(1, 9, 65536 + 9), "0 to 255", "something else"),
        (changed(1, 9, 10**30), "whole numbers", ""),
        (changed(1, 0, 256), "0 to 255", " 256"),
        (changed(1, 0, -1), "0 to 255", "-1"),
        (changed(0, 0, -1), "0 to 255", "-1"),
        (changed(0, 0, 1.5), "whole numbers", "something else"),
        (changed(1, 9, 1.5), "whole numbers", "something else"),
        (changed(1, 9, "abc"), "whole numbers", "something else"),
        (changed(1, 9, ""), "whole numbers", ""),
        (changed(1, 9, "inf"), "whole numbers", "something else"),
        (changed(0, 0, "7x"), "whole numbers", "something else"),  # no header: the rest are numbers
        (changed(0, 0, "?"), "whole numbers", "something else"),
        (csv(ROWS[:, [*range(785), 7]], HEADER), "785", "786"),
        (csv(ROWS[:, :1]), "label and the pixels", "1 columns"),
        (csv(np.zeros((2, 2**17), int)), "label and the pixels", "131072 columns"),
        (csv(ROWS)[:-300], "whole numbers", ""),
        (
            csv(ROWS) + csv(ROWS[:1, [*range(785), 7]]),
            "same number of pixels in each row",
            "saw 786",
        ),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, expected: str, came: str) -> None:
    write_csv(tmp_path, text)
    said = refusal(tmp_path)
    assert str(tmp_path / "mnist_test.csv") in said
    said = said.replace(str(tmp_path), "")
    assert expected in said
    assert came in said


@pytest.mark.parametrize(
    "content",
    ["", HEADER, "<html>404 Not Found</html>\n", gzip.compress(csv(ROWS).encode()), bytes(5000)],
    ids=["empty", "header-alone", "web-page", "gzip", "zeros"],
)
def test_csv_without_a_digit(tmp_path: Path, content: Any) -> None:
    write_csv(tmp_path, content)
    assert str(tmp_path / "mnist_test.csv") in refusal(tmp_path)


def with_pixel(value: int) -> Any:
    X = TEST_X.copy()
    X[2, 1, 3] = value
    return X


@pytest.mark.parametrize(
    ("changes", "expected", "came"),
    [
        ({"x_test": with_pixel(300)}, "0 to 255", "300"),
        ({"x_test": with_pixel(-1)}, "0 to 255", "-1"),
        ({"x_test": with_pixel(70000)}, "0 to 255", "70000"),
        ({"x_test": with_pixel(65536)}, "0 to 255", "65536"),
        ({"y_test": TEST_Y - 2}, "0 to 255", "-1"),
        ({"y_test": TEST_Y + 256}, "0 to 255", "265"),
        ({"x_test": TEST_X / 255}, "whole numbers", "float64"),
        ({"y_test": TEST_Y / 1}, "whole numbers", "float64"),
        ({"x_test": TEST_X > 200}, "whole numbers", "bool"),
        ({"x_test": TEST_X[:3]}, "3 images", "4 labels"),
        ({"x_test": TEST_X[:0], "y_test": TEST_Y[:0]}, "expected", "0 images"),
        ({"x_test": TEST_X[:, :0]}, "", ""),
        ({"x_test": TEST_X[0, 0]}, "(N, height, width)", "(5,)"),
        ({"y_test": np.eye(10)[TEST_Y]}, "(N,)", "(4, 10)"),
    ],
)
def test_bad_npz(tmp_path: Path, changes: dict[str, Any], expected: str, came: str) -> None:
    write_npz(tmp_path, **changes)
    text = refusal(tmp_path)
    assert str(tmp_path / "mnist.npz") in text
    text = text.replace(str(tmp_path), "")
    assert expected in text
    assert came in text


def member(content: bytes) -> bytes:
    """Make an archive whose x_test is something else."""
    file = io.BytesIO()
    np.savez(file, x_train=TRAIN_X, y_train=TRAIN_Y, y_test=TEST_Y)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("x_test.npy", content)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        gzip.compress(b"hello"),
        npy(TEST_X),
        member(b"hello"),
        member(npy(TEST_X)[:-9]),
        member(npy(TEST_X).replace(b"(4, 3, 5), }" + b" " * 14, b"(4%b, 3, 5), }" % (b"0" * 14))),
        member(npy(TEST_X).replace(b"}", b" ")),
    ],
    ids=[
        "empty",
        "text",
        "gzip",
        "lone-npy",
        "no-array",
        "cut-off",
        "huge-shape",
        "damaged-header",
    ],
)
def test_npz_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mnist.npz").write_bytes(content)
    assert str(tmp_path / "mnist.npz") in refusal(tmp_path)


def test_npz_without_an_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", x_train=TRAIN_X, y_train=TRAIN_Y, x_test=TEST_X)
    text = refusal(tmp_path)
    assert str(tmp_path / "mnist.npz") in text
    assert "y_test" in text


def test_npz_cut_off_anywhere(tmp_path: Path) -> None:
    write_npz(tmp_path)
    content = (tmp_path / "mnist.npz").read_bytes()
    for length in range(0, len(content), 7):
        (tmp_path / "mnist.npz").write_bytes(content[:length])
        assert str(tmp_path / "mnist.npz") in refusal(tmp_path)


class Bomb:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_pickles_are_refused_unread(tmp_path: Path) -> None:
    write_npz(tmp_path, x_test=np.array([Bomb(tmp_path / "exploded")] * 4))
    assert str(tmp_path / "mnist.npz") in refusal(tmp_path)
    assert not (tmp_path / "exploded").exists()


# Splitting and dealing out: the row tells the digit, so that nothing can be mixed up unnoticed


def numbered(count: int) -> tuple[Any, Any]:
    X = np.arange(count, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    Y = np.arange(count) * 7 % 10
    X.flags.writeable = Y.flags.writeable = False
    return X, Y


def rows_of(X: Any, Y: Any) -> list[int]:
    """Return which rows these are, having checked that the labels belong to them."""
    rows = X[:, 0].astype(int)
    assert np.array_equal(Y, rows * 7 % 10)
    return rows.tolist()


@pytest.mark.parametrize("size", [1, 30, 99])
def test_split_validation_sets_digits_aside(size: int) -> None:
    train, validation = split_validation(*numbered(100), size, rng=0)
    kept, aside = rows_of(*train), rows_of(*validation)
    assert len(aside) == size
    assert sorted(kept + aside) == list(range(100))


def test_split_validation_draws_at_random_by_the_seed() -> None:
    X, Y = numbered(100)
    asides = [rows_of(*split_validation(X, Y, 30, rng=rng)[1]) for rng in (0, 0, 1)]
    assert asides[0] == asides[1] != asides[2]
    assert sorted(asides[0]) not in (list(range(30)), list(range(70, 100)))
    generator = np.random.default_rng(0)
    assert rows_of(*split_validation(X, Y, 30, rng=generator)[1]) == asides[0]
    assert rows_of(*split_validation(X, Y, 30, rng=generator)[1]) != asides[0]


def test_split_validation_copies() -> None:
    X, Y = np.zeros((10, 3)), np.zeros(10, int)
    for part in split_validation(X, Y, 4, rng=0):
        for array in part:
            array += 1
    assert not X.any()
    assert not Y.any()


@pytest.mark.parametrize("size", [0, -1, 100, 101, 0.1])
def test_split_validation_leaves_no_part_empty(size: Any) -> None:
    with pytest.raises(ValueError, match=f"size must be a whole number from 1 to 99, not {size};"):
        split_validation(*numbered(100), size, rng=0)


@pytest.mark.parametrize(
    ("batch_size", "sizes"),
    [(25, [25, 25, 25, 25, 3]), (103, [103]), (1000, [103]), (1, [1] * 103)],
)
def test_batches_deal_every_digit_out_once(batch_size: int, sizes: list[int]) -> None:
    dealt = [rows.tolist() for rows in batches(103, batch_size, rng=np.random.default_rng(0))]
    assert [len(rows) for rows in dealt] == sizes
    order = [row for rows in dealt for row in rows]
    assert sorted(order) == list(range(103))
    assert order != list(range(103))


def test_batches_come_in_an_order_that_the_seed_fixes() -> None:
    def order(rng: np.random.Generator) -> list[list[int]]:
        return [rows.tolist() for rows in batches(103, 25, rng=rng)]

    generator = np.random.default_rng(0)
    first, second = order(generator), order(generator)
    assert first == order(np.random.default_rng(0))
    assert first != second
    assert first != order(np.random.default_rng(1))


def test_load_split_reads_one_half(mnist: MNIST) -> None:
    X, Y = load_split("test")
    assert np.array_equal(X, mnist.test_X)
    assert np.array_equal(Y, mnist.test_Y)


def test_pandas_labels_are_not_parted_from_their_images() -> None:
    X, Y = numbered(10)
    shuffled = pd.Series(Y).sample(frac=1, random_state=0)
    with pytest.raises(TypeError, match="Y must be a NumPy array, not Series"):
        split_validation(X, shuffled, 4, rng=0)
    with pytest.raises(ValueError, match="one label for each image, not 9 for 10"):
        split_validation(X, Y[:9], 4, rng=0)


def test_batches_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1, not 0"):
        next(batches(10, 0, rng=0))
