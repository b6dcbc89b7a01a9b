"""Kaggle and two mirrors, played by a server on loopback: no test goes outside."""

import base64
import contextlib
import gzip
import io
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from unittest import mock

import matplotlib
import nbformat
import numpy as np
import pytest
import requests
from formats import CSV_HEADER, csv, idx
from kagglesdk import kaggle_env
from nbclient import NotebookClient

from mnist_nn import DATA_DIR, DIGESTS, MNIST, DownloadError, digest, download_mnist, load_mnist
from mnist_nn.download import DATASET, IDX_SHA256, MIRRORS

# A small set stands in for MNIST, digests and all, except where a test says `real_digits`


def kaggle_csv(X: Any, Y: Any) -> bytes:
    values = np.column_stack([Y, X.reshape(-1, 784)]).astype(np.uint8)
    return csv(values, CSV_HEADER).encode()


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


RANDOM = np.random.default_rng(0)
ARRAYS = {
    "train_X": RANDOM.integers(0, 256, (6, 28, 28), np.uint8),
    "train_Y": np.array([5, 0, 4, 1, 9, 2], np.uint8),
    "test_X": RANDOM.integers(0, 256, (4, 28, 28), np.uint8),
    "test_Y": np.array([7, 2, 1, 0], np.uint8),
}
TRAIN_CSV = kaggle_csv(ARRAYS["train_X"], ARRAYS["train_Y"])
CSVS = {
    "mnist_train.csv": TRAIN_CSV,
    "mnist_test.csv": kaggle_csv(ARRAYS["test_X"], ARRAYS["test_Y"]),
}
FILES = {
    f"{name}.gz": gzip.compress(idx(array))
    for name, array in zip(IDX_SHA256, ARRAYS.values(), strict=True)
}
ZIP = zipped(CSVS)

KEY = "KGAT_0123456789abcdef-nobody-may-see-this"
BASIC = base64.b64encode(f"somebody:{KEY}".encode()).decode()
FORMS = {
    "token": ({"KAGGLE_API_TOKEN": KEY}, f"Bearer {KEY}"),
    "legacy": ({"KAGGLE_USERNAME": "somebody", "KAGGLE_KEY": KEY}, f"Basic {BASIC}"),
}

FONTS = matplotlib.get_cachedir()  # a kernel in an empty home would take seconds to list them

# The server: what it is asked it writes down, and it answers by a plan that a test may change


class Asked(NamedTuple):
    method: str
    path: str
    headers: Any
    body: bytes


class Answer(NamedTuple):
    body: bytes = b""
    status: int = 200  # 0 hangs up without a word
    headers: Mapping[str, str] = MappingProxyType({})
    missing: int | None = 0  # bytes that are announced and never sent; None announces nothing


DOWNLOAD = "/v1/datasets.DatasetApiService/DownloadDataset"
REFRESH = "/v1/users.AccountService/GenerateAccessToken"
REFRESHED = Answer(
    json.dumps({"token": KEY, "expiresIn": 3600}).encode(),
    headers={"Content-Type": "application/json"},
)


