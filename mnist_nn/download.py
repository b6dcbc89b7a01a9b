"""Fetch MNIST: from Kaggle with your credentials, or from public mirrors without any."""

import builtins
import codecs
import contextlib
import hashlib
import io
import logging
import math
import os
import shutil
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial, partialmethod
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mnist_nn.data import DATA_DIR, DataError, load_mnist
from mnist_nn.progress import Progress

if TYPE_CHECKING:
    import requests

DATASET = "oddrationale/mnist-in-csv"
"""The Kaggle dataset that `download_mnist` fetches: two CSV files in a zip archive."""

MIRRORS = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
]
"""Where PyTorch and TensorFlow keep the four original files."""

CSV_NAMES = ["mnist_train.csv", "mnist_test.csv"]

IDX_SHA256 = {
    "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
"""The SHA-256 of each file, with .gz, as the mirrors have it."""

# About what there is to fetch; the progress shown ends there or a little off.
_IDX_MEGABYTES, _CSV_MEGABYTES = 12, 16

# Longer than this a person should not be kept waiting by a server's Retry-After.
_PATIENCE_SECONDS = 60.0


class DownloadError(OSError):
    """MNIST could not be fetched; the text lists what was tried, why it failed and what to do."""


def download_mnist(
    data_dir: Path | str | None = None,
    source: Literal["auto", "kaggle", "mirror"] = "auto",
    *,
    force: bool = False,
) -> str:
    """Make sure that MNIST is on disk, and fetch it if it is not.

    Files are fetched into a temporary folder, checked there by their SHA-256, and moved into place
    only then: whatever goes wrong, the data folder stays as it was.

    Parameters
    ----------
    data_dir : path, optional
        Where the files belong. Default: the repository's ``data``.
    source : {"auto", "kaggle", "mirror"}
        ``"kaggle"`` fetches the pair of CSV files with the kaggle client; credentials come from
        ``.env``, the environment or ``~/.kaggle``, and it tries without where there are none.
        ``"mirror"`` fetches the four IDX files from a public mirror. ``"auto"`` does the first
        if there are credentials, and the second if there are none or it failed.
    force : bool
        True fetches even if what would be fetched is there and whole.

    Returns
    -------
    str
        Where the digits came from: ``"disk"``, ``"kaggle"`` or the address of a mirror.

    Raises
    ------
    DownloadError
        If every way to them failed.
    ValueError
        If there is no such source.
    """
    if source not in ("auto", "kaggle", "mirror"):
        raise ValueError(
            f'source must be "auto", "kaggle" or "mirror", not {source!r}; choose one of the three'
        )
    folder = DATA_DIR if data_dir is None else Path(data_dir)
    names = {"kaggle": CSV_NAMES, "mirror": [f"{name}.gz" for name in IDX_SHA256]}.get(source)
    if not force and _is_whole(folder) and (names is None or _is_whole(folder, names)):
        return "disk"
    failures = []
    with _environment_of_dotenv():
        ways: dict[str, Callable[[Path], None]] = {}
        if source == "kaggle" or (source == "auto" and _has_credentials()):
            ways["kaggle"] = _fetch_from_kaggle
        if source != "kaggle":
            ways |= {mirror: _from_mirror(mirror) for mirror in MIRRORS}
        for name, fetch in ways.items():
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
                    fetch(Path(temporary))
                    load_mnist(temporary)
                    _move_in(Path(temporary), folder)
            except Exception as error:
                failures.append(f"{name}: {_reason(error)}")
            else:
                return name
    raise DownloadError(
        "MNIST could not be downloaded. Tried were\n  "
        + "\n  ".join(failures)
        + "\nCheck the network and, for Kaggle, the credentials in .env (.env.example shows how); "
        "or restore the files that come with the repository by `git checkout data`."
    )


def _is_whole(folder: Path, names: list[str] | None = None) -> bool:
    """Whether the folder, or these of its files alone, are MNIST."""
    try:
        if names is None:
            load_mnist(folder)
        else:
            with tempfile.TemporaryDirectory() as alone:
                for name in names:
                    shutil.copy(folder / name, alone)
                load_mnist(alone)
    except (DataError, OSError):
        return False
    return True


def _move_in(temporary: Path, folder: Path) -> None:
    """Move the new files in, all of them or, should one not go, none."""
    files, kept = sorted(temporary.iterdir()), temporary / "kept"
    kept.mkdir()
    with contextlib.ExitStack() as undo:
        for file in files:
            target, old = folder / file.name, kept / file.name
            if target.is_file():
                shutil.copy2(target, old)
            file.replace(target)
            undo.callback(old.replace, target) if old.exists() else undo.callback(target.unlink)
        undo.pop_all()
    if not _is_whole(folder):
        # Damaged IDX files would be read before the CSV files that have just come.
        for name in IDX_SHA256:
            for damaged in (folder / name, folder / f"{name}.gz"):
                if damaged.exists():
                    damaged.replace(damaged.with_name(f"{damaged.name}.damaged"))


def _from_mirror(mirror: str) -> Callable[[Path], None]:
    def fetch(folder: Path) -> None:
        done = 0
        with Progress(_IDX_MEGABYTES, "MB") as shown:
            for name, expected in IDX_SHA256.items():
                file = folder / f"{name}.gz"
                _retrying(partial(_fetch_idx, mirror + file.name, file, shown, done))
                came = hashlib.sha256(file.read_bytes()).hexdigest()
                if came != expected:
                    raise DataError(f"SHA-256 of {file.name} should be {expected} and is {came}")
                done += file.stat().st_size

    return fetch


def _fetch_idx(address: str, file: Path, shown: Progress, before: int) -> None:
    import requests

    # "identity": requests would unzip what a server declares as gzip, and spoil the digest.
    headers = {"Accept-Encoding": "identity"}
    response = requests.get(address, headers=headers, stream=True, timeout=30)
    response.raise_for_status()
    _save(response, file, shown, before)


def _fetch_from_kaggle(folder: Path) -> None:
    archive = folder / "archive.zip"
    with Progress(_CSV_MEGABYTES, "MB") as shown:
        _retrying(lambda: _save(_ask_kaggle(), archive, shown))
    with zipfile.ZipFile(archive) as members:
        # Only these two are written, by these names: a "../" in another cannot lead anywhere.
        for name in CSV_NAMES:
            members.extract(name, folder)
    archive.unlink()


def _ask_kaggle() -> "requests.Response":
    """Ask Kaggle for the dataset with the kaggle client, and return the answer to be read."""
    from unittest import mock

    import requests

    # The client sets no time limit of its own, and a silent server would hold a notebook for ever.
    patient = partialmethod(requests.Session.send, timeout=30)
    with _muted(), mock.patch.object(requests.Session, "send", patient):
        from kaggle.api.kaggle_api_extended import KaggleApi
        from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

        api = KaggleApi()
        api.args = []
        with contextlib.suppress(SystemExit):  # a public dataset may not need credentials
            api.authenticate()
        request = ApiDownloadDatasetRequest()
        request.owner_slug, request.dataset_slug = DATASET.split("/")
        with api.build_kaggle_client() as client:
            response: requests.Response = client.datasets.dataset_api_client.download_dataset(
                request
            )
    return response


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Keep the kaggle client from printing, logging, and ending the interpreter.

    It logs in when it is imported and, where it cannot, prints help and calls ``exit``, which would
    close standard input, and which a notebook has not got. With VERBOSE set it prints what it
    sends, and at the debug level it logs what it is answered: the credential may be in either.
    """
    levels = {name: logging.getLogger(name).level for name in ("kaggle", "kagglesdk")}
    original = vars(builtins).get("exit")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            for name in levels:
                logging.getLogger(name).setLevel(logging.CRITICAL)
            vars(builtins)["exit"] = sys.exit
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
            del vars(builtins)["exit"]
            if original is not None:
                vars(builtins)["exit"] = original


@contextlib.contextmanager
def _environment_of_dotenv() -> Iterator[None]:
    """Add what .env says to the environment for a while, from above the working folder first.

    Only for a while: a corrected .env then counts at once, and no key stays behind.
    """
    from dotenv import dotenv_values, find_dotenv

    before = dict(os.environ)
    for path in (Path(find_dotenv(usecwd=True)), DATA_DIR.parent / ".env"):
        if path.is_file():
            utf16 = path.read_bytes()[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
            encoding = "utf-16" if utf16 else "utf-8-sig"  # PowerShell may write either
            for name, value in dotenv_values(path, encoding=encoding).items():
                os.environ.setdefault(name, value or "")
    for name in ("VERBOSE", "VERBOSE_OUTPUT"):
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _has_credentials() -> bool:
    environ = os.environ
    if environ.get("KAGGLE_API_TOKEN") or (
        environ.get("KAGGLE_USERNAME") and environ.get("KAGGLE_KEY")
    ):
        return True
    homes = (environ.get("KAGGLE_CONFIG_DIR") or "~/.kaggle", "~/.config/kaggle")
    files = ("kaggle.json", "access_token", "access_token.txt", "credentials.json")
    return any((Path(home).expanduser() / file).exists() for home in homes for file in files)


def _retrying(fetch: Callable[[], None]) -> None:
    """Try up to four times, as long as the fault is one that may pass."""
    import requests

    for pause in (1.0, 2.0, 4.0, None):
        try:
            return fetch()
        except requests.RequestException as error:
            response = error.response
            passing = response is None or response.status_code == 429 or response.status_code >= 500
            wait = _retry_after(response) if response is not None else None
            wait = pause if wait is None else wait
            if pause is None or not passing or wait is None or wait > _PATIENCE_SECONDS:
                raise
            time.sleep(wait)
    return None


def _retry_after(response: "requests.Response") -> float | None:
    """Return the seconds that the header asks to wait, as a number or a date (RFC 9110)."""
    from email.utils import parsedate_to_datetime

    header = response.headers.get("Retry-After", "")
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _save(response: "requests.Response", file: Path, shown: Progress, before: int = 0) -> None:
    """Write the body of an answer, and show how far all of the download has come."""
    with response, file.open("wb") as output:
        for chunk in response.iter_content(1 << 18):
            output.write(chunk)
            shown.show({"MB": math.ceil((before + output.tell()) / 1e6)})


def _reason(error: Exception) -> str:
    """Say what went wrong in words of our own: a server's might quote what was sent to it."""
    import requests

    response = getattr(error, "response", None)
    if response is not None:
        meaning = {
            401: "the credentials were refused, or are needed and missing",
            403: "access is forbidden to these credentials",
            404: "there is no such file or dataset",
            429: "too many requests; wait some minutes",
        }.get(response.status_code, "the server failed")
        return f"{meaning} (HTTP {response.status_code})"
    if isinstance(error, requests.RequestException):
        return f"the connection failed or was cut off ({type(error).__name__})"
    if isinstance(error, zipfile.BadZipFile | zlib.error | KeyError):
        return f"what came is not a zip archive with {' and '.join(CSV_NAMES)}"
    if isinstance(error, DataError):
        return f"what came is not MNIST: {error}"
    if isinstance(error, OSError):
        return f"the files could not be written ({error.strerror or type(error).__name__})"
    return f"the client failed ({type(error).__name__})"