def dealing(files: dict[str, bytes]) -> Callable[[Asked], Answer]:
    """Answer with the file; as zipped by the server itself, where the client takes that."""

    def answer(asked: Asked) -> Answer:
        zips = "gzip" in asked.headers["Accept-Encoding"]
        headers = {"Content-Encoding": "gzip"} if zips else {}
        return Answer(files[asked.path.rsplit("/")[-1]], headers=headers)

    return answer


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = Asked(self.command, self.path, self.headers, body)
        self.server.asked.append(asked)
        plan = next(plan for path, plan in self.server.plan.items() if self.path.startswith(path))
        answer = plan.pop(0) if len(plan) > 1 else plan[0]
        if callable(answer):
            answer = answer(asked)
        if answer.status == 0:
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.missing is not None:
            self.send_header("Content-Length", str(len(answer.body) + answer.missing))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(answer.body)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.mirrors = [f"{self.address}/first/", f"{self.address}/second/"]
        self.asked: list[Asked] = []
        self.plan: dict[str, list[Any]] = {
            REFRESH: [REFRESHED],
            DOWNLOAD: [Answer(ZIP)],
            "/storage/": [Answer(ZIP)],
            "/first/": [dealing(FILES)],
            "/second/": [dealing(FILES)],
        }

    def of(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path.startswith(path)]


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Put a test where there are no credentials, and no network but this server."""
    outside = []
    getaddrinfo = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **named: Any) -> Any:
        if host != "127.0.0.1":
            outside.append(host)
            raise socket.gaierror(f"a test asked for {host}")
        return getaddrinfo(host, *rest, **named)

    for name in ("home", "above/work", "repository"):
        (tmp_path / name).mkdir(parents=True)
    with serving() as server, mock.patch.dict(os.environ):
        for name in list(os.environ):
            if name.startswith(("KAGGLE_", "XDG_", "VERBOSE")) or name.lower().endswith("_proxy"):
                del os.environ[name]
        os.environ |= {"HOME": str(tmp_path / "home"), "USERPROFILE": str(tmp_path / "home")}
        os.environ["NO_PROXY"] = "*"
        monkeypatch.chdir(tmp_path / "above" / "work")
        monkeypatch.setitem(sys.modules, "kaggle", None)  # importing it would log in
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        prod = kaggle_env.KaggleEnv.PROD
        monkeypatch.setitem(kaggle_env._env_to_endpoint, prod, server.address)
        monkeypatch.setattr("mnist_nn.download.MIRRORS", server.mirrors)
        monkeypatch.setattr("mnist_nn.download.DATA_DIR", tmp_path / "repository" / "data")
        digests = {name: digest(array) for name, array in ARRAYS.items()}
        monkeypatch.setattr("mnist_nn.data.DIGESTS", digests)
        monkeypatch.setattr("mnist_nn.download.IDX_SHA256", sha256_of(FILES))
        yield server
    assert outside == []


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits; how long it would have been is here."""
    waited: list[float] = []
    monkeypatch.setattr("mnist_nn.download.time.sleep", waited.append)
    return waited


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a damaged file, in a folder of its own."""
    folder = tmp_path / "place" / "data"
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    (folder / "notes.txt").write_text("mine")
    return folder


@pytest.fixture
def real_digits(monkeypatch: pytest.MonkeyPatch, server: Server) -> dict[str, bytes]:
    """Use MNIST itself, and have the mirrors deal out the files that come with the repository."""
    files = {f"{name}.gz": (DATA_DIR / f"{name}.gz").read_bytes() for name in IDX_SHA256}
    monkeypatch.setattr("mnist_nn.data.DIGESTS", DIGESTS)
    monkeypatch.setattr("mnist_nn.download.IDX_SHA256", sha256_of(files))
    server.plan["/first/"] = [dealing(files)]
    return files


def sha256_of(files: dict[str, bytes]) -> dict[str, str]:
    return {
        name.removesuffix(".gz"): sha256(content).hexdigest() for name, content in files.items()
    }


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """All that is in the folder and beside it."""
    return {
        str(path.relative_to(folder.parent)): path.read_bytes() if path.is_file() else None
        for path in folder.parent.rglob("*")
    }


def failure(folder: Path, source: Any = "auto", **options: Any) -> DownloadError:
    """Return the one error, having checked that it changed nothing and drags no other along."""
    before = snapshot(folder)
    with pytest.raises(DownloadError) as caught:
        download_mnist(folder, source, **options)
    assert snapshot(folder) == before
    assert caught.value.__cause__ is caught.value.__context__ is None
    return caught.value


def check_small(folder: Path) -> None:
    digits = load_mnist(folder)
    for name, array in ARRAYS.items():
        assert digest(getattr(digits, name)) == digest(array)


# What comes


def test_what_is_fetched_is_what_was_published() -> None:
    assert DATASET == "oddrationale/mnist-in-csv"
    assert MIRRORS == [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ]
    assert IDX_SHA256 == {
        "train-images-idx3-ubyte": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        "train-labels-idx1-ubyte": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        "t10k-images-idx3-ubyte": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        "t10k-labels-idx1-ubyte": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    }


@pytest.mark.long
def test_kaggle_brings_the_shipped_digits_bit_for_bit(
    mnist: MNIST, real_digits: dict[str, bytes], server: Server, tmp_path: Path
) -> None:
    arrays = [np.rint(array * 255).astype(np.uint8) for array in (mnist.train_X, mnist.test_X)]
    csvs = [kaggle_csv(arrays[0], mnist.train_Y), kaggle_csv(arrays[1], mnist.test_Y)]
    server.plan[DOWNLOAD] = [Answer(zipped(dict(zip(CSVS, csvs, strict=True))))]
    for name, content in real_digits.items():  # with these beside them the CSVs are read just once
        (tmp_path / name).write_bytes(content)
    assert download_mnist(tmp_path, "kaggle") == "kaggle"
    for name, content in real_digits.items():
        assert (tmp_path / name).read_bytes() == content
        (tmp_path / name).unlink()
    for came, shipped in zip(load_mnist(tmp_path), mnist, strict=True):
        assert came.dtype == shipped.dtype
        assert np.array_equal(came, shipped)


@pytest.mark.long
def test_mirror_brings_the_shipped_files_with_a_bar_in_the_terminal(
    real_digits: dict[str, bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str], server: Server
) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    assert download_mnist(str(folder), "mirror") == server.mirrors[0]
    assert snapshot(folder / "x") == real_digits
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "12/12" in shown.err.rstrip().split("\r")[-1]
    assert "MB" in shown.err


def test_kaggle_is_asked_for_the_dataset_and_shows_a_bar(
    server: Server, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert download_mnist(folder, "kaggle") == "kaggle"
    (asked,) = server.of(DOWNLOAD)
    assert json.loads(asked.body) == {
        "ownerSlug": "oddrationale",
        "datasetSlug": "mnist-in-csv",
    }
    assert {name: (folder / name).read_bytes() for name in CSVS} == CSVS
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert " 1/16 " in shown.err
    assert "MB" in shown.err


def test_digits_go_where_load_mnist_looks_for_them(server: Server, tmp_path: Path) -> None:
    assert download_mnist() == server.mirrors[0]
    check_small(tmp_path / "repository" / "data")


def test_redirect_to_the_storage_takes_no_key_along(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", KEY)
    with serving() as storage:
        to = {"Location": f"{storage.address}/storage/archive.zip?signed"}
        server.plan[DOWNLOAD] = [Answer(status=302, headers=to)]
        assert download_mnist(folder, "kaggle") == "kaggle"
    check_small(folder)
    assert server.of(DOWNLOAD)[0].headers["Authorization"] == f"Bearer {KEY}"
    (asked,) = storage.asked
    assert asked.method == "GET"
    assert KEY not in f"{asked}{asked.headers}"


NOTEBOOK = """
import mnist_nn.data, mnist_nn.download
from kagglesdk import kaggle_env
mnist_nn.download.MIRRORS = {mirrors}
mnist_nn.download.IDX_SHA256 = {sha256}
kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.PROD] = {address!r}
---
mnist_nn.download_mnist({folder!r}, "mirror")
---
mnist_nn.data.DIGESTS = {digests}
mnist_nn.download_mnist({folder!r}, "kaggle")
"""


@pytest.mark.long
def test_a_notebook_is_left_with_one_line_even_after_a_dropped_connection(
    real_digits: dict[str, bytes], server: Server, tmp_path: Path
) -> None:
    server.plan[DOWNLOAD] = [Answer(ZIP[:3000], missing=3000), Answer(ZIP)]
    text = NOTEBOOK.format(
        mirrors=server.mirrors,
        sha256=sha256_of(real_digits),
        address=server.address,
        folder=str(tmp_path / "data"),
        digests={name: digest(array) for name, array in ARRAYS.items()},
    )
    cells = [nbformat.v4.new_code_cell(cell) for cell in text.split("---\n")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with mock.patch.dict(os.environ, {"KAGGLE_API_TOKEN": KEY, "MPLCONFIGDIR": FONTS}):
        NotebookClient(notebook, startup_timeout=600).execute()
    assert cells[0].outputs == []
    line, returned = cells[1].outputs
    assert line.data["text/plain"].startswith("MB 12 of 12")
    assert "left" not in line.data["text/plain"]
    assert returned.data["text/plain"] == repr(server.mirrors[0])
    kinds = [output.output_type for output in cells[2].outputs]
    assert kinds == ["display_data", "execute_result"]
    line, returned = cells[2].outputs
    assert line.data["text/plain"].startswith("MB 1 of 16,")
    assert returned.data["text/plain"] == "'kaggle'"


# Credentials


def dotenv(form: str) -> str:
    return "".join(f"{name}={value}\n" for name, value in FORMS[form][0].items())


@pytest.mark.parametrize("form", FORMS)
def test_credentials_of_the_environment(
    server: Server, folder: Path, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in FORMS[form][0].items():
        monkeypatch.setenv(name, value)
    log_in_with_a_browser(tmp_path / "home")  # which the environment goes before
    before = dict(os.environ)
    assert download_mnist(folder) == "kaggle"
    assert dict(os.environ) == before
    assert not server.of(REFRESH)
    assert [asked.headers["Authorization"] for asked in server.of(DOWNLOAD)] == [FORMS[form][1]]
    assert not server.of("/first/")


@pytest.mark.parametrize("place", ["above/work", "above", ".", "repository"])
@pytest.mark.parametrize("form", FORMS)
def test_credentials_of_dotenv(
    server: Server, folder: Path, tmp_path: Path, form: str, place: str
) -> None:
    (tmp_path / place / ".env").write_text(dotenv(form))
    assert download_mnist(folder) == "kaggle"
    assert [asked.headers["Authorization"] for asked in server.of(DOWNLOAD)] == [FORMS[form][1]]


@pytest.mark.parametrize(
    "content",
    [
        dotenv("token").replace("\n", "\r\n").encode(),
        dotenv("token").encode("utf-8-sig"),
        b"KAGGLE_API_TOKEN='%s' # mine" % KEY.encode(),
        b"KAGGLE_API_TOKEN=\n" + dotenv("legacy").encode(),
        dotenv("token").encode("utf-16"),  # PowerShell, by `echo KAGGLE_API_TOKEN=... > .env`
        "# für mich\n".encode("latin-1") + dotenv("token").encode(),
    ],
    ids=["crlf", "byte-order-mark", "quoted", "example-with-blank-token", "utf-16", "latin-1"],
)
def test_dotenv_as_editors_save_it(server: Server, folder: Path, content: bytes) -> None:
    Path(".env").write_bytes(content)
    assert download_mnist(folder) == "kaggle"
    wanted = [form[1] for form in FORMS.values()]
    assert server.of(DOWNLOAD)[0].headers["Authorization"] in wanted


def test_environment_goes_before_dotenv(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".env").write_text("KAGGLE_API_TOKEN=other\n")
    monkeypatch.setenv("KAGGLE_API_TOKEN", KEY)
    assert download_mnist(folder) == "kaggle"
    assert server.of(DOWNLOAD)[0].headers["Authorization"] == f"Bearer {KEY}"


def test_the_nearest_dotenv_goes_first(server: Server, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "repository" / ".env").write_text("KAGGLE_API_TOKEN=other\n")
    (tmp_path / "above" / ".env").write_text(dotenv("token"))
    Path(".env").write_text("KAGGLE_API_TOKEN=\n")  # the example, copied and not filled in
    assert download_mnist(folder) == "kaggle"
    assert server.of(DOWNLOAD)[0].headers["Authorization"] == f"Bearer {KEY}"


def test_corrected_dotenv_counts_without_a_new_start(server: Server, folder: Path) -> None:
    server.plan[DOWNLOAD] = [Answer(status=401), Answer(ZIP)]
    Path(".env").write_text("KAGGLE_API_TOKEN=mistyped\n")
    failure(folder, "kaggle")
    Path(".env").write_text(dotenv("token"))
    assert download_mnist(folder, "kaggle") == "kaggle"
    assert server.of(DOWNLOAD)[1].headers["Authorization"] == f"Bearer {KEY}"


LEGACY_JSON = json.dumps({"username": "somebody", "key": KEY})
OAUTH_JSON, OAUTH_EXPIRED_JSON = (
    json.dumps(
        {
            "username": "somebody",
            "refresh_token": KEY,
            "access_token": token,
            "access_token_expiration": f"{year}-01-01T00:00:00+00:00",
        }
    )
    for token, year in ((KEY, 2999), ("expired", 1999))
)


def log_in_with_a_browser(home: Path) -> None:
    """Leave what `kaggle auth login` does, a day later."""
    (home / ".kaggle").mkdir()
    (home / ".kaggle" / "credentials.json").write_text(OAUTH_EXPIRED_JSON)


LONG = "KGAT_" + "0123456789" * 40  # longer than any file may be called
OTHER_JSON = json.dumps({"username": "somebody", "key": "other"})
IN_CONFIG = "home/.config/kaggle/kaggle.json"
MOVED = {"KAGGLE_CONFIG_DIR": "elsewhere"}
LOOK_UPS: dict[str, tuple[dict[str, str], dict[str, str], str | None]] = {
    "kaggle.json": ({"home/.kaggle/kaggle.json": LEGACY_JSON}, {}, f"Basic {BASIC}"),
    "access_token": ({"home/.kaggle/access_token": f"{KEY}\n"}, {}, f"Bearer {KEY}"),
    "access_token-damaged": ({"home/.kaggle/access_token": "\udc81"}, {}, None),
    "access_token.txt": ({"home/.kaggle/access_token.txt": KEY}, {}, f"Bearer {KEY}"),
    "login": ({"home/.kaggle/credentials.json": OAUTH_JSON}, {}, f"Bearer {KEY}"),
    "login-expired": ({"home/.kaggle/credentials.json": OAUTH_EXPIRED_JSON}, {}, f"Bearer {KEY}"),
    "login-damaged": ({"home/.kaggle/credentials.json": OAUTH_JSON[:-1]}, {}, None),
    "login-ended": ({"home/.kaggle/credentials.json": OTHER_JSON}, {}, None),
    "config": ({IN_CONFIG: LEGACY_JSON}, {}, f"Basic {BASIC}"),
    "config-second": (
        {"home/.kaggle/kaggle.json": LEGACY_JSON, IN_CONFIG: OTHER_JSON},
        {},
        f"Basic {BASIC}",
    ),
    "config-after-damaged": (
        {"home/.kaggle/kaggle.json": OTHER_JSON[:-1], IN_CONFIG: LEGACY_JSON},
        {},
        f"Basic {BASIC}",
    ),
    "config-has-no-token": ({"home/.config/kaggle/access_token": KEY}, {}, None),
    "moved": ({"elsewhere/kaggle.json": LEGACY_JSON}, MOVED, f"Basic {BASIC}"),
    "moved-first": (
        {"elsewhere/kaggle.json": LEGACY_JSON, "home/.kaggle/kaggle.json": OTHER_JSON},
        MOVED,
        f"Basic {BASIC}",
    ),
    "moved-empty": (
        {"home/.kaggle/kaggle.json": LEGACY_JSON, IN_CONFIG: OTHER_JSON},
        MOVED,
        f"Basic {BASIC}",
    ),
    "moved-to-nobody": (
        {"home/.kaggle/kaggle.json": LEGACY_JSON},
        {"KAGGLE_CONFIG_DIR": "~nobody-of-this-name"},
        f"Basic {BASIC}",
    ),
    "moved-but-token": ({"home/.kaggle/access_token": KEY}, MOVED, f"Bearer {KEY}"),
    "moved-has-no-token": ({"elsewhere/access_token": KEY}, MOVED, None),
    "xdg": (
        {"elsewhere/kaggle/kaggle.json": LEGACY_JSON},
        {"XDG_CONFIG_HOME": "elsewhere"},
        f"Basic {BASIC}",
    ),
    "token-long": ({}, {"KAGGLE_API_TOKEN": LONG}, f"Bearer {LONG}"),
    "token-in-file": (
        {"elsewhere/mine": KEY},
        {"KAGGLE_API_TOKEN": "elsewhere/mine"},
        f"Bearer {KEY}",
    ),
    "token-of-notebook": (
        {"elsewhere/mine": KEY},
        {"KAGGLE_API_V1_TOKEN": "elsewhere/mine", "KAGGLE_API_TOKEN": "other"},
        f"Bearer {KEY}",
    ),
    "token-before-pair": (
        {"home/.kaggle/access_token": KEY},
        {"KAGGLE_USERNAME": "somebody", "KAGGLE_KEY": "other"},
        f"Bearer {KEY}",
    ),
    "pair-of-both": ({IN_CONFIG: OTHER_JSON}, {"KAGGLE_KEY": KEY}, f"Basic {BASIC}"),
    "pair-blank": ({"home/.kaggle/kaggle.json": '{"username": "", "key": ""}'}, {}, None),
    "pair-in-a-list": ({"home/.kaggle/kaggle.json": "[1]"}, {}, None),
}


@pytest.mark.parametrize(("files", "environ", "sent"), LOOK_UPS.values(), ids=LOOK_UPS)
def test_kaggle_goes_first_exactly_if_it_is_sent_something(
    server: Server,
    folder: Path,
    tmp_path: Path,
    files: dict[str, str],
    environ: dict[str, str],
    sent: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content.encode(errors="surrogateescape"))
        (tmp_path / name).chmod(0o600)
    for name, value in environ.items():
        elsewhere = value.startswith("elsewhere")
        monkeypatch.setenv(name, str(tmp_path / value) if elsewhere else value)
    assert download_mnist(folder) == ("kaggle" if sent else server.mirrors[0])
    assert download_mnist(folder, "kaggle", force=True) == "kaggle"
    assert {asked.headers["Authorization"] for asked in server.of(DOWNLOAD)} == {sent}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the folder that one works in")
def test_working_folder_that_was_deleted(server: Server, folder: Path, tmp_path: Path) -> None:
    Path.cwd().rmdir()
    server.plan |= {"/first/": [Answer(status=404)], "/second/": [Answer(status=404)]}
    assert "kaggle: " not in str(failure(folder))
    (tmp_path / "repository" / ".env").write_text(dotenv("token"))
    assert download_mnist(folder) == "kaggle"


def test_half_a_pair_is_no_credential(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")
    assert download_mnist(folder) == server.mirrors[0]
    assert not server.of(DOWNLOAD)


def test_without_credentials_kaggle_is_tried_and_prints_no_help(
    server: Server, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert download_mnist(folder, "kaggle") == "kaggle"
    check_small(folder)
    assert [asked.headers["Authorization"] for asked in server.of(DOWNLOAD)] == [None]
    shown = capfd.readouterr()
    assert "uthenticat" not in shown.out + shown.err


def test_without_credentials_where_they_are_needed(
    server: Server, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server.plan[DOWNLOAD] = [Answer(status=401)]
    text = str(failure(folder, "kaggle"))
    assert "credentials" in text
    assert "401" in text
    assert ".env" in text
    shown = capfd.readouterr()
    assert shown.out == ""
    pieces = [piece for piece in shown.err.strip().split("\r") if piece]
    assert all(" 0/16 " in piece and "MB/s" in piece for piece in pieces)  # the bar, nothing else


def test_rejected_token(
    server: Server, folder: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", KEY)
    server.plan[DOWNLOAD] = [Answer(status=401)]
    assert "kaggle: the credentials were rejected" in str(failure(folder, "kaggle"))
    assert pauses == []


@pytest.mark.parametrize("module", ["kagglesdk", "dotenv"])
def test_without_the_extra(
    server: Server, folder: Path, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # Python's way to say that there is none
    Path(".env").write_text(dotenv("token"))
    said = f'kaggle: {module} must be installed, and is not; run pip install "mnist-nn[kaggle]"\n'
    assert said in str(failure(folder, "kaggle"))
    server.plan |= {"/first/": [Answer(status=404)], "/second/": [Answer(status=404)]}
    assert said in str(failure(folder))
    server.plan["/second/"] = [dealing(FILES)]
    assert download_mnist(folder) == server.mirrors[1]
    assert not server.of(DOWNLOAD)


# What passes is waited for; what does not is told


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def in_seconds(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.fixture
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnist_nn.download.time.time", NOW.timestamp)


PASSING = {
    "500": ([Answer(status=500)], [1]),
    "500-503-502": ([Answer(status=500), Answer(status=503), Answer(status=502)], [1, 2, 4]),
    "429": ([Answer(status=429)], [1]),
    "retry-after": ([Answer(status=429, headers={"Retry-After": "7"})], [7]),
    "503-retry-after": ([Answer(status=503, headers={"Retry-After": "7"})], [7]),
    "retry-after-nonsense": ([Answer(status=429, headers={"Retry-After": "soon"})], [1]),
    "retry-after-infinite": ([Answer(status=429, headers={"Retry-After": "inf"})], [1]),
    "retry-after-negative": ([Answer(status=429, headers={"Retry-After": "-7"})], [1]),
    "retry-after-too-long-to-read": (
        [Answer(status=429, headers={"Retry-After": "7" * 5000})],
        [1],
    ),
    "dropped": ([Answer(ZIP[:1000], missing=10)], [1]),
    "hung-up": ([Answer(status=0)], [1]),
}


@pytest.mark.parametrize(("answers", "waited"), PASSING.values(), ids=PASSING)
def test_what_may_pass_is_tried_again(
    server: Server, folder: Path, answers: list[Answer], waited: list[float], pauses: list[float]
) -> None:
    server.plan[DOWNLOAD] = [*answers, Answer(ZIP)]
    assert download_mnist(folder, "kaggle") == "kaggle"
    check_small(folder)
    assert pauses == waited
    assert len(server.of(DOWNLOAD)) == len(waited) + 1
    pauses.clear()
    server.plan["/first/"] = [*answers, dealing(FILES)]
    assert download_mnist(folder, "mirror") == server.mirrors[0]
    assert pauses == waited
    assert len(server.of("/first/")) == len(waited) + 4


@pytest.mark.usefixtures("_now")
@pytest.mark.parametrize(("seconds", "waited"), [(30, 30), (-30, 0)])
def test_retry_after_as_a_date(
    server: Server, folder: Path, seconds: int, waited: int, pauses: list[float]
) -> None:
    headers = {"Retry-After": in_seconds(seconds)}
    server.plan[DOWNLOAD] = [Answer(status=429, headers=headers), Answer(ZIP)]
    assert download_mnist(folder, "kaggle") == "kaggle"
    assert pauses == [waited]


@pytest.mark.usefixtures("_now")
@pytest.mark.parametrize("retry_after", ["3600", "9" * 4000, in_seconds(3600)])
def test_nobody_is_kept_waiting_for_an_hour(
    server: Server, folder: Path, retry_after: str, pauses: list[float]
) -> None:
    server.plan[DOWNLOAD] = [Answer(status=429, headers={"Retry-After": retry_after})]
    assert "too many requests" in str(failure(folder, "kaggle"))
    assert len(server.of(DOWNLOAD)) == 1
    assert pauses == []


def test_refreshing_a_login_is_tried_again(
    server: Server, folder: Path, tmp_path: Path, pauses: list[float]
) -> None:
    log_in_with_a_browser(tmp_path / "home")
    server.plan[REFRESH] = [Answer(status=500), REFRESHED]
    assert download_mnist(folder) == "kaggle"
    assert pauses == [1]


def damaged_inside(archive: bytes) -> bytes:
    """Make the first member one that cannot be unpacked: it says that its block is of no kind."""
    start = 30 + len("mnist_train.csv")
    return archive[:start] + b"\xff" + archive[start + 1 :]


ONE_PIXEL = TRAIN_CSV.replace(b",7,", b",8,", 1)


FAILURES = {
    "401": (Answer(status=401), "credentials .*401", 1),
    "403": (Answer(status=403), "forbidden .*403", 1),
    "404": (Answer(status=404), "no such .*dataset .*404", 1),
    "429": (Answer(status=429), "too many requests.*429", 4),
    "500": (Answer(status=500), "server failed .*500", 4),
    "dropped": (Answer(ZIP[:1000], missing=10), "connection .*cut off", 4),
    "hung-up": (Answer(status=0), "connection failed", 4),
    "web-page": (Answer(b"<html>Log in to the network</html>"), "not a zip", 1),
    "empty": (Answer(b""), "not a zip", 1),
    "cut-off-unnoticed": (Answer(ZIP[:1000], missing=None), "not a zip", 1),
    "zip-damaged": (Answer(damaged_inside(ZIP)), "zip", 1),
    "zip-empty": (Answer(zipped({})), "not a zip .*mnist_train.csv and mnist_test.csv", 1),
    "zip-half": (Answer(zipped({"mnist_train.csv": TRAIN_CSV})), "not a zip .*mnist_test.csv", 1),
    "zip-outside-only": (
        Answer(zipped({f"../{name}": CSVS[name] for name in CSVS})),
        "not a zip",
        1,
    ),
    "one-pixel": (
        Answer(zipped(CSVS | {"mnist_train.csv": ONE_PIXEL})),
        "not MNIST.*mnist_train.csv",
        1,
    ),
    "empty-csv": (Answer(zipped(dict.fromkeys(CSVS, b""))), "not MNIST.*mnist_train.csv", 1),
    "zip-bomb": (
        Answer(zipped(dict.fromkeys(CSVS, bytes(2**27 + 1)))),
        "at most 134217728 bytes",
        1,
    ),
    "endless": (Answer(bytes(2**27 + 1)), "at most 134217728 bytes", 1),
}


@pytest.mark.parametrize(("answer", "said", "tries"), FAILURES.values(), ids=FAILURES)
def test_kaggle_failure(
    server: Server, folder: Path, answer: Answer, said: str, tries: int, pauses: list[float]
) -> None:
    server.plan[DOWNLOAD] = [answer]
    error = failure(folder, "kaggle")
    assert error.args[0].count("kaggle: ") == 1
    with pytest.raises(DownloadError, match=said):
        raise error
    assert len(server.of(DOWNLOAD)) == tries
    assert pauses == [1, 2, 4][: tries - 1]


def test_zip_cannot_write_outside(folder: Path, server: Server) -> None:
    evil = ["../evil", "../../evil", "../../data/../evil", "..\\evil", str(folder / "evil"), "evil"]
    server.plan[DOWNLOAD] = [Answer(zipped(CSVS | dict.fromkeys(evil, b"evil")))]
    assert download_mnist(folder, "kaggle") == "kaggle"
    assert not [name for name in snapshot(folder) if "evil" in name]
    assert {name: (folder / name).read_bytes() for name in CSVS} == CSVS


BROKEN_MIRRORS = {
    "404": (Answer(status=404), "no such file .*404"),
    "500": (Answer(status=500), "server failed .*500"),
    "dropped": (Answer(b"\x1f\x8b", missing=10), "connection .*cut off"),
    "hung-up": (Answer(status=0), "connection failed"),
    "other-file": (Answer(b"something else"), "SHA-256 of train-images"),
    "empty": (Answer(b""), "SHA-256 of train-images"),
}


@pytest.mark.parametrize("broken", BROKEN_MIRRORS)
def test_a_broken_mirror_leads_to_the_next(server: Server, folder: Path, broken: str) -> None:
    # The first file comes, and the second does not.
    server.plan["/first/"] = [dealing(FILES), BROKEN_MIRRORS[broken][0]]
    assert download_mnist(folder, "mirror") == server.mirrors[1]
    assert len(server.of("/second/")) == 4
    check_small(folder)
    assert sorted(snapshot(folder)) == sorted(
        ["data", *(str(Path("data", name)) for name in [*FILES, "notes.txt"])]
    )


@pytest.mark.parametrize("broken", BROKEN_MIRRORS)
def test_two_broken_mirrors(server: Server, folder: Path, broken: str) -> None:
    answer, said = BROKEN_MIRRORS[broken]
    server.plan |= {"/first/": [answer], "/second/": [answer]}
    error = failure(folder, "mirror")
    for mirror in server.mirrors:
        with pytest.raises(DownloadError, match=f"{mirror}: .*{said}"):
            raise error
    assert not server.of(DOWNLOAD)


def test_mirror_that_declares_its_files_to_be_zipped_on_the_way(
    server: Server, folder: Path
) -> None:
    zips = {"Content-Encoding": "gzip"}
    server.plan["/first/"] = [
        lambda asked: Answer(FILES[asked.path.removeprefix("/first/")], headers=zips)
    ]
    assert download_mnist(folder, "mirror") in server.mirrors
    check_small(folder)


def test_nobody_listens(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("KAGGLE_API_TOKEN", KEY)
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, address)
    monkeypatch.setattr("mnist_nn.download.MIRRORS", [f"{address}/"])
    text = str(failure(folder))
    assert "kaggle: the connection failed" in text
    assert f"{address}/: the connection failed" in text
    assert "network" in text


@pytest.mark.parametrize("source", ["kaggle", "mirror"])
def test_no_request_waits_for_ever(
    server: Server, folder: Path, tmp_path: Path, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []
    send = requests.adapters.HTTPAdapter.send

    def note(self: Any, request: Any, **options: Any) -> Any:
        limits.append(options.get("timeout"))
        return send(self, request, **options)

    log_in_with_a_browser(tmp_path / "home")
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", note)
    with serving() as storage:
        to = {"Location": f"{storage.address}/storage/archive.zip?signed"}
        server.plan[DOWNLOAD] = [Answer(status=302, headers=to)]
        download_mnist(folder, source)
    assert limits == [30] * (3 if source == "kaggle" else 4)  # the login, the request, the storage


# The data folder


@pytest.mark.parametrize("source", ["kaggle", "mirror"])
def test_interrupted_by_hand(folder: Path, source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def iter_content(*_: Any) -> Iterator[bytes]:
        yield b"half of it"
        raise KeyboardInterrupt

    monkeypatch.setattr(requests.Response, "iter_content", iter_content)
    before = snapshot(folder)
    with pytest.raises(KeyboardInterrupt):
        download_mnist(folder, source)
    assert snapshot(folder) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
@pytest.mark.parametrize(
    ("source", "archive"),
    [("mirror", b""), ("kaggle", ZIP), ("kaggle", zipped(dict.fromkeys(CSVS, b"0," * 9999)))],
    ids=["mirror", "archive", "unpacking"],
)
def test_no_room_on_the_disk(folder: Path, server: Server, source: Any, archive: bytes) -> None:
    import resource

    server.plan[DOWNLOAD] = [Answer(archive)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = snapshot(folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(DownloadError, match=r"could not be written \(File too large\)"):
            download_mnist(folder, source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert snapshot(folder) == before


def test_one_of_two_files_cannot_be_replaced(folder: Path) -> None:
    (folder / "mnist_test.csv").write_text("older")
    (folder / "mnist_train.csv").mkdir()
    (folder / "mnist_train.csv" / "in the way").touch()
    assert "could not be written" in str(failure(folder, "kaggle"))


def test_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    assert "could not be written" in str(failure(tmp_path / "data"))


def test_damaged_idx_files_make_way_for_csv(folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in FILES}
    assert download_mnist(folder, "kaggle") == "kaggle"
    check_small(folder)
    damaged = folder / "train-images-idx3-ubyte.gz.damaged"
    assert damaged.read_bytes() == b"damaged"
    for name, content in before.items():
        kept = [path.read_bytes() for path in folder.glob(f"{name}*")]
        assert kept == [content]
    assert (folder / "notes.txt").read_text() == "mine"


def test_whole_idx_files_stay_beside_csv(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    before = snapshot(folder)
    assert download_mnist(folder, "kaggle") == "kaggle"
    assert snapshot(folder) == before | {str(Path("data", name)): CSVS[name] for name in CSVS}


# Which way is taken


@pytest.mark.parametrize(
    ("source", "files"),
    [("auto", FILES), ("auto", CSVS), ("mirror", FILES), ("kaggle", CSVS)],
    ids=["auto-idx", "auto-csv", "mirror", "kaggle"],
)
@pytest.mark.parametrize("force", [False, True], ids=["", "force"])
def test_nothing_is_fetched_that_is_there_unless_forced(
    server: Server,
    tmp_path: Path,
    source: Any,
    files: dict[str, bytes],
    force: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", KEY)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    came = download_mnist(tmp_path, source, force=force)
    if force:
        assert came == (server.mirrors[0] if source == "mirror" else "kaggle")
    else:
        assert came == "disk"
        assert server.asked == []


@pytest.mark.parametrize(
    ("source", "files", "came"),
    [("mirror", CSVS, "/first/"), ("kaggle", FILES, "kaggle")],
    ids=["mirror", "kaggle"],
)
def test_a_source_brings_its_own_files(
    tmp_path: Path, source: Any, files: dict[str, bytes], came: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert download_mnist(tmp_path, source).endswith(came)
    assert {name for name in [*FILES, *CSVS] if (tmp_path / name).exists()} == {*FILES, *CSVS}


def test_digits_can_be_read_after_kaggle_though_its_files_were_there(folder: Path) -> None:
    for name, content in CSVS.items():
        (folder / name).write_bytes(content)
    download_mnist(folder, "kaggle")  # the damaged IDX files would be read before the CSV files
    check_small(folder)


def test_auto_without_credentials_asks_a_mirror_only(server: Server, folder: Path) -> None:
    assert download_mnist(folder) == server.mirrors[0]
    check_small(folder)
    assert [asked.path for asked in server.asked] == [f"/first/{name}" for name in FILES]


def test_auto_goes_from_kaggle_to_a_mirror(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", KEY)
    server.plan[DOWNLOAD] = [Answer(status=403)]
    assert download_mnist(folder) == server.mirrors[0]
    check_small(folder)
    assert not any((folder / name).exists() for name in CSVS)


def test_all_ways_failing_are_told_in_one_error(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", KEY)
    server.plan |= {
        DOWNLOAD: [Answer(status=403)],
        "/first/": [Answer(status=404)],
        "/second/": [Answer(b"something else")],
    }
    lines = str(failure(folder)).splitlines()
    for name, why in (
        ("kaggle", "forbidden"),
        (server.mirrors[0], "no such file"),
        (server.mirrors[1], "not MNIST"),
    ):
        assert [why in line for line in lines if line.strip().startswith(f"{name}: ")] == [True]
    for advice in ("network", f"the folder {folder}", ".env", "git checkout data"):
        assert advice in lines[-1]


@pytest.mark.parametrize("source", ["Kaggle", "", None, "https://example.org"])
def test_no_such_source(server: Server, folder: Path, source: Any) -> None:
    before = snapshot(folder)
    with pytest.raises(ValueError, match=r'"auto", "kaggle" or "mirror", not') as caught:
        download_mnist(folder, source)
    assert repr(source) in str(caught.value)
    assert server.asked == []
    assert snapshot(folder) == before


@pytest.mark.long
def test_a_whole_folder_takes_no_client() -> None:
    script = (
        "import sys, mnist_nn\n"
        "assert mnist_nn.download_mnist() == 'disk'\n"
        "print(sorted({'kaggle', 'kagglesdk', 'requests', 'dotenv'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


# The key is seen by nobody, whatever the server says


def quoting(status: int = 200, *, kind: str = "application/json", missing: int = 0) -> Any:
    """Answer with all that the client sent."""

    def answer(asked: Asked) -> Answer:
        sent = f"{KEY} {asked.headers['Authorization']} {asked.body.decode()}"
        body = json.dumps({"code": status, "message": sent}).encode()
        return Answer(body, status, {"Content-Type": kind, "X-Sent": sent}, missing)

    return answer


def quoting_in_csv(old: bytes, new: bytes) -> Any:
    """Answer with files that hold the key."""

    def answer(asked: Asked) -> Answer:
        key = asked.headers["Authorization"].removeprefix("Bearer ").encode()
        train = TRAIN_CSV.replace(old, new.replace(b"KEY", key), 1)
        return Answer(zipped(CSVS | {"mnist_train.csv": train}))

    return answer


REFUSAL = {DOWNLOAD: [quoting(401)]}


QUOTED = {
    "401": ("token", REFUSAL),
    "401-legacy": ("legacy", REFUSAL),
    "401-oauth": ("oauth", REFUSAL),
    "refresh-401": ("oauth", {REFRESH: [quoting(401)]}),
    "refresh-403": ("oauth", {REFRESH: [quoting(403)]}),
    "500": ("token", {DOWNLOAD: [quoting(500)]}),
    "dropped": ("token", {DOWNLOAD: [quoting(kind="application/zip", missing=9)]}),
    "dropped-legacy": ("legacy", {DOWNLOAD: [quoting(kind="application/zip", missing=9)]}),
    "not-a-zip": ("token", {DOWNLOAD: [quoting(kind="application/zip")]}),
    "not-a-zip-legacy": ("legacy", {DOWNLOAD: [quoting(kind="application/zip")]}),
    "cell": ("token", {DOWNLOAD: [quoting_in_csv(b",7,", b",KEY,")]}),
    "extra-cell": ("token", {DOWNLOAD: [quoting_in_csv(b",7,", b",7,KEY,")]}),
}


@pytest.mark.parametrize(("form", "plan"), QUOTED.values(), ids=QUOTED)
def test_the_key_is_seen_by_nobody(
    server: Server,
    folder: Path,
    tmp_path: Path,
    form: str,
    plan: dict[str, list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if form == "oauth":
        log_in_with_a_browser(tmp_path / "home")
    else:
        Path(".env").write_text(dotenv(form))
    monkeypatch.setenv("VERBOSE", "1")
    caplog.set_level(logging.DEBUG)
    server.plan |= plan
    error = failure(folder, "kaggle")
    locals_of_frames = traceback.TracebackException(
        type(error), error, error.__traceback__.tb_next, capture_locals=True
    )
    seen = [
        *(str(error), repr(error), *traceback.format_exception(error), *locals_of_frames.format()),
        *capfd.readouterr(),
        *(caplog.text, *(repr(record.__dict__) for record in caplog.records)),
    ]
    sent = "".join(f"{asked.headers}{asked.body!r}" for asked in server.asked)
    for secret in (KEY, BASIC):
        assert not [text for text in seen if secret in text]
    assert KEY in sent or BASIC in sent
    assert os.environ["VERBOSE"] == "1"
    assert "urllib3" in caplog.text  # the log was on


def test_a_key_that_no_request_can_hold_is_not_quoted(server: Server, folder: Path) -> None:
    Path(".env").write_text(f'KAGGLE_API_TOKEN="{KEY}\\n"')  # what http.client raises quotes it
    error = failure(folder, "kaggle")
    assert "kaggle: the client failed (ValueError)" in str(error)
    assert KEY not in "".join(traceback.format_exception(error))
    assert server.asked == []
